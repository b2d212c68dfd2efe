// Trains a small network on handwritten digits with radam, and draws its learning curves.
//
// The network is trained twice from the same initial weights: in f32, and in pure bf16, in which parameters,
// gradients and the optimizer's state are all bfloat16 and there is no copy in f32. Kahan summation, radam's
// default for 16-bit parameters, keeps what rounding would lose: without it, the final loss is three times as
// high. A parameter with its gradient and state takes 10 bytes instead of 16, and the network learns as well.
//
// The class Optimizer below is all of the program that deals with radam. The network is plain C++, in
// dense_network.hpp, and runs on one thread. Every sum has a fixed order, so the printed numbers are the same
// on every machine, unless the compiler fuses multiply and add. To build and run it:
//
//   cargo build --release
//   c++ -std=c++17 -O2 -ffp-contract=off -Iinclude examples/train_digits.cpp -o train_digits
//       -Ltarget/release -lradam -Wl,-rpath,target/release      (all in one line)
//   ./train_digits
//
// SPDX: MIT OR Apache-2.0

#include "dense_network.hpp"
#include "digits.hpp"
#include "portable_numbers.hpp"
#include "svg_plot.hpp"

#include "radam.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#if __has_include(<unistd.h>)
#include <unistd.h>  // isatty
#endif

const std::vector<std::size_t> kLayerSizes = {kPixels, 128, 64, kDigits};

constexpr std::size_t kEpochs = 30;
constexpr std::size_t kBatchSize = 32;
constexpr double kMaxLr = 0.004;
constexpr double kWeightDecay = 0.1;
constexpr std::uint64_t kTrainingSeed = 2;
constexpr double kRequiredPercent = 97.0;

// ---- The optimizer -------------------------------------------------------------------------------

// Updates the tensors of a network, which must outlive it and stay where it is.
class Optimizer {
 public:
  template <typename Scalar>
  explicit Optimizer(Network<Scalar>& network) {
    for (typename Network<Scalar>::Layer& layer : network.layers) {
      add(weights_, layer.weight);
      add(biases_, layer.bias);
    }
  }

  void set_lr(double lr) {
    optimizer_.set_lr(weights_, lr);
    optimizer_.set_lr(biases_, lr);
  }

  void step() { optimizer_.step(); }

  std::uint64_t step_count() const { return optimizer_.step_count(optimizer_.param_id("output.weight")); }

 private:
  static radam::GroupOptions options(double weight_decay) {
    radam::GroupOptions options;
    options.lr = kMaxLr;
    options.weight_decay = weight_decay;
    options.decouple_wd = true;  // as in AdamW
    return options;
  }

  template <typename Scalar>
  void add(radam::GroupId group, Tensor<Scalar, Scalar>& tensor) {
    tensor.grad.resize(tensor.data.size());
    optimizer_.add_param(group, tensor.data, tensor.grad, tensor.name);
  }

  radam::Optimizer optimizer_;
  const radam::GroupId weights_ = optimizer_.add_group(options(kWeightDecay));
  const radam::GroupId biases_ = optimizer_.add_group(options(0.0));  // large biases do no harm
};

// ---- Training ------------------------------------------------------------------------------------

struct Run {
  std::string name;
  std::uint64_t steps = 0;
  std::size_t correct = 0;                 // test images, at the end
  std::vector<double> loss, test_percent;  // by epoch
};

// The learning rate at a point of the training, from 0 to 1: constant for the first tenth, then down to 0 along
// half a cosine, which this polynomial approximates.
double scheduled_lr(double progress) {
  const double left = std::min((1.0 - progress) / 0.9, 1.0);
  return kMaxLr * left * left * (3.0 - 2.0 * left);
}

// Prints the progress of a run: in a terminal as one line that is updated in place, otherwise as a new line now and
// then, so that logs stay short.
void show_progress(const Run& run, double lr) {
#if __has_include(<unistd.h>)
  static const bool is_terminal = isatty(STDOUT_FILENO) != 0;
#else
  static const bool is_terminal = false;
#endif
  const std::size_t epoch = run.loss.size();
  if (!is_terminal && epoch % (kEpochs / 10) != 0) return;
  std::printf("%s%-4s  epoch %2zu/%zu   loss %.5f   lr %.5f   test accuracy %6.2f %%%s", is_terminal ? "\r" : "",
              run.name.c_str(), epoch, kEpochs, run.loss.back(), lr, run.test_percent.back(),
              is_terminal && epoch < kEpochs ? "" : "\n");
  std::fflush(stdout);
}

