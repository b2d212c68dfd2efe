// Steps on 8-bit state. The same as src/math/q8.rs, which explains it. Half a warp steps a block of 128 elements: what is found out
// once a block takes the same instructions for two blocks as for one. In layouts that are rare, a warp does.
#pragma once
#include "update.cuh"

#define LEAST_ROOT (64u << 23)
#define LEAST_DIRECTION 0x1f800000u
#define LARGEST_DIRECTION 0x7f000000u
#define WIDEST 19u
#define FINEST 16u
#define WEYL 0x9e3779b1u
#define FRACTION 0xffffffu
#define OF_STATE 0x71385f7374617465ull
#define ALL_LANES 0xffffffffu
// Elements of a block that a lane has, in layouts that are common.
#define Q8_PER_LANE 8

struct Scale {
  float unit;
  u32 shift, base;
};

static __device__ __forceinline__ Scale read_scale(u32 word) {
  u32 low = word & 0xffff, lowest_bit = low & (0u - low);
  return {__uint_as_float(word & 0xffff0000) * (1.0f / 126.0f), low == 0 ? WIDEST : FINEST + (u32)__ffs((int)low) - 1, (low ^ lowest_bit) << 15};
}

static __device__ __forceinline__ float root_of_code(const Scale &scale, u32 code) {
  return __uint_as_float(code == 0 ? 0 : scale.base + (code << scale.shift));
}

// The largest value of the lanes that have a block, each N elements of it.
template <int N>
static __device__ __forceinline__ u32 max_of_block(u32 value) {
#pragma unroll
  for (int offset = Q8_BLOCK / N / 2; offset > 0; offset /= 2) {
    u32 other = __shfl_xor_sync(ALL_LANES, value, offset);
    value = other > value ? other : value;
  }
  return value;
}

static __device__ __forceinline__ bool is_finite(float root, float direction, float beta1_comp) {
  return (__float_as_uint(root) & 0x7f800000) != 0x7f800000 &&
         fabsf(direction) * fabsf(beta1_comp) <= __uint_as_float(LARGEST_DIRECTION);
}

// What a lane knows of its elements before their new codes can be chosen.
struct Extremes {
  u32 root, direction;  // bits of the largest ones
  u32 least;            // bits of a bound below the roots that are not 0
  u32 at_least;         // a bound below the width of steps
};

struct Encoder {
  u32 word, shift, base;
  float inverse;
};

// Of the extremes of a whole block.
static __device__ __forceinline__ Encoder choose(const Extremes &extremes, float beta1_comp) {
  u32 range = extremes.root > extremes.least ? extremes.root - extremes.least : 0;
  u32 shift = 24 - (u32)__clz((int)((range + (range >> 6)) | 1u << 23));
  shift = shift < extremes.at_least ? extremes.at_least : shift;
  shift = shift > WIDEST ? WIDEST : shift;
  u32 top = (extremes.root + ((1u << shift) - 1)) >> shift, lowest = 255 + (LEAST_ROOT >> shift);
  u32 base = ((top < lowest ? lowest : top) - 255) << shift;
  u32 largest = __float_as_uint(__uint_as_float(extremes.direction) * fabsf(beta1_comp));
  largest = largest < LEAST_DIRECTION ? LEAST_DIRECTION : largest > LARGEST_DIRECTION ? LARGEST_DIRECTION : largest;
  largest = (largest + 0xffff) & 0xffff0000;
  return {largest | base >> 15 | 1u << (shift - FINEST), shift, base, beta1_comp * 2113929216.0f / __uint_as_float(largest)};
}

static __device__ __forceinline__ void encode(const Encoder &encoder, float direction, float root, u32 fraction, i8 &to_direction, u8 &to_root) {
  i32 code = ((i32)(direction * encoder.inverse) + (i32)fraction) >> 24;
  i32 above = (i32)(__float_as_uint(root) - encoder.base);
  u32 root_code = (u8)((((u32)(above < 0 ? 0 : above) << (24 - encoder.shift)) + fraction) >> 24);
  u32 least = code != 0;
  to_direction = (i8)code;
  to_root = (u8)(root_code < least ? least : root_code);
}

// Which element of a block is element j of the N that a lane has: GROUP of them are beside one another.
template <int N, int GROUP>
static __device__ __forceinline__ u32 place(u32 lane, int j) {
  return j / GROUP * (Q8_BLOCK / N * GROUP) + lane * GROUP + j % GROUP;
}

// The codes of a lane's elements, which become the new ones.
template <int N>
struct Codes {
  i8 direction[N];
  u8 root[N];
};

