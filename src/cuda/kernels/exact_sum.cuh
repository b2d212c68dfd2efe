// Sums of f64 that do not depend on the order of their terms, as in src/math/exact_sum.rs.
#pragma once
#include "types.cuh"

// Adds a partial sum to the words that all blocks share.
static __device__ void add_exactly(u64 *words, double value) {
  u64 bits = (u64)__double_as_longlong(value);
  u32 exponent = (u32)(bits >> 52) & 0x7ff;
  if (exponent == 0x7ff) {
    atomicAdd(&words[value != value ? DIGITS + 1 : DIGITS + 2], 1ull);
    return;
  }
  u64 fraction = bits & ((1ull << 52) - 1);
  u64 significand = exponent == 0 ? fraction : fraction | 1ull << 52;
  u32 shift = exponent == 0 ? 0 : exponent - 1, within = shift % 32;
  u64 low = significand << within, high = within == 0 ? 0 : significand >> (64 - within);
  u64 *digit = words + shift / 32;
  if ((u32)low != 0) atomicAdd(digit, low & 0xffffffffull);
  if (low >> 32 != 0) atomicAdd(digit + 1, low >> 32);
  if (high != 0) atomicAdd(digit + 2, high);
}

static __device__ double power_of_two(int exponent) { return __longlong_as_double((long long)(exponent + 1023) << 52); }

// The sum that the words stand for, rounded to nearest even; NaN or infinite if any term was.
static __device__ double value_of(const u64 *words) {
  if (words[DIGITS + 1] > 0) return __longlong_as_double(0x7ff8000000000000ll);
  if (words[DIGITS] > 0 || words[DIGITS + 2] > 0) return __longlong_as_double(0x7ff0000000000000ll);
  u32 digits[DIGITS];
  u64 carry = 0;
  int last = -1;
#pragma unroll 1
  for (int i = 0; i < DIGITS; i++) {
    u64 whole = words[i] + carry;
    carry = whole >> 32, digits[i] = (u32)whole;
    if (digits[i] != 0) last = i;
  }
  if (last < 0) return 0.0;
  // The leading digit is not 0, so three digits have at least 65 significant bits: more than are rounded to.
  int first = last < 2 ? 0 : last - 2, shift = 0;
  u64 top = (u64)digits[first + 1] << 32 | digits[first];
  if (last >= 2) {
    shift = 32 - __clz(digits[last]);
    bool below = (top & ((1ull << shift) - 1)) != 0;
#pragma unroll 1
    for (int i = 0; i < first; i++) below = below || digits[i] != 0;
    top = (u64)digits[last] << (64 - shift) | top >> shift | (below ? 1 : 0);  // which only breaks ties
  }
  int exponent = first * 32 - 1074 + shift, half = exponent / 2;
  // In two factors, since the whole power may be too small for an f64.
  return (double)top * power_of_two(half) * power_of_two(exponent - half);
}
