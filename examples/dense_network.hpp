// The network of the examples: dense layers with ReLU between them, and softmax cross-entropy.
//
// It is a template for tensors of any Scalar, with gradients of any GradScalar: float, or types that convert from and to
// it. Arithmetic is in float; values stored in a tensor are rounded to Scalar, and those in its gradient to GradScalar.
//
// SPDX: MIT OR Apache-2.0
#ifndef DENSE_NETWORK_HPP
#define DENSE_NETWORK_HPP

#include "portable_numbers.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

// Inputs, activations or their gradients: one row for each example.
struct Matrix {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<float> values;

  void resize(std::size_t new_rows, std::size_t new_columns) {
    rows = new_rows;
    columns = new_columns;
    values.resize(rows * columns);
  }
  float* row(std::size_t index) { return values.data() + index * columns; }
  const float* row(std::size_t index) const { return values.data() + index * columns; }
};

struct Batch {
  Matrix inputs;
  std::vector<std::size_t> labels;
};

// A trainable tensor: an optimizer updates data from grad.
template <typename Scalar, typename GradScalar>
struct Tensor {
  std::string name;
  std::vector<Scalar> data;
  std::vector<GradScalar> grad;  // empty until the first backward pass, unless somebody resizes it before

  Tensor(std::string tensor_name, std::size_t len) : name(std::move(tensor_name)), data(len) {}
};

// output = input * weight + bias, with the weight stored as [input][output].
//
// Each iteration of the inner loops, which run over the elements of a row, adds to a sum of its own, so a compiler can
// vectorize them without changing the order of any sum.
template <typename Scalar, typename GradScalar>
struct DenseLayer {
  std::size_t input_size, output_size;
  Tensor<Scalar, GradScalar> weight, bias;

  DenseLayer(const std::string& name, std::size_t inputs, std::size_t outputs, Random& random)
      : input_size(inputs),
        output_size(outputs),
        weight(name + ".weight", inputs * outputs),
        bias(name + ".bias", outputs) {
    // He initialization, which preserves the variance of activations through ReLU layers.
    const float limit = std::sqrt(6.0f / static_cast<float>(inputs));
    for (Scalar& element : weight.data) element = Scalar(random.uniform(limit));
  }

  void forward(const Matrix& input, Matrix& output) const {
    output.resize(input.rows, output_size);
    for (std::size_t example = 0; example < input.rows; ++example) {
      const float* in = input.row(example);
      float* out = output.row(example);
      for (std::size_t o = 0; o < output_size; ++o) out[o] = bias.data[o];
      for (std::size_t i = 0; i < input_size; ++i) {
        const Scalar* weight_row = weight.data.data() + i * output_size;
        for (std::size_t o = 0; o < output_size; ++o) out[o] += in[i] * weight_row[o];
      }
    }
  }

  // Computes weight.grad and bias.grad, which are sums over the batch, from the gradient of the output.
  void backward(const Matrix& input, const Matrix& output_grad) {
    weight.grad.resize(weight.data.size());
    bias.grad.resize(bias.data.size());
    std::vector<float> sums(output_size);
    for (std::size_t i = 0; i < input_size; ++i) {
      std::fill(sums.begin(), sums.end(), 0.0f);
      for (std::size_t example = 0; example < input.rows; ++example) {
        const float in = input.row(example)[i];
        const float* out_grad = output_grad.row(example);
        for (std::size_t o = 0; o < output_size; ++o) sums[o] += in * out_grad[o];
      }
      GradScalar* weight_grad_row = weight.grad.data() + i * output_size;
      for (std::size_t o = 0; o < output_size; ++o) weight_grad_row[o] = GradScalar(sums[o]);
    }
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (std::size_t example = 0; example < input.rows; ++example) {
      const float* out_grad = output_grad.row(example);
      for (std::size_t o = 0; o < output_size; ++o) sums[o] += out_grad[o];
    }
    for (std::size_t o = 0; o < output_size; ++o) bias.grad[o] = GradScalar(sums[o]);
  }

  // Computes the gradient of the input from that of the output.
  void backward_to_input(const Matrix& output_grad, Matrix& input_grad) const {
    input_grad.resize(output_grad.rows, input_size);
    std::fill(input_grad.values.begin(), input_grad.values.end(), 0.0f);
    for (std::size_t example = 0; example < output_grad.rows; ++example) {
      const float* out_grad = output_grad.row(example);
      float* in_grad = input_grad.row(example);
      for (std::size_t o = 0; o < output_size; ++o) {
        const Scalar* weight_column = weight.data.data() + o;
        for (std::size_t i = 0; i < input_size; ++i) {
          in_grad[i] += out_grad[o] * weight_column[i * output_size];
        }
      }
    }
  }
};

