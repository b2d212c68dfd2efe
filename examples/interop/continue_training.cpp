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
// With --q8 at the end, large tensors have 8-bit state, in the program and in the checkpoint.
//
// SPDX: MIT OR Apache-2.0

#include "radam.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <ios>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

struct Arguments {
  bool is_double;
  int steps;
  std::string weights, checkpoint;
  bool eps_of_torch_radam, q8;
};

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

// The bias has 4 elements, and the weight all others of the file.
template <typename Real>
std::vector<Tensor<Real>> load_weights(const std::string& path) {
  const std::size_t bias = 4;
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::size_t count = bytes.size() / sizeof(Real);
  if (!file || count <= bias || bytes.size() % (bias * sizeof(Real)) != 0) {
    throw std::runtime_error(path + " does not have the weights and nothing else");
  }
  std::vector<Tensor<Real>> tensors;
  const char* next = bytes.data();
  for (const auto& [name, size] : {std::pair("layer.weight", count - bias), std::pair("layer.bias", bias)}) {
    tensors.push_back({name, std::vector<Real>(size), std::vector<Real>(size)});
    std::memcpy(tensors.back().weights.data(), next, size * sizeof(Real));
    next += size * sizeof(Real);
  }
  return tensors;
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
void add_groups(radam::Optimizer& optimizer, std::vector<Tensor<Real>>& tensors, bool q8) {
  radam::GroupOptions options;
  options.lr = 0;
  if (q8) options.state_dtype = radam::Dtype{RADAM_DTYPE_Q8};
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
void continue_training(const Arguments& arguments) {
  std::vector<Tensor<Real>> model = load_weights<Real>(arguments.weights);
  radam::Optimizer optimizer;
  add_groups(optimizer, model, arguments.q8);
  optimizer.load(arguments.checkpoint);
  std::vector<radam::GroupOptions> options;
  for (std::uint32_t group = 0; group < model.size(); ++group) options.push_back(optimizer.group_options(group));
  for (int step = 0; step < arguments.steps; ++step) {
    for (std::uint32_t group = 0; group < model.size(); ++group) {
      model[group].compute_gradients();
      if (arguments.eps_of_torch_radam) set_eps_like_torch(optimizer, group, options[group]);
    }
    optimizer.step();
  }
  for (std::uint32_t group = 0; group < model.size(); ++group) optimizer.set_group_options(group, options[group]);
  save_weights(arguments.weights, model);
  optimizer.save(arguments.checkpoint);
}

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const std::string option = words.size() == 5 ? words[4] : "";
  const bool is_known = words.size() == 4 || option == "--eps-of-torch-radam" || option == "--q8";
  if (!is_known || (words[0] != "f32" && words[0] != "f64")) {
    std::fputs("usage: continue_training f32|f64 STEPS WEIGHTS CHECKPOINT [--eps-of-torch-radam | --q8]\n", stderr);
    return 2;
  }
  try {
    const Arguments arguments{words[0] == "f64", std::stoi(words[1]), words[2], words[3],
                              option == "--eps-of-torch-radam", option == "--q8"};
    (arguments.is_double ? continue_training<double> : continue_training<float>)(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "continue_training: %s\n", error.what());
    return 1;
  }
  return 0;
}