// A step of the moments of a block: by gradients as the moments take them, to exp_avg in units of 1 - beta1_hat and to
// directions, from which parameters move; and the new codes. Lanes without an element have a gradient and codes of 0.
template <int N>
struct Q8Step {
  float exp_avg[N], direction[N], root[N];
  Scale old;
  u32 code_less_1;  // of the lowest code of a root that is not 0, so that 0 is the highest number

  __device__ __forceinline__ void begin(const Constants &constants, u32 word, const Codes<N> &codes, const float (&grad)[N]) {
    const Coefficients<float> &c = constants.in_f32;
    old = read_scale(word);
    float unit = old.unit * constants.keep;
    code_less_1 = ~0u;
#pragma unroll
    for (int j = 0; j < N; j++) {
      u32 code = codes.root[j];
      code_less_1 = code - 1 < code_less_1 ? code - 1 : code_less_1;
      float old_root = root_of_code(old, code);
      exp_avg[j] = (float)codes.direction[j] * unit * (old_root + c.eps) + grad[j];
      root[j] = sqrtf(c.beta2_hat * (old_root * old_root) + c.beta2_comp * grad[j] * grad[j]);
      direction[j] = exp_avg[j] / (root[j] + c.eps);
    }
  }

  // What is to be subtracted from the parameter.
  __device__ __forceinline__ float lowered(const Constants &constants, Rule rule, float theta, int j) const {
    float step = constants.q8_step_size * (rule == RECTIFIED ? direction[j] : exp_avg[j]);
    return constants.decay == DECOUPLED ? constants.in_f32.decay * theta + step : step;
  }

  // The largest root and direction of the block.
  __device__ __forceinline__ void find_extremes(Extremes &extremes) const {
    extremes.root = extremes.direction = 0;
#pragma unroll
    for (int j = 0; j < N; j++) {
      u32 r = __float_as_uint(root[j]), u = __float_as_uint(direction[j]) & 0x7fffffff;
      extremes.root = r > extremes.root ? r : extremes.root;
      extremes.direction = u > extremes.direction ? u : extremes.direction;
    }
    extremes.root = max_of_block<N>(extremes.root);
    extremes.direction = max_of_block<N>(extremes.direction);
  }

  // Replaces the codes, and returns the new word.
  template <int GROUP>
  __device__ __forceinline__ u32 end(const Constants &constants, u32 lane, u64 block, Codes<N> &codes) {
    float beta1_comp = constants.in_f32.beta1_comp;
    Extremes extremes;
    find_extremes(extremes);
    // As bits, infinities and NaNs are larger than numbers.
    if (__any_sync(ALL_LANES, !is_finite(__uint_as_float(extremes.root), __uint_as_float(extremes.direction), beta1_comp))) {
#pragma unroll
      for (int j = 0; j < N; j++)  // elements that cannot be coded start anew
        if (!is_finite(root[j], direction[j], beta1_comp)) root[j] = direction[j] = 0.0f;
      find_extremes(extremes);
    }
    u32 least = ~max_of_block<N>(~code_less_1);
    // No old root has become smaller than by this factor. One at code 1 may have stood for less.
    u32 bits = old.base + ((least + 1) << old.shift);
    extremes.least = __float_as_uint(__uint_as_float(bits) * constants.root_beta2);
    extremes.at_least = least == 0 ? old.shift + 1 : least == ~0u ? WIDEST : 0;
    Encoder encoder = choose(extremes, beta1_comp);
    u32 noise = (u32)(mix_64(constants.noise ^ OF_STATE ^ block) >> 32);
#pragma unroll
    for (int j = 0; j < N; j++) {
      u32 fraction = (noise + place<N, GROUP>(lane, j) * WEYL) & FRACTION;
      encode(encoder, direction[j], root[j], fraction, codes.direction[j], codes.root[j]);
    }
    return encoder.word;
  }
};

// Lets the compiler forget what it has read. What hides latencies here is the number of warps, and that depends on how many
// registers each needs: addresses and constants are read again instead of being kept.
static __device__ __forceinline__ void forget() {
#ifdef __CUDA_ARCH__
  asm volatile("" ::: "memory");
#endif
}

// What the warps of a tile have in common: in shared memory, whose addresses take neither registers nor instructions.
struct InCommon {
  Tensor tensor;
  Constants constants;
};
__shared__ InCommon in_common;

