// Times the phases of a step of examples/mpi/sharded_optimizer.hpp, and saving, for benches/scaling.py.
//
// usage: mpirun -n RANKS phases ELEMENTS ROUNDS FOLDER
//
// Prints a line for each phase of each round: its name, and the seconds from when the first rank began to when the last
// one ended. All ranks must be on one machine.
#include "../../examples/mpi/checkpoint_set.hpp"
#include "../../examples/mpi/ranks.hpp"
#include "../../examples/mpi/sharded_optimizer.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

// One clock for all processes of a machine, which MPI_Wtime is not.
static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <typename Work>
static void time(const Ranks& ranks, const char* name, Work work) {
  MPI_Barrier(ranks.comm);
  double first = now();
  work();
  double last = now();
  MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_DOUBLE, MPI_MIN, ranks.comm);
  MPI_Allreduce(MPI_IN_PLACE, &last, 1, MPI_DOUBLE, MPI_MAX, ranks.comm);
  if (ranks.rank == 0) std::printf("%s\t%.9f\n", name, last - first);
}

static void run(const Ranks& ranks, std::size_t elements, int rounds, const char* folder) {
  radam::GroupOptions options;
  options.lr = 1e-3;
  ShardedOptimizer optimizer(ranks, elements, options);
  const CheckpointSet checkpoints(ranks, folder);
  radam::StepOptions step;
  step.max_grad_norm = 1;
  for (int round = 1; round <= rounds; ++round) {
    std::fill_n(optimizer.grads(), elements, 1e-3f);
    time(ranks, "reduce-scatter", [&] { optimizer.add_gradients(); });
    time(ranks, "norm and step", [&] { optimizer.step(step); });
    time(ranks, "all-gather", [&] { optimizer.gather_params(); });
    std::int64_t words[72] = {};
    time(ranks, "all-reduce of the norm", [&] {
      MPI_Allreduce(MPI_IN_PLACE, words, 72, MPI_INT64_T, MPI_SUM, ranks.comm);
    });
    if (round % 8 == 1) time(ranks, "save", [&] { checkpoints.save(round, optimizer); });
  }
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  if (argc == 4) run(Ranks(MPI_COMM_WORLD), std::strtoul(argv[1], nullptr, 10), std::atoi(argv[2]), argv[3]);
  MPI_Finalize();
  return argc == 4 ? 0 : 1;
}
