// What the example trains: the small transformer of examples/engines/llm_c, on the text of a play. In a program of your
// own, your model takes its place.
//
// SPDX: MIT OR Apache-2.0
#ifndef CHARACTER_MODEL_HPP
#define CHARACTER_MODEL_HPP

// The size of the model; BATCH is the sequences in a micro-batch.
enum { CONTEXT = 48, CHANNELS = 64, LAYERS = 2, BATCH = 1 };
#include "../engines/llm_c/transformer.h"
#include "../portable_numbers.hpp"

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

class CharacterModel {
 public:
  explicit CharacterModel(const std::string& text_path) : acts_(sum(activation_sizes)), dacts_(acts_.size()) {
    std::ifstream file(text_path, std::ios::binary);
    text_.assign(std::istreambuf_iterator<char>(file), {});
    if (text_.size() < 20 * CONTEXT) throw std::runtime_error("cannot read " + text_path + ", or it is too short");
    for (char& character : text_) character &= VOCAB - 1;
  }

  std::size_t elements() const { return sum(parameter_sizes); }

  // The same values in every run.
  void initialize(float* params) const {
    std::uint64_t random = 1;
    const Parameters tensors = divided<Parameters>(params, parameter_sizes);
    ::initialize(&tensors, params, &random);
  }

  // Adds the gradient of a micro-batch to grads, and returns its loss. A micro-batch depends on nothing but its number,
  // so it does not matter which rank takes it, nor when a run was interrupted.
  float add_gradient(std::uint64_t number, float* params, float* grads) {
    unsigned char tokens[ROWS], targets[ROWS];
    const std::size_t at = Random(number).next() % (text_.size() - CONTEXT);
    memcpy(tokens, text_.data() + at, CONTEXT);
    memcpy(targets, text_.data() + at + 1, CONTEXT);
    const Parameters p = divided<Parameters>(params, parameter_sizes), g = divided<Parameters>(grads, parameter_sizes);
    const Activations a = divided<Activations>(acts_.data(), activation_sizes);
    const Activations d = divided<Activations>(dacts_.data(), activation_sizes);
    forward(p, a, tokens);
    const float loss = mean_loss(a, targets);
    backward(p, g, a, d, tokens, targets);
    return loss;
  }

 private:
  template <typename Tensors>
  static Tensors divided(float* block, const std::size_t* sizes) {
    Tensors tensors;
    divide(block, sizes, &tensors);
    return tensors;
  }

  std::string text_;
  std::vector<float> acts_, dacts_;
};

#endif  // CHARACTER_MODEL_HPP