// Reads it, 16 bytes a thread. All threads of a block must call this.
static __device__ __forceinline__ void read_in_common(const UpdateArgs &args, u32 index) {
  const u32 of_tensor = sizeof(Tensor) / 16, of_both = sizeof(InCommon) / 16;
#pragma unroll 1
  for (u32 i = threadIdx.x; i < of_both; i += THREADS) {
    const void *from = i < of_tensor ? (const void *)(args.tensors + index) : (const void *)(args.constants + index);
    ((Pack<u32, 4> *)&in_common)[i] = read<u32, 4>(from, (i < of_tensor ? i : i - of_tensor) * 4);
    if (i == 0 && args.param != 0) in_common.tensor.param = args.param, in_common.tensor.grad = args.grad;
  }
  __syncthreads();
}

// A lane's N elements of a block, GROUP of which are beside one another.
template <class E, int N, int GROUP>
static __device__ __forceinline__ void read_groups(const void *array, u64 i, E (&to)[N]) {
#pragma unroll
  for (int j = 0; j < N; j += GROUP) {
    Pack<E, GROUP> pack = read<E, GROUP>(array, i + j * (Q8_BLOCK / N));
#pragma unroll
    for (int k = 0; k < GROUP; k++) to[j + k] = pack.e[k];
  }
}
template <class E, int N, int GROUP>
static __device__ __forceinline__ void write_groups(void *array, u64 i, const E (&from)[N]) {
#pragma unroll
  for (int j = 0; j < N; j += GROUP) {
    Pack<E, GROUP> pack;
#pragma unroll
    for (int k = 0; k < GROUP; k++) pack.e[k] = from[j + k];
    write<E, GROUP>(array, i + j * (Q8_BLOCK / N), pack);
  }
}

// A whole block of parameters of P by gradients of G, without copies; with Kahan summation if there is a kahan_comp. PLAIN is
// for steps that are plain and leave gradients as they are, and KAHAN for those of them that may be with Kahan summation.
template <class P, class G, bool PLAIN, bool KAHAN>
static __device__ __forceinline__ void step_q8_pack(u64 start, u32 lane, bool zero_grad) {
  const int N = Q8_PER_LANE, GROUP = 16 / sizeof(P);
  const Tensor &tensor = in_common.tensor;
  const Constants &constants = in_common.constants;
  Rule rule = PLAIN ? RECTIFIED : constants.rule;
  bool kahan_sum = KAHAN && tensor.kahan_sum;
  u64 i = start + lane * GROUP;
  P param[N], comp[N];
  G grad[N];
  Codes<N> codes;
  read_groups<P, N, GROUP>(tensor.param, i, param);
  read_groups<G, N, GROUP>(tensor.grad, i, grad);
  read_groups<i8, N, GROUP>(tensor.exp_avg, i, codes.direction);
  read_groups<u8, N, GROUP>(tensor.exp_avg_sq, i, codes.root);
  u32 word = as_global(tensor.state_scale)[start / Q8_BLOCK];
  if (kahan_sum) read_groups<P, N, GROUP>(tensor.compensation, i, comp);
  forget();
  float g[N];
#pragma unroll
  for (int j = 0; j < N; j++) {
    g[j] = load(grad[j]);
    if (!PLAIN) {
      g[j] = clipped(constants.in_f32, constants.clips, g[j]);
      if (constants.decay == L2 && rule != ACCUMULATE) g[j] = g[j] + constants.in_f32.l2 * load(param[j]);
    }
  }
  Q8Step<N> step;
  step.begin(constants, word, codes, g);
  forget();
  if (PLAIN || rule != ACCUMULATE) {
#pragma unroll
    for (int j = 0; j < N; j++) {
      float theta = load(param[j]), lowered = step.lowered(constants, rule, theta, j);
      if (kahan_sum) {
        float change = load(comp[j]) - lowered;
        store(theta + change, param[j]);
        store(change + (theta - load(param[j])), comp[j]);
      } else {
        store(theta - lowered, param[j]);
      }
    }
    write_groups<P, N, GROUP>(tensor.param, i, param);
    if (kahan_sum) write_groups<P, N, GROUP>(tensor.compensation, i, comp);
  }
  forget();
  word = step.template end<GROUP>(constants, lane, (tensor.first + start) / Q8_BLOCK, codes);
  forget();
  write_groups<i8, N, GROUP>(tensor.exp_avg, i, codes.direction);
  write_groups<u8, N, GROUP>(tensor.exp_avg_sq, i, codes.root);
  if (lane == 0) as_global(tensor.state_scale)[start / Q8_BLOCK] = word;
  if (!PLAIN && zero_grad) write_groups<G, N, GROUP>(tensor.grad, i, Pack<G, N>().e);
}

