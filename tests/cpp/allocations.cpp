// Neither a step, whole, in slices or of one tensor, nor what goes on around it allocates anything in the header.
#include "check.hpp"

#include <chrono>
#include <new>

static std::size_t allocations = 0;

void* operator new(std::size_t bytes) {
  allocations++;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

int main() {
  std::vector<float> w = numbers(100, 1), g = numbers(100, 2), v = numbers(70000, 3), h = numbers(70000, 4);
  radam::GroupOptions releasing = group_options();
  releasing.gradient_release = true;
  radam::Options on_this_thread;
  on_this_thread.num_threads = 1;
  radam::Optimizer opt(on_this_thread);
  const auto group = opt.add_group(group_options());
  const auto param = opt.add_param(group, v, h);
  const auto loose = opt.add_param<float>(opt.add_group(releasing), w.size());
  radam::StepOptions options;
  options.max_grad_norm = 1;
  const std::size_t before = allocations;
  CHECK(before > 0);
  for (int round = 0; round < 3; round++) {
    opt.set_lr(group, 0.1);
    opt.step();
    opt.step(options);
    opt.set_grad(param, h);
    radam::GradSums sums;
    sums.add(g);
    options.grad_sums = &sums;
    opt.step_tensor(loose, w, g);
    opt.step_tensor(loose, w, g, options);
    options.grad_sums = nullptr;
    auto step = opt.begin_step(options);
    for (auto wave : step.waves()) {
      for (std::uint64_t chunk = 0; chunk < wave.size(); chunk++) wave.step(chunk);
    }
    step.end();
    step = opt.begin_step();
    while (step.run_for(std::chrono::microseconds(10)) > 0) {
    }
    step.end();
    CHECK(opt.state<float>(param, radam::State::exp_avg).size() == v.size() && opt.group_report(group).step > 1);
    opt.zero_grad();
  }
  CHECK(allocations == before);
}