// Returns the sum of the examples' losses, and sets logits_grad to the gradient of their mean.
inline double softmax_cross_entropy(const Matrix& logits, const std::vector<std::size_t>& labels,
                                    Matrix& logits_grad) {
  logits_grad.resize(logits.rows, logits.columns);
  std::vector<double> exps(logits.columns);
  double loss = 0.0;
  for (std::size_t example = 0; example < logits.rows; ++example) {
    const float* logit = logits.row(example);
    const std::size_t label = labels[example];
    // Subtracting the same number from all logits does not change the result, and keeps exp from overflowing.
    const double highest = *std::max_element(logit, logit + logits.columns);
    double sum = 0.0;
    for (std::size_t c = 0; c < logits.columns; ++c) {
      exps[c] = portable_exp(logit[c] - highest);
      sum += exps[c];
    }
    loss += portable_log(sum) - (logit[label] - highest);
    for (std::size_t c = 0; c < logits.columns; ++c) {
      const double error = exps[c] / sum - (c == label ? 1.0 : 0.0);
      logits_grad.row(example)[c] = static_cast<float>(error / static_cast<double>(logits.rows));
    }
  }
  return loss;
}

template <typename Scalar, typename GradScalar = Scalar>
class Network {
 public:
  using Layer = DenseLayer<Scalar, GradScalar>;

  std::vector<Layer> layers;

  // sizes are the sizes of the input and of each layer's output. Layers are named "hidden1", "hidden2", ..., "output".
  Network(const std::vector<std::size_t>& sizes, Random& random) : outputs_(sizes.size() - 1) {
    for (std::size_t i = 1; i < sizes.size(); ++i) {
      const std::string name = i + 1 < sizes.size() ? "hidden" + std::to_string(i) : "output";
      layers.emplace_back(name, sizes[i - 1], sizes[i], random);
    }
  }

  // The weight and the bias of the first layer, of the second, and so on.
  std::vector<Tensor<Scalar, GradScalar>*> tensors() {
    std::vector<Tensor<Scalar, GradScalar>*> tensors;
    for (Layer& layer : layers) tensors.insert(tensors.end(), {&layer.weight, &layer.bias});
    return tensors;
  }

  // Returns the logits, which stay valid until the next call.
  const Matrix& forward(const Matrix& inputs) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      layers[i].forward(i == 0 ? inputs : outputs_[i - 1], outputs_[i]);
      if (i + 1 == layers.size()) break;
      for (float& value : outputs_[i].values) value = std::max(value, 0.0f);
    }
    return outputs_.back();
  }

  // Sets every grad to the gradient of the batch's mean loss, times loss_scale, and returns the sum of
  // its losses, without it.
  double forward_and_backward(const Batch& batch, float loss_scale = 1.0f) {
    return forward_and_backward(batch, loss_scale, [](Layer&) {});
  }

  // Calls layer_done(layer) for each layer, from the last to the first, as soon as its gradients have been computed and
  // its weights are no longer needed, so both may be changed.
  template <typename LayerDone>
  double forward_and_backward(const Batch& batch, float loss_scale, LayerDone layer_done) {
    const double loss = softmax_cross_entropy(forward(batch.inputs), batch.labels, output_grad_);
    for (float& value : output_grad_.values) value *= loss_scale;
    for (std::size_t i = layers.size() - 1; i > 0; --i) {
      const Matrix& input = outputs_[i - 1];
      layers[i].backward(input, output_grad_);
      layers[i].backward_to_input(output_grad_, input_grad_);
      for (std::size_t j = 0; j < input.values.size(); ++j) {
        if (input.values[j] <= 0.0f) input_grad_.values[j] = 0.0f;  // here ReLU let nothing through
      }
      std::swap(output_grad_, input_grad_);
      layer_done(layers[i]);
    }
    layers[0].backward(batch.inputs, output_grad_);
    layer_done(layers[0]);
    return loss;
  }

  // The number of examples in the batch that are classified correctly: their highest logit is that of their label.
  std::size_t count_correct(const Batch& batch) {
    const Matrix& logits = forward(batch.inputs);
    std::size_t correct = 0;
    for (std::size_t example = 0; example < logits.rows; ++example) {
      const float* logit = logits.row(example);
      const float* highest = std::max_element(logit, logit + logits.columns);
      if (highest == logit + batch.labels[example]) ++correct;
    }
    return correct;
  }

 private:
  std::vector<Matrix> outputs_;  // of every layer, after ReLU
  Matrix output_grad_, input_grad_;
};

#endif  // DENSE_NETWORK_HPP
