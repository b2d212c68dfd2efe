// Elements of tensors, and their conversion to and from what is computed in: the same as in src/kernel/element.rs. To and from
// f16, devices have instructions for it; to bf16, only some of them.
#pragma once
#include "types.cuh"

struct Half {
  u16 bits;
};
struct Bfloat16 {
  u16 bits;
};

static __device__ __forceinline__ bool is_nan(float x) { return x != x; }
static __device__ __forceinline__ bool is_nan(double x) { return x != x; }

static __device__ __forceinline__ float from_bf16(u16 bits) { return __uint_as_float((u32)bits << 16); }

static __device__ __forceinline__ u16 to_bf16(float value) {
  u32 bits = __float_as_uint(value);
  u32 rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return (u16)(is_nan(value) ? (bits >> 16) | 0x0040 : rounded);
}

#ifdef __CUDA_ARCH__
static __device__ __forceinline__ float from_f16(u16 half) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
  return value;
}
static __device__ __forceinline__ u16 to_f16(float value) {
  u16 half;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
  return half;
}
#else
// The difference of the biases of f32 and f16, and 2^-14, the smallest normal f16, as f32 bits.
#define F16_REBIAS ((127u - 15) << 23)
#define F16_MIN_NORMAL ((127u - 14) << 23)

static __device__ __forceinline__ float from_f16(u16 half) {
  u32 sign = (half & 0x8000u) << 16, magnitude = (half & 0x7fffu) << 13;
  u32 quiet = magnitude > 0x0f800000 ? 0x00400000 : 0;
  // A denormal has no implicit leading one: add one, then subtract it, which is exact.
  float denormal = __uint_as_float(magnitude + F16_MIN_NORMAL) - __uint_as_float(F16_MIN_NORMAL);
  u32 converted = magnitude >= 0x0f800000  ? (magnitude + 2 * F16_REBIAS) | quiet
                  : magnitude < 0x00800000 ? __float_as_uint(denormal)
                                           : magnitude + F16_REBIAS;
  return __uint_as_float(sign | converted);
}

static __device__ __forceinline__ u16 to_f16(float value) {
  u32 bits = __float_as_uint(value);
  u32 sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
  u32 normal = (magnitude - F16_REBIAS + 0x0fff + ((magnitude >> 13) & 1)) >> 13;
  // The last bit of 0.5 + x has the weight of the last bit of an f16 denormal, so the addition itself rounds.
  u32 denormal = __float_as_uint(__uint_as_float(magnitude) + 0.5f) - __float_as_uint(0.5f);
  u32 converted = magnitude > 0x7f800000    ? 0x7e00 | ((magnitude >> 13) & 0x03ff)
                  : magnitude >= 0x477ff000 ? 0x7c00  // from 65520 on
                  : magnitude < F16_MIN_NORMAL ? denormal
                                               : normal;
  return (u16)(sign | converted);
}
#endif

// The number rounded to odd, so that rounding it again to 16 bits rounds only once.
static __device__ __forceinline__ float to_odd(float value) { return value; }
static __device__ __forceinline__ float to_odd(double value) {
  float nearest = (float)value;
  u32 bits = __float_as_uint(nearest);
  u32 other = fabs((double)nearest) > fabs(value) ? bits - 1 : bits + 1;
  bool settled = (double)nearest == value || is_nan(value) || (bits & 1) == 1;
  return __uint_as_float(settled ? bits : other);
}

// The type that a parameter is computed in.
template <class P> struct RealOf { typedef float type; };
template <> struct RealOf<double> { typedef double type; };

static __device__ __forceinline__ float load(float x) { return x; }
static __device__ __forceinline__ double load(double x) { return x; }
static __device__ __forceinline__ float load(Half x) { return from_f16(x.bits); }
static __device__ __forceinline__ float load(Bfloat16 x) { return from_bf16(x.bits); }

static __device__ __forceinline__ void store(float value, float &to) { to = value; }
static __device__ __forceinline__ void store(double value, double &to) { to = value; }
static __device__ __forceinline__ void store(float value, Half &to) { to.bits = to_f16(value); }
static __device__ __forceinline__ void store(float value, Bfloat16 &to) { to.bits = to_bf16(value); }

// An array in global memory, for which there are quicker instructions than for memory of any kind. Compilers do not see what it is
// by a pointer that was read from memory.
template <class E>
static __device__ __forceinline__ E *as_global(E *array) {
#ifdef __CUDA_ARCH__
  __builtin_assume(__isGlobal(array));
#endif
  return array;
}

// Elements of a dtype that is known only at run time, as raw bits.

static __device__ __forceinline__ u32 size_of(Dtype dtype) { return dtype == F64 ? 8 : dtype == F32 ? 4 : 2; }

static __device__ __forceinline__ u64 read_raw(const void *array, u32 size, u64 i) {
  array = as_global(array);
  return size == 4 ? ((const u32 *)array)[i] : size == 2 ? ((const u16 *)array)[i] : ((const u64 *)array)[i];
}

static __device__ __forceinline__ void write_raw(void *array, u32 size, u64 i, u64 bits) {
  array = as_global(array);
  if (size == 4) ((u32 *)array)[i] = (u32)bits;
  else if (size == 2) ((u16 *)array)[i] = (u16)bits;
  else ((u64 *)array)[i] = bits;
}

// Rounded to nearest even.
template <class R>
static __device__ __forceinline__ R from_raw(Dtype dtype, u64 bits) {
  switch (dtype) {
    case F64: return (R)__longlong_as_double((long long)bits);
    case F16: return (R)from_f16((u16)bits);
    case BF16: return (R)from_bf16((u16)bits);
    default: return (R)__uint_as_float((u32)bits);
  }
}

// Rounded to nearest even, once.
template <class R>
static __device__ __forceinline__ u64 to_raw(Dtype dtype, R value) {
  switch (dtype) {
    case F64: return (u64)__double_as_longlong((double)value);
    case F16: return to_f16(to_odd(value));
    case BF16: return to_bf16(to_odd(value));
    default: return __float_as_uint((float)value);
  }
}
