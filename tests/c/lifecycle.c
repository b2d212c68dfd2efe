/* One optimizer from create to free, with every dtype, every option and every call in its place. */
#include "check.h"

#include <math.h>

static void says_its_version(void) {
  char version[32];
  CHECK(radam_version() == RADAM_VERSION, "the library is version %u, and the header %u", radam_version(), RADAM_VERSION);
  CHECK(RADAM_VERSION == RADAM_VERSION_MAJOR * 1000000 + RADAM_VERSION_MINOR * 1000 + RADAM_VERSION_PATCH, "another version");
  snprintf(version, sizeof version, "%u.%u.%u", RADAM_VERSION_MAJOR, RADAM_VERSION_MINOR, RADAM_VERSION_PATCH);
  CHECK(strcmp(radam_version_string(), version) == 0, "the version string is '%s'", radam_version_string());
  CHECK(strlen(radam_status_string(RADAM_OK)) > 0, "RADAM_OK has no name");
  CHECK(strcmp(radam_status_string(RADAM_OK), radam_status_string(RADAM_ERROR_BUSY)) != 0, "two statuses share a name");
  CHECK(radam_status_string(12345) != NULL, "an unknown status has no string");
}

static size_t size_of(radam_dtype dtype) {
  return dtype == RADAM_DTYPE_F64 ? 8 : dtype == RADAM_DTYPE_F32 ? 4 : 2;
}

/* Writes a value that every dtype holds exactly. */
static void put(void *values, size_t i, radam_dtype dtype, double value) {
  float f32 = (float)value;
  uint32_t bits;
  memcpy(&bits, &f32, sizeof bits);
  uint16_t bf16 = (uint16_t)(bits >> 16);
  uint16_t f16 = (uint16_t)((bits >> 13) - ((127u - 15u) << 10));
  const void *from = dtype == RADAM_DTYPE_F64 ? (void *)&value : dtype == RADAM_DTYPE_F32 ? (void *)&f32
                   : dtype == RADAM_DTYPE_F16 ? (void *)&f16 : (void *)&bf16;
  memcpy((char *)values + i * size_of(dtype), from, size_of(dtype));
}

/* The first step is not rectified and its moment is the gradient: 1 - 0.5 * 0.5. */
static void steps_every_dtype(void) {
  radam_dtype dtypes[] = {RADAM_DTYPE_F32, RADAM_DTYPE_F64, RADAM_DTYPE_F16, RADAM_DTYPE_BF16};
  for (int d = 0; d < 4; d++)
    for (int g = 0; g < 4; g++)
      for (int f32_state = 0; f32_state < 2; f32_state++) {
        enum { LEN = 37 };
        double data[LEN], grad[LEN], expected[LEN];
        for (size_t i = 0; i < LEN; i++) {
          put(data, i, dtypes[d], 1.0);
          put(grad, i, dtypes[g], 0.5);
          put(expected, i, dtypes[d], 0.75);
        }
        radam_optimizer *opt = create(1);
        radam_group_options options = group_options();
        options.lr = 0.5;
        options.weight_decay = 0.0;
        if (f32_state) options.state_dtype = RADAM_DTYPE_F32;
        uint32_t group = add_group(opt, &options), param;
        OK(opt, radam_add_param(opt, group, dtypes[d], dtypes[g], data, grad, LEN, "weight", &param));
        OK(opt, radam_step(opt));
        CHECK(memcmp(data, expected, LEN * size_of(dtypes[d])) == 0, "dtype %d with grad_dtype %d: the first step is wrong", dtypes[d], dtypes[g]);
        for (int step = 0; step < 20; step++) OK(opt, radam_step(opt));
        OK(opt, radam_zero_grad(opt));
        memset(expected, 0, sizeof expected);
        CHECK(memcmp(grad, expected, LEN * size_of(dtypes[g])) == 0, "radam_zero_grad left something");
        OK(opt, radam_free(opt));
      }
}

