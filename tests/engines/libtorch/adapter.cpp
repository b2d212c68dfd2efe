// Tests examples/engines/libtorch/radam_torch.hpp. Prints "ok" if everything holds.

#include "radam_torch.hpp"

#include <torch/torch.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

using radam_torch::RAdam;

// The call throws, and the sentence has these words.
template <typename Call>
void refused(const Call& call, const std::string& words) {
  try {
    call();
  } catch (const std::exception& error) {
    if (std::string(error.what()).find(words) != std::string::npos) return;
    std::fprintf(stderr, "not \"%s\" in: %s\n", words.c_str(), error.what());
    std::exit(1);
  }
  std::fprintf(stderr, "not refused: %s\n", words.c_str());
  std::exit(1);
}

at::Tensor leaf(at::IntArrayRef sizes, at::ScalarType dtype = at::kFloat) {
  return torch::randn(sizes, dtype).requires_grad_(true);
}

RAdam::NamedParameters named(const std::vector<at::Tensor>& tensors) {
  RAdam::NamedParameters params;
  for (const at::Tensor& tensor : tensors) params.insert("tensor" + std::to_string(params.size()), tensor);
  return params;
}

// Steps have the bits of radam_update on copies, whatever the dtypes, and for tensors large enough for many threads.
void steps_are_those_of_radam(at::ScalarType dtype, at::ScalarType grad_dtype, std::int64_t len) {
  const at::Tensor param = leaf({len}, dtype);
  param.set_grad_dtype(grad_dtype);
  const at::Tensor copy = param.detach().clone();
  const at::Tensor exp_avg = at::zeros_like(copy), exp_avg_sq = at::zeros_like(copy), kahan = at::zeros_like(copy);
  const radam::GroupOptions options{.lr = 0.01, .weight_decay = 0.1, .decouple_wd = true};
  RAdam optimizer(named({param}), options);
  const radam_group_options c_options = options.c();
  for (std::uint64_t step = 1; step <= 10; ++step) {
    const at::Tensor grad = torch::randn({len}, grad_dtype);
    param.mutable_grad() = grad;
    optimizer.step();
    const auto c_dtype = [](at::ScalarType type) { return static_cast<radam_dtype>(radam_torch::dtype_of(type)); };
    TORCH_CHECK(radam_update(c_dtype(dtype), c_dtype(grad_dtype), 0, copy.mutable_data_ptr(), grad.mutable_data_ptr(),
                             exp_avg.mutable_data_ptr(), exp_avg_sq.mutable_data_ptr(),
                             copy.element_size() == 2 ? kahan.mutable_data_ptr() : nullptr,
                             static_cast<std::uint64_t>(len), &c_options, step) == RADAM_OK);
    TORCH_CHECK(param.detach().equal(copy));
  }
}

void large_steps_run_on_the_threads_of_aten() {
  const at::Tensor param = leaf({1 << 20});
  param.mutable_grad() = at::ones({1 << 20});
  RAdam optimizer(named({param}), {.lr = 0.1});
  for (const int threads : {2, 1}) {
    at::set_num_threads(threads);
    TORCH_CHECK(optimizer.step_with({}).threads == static_cast<std::uint32_t>(threads));
  }
}

// Gradients may be freed between steps.
void no_address_is_kept() {
  const at::Tensor param = leaf({5});
  param.mutable_grad() = at::ones({5});
  RAdam optimizer(named({param}), {.lr = 0.1});
  optimizer.step();
  refused([&] { optimizer.step_with({.grad_scale = -1}); }, "grad_scale is -1");
  const radam::Param registered = optimizer.radam().param(0);
  TORCH_CHECK(registered.data.address == nullptr && registered.grad.address == nullptr);
}

void parameters_without_gradients_are_skipped() {
  const at::Tensor used = leaf({5}), unused = leaf({5});
  const at::Tensor before = unused.detach().clone();
  RAdam optimizer(named({used, unused}), {.lr = 0.1});
  TORCH_CHECK(optimizer.step_with({}).params_stepped == 0);
  used.sum().backward();
  TORCH_CHECK(optimizer.step_with({}).params_stepped == 1);
  TORCH_CHECK(unused.detach().equal(before));
  optimizer.zero_grad();
  TORCH_CHECK(optimizer.step_with({}).params_stepped == 0);
}

