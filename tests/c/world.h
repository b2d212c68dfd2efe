/* An optimizer that has something of everything: tensors of many lengths and every dtype, in groups that
   are stepped and rounded in different ways. Two of them can be compared bit for bit. */
#ifndef WORLD_H
#define WORLD_H

#include "check.h"

enum { LENGTHS = 6, KINDS = 7, TENSORS = LENGTHS * KINDS, LONGEST = 100000, STATES = 4 };

static const uint64_t lengths[LENGTHS] = {0, 1, 64, 16384, 16385, LONGEST};

/* What the tensors of a group are, and how it is stepped. */
static const struct {
  radam_dtype dtype, grad_dtype, copy_dtype, state_dtype;
  radam_toggle for_each, master_remainder, stochastic_rounding;
} kinds[KINDS] = {
  {RADAM_DTYPE_F32, 0, 0, 0, RADAM_ON, RADAM_AUTO, RADAM_AUTO},
  {RADAM_DTYPE_F32, RADAM_DTYPE_BF16, RADAM_DTYPE_BF16, 0, RADAM_OFF, RADAM_AUTO, RADAM_AUTO},
  {RADAM_DTYPE_F64, 0, RADAM_DTYPE_F32, 0, RADAM_ON, RADAM_AUTO, RADAM_AUTO},
  {RADAM_DTYPE_BF16, 0, 0, 0, RADAM_AUTO, RADAM_AUTO, RADAM_AUTO},
  {RADAM_DTYPE_BF16, RADAM_DTYPE_F32, 0, RADAM_DTYPE_F32, RADAM_OFF, RADAM_ON, RADAM_AUTO},
  {RADAM_DTYPE_BF16, 0, 0, RADAM_DTYPE_F32, RADAM_ON, RADAM_AUTO, RADAM_ON},
  {RADAM_DTYPE_F16, 0, 0, 0, RADAM_AUTO, RADAM_AUTO, RADAM_AUTO},
};

typedef struct tensor {
  radam_dtype dtype, grad_dtype, copy_dtype;
  uint64_t len;
  void *data, *grad, *copy;
} tensor;

typedef struct world {
  radam_optimizer *opt;
  tensor tensors[TENSORS];
} world;

static inline size_t size_of(radam_dtype dtype) {
  return dtype == RADAM_DTYPE_F64 ? 8 : dtype == RADAM_DTYPE_F32 ? 4 : 2;
}

/* Stores a number; what 16 bits cannot hold of it is cut off. */
static inline void put(void *values, radam_dtype dtype, size_t i, float number) {
  const double wide = number;
  uint32_t bits;
  memcpy(&bits, &number, sizeof bits);
  const int32_t exponent = (int32_t)(bits >> 23 & 0xff) - 112;
  const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  const uint16_t f16 = exponent <= 0 ? sign : (uint16_t)(sign | (exponent > 31 ? 31 : exponent) << 10 | (bits >> 13 & 0x3ff));
  const uint16_t bf16 = (uint16_t)(bits >> 16);
  if (dtype == RADAM_DTYPE_F32) memcpy((float *)values + i, &number, sizeof number);
  if (dtype == RADAM_DTYPE_F64) memcpy((double *)values + i, &wide, sizeof wide);
  if (dtype == RADAM_DTYPE_F16) memcpy((uint16_t *)values + i, &f16, sizeof f16);
  if (dtype == RADAM_DTYPE_BF16) memcpy((uint16_t *)values + i, &bf16, sizeof bf16);
}

/* Memory for `len` elements; of one byte where there are none. */
static inline void *array_of(radam_dtype dtype, uint64_t len) {
  void *array = calloc(1, len * size_of(dtype) + 1);
  CHECK(array != NULL, "no memory for %llu elements", (unsigned long long)len);
  return array;
}

static inline void fill_array(void *values, radam_dtype dtype, uint64_t len, uint32_t seed) {
  float *numbers = filled(len + 1, seed);
  for (size_t i = 0; i < len; i++) put(values, dtype, i, numbers[i]);
  free(numbers);
}

static inline void fill_gradients(world *w, uint32_t seed) {
  for (uint32_t i = 0; i < TENSORS; i++) {
    tensor *t = &w->tensors[i];
    fill_array(t->grad, t->grad_dtype, t->len, seed * TENSORS + i);
  }
}

