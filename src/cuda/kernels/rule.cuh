// The update rule of one element. The same formula, in the same order, as in src/math/rule.rs. Nothing here may be
// contracted to a fused multiply-add: the Makefile turns that off.
#pragma once
#include "types.cuh"

static __device__ __forceinline__ float root_of(float x) { return sqrtf(x); }
static __device__ __forceinline__ double root_of(double x) { return sqrt(x); }

template <class R>
static __device__ __forceinline__ R limited_to(R value, R limit) {
  R below = value > limit ? limit : value;
  return below < -limit ? -limit : below;
}

// The gradient scaled and clamped, if the step does that.
template <class R>
static __device__ __forceinline__ R clipped(const Coefficients<R> &c, bool clips, R grad) {
  return clips ? limited_to(c.grad_scale * grad, c.max_grad_value) : grad;
}

// The new moments, and what is to be subtracted from the parameter, decoupled decay included.
template <class R>
static __device__ __forceinline__ R step_rule(const Coefficients<R> &c, Rule rule, Decay decay, R param, R grad, R &exp_avg,
                                              R &exp_avg_sq) {
  if (decay == L2 && rule != ACCUMULATE) grad = grad + c.l2 * param;
  exp_avg = c.beta1_hat * exp_avg + c.beta1_comp * grad;
  exp_avg_sq = c.beta2_hat * exp_avg_sq + c.beta2_comp * grad * grad;
  R step = c.step_size * exp_avg;
  if (rule == RECTIFIED) step = step / (root_of(exp_avg_sq) + c.eps);
  return decay == DECOUPLED ? c.decay * param + step : step;
}

// Random numbers, as in src/kernel/stochastic.rs.

// The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
static __device__ __forceinline__ u64 mix_64(u64 x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

static __device__ __forceinline__ u32 mix_32(u32 x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

// The random number of the element at this place of the whole tensor.
static __device__ __forceinline__ u32 random_of(u64 noise, u64 place) {
  u64 keys = mix_64(noise ^ (place >> 32));
  return mix_32(mix_32((u32)place + (u32)keys) ^ (u32)(keys >> 32));
}

// How a bf16 parameter and its compensation become an f32, and back, as in src/kernel/masters.rs.

static __device__ __forceinline__ float joined(u16 param, i16 remainder) {
  return __uint_as_float(((u32)param << 16) + (u32)(i32)remainder);
}

static __device__ __forceinline__ void split(float master, u16 &param, i16 &remainder) {
  u32 bits = __float_as_uint(master), nearest = (bits + 0x8000) >> 16;
  bool nan = master != master;
  param = (u16)(nan ? (bits >> 16) | 0x0040 : nearest);
  remainder = (i16)(u16)(nan ? 0 : bits - (nearest << 16));
}
