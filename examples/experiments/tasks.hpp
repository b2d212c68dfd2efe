// The two tasks, digits and characters, and how a model is trained on one of them.
//
// SPDX: MIT OR Apache-2.0
#ifndef TASKS_HPP
#define TASKS_HPP

#include "characters.hpp"
#include "digits_model.hpp"
#include "stepping.hpp"

#include "radam.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

struct Method {
  radam::GroupOptions options;
  bool warms_up = false;        // linearly over the first 2 / (1 - beta2) steps
  bool sums_losses = false;     // over a batch, instead of their mean: larger gradients
  Storage storage = f32_storage();
};

constexpr std::size_t kWindows = 20;

struct Outcome {
  std::array<double, kWindows> curve;  // mean training losses, each of a 20th of the steps; infinite once it diverged
  double held_out;

  double training() const { return curve.back(); }
};

// Constant for the first half of the steps, then linearly to 0.
inline double lr_at(const Method& method, std::size_t step, std::size_t steps) {
  const double done = static_cast<double>(step - 1) / static_cast<double>(steps);
  const double warm = static_cast<double>(step) * (1 - method.options.beta2) / 2;
  return method.options.lr * std::min(1.0, 2 * (1 - done)) * (method.warms_up ? std::min(1.0, warm) : 1.0);
}

template <typename Model>
Outcome train(Model&& model, const Method& method, std::size_t steps) {
  const std::vector<Weights> weights = model.weights();
  Stepper stepper(weights, method.options, method.storage);
  Outcome outcome;
  outcome.curve.fill(0.0);
  for (std::size_t step = 1; step <= steps; ++step) {
    const std::size_t window = (step - 1) * kWindows / steps;
    const double loss = model.train_on_next_batch();
    if (!std::isfinite(loss)) {
      std::fill(outcome.curve.begin() + window, outcome.curve.end(), std::numeric_limits<double>::infinity());
      outcome.held_out = std::numeric_limits<double>::infinity();
      return outcome;
    }
    outcome.curve[window] += loss * static_cast<double>(kWindows) / static_cast<double>(steps);
    const double grad_scale = method.sums_losses ? static_cast<double>(model.kBatchTerms) : 1.0;
    stepper.step(lr_at(method, step, steps), grad_scale);
  }
  const double held_out = model.held_out_loss();
  outcome.held_out = std::isfinite(held_out) ? held_out : std::numeric_limits<double>::infinity();
  return outcome;
}

enum class Task { digits, characters };
constexpr std::array<Task, 2> kTasks = {Task::digits, Task::characters};

inline const char* name_of(Task task) { return task == Task::digits ? "Digits" : "Characters"; }

struct Data {
  Digits digits;
  Text text;

  explicit Data(const std::string& folder)
      : digits(read_digits(folder + "/digits.csv")), text(read_text(folder + "/as_you_like_it.txt")) {}

  // The seed is that of the initial weights and of the order of batches.
  Outcome run(Task task, const Method& method, std::uint64_t seed, std::size_t steps) const {
    if (task == Task::digits) return train(DigitsModel(digits, seed), method, steps);
    return train(CharacterModel(text, seed), method, steps);
  }
};

#endif  // TASKS_HPP
