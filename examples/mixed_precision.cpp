// Trains with 16-bit weights and gradients, f32 master weights, and dynamic loss scaling.
//
// The network computes with bf16 weights and produces f16 gradients. radam updates f32 masters from these and
// writes the bf16 weights in the same pass (radam::Param::copy). f16 overflows above 65504 and underflows below
// 6e-8, so the loss is multiplied by a scale that keeps gradients in between, and radam divides them by it
// (grad_scale). If one overflows anyway, the step is skipped (skip_nonfinite) and the scale is halved; after a
// number of good steps it is doubled, as in torch.amp.GradScaler. A few skipped steps are therefore normal:
// they are how the scale finds its limit.
//
// A second optimizer gets the same gradients, and keeps its masters in less memory: bf16 weights with 16-bit
// remainders (master_remainder). Joined at the end, these equal the masters of the first one, bit for bit. For
// comparison, the same network is trained in f32. To build and run it:
//
//   cargo build --release
//   c++ -std=c++17 -O2 -ffp-contract=off -Iinclude examples/mixed_precision.cpp -o mixed_precision
//       -Ltarget/release -lradam -Wl,-rpath,target/release      (all in one line)
//   ./mixed_precision
//
// SPDX: MIT OR Apache-2.0

#include "dense_network.hpp"
#include "digits.hpp"
#include "portable_numbers.hpp"

#include "radam.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

using MixedNetwork = Network<radam::bfloat16, radam::float16>;
using MixedTensor = Tensor<radam::bfloat16, radam::float16>;

const std::vector<std::size_t> kLayerSizes = {kPixels, 128, 64, kDigits};
constexpr std::size_t kEpochs = 20;
constexpr std::size_t kBatchSize = 32;
constexpr double kLr = 0.004;
constexpr std::uint64_t kTrainingSeed = 2;
constexpr double kToleratedPercent = 1.0;

// ---- Loss scaling --------------------------------------------------------------------------------

// torch.amp.GradScaler starts at 2^16 and doubles after 2000 good steps; this training is shorter than that.
class LossScale {
 public:
  double value() const { return value_; }
  std::uint64_t skipped() const { return skipped_; }

  void update(const radam::StepReport& report) {
    ++batches_;
    if (report.skipped != 0) {
      ++skipped_;
      set(value_ * 0.5, "overflowed: " + std::to_string(report.nonfinite) + "; step skipped");
    } else if (++good_steps_ == kGrowthInterval) {
      set(value_ * 2.0, std::to_string(kGrowthInterval) + " good steps");
    }
  }

 private:
  static constexpr int kGrowthInterval = 100;

  void set(double value, const std::string& reason) {
    std::printf("batch %3d   loss scale %7.0f -> %7.0f   %s\n", batches_, value_, value, reason.c_str());
    value_ = value;
    good_steps_ = 0;
  }

  double value_ = 1 << 20;  // too high on purpose: the first steps are skipped
  int batches_ = 0, good_steps_ = 0;
  std::uint64_t skipped_ = 0;
};

// ---- The optimizers ------------------------------------------------------------------------------

radam::GroupOptions group_options() {
  radam::GroupOptions options;
  options.lr = kLr;
  options.weight_decay = 0.1;
  options.decouple_wd = true;
  return options;
}

radam::StepReport step(radam::Optimizer& optimizer, double progress, double loss_scale) {
  optimizer.set_lr(0, kLr * (1.0 - progress));
  radam::StepOptions options;
  options.grad_scale = 1.0 / loss_scale;
  options.skip_nonfinite = true;
  return optimizer.step(options);
}

// f32 masters in addition to the network's weights, which the steps write: 6 bytes per weight.
struct F32Masters {
  radam::Optimizer optimizer;
  std::vector<std::vector<float>> masters;

  explicit F32Masters(MixedNetwork& network) {
    const radam::GroupId group = optimizer.add_group(group_options());
    for (MixedTensor* tensor : network.tensors()) {
      // Moving a vector does not move its elements, to which radam has pointers.
      std::vector<float>& master = masters.emplace_back(tensor->data.begin(), tensor->data.end());
      tensor->grad.resize(master.size());
      radam::Param param;
      param.data = master;
      param.grad = tensor->grad;
      param.copy = tensor->data;
      optimizer.add_param(group, param);
    }
  }
};

// Masters as bf16 weights and remainders: 4 bytes per weight. The weights are a copy of the network's here, because
// the other optimizer updates those; on its own, this one would update the network's weights.
struct RemainderMasters {
  radam::Optimizer optimizer;
  std::vector<std::vector<radam::bfloat16>> weights;

