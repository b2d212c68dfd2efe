// Options, descriptions and reports: the structs of radam.h with the types and defaults of C++. Part of radam.hpp.
// SPDX: MIT OR Apache-2.0
#ifndef RADAM_OPTIONS_HPP
#define RADAM_OPTIONS_HPP

#include "../radam.h"
#include "elements.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#if __has_include(<version>)
#include <version>
#endif
#ifdef __cpp_lib_memory_resource
#include <memory_resource>
#endif

namespace radam {

// The id of a group or a parameter, a number. A group's does not pass for a parameter's, unless as a number.
template <class Kind>
class Id {
 public:
  constexpr Id() noexcept = default;
  constexpr Id(std::uint32_t number) noexcept : number_(number) {}
  constexpr operator std::uint32_t() const noexcept { return number_; }

 private:
  // No id. (The highest number would be all parameters to radam_reset_state.)
  std::uint32_t number_ = UINT32_MAX - 1;
};
using GroupId = Id<struct GroupKind>;
using ParamId = Id<struct ParamKind>;

// One piece of a step, by its index.
class Body {
 public:
  Body(void (*function)(std::uint64_t, void*), void* data) noexcept : function_(function), data_(data) {}
  void operator()(std::uint64_t index) const noexcept { function_(index, data_); }

 private:
  void (*function_)(std::uint64_t, void*);
  void* data_;
};

// The caller's threads (radam_executor): any callable (count, body) that calls body(index) for each index below count,
// on any threads, and returns when all have returned. A static schedule, which gives each thread the same indices in
// every step, is usually fastest.
//
//   options.executor = [&pool](std::uint64_t count, radam::Body body) { pool.parallel_for(count, body); };
//
// What it throws is caught, and the calling thread does the pieces that are left.
class Executor {
 public:
  // The library's own threads.
  Executor() noexcept = default;

  // parallel_from replaces that of Options where this is 0: about 65536 if the threads are awake when a step begins.
  template <class ParallelFor,
            class = std::enable_if_t<std::is_invocable_v<ParallelFor&, std::uint64_t, Body>>>
  Executor(ParallelFor parallel_for, std::uint64_t parallel_from = 0)
      : callable_(std::make_shared<ParallelFor>(std::move(parallel_for))),
        parallel_for_(&run<ParallelFor>),
        parallel_from_(parallel_from) {}
  // A loop of C.
  Executor(const radam_executor& functions, std::uint64_t parallel_from = 0) noexcept
      : callable_(std::shared_ptr<void>(), functions.user),
        parallel_for_(functions.parallel_for),
        parallel_from_(parallel_from) {}

  radam_executor c() const noexcept { return {parallel_for_, callable_.get()}; }
  std::uint64_t parallel_from() const noexcept { return parallel_from_; }

 private:
  template <class ParallelFor>
  static void run(std::uint64_t count, void (*body)(std::uint64_t, void*), void* body_data, void* user) {
#ifdef __cpp_exceptions
    try {
      (*static_cast<ParallelFor*>(user))(count, Body(body, body_data));
    } catch (...) {  // must not reach the library, which does what is left
    }
#else
    (*static_cast<ParallelFor*>(user))(count, Body(body, body_data));
#endif
  }

  std::shared_ptr<void> callable_{};
  void (*parallel_for_)(std::uint64_t, void (*)(std::uint64_t, void*), void*, void*) = nullptr;
  std::uint64_t parallel_from_ = 0;
};

#ifdef _OPENMP
// OpenMP's threads, which are those of the backward pass in many engines and spin for a while after it.
inline Executor openmp_executor() {
  return Executor(
      [](std::uint64_t count, Body body) {
#pragma omp parallel for schedule(static)
        for (std::int64_t i = 0; i < static_cast<std::int64_t>(count); i++) body(static_cast<std::uint64_t>(i));
      },
      65536);
}
#else
template <bool Openmp = false>
Executor openmp_executor() {
  static_assert(Openmp, "radam::openmp_executor() needs OpenMP: compile with -fopenmp or /openmp");
  return {};
}
#endif

// Where the optimizer's state is allocated (radam_allocator): by default, with the system's allocator.
class Allocator {
 public:
  Allocator() noexcept = default;
  Allocator(const radam_allocator& functions) noexcept : functions_(functions) {}
#ifdef __cpp_lib_memory_resource
  // The resource must outlive the optimizer.
  Allocator(std::pmr::memory_resource* resource) noexcept : functions_{&allocate, &release, resource} {}
#endif

