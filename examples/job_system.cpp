// Trains inside a game: the optimizer's step is cut into slices that fit into 2 ms of each frame.
//
// A step of a few million parameters takes several milliseconds, and a frame at 60 Hz has 16.7 for
// everything. So the step is opened (begin_step) and runs over several frames, in one of two ways:
// - on the engine's own worker threads, one chunk at a time (next_wave, and step of the wave);
// - on the main thread alone, with a time budget (run_for).
// The library starts no threads. Gradients are clipped by their norm, so all of them are read before the first
// parameter changes; this is the first wave. At the end, the parameters are compared with those after the same
// number of undivided steps: they have the same bits.
//
// The times that it prints depend on the machine. To build and run it:
//
//   cargo build --release
//   c++ -std=c++17 -O2 -pthread -Iinclude examples/job_system.cpp -o job_system
//       -Ltarget/release -lradam -Wl,-rpath,target/release      (all in one line)
//   ./job_system
//
// SPDX: MIT OR Apache-2.0

#include "portable_numbers.hpp"

#include "radam.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr Clock::duration kFrame = std::chrono::microseconds(16667);
constexpr Clock::duration kBudget = std::chrono::milliseconds(2);
constexpr Clock::duration kReserve = std::chrono::microseconds(100);  // for what comes after the chunks

// ---- The engine's job system ---------------------------------------------------------------------