// A block of any layout, perhaps a short one at the end of the tensor. `visit(i, old, new)` sees the parameter in raw bits.
template <class Visit>
static __device__ __forceinline__ void step_q8_any(const Tensor &tensor, const Constants &constants, u64 start, u32 lane, bool zero_grad, Visit visit) {
  u64 block = (tensor.first + start) / Q8_BLOCK;
  u32 word = as_global(tensor.state_scale)[start / Q8_BLOCK];
  Rule rule = constants.rule;
  RawElement raw[4];
  Codes<4> codes;
  float g[4], theta[4];
#pragma unroll
  for (int j = 0; j < 4; j++) {
    u64 i = start + place<4, 1>(lane, j);
    g[j] = theta[j] = 0.0f, codes.direction[j] = 0, codes.root[j] = 0;
    if (i >= tensor.len) continue;
    raw[j] = read_element(tensor, i);
    codes.direction[j] = as_global((const i8 *)tensor.exp_avg)[i], codes.root[j] = as_global((const u8 *)tensor.exp_avg_sq)[i];
    theta[j] = theta_of<float>(tensor, raw[j]);
    g[j] = clipped(constants.in_f32, constants.clips, from_raw<float>(tensor.grad_dtype, raw[j].grad));
    if (constants.decay == L2 && rule != ACCUMULATE) g[j] = g[j] + constants.in_f32.l2 * theta[j];
  }
  Q8Step<4> step;
  step.begin(constants, word, codes, g);
#pragma unroll
  for (int j = 0; j < 4; j++) {  // before directions that cannot be coded start anew
    u64 i = start + place<4, 1>(lane, j);
    if (i >= tensor.len) continue;
    u64 old = raw[j].param;
    if (rule != ACCUMULATE) move<float>(tensor, constants.noise, i, theta[j], step.lowered(constants, rule, theta[j], j), raw[j]);
    visit(j, old, raw[j].param);
    if (zero_grad) write_raw(tensor.grad, size_of(tensor.grad_dtype), i, 0);
  }
  word = step.end<1>(constants, lane, block, codes);
#pragma unroll
  for (int j = 0; j < 4; j++) {
    u64 i = start + place<4, 1>(lane, j);
    if (i < tensor.len) as_global((i8 *)tensor.exp_avg)[i] = codes.direction[j], as_global((u8 *)tensor.exp_avg_sq)[i] = codes.root[j];
  }
  if (lane == 0) as_global(tensor.state_scale)[start / Q8_BLOCK] = word;
}

struct NoVisit {
  __device__ __forceinline__ void operator()(int, u64, u64) const {}
};

// The gradients of a block that is not stepped.
static __device__ __forceinline__ void zero_block(const Tensor &tensor, u64 start, u32 lane) {
  u64 end = start + Q8_BLOCK < tensor.len ? start + Q8_BLOCK : tensor.len;
  zero_any(tensor, start + lane, end, 32);
}

// Steps that are not plain; not inlined, so that plain ones have their registers.
template <class P, class G>
static __device__ __noinline__ void step_q8_other(u64 start, u32 lane, bool zero_grad) {
  const int GROUP = 16 / sizeof(P);
  void *grad = in_common.tensor.grad;
  if (in_common.constants.runs) step_q8_pack<P, G, false, true>(start, lane, zero_grad);
  else if (zero_grad && grad != 0) write_groups<G, Q8_PER_LANE, GROUP>(grad, start + lane * GROUP, Pack<G, Q8_PER_LANE>().e);
}

// Steps a tile of a tensor of whole blocks whose arrays are aligned. Half a warp may be left without a block at its end.
template <class P, class G, bool KAHAN>
static __device__ __forceinline__ void update_q8(const UpdateArgs &args) {
  const u32 lanes = Q8_BLOCK / Q8_PER_LANE;
  static_assert(THREADS / lanes * Q8_BLOCK == TILE, "a block for each group of lanes");
  Part part = args.parts[blockIdx.x - args.preparing];
  read_in_common(args, part.tensor);
  u64 start = (u64)part.number * TILE + threadIdx.x / lanes * Q8_BLOCK;
  if (start >= in_common.tensor.len) return;
  u32 lane = threadIdx.x % lanes;
  bool is_plain = in_common.constants.is_plain && !args.zero_grad && (KAHAN || !in_common.tensor.kahan_sum);
  if (is_plain) step_q8_pack<P, G, true, KAHAN>(start, lane, false);
  else step_q8_other<P, G>(start, lane, args.zero_grad);
}

