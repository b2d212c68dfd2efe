// Trains a small network on handwritten digits in LibTorch, with radam as its optimizer.
//
// The losses in f32 and f64 are those of torch.optim.RAdam within rounding; reference.py trains the same network in
// Python. In bf16 and f16, parameters, gradients and state take 2 bytes per element each, and Kahan summation keeps
// what rounding would lose.
//
// usage: train_digits f32|f64|bf16|f16 [digits.csv [cpu|cuda]]
//
// SPDX: MIT OR Apache-2.0

#include "radam_torch.hpp"

#include <torch/torch.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <string>
#include <vector>

constexpr std::int64_t kPixels = 64, kTrainingImages = 1437, kBatch = 64, kSteps = 300;
constexpr double kLearningRate = 0.01;

struct Digits {
  at::Tensor images, labels;
};

Digits read_digits(const std::string& path, at::ScalarType dtype) {
  std::ifstream file(path);
  TORCH_CHECK(file, "cannot open ", path);
  std::vector<float> numbers;
  for (std::string row; std::getline(file, row);) {
    std::size_t at = 0, next = 0;
    do {
      next = row.find(',', at);
      numbers.push_back(std::stof(row.substr(at, next - at)));
      at = next + 1;
    } while (next != std::string::npos);
  }
  const at::Tensor rows = torch::tensor(numbers).view({-1, kPixels + 1});
  return {(rows.narrow(1, 0, kPixels) / 16).to(dtype), rows.select(1, kPixels).to(at::kLong)};
}

void train(const Digits& digits, at::ScalarType dtype, at::Device device) {
  torch::manual_seed(1);
  // One after another, so that the initial weights are those of Python: compilers choose the order of arguments.
  torch::nn::Sequential model;
  model->push_back(torch::nn::Linear(kPixels, 128));
  model->push_back(torch::nn::Tanh());
  model->push_back(torch::nn::Linear(128, 10));
  model->to(device, dtype);
  radam_torch::RAdam optimizer(model->named_parameters(), {.lr = kLearningRate, .beta2 = 0.999});

  for (std::int64_t step = 1; step <= kSteps; ++step) {
    const std::int64_t first = step * kBatch % (kTrainingImages - kBatch);
    const at::Tensor logits = model->forward(digits.images.narrow(0, first, kBatch));
    const at::Tensor loss = torch::nn::functional::cross_entropy(logits, digits.labels.narrow(0, first, kBatch));
    optimizer.zero_grad();
    loss.backward();
    optimizer.param_groups()[0].options().set_lr(kLearningRate * static_cast<double>(kSteps - step + 1) / kSteps);
    optimizer.step();
    if (step % 10 == 0) std::printf("step %3lld  loss %.15g\n", static_cast<long long>(step), loss.item<double>());
  }

  const torch::NoGradGuard no_grad;
  const std::int64_t test_images = digits.images.size(0) - kTrainingImages;
  const at::Tensor logits = model->forward(digits.images.narrow(0, kTrainingImages, test_images));
  const at::Tensor correct = logits.argmax(1) == digits.labels.narrow(0, kTrainingImages, test_images);
  std::printf("test accuracy %.2f %%\n", 100 * correct.to(at::kDouble).mean().item<double>());
}

int main(int argc, char** argv) {
  const std::map<std::string, at::ScalarType> dtypes = {
      {"f32", at::kFloat}, {"f64", at::kDouble}, {"bf16", at::kBFloat16}, {"f16", at::kHalf}};
  const auto dtype = dtypes.find(argc > 1 ? argv[1] : "");
  if (dtype == dtypes.end()) {
    std::fputs("usage: train_digits f32|f64|bf16|f16 [digits.csv [cpu|cuda]]\n", stderr);
    return 1;
  }
  try {
    const at::Device device(argc > 3 ? argv[3] : "cpu");
    Digits digits = read_digits(argc > 2 ? argv[2] : "examples/data/digits.csv", dtype->second);
    digits = {digits.images.to(device), digits.labels.to(device)};
    train(digits, dtype->second, device);
  } catch (const c10::Error& error) {
    std::fprintf(stderr, "train_digits: %s\n", error.what_without_backtrace());
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train_digits: %s\n", error.what());
    return 1;
  }
}