  radam_allocator c() const noexcept { return functions_; }

 private:
#ifdef __cpp_lib_memory_resource
  static void* allocate(std::uint64_t size, std::uint64_t alignment, void* user) {
    auto* resource = static_cast<std::pmr::memory_resource*>(user);
#ifdef __cpp_exceptions
    try {
      return resource->allocate(static_cast<std::size_t>(size), static_cast<std::size_t>(alignment));
    } catch (...) {  // std::bad_alloc: the library returns RADAM_ERROR_OUT_OF_MEMORY
      return nullptr;
    }
#else
    return resource->allocate(static_cast<std::size_t>(size), static_cast<std::size_t>(alignment));
#endif
  }
  static void release(void* pointer, std::uint64_t size, std::uint64_t alignment, void* user) {
    static_cast<std::pmr::memory_resource*>(user)->deallocate(pointer, static_cast<std::size_t>(size),
                                                              static_cast<std::size_t>(alignment));
  }
#endif

  radam_allocator functions_{};
};

// Where parameters, gradients and state are (radam_device).
enum class Device : radam_device {
  cpu = RADAM_DEVICE_CPU,
  cuda = RADAM_DEVICE_CUDA,
};

// Options of an optimizer (radam_options).
struct Options {
  std::uint32_t num_threads = 0;    // at most so many work on a step; 0: one per core; 1: never a thread
  std::uint64_t parallel_from = 0;  // elements from which several threads work on a step; 0: chosen by the library
  Executor executor{};              // the caller's threads; by default the library's own
  Allocator allocator{};            // of the optimizer's state
  Device device = Device::cpu;      // with cuda, all memory is the GPU's, and no option of threads may be set
  std::int32_t cuda_device = 0;     // which GPU: its ordinal, as in cudaSetDevice
  void* cuda_stream = nullptr;      // a cudaStream_t that steps are enqueued on; nullptr: the default stream

  radam_options c() const noexcept {
    radam_options options{};
    radam_options_init(&options, sizeof options);
    options.num_threads = num_threads;
    options.parallel_from = parallel_from != 0 ? parallel_from : executor.parallel_from();
    options.executor = executor.c();
    options.allocator = allocator.c();
    options.device = static_cast<radam_device>(device);
    options.cuda_device = cuda_device;
    options.cuda_stream = cuda_stream;
    return options;
  }
};

// Options of a parameter group (radam_group_options), with the names, order and defaults of the Python library optimi.
// lr has no default and must be set.
struct GroupOptions {
  double lr = std::numeric_limits<double>::quiet_NaN();
  double beta1 = 0.9, beta2 = 0.99;        // decay rates of exp_avg and exp_avg_sq, in [0, 1)
  double weight_decay = 0;                 // an L2 penalty, unless decouple_wd or decouple_lr is on
  double eps = 1e-6;                       // added to the square root of exp_avg_sq
  bool decouple_wd = false;                // multiplies by 1 - lr * weight_decay, as AdamW does
  bool decouple_lr = false;                // multiplies by 1 - lr / max_lr * weight_decay
  std::optional<double> max_lr{};          // the highest lr of the schedule; by default lr
  std::optional<bool> kahan_sum{};         // by default on for f16 and bf16
  bool for_each = true;                    // all tensors in one parallel loop; the results are the same
  bool gradient_release = false;           // the group is stepped one parameter at a time
  bool maximize = false;                   // follows the gradient upwards
  bool rectify = true;                     // false: Adam, or AdamW with decouple_wd
  double rectify_threshold = 5;            // a step is rectified if rho exceeds it
  bool unrectified = true;                 // whether parameters move in steps that are not rectified
  Dtype state_dtype = Dtype::automatic;    // of exp_avg, exp_avg_sq and kahan_comp, or q8; by default the parameter's
  bool master_remainder = false;           // exact f32 master weights of bf16 parameters, at 16 bits each
  bool stochastic_rounding = false;        // rounds bf16 parameters up or down at random
  std::uint64_t seed = 0;                  // of stochastic_rounding and of Dtype::q8

