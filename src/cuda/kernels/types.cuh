// What the host hands to kernels. src/cuda/layout.rs has the same structs; a test compares their sizes and offsets.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char i8;
typedef short i16;
typedef int i32;

// As in radam.h; 0 is none.
enum Dtype : u8 { NONE = 0, F32 = 1, F64 = 2, F16 = 3, BF16 = 4 };

enum Rounding : u8 { NEAREST = 0, REMAINDER = 1, STOCHASTIC = 2 };

enum Rule : u32 { RECTIFIED = 0, UNRECTIFIED = 1, ACCUMULATE = 2 };

enum Decay : u32 { NO_DECAY = 0, L2 = 1, DECOUPLED = 2 };

// The options of a parameter group that steps depend on.
struct Group {
  double lr, beta1, beta2, weight_decay, eps, max_lr, rectify_threshold;
  u64 seed;
  u32 decouple_wd, decouple_lr, maximize, rectify, unrectified, reserved;
};

// One parameter, and where its arrays are. Aligned, so that threads read it in few pieces.
struct alignas(16) Tensor {
  void *param, *grad, *exp_avg, *exp_avg_sq;
  void *compensation;  // kahan_comp or master_remainder
  u32 *state_scale;
  void *copy;
  u64 len;
  u64 first;  // the place of the first element in the whole tensor
  u64 name_hash;
  u32 id, group;
  Dtype param_dtype, grad_dtype, state_dtype, copy_dtype;
  Rounding rounding;
  u8 kahan_sum, q8;
  u8 steps;       // whether it has a gradient, is not frozen, and has a place
  u8 is_aligned;  // whether all arrays are at multiples of 16 bytes
  u8 reserved[15];
};

// A part of a tensor that a block, or a warp, works on. Aligned, so that it is one load.
struct alignas(8) Part {
  u32 tensor, number;
};

template <class R>
struct Coefficients {
  R l2, decay, beta1_hat, beta1_comp, beta2_hat, beta2_comp, step_size, eps, grad_scale, max_grad_value;
};

// The constants of one step of one parameter.
struct alignas(16) Constants {
  Coefficients<double> in_f64;
  Coefficients<float> in_f32;
  float keep, q8_step_size, root_beta2;  // of 8-bit state
  Rule rule;
  Decay decay;
  u32 clips;
  u32 runs;  // whether the parameter is stepped, which may depend on the gradients
  u32 is_plain;  // whether it is by a rectified step that neither clips nor penalizes
  u64 noise;
};

// What is measured, as radam_grad_sums has it: 68 digits in base 2^32, and counts of infinities, NaNs and overflows.
enum { DIGITS = 68, WORDS = 72 };

struct PrepareArgs {
  const Tensor *tensors;
  Constants *constants;
  const Group *groups;
  u64 *steps;         // by the parameters' ids
  u64 *sums;          // of the gradients; null if they were not measured in this step
  u32 *readers;       // blocks that have read them, of which the last clears them; null if they are to be kept
  double grad_scale, max_grad_norm, max_grad_value;
  double norm;        // what is known of the gradients, if has_norm is 1
  u64 nonfinite;
  u32 has_norm, skip_nonfinite, accumulate;
  u32 first, count;   // tensors
  u32 counts_step;    // or it is counted already
  u32 is_ahead;       // whether the constants are those of the step after it
  u32 reserved;
};

struct UpdateArgs {
  const Tensor *tensors;
  const Constants *constants;
  const Part *parts;
  u64 *sums;            // of updates and of new parameters, WORDS each; only where these are measured
  void *param, *grad;   // if param is not null, these are used instead of the tensor's
  u32 is_aligned;       // whether they are at multiples of 16 bytes
  u32 zero_grad;
  u32 count;            // parts, which a launch by warps may have too many threads for
  u32 preparing;        // blocks before the first part
};

// Of a small step, which each block prepares for itself.
struct SmallArgs {
  PrepareArgs prepare;
  UpdateArgs update;
  u32 *arrived;  // for each tensor, how many of its blocks know the step count; 0 between steps
};

struct MeasureArgs {
  const Tensor *tensors;
  const Part *pieces;
  u64 *sums;
  void *grad;  // if not null, used instead of the tensor's
  u32 count, reserved;
};

struct ZeroArgs {
  const Tensor *tensors;
  const Part *pieces;
  void *grad;  // as in MeasureArgs
};

struct SetGroupArgs {
  PrepareArgs prepare;  // the next step, if that is prepared; else of no tensors
  Group *groups;
  Group group;
  u32 index, reserved;
};

struct ConvertArgs {
  const void *from;
  void *to;
  u64 len;
  u32 from_dtype, to_dtype;
};

// Between moments of a dtype and 8-bit state.
struct RecodeArgs {
  void *exp_avg, *exp_avg_sq;
  i8 *directions;
  u8 *roots;
  u32 *state_scale;
  u64 len;
  float eps;
  u32 dtype;
};

enum {
  THREADS = 128,   // of a block of most kernels
  TILE = 1024,     // elements that a block of threads steps
  PIECE = 16384,   // elements whose squares are added up in f64, as on the CPU
  MEASURED = 1024, // elements of one sum of a measured update, as on the CPU
  Q8_BLOCK = 128,
  Q8_THREADS = TILE / Q8_BLOCK * 32  // of a block that steps 8-bit state of any layout, a warp for each Q8_BLOCK
};

static_assert(sizeof(Group) == 88 && sizeof(Tensor) == 112 && sizeof(Part) == 8 && sizeof(Constants) == 160, "as in layout.rs");
