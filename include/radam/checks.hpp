// Checks of arrays against their parameter, which C cannot make. Part of radam.hpp. SPDX: MIT OR Apache-2.0
#ifndef RADAM_CHECKS_HPP
#define RADAM_CHECKS_HPP

#include "../radam.h"
#include "elements.hpp"
#include "errors.hpp"
#include "options.hpp"

#include <cstdint>
#include <cstdio>

namespace radam::detail {

// Gets what is registered of a parameter.
inline Outcome find(const radam_optimizer* opt, ParamId param, Param* found) {
  radam_param c{};
  radam_param_init(&c, sizeof c);
  const Outcome outcome = Returning::outcome(radam_get_param(opt, param, nullptr, &c));
  if (outcome) *found = Param::from(c);
  return outcome;
}

template <class Void>
Outcome check_size(const char* name, BasicArray<Void> array, std::uint64_t n) noexcept {
  if (array.size == n || array.size == array.unknown) return {};
  char message[160];
  std::snprintf(message, sizeof message, "%s has %llu elements; it must have %llu, as many as the parameter", name,
                static_cast<unsigned long long>(array.size), static_cast<unsigned long long>(n));
  return {RADAM_ERROR_INVALID_ARGUMENT, message};
}

constexpr const char* name_of(Dtype dtype) noexcept {
  switch (dtype) {
    case Dtype::f32: return "f32";
    case Dtype::f64: return "f64";
    case Dtype::f16: return "f16";
    case Dtype::bf16: return "bf16";
    default: return "int16_t";  // master_remainder, which has no dtype
  }
}

inline Outcome wrong_type(const char* name, const char* given, Dtype expected, ParamId param) noexcept {
  char message[160];
  std::snprintf(message, sizeof message, "%s is an array of %s; that of parameter %lu must be one of %s", name, given,
                static_cast<unsigned long>(param), name_of(expected));
  return {RADAM_ERROR_INVALID_ARGUMENT, message};
}

template <class Void>
Outcome check_type(const char* name, BasicArray<Void> array, Dtype expected, ParamId param) noexcept {
  if (array.dtype == expected || array.dtype == Dtype::automatic) return {};
  return wrong_type(name, name_of(array.dtype), expected, param);
}

// That arrays have the dtypes and, where it is known, the length of a parameter.
template <class Void>
Outcome check_arrays(const radam_optimizer* opt, ParamId param, Array data, BasicArray<Void> grad) noexcept {
  Param described;
  Outcome fit = find(opt, param, &described);
  if (fit) fit = check_type("data", data, described.data.dtype, param);
  if (fit) fit = check_type("grad", grad, described.grad.dtype, param);
  if (fit) fit = check_size("data", data, described.len);
  if (fit) fit = check_size("grad", grad, described.len);
  return fit;
}

}  // namespace radam::detail
#endif  // RADAM_CHECKS_HPP
