// What CUDA C++ has and C++ has not, as far as our kernels use it, so that g++ compiles them for the host. Only `x` of
// the places of threads is used, and only kernels with one parameter, a struct.
#pragma once
#include "block.hpp"

#include <cmath>
#include <cstring>

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
// One block runs at a time. The section lets the launch poison it before each block, and `used` keeps the compiler from
// assuming that it begins with zeros.
#define __shared__ static __attribute__((used, section("radam_shared")))

// Vectors with the alignment that loads of 8 and 16 bytes have.
#define RADAM_VECTOR(name, element, bytes)                             \
  struct alignas(2 * (bytes)) name##2 {                                \
    element x, y;                                                      \
  };                                                                   \
  struct alignas(4 * (bytes) < 16 ? 4 * (bytes) : 16) name##4 {        \
    element x, y, z, w;                                                \
  };                                                                   \
  inline name##2 make_##name##2(element x, element y) { return {x, y}; } \
  inline name##4 make_##name##4(element x, element y, element z, element w) { return {x, y, z, w}; }
RADAM_VECTOR(char, signed char, 1)
RADAM_VECTOR(uchar, unsigned char, 1)
RADAM_VECTOR(short, short, 2)
RADAM_VECTOR(ushort, unsigned short, 2)
RADAM_VECTOR(int, int, 4)
RADAM_VECTOR(uint, unsigned, 4)
RADAM_VECTOR(float, float, 4)
RADAM_VECTOR(longlong, long long, 8)
RADAM_VECTOR(ulonglong, unsigned long long, 8)
RADAM_VECTOR(double, double, 8)
#undef RADAM_VECTOR

namespace stand_in {

// The same bits as another type, or the first ones of a larger type.
template <class To, class From>
inline To bits_of(From value) {
  static_assert(sizeof(From) <= sizeof(To), "bits would be lost");
  To to = 0;
  std::memcpy(&to, &value, sizeof value);
  return to;
}

// What the thread `source` of the warp hands in; only that of a thread that came is defined.
template <class T>
inline T shuffle(const char *function, unsigned mask, T value, unsigned source) {
  static_assert(sizeof(T) <= 8, "shuffles move 4 or 8 bytes");
  Met met = meet_warp(function, mask, bits_of<uint64_t>(value));
  if ((met.lanes >> source & 1) == 0) undefined(function, "from a thread that has not come");
  std::memcpy(&value, &met.values[source], sizeof value);
  return value;
}

inline unsigned lane() { return threadIdx.x % 32; }
// Whether both are in the same `width` threads.
inline bool are_near(unsigned one, unsigned other, int width) {
  return one / static_cast<unsigned>(width) == other / static_cast<unsigned>(width);
}

}  // namespace stand_in

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  unsigned within = static_cast<unsigned>(width) - 1;
  unsigned from = (stand_in::lane() & ~within) | (static_cast<unsigned>(source) & within);
  return stand_in::shuffle("__shfl_sync", mask, value, from);
}

template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int flip, int width = 32) {
  unsigned lane = stand_in::lane(), from = lane ^ static_cast<unsigned>(flip);
  return stand_in::shuffle("__shfl_xor_sync", mask, value, stand_in::are_near(lane, from, width) ? from : lane);
}

template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32) {
  unsigned lane = stand_in::lane(), from = lane + distance;
  return stand_in::shuffle("__shfl_down_sync", mask, value, stand_in::are_near(lane, from, width) ? from : lane);
}

template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32) {
  unsigned lane = stand_in::lane(), from = lane - distance;
  return stand_in::shuffle("__shfl_up_sync", mask, value, stand_in::are_near(lane, from, width) ? from : lane);
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  stand_in::Met met = stand_in::meet_warp("__ballot_sync", mask, predicate != 0);
  unsigned votes = 0;
  for (unsigned i = 0; i < 32; i++) votes |= (met.lanes >> i & 1 && met.values[i] != 0) * 1u << i;
  return votes;
}

inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate == 0) == 0; }
inline void __syncwarp(unsigned mask = ~0u) { stand_in::meet_warp("__syncwarp", mask, 0); }
inline void __syncthreads() { stand_in::meet_block(); }

// One thread runs at a time, from one meeting to the next, so that nothing comes between.
inline void __threadfence() {}
inline void __threadfence_block() {}

namespace stand_in {
template <class T, class Change>
inline T atomically(T *place, Change change) {
  T old = *place;
  *place = change(old);
  return old;
}
}  // namespace stand_in

inline unsigned atomicAdd(unsigned *place, unsigned value) {
  return stand_in::atomically(place, [=](unsigned old) { return old + value; });
}
inline unsigned long long atomicAdd(unsigned long long *place, unsigned long long value) {
  return stand_in::atomically(place, [=](unsigned long long old) { return old + value; });
}
inline unsigned atomicMax(unsigned *place, unsigned value) {
  return stand_in::atomically(place, [=](unsigned old) { return old > value ? old : value; });
}
inline unsigned atomicOr(unsigned *place, unsigned value) {
  return stand_in::atomically(place, [=](unsigned old) { return old | value; });
}

inline unsigned __float_as_uint(float x) { return stand_in::bits_of<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return stand_in::bits_of<float>(x); }
inline int __float_as_int(float x) { return stand_in::bits_of<int>(x); }
inline float __int_as_float(int x) { return stand_in::bits_of<float>(x); }
inline long long __double_as_longlong(double x) { return stand_in::bits_of<long long>(x); }
inline double __longlong_as_double(long long x) { return stand_in::bits_of<double>(x); }

inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}

// Loads and stores that a GPU caches in other ways.
template <class T>
inline T __ldg(const T *from) { return *from; }
template <class T>
inline T __ldcs(const T *from) { return *from; }
template <class T>
inline void __stcs(T *to, T value) { *to = value; }

// Operations that are rounded on their own, which is all there is with -ffp-contract=off.
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return sqrt(a); }

// Overloads as CUDA has them: of two different types the call is ambiguous.
#define RADAM_MIN_MAX(type)                              \
  inline type min(type a, type b) { return b < a ? b : a; } \
  inline type max(type a, type b) { return a < b ? b : a; }
RADAM_MIN_MAX(int)
RADAM_MIN_MAX(unsigned)
RADAM_MIN_MAX(long)
RADAM_MIN_MAX(unsigned long)
RADAM_MIN_MAX(long long)
RADAM_MIN_MAX(unsigned long long)
#undef RADAM_MIN_MAX