  radam_group_options c() const noexcept {
    radam_group_options options{};
    radam_group_options_init(&options, sizeof options);
    options.lr = lr;
    options.beta1 = beta1;
    options.beta2 = beta2;
    options.weight_decay = weight_decay;
    options.eps = eps;
    options.decouple_wd = decouple_wd;
    options.decouple_lr = decouple_lr;
    if (max_lr) options.max_lr = *max_lr;
    if (kahan_sum) options.kahan_sum = *kahan_sum;
    options.for_each = for_each;
    options.gradient_release = gradient_release;
    options.maximize = maximize;
    options.rectify = rectify;
    options.rectify_threshold = rectify_threshold;
    options.unrectified = unrectified;
    options.state_dtype = static_cast<radam_dtype>(state_dtype);
    options.master_remainder = master_remainder;
    options.stochastic_rounding = stochastic_rounding;
    options.seed = seed;
    return options;
  }

  // Where the C API says RADAM_AUTO, this has what that means.
  static GroupOptions from(const radam_group_options& c) noexcept {
    const auto is_on = [](radam_toggle toggle, bool automatic) {
      return toggle == RADAM_AUTO ? automatic : toggle == RADAM_ON;
    };
    GroupOptions options;
    options.lr = c.lr;
    options.beta1 = c.beta1;
    options.beta2 = c.beta2;
    options.weight_decay = c.weight_decay;
    options.eps = c.eps;
    options.decouple_wd = is_on(c.decouple_wd, false);
    options.decouple_lr = is_on(c.decouple_lr, false);
    options.max_lr = c.max_lr;
    if (c.kahan_sum != RADAM_AUTO) options.kahan_sum = c.kahan_sum == RADAM_ON;
    options.for_each = is_on(c.for_each, true);
    options.gradient_release = is_on(c.gradient_release, false);
    options.maximize = is_on(c.maximize, false);
    options.rectify = is_on(c.rectify, true);
    options.rectify_threshold = c.rectify_threshold;
    options.unrectified = is_on(c.unrectified, true);
    options.state_dtype = static_cast<Dtype>(c.state_dtype);
    options.master_remainder = is_on(c.master_remainder, false);
    options.stochastic_rounding = is_on(c.stochastic_rounding, false);
    options.seed = c.seed;
    return options;
  }
};

// One parameter (radam_param), for all that add_param has no arguments for.
struct Param {
  Array data{};                         // its dtype is the parameter's; Array::none<T>(): unbound
  Array grad{};                         // nullptr: steps skip the parameter
  std::uint64_t len = Array::unknown;   // elements; by default the size of data, if that is a container
  const char* name = nullptr;           // by default "param.<id>"
  Array copy{};                         // receives the new values of an f32 or f64 parameter, rounded
  void* exp_avg = nullptr;              // state in arrays of the caller, in the dtype of the group's state
  void* exp_avg_sq = nullptr;
  void* kahan_comp = nullptr;
  void* state_scale = nullptr;          // with Dtype::q8: a uint32_t for each block of 128 elements
  std::uint64_t tensor_offset = 0;      // the parameter is a slice of a tensor, from this element on,
  std::uint64_t tensor_len = 0;         // which has so many

  radam_param c() const noexcept {
    radam_param param{};
    radam_param_init(&param, sizeof param);
    param.dtype = static_cast<radam_dtype>(data.dtype);
    param.grad_dtype = static_cast<radam_dtype>(grad.dtype);
    param.copy_dtype = static_cast<radam_dtype>(copy.dtype);
    param.len = len == Array::unknown ? data.size : len;
    param.data = data.address;
    param.grad = grad.address;
    param.name = name;
    param.copy = copy.address;
    param.exp_avg = exp_avg;
    param.exp_avg_sq = exp_avg_sq;
    param.kahan_comp = kahan_comp;
    param.state_scale = state_scale;
    param.tensor_offset = tensor_offset;
    param.tensor_len = tensor_len;
    return param;
  }

