// The variance of the adaptive rate ψ = 1 / √v: the theory of RAdam against gradients drawn at random.
//
// SPDX: MIT OR Apache-2.0
#ifndef VARIANCE_HPP
#define VARIANCE_HPP

#include "../experiments/normal_numbers.hpp"
#include "../experiments/report.hpp"
#include "../experiments/seeds.hpp"
#include "../svg_plot.hpp"

#include "radam.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// ---- Theory --------------------------------------------------------------------------------------

// The mean of ψ^power, where 1 / ψ² is the mean of the squares of n normal numbers of variance 1: then ψ² has a scaled
// inverse chi-square distribution. It exists for power < n.
inline double moment(double n, double power) {
  return std::exp(power / 2 * std::log(n / 2) + std::lgamma((n - power) / 2) - std::lgamma(n / 2));
}

// Theorem 1 of Liu et al.: exact for a simple average, and of an exponential one taken as a simple one of length rho.
inline double exact_variance(double rho) { return rho / (rho - 2) - moment(rho, 1) * moment(rho, 1); }

// Its first-order approximation, from which r is made.
inline double approximate_variance(double rho) { return rho / (2 * (rho - 2) * (rho - 4)); }

// The standard error of a variance that is estimated from so many ψ. It exists for n > 4.
inline double standard_error(double n, double samples) {
  const double mean = moment(n, 1), variance = exact_variance(n);
  const double fourth = moment(n, 4) - 4 * mean * moment(n, 3) + 6 * mean * mean * moment(n, 2) - 3 * std::pow(mean, 4);
  return std::sqrt((fourth - variance * variance) / samples);
}

// ---- Monte Carlo ---------------------------------------------------------------------------------

constexpr std::size_t kParts = 16;  // of the samples, each with a seed of its own

struct Sums {
  double psi = 0, squares = 0;

  double variance(double samples) const { return squares / samples - psi / samples * (psi / samples); }
};

// ψ of simple averages of the lengths.
inline std::vector<Sums> simple_averages(const std::vector<std::size_t>& lengths, std::size_t samples,
                                         std::uint64_t seed) {
  NormalNumbers normal(seed);
  std::vector<Sums> sums(lengths.size());
  for (std::size_t sample = 0; sample < samples; ++sample) {
    double total = 0;
    std::size_t drawn = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      for (; drawn < lengths[i]; ++drawn) {
        const double gradient = normal.next();
        total += gradient * gradient;
      }
      const double square = static_cast<double>(drawn) / total;
      sums[i].psi += std::sqrt(square);
      sums[i].squares += square;
    }
  }
  return sums;
}

struct Scalars {
  double rho, r;
};

struct Steps {
  std::vector<Sums> sums;
  std::vector<Scalars> scalars;
};

// ψ after these steps of the library, from exp_avg_sq, which it keeps debiased.
inline Steps steps_of_the_library(double beta2, const std::vector<std::size_t>& steps, std::size_t samples,
                                  std::uint64_t seed) {
  radam::Options single;
  single.num_threads = 1;
  radam::Optimizer optimizer(single);
  radam::GroupOptions options;
  options.lr = 0;
  options.beta2 = beta2;
  options.rectify_threshold = 4;
  const radam::GroupId group = optimizer.add_group(options);
  std::vector<float> parameter(samples), gradient(samples);
  const radam::ParamId param = optimizer.add_param(group, parameter, gradient);
  NormalNumbers normal(seed);
  Steps result;
  for (std::size_t step = 1; step <= steps.back(); ++step) {
    const radam::GroupReport report = optimizer.group_report(group);
    for (float& element : gradient) element = static_cast<float>(normal.next());
    optimizer.step();
    if (step != steps[result.sums.size()]) continue;
    Sums sums;
    for (const float exp_avg_sq : optimizer.state<float>(param, radam::State::exp_avg_sq)) {
      sums.psi += 1 / std::sqrt(static_cast<double>(exp_avg_sq));
      sums.squares += 1 / static_cast<double>(exp_avg_sq);
    }
    result.sums.push_back(sums);
    result.scalars.push_back({report.rho, report.r});
  }
  return result;
}

// ---- Both ----------------------------------------------------------------------------------------

