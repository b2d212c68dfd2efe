// Checks of arrays against their parameter, which C cannot make. Part of radam.hpp. SPDX: MIT OR Apache-2.0
#ifndef RADAM_CHECKS_HPP
#define RADAM_CHECKS_HPP

#include "../radam.h"
#include "elements.hpp"
#include "errors.hpp"
#include "options.hpp"

#include <cstdint>
#include <cstdio>
#include <type_traits>

namespace radam::detail {

// Gets what is registered of a parameter, and its group if that is not null.
inline radam_status find(const radam_optimizer* opt, ParamId param, radam_param* found,
                         std::uint32_t* group = nullptr) {
  found->struct_size = sizeof *found;  // the call fills in all the rest
  return radam_get_param(opt, param, group, found);
}

template <class Void>
constexpr bool has_size(BasicArray<Void> array, std::uint64_t n) noexcept {
  return array.size == n || array.size == array.unknown;
}

template <class Void>
Outcome wrong_size(const char* name, BasicArray<Void> array, std::uint64_t n) noexcept {
  char message[160];
  std::snprintf(message, sizeof message, "%s has %llu elements; it must have %llu, as many as the parameter", name,
                static_cast<unsigned long long>(array.size), static_cast<unsigned long long>(n));
  return {RADAM_ERROR_INVALID_ARGUMENT, message};
}

// That the containers among the arrays of a new parameter have its length.
inline Outcome check_sizes(const Param& param) noexcept {
  const std::uint64_t len = param.c().len;
  if (len == Array::unknown) {
    return {RADAM_ERROR_INVALID_ARGUMENT,
            "len is not set; it must be the number of elements, which a pointer does not tell"};
  }
  if (!has_size(param.data, len)) return wrong_size("data", param.data, len);
  if (!has_size(param.grad, len)) return wrong_size("grad", param.grad, len);
  if (!has_size(param.copy, len)) return wrong_size("copy", param.copy, len);
  return {};
}

constexpr const char* name_of(Dtype dtype) noexcept {
  switch (dtype) {
    case Dtype::f32: return "f32";
    case Dtype::f64: return "f64";
    case Dtype::f16: return "f16";
    case Dtype::bf16: return "bf16";
    case Dtype::q8: return "q8";
    case Dtype::automatic: break;
  }
  return "automatic";
}

inline Outcome wrong_type(const char* name, const char* given, const char* expected, ParamId param) noexcept {
  char message[160];
  std::snprintf(message, sizeof message, "%s is an array of %s; that of parameter %lu must be one of %s", name, given,
                static_cast<unsigned long>(param), expected);
  return {RADAM_ERROR_INVALID_ARGUMENT, message};
}

// What the elements of an array of state are called in sentences. Some types have no dtype.
template <class T>
constexpr const char* state_type() noexcept {
  if constexpr (std::is_same_v<T, std::int8_t>) return "int8_t";
  else if constexpr (std::is_same_v<T, std::uint8_t>) return "uint8_t";
  else if constexpr (std::is_same_v<T, std::int16_t>) return "int16_t";
  else if constexpr (std::is_same_v<T, std::uint32_t>) return "uint32_t";
  else return name_of(dtype<T>());
}
constexpr const char* state_type(State which, radam_dtype dtype) noexcept {
  if (which == State::state_scale) return "uint32_t";
  if (which == State::master_remainder) return "int16_t";
  if (dtype == RADAM_DTYPE_Q8) return which == State::exp_avg ? "int8_t" : "uint8_t";
  return name_of(static_cast<Dtype>(dtype));
}

// Elements in an array of state of a parameter that has len.
constexpr std::uint64_t state_size(State which, std::uint64_t len) noexcept {
  return which == State::state_scale ? (len + 127) / 128 : len;
}

constexpr bool has_dtype_of(Dtype given, Dtype expected) noexcept {
  return given == expected || given == Dtype::automatic;
}

// What arrays are held against.
struct Shape {
  Dtype dtype, grad_dtype;
  std::uint64_t len;

  explicit Shape(const radam_param& param) noexcept
      : dtype(static_cast<Dtype>(param.dtype)),
        grad_dtype(param.grad_dtype != 0 ? static_cast<Dtype>(param.grad_dtype) : dtype),
        len(param.len) {}
};

// That arrays have the dtypes and, where it is known, the length of a parameter. (An Outcome takes time to copy, so
// there is one only at the end.)
template <class Void>
Outcome check_arrays(const Shape& shape, ParamId param, Array data, BasicArray<Void> grad) noexcept {
  if (!has_dtype_of(data.dtype, shape.dtype)) {
    return wrong_type("data", name_of(data.dtype), name_of(shape.dtype), param);
  }
  if (!has_dtype_of(grad.dtype, shape.grad_dtype)) {
    return wrong_type("grad", name_of(grad.dtype), name_of(shape.grad_dtype), param);
  }
  if (!has_size(data, shape.len)) return wrong_size("data", data, shape.len);
  if (!has_size(grad, shape.len)) return wrong_size("grad", grad, shape.len);
  return {};
}

}  // namespace radam::detail
#endif  // RADAM_CHECKS_HPP
