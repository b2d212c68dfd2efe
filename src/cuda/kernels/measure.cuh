// Sums of squares, of the same shape as on the CPU (src/kernel/sums.rs): 32 partial sums in f64, which are the lanes of a
// warp here, then a tree of pairs. One warp a piece of a tensor.
#pragma once
#include "q8.cuh"

static __device__ __forceinline__ double tree_of(double part) {
  for (int half = 16; half > 0; half /= 2) part += __shfl_down_sync(ALL_LANES, part, half);
  return part;
}

struct Piece {
  u64 start, end;
};

// The pieces of a tensor end at multiples of PIECE elements of the whole tensor.
static __device__ __forceinline__ Piece piece_of(const Tensor &tensor, u32 number) {
  u64 before = tensor.first % PIECE, from = (u64)number * PIECE, end = from + PIECE - before;
  return {from < before ? 0 : from - before, end < tensor.len ? end : tensor.len};
}

// The elements of a lane in the N rows from element i on; after the end of the piece there are zeros, which change no sum.
template <class E, int N>
static __device__ __forceinline__ void read_rows(const E *array, u64 i, u64 end, u32 lane, E (&to)[N]) {
  u32 left = i >= end ? 0 : end < i + N * 32 ? (u32)(end - i) : N * 32;
#pragma unroll
  for (u32 j = 0; j < N; j++) to[j] = lane + j * 32 < left ? array[i + lane + j * 32] : E();
}

template <class E>
static __device__ __forceinline__ double sum_of_squares(const E *array, Piece piece, u32 lane) {
  // A warp waits for what it loads, and small models have few warps: so many loads are under way at once, and the next ones are
  // while these are added up.
  const int rows = sizeof(E) == 8 ? 16 : 32;
  E now[rows], next[rows];
  read_rows<E, rows>(array, piece.start, piece.end, lane, now);
  double part = 0.0;
#pragma unroll 1
  for (u64 i = piece.start; i < piece.end; i += rows * 32) {
    read_rows<E, rows>(array, i + rows * 32, piece.end, lane, next);
#pragma unroll
    for (u32 j = 0; j < rows; j++) {
      double value = (double)load(now[j]);
      part += value * value;
    }
#pragma unroll
    for (u32 j = 0; j < rows; j++) now[j] = next[j];
  }
  return tree_of(part);
}

template <class E>
static __device__ void measure(const E *array, Piece piece, u32 lane, u64 *sums) {
  array = as_global(array);
  double sum = sum_of_squares(array, piece, lane);
  sum = __shfl_sync(ALL_LANES, sum, 0);
  if (sum - sum == 0.0) {
    if (lane == 0) add_exactly(sums, sum);
    return;
  }
  u32 infinities = 0, nans = 0;
#pragma unroll 1
  for (u64 i = piece.start + lane; i < piece.end; i += 32) {
    double value = (double)load(array[i]);
    nans += is_nan(value);
    infinities += !is_nan(value) && value - value != 0.0;
  }
  for (int half = 16; half > 0; half /= 2) {
    nans += __shfl_xor_sync(ALL_LANES, nans, half);
    infinities += __shfl_xor_sync(ALL_LANES, infinities, half);
  }
  if (lane != 0) return;
  if (infinities > 0) atomicAdd(&sums[DIGITS], (u64)infinities);
  if (nans > 0) atomicAdd(&sums[DIGITS + 1], (u64)nans);
  if (infinities + nans == 0) atomicAdd(&sums[DIGITS + 2], 1ull);  // finite elements, whose squares are too large
}

