// The quickstart in C++.
#include <radam.hpp>

#include <cstdio>

int main() {
  float weight[3] = {}, grad[3];
  const float target[3] = {1, -2, 3};
  radam::Optimizer opt;
  radam::GroupOptions options;
  options.lr = 0.05;
  opt.add_param(opt.add_group(options), weight, grad, 3, "weight");
  for (int step = 0; step < 200; step++) {
    for (int i = 0; i < 3; i++) grad[i] = 2 * (weight[i] - target[i]);
    opt.step();
  }
  std::printf("weight %.3f %.3f %.3f\n", weight[0], weight[1], weight[2]);
}
