// Steps a tensor by examples/mpi/sharded_optimizer.hpp, and on each rank the same tensor as a whole. Some steps clip,
// and one is skipped because of a gradient of one rank. Any difference of a bit ends with an error.
//
// usage: mpirun -n RANKS sharded new|continue FOLDER
//
// `new` saves to FOLDER after half of the steps; `continue` loads that, on any number of ranks, and does the other half.
#include "../../examples/mpi/checkpoint_set.hpp"
#include "../../examples/mpi/ranks.hpp"
#include "../../examples/mpi/sharded_optimizer.hpp"
#include "../../examples/portable_numbers.hpp"
#include "radam.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

constexpr std::size_t kElements = 5 * kPiece + 1000;  // fewer pieces than ranks, sometimes; the last is not whole
constexpr int kParts = 8, kSteps = 12, kSkipped = 5, kInfinitePart = 3;

static void check(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "%s\n", what);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

// Of very different sizes, so that the order in which they are added matters, and smaller in every other step.
static void fill(int step, int part, float* grads) {
  Random random(static_cast<std::uint64_t>(step * kParts + part));
  for (std::size_t i = 0; i < kElements; i++) {
    grads[i] = std::ldexp(random.uniform(1), static_cast<int>(random.next() % 24) - 20 - step % 2);
  }
  if (step == kSkipped && part == kInfinitePart) grads[kElements - 1] = std::numeric_limits<float>::infinity();
}

static radam::StepOptions step_options() {
  radam::StepOptions options;
  options.grad_scale = 1.0 / kParts;
  options.max_grad_norm = 80;
  options.skip_nonfinite = true;
  options.zero_grad = true;
  return options;
}

// The whole tensor on one rank, and what its steps report.
struct Whole {
  explicit Whole(const radam::GroupOptions& options) : params(kElements, 1.0f), sum(kElements), grads(kElements) {
    optimizer.add_param(optimizer.add_group(options), params, sum, "params");
  }
  radam::StepReport step(int number) {
    for (int part = 0; part < kParts; part++) {
      fill(number, part, grads.data());
      for (std::size_t i = 0; i < kElements; i++) sum[i] += grads[i];
    }
    return optimizer.step(step_options());
  }
  std::vector<float> params, sum, grads;
  radam::Optimizer optimizer;
};

static radam::StepReport step(const Ranks& ranks, ShardedOptimizer& sharded, int number) {
  for (int round = 0; round < kParts; round += ranks.count) {
    if (round + ranks.rank < kParts) fill(number, round + ranks.rank, sharded.grads());
    sharded.add_gradients();
  }
  const radam::StepReport report = sharded.step(step_options());
  sharded.gather_params();
  return report;
}

static void run(const Ranks& ranks, const radam::GroupOptions& options, bool is_new, const std::string& folder) {
  Whole whole(options);
  ShardedOptimizer sharded(ranks, kElements, options);
  std::fill_n(sharded.params(), kElements, 1.0f);
  const CheckpointSet checkpoints(ranks, folder);
  check(is_new || checkpoints.load(sharded) == kSteps / 2, "it loaded another step");
  int clipped = 0;
  for (int number = 1; number <= kSteps; number++) {
    const radam::StepReport expected = whole.step(number);
    if (!is_new && number <= kSteps / 2) continue;
    const radam::StepReport report = step(ranks, sharded, number);
    check(std::memcmp(&report.grad_norm, &expected.grad_norm, sizeof(double)) == 0, "another norm");
    check(report.clip_coefficient == expected.clip_coefficient, "another coefficient");
    check((report.skipped == 1) == (number == kSkipped), "it skipped another step");
    clipped += report.clip_coefficient < 1 && number != kSkipped;
    check(std::memcmp(sharded.params(), whole.params.data(), kElements * sizeof(float)) == 0, "other bits");
    if (is_new && number == kSteps / 2) checkpoints.save(number, sharded);
  }
  check(clipped == (is_new ? kSteps : kSteps / 2) / 2, "other steps clip");
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const bool is_new = argc == 3 && argv[1] == std::string("new");
  for (const radam::Dtype state : {radam::Dtype::f32, radam::Dtype::q8}) {
    radam::GroupOptions options;
    options.lr = 1e-2;
    options.weight_decay = 0.1;
    options.state_dtype = state;
    run(Ranks(MPI_COMM_WORLD), options, is_new, std::string(argv[2]) + (state == radam::Dtype::q8 ? "/q8" : "/f32"));
  }
  MPI_Finalize();
}
