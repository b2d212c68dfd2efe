// Trains the transformer of examples/engines/llm_c on several processes, with Open MPI. Each has all parameters and the
// optimizer's state of a part of them (ZeRO, stage 1). README.md says how to build it and what it shows.
//
// usage: mpirun -n RANKS zero1 STEPS [CHECKPOINT_FOLDER STEPS_BETWEEN_CHECKPOINTS]
//
// SPDX: MIT OR Apache-2.0

#include "character_model.hpp"
#include "checkpoint_set.hpp"
#include "ranks.hpp"
#include "sharded_optimizer.hpp"

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

// A step's batch, in parts whose gradients are added one after another, in the same order on any number of ranks: in a
// round, each rank takes the next one.
constexpr int kMicroBatches = 8;
constexpr int kStepsPerLine = 10;

struct Arguments {
  int steps;
  std::string folder;  // of checkpoints; empty: none are saved
  int steps_between;
};

// How long each phase of a step takes, on the rank that prints.
struct Seconds {
  double gradients = 0, reduce = 0, step = 0, gather = 0;
};

class Training {
 public:
  Training(const Ranks& ranks, CharacterModel& model, const radam::GroupOptions& options)
      : ranks_(ranks), model_(model), optimizer_(ranks, model.elements(), options), losses_(kMicroBatches) {
    model.initialize(optimizer_.params());
  }

  void run(const Arguments& arguments) {
    std::optional<CheckpointSet> checkpoints;
    if (!arguments.folder.empty()) checkpoints.emplace(ranks_, arguments.folder);
    const int first = checkpoints ? checkpoints->load(optimizer_) + 1 : 1;
    if (ranks_.rank == 0) std::printf("%d ranks, from step %d on\n", ranks_.count, first);
    const double start = MPI_Wtime();
    for (int step = first; step <= arguments.steps; ++step) {
      const radam::StepReport report = train(step);
      if (step % kStepsPerLine == 0) {
        const double seconds = (MPI_Wtime() - start) / (step - first + 1);
        print_progress(step, arguments.steps, report, seconds);
      }
      if (checkpoints && step % arguments.steps_between == 0) checkpoints->save(step, optimizer_);
    }
    if (ranks_.rank == 0) print_end(arguments.steps - first + 1);
  }

 private:
  radam::StepReport train(int step) {
    double at = MPI_Wtime();
    const auto add_time = [&at](double& seconds) {
      const double now = MPI_Wtime();
      seconds += now - at;
      at = now;
    };
    for (int round = 0; round < kMicroBatches; round += ranks_.count) {
      const int part = round + ranks_.rank;
      if (part < kMicroBatches) {
        const auto number = static_cast<std::uint64_t>(step * kMicroBatches + part);
        const float loss = model_.add_gradient(number, optimizer_.params(), optimizer_.grads());
        losses_[static_cast<std::size_t>(part)] += loss;
      }
      add_time(seconds_.gradients);
      optimizer_.add_gradients();
      add_time(seconds_.reduce);
    }
    radam::StepOptions options;
    options.grad_scale = 1.0 / kMicroBatches;  // the gradient of the mean loss
    options.max_grad_norm = 1;
    options.skip_nonfinite = true;
    const radam::StepReport report = optimizer_.step(options);
    add_time(seconds_.step);
    optimizer_.gather_params();
    add_time(seconds_.gather);
    ++steps_since_line_;
    return report;
  }

  // The mean loss since the last line.
  void print_progress(int step, int steps, const radam::StepReport& report, double seconds) {
    // Each part has its losses on one rank, and zeros on all others.
    std::vector<float> losses(kMicroBatches);
    MPI_Reduce(losses_.data(), losses.data(), kMicroBatches, MPI_FLOAT, MPI_SUM, 0, ranks_.comm);
    double sum = 0;
    for (const float loss : losses) sum += static_cast<double>(loss);
    const double mean = sum / (kMicroBatches * steps_since_line_);
    losses_.assign(kMicroBatches, 0.0f);
    steps_since_line_ = 0;
    if (ranks_.rank != 0) return;
    const char* effect = report.skipped ? ", skipped" : (report.clip_coefficient < 1 ? ", clipped" : "");
    std::printf("step %4d of %d  loss %.6f  gradient norm %.6f%s;  %.1f ms a step, %.0f s left\n", step, steps, mean,
                report.grad_norm, effect, 1e3 * seconds, seconds * (steps - step));
    std::fflush(stdout);
  }

  void print_end(int steps) {
    if (steps > 0) {
      const double ms = 1e3 / steps;
      std::printf("milliseconds a step: %.2f gradients, %.2f reduce-scatter, %.2f norm and step, %.2f all-gather\n",
                  ms * seconds_.gradients, ms * seconds_.reduce, ms * seconds_.step, ms * seconds_.gather);
    }
    std::printf("parameters %016" PRIx64 "\n", hash_of(optimizer_.params(), optimizer_.elements()));
  }

  Ranks ranks_;
  CharacterModel& model_;
  ShardedOptimizer optimizer_;
  std::vector<float> losses_;  // of each part of a batch, since the last line
  int steps_since_line_ = 0;
  Seconds seconds_;
};

static void train(const Ranks& ranks, const Arguments& arguments) {
  std::optional<CharacterModel> model;
  ranks.together([&] {
    if (ranks.count > kMicroBatches) {
      throw std::runtime_error("a step has work for " + std::to_string(kMicroBatches) + " ranks, and there are " +
                               std::to_string(ranks.count));
    }
    model.emplace("examples/data/as_you_like_it.txt");
  });
  radam::GroupOptions options;
  options.lr = 3e-3;
  options.weight_decay = 0.1;
  options.decouple_wd = true;
  Training(ranks, *model, options).run(arguments);
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const Ranks ranks(MPI_COMM_WORLD);
  int status = 0;
  try {
    const bool saves = argc == 4;
    const Arguments arguments{argc > 1 ? std::atoi(argv[1]) : 0, saves ? argv[2] : "", saves ? std::atoi(argv[3]) : 0};
    if ((argc != 2 && argc != 4) || arguments.steps < 1 || (saves && arguments.steps_between < 1)) {
      throw CommonError("usage: mpirun -n RANKS zero1 STEPS [CHECKPOINT_FOLDER STEPS_BETWEEN_CHECKPOINTS]");
    }
    train(ranks, arguments);
  } catch (const CommonError& error) {  // of all ranks
    std::fprintf(stderr, "zero1, rank %d of %d: %s\n", ranks.rank, ranks.count, error.what());
    status = 1;
  } catch (const std::exception& error) {  // of this one, for which the others would wait
    std::fprintf(stderr, "zero1, rank %d of %d: %s\n", ranks.rank, ranks.count, error.what());
    MPI_Abort(ranks.comm, 1);
  }
  MPI_Finalize();
  return status;
}
