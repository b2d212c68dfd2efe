// Trains a small network on handwritten digits in ggml: the graph computes loss and gradients, and radam steps.
//
// usage: train_digits [digits.csv]
//
// SPDX: MIT OR Apache-2.0

#include "radam_ggml.hpp"

#include "../../digits.hpp"

#include <ggml-cpu.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

constexpr std::int64_t kInputs = kPixels, kHidden = 128, kOutputs = kDigits, kBatch = 64;
constexpr int kSteps = 400, kThreads = 1;

using Context = std::unique_ptr<ggml_context, decltype(&ggml_free)>;

ggml_tensor* parameter(ggml_context* context, const char* name, std::int64_t inputs, std::int64_t outputs,
                       Random& random) {
  ggml_tensor* tensor = ggml_new_tensor_2d(context, GGML_TYPE_F32, inputs, outputs);
  ggml_set_name(tensor, name);
  ggml_set_param(tensor);
  float* values = static_cast<float*>(tensor->data);
  const float limit = outputs == 1 ? 0.0f : std::sqrt(6.0f / static_cast<float>(inputs));
  for (std::int64_t i = 0; i < inputs * outputs; ++i) values[i] = random.uniform(limit);
  return tensor;
}

struct Model {
  Context context{ggml_init({/*mem_size=*/std::size_t{64} << 20, /*mem_buffer=*/nullptr, /*no_alloc=*/false}),
                  &ggml_free};
  ggml_tensor *images, *labels, *logits, *loss;
  ggml_cgraph* graph;

  Model() {
    Random random(1);
    ggml_context* c = context.get();
    images = ggml_new_tensor_2d(c, GGML_TYPE_F32, kInputs, kBatch);
    labels = ggml_new_tensor_2d(c, GGML_TYPE_F32, kOutputs, kBatch);
    ggml_tensor* hidden_weight = parameter(c, "hidden.weight", kInputs, kHidden, random);
    ggml_tensor* hidden_bias = parameter(c, "hidden.bias", kHidden, 1, random);
    ggml_tensor* output_weight = parameter(c, "output.weight", kHidden, kOutputs, random);
    ggml_tensor* output_bias = parameter(c, "output.bias", kOutputs, 1, random);
    ggml_tensor* hidden = ggml_relu(c, ggml_add(c, ggml_mul_mat(c, hidden_weight, images), hidden_bias));
    logits = ggml_add(c, ggml_mul_mat(c, output_weight, hidden), output_bias);
    loss = ggml_cross_entropy_loss(c, logits, labels);
    ggml_set_loss(loss);
    graph = ggml_new_graph_custom(c, GGML_DEFAULT_GRAPH_SIZE, /*grads=*/true);
    ggml_build_forward_expand(graph, loss);
    ggml_build_backward_expand(c, graph, nullptr);
  }

  // Computes logits, loss and gradients of a batch.
  void compute(const Batch& batch) {
    std::memcpy(images->data, batch.inputs.values.data(), ggml_nbytes(images));
    float* label = static_cast<float*>(labels->data);
    std::fill(label, label + kOutputs * kBatch, 0.0f);
    for (std::size_t i = 0; i < batch.labels.size(); ++i) label[i * kOutputs + batch.labels[i]] = 1.0f;
    ggml_graph_reset(graph);  // the gradient of the loss is 1
    if (ggml_graph_compute_with_ctx(context.get(), graph, kThreads) != GGML_STATUS_SUCCESS) {
      throw std::runtime_error("ggml could not compute the graph");
    }
  }

  // How many images of the batch computed last have their highest logit at their digit.
  std::size_t count_correct(const Batch& batch) const {
    std::size_t correct = 0;
    for (std::size_t i = 0; i < batch.labels.size(); ++i) {
      const float* row = static_cast<const float*>(logits->data) + i * kOutputs;
      if (std::max_element(row, row + kOutputs) == row + batch.labels[i]) ++correct;
    }
    return correct;
  }
};

int main(int argc, char** argv) {
  try {
    const Digits digits = read_digits(argc > 1 ? argv[1] : "examples/data/digits.csv");
    Model model;
    radam::Optimizer optimizer;
    radam::GroupOptions options;
    options.lr = 0.01;
    radam_ggml::add_params(optimizer, optimizer.add_group(options), model.graph);

    Batch batch;
    for (int step = 1; step <= kSteps; ++step) {
      const std::size_t first = static_cast<std::size_t>(step) * kBatch % (digits.training.size() - kBatch);
      load_batch(digits.training, first, kBatch, batch);
      model.compute(batch);
      optimizer.step();
      if (step % 50 == 0) std::printf("step %3d  loss %.6f\n", step, ggml_get_f32_1d(model.loss, 0));
    }

    std::size_t correct = 0, seen = 0;
    for (; seen + kBatch <= digits.test.labels.size(); seen += kBatch) {
      batch.inputs.resize(kBatch, kPixels);
      std::copy_n(digits.test.inputs.row(seen), kBatch * kPixels, batch.inputs.values.begin());
      batch.labels.assign(digits.test.labels.begin() + seen, digits.test.labels.begin() + seen + kBatch);
      model.compute(batch);
      correct += model.count_correct(batch);
    }
    const double percent = 100.0 * static_cast<double>(correct) / static_cast<double>(seen);
    std::printf("test accuracy %.2f %% (%zu of %zu)\n", percent, correct, seen);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train_digits: %s\n", error.what());
    return 1;
  }
}
