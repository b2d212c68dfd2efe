// How closely steps follow exact averages of gradients that are drawn at random: where state of 8 bits is weaker.
//
// SPDX: MIT OR Apache-2.0
#ifndef TRACKING_HPP
#define TRACKING_HPP

#include "../experiments/normal_numbers.hpp"
#include "../experiments/report.hpp"
#include "../experiments/seeds.hpp"
#include "../experiments/stepping.hpp"

#include "radam.hpp"

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

enum class Gradients { steady, wide, sparse, shrinking };

// The gradients of a tensor. The sizes of its elements are spread by a factor of 1.6 (one standard deviation), or of
// 7.4 where they are wide.
class GradientSource {
 public:
  static constexpr std::size_t kLen = 4096;

  explicit GradientSource(Gradients kind) : kind_(kind), normal_(1) {
    for (std::size_t i = 0; i < kLen; ++i) {
      sizes_.push_back(std::exp((kind == Gradients::wide ? 2 : 0.5) * normal_.next()));
      means_.push_back(0.2 * normal_.next());
    }
  }

  // shrunk: whether the time has come to be a hundredth of what they were.
  void next(bool shrunk, std::vector<float>& gradients) {
    const double factor = kind_ == Gradients::shrinking && shrunk ? 0.01 : 1;
    for (std::size_t i = 0; i < kLen; ++i) {
      double gradient = factor * sizes_[i] * (means_[i] + normal_.next());
      if (kind_ == Gradients::sparse && normal_.unit() >= 0.02) gradient = 0;
      gradients[i] = static_cast<float>(gradient);
    }
  }

 private:
  Gradients kind_;
  NormalNumbers normal_;
  std::vector<double> sizes_, means_;
};

// How steps compare with exact ones.
struct Errors {
  double error_squares = 0, exact_squares = 0, products = 0;  // the last of steps and exact steps

  // The root mean square of the error, and what part of an exact step is taken on average.
  std::string text() const {
    return format("%.1f %%, ", 100 * std::sqrt(error_squares / exact_squares)) + format("%.3f", products / exact_squares);
  }
};

// The errors of Adam's steps with such state, in windows after a long run. Lengths are in units of 1 / (1 - beta2) steps,
// the memory of exp_avg_sq.
inline std::vector<Errors> tracking_errors(const Storage& storage, double beta2, Gradients kind,
                                           const std::vector<std::size_t>& windows) {
  constexpr std::size_t kLen = GradientSource::kLen;
  const std::size_t unit = static_cast<std::size_t>(std::lround(1 / (1 - beta2)));
  radam::GroupOptions options;
  options.beta2 = beta2;
  options.rectify = false;
  // A step leaves of the weight nothing but itself.
  options.lr = 1;
  options.weight_decay = 1;
  options.decouple_wd = true;
  GradientSource source(kind);
  std::vector<float> weights(kLen), gradients(kLen);
  std::vector<double> exp_avg(kLen), exp_avg_sq(kLen);
  Stepper stepper({{"weight", weights.data(), gradients.data(), kLen}}, options, storage);
  std::vector<Errors> errors(windows.size());
  std::size_t step = 0;
  const auto advance = [&](bool shrunk, Errors* sums) {
    ++step;
    const auto hat = [&](double beta) {
      const double power = std::pow(beta, static_cast<double>(step));
      return (power - beta) / (power - 1);
    };
    const double beta1_hat = hat(options.beta1), beta2_hat = hat(beta2);
    source.next(shrunk, gradients);
    stepper.step(options.lr, 1);
    for (std::size_t i = 0; i < kLen; ++i) {
      const double gradient = gradients[i];
      exp_avg[i] = beta1_hat * exp_avg[i] + (1 - beta1_hat) * gradient;
      exp_avg_sq[i] = beta2_hat * exp_avg_sq[i] + (1 - beta2_hat) * gradient * gradient;
      if (!sums) continue;
      const double exact = exp_avg[i] / (std::sqrt(exp_avg_sq[i]) + options.eps);
      const double taken = -static_cast<double>(weights[i]);
      sums->error_squares += (taken - exact) * (taken - exact);
      sums->exact_squares += exact * exact;
      sums->products += taken * exact;
    }
  };
  while (step < 5 * unit) advance(false, nullptr);
  for (std::size_t window = 0; window < windows.size(); ++window) {
    for (std::size_t i = 0; i < windows[window] * unit; ++i) advance(true, &errors[window]);
  }
  return errors;
}

inline void study_tracking(const Scale& scale, const std::string& folder) {
  struct Row {
    const char* name;
    Gradients kind;
    std::vector<std::size_t> windows;
    std::vector<const char*> names;
  };
  std::vector<Row> rows = {
      {"sizes alike", Gradients::steady, {1}, {""}},
      {"very different sizes", Gradients::wide, {1}, {""}},
      {"2 % of the elements have one", Gradients::sparse, {1}, {""}},
      {"now a hundredth of what they were",
       Gradients::shrinking,
       {1, 2, 5, 10},
       {": in the first 1/(1 − β2) steps", ": in the next 2/(1 − β2)", ": in the next 5/(1 − β2)",
        ": in the next 10/(1 − β2)"}},
  };
  if (scale.small) rows.back().windows.resize(2);
  const std::vector<double> betas = {0.99, 0.999};
  const std::vector<Storage> storages = {{"8 bits", radam::Dtype::q8, Master::f32},
                                         {"bf16", radam::Dtype::bf16, Master::joined_remainder},
                                         {"f32", radam::Dtype::f32, Master::f32}};
  const std::size_t columns = betas.size() * storages.size();
  const auto errors = run_all("Tracking", rows.size() * columns, scale.threads, [&](std::size_t run) {
    const Row& row = rows[run / columns];
    return tracking_errors(storages[run % storages.size()], betas[run / storages.size() % betas.size()], row.kind,
                           row.windows);
  });
  std::string table =
      "Root mean square of the error of a step, in percent of that of exact steps; and the size of steps, on average over\n"
      "all elements, where that of exact steps is 1.\n\n| gradients |";
  for (const double beta2 : betas) {
    for (const Storage& storage : storages) table += " " + storage.name + ", β2 " + format("%g", beta2) + " |";
  }
  table += "\n|---|---|---|---|---|---|---|\n";
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (std::size_t window = 0; window < rows[row].windows.size(); ++window) {
      table += std::string("| ") + rows[row].name + rows[row].names[window] + " |";
      for (std::size_t column = 0; column < columns; ++column) {
        table += " " + errors[row * columns + column][window].text() + " |";
      }
      table += "\n";
    }
  }
  write(folder + "/tracking.md", table);
}

#endif  // TRACKING_HPP
