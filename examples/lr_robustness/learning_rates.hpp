// How much the learning rate matters: RAdam, Adam, and Adam that warms up, on both tasks. SPDX: MIT OR Apache-2.0
#ifndef LEARNING_RATES_HPP
#define LEARNING_RATES_HPP

#include "../experiments/report.hpp"
#include "../experiments/seeds.hpp"
#include "../experiments/tasks.hpp"
#include "../svg_plot.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <vector>

struct Optimizers {
  const char* name;
  bool rectify, warms_up;
  const char* style;
};

// Colours that can be told apart with colour blindness, too.
constexpr std::array<Optimizers, 3> kOptimizers = {{
    {"RAdam", true, false, "stroke=\"#c04a00\" stroke-width=\"3\""},
    {"Adam", false, false, "stroke=\"#56b4e9\" stroke-width=\"3\""},
    {"warm-up", false, true, "stroke=\"#009e73\" stroke-width=\"3\" stroke-dasharray=\"7 4\""},
}};
const std::vector<double> kRates = {0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1};

// The losses of each optimizer at each rate.
using Losses = std::array<std::vector<Spread>, kOptimizers.size()>;

inline Losses losses_by_rate(const Data& data, Task task, double beta2, const Scale& scale) {
  const std::string what = std::string(name_of(task)) + ", beta2 " + format("%g", beta2);
  const std::size_t runs = kOptimizers.size() * kRates.size() * scale.seeds;
  const std::vector<Outcome> outcomes = run_all(what, runs, scale.threads, [&](std::size_t run) {
    const Optimizers& optimizer = kOptimizers[run / scale.seeds / kRates.size()];
    Method method;
    method.options.lr = kRates[run / scale.seeds % kRates.size()];
    method.options.beta2 = beta2;
    method.options.rectify = optimizer.rectify;
    method.warms_up = optimizer.warms_up;
    return data.run(task, method, 1 + run % scale.seeds, scale.steps(task));
  });
  Losses losses;
  for (std::size_t run = 0; run < runs; run += scale.seeds) {
    std::vector<double> held_out;
    for (std::size_t seed = 0; seed < scale.seeds; ++seed) held_out.push_back(outcomes[run + seed].held_out);
    losses[run / scale.seeds / kRates.size()].push_back(spread_of(held_out));
  }
  return losses;
}

inline std::string table_of(Task task, double beta2, const Losses& losses) {
  std::string table = "\n" + std::string(name_of(task)) + ", β2 = " + format("%g", beta2) + ":\n\n| lr |";
  for (const Optimizers& optimizer : kOptimizers) table += std::string(" ") + optimizer.name + " |";
  table += "\n|---|---|---|---|\n";
  for (std::size_t rate = 0; rate < kRates.size(); ++rate) {
    table += "| " + format("%g", kRates[rate]) + " |";
    for (const std::vector<Spread>& optimizer : losses) table += " " + median_and_range(optimizer[rate]) + " |";
    table += "\n";
  }
  return table;
}

inline PlotPanel panel_of(Task task, const Losses& losses) {
  const bool digits = task == Task::digits;
  PlotPanel panel{name_of(task), true, digits ? 0.01 : 1.9, digits ? 3.0 : 3.6, {}, "", {}, {}};
  panel.ticks = digits ? std::vector<double>{0.01, 0.03, 0.1, 0.3, 1, 3} : std::vector<double>{2, 2.4, 2.8, 3.2, 3.6};
  panel.axis = {"learning rate (log scale)", true, kRates, kRates};
  for (std::size_t i = 0; i < kOptimizers.size(); ++i) {
    PlotLine line{kOptimizers[i].name, kOptimizers[i].style, {}, {}};
    for (const Spread& spread : losses[i]) {
      line.values.push_back(spread.median);
      line.ranges.push_back({spread.low, spread.high});
    }
    panel.lines.push_back(line);
  }
  return panel;
}

inline void study_learning_rates(const Data& data, const Scale& scale, const std::string& folder) {
  std::string tables;
  for (const double beta2 : {0.99, 0.999}) {
    std::vector<PlotPanel> panels;
    for (const Task task : kTasks) {
      const Losses losses = losses_by_rate(data, task, beta2, scale);
      tables += table_of(task, beta2, losses);
      panels.push_back(panel_of(task, losses));
    }
    const std::string title = "Loss on held-out data after training at one learning rate or another, β2 = " +
                              format("%g", beta2);
    write(folder + "/learning_rates_" + format("%g", beta2) + ".svg",
          SvgPlot(title, "the median and the range of " + std::to_string(scale.seeds) + " seeds", panels).svg());
  }
  write(folder + "/learning_rates.md",
        "Loss on held-out data, the median and the range of " + std::to_string(scale.seeds) + " seeds.\n" + tables);
}

#endif  // LEARNING_RATES_HPP