// A fixed set of worker threads and a queue of jobs.
class JobSystem {
 public:
  explicit JobSystem(std::size_t workers) {
    for (std::size_t i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
  }
  ~JobSystem() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      closing_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // How many jobs can run at once.
  std::size_t width() const { return threads_.size() + 1; }

  // Runs a job width() times, also on the calling thread, and returns when all runs have ended. If any of them threw,
  // rethrows it.
  void run_everywhere(const std::function<void()>& job) {
    std::unique_lock<std::mutex> lock(mutex_);
    queue_.assign(width(), &job);
    unfinished_ = width();
    changed_.notify_all();
    while (!queue_.empty()) run_next(lock);
    changed_.wait(lock, [this] { return unfinished_ == 0; });
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  void work() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return closing_ || !queue_.empty(); });
      if (closing_) return;
      run_next(lock);
    }
  }

  // Takes a job from the queue and runs it without the lock.
  void run_next(std::unique_lock<std::mutex>& lock) {
    const std::function<void()>& job = *queue_.front();
    queue_.pop_front();
    lock.unlock();
    std::exception_ptr error;
    try {
      job();
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error) error_ = error;
    if (--unfinished_ == 0) changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<const std::function<void()>*> queue_;
  std::size_t unfinished_ = 0;
  bool closing_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

// ---- What is trained -----------------------------------------------------------------------------

constexpr std::array<std::size_t, 4> kTensorSizes = {1 << 20, 1 << 21, 1 << 19, 1000};

// Tensors that are trained to equal target tensors. Their gradients take the place of those of a network, which would
// come from a backward pass.
struct Model {
  radam::Optimizer optimizer{on_the_calling_thread()};
  std::vector<std::vector<float>> weights, grads, targets;

  Model() {
    Random random(1);
    radam::GroupOptions options;
    options.lr = 0.01;
    const radam::GroupId group = optimizer.add_group(options);
    for (const std::size_t size : kTensorSizes) {
      optimizer.add_param(group, weights.emplace_back(size), grads.emplace_back(size));
      for (float& target : targets.emplace_back(size)) target = random.uniform(1.0f);
    }
    // The state is zero already, but writing it makes the system provide its memory now, while the game loads.
    // Otherwise it would do so at the first step, which takes milliseconds in the middle of a frame.
    optimizer.reset_state();
  }

  // With one thread, the library never starts any.
  static radam::Options on_the_calling_thread() {
    radam::Options options;
    options.num_threads = 1;
    return options;
  }

  void compute_gradients() {
    for (std::size_t tensor = 0; tensor < weights.size(); ++tensor) {
      for (std::size_t i = 0; i < weights[tensor].size(); ++i) {
        grads[tensor][i] = weights[tensor][i] - targets[tensor][i];
      }
    }
  }
};

// ---- The step in slices --------------------------------------------------------------------------

// Both run an open step until about a deadline, and return whether it is complete.

bool work_alone(radam::SlicedStep& step, Clock::time_point deadline) {
  // With a budget of 0 the step would never finish.
  return step.run_for(std::max(deadline - Clock::now(), Clock::duration(1))) == 0;
}

class WorkOnJobs {
 public:
  explicit WorkOnJobs(JobSystem& jobs) : jobs_(jobs) {}

  bool operator()(radam::SlicedStep& step, Clock::time_point deadline) {
    do {
      if (next_ >= wave_.size()) {
        wave_ = step.next_wave();
        next_ = 0;
        if (wave_.size() == 0) return true;
      }
      jobs_.run_everywhere([&] { step_chunks(deadline); });
    } while (Clock::now() < deadline);
    return false;
  }

 private:
  // The job of one thread: takes chunks for as long as one that takes as long as the slowest so far would end in
  // time. It takes at least one, so that the step makes progress however late it is.
  void step_chunks(Clock::time_point deadline) {
    Clock::duration longest{0};
    Clock::time_point now = Clock::now();
    do {
      const std::uint64_t chunk = next_++;
      if (chunk >= wave_.size()) return;
      wave_.step(chunk);
      const Clock::time_point before = std::exchange(now, Clock::now());
      longest = std::max(longest, now - before);
    } while (now + longest < deadline);
  }

  JobSystem& jobs_;
  radam::Wave wave_;  // the present one; between steps, it is empty
  std::atomic<std::uint64_t> next_{0};
};

// ---- The game ------------------------------------------------------------------------------------

// A histogram of the time per frame in the optimizer: bins of a quarter of a millisecond, and one for more than 2.
struct Histogram {
  std::array<std::size_t, 9> bins{};
  std::size_t frames = 0;

  void add(Milliseconds spent) {
    ++frames;
    ++bins[std::min(static_cast<std::size_t>(spent.count() * 4.0), bins.size() - 1)];
  }

  void print() const {
    for (std::size_t i = 0; i < bins.size(); ++i) {
      const bool is_last = i + 1 == bins.size();
      const double low = static_cast<double>(i) / 4.0;
      const std::string bar((bins[i] * 50 + frames - 1) / frames, '#');
      std::printf("  %s %.2f ms  %4zu %s\n", is_last ? "more than" : "less than", is_last ? low : low + 0.25, bins[i],
                  bar.c_str());
    }
  }
};

// Returns whether a model equals the result of this many undivided steps.
bool is_as_undivided(const Model& model, const radam::StepOptions& options, std::size_t steps) {
  Model undivided;
  Milliseconds longest{0};
  for (std::size_t step = 0; step < steps; ++step) {
    undivided.compute_gradients();
    const Clock::time_point start = Clock::now();
    undivided.optimizer.step(options, radam::no_report);
    longest = std::max(longest, Milliseconds(Clock::now() - start));
  }
  bool same = true;
  for (std::size_t tensor = 0; tensor < model.weights.size(); ++tensor) {
    const std::size_t bytes = model.weights[tensor].size() * sizeof(float);
    same = same && std::memcmp(model.weights[tensor].data(), undivided.weights[tensor].data(), bytes) == 0;
  }
  std::printf("  parameters after %zu undivided steps of up to %.1f ms: %s\n\n", steps, longest.count(),
              same ? "the same bits" : "DIFFERENT");
  return same;
}

// Runs the game for at least this many frames, and until the last step is complete. Returns whether the parameters
// are then what they should be.
template <typename Work>
bool play(const std::string& name, Work work, std::size_t frames, bool sleep) {
  Model model;
  radam::StepOptions options;
  options.max_grad_norm = 1.0;
  radam::SlicedStep step;
  radam::StepReport report{};
  Histogram histogram;
  std::size_t steps = 0;
  for (bool open = false; open || histogram.frames < frames;) {
    const Clock::time_point frame_start = Clock::now();
    // Here the game would move and draw its world. While a step is open, some parameters are new and some
    // old, so a game that asks its network meanwhile keeps a copy of the parameters for that.
    if (!open) model.compute_gradients();
    const Clock::time_point start = Clock::now();
    if (!open) step = model.optimizer.begin_step(options);
    open = !work(step, start + kBudget - kReserve);
    if (!open) {
      report = step.end();
      ++steps;
    }
    histogram.add(Clock::now() - start);
    if (sleep) std::this_thread::sleep_until(frame_start + kFrame);
  }
  std::printf("%s: %zu frames, %zu steps, %.1f frames a step\n", name.c_str(), histogram.frames, steps,
              static_cast<double>(histogram.frames) / static_cast<double>(steps));
  std::printf("  gradients of the last step: norm %.3f, clipped to %.3f\n", report.grad_norm,
              report.grad_norm * report.clip_coefficient);
  std::printf("  frames by their time in the optimizer:\n");
  histogram.print();
  return is_as_undivided(model, options, steps);
}

int main(int argc, char** argv) {
  bool sleep = true;
  std::size_t frames = 240;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--no-sleep") == 0) sleep = false;
    else frames = std::strtoul(argv[i], nullptr, 10);
  }
  if (frames == 0) {
    std::fputs("usage: job_system [--no-sleep] [frames]\n", stderr);
    return 1;
  }
  try {
    JobSystem jobs(std::max<std::size_t>(std::thread::hardware_concurrency(), 2) - 1);
    WorkOnJobs work_on_jobs(jobs);
    const std::string name = "Workers and the main thread, " + std::to_string(jobs.width()) + " threads";
    const bool same_on_jobs = play(name, std::ref(work_on_jobs), frames, sleep);
    const bool same_alone = play("The main thread alone", work_alone, frames, sleep);
    return same_on_jobs && same_alone ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "job_system: %s\n", error.what());
    return 1;
  }
}