void groups_have_options_of_their_own() {
  const at::Tensor first = at::zeros({1}).requires_grad_(), second = at::zeros({1}).requires_grad_();
  RAdam optimizer(named({first}), {.lr = 0.1});
  RAdam::NamedParameters more;
  more.insert("second", second);
  optimizer.add_param_group(more, {.lr = 0.01, .maximize = true});
  (first + second).backward();
  optimizer.step();
  TORCH_CHECK(std::abs(first.item<double>() + 0.1) < 1e-6 && std::abs(second.item<double>() - 0.01) < 1e-6);
}

// Autograd refuses a backward pass that needs the parameter as it was.
void autograd_notices_a_step() {
  const at::Tensor param = leaf({3});
  RAdam optimizer(named({param}), {.lr = 0.1});
  const at::Tensor loss = (param * param).sum();
  param.mutable_grad() = at::ones({3});
  const auto version = param._version();
  optimizer.step();
  TORCH_CHECK(param._version() == version + 1);
  refused([&] { loss.backward(); }, "modified by an inplace operation");
}

void a_closure_is_called_with_gradients_on() {
  const at::Tensor param = leaf({3});
  RAdam optimizer(named({param}), {.lr = 0.1});
  const torch::NoGradGuard no_grad;
  const at::Tensor before = param.clone();
  const at::Tensor loss = optimizer.step([&] {
    const at::Tensor sum = param.sum();
    sum.backward();
    return sum;
  });
  TORCH_CHECK(loss.item<float>() == before.sum().item<float>());
  TORCH_CHECK(!param.equal(before));
}

void what_does_not_fit_is_refused() {
  refused([] { RAdam(named({leaf({2, 3}).detach().t().requires_grad_()}), {.lr = 0.1}); },
          "tensor0 has sizes [3, 2] and strides [1, 3]; it must be contiguous");
  refused([] { RAdam(named({torch::zeros({2}, at::kComplexFloat).requires_grad_()}), {.lr = 0.1}); },
          "radam steps float, double, half and bfloat16 tensors, not ComplexFloat");
  refused([] { RAdam(named({leaf({2})}), {.lr = -1}); }, "lr is -1");
  const at::Tensor elsewhere = torch::empty({2}, at::TensorOptions(at::kMeta)).requires_grad_();
  refused([&] { RAdam(named({elsewhere}), {.lr = 0.1}); }, "radam steps tensors on the CPU and on CUDA GPUs, not on meta");
  refused([&] { RAdam(named({leaf({2}), elsewhere}), {.lr = 0.1}); },
          "tensor1 is a Strided tensor on meta; it must be a strided one on cpu");
  refused([] { RAdam(named({leaf({2}) * 2}), {.lr = 0.1}); }, "non-leaf");
  const at::Tensor param = leaf({2, 3});
  const at::Tensor before = param.detach().clone();
  RAdam optimizer(named({param}), {.lr = 0.1});
  param.mutable_grad() = at::ones({3, 2}).t();
  refused([&] { optimizer.step(); }, "the gradient of tensor0 has sizes [2, 3] and strides [1, 2]");
  param.mutable_grad() = at::ones({2, 3}).to_sparse();
  refused([&] { optimizer.step(); }, "the gradient of tensor0 is a Sparse tensor on cpu");
  param.set_grad_dtype(std::nullopt);
  param.mutable_grad() = at::ones({2, 3}, at::kDouble);
  refused([&] { optimizer.step(); }, "the gradient of tensor0 is Double; it must be Float");
  param.mutable_grad() = at::ones({6, 2});
  refused([&] { optimizer.step(); }, "the gradient of tensor0 has 12 elements; it must have 6");
  TORCH_CHECK(param.detach().equal(before));
  refused([&] { optimizer.add_param_group(named({leaf({2})}), {.lr = 0.1}); }, "tensor0");
  TORCH_CHECK(optimizer.param_groups().size() == 1);
}

// As model->to(dtype) leaves it, with half of its memory: a step as it was added would write beyond it.
void a_parameter_that_became_another_is_refused(bool release) {
  const at::Tensor param = leaf({1000});
  RAdam optimizer(named({param}), {.lr = 0.1, .gradient_release = release});
  const auto step = [&] {
    param.mutable_grad().reset();
    param.sum().backward();
    optimizer.step();
  };
  step();
  param.set_data(param.detach().to(at::kBFloat16));
  refused(step, "tensor0 has 1000 elements of BFloat16; when it was added, it had 1000 of Float: create the optimizer");
  param.set_data(torch::randn({500}));
  refused(step, "tensor0 has 500 elements of Float; when it was added, it had 1000 of Float");
}