// Whether all variances of simple averages are those of theorem 1, within 4 standard errors.
inline bool study_simple_averages(const Scale& scale, std::string& table) {
  const std::vector<std::size_t> lengths = {5, 6, 8, 12, 20, 50, 100, 199};
  const std::size_t samples = scale.samples / kParts;
  const auto parts = run_all("Simple averages", kParts, scale.threads, [&](std::size_t part) {
    return simple_averages(lengths, samples, part + 1);
  });
  table +=
      "The mean of the squares of n gradients, " + std::to_string(kParts * samples) +
      " samples:\n\n| n | variance of ψ | theorem 1 | difference in standard errors | first-order approximation |\n"
      "|---|---|---|---|---|\n";
  bool agrees = true;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    Sums sums;
    for (const auto& part : parts) sums.psi += part[i].psi, sums.squares += part[i].squares;
    const double n = static_cast<double>(lengths[i]), count = static_cast<double>(kParts * samples);
    const double exact = exact_variance(n);
    const double errors = (sums.variance(count) - exact) / standard_error(n, count);
    agrees = agrees && std::fabs(errors) < 4;
    table += "| " + format("%g", n) + " | " + format("%.5f", sums.variance(count)) + " | " + format("%.5f", exact) +
             " | " + format("%+.1f", errors) + " | " + format("%.5f", approximate_variance(n)) + " |\n";
  }
  return agrees;
}

inline PlotPanel study_steps(double beta2, const Scale& scale, std::string& table) {
  std::vector<std::size_t> steps = {5, 6, 8, 12, 20, 35, 60, 100, 200, 400, 1000};
  if (beta2 > 0.99 && !scale.small) steps.insert(steps.end(), {2000, 5000});
  const std::size_t samples = scale.samples / kParts / 4;
  const auto parts = run_all("beta2 " + format("%g", beta2), kParts, scale.threads, [&](std::size_t part) {
    return steps_of_the_library(beta2, steps, samples, 100 + part);
  });
  table += "\nThe library's `exp_avg_sq`, β2 = " + format("%g", beta2) + ", " + std::to_string(kParts * samples) +
           " samples:\n\n| step | ρ | variance of ψ | theorem 1 at ρ | first order | r | variance of r ψ |\n"
           "|---|---|---|---|---|---|---|\n";
  PlotPanel panel{"β2 = " + format("%g", beta2), true, 1e-4, 1, {1e-4, 1e-3, 1e-2, 0.1, 1}, "", {}, {}};
  panel.axis = {"step (log scale)", true, {}, {5, 10, 20, 50, 100, 200, 500, 1000}};
  if (steps.back() > 1000) panel.axis.ticks.insert(panel.axis.ticks.end(), {2000, 5000});
  panel.lines = {{"ψ", "stroke=\"#56b4e9\" stroke-width=\"5\"", {}, {}},
                 {"theorem 1", "stroke=\"#24292f\" stroke-width=\"1.5\"", {}, {}},
                 {"r ψ", "stroke=\"#c04a00\" stroke-width=\"3\"", {}, {}}};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    Sums sums;
    for (const Steps& part : parts) sums.psi += part.sums[i].psi, sums.squares += part.sums[i].squares;
    const auto [rho, r] = parts[0].scalars[i];
    const double variance = sums.variance(static_cast<double>(kParts * samples));
    const double by_theorem = exact_variance(rho);
    table += "| " + std::to_string(steps[i]) + " | " + format("%.2f", rho) + " | " + format("%.5f", variance) + " | " +
             format("%.5f", by_theorem) + " | " + format("%.5f", approximate_variance(rho)) + " | " +
             format("%.4f", r) + " | " + format("%.6f", r * r * variance) + " |\n";
    panel.axis.positions.push_back(static_cast<double>(steps[i]));
    panel.lines[0].values.push_back(variance);
    panel.lines[1].values.push_back(by_theorem);
    panel.lines[2].values.push_back(r * r * variance);
  }
  return panel;
}

inline bool study_variance(const Scale& scale, const std::string& folder) {
  std::string table;
  const bool agrees = study_simple_averages(scale, table);
  const std::vector<PlotPanel> panels = {study_steps(0.99, scale, table), study_steps(0.999, scale, table)};
  write(folder + "/variance.md", table);
  write(folder + "/variance.svg",
        SvgPlot("Rectification holds the variance of the adaptive rate constant",
                "variance of ψ = 1/√v and of r ψ, for normal gradients of variance 1 (log scale)", panels)
            .svg());
  return agrees;
}

#endif  // VARIANCE_HPP