/* `opt` has no groups yet; the world frees it. */
static inline void make_world(world *w, radam_optimizer *opt) {
  w->opt = opt;
  for (uint32_t kind = 0; kind < KINDS; kind++) {
    radam_group_options options = group_options();
    radam_param params[LENGTHS];
    options.for_each = kinds[kind].for_each;
    options.master_remainder = kinds[kind].master_remainder;
    options.stochastic_rounding = kinds[kind].stochastic_rounding;
    options.state_dtype = kinds[kind].state_dtype;
    options.decouple_wd = kind % 2 ? RADAM_ON : RADAM_OFF;
    options.seed = 7;
    for (uint32_t i = 0; i < LENGTHS; i++) {
      tensor *t = &w->tensors[kind * LENGTHS + i];
      t->dtype = kinds[kind].dtype;
      t->grad_dtype = kinds[kind].grad_dtype != 0 ? kinds[kind].grad_dtype : t->dtype;
      t->copy_dtype = kinds[kind].copy_dtype;
      t->len = lengths[i];
      t->data = array_of(t->dtype, t->len);
      t->grad = array_of(t->grad_dtype, t->len);
      t->copy = t->copy_dtype != 0 ? array_of(t->copy_dtype, t->len) : NULL;
      fill_array(t->data, t->dtype, t->len, 1000 + i);
      OK(NULL, radam_param_init(&params[i], sizeof params[i]));
      params[i].dtype = t->dtype;
      params[i].grad_dtype = t->grad_dtype;
      params[i].len = t->len;
      params[i].data = t->data;
      params[i].grad = t->grad;
      params[i].copy = t->copy;
      params[i].copy_dtype = t->copy_dtype;
    }
    OK(opt, radam_add_param_group(opt, &options, params, LENGTHS, NULL));
  }
  fill_gradients(w, 1);
}

static inline void end_world(world *w) {
  OK(w->opt, radam_free(w->opt));
  for (uint32_t i = 0; i < TENSORS; i++) {
    free(w->tensors[i].data);
    free(w->tensors[i].grad);
    free(w->tensors[i].copy);
  }
}

/* Everything that steps change: parameters, gradients, copies, state and step counts. */
static inline void check_equal(const world *a, const world *b, const char *when) {
  for (uint32_t i = 0; i < TENSORS; i++) {
    const tensor *x = &a->tensors[i], *y = &b->tensors[i];
    uint64_t steps = 0, other_steps = 0;
    CHECK(memcmp(x->data, y->data, x->len * size_of(x->dtype)) == 0, "%s: parameter %u has other bits", when, i);
    CHECK(memcmp(x->grad, y->grad, x->len * size_of(x->grad_dtype)) == 0, "%s: gradient %u has other bits", when, i);
    CHECK(x->copy == NULL || memcmp(x->copy, y->copy, x->len * size_of(x->copy_dtype)) == 0, "%s: copy %u has other bits", when, i);
    OK(a->opt, radam_step_count(a->opt, i, &steps));
    OK(b->opt, radam_step_count(b->opt, i, &other_steps));
    CHECK(steps == other_steps, "%s: parameter %u has made %llu steps, not %llu", when, i, (unsigned long long)steps,
          (unsigned long long)other_steps);
    for (radam_state which = 1; which <= STATES; which++) {
      void *state = NULL, *other = NULL;
      radam_dtype dtype = -1, other_dtype = -1;
      OK(a->opt, radam_param_state(a->opt, i, which, &state, &dtype));
      OK(b->opt, radam_param_state(b->opt, i, which, &other, &other_dtype));
      CHECK((state == NULL) == (other == NULL) && dtype == other_dtype, "%s: state %d of parameter %u is another",
            when, which, i);
      CHECK(state == NULL || memcmp(state, other, x->len * size_of(dtype)) == 0, "%s: state %d of parameter %u has other bits",
            when, which, i);
    }
  }
}

/* Options of a step that differ in what they need: a look at all gradients first, a second pass, both or neither. */
enum { STEP_OPTIONS = 8 };

static inline radam_step_options step_options(int which) {
  radam_step_options options;
  OK(NULL, radam_step_options_init(&options, sizeof options));
  const bool all = which == STEP_OPTIONS - 1;
  if (which == 1 || all) options.grad_scale = 0.5;
  if (which == 2 || all) options.max_grad_norm = 3;
  if (which == 3 || all) options.max_grad_value = 0.01;
  if (which == 4 || all) options.skip_nonfinite = RADAM_ON;
  if (which == 5 || all) options.zero_grad = RADAM_ON;
  if (which == 6 || all) options.report_norms = RADAM_ON;
  return options;
}

#endif
