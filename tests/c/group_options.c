/* The options of a group as a whole: what is set is what is got, each option does what it does from the start on, and
   of what is refused nothing is taken. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "world.h"

#include <math.h>
#include <stddef.h>
#include <unistd.h>

/* Every field but struct_size, with a value that is not its default. */
enum { FIELDS = 19 };

static void change(radam_group_options *options, int field) {
  radam_toggle *const toggles[] = {
    &options->decouple_wd, &options->decouple_lr, &options->kahan_sum, &options->for_each, &options->gradient_release,
    &options->maximize, &options->rectify, &options->unrectified, &options->master_remainder, &options->stochastic_rounding,
  };
  double *const numbers[] = {&options->lr, &options->beta1, &options->beta2, &options->weight_decay, &options->eps,
                             &options->max_lr, &options->rectify_threshold};
  const double values[] = {0.25, 0.5, 0.75, 0.125, 1e-3, 2, 4.5};
  if (field < 10) *toggles[field] = field == 3 || field == 6 || field == 7 ? RADAM_OFF : RADAM_ON;
  else if (field < 17) *numbers[field - 10] = values[field - 10];
  else if (field == 17) options->state_dtype = RADAM_DTYPE_F32;
  else options->seed = UINT64_MAX;
}

static radam_group_options plain_options(void) {
  radam_group_options options = group_options();
  options.max_lr = 1; /* given, so that it is told as it was given */
  return options;
}

/* One field after the other, in a group of two. */
static void each_field_is_kept(void) {
  radam_optimizer *opt = create(1);
  const radam_group_options plain = plain_options();
  add_group(opt, &plain);
  add_group(opt, &plain);
  for (int field = 0; field < FIELDS; field++) {
    radam_group_options given = plain, found;
    change(&given, field);
    CHECK(memcmp(&given, &plain, sizeof given) != 0, "field %d has no other value", field);
    OK(opt, radam_set_group_options(opt, 1, &given));
    found = options_of(opt, 1);
    CHECK(memcmp(&found, &given, sizeof found) == 0, "field %d is not what was set, or another is not", field);
    found = options_of(opt, 0);
    CHECK(memcmp(&found, &plain, sizeof found) == 0, "field %d changed in another group", field);
    const uint32_t added = add_group(opt, &given);
    found = options_of(opt, added);
    CHECK(memcmp(&found, &given, sizeof found) == 0, "field %d is not what the group was added with, or another is not", field);
    OK(opt, radam_set_group_options(opt, 1, &plain));
  }
  OK(opt, radam_free(opt));
}

/* Set before the first step, an option is as if the group had been added with it. */
static void each_field_is_used(void) {
  enum { LEN = 500, STEPS = 40 };
  static uint16_t data[3][LEN], grad[LEN];
  for (int field = 0; field < FIELDS; field++) {
    const radam_group_options plain = plain_options();
    radam_group_options given = plain;
    radam_optimizer *opts[3];
    change(&given, field);
    fill_array(grad, RADAM_DTYPE_BF16, LEN, 9);
    for (int i = 0; i < 3; i++) {
      fill_array(data[i], RADAM_DTYPE_BF16, LEN, 1);
      opts[i] = create(1);
      add_group(opts[i], i == 1 ? &given : &plain);
      OK(opts[i], radam_add_param(opts[i], 0, RADAM_DTYPE_BF16, 0, data[i], grad, LEN, NULL, NULL));
    }
    OK(opts[0], radam_set_group_options(opts[0], 0, &given));
    for (int step = 0; step < STEPS; step++)
      for (int i = 0; i < 3; i++) OK(opts[i], radam_step(opts[i]));
    CHECK(memcmp(data[0], data[1], sizeof data[0]) == 0, "field %d acts otherwise when it is set later", field);
    /* Kahan summation is on for bf16 anyway, for_each changes no bits, and without decoupling max_lr means nothing,
       nor does a seed without stochastic rounding. */
    const bool changes_nothing = field == 2 || field == 3 || field == 15 || field == 18;
    CHECK((memcmp(data[0], data[2], sizeof data[0]) == 0) == changes_nothing, "field %d %s", field,
          changes_nothing ? "changes the bits" : "does nothing");
    for (int i = 0; i < 3; i++) OK(opts[i], radam_free(opts[i]));
  }
}

