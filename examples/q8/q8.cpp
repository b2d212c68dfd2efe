// How good training with state of 8 bits is (docs/q8.md): losses beside those with f32, and where it is weaker.
//
// `make q8-quality` runs it, on all cores. The results do not depend on their number. It fails if, on a task, 8-bit
// state differs from f32 by more than seeds do.
//
// SPDX: MIT OR Apache-2.0

#include "losses.hpp"
#include "tracking.hpp"

#include "../experiments/report.hpp"
#include "../experiments/tasks.hpp"

#include <string>

int main(int argc, char** argv) {
  const Scale full{5, 2000, 1200, 0, false}, small{5, 400, 40, 0, true};
  return run_study(argc, argv, full, small, [](const Scale& scale, const std::string& folder) {
    study_tracking(scale, folder);
    return study_losses(Data("examples/data"), scale, folder);
  });
}
