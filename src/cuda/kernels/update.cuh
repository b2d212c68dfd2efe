// Steps of elements. radam_update_... are for layouts that are common; radam_update_any is for all.
#pragma once
#include "element.cuh"
#include "exact_sum.cuh"
#include "prepare.cuh"
#include "rule.cuh"

// The tile that a block steps: elements of a tensor from start to end.
struct Stepped {
  Part part;
  Tensor tensor;
  const Constants *constants;
  u64 start, end;

  __device__ __forceinline__ explicit Stepped(const UpdateArgs &args) {
    part = args.parts[blockIdx.x - args.preparing];
    tensor = args.tensors[part.tensor];
    constants = args.constants + part.tensor;
    if (args.param != 0) {  // the arrays of a call
      tensor.param = args.param, tensor.grad = args.grad;
      tensor.is_aligned = tensor.is_aligned && args.is_aligned;
    }
    start = (u64)part.number * TILE;
    end = start + TILE < tensor.len ? start + TILE : tensor.len;
  }
};

// Elements that are read and written at once.
template <class E, int N>
struct alignas(sizeof(E) * N < 16 ? sizeof(E) * N : 16) Pack {
  E e[N];
};

template <class E, int N>
static __device__ __forceinline__ Pack<E, N> read(const void *array, u64 i) {
  return *(const Pack<E, N> *)(as_global((const E *)array) + i);
}

template <class E, int N>
static __device__ __forceinline__ void write(void *array, u64 i, const Pack<E, N> &pack) {
  *(Pack<E, N> *)(as_global((E *)array) + i) = pack;
}

// The constants of a step, in registers.
template <class R>
struct Step {
  Coefficients<R> c;
  Rule rule;
  Decay decay;
  bool clips, runs;

  __device__ __forceinline__ void read(const Constants &constants);
};

template <>
__device__ __forceinline__ void Step<float>::read(const Constants &constants) {
  c = constants.in_f32, rule = constants.rule, decay = constants.decay, clips = constants.clips, runs = constants.runs;
}
template <>
__device__ __forceinline__ void Step<double>::read(const Constants &constants) {
  c = constants.in_f64, rule = constants.rule, decay = constants.decay, clips = constants.clips, runs = constants.runs;
}

// N elements of all arrays that a step reads, of parameters of P, gradients of G and state of S.
template <class P, class G, class S, int N>
struct Loaded {
  Pack<P, N> param;
  Pack<G, N> grad;
  Pack<S, N> exp_avg, exp_avg_sq, comp;

  __device__ __forceinline__ void read_all(const Tensor &tensor, u64 i) {
    param = read<P, N>(tensor.param, i);
    grad = read<G, N>(tensor.grad, i);
    exp_avg = read<S, N>(tensor.exp_avg, i);
    exp_avg_sq = read<S, N>(tensor.exp_avg_sq, i);
    if (tensor.kahan_sum) comp = read<S, N>(tensor.compensation, i);
  }
};

// Steps the elements from i on that were loaded. Unless they are P, copies are of C.
template <class P, class G, class S, class C, int N>
static __device__ __forceinline__ void step_pack(const Tensor &tensor, const Step<typename RealOf<P>::type> &step, u64 i, bool zero_grad,
                                                 Loaded<P, G, S, N> &loaded) {
  typedef typename RealOf<P>::type R;
  const Coefficients<R> &c = step.c;
  Rule rule = step.rule;
  Decay decay = step.decay;
  bool clips = step.clips, kahan_sum = tensor.kahan_sum, has_copy = tensor.copy_dtype != NONE;
  Pack<P, N> &param = loaded.param;
  Pack<S, N> &comp = loaded.comp;
  Pack<C, N> copy;
#pragma unroll
  for (int j = 0; j < N; j++) {
    R theta = load(param.e[j]), m = load(loaded.exp_avg.e[j]), v = load(loaded.exp_avg_sq.e[j]);
    R g = clipped(c, clips, (R)load(loaded.grad.e[j]));
    R lowered = step_rule(c, rule, decay, theta, g, m, v);
    store((R)m, loaded.exp_avg.e[j]);
    store((R)v, loaded.exp_avg_sq.e[j]);
    if (kahan_sum) {
      R change = (R)load(comp.e[j]) - lowered;
      store(theta + change, param.e[j]);
      store(change + (theta - load(param.e[j])), comp.e[j]);
    } else {
      store(theta - lowered, param.e[j]);
    }
    if (has_copy) store(load(param.e[j]), copy.e[j]);
  }
  write<S, N>(tensor.exp_avg, i, loaded.exp_avg);
  write<S, N>(tensor.exp_avg_sq, i, loaded.exp_avg_sq);
  if (rule != ACCUMULATE) {
    write<P, N>(tensor.param, i, param);
    if (kahan_sum) write<S, N>(tensor.compensation, i, comp);
    if (has_copy) write<C, N>(tensor.copy, i, copy);
  }
  if (zero_grad) write<G, N>(tensor.grad, i, Pack<G, N>());
}

