// Continues a training run that was started elsewhere, for instance in PyTorch: loads the weights and a checkpoint of
// the optimizer, makes some steps, and saves both again.
//
// The weights are in a separate file, since a checkpoint has only the optimizer's state: here as plain numbers, one
// tensor after another. The names of the tensors and the order of their elements must be those of the other program;
// options and step counts come with the checkpoint. hand_over.py starts a training run in PyTorch, continues it with
// this program and then in PyTorch again, and compares the results. To build and run it:
//
//   cargo build --release
//   c++ -std=c++17 -O2 -ffp-contract=off -Iinclude examples/interop/continue_training.cpp
//       -o continue_training -Ltarget/release -lradam -Wl,-rpath,target/release      (all in one line)
//   ./continue_training f32 20 weights.bin run.radam
//
// SPDX: MIT OR Apache-2.0

#include "radam.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <ios>
#include <stdexcept>
#include <string>
#include <vector>

// ---- What is trained -----------------------------------------------------------------------------

template <typename Real>
struct Tensor {
  std::string name;
  std::vector<Real> weights, grads;

  // Each weight is pulled towards a target, some harder than others. A real program has its backward pass here.
  void compute_gradients() {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const Real pull = static_cast<Real>(i % 5 + 1) / 4;
      const Real target = (static_cast<Real>(i * 7 % 11) - 5) / 4;
      grads[i] = pull * (weights[i] - target);
    }
  }
};

template <typename Real>
std::vector<Tensor<Real>> tensors() {
  return {{"layer.weight", std::vector<Real>(12), std::vector<Real>(12)},
          {"layer.bias", std::vector<Real>(4), std::vector<Real>(4)}};
}

template <typename Real>
void load_weights(const std::string& path, std::vector<Tensor<Real>>& tensors) {
  std::ifstream file(path, std::ios::binary);
  for (Tensor<Real>& tensor : tensors) {
    const auto bytes = static_cast<std::streamsize>(tensor.weights.size() * sizeof(Real));
    file.read(reinterpret_cast<char*>(tensor.weights.data()), bytes);
  }
  if (!file || file.peek() != EOF) throw std::runtime_error(path + " does not have the weights and nothing else");
}

template <typename Real>
void save_weights(const std::string& path, const std::vector<Tensor<Real>>& tensors) {
  std::ofstream file(path, std::ios::binary);
  for (const Tensor<Real>& tensor : tensors) {
    const auto bytes = static_cast<std::streamsize>(tensor.weights.size() * sizeof(Real));
    file.write(reinterpret_cast<const char*>(tensor.weights.data()), bytes);
  }
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

// ---- The optimizer -------------------------------------------------------------------------------

// One group for each tensor, since each may have options of its own. They come with the checkpoint.
template <typename Real>
void add_groups(radam::Optimizer& optimizer, std::vector<Tensor<Real>>& tensors) {
  radam::GroupOptions options;
  options.lr = 0;
  for (Tensor<Real>& tensor : tensors) {
    optimizer.add_param(optimizer.add_group(options), tensor.weights, tensor.grads, tensor.name);
  }
}

// Sets eps for the next step so that it has the effect of the eps of torch.optim.RAdam, which is applied before bias
// correction.
void set_eps_like_torch(radam::Optimizer& optimizer, radam::GroupId group, radam::GroupOptions options) {
  const auto step = static_cast<double>(optimizer.group_report(group).step);
  options.eps /= std::sqrt(1 - std::pow(options.beta2, step));
  optimizer.set_group_options(group, options);
}

template <typename Real>
void continue_training(int steps, const std::string& weights, const std::string& checkpoint, bool like_torch) {
  std::vector<Tensor<Real>> model = tensors<Real>();
  load_weights(weights, model);
  radam::Optimizer optimizer;
  add_groups(optimizer, model);
  optimizer.load(checkpoint);
  std::vector<radam::GroupOptions> options;
  for (std::uint32_t group = 0; group < model.size(); ++group) options.push_back(optimizer.group_options(group));
  for (int step = 0; step < steps; ++step) {
    for (std::uint32_t group = 0; group < model.size(); ++group) {
      model[group].compute_gradients();
      if (like_torch) set_eps_like_torch(optimizer, group, options[group]);
    }
    optimizer.step();
  }
  for (std::uint32_t group = 0; group < model.size(); ++group) optimizer.set_group_options(group, options[group]);
  save_weights(weights, model);
  optimizer.save(checkpoint);
}

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool like_torch = arguments.size() == 5 && arguments[4] == "--eps-of-torch-radam";
  if ((arguments.size() != 4 && !like_torch) || (arguments[0] != "f32" && arguments[0] != "f64")) {
    std::fputs("usage: continue_training f32|f64 STEPS WEIGHTS CHECKPOINT [--eps-of-torch-radam]\n", stderr);
    return 2;
  }
  try {
    const auto run = arguments[0] == "f32" ? continue_training<float> : continue_training<double>;
    run(std::stoi(arguments[1]), arguments[2], arguments[3], like_torch);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "continue_training: %s\n", error.what());
    return 1;
  }
  return 0;
}
