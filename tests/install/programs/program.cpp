// The quickstart in C++.
#include <radam.h>

#include <cstdio>
#include <memory>
#include <stdexcept>

static void check(radam_status status) {
  if (status != RADAM_OK) throw std::runtime_error(radam_status_string(status));
}

int main() {
  float weight[3] = {}, grad[3];
  const float target[3] = {1, -2, 3};
  radam_optimizer *handle = nullptr;
  check(radam_create(nullptr, &handle));
  const std::unique_ptr<radam_optimizer, radam_status (*)(radam_optimizer *)> opt(handle, radam_free);
  radam_group_options options;
  check(radam_group_options_init(&options, sizeof options));
  options.lr = 0.05;
  check(radam_add_param_group(opt.get(), &options, nullptr, 0, nullptr));
  check(radam_add_param(opt.get(), 0, RADAM_DTYPE_F32, 0, weight, grad, 3, "weight", nullptr));
  for (int step = 0; step < 200; step++) {
    for (int i = 0; i < 3; i++) grad[i] = 2 * (weight[i] - target[i]);
    check(radam_step(opt.get()));
  }
  std::printf("weight %.3f %.3f %.3f\n", weight[0], weight[1], weight[2]);
}
