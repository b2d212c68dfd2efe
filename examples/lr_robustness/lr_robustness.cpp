// What rectification does: the claims of Liu et al. 2019 (arXiv 1908.03265), measured with radam.
//
//   learning_rates.hpp   losses at 8 learning rates, of RAdam, Adam, and Adam with a linear warm-up over
//                        2 / (1 - beta2) steps (Ma and Yarats, arXiv 1910.04209)
//   variance.hpp         the variance of the adaptive rate, in theory and of gradients drawn at random
//   first_steps.hpp      the steps that are not rectified
//
// `make lr-robustness` runs it, on all cores. The results do not depend on their number.
//
// SPDX: MIT OR Apache-2.0

#include "first_steps.hpp"
#include "learning_rates.hpp"
#include "variance.hpp"

#include "../experiments/report.hpp"
#include "../experiments/tasks.hpp"

#include <string>

int main(int argc, char** argv) {
  const Scale full{5, 2000, 1200, 800000, false}, small{2, 100, 20, 16000, true};
  return run_study(argc, argv, full, small, [](const Scale& scale, const std::string& folder) {
    const Data data("examples/data");
    const bool agrees = study_variance(scale, folder);
    study_first_steps(data, scale, folder);
    study_learning_rates(data, scale, folder);
    return agrees;
  });
}