// Steps a tile, of which each thread has 8 elements, in packs of N. Loads of all of them are under way at once.
template <class P, class G, class S, class C, int N>
static __device__ __forceinline__ void update(const UpdateArgs &args) {
  const u32 packs = TILE / (THREADS * N);
  Stepped stepped(args);
  Step<typename RealOf<P>::type> step;
  step.read(*stepped.constants);
  const Tensor &tensor = stepped.tensor;
  u32 count = (u32)(stepped.end - stepped.start);
  u32 packed = step.runs && tensor.is_aligned ? count - count % N : 0;
  u32 first = threadIdx.x * N;
  Loaded<P, G, S, N> loaded[packs];
#pragma unroll
  for (u32 pack = 0, offset = first; pack < packs; pack++, offset += THREADS * N)
    if (offset < packed) loaded[pack].read_all(tensor, stepped.start + offset);
#pragma unroll
  for (u32 pack = 0, offset = first; pack < packs; pack++, offset += THREADS * N)
    if (offset < packed) step_pack<P, G, S, C, N>(tensor, step, stepped.start + offset, args.zero_grad, loaded[pack]);
#pragma unroll 1
  for (u32 offset = packed + threadIdx.x; offset < count; offset += THREADS) {
    u64 i = stepped.start + offset;
    if (step.runs) {
      Loaded<P, G, S, 1> one;
      one.read_all(tensor, i);
      step_pack<P, G, S, C, 1>(tensor, step, i, args.zero_grad, one);
    } else if (args.zero_grad && tensor.grad != 0) {
      write<G, 1>(tensor.grad, i, Pack<G, 1>());
    }
  }
}

// So many blocks are on a multiprocessor at a time. With one more, registers would spill, which costs more than it hides.
#define UPDATE(P, G, S, C, N, BLOCKS, NAME)                                                               \
  extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) NAME(UpdateArgs args, PrepareArgs next) { \
    if (!prepares(args, next)) update<P, G, S, C, N>(args);                                               \
  }

UPDATE(float, float, float, float, 4, 7, radam_update_f32)
UPDATE(double, double, double, double, 2, 4, radam_update_f64)
UPDATE(Half, Half, Half, Half, 8, 8, radam_update_f16)
UPDATE(Bfloat16, Bfloat16, Bfloat16, Bfloat16, 8, 8, radam_update_bf16)
// bf16 parameters with f32 state, and f32 masters of bf16 weights with gradients in bf16 or f32.
UPDATE(Bfloat16, Bfloat16, float, Bfloat16, 4, 7, radam_update_bf16_in_f32)
UPDATE(float, Bfloat16, float, Bfloat16, 4, 7, radam_update_f32_by_bf16)
UPDATE(float, float, float, Bfloat16, 4, 7, radam_update_f32_to_bf16)

// An element of any layout but those with 8-bit state, in raw bits, so that all loads come before the first use.
struct RawElement {
  u64 param, grad, exp_avg, exp_avg_sq, compensation;
};

static __device__ __forceinline__ u32 compensation_size(const Tensor &tensor) {
  return tensor.rounding == REMAINDER ? 2 : size_of(tensor.state_dtype);
}

static __device__ __forceinline__ bool has_compensation(const Tensor &tensor) {
  return tensor.kahan_sum || tensor.rounding == REMAINDER;
}

static __device__ __forceinline__ RawElement read_element(const Tensor &tensor, u64 i) {
  u32 state = tensor.q8 ? 0 : size_of(tensor.state_dtype);
  RawElement raw;
  raw.param = read_raw(tensor.param, size_of(tensor.param_dtype), i);
  raw.grad = read_raw(tensor.grad, size_of(tensor.grad_dtype), i);
  raw.exp_avg = state == 0 ? 0 : read_raw(tensor.exp_avg, state, i);
  raw.exp_avg_sq = state == 0 ? 0 : read_raw(tensor.exp_avg_sq, state, i);
  raw.compensation = has_compensation(tensor) ? read_raw(tensor.compensation, compensation_size(tensor), i) : 0;
  return raw;
}

// The parameter as it is computed in.
template <class R>
static __device__ __forceinline__ R theta_of(const Tensor &tensor, const RawElement &raw) {
  if (tensor.rounding == REMAINDER) return (R)joined((u16)raw.param, (i16)(u16)raw.compensation);
  return from_raw<R>(tensor.param_dtype, raw.param);
}