/* What is given at creation is what radam_get_group_options says, and so is what is set. */
static void keeps_every_option(void) {
  radam_optimizer *opt = create(1);
  radam_group_options given = group_options(), found = group_options();
  given.decouple_wd = given.decouple_lr = given.for_each = given.gradient_release = given.maximize = RADAM_ON;
  given.rectify = given.unrectified = given.master_remainder = given.stochastic_rounding = RADAM_OFF;
  given.kahan_sum = RADAM_ON;
  given.state_dtype = RADAM_DTYPE_F32;
  given.lr = 0.25;
  given.beta1 = 0.5;
  given.beta2 = 0.75;
  given.weight_decay = 0.125;
  given.eps = 1e-3;
  given.max_lr = 2;
  given.rectify_threshold = 4.5;
  given.seed = UINT64_MAX - 1;
  add_group(opt, &given);
  add_group(opt, &given);
  OK(opt, radam_get_group_options(opt, 0, &found));
  CHECK(memcmp(&found, &given, sizeof found) == 0, "options were given at creation, and are others");
  given = group_options();
  given.max_lr = 3;
  given.stochastic_rounding = RADAM_ON;
  OK(opt, radam_set_group_options(opt, 0, &given));
  OK(opt, radam_get_group_options(opt, 0, &found));
  CHECK(memcmp(&found, &given, sizeof found) == 0, "options were set, and are others");
  OK(opt, radam_set_lr(opt, 0, 0.75));
  OK(opt, radam_set_weight_decay(opt, 0, 0.375));
  given.lr = 0.75;
  given.weight_decay = 0.375;
  OK(opt, radam_get_group_options(opt, 0, &found));
  CHECK(memcmp(&found, &given, sizeof found) == 0, "lr and weight_decay were set, and the options are others");
  double lr, weight_decay;
  OK(opt, radam_get_lr(opt, 0, &lr));
  OK(opt, radam_get_weight_decay(opt, 0, &weight_decay));
  CHECK(lr == 0.75 && weight_decay == 0.375, "lr is %g and weight_decay %g", lr, weight_decay);
  OK(opt, radam_get_lr(opt, 1, &lr));
  CHECK(lr == 0.25, "the lr of another group has become %g", lr);
  OK(opt, radam_free(opt));
}

/* max_lr not given is the lr at creation, and stays so when lr is scheduled down. */
static void max_lr_is_the_first_lr(void) {
  radam_optimizer *opt = create(1);
  radam_group_options options = group_options();
  CHECK(isnan(options.max_lr), "the initial max_lr is %g", options.max_lr);
  add_group(opt, &options);
  OK(opt, radam_set_lr(opt, 0, options.lr / 8));
  const double max_lr = options_of(opt, 0).max_lr;
  CHECK(max_lr == options.lr, "max_lr is %g, not the first lr %g", max_lr, options.lr);
  OK(opt, radam_free(opt));
}

static void check_steps(radam_optimizer *opt, uint32_t param, uint64_t expected) {
  uint64_t steps = UINT64_MAX;
  OK(opt, radam_step_count(opt, param, &steps));
  CHECK(steps == expected, "parameter %u took %llu steps, not %llu", param, (unsigned long long)steps, (unsigned long long)expected);
}

