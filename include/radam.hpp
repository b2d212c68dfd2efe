// radam: rectified Adam (RAdam), an optimizer for training neural networks: the C++ interface.
//
// C++17, header-only, over radam.h and the radam library, without other dependencies. SPDX: MIT OR Apache-2.0
//
//   radam::Optimizer opt;
//   auto group = opt.add_group({.lr = 1e-3, .weight_decay = 0.1, .decouple_wd = true});  // C++20
//   opt.add_param(group, weight, grad, n, "weight");                                       // float*, double*, ...
//   while (forward_and_backward()) opt.step();
//
// Before C++20, fill in a named struct: radam::GroupOptions options; options.lr = 1e-3;
//
// Every call does what its namesake in radam.h does, which describes it in full: radam::Optimizer::set_lr is
// radam_set_lr. The rules there on memory and threads hold here too.
//
// Errors
//   Calls of radam::Optimizer throw radam::Error, which has the status and the library's sentence. For programs that
//   are compiled without exceptions, radam::nothrow::Optimizer has the same calls, which return a radam::Outcome, or a
//   radam::Result if there is something to return. (There, radam::Optimizer prints the sentence and calls std::abort.)
//   A call that fails changes nothing.
//
//     radam::nothrow::Optimizer opt;
//     auto group = opt.add_group(options);
//     if (!group) return fail(group.message());           // lr is NaN; it must be finite and at least 0 ...
//     auto param = opt.add_param(*group, weight, grad, n, "weight");
//     if (!param) return fail(param.message());
//     if (auto stepped = opt.step(); !stepped) return fail(stepped.message());
//
// Checks that C cannot make
//   Wherever an array of a parameter is passed, except to set_tensors: the type of its elements must be that of the
//   parameter, and the size of a container or a C array its length. (A pointer has no size to check.)
//
// A step allocates nothing.
#ifndef RADAM_HPP
#define RADAM_HPP

#if (defined(_MSVC_LANG) ? _MSVC_LANG : __cplusplus) < 201703L
#error "radam.hpp needs C++17: compile with -std=c++17 or /std:c++17; radam.h is for C++11 and C too"
#else  // so that compilers say no more than this

#include "radam.h"
#include "radam/elements.hpp"
#include "radam/errors.hpp"
#include "radam/optimizer.hpp"
#include "radam/options.hpp"
#include "radam/steps.hpp"

#include <cstdint>

namespace radam {

namespace detail {

template <class T, class G, class S>
radam_status update(T* param, const G* grad, S* exp_avg, S* exp_avg_sq, void* kahan_comp, std::uint64_t n,
                    const GroupOptions& options, std::uint64_t step) noexcept {
  const radam_group_options c = options.c();
  return radam_update(static_cast<radam_dtype>(dtype<T>()), static_cast<radam_dtype>(dtype<G>()),
                      static_cast<radam_dtype>(dtype<S>()), param, grad, exp_avg, exp_avg_sq, kahan_comp, n, &c, step);
}

template <class T, class G>
radam_status update_q8(T* param, const G* grad, std::int8_t* exp_avg, std::uint8_t* exp_avg_sq,
                       std::uint32_t* state_scale, void* kahan_comp, std::uint64_t n, const GroupOptions& options,
                       std::uint64_t step) noexcept {
  const radam_group_options c = options.c();
  return radam_update_q8(static_cast<radam_dtype>(dtype<T>()), static_cast<radam_dtype>(dtype<G>()), param, grad, exp_avg,
                         exp_avg_sq, state_scale, kahan_comp, n, &c, step);
}

}  // namespace detail

// Calls that throw radam::Error.
using Optimizer = BasicOptimizer<detail::Throwing>;
using GradSums = BasicGradSums<detail::Throwing>;
using SlicedStep = BasicSlicedStep<detail::Throwing>;
using Wave = BasicWave<detail::Throwing>;

// Steps one tensor of n elements without an optimizer (radam_update); step is 1, 2, ... kahan_comp may be nullptr if
// nothing compensates.
template <class T, class G, class S>
void update(T* param, const G* grad, S* exp_avg, S* exp_avg_sq, void* kahan_comp, std::uint64_t n,
            const GroupOptions& options, std::uint64_t step) {
  detail::Throwing::outcome(detail::update(param, grad, exp_avg, exp_avg_sq, kahan_comp, n, options, step));
}

// The same with 8-bit state (radam_update_q8); state_scale has an element for each block of 128. Give each tensor a seed
// of its own.
template <class T, class G>
void update_q8(T* param, const G* grad, std::int8_t* exp_avg, std::uint8_t* exp_avg_sq, std::uint32_t* state_scale,
               void* kahan_comp, std::uint64_t n, const GroupOptions& options, std::uint64_t step) {
  detail::Throwing::outcome(
      detail::update_q8(param, grad, exp_avg, exp_avg_sq, state_scale, kahan_comp, n, options, step));
}

// The same calls, which return an Outcome or a Result.
namespace nothrow {

using Optimizer = BasicOptimizer<detail::Returning>;
using GradSums = BasicGradSums<detail::Returning>;
using SlicedStep = BasicSlicedStep<detail::Returning>;
using Wave = BasicWave<detail::Returning>;

template <class T, class G, class S>
Outcome update(T* param, const G* grad, S* exp_avg, S* exp_avg_sq, void* kahan_comp, std::uint64_t n,
              const GroupOptions& options, std::uint64_t step) noexcept {
  return detail::Returning::outcome(detail::update(param, grad, exp_avg, exp_avg_sq, kahan_comp, n, options, step));
}

template <class T, class G>
Outcome update_q8(T* param, const G* grad, std::int8_t* exp_avg, std::uint8_t* exp_avg_sq, std::uint32_t* state_scale,
                  void* kahan_comp, std::uint64_t n, const GroupOptions& options, std::uint64_t step) noexcept {
  return detail::Returning::outcome(
      detail::update_q8(param, grad, exp_avg, exp_avg_sq, state_scale, kahan_comp, n, options, step));
}

}  // namespace nothrow

}  // namespace radam
#endif  // C++17
#endif  // RADAM_HPP
