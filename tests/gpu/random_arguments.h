/* Random options and parameters of twins, most of them such as are allowed. */
#ifndef RADAM_TESTS_RANDOM_ARGUMENTS_H
#define RADAM_TESTS_RANDOM_ARGUMENTS_H

#include "twins.h"

#include <math.h>

static inline uint64_t below(uint64_t limit) { return next_random() % limit; }
static inline bool one_in(uint64_t times) { return below(times) == 0; }
#define ONE_OF(array) ((array)[below(sizeof(array) / sizeof *(array))])

static inline radam_toggle some_toggle(void) { return one_in(200) ? 7 : (radam_toggle)below(3); }
static inline radam_toggle seldom_on(void) { return one_in(6) ? RADAM_ON : some_toggle() == RADAM_ON ? RADAM_AUTO : RADAM_OFF; }

static inline double some_lr(void) {
  static const double lrs[] = {1e-1, 1e-2, 1e-3, 1e-4, 0.0}, wrong[] = {-1.0, NAN, INFINITY};
  return one_in(40) ? ONE_OF(wrong) : ONE_OF(lrs);
}

static inline double some_weight_decay(void) {
  static const double decays[] = {0.0, 0.1, 0.01}, wrong[] = {-0.1, NAN};
  return one_in(40) ? ONE_OF(wrong) : ONE_OF(decays);
}

static inline void spoil_group_options(radam_group_options *options) {
  switch (below(8)) {
    case 0: options->beta1 = 1; break;
    case 1: options->eps = NAN; break;
    case 2: options->kahan_sum = options->stochastic_rounding = RADAM_ON; break;
    case 3: options->state_dtype = 9; break;
    case 4: options->struct_size = 3; break;
    case 5: options->rectify_threshold = 1; break;
    case 6: options->decouple_lr = RADAM_ON, options->max_lr = 0; break;
    case 7: options->state_dtype = RADAM_DTYPE_F16; break;
  }
}

static inline radam_group_options some_group_options(void) {
  static const double beta1s[] = {0.9, 0.5, 0.0, 0.95}, beta2s[] = {0.99, 0.999, 0.9, 0.5}, epss[] = {1e-6, 1e-8, 1e-3};
  static const double thresholds[] = {5, 5, 4, 4.5}, max_lrs[] = {NAN, 0.1, 0.02};
  static const radam_dtype state_dtypes[] = {0, 0, 0, RADAM_DTYPE_F32, RADAM_DTYPE_F32, RADAM_DTYPE_Q8, RADAM_DTYPE_Q8,
                                             RADAM_DTYPE_BF16};
  radam_group_options options = group_options();
  options.decouple_wd = some_toggle(), options.decouple_lr = seldom_on(), options.for_each = some_toggle();
  options.gradient_release = seldom_on(), options.maximize = some_toggle(), options.rectify = some_toggle();
  options.unrectified = some_toggle();
  switch (below(8)) {
    case 0: options.master_remainder = RADAM_ON; break;
    case 1: options.stochastic_rounding = RADAM_ON; break;
    default: options.kahan_sum = some_toggle();
  }
  options.state_dtype = ONE_OF(state_dtypes);
  options.lr = some_lr(), options.weight_decay = some_weight_decay(), options.max_lr = ONE_OF(max_lrs);
  options.beta1 = ONE_OF(beta1s), options.beta2 = ONE_OF(beta2s), options.eps = ONE_OF(epss);
  options.rectify_threshold = ONE_OF(thresholds), options.seed = below(3);
  if (one_in(25)) spoil_group_options(&options);
  return options;
}

static inline void spoil_step_options(radam_step_options *options) {
  switch (below(5)) {
    case 0: options->grad_scale = 0; break;
    case 1: options->max_grad_norm = -1; break;
    case 2: options->max_grad_value = NAN; break;
    case 3: options->report_norms = 9; break;
    case 4: options->struct_size = 5; break;
  }
}

static inline radam_step_options plain_step(void) {
  radam_step_options options;
  OK(NULL, radam_step_options_init(&options, sizeof options));
  return options;
}

/* `sums` are such as were measured. */
static inline radam_step_options some_step_options(const radam_grad_sums *sums) {
  static const double scales[] = {1, 1, 0.5, 0.001, 3}, norms[] = {0, 0, 0.01, 1, 50}, values[] = {0, 0, 0.01, 0.5};
  radam_step_options options = plain_step();
  options.grad_scale = ONE_OF(scales), options.max_grad_norm = ONE_OF(norms), options.max_grad_value = ONE_OF(values);
  options.skip_nonfinite = some_toggle(), options.zero_grad = seldom_on(), options.report_norms = seldom_on();
  if (one_in(4)) options.grad_sums = sums;
  if (one_in(25)) spoil_step_options(&options);
  return options;
}

static inline uint64_t some_len(bool is_large) {
  switch (below(8)) {
    case 0: return below(9);
    case 1: case 2: return 4096 + below(900);
    case 3: return is_large ? 16384 + below(600) : 128 * below(40);
    default: return 1 + below(400);
  }
}

