// Losses with state of 8 bits and with rounded state of 16 bits, beside those with f32. SPDX: MIT OR Apache-2.0
#ifndef LOSSES_HPP
#define LOSSES_HPP

#include "../experiments/report.hpp"
#include "../experiments/seeds.hpp"
#include "../experiments/tasks.hpp"
#include "../svg_plot.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

// The library has bf16 state for bf16 parameters only. With master_remainder, these and their remainders are f32
// parameters in two parts, so a model that computes with both joined has f32 parameters with bf16 state.
inline const std::vector<Storage> kStorages = {
    {"f32 weights, f32 state", radam::Dtype::f32, Master::f32},
    {"f32 weights, 8-bit state", radam::Dtype::q8, Master::f32},
    {"f32 weights, bf16 state", radam::Dtype::bf16, Master::joined_remainder},
    {"bf16 weights + remainder, f32 state", radam::Dtype::f32, Master::bf16_remainder},
    {"bf16 weights + remainder, 8-bit state", radam::Dtype::q8, Master::bf16_remainder},
};
const std::vector<std::string> kStyles = {"stroke=\"#56b4e9\" stroke-width=\"6\"",
                                          "stroke=\"#c04a00\" stroke-width=\"2\"",
                                          "stroke=\"#009e73\" stroke-width=\"2\" stroke-dasharray=\"7 4\""};
const std::vector<std::string> kLabels = {"f32", "8 bits", "bf16"};  // of the first three, which the picture shows

inline Method method_of(Task task, double beta2, const Storage& storage) {
  Method method;
  method.options.lr = task == Task::digits ? 0.003 : 0.01;
  method.options.beta2 = beta2;
  method.storage = storage;
  return method;
}

struct Comparison {
  std::vector<std::vector<Outcome>> outcomes;  // of each storage, of each seed

  std::vector<double> losses(std::size_t storage, bool held_out) const {
    std::vector<double> losses;
    for (const Outcome& outcome : outcomes[storage]) losses.push_back(held_out ? outcome.held_out : outcome.training());
    return losses;
  }

  // From those of the same seeds with f32.
  std::vector<double> differences(std::size_t storage, bool held_out) const {
    std::vector<double> differences = losses(storage, held_out);
    const std::vector<double> f32 = losses(0, held_out);
    for (std::size_t seed = 0; seed < f32.size(); ++seed) differences[seed] -= f32[seed];
    return differences;
  }

  // Whether the mean loss with 8 bits differs from that with f32 by less than seeds do.
  bool holds(bool held_out) const {
    return std::fabs(spread_of(differences(1, held_out)).mean) < spread_of(losses(0, held_out)).sd;
  }
};

inline Comparison compare(const Data& data, Task task, double beta2, const Scale& scale) {
  const std::string what = std::string(name_of(task)) + ", beta2 " + format("%g", beta2);
  const std::size_t runs = (scale.small ? kLabels.size() : kStorages.size()) * scale.seeds;
  const std::vector<Outcome> outcomes = run_all(what, runs, scale.threads, [&](std::size_t run) {
    const Method method = method_of(task, beta2, kStorages[run / scale.seeds]);
    return data.run(task, method, 1 + run % scale.seeds, scale.steps(task));
  });
  Comparison comparison;
  for (std::size_t run = 0; run < runs; run += scale.seeds) {
    const auto first = outcomes.begin() + static_cast<std::ptrdiff_t>(run);
    comparison.outcomes.emplace_back(first, first + static_cast<std::ptrdiff_t>(scale.seeds));
  }
  return comparison;
}

inline std::string table_of(Task task, double beta2, const Comparison& comparison) {
  std::string table = "\n" + std::string(name_of(task)) + ", β2 = " + format("%g", beta2) +
                      ":\n\n| | training loss | less f32's of the same seed | held out | less f32's |\n"
                      "|---|---|---|---|---|\n";
  for (std::size_t i = 0; i < comparison.outcomes.size(); ++i) {
    table += "| " + kStorages[i].name;
    for (const bool held_out : {false, true}) {
      const char* pattern = task == Task::digits && !held_out ? "%.6f" : "%.4f";
      table += " | " + mean_and_sd(spread_of(comparison.losses(i, held_out)), pattern) + " | ";
      if (i > 0) table += mean_and_sd(spread_of(comparison.differences(i, held_out)), pattern);
    }
    table += " |\n";
  }
  return table;
}

inline PlotPanel panel_of(Task task, const Comparison& comparison) {
  const bool digits = task == Task::digits;
  PlotPanel panel{name_of(task), true, digits ? 0.001 : 1.8, digits ? 3.0 : 4.0, {}, "", {}, {}};
  panel.ticks = digits ? std::vector<double>{0.001, 0.01, 0.1, 1} : std::vector<double>{1.8, 2, 2.5, 3, 4};
  panel.axis = {"part of the training", false, {}, {0.2, 0.4, 0.6, 0.8, 1}};
  for (std::size_t window = 1; window <= kWindows; ++window) {
    panel.axis.positions.push_back(static_cast<double>(window) / static_cast<double>(kWindows));
  }
  for (std::size_t storage = 0; storage < kLabels.size(); ++storage) {
    PlotLine line{kLabels[storage], kStyles[storage], {}, {}};
    for (std::size_t window = 0; window < kWindows; ++window) {
      std::vector<double> losses;
      for (const Outcome& outcome : comparison.outcomes[storage]) losses.push_back(outcome.curve[window]);
      line.values.push_back(spread_of(losses).mean);
    }
    panel.lines.push_back(line);
  }
  return panel;
}

// Whether 8-bit state trains as f32 does, on both tasks.
inline bool study_losses(const Data& data, const Scale& scale, const std::string& folder) {
  std::string tables = "Mean losses ± their standard deviation over " + std::to_string(scale.seeds) + " seeds.\n";
  std::vector<PlotPanel> panels;
  bool holds = true;
  for (const Task task : kTasks) {
    for (const double beta2 : {0.99, 0.999}) {
      const Comparison comparison = compare(data, task, beta2, scale);
      tables += table_of(task, beta2, comparison);
      holds = holds && comparison.holds(false) && comparison.holds(true);
      if (beta2 == 0.999) panels.push_back(panel_of(task, comparison));
    }
  }
  write(folder + "/losses.md", tables);
  const std::string subtitle = "β2 = 0.999; means of " + std::to_string(scale.seeds) + " seeds (log scale)";
  write(folder + "/losses.svg",
        SvgPlot("Training loss with f32 weights, and state of f32, 8 bits and bf16", subtitle, panels).svg());
  return holds;
}

#endif  // LOSSES_HPP
