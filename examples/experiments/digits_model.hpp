// The network on handwritten digits of train_digits.cpp, in f32.
//
// SPDX: MIT OR Apache-2.0
#ifndef DIGITS_MODEL_HPP
#define DIGITS_MODEL_HPP

#include "../dense_network.hpp"
#include "../digits.hpp"
#include "../portable_numbers.hpp"
#include "stepping.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

class DigitsModel {
 public:
  DigitsModel(const Digits& digits, std::uint64_t seed)
      : test_(digits.test), images_(digits.training), random_(seed), network_({kPixels, 128, 64, kDigits}, random_) {}

  std::vector<Weights> weights() {
    std::vector<Weights> weights;
    for (Tensor<float, float>* tensor : network_.tensors()) {
      tensor->grad.resize(tensor->data.size());
      weights.push_back({tensor->name, tensor->data.data(), tensor->grad.data(), tensor->data.size()});
    }
    return weights;
  }

  // Sets the gradients of the mean loss of the next batch, which it returns. What is left of an epoch for a last batch
  // is not used.
  double train_on_next_batch() {
    if (next_ + kBatchTerms > images_.size()) next_ = 0;
    if (next_ == 0) random_.shuffle(images_);
    load_batch(images_, next_, kBatchTerms, batch_);
    next_ += kBatchTerms;
    return network_.forward_and_backward(batch_) / static_cast<double>(kBatchTerms);
  }

  static constexpr std::size_t kBatchTerms = 32;  // images, of whose losses the batch's is the mean

  double held_out_loss() {
    Matrix unused;
    const double loss = softmax_cross_entropy(network_.forward(test_.inputs), test_.labels, unused);
    return loss / static_cast<double>(test_.labels.size());
  }

 private:
  const Batch& test_;
  std::vector<Image> images_;
  Random random_;
  Network<float> network_;
  Batch batch_;
  std::size_t next_ = 0;
};

#endif  // DIGITS_MODEL_HPP
