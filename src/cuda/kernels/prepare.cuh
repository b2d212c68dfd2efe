// What is decided before parameters move: whether they do, by what gradients are scaled, and the constants of the step. A step that
// depends on no gradient is prepared while the one before it runs.
#pragma once
#include "exact_sum.cuh"
#include "rule.cuh"
#include "scalars.cuh"

// As StepOptions::settle in src/optimizer/step/options.rs; `sums` of the gradients, or null.
struct Settled {
  double grad_scale;
  u32 skipped;
};

static __device__ Settled settle(const PrepareArgs &args, const u64 *sums) {
  bool is_measured = sums != 0 || args.has_norm;
  if (!is_measured) return {args.grad_scale, 0};
  double norm = args.norm;
  u64 nonfinite = args.nonfinite;
  if (sums != 0) {
    norm = sqrt(value_of(sums));
    nonfinite = sums[DIGITS] + sums[DIGITS + 1];
  }
  double coefficient = args.max_grad_norm / (norm * args.grad_scale + 1e-6);
  if (args.max_grad_norm == 0.0 || coefficient > 1.0) coefficient = 1.0;
  return {args.grad_scale * coefficient, args.skip_nonfinite && nonfinite > 0};
}

// What all blocks of a launch settle, each by itself. All threads of a block must call this.
static __device__ Settled settle_in_block(const PrepareArgs &args) {
  if (args.sums == 0) return settle(args, 0);
  __shared__ Settled settled;
  __shared__ u64 sums[WORDS];  // read together, since each by itself would be waited for
  __shared__ bool is_last;
  for (u32 i = threadIdx.x; i < WORDS; i += blockDim.x) sums[i] = args.sums[i];
  __syncthreads();
  if (threadIdx.x == 0) {
    // What the other blocks have read is in their shared memory, so that they do not read it again.
    is_last = args.readers != 0 && atomicAdd(args.readers, 1u) == gridDim.x - 1;
    settled = settle(args, sums);
  }
  __syncthreads();
  if (is_last) {
    for (u32 i = threadIdx.x; i < WORDS; i += blockDim.x) args.sums[i] = 0;
    if (threadIdx.x == 0) *args.readers = 0;
  }
  return settled;
}

static __device__ __forceinline__ u64 after(u64 step) { return step == ~0ull ? step : step + 1; }

// The constants of step number `t` of a parameter. Two neighbouring threads a parameter, of which the first writes them unless
// `to` is null. All threads of a warp must call this.
static __device__ __forceinline__ void prepare(const PrepareArgs &args, const Settled &settled, const Group &group, const Tensor &tensor,
                                               u64 t, Constants *to) {
  double max_grad_value = args.max_grad_value > 0.0 ? args.max_grad_value : __longlong_as_double(0x7ff0000000000000ll);
  find_constants(to, group, t, args.accumulate != 0, settled.grad_scale, max_grad_value);
  if (to == 0) return;
  to->runs = tensor.steps && !settled.skipped;
  to->is_plain = to->runs && to->rule == RECTIFIED && !to->clips && to->decay != L2;
  to->noise = mix_64(mix_64(mix_64(group.seed) ^ tensor.name_hash) ^ t);
}

// Counts a step of each parameter, if it is not counted yet, and writes its constants or those of the next one; of one group's
// parameters alone, if its options are new. Two threads a parameter; all of a block must call this.
static __device__ __forceinline__ void prepare_all(const PrepareArgs &args, const Settled &settled, const SetGroupArgs *changed) {
  u32 i = (blockIdx.x * blockDim.x + threadIdx.x) / 2, last = args.first + args.count - 1;
  u32 index = args.first + i < last ? args.first + i : last;
  const Tensor &tensor = args.tensors[index];
  const Group &group = changed ? changed->group : args.groups[tensor.group];
  u64 *steps = args.steps + tensor.id, now = args.counts_step ? after(*steps) : *steps, t = args.is_ahead ? after(now) : now;
  bool is_written = i < args.count && threadIdx.x % 2 == 0 && (!changed || changed->index == tensor.group);
  prepare(args, settled, group, tensor, t, is_written ? args.constants + index : 0);
  if (is_written && args.counts_step && tensor.steps && !settled.skipped) *steps = now;
}

extern "C" __global__ void __launch_bounds__(THREADS) radam_prepare(PrepareArgs args) { prepare_all(args, settle_in_block(args), 0); }

// Sets the options of a group. If the next step is prepared, prepares it anew for the group's parameters.
extern "C" __global__ void __launch_bounds__(THREADS) radam_set_group(SetGroupArgs args) {
  if (blockIdx.x == 0 && threadIdx.x == 0) args.groups[args.index] = args.group;
  if (args.prepare.count > 0) prepare_all(args.prepare, settle(args.prepare, 0), &args);
}

// Of a step before which nothing has to be measured.
static __device__ __noinline__ void prepare_ahead(PrepareArgs args) { prepare_all(args, settle(args, 0), 0); }

// In the first blocks of a launch that steps parameters: counts that step, if it is not counted, and prepares the next one, which is
// one launch then unless something changes before it. What to prepare is an argument of its own, since compilers spill registers of
// kernels that have it within the other.
static __device__ __forceinline__ bool prepares(const UpdateArgs &args, const PrepareArgs &next) {
  if (blockIdx.x >= args.preparing) return false;
  prepare_ahead(next);
  return true;
}
