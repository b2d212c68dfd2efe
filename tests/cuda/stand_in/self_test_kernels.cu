// Kernels that test the stand-in itself.
#include "self_test_kernels.hpp"

extern "C" __global__ void count(CountArgs args) { args.counters[blockIdx.x * blockDim.x + threadIdx.x] += args.by; }

// The sum of a block, first in each warp, then of the warps.
extern "C" __global__ void __launch_bounds__(256) sum(SumArgs args) {
  __shared__ float sums[8];
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  float value = i < args.count ? args.from[i] : 0.0f;
  for (int flip = 16; flip > 0; flip /= 2) value += __shfl_xor_sync(~0u, value, flip);
  if (lane == 0) sums[warp] = value;
  __syncthreads();
  if (warp == 0) {
    float whole = lane < 8 ? sums[lane] : 0.0f;
    for (unsigned distance = 4; distance > 0; distance /= 2) whole += __shfl_down_sync(~0u, whole, distance);
    whole = __shfl_sync(~0u, whole, 0);
    if (lane == 0) args.to[blockIdx.x] = whole;
  }
  unsigned ballot = __ballot_sync(~0u, i < args.count);
  if (lane == 0) atomicAdd(args.total, (unsigned long long)__popc(ballot));
  if (__any_sync(~0u, i + 1 == args.count) && lane == 0) *args.largest = i + 31 - __clz((int)ballot);
}

extern "C" __global__ void reach(ReachArgs args) {
  unsigned char *at = args.array + args.index;
  if (args.bytes == 0) args.array[0] = *at;
  else if (args.bytes == 1) *at = 7;
  else if (args.bytes == 4) *(unsigned *)at = 7;
  else *(uint4 *)at = make_uint4(7, 7, 7, 7);
}

extern "C" __global__ void meet(MeetArgs args) {
  unsigned lane = threadIdx.x % 32;
  switch (args.how) {
    // Defined: those that have exited are not waited for.
    case EXITED_LANES:
      if (lane >= 8) return;
      args.to[threadIdx.x] = __shfl_xor_sync(~0u, threadIdx.x, 7);
      break;
    // Defined: two halves that meet on their own, in different functions.
    case HALF_WARPS:
      if (lane < 16) args.to[threadIdx.x] = __shfl_xor_sync(0xffffu, threadIdx.x, 15);
      else args.to[threadIdx.x] = __ballot_sync(0xffff0000u, lane % 2 == 0);
      break;
    case SPLIT_WARP:
      if (lane < 16) __syncwarp();
      else __ballot_sync(~0u, 1);
      break;
    case SPLIT_BLOCK:
      if (threadIdx.x == 40) __syncwarp();
      else __syncthreads();
      break;
    case ABSENT_LANE:
      if (lane >= 8) return;
      args.to[threadIdx.x] = __shfl_sync(~0u, threadIdx.x, 20);
      break;
  }
}

// In which order the threads of a block run, and what __shared__ memory has before anything is written to it.
extern "C" __global__ void order(OrderArgs args) {
  __shared__ unsigned unwritten[2];
  unsigned place = atomicAdd(args.next, 1u);
  args.order[place] = threadIdx.x;
  if (threadIdx.x == 0) args.order[blockDim.x] = unwritten[1];
  unwritten[1] = 1;
}

extern "C" __global__ void multiply(FloatArgs of, FloatArgs to) { to.values[0] = of.values[0] * of.values[1]; }

#define RADAM_KERNELS(KERNEL) \
  KERNEL(count, CountArgs)    \
  KERNEL(sum, SumArgs)        \
  KERNEL(reach, ReachArgs)    \
  KERNEL(meet, MeetArgs)      \
  KERNEL(order, OrderArgs)    \
  KERNEL(multiply, FloatArgs, FloatArgs)