/* An array that is not aligned, or is in another. */
static inline void *wrong_place(void *right) {
  void *const other = w.count == 0 ? NULL : w.members[below((uint64_t)w.count)].param.data;
  if (other != NULL && one_in(2)) return other;
  return right == NULL ? NULL : (char *)right + 1;
}

static inline radam_group_options options_of_group(uint32_t group) {
  radam_group_options options = group_options();
  if (group < w.groups) OK(CPU->opt, radam_get_group_options(CPU->opt, group, &options));
  return options;
}

/* Arrays of the caller's for the state. */
static inline void give_state(radam_param *p, const radam_group_options *options) {
  const uint64_t whole = p->tensor_len == 0 ? p->len : p->tensor_len;
  const bool q8 = options->state_dtype == RADAM_DTYPE_Q8 && whole >= 4096;
  const bool wide = options->state_dtype == RADAM_DTYPE_F32 || (options->state_dtype == RADAM_DTYPE_Q8 && !q8);
  const size_t element = wide ? 4 : BYTES[p->dtype], code = q8 ? 1 : element;
  const bool other_way = options->master_remainder == RADAM_ON || options->stochastic_rounding == RADAM_ON;
  const bool by_default = p->dtype >= RADAM_DTYPE_F16 && !other_way;
  const bool kahan = options->kahan_sum == RADAM_ON || (options->kahan_sum == RADAM_AUTO && by_default);
  if (one_in(2)) p->exp_avg = new_zeros(p->len * code, code);
  if (one_in(2)) p->exp_avg_sq = new_zeros(p->len * code, code);
  if (one_in(2) && options->master_remainder == RADAM_ON) p->kahan_comp = new_zeros(p->len * 2, 2);
  else if (one_in(2) && (kahan || one_in(20))) p->kahan_comp = new_zeros(p->len * element, element);
  if (one_in(2) && (q8 || one_in(20))) p->state_scale = new_zeros((p->len + 127) / 128 * 4, 4);
}

static inline void spoil_param(radam_param *p) {
  switch (below(7)) {
    case 0: p->dtype = 9; break;
    case 1: p->data = wrong_place(p->data); break;
    case 2: p->exp_avg = wrong_place(p->data); break;
    case 3: p->name = one_in(2) ? "" : "name.0"; break;
    case 4: p->tensor_offset = 3; break;
    case 5: p->copy = p->data; break;
    case 6: p->len = UINT64_MAX / 2; break;
  }
}

/* A parameter for a group of these options, whose arrays are on the CPU. `name` has room for 16 bytes. */
static inline radam_param some_param(const radam_group_options *options, char *name) {
  static const radam_dtype copy_dtypes[] = {0, RADAM_DTYPE_BF16, RADAM_DTYPE_F16, RADAM_DTYPE_F32};
  static uint32_t names;
  radam_param p;
  OK(NULL, radam_param_init(&p, sizeof p));
  const bool only_bf16 = options->master_remainder == RADAM_ON || options->stochastic_rounding == RADAM_ON;
  p.dtype = (radam_dtype)(1 + below(4));
  if ((only_bf16 || options->state_dtype == RADAM_DTYPE_BF16) && !one_in(10)) p.dtype = RADAM_DTYPE_BF16;
  if (options->state_dtype == RADAM_DTYPE_F32 || options->state_dtype == RADAM_DTYPE_Q8)
    if (p.dtype == RADAM_DTYPE_F64 && !one_in(10)) p.dtype = RADAM_DTYPE_F32;
  const radam_dtype grad_dtype = one_in(3) ? (radam_dtype)(1 + below(4)) : p.dtype;
  p.grad_dtype = grad_dtype == p.dtype && one_in(2) ? 0 : grad_dtype;
  p.len = some_len(p.dtype != RADAM_DTYPE_F64 && grad_dtype != RADAM_DTYPE_F64);
  if (one_in(8)) p.tensor_offset = 128 * below(40) + (one_in(8) ? 1 : 0), p.tensor_len = p.tensor_offset + p.len + below(500);
  if (!one_in(options->gradient_release == RADAM_ON ? 4 : 60)) p.data = new_numbers(p.dtype, p.len);
  if (!one_in(12)) p.grad = new_numbers(grad_dtype, p.len);
  if (p.dtype <= RADAM_DTYPE_F64 && one_in(3)) {
    p.copy_dtype = ONE_OF(copy_dtypes);
    p.copy = new_numbers(p.copy_dtype == 0 ? RADAM_DTYPE_BF16 : p.copy_dtype, p.len);
  }
  if (one_in(6)) give_state(&p, options);
  if (!one_in(3)) snprintf(name, 16, "name.%u", names++), p.name = name;
  if (one_in(25)) spoil_param(&p);
  return p;
}

/* The same with its arrays on a side. */
static inline radam_param param_on(const side *on, radam_param p) {
  void **const arrays[] = {&p.data, &p.grad, &p.copy, &p.exp_avg, &p.exp_avg_sq, &p.kahan_comp, &p.state_scale};
  for (int i = 0; i < 7; i++) *arrays[i] = at(on, *arrays[i]);
  return p;
}

#endif
