// What arrays are made of: dtypes, 16-bit numbers, and arrays and strings as arguments. Part of radam.hpp.
// SPDX: MIT OR Apache-2.0
#ifndef RADAM_ELEMENTS_HPP
#define RADAM_ELEMENTS_HPP

#include "../radam.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <type_traits>
#include <utility>
#if __has_include(<version>)
#include <version>
#endif
#ifdef __cpp_lib_span
#include <span>
#endif
#if defined(__STDCPP_BFLOAT16_T__) || defined(__STDCPP_FLOAT16_T__)
#include <stdfloat>
#endif

namespace radam {

// The type of the elements of an array. automatic is the default of the place where it is given.
enum class Dtype : radam_dtype {
  automatic = 0,
  f32 = RADAM_DTYPE_F32,
  f64 = RADAM_DTYPE_F64,
  f16 = RADAM_DTYPE_F16,
  bf16 = RADAM_DTYPE_BF16,
  q8 = RADAM_DTYPE_Q8,  // of GroupOptions::state_dtype only: 8 bits for each of exp_avg and exp_avg_sq
};

namespace detail {

template <class To, class From>
To bit_cast(const From& from) noexcept {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// x / 2^shift, rounded to nearest even.
constexpr std::uint32_t rounded_shift(std::uint32_t x, std::uint32_t shift) noexcept {
  return (x + (1u << (shift - 1)) - 1 + (x >> shift & 1)) >> shift;
}

inline std::uint16_t f16_bits(float value) noexcept {
  const auto bits = bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff, exponent = magnitude >> 23;
  std::uint32_t rounded = 0;
  if (magnitude > 0x7f800000) rounded = 0x7e00 | (magnitude >> 13 & 0x3ff);                    // NaN
  else if (exponent >= 143) rounded = 0x7c00;                                                  // from 65536 on
  else if (exponent >= 113) rounded = rounded_shift(magnitude - (112u << 23), 13);             // normal, or rounds to infinity
  else if (exponent >= 102) rounded = rounded_shift((magnitude & 0x7fffff) | 0x800000, 126 - exponent);  // denormal
  return static_cast<std::uint16_t>(sign | rounded);
}

inline float f16_value(std::uint16_t bits) noexcept {
  const std::uint32_t sign = (bits & 0x8000u) << 16, exponent = bits >> 10 & 31, mantissa = bits & 0x3ffu;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return bit_cast<float>(sign | (exponent == 31 ? 255u : exponent + 112) << 23 | mantissa << 13);
}

inline std::uint16_t bf16_bits(float value) noexcept {
  const auto bits = bit_cast<std::uint32_t>(value);
  const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
  return static_cast<std::uint16_t>(is_nan ? bits >> 16 | 0x40 : rounded_shift(bits, 16));
}

}  // namespace detail

// An IEEE half-precision number, for programs that have no such type. Conversion from float rounds to nearest even.
struct float16 {
  std::uint16_t bits;

  float16() = default;
  explicit float16(float value) noexcept : bits(detail::f16_bits(value)) {}
  operator float() const noexcept { return detail::f16_value(bits); }
};

// The upper 16 bits of a float, for programs that have no such type. Conversion from float rounds to nearest even.
struct bfloat16 {
  std::uint16_t bits;

