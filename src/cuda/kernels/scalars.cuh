// The scalars of one step, in f64. The same formulas, in the same order, as in src/math/rectify.rs and src/math/rule.rs,
// which explain them.
#pragma once
#include "types.cuh"

#define NEGLIGIBLE 1e-40
#define NEAR_ONE 0.999

// A double-double: the nearest f64, and the rest.
struct Exact {
  double nearest, rest;
};

static __device__ Exact normalized(double nearest, double missing) {
  double sum = nearest + missing;
  return {sum, missing - (sum - nearest)};
}

static __device__ Exact times(Exact a, Exact b) {
  double product = a.nearest * b.nearest;
  // The error of the product, exactly, as Dekker's algorithm gives it on the CPU: powers are too large to underflow.
  double missing = fma(a.nearest, b.nearest, -product);
  return normalized(product, missing + (a.nearest * b.rest + a.rest * b.nearest));
}

static __device__ Exact plus(Exact a, Exact b) {
  double sum = a.nearest + b.nearest, added = sum - a.nearest;
  double missing = (a.nearest - (sum - added)) + (b.nearest - added);
  return normalized(sum, missing + (a.rest + b.rest));
}

static __device__ Exact over(Exact a, Exact b) {
  double quotient = a.nearest / b.nearest;
  Exact rest = plus(a, times(b, {-quotient, 0.0}));
  return normalized(quotient, rest.nearest / b.nearest);
}

static __device__ double power(double base, u64 exponent) {
  u64 highest = exponent == 0 ? 0 : 1ull << (63 - __clzll((long long)exponent));
  if ((1.0 - base) * (double)highest > 93.0) return 0.0;
  Exact result = {1.0, 0.0}, square = {base, 0.0};
#pragma unroll 1
  for (; exponent > 0; exponent >>= 1) {
    if (square.nearest < NEGLIGIBLE) return 0.0;
    if (exponent & 1) result = times(result, square);
    square = times(square, square);
  }
  return result.nearest;
}

// What depends on a beta and the number of a step.
struct BetaPower {
  double beta_hat, beta_hat_comp, rho, rho_inf;
};

static __device__ BetaPower near_one(double beta_nearest, u64 t) {
  Exact one = {1.0, 0.0}, beta = {beta_nearest, 0.0}, power = one;
  Exact weights = {0.0, 0.0}, lengths = {0.0, 0.0};
  u64 n = 0;
#pragma unroll 1
  for (int bit = 63 - __clzll((long long)t); bit >= 0; bit--) {
    Exact later = times(power, weights);
    Exact longer = times({(double)n, 0.0}, later);
    lengths = plus(plus(lengths, times(power, lengths)), longer);
    weights = plus(weights, later);
    n = 2 * n, power = times(power, power);
    if (t >> bit & 1) {
      lengths = plus(times(beta, plus(lengths, weights)), one);
      weights = plus(times(beta, weights), one);
      n = n + 1, power = times(power, beta);
    }
    if (power.nearest < NEGLIGIBLE) power = {0.0, 0.0};
  }
  Exact mean_length = over(lengths, weights);
  return {over(plus(weights, {-1.0, 0.0}), weights).nearest, over(one, weights).nearest,
          plus(plus(mean_length, mean_length), {-1.0, 0.0}).nearest, 2.0 / (1.0 - beta_nearest) - 1.0};
}

static __device__ BetaPower beta_power(double beta, u64 t) {
  if (beta > NEAR_ONE) return near_one(beta, t);
  double beta_t = power(beta, t), beta_hat = (beta_t - beta) / (beta_t - 1.0), rho_inf = 2.0 / (1.0 - beta) - 1.0;
  return {beta_hat, 1.0 - beta_hat, rho_inf - 2.0 * (double)t * beta_t / (1.0 - beta_t), rho_inf};
}

static __device__ double rectification(const BetaPower &beta2) {
  double rho = beta2.rho, rho_inf = beta2.rho_inf;
  double numerator = (rho - 4.0) * (rho - 2.0) * rho_inf;
  double denominator = (rho_inf - 4.0) * (rho_inf - 2.0) * rho;
  return sqrt(numerator / denominator);
}

static __device__ Coefficients<float> rounded(const Coefficients<double> &c) {
  return {(float)c.l2,        (float)c.decay,      (float)c.beta1_hat, (float)c.beta1_comp, (float)c.beta2_hat,
          (float)c.beta2_comp, (float)c.step_size, (float)c.eps,       (float)c.grad_scale, (float)c.max_grad_value};
}

// The other one of a pair of neighbouring threads, which share the work of a parameter.
static __device__ double of_neighbour(double mine) { return __shfl_xor_sync(0xffffffffu, mine, 1); }

// The constants of step number `t` of a group: of beta1 by threads with even numbers, which write them unless `written` is null,
// and of beta2 by those with odd ones. All threads of a warp must call this. A function of its own, since most kernels have a use
// for it, and none of them in a hurry.
static __device__ __noinline__ void find_constants(Constants *written, const Group &group, u64 t, bool accumulate, double grad_scale,
                                                   double max_grad_value) {
  BetaPower mine = beta_power(threadIdx.x % 2 == 0 ? group.beta1 : group.beta2, t);
  double rho = of_neighbour(mine.rho), rho_inf = of_neighbour(mine.rho_inf);
  BetaPower beta1 = mine, beta2 = {of_neighbour(mine.beta_hat), of_neighbour(mine.beta_hat_comp), rho, rho_inf};
  if (written == 0) return;
  Constants &to = *written;
  bool is_rectified = !group.rectify || beta2.rho > group.rectify_threshold;
  double r = group.rectify && is_rectified ? rectification(beta2) : 1.0;
  to.rule = accumulate ? ACCUMULATE : is_rectified ? RECTIFIED : group.unrectified ? UNRECTIFIED : ACCUMULATE;
  double l2 = 0.0, decay = 0.0;
  to.decay = NO_DECAY;
  if (group.weight_decay != 0.0) {
    if (group.decouple_lr) to.decay = DECOUPLED, decay = group.lr / group.max_lr * group.weight_decay;
    else if (group.decouple_wd) to.decay = DECOUPLED, decay = group.lr * group.weight_decay;
    else to.decay = L2, l2 = group.weight_decay;
  }
  double direction = group.maximize ? -1.0 : 1.0;
  to.in_f64 = {direction * l2,   decay,         beta1.beta_hat, direction * beta1.beta_hat_comp,
               beta2.beta_hat,   beta2.beta_hat_comp, group.lr * r, group.eps, grad_scale, max_grad_value};
  to.in_f32 = rounded(to.in_f64);
  to.clips = !(grad_scale == 1.0 && max_grad_value == __longlong_as_double(0x7ff0000000000000ll));
  to.keep = to.in_f32.beta1_hat / to.in_f32.beta1_comp;
  to.q8_step_size = to.in_f32.step_size * to.in_f32.beta1_comp;
  to.root_beta2 = fabsf(sqrtf(to.in_f32.beta2_hat));  // that of -0 is 0
}