template <typename Scalar>
Run train(const std::string& name, const Digits& digits) {
  std::vector<Image> images = digits.training;
  Random random(kTrainingSeed);
  Network<Scalar> network(kLayerSizes, random);
  Optimizer optimizer(network);
  Run run;
  run.name = name;
  Batch batch;
  for (std::size_t epoch = 0; epoch < kEpochs; ++epoch) {
    random.shuffle(images);
    double loss = 0.0;
    double lr = 0.0;
    for (std::size_t first = 0; first < images.size(); first += kBatchSize) {
      load_batch(images, first, std::min(kBatchSize, images.size() - first), batch);
      loss += network.forward_and_backward(batch);
      const double part_of_epoch = static_cast<double>(first) / static_cast<double>(images.size());
      lr = scheduled_lr((static_cast<double>(epoch) + part_of_epoch) / static_cast<double>(kEpochs));
      optimizer.set_lr(lr);
      optimizer.step();
    }
    run.correct = network.count_correct(digits.test);
    run.loss.push_back(loss / static_cast<double>(images.size()));
    run.test_percent.push_back(percent_of(digits.test, run.correct));
    show_progress(run, lr);
  }
  run.steps = optimizer.step_count();
  return run;
}

// ---- Report --------------------------------------------------------------------------------------

void draw(const std::vector<Run>& runs, const std::string& subtitle, const std::string& path) {
  // Blue and orange can be told apart with colour blindness, too. The first line is broad and the second thin, so
  // that both are visible where they coincide.
  const std::array<const char*, 2> styles = {"stroke=\"#56b4e9\" stroke-width=\"5\"",
                                             "stroke=\"#c04a00\" stroke-width=\"1.8\""};
  PlotPanel loss{"Training loss (log scale)", true, 1.0, 1.0, {}, "", {}};
  PlotPanel accuracy{"Test accuracy", false, 80.0, 100.0, {80, 85, 90, 95, 100}, " %", {}};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    char percent[32];
    std::snprintf(percent, sizeof percent, " %.2f %%", runs[i].test_percent.back());
    loss.lines.push_back({runs[i].name, styles[i], runs[i].loss});
    accuracy.lines.push_back({runs[i].name + percent, styles[i], runs[i].test_percent});
    const auto [lowest, highest] = std::minmax_element(runs[i].loss.begin(), runs[i].loss.end());
    while (loss.low > std::max(*lowest, 1e-9)) loss.low /= 10.0;
    loss.high = std::max(loss.high, *highest * 1.4);
  }
  for (double tick = loss.low; tick <= loss.high; tick *= 10.0) loss.ticks.push_back(tick);

  std::ofstream file(path);
  file << SvgPlot("Handwritten digits, trained with RAdam in f32 and in pure bf16", subtitle, {loss, accuracy}).svg();
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

std::string describe_network() {
  std::size_t parameters = 0;
  std::string sizes = std::to_string(kLayerSizes[0]);
  for (std::size_t i = 1; i < kLayerSizes.size(); ++i) {
    parameters += (kLayerSizes[i - 1] + 1) * kLayerSizes[i];
    sizes += "-" + std::to_string(kLayerSizes[i]);
  }
  return "network " + sizes + ", " + std::to_string(parameters) + " parameters";
}

// Returns whether all runs are as accurate as they should be.
bool train_and_report(const std::string& data_path, const std::string& picture_path) {
  const Digits digits = read_digits(data_path);
  const std::size_t test_size = digits.test.labels.size();
  const std::string subtitle = describe_network() + "; " + std::to_string(digits.training.size()) +
                               " images to train on, " + std::to_string(test_size) + " others to test";
  std::printf("radam %s: %s\n\n", radam_version_string(), subtitle.c_str());
  const std::vector<Run> runs = {train<float>("f32", digits), train<radam::bfloat16>("bf16", digits)};

  bool all_accurate = true;
  std::printf("\n");
  for (const Run& run : runs) {
    const bool accurate = run.test_percent.back() >= kRequiredPercent;
    all_accurate = all_accurate && accurate;
    std::printf("%-4s  test accuracy %.2f %% (%zu of %zu) after %llu steps%s\n", run.name.c_str(),
                run.test_percent.back(), run.correct, test_size, static_cast<unsigned long long>(run.steps),
                accurate ? "" : ": TOO LOW");
  }
  draw(runs, subtitle, picture_path);
  std::printf("The curves of loss and accuracy are in %s\n", picture_path.c_str());
  if (!all_accurate) std::fprintf(stderr, "train_digits: expected at least %.0f %%\n", kRequiredPercent);
  return all_accurate;
}

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool help = !arguments.empty() && (arguments[0] == "--help" || arguments[0] == "-h");
  if (help || arguments.size() > 2) {
    std::fputs(
        "usage: train_digits [digits.csv] [picture.svg]\n"
        "Trains a network on the digits of examples/data/digits.csv, in f32 and in bf16, and draws its\n"
        "loss and accuracy into digits.svg.\n",
        help ? stdout : stderr);
    return help ? 0 : 1;
  }
  const std::string data_path = !arguments.empty() ? arguments[0] : "examples/data/digits.csv";
  const std::string picture_path = arguments.size() > 1 ? arguments[1] : "digits.svg";
  try {
    return train_and_report(data_path, picture_path) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train_digits: %s\n", error.what());
    return 1;
  }
}