static void max_lr_is_lr_where_it_is_not_given(void) {
  radam_optimizer *opt = create(1);
  radam_group_options options = group_options();
  add_group(opt, &options);
  CHECK(options_of(opt, 0).max_lr == options.lr, "max_lr is %g at first", options_of(opt, 0).max_lr);
  options.lr = 0.5;
  options.max_lr = NAN;
  OK(opt, radam_set_group_options(opt, 0, &options));
  CHECK(options_of(opt, 0).max_lr == 0.5, "max_lr is %g after lr was set with none", options_of(opt, 0).max_lr);
  OK(opt, radam_set_lr(opt, 0, 0.125));
  CHECK(options_of(opt, 0).max_lr == 0.5, "max_lr is %g after a schedule", options_of(opt, 0).max_lr);
  OK(opt, radam_free(opt));
}

/* Whatever is wrong, nothing of the rest is taken: neither other options nor the form of any state. */
static void refused_as_a_whole(void) {
  enum { LEN = 300, WAYS = 6 };
  static uint16_t data[2][2][LEN], grads[2][LEN], exp_avg[LEN];
  radam_optimizer *opts[2];
  const radam_group_options plain = plain_options();
  for (int i = 0; i < 2; i++) fill_array(grads[i], RADAM_DTYPE_BF16, LEN, 10 + (uint32_t)i);
  for (int i = 0; i < 2; i++) {
    radam_param params[2];
    opts[i] = create(1);
    for (int j = 0; j < 2; j++) {
      fill_array(data[i][j], RADAM_DTYPE_BF16, LEN, (uint32_t)j);
      OK(NULL, radam_param_init(&params[j], sizeof params[j]));
      params[j].dtype = RADAM_DTYPE_BF16;
      params[j].len = LEN;
      params[j].data = data[i][j];
      params[j].grad = grads[j];
    }
    if (i == 0) params[1].exp_avg = exp_avg; /* keeps its dtype, as the second to be looked at */
    OK(opts[i], radam_add_param_group(opts[i], &plain, params, 2, NULL));
  }
  for (int way = 0; way < WAYS; way++) {
    radam_group_options bad = plain, found;
    void *before[2], *after[2];
    for (int j = 0; j < 2; j++) OK(opts[0], radam_param_state(opts[0], (uint32_t)j, RADAM_STATE_EXP_AVG_SQ, &before[j], NULL));
    bad.lr = 0.5;
    bad.weight_decay = 0.5;
    bad.kahan_sum = RADAM_OFF;
    bad.maximize = RADAM_ON;
    bad.gradient_release = RADAM_ON;
    radam_status expected = RADAM_ERROR_INVALID_ARGUMENT;
    if (way == 0) bad.beta1 = 1;
    if (way == 1) bad.rectify_threshold = 3;
    if (way == 2) bad.unrectified = 7;
    if (way == 3) bad.state_dtype = RADAM_DTYPE_F16;
    if (way == 4) bad.master_remainder = bad.stochastic_rounding = RADAM_ON;
    if (way == 5) bad.state_dtype = RADAM_DTYPE_F32;
    if (way == 5) expected = RADAM_ERROR_INVALID_STATE;
    const radam_status status = radam_set_group_options(opts[0], 0, &bad);
    CHECK(status == expected, "way %d gave %s", way, radam_status_string(status));
    found = options_of(opts[0], 0);
    CHECK(memcmp(&found, &plain, sizeof found) == 0, "way %d was refused, and an option has changed", way);
    for (int j = 0; j < 2; j++) {
      radam_dtype dtype;
      OK(opts[0], radam_param_state(opts[0], (uint32_t)j, RADAM_STATE_EXP_AVG_SQ, &after[j], &dtype));
      CHECK(after[j] == before[j] && dtype == RADAM_DTYPE_BF16, "way %d was refused, and a state was converted", way);
    }
    for (int step = 0; step < 3; step++)
      for (int i = 0; i < 2; i++) OK(opts[i], radam_step(opts[i]));
    CHECK(memcmp(data[0], data[1], sizeof data[0]) == 0, "way %d was refused, and the bits are others", way);
  }
  for (int i = 0; i < 2; i++) OK(opts[i], radam_free(opts[i]));
}