// Moves the parameter, and writes it and what belongs to it. `raw.param` becomes what was written.
template <class R>
static __device__ __forceinline__ void move(const Tensor &tensor, u64 noise, u64 i, R theta, R lowered, RawElement &raw) {
  Dtype dtype = tensor.param_dtype;
  if (tensor.kahan_sum) {
    R change = from_raw<R>(tensor.state_dtype, raw.compensation) - lowered;
    raw.param = to_raw<R>(dtype, theta + change);
    R lost = change + (theta - from_raw<R>(dtype, raw.param));
    write_raw(tensor.compensation, size_of(tensor.state_dtype), i, to_raw<R>(tensor.state_dtype, lost));
  } else if (tensor.rounding == REMAINDER) {
    u16 param;
    i16 remainder;
    split((float)(theta - lowered), param, remainder);
    raw.param = param;
    write_raw(tensor.compensation, 2, i, (u16)remainder);
  } else if (tensor.rounding == STOCHASTIC) {
    float value = (float)(theta - lowered);
    u32 random = random_of(noise, tensor.first + i) >> 16;
    raw.param = is_nan(value) ? to_bf16(value) : (u16)((__float_as_uint(value) + random) >> 16);
  } else {
    raw.param = to_raw<R>(dtype, theta - lowered);
  }
  write_raw(tensor.param, size_of(dtype), i, raw.param);
  if (tensor.copy_dtype != NONE) {
    u64 copy = to_raw<R>(tensor.copy_dtype, from_raw<R>(dtype, raw.param));
    write_raw(tensor.copy, size_of(tensor.copy_dtype), i, copy);
  }
}

template <class R>
static __device__ __forceinline__ void step_any(const Tensor &tensor, const Step<R> &step, u64 noise, u64 i, RawElement &raw, bool zero_grad) {
  R theta = theta_of<R>(tensor, raw), g = clipped(step.c, step.clips, from_raw<R>(tensor.grad_dtype, raw.grad));
  Dtype state = tensor.state_dtype;
  R m = from_raw<R>(state, raw.exp_avg), v = from_raw<R>(state, raw.exp_avg_sq);
  R lowered = step_rule(step.c, step.rule, step.decay, theta, g, m, v);
  write_raw(tensor.exp_avg, size_of(state), i, to_raw<R>(state, m));
  write_raw(tensor.exp_avg_sq, size_of(state), i, to_raw<R>(state, v));
  if (step.rule != ACCUMULATE) move<R>(tensor, noise, i, theta, lowered, raw);
  if (zero_grad) write_raw(tensor.grad, size_of(tensor.grad_dtype), i, 0);
}

static __device__ __forceinline__ void zero_any(const Tensor &tensor, u64 start, u64 end, u32 step) {
  if (tensor.grad == 0) return;
  u32 size = size_of(tensor.grad_dtype);
#pragma unroll 1
  for (u64 i = start; i < end; i += step) write_raw(tensor.grad, size, i, 0);
}

// A tile of any layout but those with 8-bit state.
template <class R>
static __device__ __forceinline__ void update_any(const UpdateArgs &args) {
  Stepped stepped(args);
  Step<R> step;
  step.read(*stepped.constants);
  const Tensor &tensor = stepped.tensor;
  u64 first = stepped.start + threadIdx.x;
  if (!step.runs) {
    if (args.zero_grad) zero_any(tensor, first, stepped.end, THREADS);
    return;
  }
  u64 noise = stepped.constants->noise;
#pragma unroll 1
  for (u64 i = first; i < stepped.end; i += THREADS) {
    RawElement raw = read_element(tensor, i);
    step_any<R>(tensor, step, noise, i, raw, args.zero_grad);
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 8) radam_update_any(UpdateArgs args, PrepareArgs next) {
  if (!prepares(args, next)) update_any<float>(args);
}
extern "C" __global__ void __launch_bounds__(THREADS, 6) radam_update_any_in_f64(UpdateArgs args, PrepareArgs next) {
  if (!prepares(args, next)) update_any<double>(args);
}

// A tile of a step that is small: each block finds the constants by itself, which takes less time than another launch.
extern "C" __global__ void __launch_bounds__(1024) radam_step_small(SmallArgs args) {
  __shared__ Constants constants;
  __shared__ u64 t;
  Stepped stepped(args.update);
  const Tensor &tensor = stepped.tensor;
  const u64 end = stepped.end;
  u64 i = stepped.start + threadIdx.x;
  RawElement raw;
  bool is_loaded = tensor.steps && i < end;
  if (is_loaded) raw = read_element(tensor, i);  // while the constants are found
  const PrepareArgs &to_do = args.prepare;
  Settled settled = settle_in_block(to_do);
  if (threadIdx.x < 32) {
    u64 number = after(to_do.steps[tensor.id]);
    prepare(to_do, settled, to_do.groups[tensor.group], tensor, number, threadIdx.x == 0 ? &constants : 0);
    if (threadIdx.x == 0) t = number;
  }
  __syncthreads();
  if (!constants.runs) {
    if (args.update.zero_grad) zero_any(tensor, i, end, blockDim.x);
    return;
  }
  if (threadIdx.x == 0) {
    // Whichever block of the tensor comes last counts the step, when no other reads the count any more.
    u32 blocks = (u32)((tensor.len + TILE - 1) / TILE);
    u32 *arrived = args.arrived + stepped.part.tensor;
    if (atomicAdd(arrived, 1u) == blocks - 1) *arrived = 0, to_do.steps[tensor.id] = t;
  }
  Step<float> step;
  step.read(constants);
#pragma unroll 1
  for (; i < end; i += blockDim.x) {
    if (!is_loaded) raw = read_element(tensor, i);
    is_loaded = false;
    step_any<float>(tensor, step, constants.noise, i, raw, args.update.zero_grad);
  }
}