  static Param from(const radam_param& c) noexcept {
    Param param;
    param.data = {c.data, static_cast<Dtype>(c.dtype)};
    param.grad = {c.grad, static_cast<Dtype>(c.grad_dtype)};
    param.len = c.len;
    param.name = c.name;
    param.copy = {c.copy, static_cast<Dtype>(c.copy_dtype)};
    param.exp_avg = c.exp_avg;
    param.exp_avg_sq = c.exp_avg_sq;
    param.kahan_comp = c.kahan_comp;
    param.state_scale = c.state_scale;
    param.tensor_offset = c.tensor_offset;
    param.tensor_len = c.tensor_len;
    return param;
  }
};

// Options of one step (radam_step_options).
struct StepOptions {
  double grad_scale = 1;                      // multiplies all gradients first: 1 / loss scale
  double max_grad_norm = 0;                   // clips by the norm of all gradients; 0: no limit
  double max_grad_value = 0;                  // clips each element; 0: no limit
  bool skip_nonfinite = false;                // skips the step if a gradient is infinite or NaN
  bool zero_grad = false;                     // zeroes gradients once they are no longer needed
  bool report_norms = false;                  // measures update_norm and param_norm too
  const radam_grad_sums* grad_sums = nullptr; // what is known of all gradients, such as a radam::GradSums

  radam_step_options c() const noexcept {
    radam_step_options options{};
    radam_step_options_init(&options, sizeof options);
    options.grad_scale = grad_scale;
    options.max_grad_norm = max_grad_norm;
    options.max_grad_value = max_grad_value;
    options.skip_nonfinite = skip_nonfinite;
    options.zero_grad = zero_grad;
    options.report_norms = report_norms;
    options.grad_sums = grad_sums;
    return options;
  }
};

// Says that a step need not report, so that gradients are not read for the report alone.
struct NoReport {};
inline constexpr NoReport no_report{};

// The outcome of a step, and the scalars of a group's next step: radam.h describes their fields.
using StepReport = radam_step_report;
using GroupReport = radam_group_report;

// An array of a parameter's state.
enum class State : radam_state {
  exp_avg = RADAM_STATE_EXP_AVG,
  exp_avg_sq = RADAM_STATE_EXP_AVG_SQ,
  kahan_comp = RADAM_STATE_KAHAN_COMP,
  master_remainder = RADAM_STATE_MASTER_REMAINDER,
  state_scale = RADAM_STATE_SCALE,
};

// Called now and then while saving and loading, with the bytes done and their total; returns whether to go on. What it
// throws cancels the call and is thrown from there.
using Progress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

// Options of saving (radam_save_options).
struct SaveOptions {
  Progress progress{};
};

// Options of loading (radam_load_options).
struct LoadOptions {
  bool strict = true;           // the checkpoint has exactly the parameters of the optimizer
  bool hyperparameters = true;  // options come from the checkpoint too
  bool convert_state = false;   // state of another state_dtype is converted
  Progress progress{};
};

namespace detail {

// A Progress as C calls it.
class ProgressCall {
 public:
  explicit ProgressCall(const Progress& progress) noexcept : progress_(progress) {}

  template <class COptions>
  void set(COptions& options) noexcept {
    if (!progress_) return;
    options.progress = &call;
    options.user = this;
  }

  // Throws what the progress function threw.
  void rethrow() const {
#ifdef __cpp_exceptions
    if (thrown_) std::rethrow_exception(thrown_);
#endif
  }

 private:
  static std::int32_t call(std::uint64_t done, std::uint64_t total, void* user) {
    auto& self = *static_cast<ProgressCall*>(user);
#ifdef __cpp_exceptions
    try {
      return self.progress_(done, total) ? 0 : 1;
    } catch (...) {
      self.thrown_ = std::current_exception();
      return 1;
    }
#else
    return self.progress_(done, total) ? 0 : 1;
#endif
  }

  const Progress& progress_;
  std::exception_ptr thrown_{};
};

}  // namespace detail

}  // namespace radam

template <class Kind>
struct std::hash<radam::Id<Kind>> {
  std::size_t operator()(radam::Id<Kind> id) const noexcept { return std::uint32_t{id}; }
};
#endif  // RADAM_OPTIONS_HPP
