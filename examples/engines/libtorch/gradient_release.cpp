// Trains in LibTorch with and without gradient release, and shows the memory that it saves.
//
// With it, each parameter is stepped inside the backward pass, as soon as its gradient is complete, and the gradient is
// freed before the next one is computed. The training is the same: losses and weights have the same bits.
//
// usage: gradient_release
//
// SPDX: MIT OR Apache-2.0

#include "radam_torch.hpp"

#include <c10/core/CPUAllocator.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <vector>

constexpr std::int64_t kLayers = 8, kWidth = 512, kBatch = 16, kSteps = 20;

// LibTorch's memory for tensors, counted. It keeps the size of a block in front of it.
struct CountingAllocator final : c10::Allocator {
  static constexpr std::align_val_t kAlignment{64};
  static inline std::size_t bytes = 0, peak = 0;  // the backward pass runs on the thread that called it

  c10::DataPtr allocate(std::size_t size) override {
    char* block = static_cast<char*>(::operator new(size + static_cast<std::size_t>(kAlignment), kAlignment));
    std::memcpy(block, &size, sizeof size);
    bytes += size;
    peak = std::max(peak, bytes);
    void* data = block + static_cast<std::size_t>(kAlignment);
    return {data, data, &release, c10::Device(c10::kCPU)};
  }
  static void release(void* data) {
    char* block = static_cast<char*>(data) - static_cast<std::size_t>(kAlignment);
    std::size_t size = 0;
    std::memcpy(&size, block, sizeof size);
    bytes -= size;
    ::operator delete(block, kAlignment);
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t size) const override { std::memcpy(to, from, size); }
};

struct Run {
  std::vector<float> losses;
  std::vector<at::Tensor> weights;
  std::size_t step_bytes;  // the most that a step needed beyond what there was when it began
};

Run train(bool gradient_release) {
  torch::manual_seed(1);
  torch::nn::Sequential model;
  for (std::int64_t layer = 0; layer < kLayers; ++layer) {
    model->push_back(torch::nn::Linear(kWidth, kWidth));
    model->push_back(torch::nn::Tanh());
  }
  radam_torch::RAdam optimizer(model->named_parameters(), {.lr = 1e-3, .gradient_release = gradient_release});
  const at::Tensor input = torch::randn({kBatch, kWidth}), target = torch::randn({kBatch, kWidth});
  Run run{};
  for (std::int64_t step = 0; step < kSteps; ++step) {
    optimizer.zero_grad();
    const std::size_t before = CountingAllocator::bytes;
    CountingAllocator::peak = before;
    const at::Tensor loss = torch::mse_loss(model->forward(input), target);
    loss.backward();
    if (!gradient_release) optimizer.step();
    run.step_bytes = std::max(run.step_bytes, CountingAllocator::peak - before);
    run.losses.push_back(loss.item<float>());
  }
  run.weights = model->parameters();
  return run;
}

int main() {
  static CountingAllocator allocator;
  c10::SetCPUAllocator(&allocator);
  try {
    const Run usual = train(false), released = train(true);
    const bool same_losses = usual.losses == released.losses;
    const bool same_weights = std::equal(usual.weights.begin(), usual.weights.end(), released.weights.begin(),
                                         [](const at::Tensor& a, const at::Tensor& b) { return a.equal(b); });
    std::printf("losses of all %zu steps, from %.4f to %.4f: %s\n", usual.losses.size(),
                static_cast<double>(usual.losses.front()), static_cast<double>(usual.losses.back()),
                same_losses ? "the same bits" : "DIFFERENT");
    std::printf("weights at the end: %s\n", same_weights ? "the same bits" : "DIFFERENT");
    std::printf("memory of a step beside weights and state: %.1f MiB, with gradient release %.1f MiB\n",
                static_cast<double>(usual.step_bytes) / 0x1p20, static_cast<double>(released.step_bytes) / 0x1p20);
    return same_losses && same_weights ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gradient_release: %s\n", error.what());
    return 1;
  }
}