// As many blocks of threads on a multiprocessor as without spilling registers.
extern "C" __global__ void __launch_bounds__(THREADS, 8) radam_update_q8_f32(UpdateArgs args, PrepareArgs next) {
  if (!prepares(args, next)) update_q8<float, float, false>(args);
}
extern "C" __global__ void __launch_bounds__(THREADS, 9) radam_update_q8_bf16(UpdateArgs args, PrepareArgs next) {
  if (!prepares(args, next)) update_q8<Bfloat16, Bfloat16, true>(args);
}

// A tile of any layout, one warp for each 128 elements. Not in a loop: compilers would make a copy of the code for each combination of dtypes.
extern "C" __global__ void __launch_bounds__(Q8_THREADS, 4) radam_update_q8_any(UpdateArgs args, PrepareArgs next) {
  if (prepares(args, next)) return;
  Stepped stepped(args);
  const Tensor &tensor = stepped.tensor;
  u32 lane = threadIdx.x % 32;
  u64 start = stepped.start + threadIdx.x / 32 * Q8_BLOCK;
  if (start >= stepped.end) return;
  if (stepped.constants->runs) step_q8_any(tensor, *stepped.constants, start, lane, args.zero_grad, NoVisit());
  else if (args.zero_grad) zero_block(tensor, start, lane);
}

// Codes moments, rounded to nearest, one warp a block.
extern "C" __global__ void radam_encode(RecodeArgs args) {
  u32 lane = threadIdx.x % 32;
  u64 number = (u64)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, start = number * Q8_BLOCK;
  if (start >= args.len) return;
  u32 size = size_of((Dtype)args.dtype);
  float root[4], direction[4];
  u32 least = ~0u, largest_root = 0, largest_direction = 0;
#pragma unroll
  for (int j = 0; j < 4; j++) {
    u64 i = start + place<4, 1>(lane, j);
    root[j] = direction[j] = 0.0f;
    if (i >= args.len) continue;
    float exp_avg = from_raw<float>((Dtype)args.dtype, read_raw(args.exp_avg, size, i));
    float exp_avg_sq = from_raw<float>((Dtype)args.dtype, read_raw(args.exp_avg_sq, size, i));
    float r = fabsf(sqrtf(exp_avg_sq)), u = exp_avg / (r + args.eps);  // the root of -0 is -0
    if (is_finite(r, u, 1.0f)) root[j] = r, direction[j] = u;
    u32 bits = __float_as_uint(root[j]), size_of_u = __float_as_uint(direction[j]) & 0x7fffffff;
    largest_root = bits > largest_root ? bits : largest_root;
    largest_direction = size_of_u > largest_direction ? size_of_u : largest_direction;
    if (root[j] > 0.0f) least = bits < least ? bits : least;
  }
  least = ~max_of_block<4>(~least);
  Extremes extremes = {max_of_block<4>(largest_root), max_of_block<4>(largest_direction), least == ~0u ? 0 : least, 0};
  Encoder encoder = choose(extremes, 1.0f);
#pragma unroll
  for (int j = 0; j < 4; j++) {
    u64 i = start + place<4, 1>(lane, j);
    if (i < args.len) encode(encoder, direction[j], root[j], 1u << 23, args.directions[i], args.roots[i]);
  }
  if (lane == 0) args.state_scale[number] = encoder.word;
}

// The moments that codes stand for.
extern "C" __global__ void radam_decode(RecodeArgs args) {
  u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= args.len) return;
  Scale scale = read_scale(args.state_scale[i / Q8_BLOCK]);
  float root = root_of_code(scale, args.roots[i]);
  float exp_avg = (float)args.directions[i] * scale.unit * (root + args.eps);
  u32 size = size_of((Dtype)args.dtype);
  write_raw(args.exp_avg, size, i, to_raw<float>((Dtype)args.dtype, exp_avg));
  write_raw(args.exp_avg_sq, size, i, to_raw<float>((Dtype)args.dtype, root * root));
}

extern "C" __global__ void radam_convert(ConvertArgs args) {
  u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= args.len) return;
  Dtype from = (Dtype)args.from_dtype, to = (Dtype)args.to_dtype;
  u64 bits = read_raw(args.from, size_of(from), i);
  bits = from == F64 ? to_raw<double>(to, __longlong_as_double((long long)bits)) : to_raw<float>(to, from_raw<float>(from, bits));
  write_raw(args.to, size_of(to), i, bits);
}
