// The first steps, which are not rectified: whether parameters move in them, and when they end. SPDX: MIT OR Apache-2.0
#ifndef FIRST_STEPS_HPP
#define FIRST_STEPS_HPP

#include "../experiments/report.hpp"
#include "../experiments/seeds.hpp"
#include "../experiments/tasks.hpp"

#include <cstddef>
#include <string>
#include <vector>

inline void study_first_steps(const Data& data, const Scale& scale, const std::string& folder) {
  struct Case {
    Task task;
    bool sums_losses, unrectified;
    double threshold;
  };
  std::vector<Case> cases;
  for (const Task task : kTasks) {
    for (const bool sums : {false, true}) {
      for (const bool unrectified : {true, false}) {
        for (const double threshold : {5.0, 4.0}) cases.push_back({task, sums, unrectified, threshold});
      }
    }
  }
  const std::size_t runs = cases.size() * scale.seeds;
  const std::vector<Outcome> outcomes = run_all("First steps", runs, scale.threads, [&](std::size_t run) {
    const Case& that = cases[run / scale.seeds];
    Method method;
    method.options.lr = 0.01;
    method.options.unrectified = that.unrectified;
    method.options.rectify_threshold = that.threshold;
    method.sums_losses = that.sums_losses;
    return data.run(that.task, method, 1 + run % scale.seeds, scale.steps(that.task));
  });
  std::string table =
      "| task | loss of a batch | `unrectified` | threshold | training loss in the first 5 % of steps | held out |\n"
      "|---|---|---|---|---|---|\n";
  for (std::size_t i = 0; i < cases.size(); ++i) {
    std::vector<double> early, held_out;
    for (std::size_t seed = 0; seed < scale.seeds; ++seed) {
      const Outcome& outcome = outcomes[i * scale.seeds + seed];
      early.push_back(outcome.curve.front());
      held_out.push_back(outcome.held_out);
    }
    table += std::string("| ") + name_of(cases[i].task) + (cases[i].sums_losses ? " | sum" : " | mean") +
             (cases[i].unrectified ? " | on | " : " | off | ") + format("%g", cases[i].threshold) + " | " +
             median_and_range(spread_of(early)) + " | " + median_and_range(spread_of(held_out)) + " |\n";
  }
  write(folder + "/first_steps.md", table);
}

#endif  // FIRST_STEPS_HPP