  bfloat16() = default;
  explicit bfloat16(float value) noexcept : bits(detail::bf16_bits(value)) {}
  operator float() const noexcept { return detail::bit_cast<float>(std::uint32_t{bits} << 16); }
};

// The dtype of a C++ type. An engine specialises it for its own 16-bit types:
//
//   template <> struct radam::dtype_of<my::half> { static constexpr radam::Dtype value = radam::Dtype::f16; };
template <class T>
struct dtype_of {};

template <Dtype Of>
struct dtype_constant {
  static constexpr Dtype value = Of;
};
template <> struct dtype_of<float> : dtype_constant<Dtype::f32> {};
template <> struct dtype_of<double> : dtype_constant<Dtype::f64> {};
template <> struct dtype_of<float16> : dtype_constant<Dtype::f16> {};
template <> struct dtype_of<bfloat16> : dtype_constant<Dtype::bf16> {};
#ifdef __STDCPP_FLOAT32_T__
template <> struct dtype_of<std::float32_t> : dtype_constant<Dtype::f32> {};
#endif
#ifdef __STDCPP_FLOAT64_T__
template <> struct dtype_of<std::float64_t> : dtype_constant<Dtype::f64> {};
#endif
#ifdef __STDCPP_FLOAT16_T__
template <> struct dtype_of<std::float16_t> : dtype_constant<Dtype::f16> {};
#endif
#ifdef __STDCPP_BFLOAT16_T__
template <> struct dtype_of<std::bfloat16_t> : dtype_constant<Dtype::bf16> {};
#endif

namespace detail {

template <class T, class = void>
struct has_dtype : std::false_type {};
template <class T>
struct has_dtype<T, std::void_t<decltype(dtype_of<T>::value)>> : std::true_type {};

template <class T>
constexpr Dtype dtype() noexcept {
  static_assert(has_dtype<T>::value,
                "radam has no dtype for this type; it steps float, double and 16-bit types, and "
                "radam::dtype_of can be specialised for a 16-bit type of your own");
  if constexpr (has_dtype<T>::value) {
    constexpr auto value = static_cast<Dtype>(dtype_of<T>::value);
    constexpr std::size_t size = value == Dtype::f64 ? 8 : value == Dtype::f32 ? 4 : 2;
    static_assert(sizeof(T) == size, "radam::dtype_of has another size");
    return value;
  } else {
    return Dtype::automatic;  // so that the compiler says no more than the sentence above
  }
}

}  // namespace detail

// Elements in memory that belongs to someone else: a pointer and a size, converted from and to std::span, and
// converted from every contiguous container.
template <class T>
class View {
 public:
  constexpr View() noexcept = default;
  constexpr View(T* data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <class Container, class = std::enable_if_t<std::is_convertible_v<
                                 decltype(std::data(std::declval<Container&>())), T*>>>
  constexpr View(Container&& container)
      : data_(std::data(container)), size_(static_cast<std::size_t>(std::size(container))) {}

  constexpr T* data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T* begin() const noexcept { return data_; }
  constexpr T* end() const noexcept { return data_ + size_; }
  constexpr T& operator[](std::size_t index) const { return data_[index]; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

// An array that is passed to a call: a pointer, or a contiguous container or C array, whose size is then checked. It
// knows the dtype of its elements. nullptr is no array, of any dtype.
template <class Void>
struct BasicArray {
  static constexpr std::uint64_t unknown = UINT64_MAX;

  Void* address = nullptr;
  Dtype dtype = Dtype::automatic;
  std::uint64_t size = unknown;

  constexpr BasicArray() noexcept = default;
  constexpr BasicArray(std::nullptr_t) noexcept {}
  constexpr BasicArray(Void* array, Dtype of) noexcept : address(array), dtype(of) {}
  template <class T, class = std::enable_if_t<std::is_convertible_v<T*, Void*> && !std::is_void_v<T>>>
  constexpr BasicArray(T* const& array) noexcept  // a reference, which float[n] does not turn into
      : address(array), dtype(detail::dtype<std::remove_const_t<T>>()) {}
  template <class Container, class T = std::remove_pointer_t<decltype(std::data(std::declval<Container&>()))>,
            class = std::enable_if_t<std::is_convertible_v<T*, Void*>>>
  constexpr BasicArray(Container&& container) noexcept : BasicArray(std::data(container)) {
    size = static_cast<std::uint64_t>(std::size(container));
  }

  // No array yet, of elements of type T.
  template <class T>
  static constexpr BasicArray none() noexcept {
    return {nullptr, detail::dtype<T>()};
  }
};
using Array = BasicArray<void>;
using ConstArray = BasicArray<const void>;  // one that is only read

// A string argument: a literal, a std::string or anything else with c_str(). It need only live until the call returns.
class Text {
 public:
  constexpr Text() noexcept = default;
  constexpr Text(const char* text) noexcept : text_(text) {}
  template <class String, class = std::enable_if_t<std::is_convertible_v<
                              decltype(std::declval<const String&>().c_str()), const char*>>>
  Text(const String& text) noexcept : text_(text.c_str()) {}

  constexpr const char* c_str() const noexcept { return text_; }

 private:
  const char* text_ = nullptr;
};

}  // namespace radam

#ifdef __cpp_lib_span
// A std::span may outlive the View that it is made from, as both only refer to elements.
template <class T>
inline constexpr bool std::ranges::enable_borrowed_range<radam::View<T>> = true;
#endif
#endif  // RADAM_ELEMENTS_HPP