static void *state_of(radam_optimizer *opt, radam_state which, radam_dtype *dtype) {
  void *state = NULL;
  OK(opt, radam_param_state(opt, 0, which, &state, dtype));
  return state;
}

/* The state takes another form at once, and keeps its place where it need not. */
static void state_follows(void) {
  enum { LEN = 1000 };
  static uint16_t data[LEN], grad[LEN];
  radam_group_options options = plain_options();
  radam_optimizer *opt = create(1);
  radam_dtype dtype = -1;
  fill_array(data, RADAM_DTYPE_BF16, LEN, 1);
  fill_array(grad, RADAM_DTYPE_BF16, LEN, 2);
  add_group(opt, &options);
  OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_BF16, 0, data, grad, LEN, NULL, NULL));
  for (int step = 0; step < 8; step++) OK(opt, radam_step(opt));
  void *exp_avg = state_of(opt, RADAM_STATE_EXP_AVG, NULL);
  CHECK(state_of(opt, RADAM_STATE_KAHAN_COMP, NULL) != NULL, "bf16 has no compensation");
  OK(opt, radam_set_group_options(opt, 0, &options));
  options.lr = 0.02;
  options.state_dtype = RADAM_DTYPE_BF16; /* as it is */
  OK(opt, radam_set_group_options(opt, 0, &options));
  CHECK(state_of(opt, RADAM_STATE_EXP_AVG, NULL) == exp_avg, "state that keeps its form moves");

  options.kahan_sum = RADAM_OFF;
  OK(opt, radam_set_group_options(opt, 0, &options));
  CHECK(state_of(opt, RADAM_STATE_KAHAN_COMP, NULL) == NULL, "a compensation that was switched off is there");
  options.kahan_sum = RADAM_ON;
  options.state_dtype = RADAM_DTYPE_F32;
  uint16_t before[LEN];
  memcpy(before, state_of(opt, RADAM_STATE_EXP_AVG, NULL), sizeof before);
  OK(opt, radam_set_group_options(opt, 0, &options));
  const float *wide = state_of(opt, RADAM_STATE_EXP_AVG, &dtype), *compensation = state_of(opt, RADAM_STATE_KAHAN_COMP, NULL);
  CHECK(dtype == RADAM_DTYPE_F32 && compensation != NULL, "two changes at once: dtype %d", dtype);
  for (size_t i = 0; i < LEN; i++) {
    uint32_t bits;
    memcpy(&bits, &wide[i], sizeof bits);
    CHECK(bits == (uint32_t)before[i] << 16 && compensation[i] == 0, "element %zu is converted wrongly", i);
  }
  options.kahan_sum = RADAM_AUTO;
  options.master_remainder = RADAM_ON;
  options.state_dtype = 0;
  OK(opt, radam_set_group_options(opt, 0, &options));
  const int16_t *remainders = state_of(opt, RADAM_STATE_MASTER_REMAINDER, NULL);
  CHECK(remainders != NULL && state_of(opt, RADAM_STATE_KAHAN_COMP, NULL) == NULL, "no remainders, or a compensation beside them");
  for (size_t i = 0; i < LEN; i++) CHECK(remainders[i] == 0, "a remainder does not begin at 0");
  CHECK(memcmp(state_of(opt, RADAM_STATE_EXP_AVG, NULL), before, sizeof before) == 0, "bf16 to f32 and back has other bits");
  OK(opt, radam_step(opt));
  OK(opt, radam_free(opt));
}

int main(void) {
  alarm(300); /* ends what hangs */
  each_field_is_kept();
  each_field_is_used();
  max_lr_is_lr_where_it_is_not_given();
  refused_as_a_whole();
  state_follows();
  return 0;
}