void an_archive_of_another_optimizer_is_refused(const std::string& path) {
  const at::Tensor param = leaf({3});
  torch::optim::SGD other({param}, 0.1);
  torch::save(other, path);
  RAdam optimizer(named({param}), {.lr = 0.1});
  refused([&] { torch::load(optimizer, path); }, "the archive has no state of radam_torch::RAdam");
}

// One of torch::optim sets the lr, which the next step uses: by 0.1 and then by 0.01 times the gradient of 1.
void schedulers_set_the_lr() {
  const at::Tensor param = at::zeros({1}).requires_grad_();
  RAdam optimizer(named({param}), {.lr = 0.1});
  torch::optim::ReduceLROnPlateauScheduler schedule(optimizer, torch::optim::ReduceLROnPlateauScheduler::min, 0.1, 0);
  std::vector<double> moves;
  for (int step = 0; step < 2; ++step) {
    const double before = param.item<double>();
    param.mutable_grad() = at::ones({1});
    optimizer.step();
    moves.push_back(before - param.item<double>());
    schedule.step(1.0f);
    schedule.step(1.0f);
  }
  TORCH_CHECK(std::abs(moves[0] - 0.1) < 1e-6 && std::abs(moves[1] - 0.01) < 1e-6);
}

void train(RAdam& optimizer, const at::Tensor& param, int steps) {
  for (int step = 0; step < steps; ++step) {
    optimizer.zero_grad();
    (param * param).sum().backward();
    optimizer.step();
  }
}

// Saved in either way and loaded into a new optimizer, a run continues as if it had never stopped.
void saved_runs_continue(const std::string& path, bool in_archive) {
  const at::Tensor param = leaf({100});
  RAdam optimizer(named({param}), {.lr = 0.1});
  optimizer.param_groups()[0].options().set_lr(0.05);
  train(optimizer, param, 8);
  in_archive ? torch::save(optimizer, path) : optimizer.save(path);
  const at::Tensor other = param.detach().clone().requires_grad_();
  train(optimizer, param, 8);

  RAdam resumed(named({other}), {.lr = 1.0});
  if (in_archive) torch::load(resumed, path);
  else resumed.load(path);
  TORCH_CHECK(resumed.param_groups()[0].options().get_lr() == 0.05);
  train(resumed, other, 8);
  TORCH_CHECK(other.detach().equal(param.detach()));
}

// With gradient release, gradients are gone after the backward pass, and so are the hooks after the optimizer.
void released_gradients_are_gone() {
  const at::Tensor param = leaf({100}), other = param.detach().clone().requires_grad_();
  RAdam usual(named({other}), {.lr = 0.1});
  {
    RAdam optimizer(named({param}), {.lr = 0.1, .gradient_release = true});
    for (int step = 0; step < 8; ++step) {
      if (step == 4) optimizer.param_groups()[0].options().set_lr(0.01);
      const auto version = param._version();
      (param * param).sum().backward();
      TORCH_CHECK(!param.grad().defined());
      TORCH_CHECK(param._version() == version + 1);
    }
    refused([&] { RAdam(named({param}), {.lr = 0.1, .gradient_release = true}); }, "tensor0 has a hook already");
  }
  train(usual, other, 4);
  usual.param_groups()[0].options().set_lr(0.01);
  train(usual, other, 4);
  TORCH_CHECK(other.detach().equal(param.detach()));
  param.sum().backward();
  TORCH_CHECK(param.grad().defined());
}

int main(int, char** argv) {
  torch::manual_seed(1);
  at::set_num_threads(2);
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16}) {
    for (const std::int64_t len : {0, 1, 1000, 300001}) steps_are_those_of_radam(dtype, dtype, len);
  }
  steps_are_those_of_radam(at::kBFloat16, at::kFloat, 1000);
  steps_are_those_of_radam(at::kFloat, at::kBFloat16, 1000);
  large_steps_run_on_the_threads_of_aten();
  no_address_is_kept();
  parameters_without_gradients_are_skipped();
  groups_have_options_of_their_own();
  autograd_notices_a_step();
  a_closure_is_called_with_gradients_on();
  what_does_not_fit_is_refused();
  for (const bool release : {false, true}) a_parameter_that_became_another_is_refused(release);
  an_archive_of_another_optimizer_is_refused(argv[1]);
  schedulers_set_the_lr();
  saved_runs_continue(argv[1], false);
  saved_runs_continue(argv[1], true);
  released_gradients_are_gone();
  std::puts("ok");
}