  explicit RemainderMasters(MixedNetwork& network) {
    radam::GroupOptions options = group_options();
    options.master_remainder = true;
    options.state_dtype = radam::Dtype::f32;  // as the other has it
    const radam::GroupId group = optimizer.add_group(options);
    for (MixedTensor* tensor : network.tensors()) {
      optimizer.add_param(group, weights.emplace_back(tensor->data), tensor->grad);
    }
  }

  // The bits of a parameter's f32 masters, as radam_group_options describes them.
  std::vector<std::uint32_t> joined(radam::ParamId param) const {
    const auto remainders = optimizer.state<std::int16_t>(param, radam::State::master_remainder);
    std::vector<std::uint32_t> masters;
    for (std::size_t i = 0; i < remainders.size(); ++i) {
      masters.push_back((std::uint32_t{weights[param][i].bits} << 16) + static_cast<std::uint32_t>(remainders[i]));
    }
    return masters;
  }
};

// ---- Training ------------------------------------------------------------------------------------

// Calls train_on(batch, progress) for every batch, with progress from 0 to 1, and returns the test accuracy in
// percent.
template <typename AnyNetwork, typename TrainOn>
double train(AnyNetwork& network, Random& random, const Digits& digits, TrainOn train_on) {
  std::vector<Image> images = digits.training;
  const double count = static_cast<double>(images.size());
  Batch batch;
  for (std::size_t epoch = 0; epoch < kEpochs; ++epoch) {
    random.shuffle(images);
    for (std::size_t first = 0; first < images.size(); first += kBatchSize) {
      load_batch(images, first, std::min(kBatchSize, images.size() - first), batch);
      train_on(batch, (static_cast<double>(epoch) + static_cast<double>(first) / count) / kEpochs);
    }
  }
  return percent_of(digits.test, network.count_correct(digits.test));
}

double train_in_f32(const Digits& digits) {
  Random random(kTrainingSeed);
  Network<float> network(kLayerSizes, random);
  radam::Optimizer optimizer;
  const radam::GroupId group = optimizer.add_group(group_options());
  for (Tensor<float, float>* tensor : network.tensors()) {
    tensor->grad.resize(tensor->data.size());
    optimizer.add_param(group, tensor->data, tensor->grad);
  }
  return train(network, random, digits, [&](const Batch& batch, double progress) {
    network.forward_and_backward(batch);
    step(optimizer, progress, 1.0);
  });
}

// Prints how the masters compare, and returns whether they are the same. So are the bf16 weights, unless a master is
// halfway between two of them: the copy of an f32 master is rounded to even, and a weight with a remainder away from
// zero.
bool compare(const F32Masters& f32, const RemainderMasters& remainder) {
  bool same = true;
  for (std::uint32_t param = 0; param < f32.masters.size(); ++param) {
    const std::vector<std::uint32_t> joined = remainder.joined(param);
    same = same && std::memcmp(joined.data(), f32.masters[param].data(), joined.size() * sizeof joined[0]) == 0;
  }
  std::printf("f32 masters, and those joined from bf16 weights and remainders: %s\n",
              same ? "the same bits" : "DIFFERENT");
  return same;
}

bool train_and_compare(const Digits& digits) {
  Random random(kTrainingSeed);
  MixedNetwork network(kLayerSizes, random);
  F32Masters f32(network);
  RemainderMasters remainder(network);
  LossScale scale;
  const double mixed_percent = train(network, random, digits, [&](const Batch& batch, double progress) {
    network.forward_and_backward(batch, static_cast<float>(scale.value()));
    const radam::StepReport report = step(f32.optimizer, progress, scale.value());
    step(remainder.optimizer, progress, scale.value());
    scale.update(report);
  });
  const std::uint64_t steps = f32.optimizer.step_count(0);  // radam does not count those that it skipped
  std::printf("\n%llu steps, and %llu skipped\n", static_cast<unsigned long long>(steps),
              static_cast<unsigned long long>(scale.skipped()));
  const double f32_percent = train_in_f32(digits);
  std::printf("test accuracy: %.2f %%, and %.2f %% in f32\n", mixed_percent, f32_percent);
  return compare(f32, remainder) && std::fabs(mixed_percent - f32_percent) <= kToleratedPercent;
}

int main(int argc, char** argv) {
  if (argc > 2) {
    std::fputs("usage: mixed_precision [digits.csv]\n", stderr);
    return 1;
  }
  try {
    return train_and_compare(read_digits(argc > 1 ? argv[1] : "examples/data/digits.csv")) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mixed_precision: %s\n", error.what());
    return 1;
  }
}