/* Parameters without a gradient stand still; ones that join late start at step 1. */
static void skips_rebinds_and_joins_late(void) {
  float early[3] = {1, 1, 1}, late[3] = {1, 1, 1}, moved[3], grad[3] = {1, 1, 1};
  radam_optimizer *opt = create(1);
  radam_group_options options = group_options();
  options.weight_decay = 0;
  options.lr = 0.5;
  uint32_t group = add_group(opt, &options);
  CHECK(add_f32(opt, group, early, NULL, 3) == 0, "the first parameter is not 0");
  CHECK(add_f32(opt, group, NULL, NULL, 0) == 1, "the second parameter is not 1");
  OK(opt, radam_step(opt));
  CHECK(early[0] == 1, "a parameter without a gradient moved");
  check_steps(opt, 0, 0);

  OK(opt, radam_set_grad(opt, 0, grad));
  OK(opt, radam_step(opt));
  CHECK(early[0] == 0.5f, "a rebound gradient was not used: %g", early[0]);
  check_steps(opt, 0, 1);

  CHECK(add_group(opt, &options) == 1, "the second group is not 1");
  CHECK(add_f32(opt, 1, late, grad, 3) == 2, "the third parameter is not 2");
  memcpy(moved, early, sizeof moved);
  OK(opt, radam_set_data(opt, 0, moved));
  OK(opt, radam_set_grad(opt, 0, NULL));
  OK(opt, radam_step(opt));
  CHECK(late[0] == 0.5f, "the late parameter's first step is wrong: %g", late[0]);
  check_steps(opt, 0, 1);
  check_steps(opt, 2, 1);

  OK(opt, radam_set_grad(opt, 0, grad));
  OK(opt, radam_step(opt));
  CHECK(early[0] == 0.5f && moved[0] < 0.5f, "the moved parameter was stepped in its old place");
  OK(opt, radam_free(opt));
}

/* Accumulation changes the state and the step count, and no parameter. */
static void accumulates(void) {
  float data[2] = {1, 1}, grad[2] = {1, 1};
  radam_optimizer *opt = create(1);
  radam_group_options options = group_options();
  options.decouple_wd = RADAM_ON;
  add_f32(opt, add_group(opt, &options), data, grad, 2);
  radam_toggle on;
  OK(opt, radam_get_optimizer_accumulation(opt, &on));
  CHECK(on == RADAM_OFF, "accumulation starts as %d", on);
  OK(opt, radam_set_optimizer_accumulation(opt, RADAM_ON));
  OK(opt, radam_get_optimizer_accumulation(opt, &on));
  CHECK(on == RADAM_ON, "accumulation was set and is %d", on);
  OK(opt, radam_step(opt));
  CHECK(data[0] == 1, "an accumulation step moved a parameter");
  check_steps(opt, 0, 1);
  OK(opt, radam_set_optimizer_accumulation(opt, RADAM_OFF));
  OK(opt, radam_step(opt));
  CHECK(data[0] < 1, "the step after accumulation moved nothing");
  check_steps(opt, 0, 2);
  OK(opt, radam_free(opt));
}

/* The backward pass steps each parameter with a gradient of its own, and radam_step then does nothing. */
static void releases_gradients(void) {
  float data[2][5], plain[2][5], grad[2][5];
  fill(&data[0][0], 10, 1);
  memcpy(plain, data, sizeof data);
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1), *reference = create(1);
  add_group(reference, &options);
  options.gradient_release = RADAM_ON;
  add_group(opt, &options);
  for (int i = 0; i < 2; i++) {
    add_f32(opt, 0, data[i], NULL, 5);
    add_f32(reference, 0, plain[i], grad[i], 5);
  }
  for (uint32_t step = 0; step < 12; step++) {
    fill(&grad[0][0], 10, step + 7);
    for (uint32_t i = 0; i < 2; i++) OK(opt, radam_step_param(opt, i, grad[i]));
    OK(opt, radam_zero_grad(opt));
    OK(opt, radam_step(opt));
    OK(reference, radam_step(reference));
  }
  CHECK(memcmp(data, plain, sizeof data) == 0, "gradient release gave other bits than radam_step");
  check_steps(opt, 0, 12);
  OK(opt, radam_free(opt));
  OK(reference, radam_free(reference));
}

int main(void) {
  says_its_version();
  steps_every_dtype();
  keeps_every_option();
  max_lr_is_the_first_lr();
  skips_rebinds_and_joins_late();
  accumulates();
  releases_gradients();
  return 0;
}
