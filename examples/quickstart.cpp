#include "radam.hpp"
#include <cstdio>
#include <vector>

int main() try {
  std::vector<float> weight(3), grad(3);
  const std::vector<float> target = {1, -2, 3};
  radam::GroupOptions options;
  options.lr = 0.05;
  radam::Optimizer optimizer;
  optimizer.add_param(optimizer.add_group(options), weight, grad, "weight");
  for (int step = 1; step <= 200; step++) {
    double loss = 0;
    for (std::size_t i = 0; i < weight.size(); i++) {
      const float error = weight[i] - target[i];
      loss += error * error;
      grad[i] = 2 * error;
    }
    optimizer.step();
    if (step % 40 == 0) std::printf("step %3d  loss %9.6f\n", step, loss);
  }
  std::printf("weight %.3f %.3f %.3f\n", weight[0], weight[1], weight[2]);
} catch (const radam::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
