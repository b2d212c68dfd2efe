// Sums of gradients, and steps in slices. Part of radam.hpp. SPDX: MIT OR Apache-2.0
#ifndef RADAM_STEPS_HPP
#define RADAM_STEPS_HPP

#include "../radam.h"
#include "elements.hpp"
#include "errors.hpp"
#include "options.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

namespace radam {

// The exact sum of squares of any number of gradients (radam_grad_sums): of several tensors that are stepped one by
// one, or of several processes, which add up the words (72 of MPI_INT64_T).
template <class Errors>
class BasicGradSums : public radam_grad_sums {
  template <class T>
  using R = typename Errors::template Result<T>;

 public:
  BasicGradSums() noexcept : radam_grad_sums{} { radam_grad_sums_init(this, sizeof(radam_grad_sums)); }

  // Adds n gradient elements, a whole tensor's.
  R<void> add(ConstArray grad, std::uint64_t n) {
    return Errors::outcome(radam_measure_tensor(static_cast<radam_dtype>(grad.dtype), grad.address, n, this));
  }
  // Adds the gradient elements of a contiguous container, a whole tensor's.
  template <class Grad, class = decltype(std::size(std::declval<const Grad&>()))>
  R<void> add(const Grad& grad) {
    return add(grad, std::size(grad));
  }

  // Adds the gradients of another sum.
  BasicGradSums& operator+=(const radam_grad_sums& other) noexcept {
    for (std::size_t i = 0; i < std::size(words); i++) words[i] += other.words[i];
    return *this;
  }

  // The L2 norm; NaN if an element is NaN.
  R<double> norm() const {
    double norm = 0;
    const radam_status status = radam_grad_sums_value(this, &norm, nullptr);
    return Errors::outcome(status, norm);
  }

  // How many elements are infinite or NaN.
  R<std::uint64_t> nonfinite() const {
    std::uint64_t nonfinite = 0;
    const radam_status status = radam_grad_sums_value(this, nullptr, &nonfinite);
    return Errors::outcome(status, nonfinite);
  }
};

// ---- A step in slices ------------------------------------------------------------------------------------------

// A wave of chunks, which may be stepped in any order and at the same time, each once.
template <class Errors>
class BasicWave {
 public:
  BasicWave() noexcept = default;
  BasicWave(radam_optimizer* opt, std::uint64_t chunks) noexcept : opt_(opt), chunks_(chunks) {}

  // The number of chunks; the chunks are 0, 1, ... size() - 1.
  std::uint64_t size() const noexcept { return chunks_; }
  // Steps one chunk, on the calling thread.
  typename Errors::template Result<void> step(std::uint64_t chunk) const {
    return Errors::outcome(radam_step_chunk(opt_, chunk));
  }

 private:
  radam_optimizer* opt_ = nullptr;
  std::uint64_t chunks_ = 0;
};

// An open step, which the caller runs in slices, on any threads (radam_step_begin):
//
//   auto step = opt.begin_step({.max_grad_norm = 1});
//   for (auto wave : step.waves()) pool.parallel_for(wave.size(), [&](auto chunk) { wave.step(chunk); });
//   radam::StepReport report = step.end();
//
// or, a little in every frame: if (step.run_for(2ms) == 0) step.end();
//
// One that is destroyed while open is cancelled if nothing has changed yet, and otherwise completed.
template <class Errors>
class BasicSlicedStep {
  template <class T>
  using R = typename Errors::template Result<T>;

 public:
  // No step.
  BasicSlicedStep() noexcept = default;
  explicit BasicSlicedStep(radam_optimizer* opt) noexcept : opt_(opt) {}
  BasicSlicedStep(const BasicSlicedStep&) = delete;
  BasicSlicedStep(BasicSlicedStep&& other) noexcept : opt_(std::exchange(other.opt_, nullptr)) {}
  BasicSlicedStep& operator=(BasicSlicedStep other) noexcept {  // which cancels or completes what this one had
    std::swap(opt_, other.opt_);
    return *this;
  }
  ~BasicSlicedStep() {
    if (opt_ == nullptr || radam_step_abort(opt_) == RADAM_OK) return;
    radam_step_for(opt_, UINT64_MAX, nullptr);
    radam_step_end(opt_, nullptr);
  }

  // Starts the next wave; one of size 0 means that there are no more.
  R<BasicWave<Errors>> next_wave() {
    std::uint64_t chunks = 0;
    const radam_status status = radam_step_wave(opt_, &chunks);
    return Errors::outcome(status, BasicWave<Errors>(opt_, chunks));
  }

  // Runs the step for about this time, on the calling thread: one chunk at least, unless the time is 0 or less. Returns
  // the number of chunks left: at 0, end() can follow.
  R<std::uint64_t> run_for(std::chrono::nanoseconds budget) {
    std::uint64_t left = 0;
    const auto count = budget.count() > 0 ? static_cast<std::uint64_t>(budget.count()) : 0;
    const radam_status status = radam_step_for(opt_, count, &left);
    return Errors::outcome(status, left);
  }

  // Ends the step, all of whose chunks have been stepped.
  R<StepReport> end() {
    radam_step_report report{};
    radam_step_report_init(&report, sizeof report);
    const radam_status status = radam_step_end(opt_, &report);
    if (status == RADAM_OK) opt_ = nullptr;
    return Errors::outcome(status, report);
  }

  // Cancels the step, which is possible until the first chunk that changes anything.
  R<void> abort() {
    const radam_status status = radam_step_abort(opt_);
    if (status == RADAM_OK) opt_ = nullptr;
    return Errors::outcome(status);
  }

  // The waves, as a range to be walked through once. With radam::nothrow, it ends at an error too; end() then fails.
  class Waves {
   public:
    struct End {};
    class Iterator {
     public:
      explicit Iterator(radam_optimizer* opt) : opt_(opt) { ++*this; }
      BasicWave<Errors> operator*() const noexcept { return {opt_, chunks_}; }
      Iterator& operator++() {
        chunks_ = 0;
        static_cast<void>(Errors::outcome(radam_step_wave(opt_, &chunks_)));
        return *this;
      }
      bool operator!=(End) const noexcept { return chunks_ != 0; }

     private:
      radam_optimizer* opt_;
      std::uint64_t chunks_ = 0;
    };

    explicit Waves(radam_optimizer* opt) noexcept : opt_(opt) {}
    Iterator begin() const { return Iterator(opt_); }
    End end() const noexcept { return {}; }

   private:
    radam_optimizer* opt_;
  };
  Waves waves() noexcept { return Waves(opt_); }

 private:
  radam_optimizer* opt_ = nullptr;
};

}  // namespace radam
#endif  // RADAM_STEPS_HPP
