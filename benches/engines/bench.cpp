// Times one optimizer step right after a backward pass in LibTorch, whose OpenMP threads are then still spinning.
//
// All contenders take turns in one process, each with tensors of its own, in an order that rotates from round to round.
// Prints a line for each step: the number of parameters, the contender, and the nanoseconds of the step. engines.py
// makes the page from them.
//
// usage: bench ROUNDS PARAMETERS...
//
// SPDX: MIT OR Apache-2.0

#include "radam_torch.hpp"

#include <torch/torch.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

constexpr double kLr = 1e-3, kBeta1 = 0.9, kBeta2 = 0.99, kEps = 1e-6, kWeightDecay = 0.1;
constexpr int kWarmUp = 10;  // so that every timed step of RAdam is rectified
constexpr std::chrono::milliseconds kPause(50);  // after which OpenMP's threads sleep

struct Contender {
  std::string name;
  at::Tensor param;
  std::function<void()> step;
  bool after_pause = false;
};

at::Tensor make_param(std::int64_t len) {
  const at::Tensor param = torch::randn({len}).requires_grad_();
  param.mutable_grad() = at::zeros({len});  // backward passes add to it, so it stays where it is
  return param;
}

Contender radam_contender(const std::string& name, std::int64_t len, const radam::Options& options) {
  const at::Tensor param = make_param(len);
  const auto optimizer = std::make_shared<radam::Optimizer>(options);
  const radam::GroupId group = optimizer->add_group({.lr = kLr, .weight_decay = kWeightDecay, .decouple_wd = true});
  optimizer->add_param(group, param.mutable_data_ptr<float>(), param.mutable_grad().mutable_data_ptr<float>(),
                       static_cast<std::uint64_t>(len));
  return {name, param, [optimizer] { optimizer->step(); }};
}

Contender fused_adamw(std::int64_t len) {
  const at::Tensor param = make_param(len);
  const at::Tensor exp_avg = at::zeros({len}), exp_avg_sq = at::zeros({len}), steps = at::zeros({});
  return {"torch _fused_adamw_", param, [=] {
            const torch::NoGradGuard no_grad;
            steps.add_(1);
            at::_fused_adamw_({param}, {param.grad()}, {exp_avg}, {exp_avg_sq}, {}, {steps}, kLr, kBeta1, kBeta2,
                              kWeightDecay, kEps, /*amsgrad=*/false, /*maximize=*/false);
          }};
}

Contender adamw(std::int64_t len) {
  const at::Tensor param = make_param(len);
  const auto options =
      torch::optim::AdamWOptions(kLr).betas({kBeta1, kBeta2}).eps(kEps).weight_decay(kWeightDecay);
  const auto optimizer = std::make_shared<torch::optim::AdamW>(std::vector<at::Tensor>{param}, options);
  return {"torch::optim::AdamW", param, [optimizer] { optimizer->step(); }};
}

// The memory traffic of a step without its arithmetic, 28 bytes per parameter: four arrays are read, three written.
Contender traffic(std::int64_t len) {
  const at::Tensor param = make_param(len), exp_avg = at::zeros({len}), exp_avg_sq = at::zeros({len});
  return {"28 bytes, no arithmetic", param, [=] {
            float *p = param.mutable_data_ptr<float>(), *m = exp_avg.mutable_data_ptr<float>();
            float* v = exp_avg_sq.mutable_data_ptr<float>();
            const float* g = param.grad().const_data_ptr<float>();
            at::parallel_for(0, len, 1, [=](std::int64_t begin, std::int64_t end) {
              for (std::int64_t i = begin; i < end; ++i) {
                p[i] += g[i];
                m[i] = -m[i];
                v[i] = -v[i];
              }
            });
          }};
}

std::vector<Contender> contenders(std::int64_t len) {
  std::vector<Contender> all;
  all.push_back(fused_adamw(len));
  all.push_back(radam_contender("radam, executor", len, {.executor = radam_torch::aten_executor()}));
  all.push_back(radam_contender("radam, own threads", len, {}));
  all.push_back(radam_contender("radam, own threads, after a pause", len, {}));
  all.back().after_pause = true;
  all.push_back(radam_contender("radam, one thread", len, {.num_threads = 1}));
  all.push_back(adamw(len));
  all.push_back(traffic(len));
  return all;
}

// The nanoseconds of a step after a backward pass.
long long sample(const Contender& contender, const at::Tensor& factor) {
  contender.param.mutable_grad().zero_();
  (contender.param * factor).sum().backward();
  if (contender.after_pause) std::this_thread::sleep_for(kPause);
  const auto start = std::chrono::steady_clock::now();
  contender.step();
  const std::chrono::nanoseconds time = std::chrono::steady_clock::now() - start;
  return static_cast<long long>(time.count());
}

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: bench ROUNDS PARAMETERS...\n", stderr);
    return 1;
  }
  const std::size_t rounds = std::strtoull(argv[1], nullptr, 10);
  std::printf("# LibTorch %s, radam %s, %d threads\n", TORCH_VERSION, radam_version_string(), at::get_num_threads());
  for (int i = 2; i < argc; ++i) {
    const std::int64_t len = std::strtoll(argv[i], nullptr, 10);
    const std::vector<Contender> all = contenders(len);
    const at::Tensor factor = torch::randn({len});
    for (const Contender& contender : all) {
      for (int step = 0; step < kWarmUp; ++step) sample(contender, factor);
    }
    for (std::size_t round = 0; round < rounds; ++round) {
      for (std::size_t turn = 0; turn < all.size(); ++turn) {
        const Contender& contender = all[(round + turn) % all.size()];
        std::printf("%lld\t%s\t%lld\n", static_cast<long long>(len), contender.name.c_str(), sample(contender, factor));
      }
    }
  }
}
