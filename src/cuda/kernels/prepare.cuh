// What is decided before the parameters move: whether they do, by what gradients are scaled, and the constants of the step.
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

// The number of the next step of a parameter, and the constants of that step. Two neighbouring threads a parameter; the first
// has the result. All threads of a warp must call this.
static __device__ u64 prepare(const PrepareArgs &args, const Settled &settled, const Tensor &tensor, Constants &to) {
  u64 before = args.steps[tensor.id], t = before == ~0ull ? before : before + 1;
  const Group &group = args.groups[tensor.group];
  double max_grad_value = args.max_grad_value > 0.0 ? args.max_grad_value : __longlong_as_double(0x7ff0000000000000ll);
  find_constants(to, group, t, args.accumulate != 0, settled.grad_scale, max_grad_value);
  to.runs = tensor.steps && !settled.skipped;
  to.is_plain = to.runs && to.rule == RECTIFIED && !to.clips && to.decay != L2;
  to.noise = mix_64(mix_64(mix_64(group.seed) ^ tensor.name_hash) ^ t);
  return t;
}

// Counts the step of each parameter, and writes its constants. Two threads a parameter.
extern "C" __global__ void __launch_bounds__(64) radam_prepare(PrepareArgs args) {
  Settled settled = settle_in_block(args);
  u32 i = (blockIdx.x * 64 + threadIdx.x) / 2, last = args.first + args.count - 1;
  u32 index = args.first + i < last ? args.first + i : last;
  Constants constants;
  u64 t = prepare(args, settled, args.tensors[index], constants);
  if (i >= args.count || threadIdx.x % 2 != 0) return;
  args.constants[index] = constants;
  if (constants.runs) args.steps[args.tensors[index].id] = t;
}

extern "C" __global__ void radam_set_group(SetGroupArgs args) {
  if (blockIdx.x == 0 && threadIdx.x == 0) args.groups[args.index] = args.group;
}
