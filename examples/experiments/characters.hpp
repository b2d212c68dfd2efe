// A small transformer that learns to write Shakespeare, one character at a time: that of examples/engines/llm_c.
//
// SPDX: MIT OR Apache-2.0
#ifndef CHARACTERS_HPP
#define CHARACTERS_HPP

#include "../portable_numbers.hpp"
#include "stepping.hpp"

enum { CONTEXT = 32, CHANNELS = 32, LAYERS = 2, BATCH = 8 };
#include "../engines/llm_c/transformer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

struct Text {
  std::vector<unsigned char> training, held_out;
};

inline Text read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  std::vector<unsigned char> all{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (all.size() < 20 * CONTEXT) throw std::runtime_error(path + " is too short");
  for (unsigned char& character : all) character &= VOCAB - 1;
  const auto split = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 10 * 9);
  return {{all.begin(), split}, {split, all.end()}};
}

class CharacterModel {
 public:
  CharacterModel(const Text& text, std::uint64_t seed)
      : text_(text), random_(Random(seed).next()), data_(sum(parameter_sizes)), grads_(data_.size()),
        acts_(sum(activation_sizes)), act_grads_(acts_.size()) {
    divide(data_.data(), parameter_sizes, &p_);
    divide(grads_.data(), parameter_sizes, &g_);
    divide(acts_.data(), activation_sizes, &a_);
    divide(act_grads_.data(), activation_sizes, &d_);
    initialize(&p_, data_.data(), &random_);
  }

  std::vector<Weights> weights() {
    static const char* const names[TENSORS] = {"token", "position", "norm1", "qkv",   "out",
                                               "norm2", "up",       "down",  "norm3", "logits"};
    std::vector<Weights> weights;
    std::size_t at = 0;
    for (int i = 0; i < TENSORS; at += parameter_sizes[i++]) {
      weights.push_back({names[i], &data_[at], &grads_[at], parameter_sizes[i]});
    }
    return weights;
  }

  // Sets the gradients of the mean loss of the next batch, which it returns.
  double train_on_next_batch() {
    load_batch(text_.training.data(), text_.training.size(), &random_, tokens_, targets_);
    forward(p_, a_, tokens_);
    const double loss = mean_loss(a_, targets_);
    std::fill(grads_.begin(), grads_.end(), 0.0f);
    backward(p_, g_, a_, d_, tokens_, targets_);
    return loss;
  }

  static constexpr std::size_t kBatchTerms = ROWS;  // losses of which the batch's is the mean

  // Of the same sequences for every model.
  double held_out_loss() {
    constexpr int kBatches = 20;
    std::uint64_t random = 1;
    double loss = 0;
    for (int i = 0; i < kBatches; ++i) {
      load_batch(text_.held_out.data(), text_.held_out.size(), &random, tokens_, targets_);
      forward(p_, a_, tokens_);
      loss += mean_loss(a_, targets_);
    }
    return loss / kBatches;
  }

 private:
  const Text& text_;
  std::uint64_t random_;
  std::vector<float> data_, grads_, acts_, act_grads_;
  Parameters p_, g_;
  Activations a_, d_;
  unsigned char tokens_[ROWS], targets_[ROWS];
};

#endif  // CHARACTERS_HPP
