// Trains a network while only one layer's gradients are in memory at a time.
//
// The network is trained twice from the same initial weights. First as usual: the backward pass computes the
// gradients of all layers, and step() then uses them. Then with gradient_release: as soon as the backward pass
// has computed the gradients of a layer, step_param() updates it, and their memory is freed before the next
// layer allocates its own. Losses and weights have the same bits, for a fraction of the memory.
//
// The price: nothing can be done that needs all gradients at once, such as clipping by their norm or adding up
// the gradients of several batches (set_optimizer_accumulation() is for the latter). To build and run it:
//
//   cargo build --release
//   c++ -std=c++17 -O2 -ffp-contract=off -Iinclude examples/gradient_release.cpp -o gradient_release
//       -Ltarget/release -lradam -Wl,-rpath,target/release      (all in one line)
//   ./gradient_release
//
// SPDX: MIT OR Apache-2.0

#include "dense_network.hpp"
#include "digits.hpp"
#include "portable_numbers.hpp"

#include "radam.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

using FloatNetwork = Network<float>;
using FloatTensor = Tensor<float, float>;

const std::vector<std::size_t> kLayerSizes = {kPixels, 96, 96, 96, 96, 96, 96, kDigits};
constexpr std::size_t kEpochs = 5;
constexpr std::size_t kBatchSize = 32;
constexpr std::uint64_t kTrainingSeed = 2;

// Tensor i of the network becomes parameter i. It has no gradient yet: where that is turns out in the backward pass.
void add_tensors(radam::Optimizer& optimizer, FloatNetwork& network, bool gradient_release) {
  radam::GroupOptions options;
  options.lr = 0.002;
  options.weight_decay = 0.1;
  options.decouple_wd = true;
  options.gradient_release = gradient_release;
  const radam::GroupId group = optimizer.add_group(options);
  for (FloatTensor* tensor : network.tensors()) optimizer.add_param(group, tensor->data, nullptr, tensor->name);
}

// ---- Two ways to step ----------------------------------------------------------------------------

// The size in bytes of all gradients in memory, now and at its peak.
class GradientMemory {
 public:
  void measure(FloatNetwork& network) {
    std::size_t bytes = 0;
    for (const FloatTensor* tensor : network.tensors()) bytes += tensor->grad.capacity() * sizeof(float);
    peak_ = std::max(peak_, bytes);
  }
  std::size_t peak() const { return peak_; }

 private:
  std::size_t peak_ = 0;
};

// As usual: all gradients stay in memory for step().
double step_after_backward(radam::Optimizer& optimizer, FloatNetwork& network, const Batch& batch,
                           GradientMemory& memory) {
  const double loss = network.forward_and_backward(batch);
  memory.measure(network);
  std::uint32_t param = 0;
  for (FloatTensor* tensor : network.tensors()) optimizer.set_grad(param++, tensor->grad);
  optimizer.step();
  return loss;
}

// Updates a tensor from its gradient, and frees the gradient.
void step_and_release(radam::Optimizer& optimizer, radam::ParamId param, FloatTensor& tensor) {
  optimizer.step_param(param, tensor.grad);
  tensor.grad = std::vector<float>();  // clear() would keep the memory
}

// With gradient_release: each layer is updated as soon as the backward pass is done with it. This does not affect
// the layer before it, because the gradient of that layer's output was computed before the weights changed.
double step_inside_backward(radam::Optimizer& optimizer, FloatNetwork& network, const Batch& batch,
                            GradientMemory& memory) {
  return network.forward_and_backward(batch, 1.0f, [&](FloatNetwork::Layer& layer) {
    memory.measure(network);
    const std::uint32_t weight = 2 * static_cast<std::uint32_t>(&layer - network.layers.data());
    step_and_release(optimizer, weight, layer.weight);
    step_and_release(optimizer, weight + 1, layer.bias);
  });
}

// ---- Training ------------------------------------------------------------------------------------

struct Run {
  std::vector<double> losses;  // of every batch
  std::vector<std::vector<float>> weights;
  std::size_t peak_bytes = 0;
};

Run train(const Digits& digits, bool release) {
  std::vector<Image> images = digits.training;
  Random random(kTrainingSeed);
  FloatNetwork network(kLayerSizes, random);
  radam::Optimizer optimizer;
  add_tensors(optimizer, network, release);
  const auto step = release ? step_inside_backward : step_after_backward;
  GradientMemory memory;
  Run run;
  Batch batch;
  std::printf("%s\n", release ? "gradient_release and radam_step_param:" : "radam_step:");
  for (std::size_t epoch = 1; epoch <= kEpochs; ++epoch) {
    random.shuffle(images);
    double loss = 0.0;
    for (std::size_t first = 0; first < images.size(); first += kBatchSize) {
      load_batch(images, first, std::min(kBatchSize, images.size() - first), batch);
      run.losses.push_back(step(optimizer, network, batch, memory));
      loss += run.losses.back();
    }
    std::printf("  epoch %zu/%zu   loss %.5f\n", epoch, kEpochs, loss / static_cast<double>(images.size()));
  }
  for (const FloatTensor* tensor : network.tensors()) run.weights.push_back(tensor->data);
  run.peak_bytes = memory.peak();
  std::printf("  test accuracy %.2f %%, gradients take up to %zu bytes\n\n",
              percent_of(digits.test, network.count_correct(digits.test)), run.peak_bytes);
  return run;
}

// Returns whether all bits are the same. (With ==, 0 equals -0, and NaN does not equal itself.)
template <typename Number>
bool same_bits(const std::vector<Number>& left, const std::vector<Number>& right) {
  return left.size() == right.size() && std::memcmp(left.data(), right.data(), left.size() * sizeof(Number)) == 0;
}

bool compare(const Run& usual, const Run& released) {
  bool same_weights = usual.weights.size() == released.weights.size();
  for (std::size_t i = 0; same_weights && i < usual.weights.size(); ++i) {
    same_weights = same_bits(usual.weights[i], released.weights[i]);
  }
  const bool same_losses = same_bits(usual.losses, released.losses);
  std::printf("losses of all %zu steps: %s\n", usual.losses.size(), same_losses ? "the same bits" : "DIFFERENT");
  std::printf("weights at the end: %s\n", same_weights ? "the same bits" : "DIFFERENT");
  std::printf("peak memory for gradients: %.1f times less\n",
              static_cast<double>(usual.peak_bytes) / static_cast<double>(released.peak_bytes));
  return same_losses && same_weights;
}

int main(int argc, char** argv) {
  if (argc > 2) {
    std::fputs("usage: gradient_release [digits.csv]\n", stderr);
    return 1;
  }
  try {
    const Digits digits = read_digits(argc > 1 ? argv[1] : "examples/data/digits.csv");
    const Run usual = train(digits, false);
    const Run released = train(digits, true);
    return compare(usual, released) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gradient_release: %s\n", error.what());
    return 1;
  }
}
