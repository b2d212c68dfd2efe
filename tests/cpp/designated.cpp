// C++20: the calls as they are written in the documentation, with designated initializers.
#include "check.hpp"

#include <span>

int main() {
  std::vector<float> weight = numbers(1000, 1), grad = numbers(1000, 2), bias = numbers(10, 3);
  std::vector<radam::bfloat16> bias_grad(10, radam::bfloat16(1)), copy(1000);
  radam::Optimizer opt;
  std::uint32_t group = opt.add_group({.lr = 1e-3, .weight_decay = 0.1, .decouple_wd = true});
  std::uint32_t w = opt.add_param(group, weight.data(), grad.data(), weight.size(), "weight");
  opt.add_param(group, std::span(bias), std::span(bias_grad), "bias");
  opt.step();
  radam::StepReport r = opt.step({.max_grad_norm = 1.0, .skip_nonfinite = true});
  CHECK(r.params_stepped == 2 && r.clip_coefficient < 1 && opt.step_count(w) == 2);
  opt.step({.grad_scale = 0.5}, radam::no_report);

  radam::Optimizer two(radam::Options{.num_threads = 1, .parallel_from = 1000});
  const radam::Param params[] = {{.data = weight, .grad = grad, .len = 1000, .name = "weight", .copy = copy}};
  two.add_group({.lr = 0.1, .kahan_sum = false, .state_dtype = radam::Dtype::f32}, params);
  CHECK(two.step({.zero_grad = true}).threads == 1 && copy[0] == radam::bfloat16(weight[0]) && grad[0] == 0);
  CHECK(opt.handle() != two.handle());
}