// Four blocks on a multiprocessor at a time, or compilers save registers by loading a batch bit by bit.
extern "C" __global__ void __launch_bounds__(THREADS, 4) radam_measure(MeasureArgs args) {
  u32 number = blockIdx.x * (THREADS / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (number >= args.count) return;
  Part part = args.pieces[number];
  const Tensor &tensor = args.tensors[part.tensor];
  if (!tensor.steps && args.grad == 0) return;
  Piece piece = piece_of(tensor, part.number);
  const void *grad = args.grad != 0 ? args.grad : tensor.grad;
  switch (tensor.grad_dtype) {
    case F64: measure((const double *)grad, piece, lane, args.sums); break;
    case F16: measure((const Half *)grad, piece, lane, args.sums); break;
    case BF16: measure((const Bfloat16 *)grad, piece, lane, args.sums); break;
    default: measure((const float *)grad, piece, lane, args.sums);
  }
}

// The sums of one piece while it is stepped, in runs of MEASURED elements.
struct Norms {
  double update, param, updates, params;

  __device__ __forceinline__ void add(Dtype dtype, u64 old, u64 now) {
    double value = from_raw<double>(dtype, now), difference = value - from_raw<double>(dtype, old);
    update += difference * difference;
    param += value * value;
  }
  __device__ __forceinline__ void end_run() {
    updates += tree_of(update);
    params += tree_of(param);
    update = param = 0.0;
  }
};

struct VisitNorms {
  Norms *norms;
  Dtype dtype;
  __device__ __forceinline__ void operator()(int, u64 old, u64 now) const { norms->add(dtype, old, now); }
};

template <class R>
static __device__ void step_measured(const Tensor &tensor, const Constants &constants, Piece run, u32 lane, bool zero_grad, Norms &norms) {
  Step<R> step;
  step.read(constants);
#pragma unroll 1
  for (u64 i = run.start + lane; i < run.end; i += 32) {
    RawElement raw = read_element(tensor, i);
    u64 old = raw.param;
    step_any<R>(tensor, step, constants.noise, i, raw, zero_grad);
    norms.add(tensor.param_dtype, old, raw.param);
  }
}

// Steps of any layout that also measure updates and new parameters, one warp a piece.
extern "C" __global__ void __launch_bounds__(THREADS) radam_update_measured(UpdateArgs args) {
  u32 number = blockIdx.x * (THREADS / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (number >= args.count) return;
  Part part = args.parts[number];
  const Constants &constants = args.constants[part.tensor];
  Tensor tensor = args.tensors[part.tensor];
  if (args.param != 0) tensor.param = args.param, tensor.grad = args.grad;
  Piece piece = piece_of(tensor, part.number);
  if (!constants.runs) {
    if (args.zero_grad) zero_any(tensor, piece.start + lane, piece.end, 32);
    return;
  }
  Norms norms = {0.0, 0.0, 0.0, 0.0};
#pragma unroll 1
  for (u64 start = piece.start; start < piece.end; start += MEASURED) {
    Piece run = {start, start + MEASURED < piece.end ? start + MEASURED : piece.end};
    if (tensor.q8) {
#pragma unroll 1
      for (u64 block = run.start; block < run.end; block += Q8_BLOCK)
        step_q8_any(tensor, constants, block, lane, args.zero_grad, VisitNorms{&norms, tensor.param_dtype});
    } else if (tensor.param_dtype == F64) {
      step_measured<double>(tensor, constants, run, lane, args.zero_grad, norms);
    } else {
      step_measured<float>(tensor, constants, run, lane, args.zero_grad, norms);
    }
    norms.end_run();
  }
  if (lane == 0) {
    add_exactly(args.sums, norms.updates);
    add_exactly(args.sums + WORDS, norms.params);
  }
}

// Fills gradients with zeros, one block a piece.
extern "C" __global__ void __launch_bounds__(THREADS) radam_zero(ZeroArgs args) {
  Part part = args.pieces[blockIdx.x];
  Tensor tensor = args.tensors[part.tensor];
  if (args.grad != 0) tensor.grad = args.grad;
  Piece piece = piece_of(tensor, part.number);
  zero_any(tensor, piece.start + threadIdx.x, piece.end, THREADS);
}
