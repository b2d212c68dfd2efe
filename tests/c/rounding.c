/* How 16-bit parameters are rounded: Kahan summation, exact masters, at random; and the 16-bit copies
   of wider parameters. */
#define _POSIX_C_SOURCE 200809L
#include "sixteen_bits.h"

#include <unistd.h>

enum { LEN = 50000 };

/* The float that a bf16 parameter and its remainder make up. */
static float master_of(uint16_t param, int16_t remainder) {
  const uint32_t bits = ((uint32_t)param << 16) + (uint32_t)(int32_t)remainder;
  float master;
  memcpy(&master, &bits, sizeof master);
  return master;
}

static const int16_t *remainders_of(radam_optimizer *opt) {
  void *remainders = NULL;
  radam_dtype dtype = -1;
  OK(opt, radam_param_state(opt, 0, RADAM_STATE_MASTER_REMAINDER, &remainders, &dtype));
  CHECK(remainders != NULL && dtype == 0, "there are no remainders, or of dtype %d", dtype);
  return remainders;
}

/* Every float is the upper half that is nearest, ties away from zero, and the signed rest. */
static void check_masters(const float *wide, const uint16_t *params, const int16_t *remainders, size_t len, int step) {
  for (size_t i = 0; i < len; i++) {
    const uint32_t bits = bits_of(wide[i]);
    CHECK(bits_of(master_of(params[i], remainders[i])) == bits,
          "step %d: element %zu is %.9g as an f32, and %.9g as a master", step, i,
          (double)wide[i], (double)master_of(params[i], remainders[i]));
    CHECK(params[i] == (uint16_t)((bits + 0x8000u) >> 16), "step %d: element %zu, %.9g, is rounded to %.9g", step, i,
          (double)wide[i],
          (double)widened(params[i]));
  }
}

/* bf16 masters are f32 parameters that get the same gradients, bit for bit. */
static void masters_are_f32(radam_toggle decouple_wd) {
  enum { STEPS = 300, COUNT = 5000 };
  static uint16_t params[COUNT], grads[COUNT];
  static float wide[COUNT];
  radam_group_options options = group_options();
  options.decouple_wd = decouple_wd;
  options.state_dtype = RADAM_DTYPE_F32;
  fill_bf16(params, COUNT, 1);
  params[0] = 0x3f80; /* where the exponent changes when the master goes down */
  for (size_t i = 0; i < COUNT; i++) wide[i] = widened(params[i]);
  radam_optimizer *f32 = optimizer_of(&options, 1, RADAM_DTYPE_F32, RADAM_DTYPE_BF16, wide, grads, COUNT);
  options.master_remainder = RADAM_ON;
  radam_optimizer *bf16 = optimizer_of(&options, 2, RADAM_DTYPE_BF16, 0, params, grads, COUNT);
  for (int step = 0; step < STEPS; step++) {
    fill_bf16(grads, COUNT, 2 + (uint32_t)step);
    OK(f32, radam_step(f32));
    OK(bf16, radam_step(bf16));
    check_masters(wide, params, remainders_of(bf16), COUNT, step);
  }
  OK(f32, radam_free(f32));
  OK(bf16, radam_free(bf16));
}

/* Weights at 1, of which each step takes less than can be told in two bytes. Kahan summation in bf16 loses it,
   since the compensation, too, has only 8 bits; masters keep it. */
static void decay_that_is_too_small(void) {
  enum { STEPS = 2000, COUNT = 100 };
  static uint16_t grads[COUNT], kahan[COUNT], masters[COUNT];
  static float wide[COUNT];
  radam_group_options options = group_options();
  options.lr = 3e-4;
  options.weight_decay = 1e-2;
  options.decouple_wd = RADAM_ON;
  for (size_t i = 0; i < COUNT; i++) {
    wide[i] = 1;
    kahan[i] = masters[i] = 0x3f80;
  }
  radam_optimizer *with_kahan = optimizer_of(&options, 1, RADAM_DTYPE_BF16, 0, kahan, grads, COUNT);
  options.state_dtype = RADAM_DTYPE_F32;
  radam_optimizer *f32 = optimizer_of(&options, 1, RADAM_DTYPE_F32, RADAM_DTYPE_BF16, wide, grads, COUNT);
  options.master_remainder = RADAM_ON;
  radam_optimizer *exact = optimizer_of(&options, 1, RADAM_DTYPE_BF16, 0, masters, grads, COUNT);
  for (int step = 0; step < STEPS; step++) {
    OK(with_kahan, radam_step(with_kahan));
    OK(f32, radam_step(f32));
    OK(exact, radam_step(exact));
    check_masters(wide, masters, remainders_of(exact), COUNT, step);
  }
  CHECK(fabs((double)wide[0] - pow(1 - 3e-6, STEPS)) < 1e-4, "f32 weights have decayed to %.9g", (double)wide[0]);
  for (size_t i = 0; i < COUNT; i++)
    CHECK(kahan[i] == 0x3f80, "a bf16 weight with Kahan summation is %.9g", (double)widened(kahan[i]));
  OK(with_kahan, radam_free(with_kahan));
  OK(f32, radam_free(f32));
  OK(exact, radam_free(exact));
}

/* Which steps an optimizer with stochastic rounding makes, and by whom. */
typedef struct rounded {
  uint64_t seed;
  uint32_t num_threads;
  bool sliced;
  uint32_t id; /* of the parameter: as many others are before it */
  const char *name;
  uint64_t steps;
  uint64_t shard_len; /* 0: the parameter is in one */
} rounded;

/* Steps the elements from `first` on of a tensor of len. */
static void round_shard(uint16_t *params, uint16_t *grads, uint64_t first, uint64_t len, rounded how) {
  const uint64_t rest = len - first, shard_len = how.shard_len != 0 && how.shard_len < rest ? how.shard_len : rest;
  radam_group_options options = group_options();
  radam_param param;
  uint32_t id;
  options.stochastic_rounding = RADAM_ON;
  options.seed = how.seed;
  radam_optimizer *opt = create(how.num_threads);
  add_group(opt, &options);
  for (uint32_t i = 0; i < how.id; i++) OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_BF16, 0, NULL, NULL, 0, NULL, &id));
  OK(NULL, radam_param_init(&param, sizeof param));
  param.dtype = RADAM_DTYPE_BF16;
  param.data = params + first;
  param.grad = grads + first;
  param.len = shard_len;
  param.name = how.name;
  param.tensor_offset = first;
  param.tensor_len = len;
  id = how.id;
  OK(opt, radam_add_param_group(opt, &options, &param, 1, NULL));
  void *state;
  OK(opt, radam_param_state(opt, id, RADAM_STATE_KAHAN_COMP, &state, NULL));
  CHECK(state == NULL, "stochastic rounding keeps a compensation");
  for (uint64_t step = 0; step < how.steps; step++) {
    uint64_t left = 1;
    if (!how.sliced) {
      OK(opt, radam_step(opt));
      continue;
    }
    OK(opt, radam_step_begin(opt, NULL));
    while (left > 0) OK(opt, radam_step_for(opt, 1, &left));
    OK(opt, radam_step_end(opt, NULL));
  }
  OK(opt, radam_free(opt));
}

/* Every shard by an optimizer of its own. */
static void round_at_random(uint16_t *params, uint16_t *grads, uint64_t len, rounded how) {
  const uint64_t shard_len = how.shard_len != 0 ? how.shard_len : len;
  for (uint64_t first = 0; first < len; first += shard_len) round_shard(params, grads, first, len, how);
}

static void random_numbers_are_the_same_everywhere(void) {
  enum { LARGE = 1 << 19 };
  uint16_t *grads = malloc(LARGE * sizeof *grads), *expected = malloc(LARGE * sizeof *grads), *found = malloc(LARGE * sizeof *grads);
  CHECK(grads != NULL && expected != NULL && found != NULL, "no memory");
  const rounded usual = {.seed = 5, .num_threads = 1, .id = 1, .steps = 7};
  const rounded same[] = {{.seed = 5, .num_threads = 4, .id = 1, .steps = 7},
                          {.seed = 5, .num_threads = 4, .sliced = true, .id = 1, .steps = 7},
                          {.seed = 5, .num_threads = 1, .id = 0, .name = "param.1", .steps = 7},
                          {.seed = 5, .num_threads = 2, .id = 1, .steps = 7, .shard_len = 100001},
                          {.seed = 5, .num_threads = 1, .id = 0, .name = "param.1", .steps = 7, .shard_len = 1 << 17}};
  const char *const way[] = {"a step by threads", "a step in slices", "a parameter of that name", "a shard", "a shard of that name"};
  const rounded others[] = {{.seed = 6, .num_threads = 1, .id = 1, .steps = 7},
                            {.seed = 5 + (1ull << 32), .num_threads = 1, .id = 1, .steps = 7},
                            {.seed = 5, .num_threads = 1, .id = 0, .steps = 7},
                            {.seed = 5, .num_threads = 1, .id = 1, .name = "param.2", .steps = 7}};
  fill_bf16(grads, LARGE, 2);
  fill_bf16(expected, LARGE, 1);
  round_at_random(expected, grads, LARGE, usual);
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    fill_bf16(found, LARGE, 1);
    round_at_random(found, grads, LARGE, same[i]);
    CHECK(memcmp(found, expected, LARGE * sizeof *found) == 0, "%s gets other random numbers", way[i]);
  }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    fill_bf16(found, LARGE, 1);
    round_at_random(found, grads, LARGE, others[i]);
    CHECK(memcmp(found, expected, LARGE * sizeof *found) != 0, "seed %llu and id %u give the numbers of seed 5 and id 1",
          (unsigned long long)others[i].seed, others[i].id);
  }
  free(grads);
  free(expected);
  free(found);
}

/* Decay by a factor takes a third of the step between two bf16 numbers: a third of the elements go down, at random
   over elements and steps, and what is exact stays. */
static void random_rounding_is_right_on_average(void) {
  static uint16_t params[LEN], grads[LEN], before[LEN];
  radam_group_options options = group_options();
  options.lr = 1;
  options.decouple_wd = RADAM_ON;
  options.stochastic_rounding = RADAM_ON;
  const double unit = ldexp(1, -7); /* of bf16 from 1 to 2 */
  for (size_t i = 0; i < LEN; i++) params[i] = i % 2 ? 0x3fa0 /* 1.25 */ : 0xbfa0;
  options.weight_decay = unit / 3 / 1.25;
  radam_optimizer *opt = optimizer_of(&options, 1, RADAM_DTYPE_BF16, 0, params, grads, LEN);
  size_t twice = 0, down = 0, far_apart = 0;
  const size_t chunk = 16384; /* as steps are cut */
  memcpy(before, params, sizeof params);
  OK(opt, radam_step(opt));
  for (size_t i = 0; i < LEN; i++) {
    CHECK(params[i] == before[i] || params[i] == before[i] - 1, "element %zu is rounded to %.9g, which is not a neighbour", i,
          (double)widened(params[i]));
    down += params[i] != before[i];
    twice += i > 0 && params[i] != before[i] && params[i - 1] != before[i - 1];
    far_apart += i >= chunk && params[i] != before[i] && params[i - chunk] != before[i - chunk];
  }
  /* Five standard deviations: of 50000 coins that fall to one side in a third of all cases, and of pairs. */
  CHECK(fabs((double)down - LEN / 3.0) < 5 * sqrt(LEN * 2 / 9.0), "of %d elements, %zu are rounded down", LEN, down);
  CHECK(fabs((double)twice - LEN / 9.0) < 6 * sqrt(LEN * 8 / 81.0),
        "%zu elements and the one before them are rounded down", twice);

  const double pairs = (double)(LEN - chunk);
  CHECK(fabs((double)far_apart - pairs / 9) < 6 * sqrt(pairs * 8 / 81),
        "%zu elements and the ones a chunk before them are rounded down", far_apart);

  /* The next step draws anew: whether an element went down says nothing about whether it goes again. */
  OK(opt, radam_set_weight_decay(opt, 0, 0));
  memcpy(before, params, sizeof params);
  OK(opt, radam_step(opt));
  CHECK(memcmp(params, before, sizeof params) == 0, "values that need no rounding do not stay");
  for (size_t i = 0; i < LEN; i++) params[i] = 0x3fa0;
  OK(opt, radam_set_weight_decay(opt, 0, options.weight_decay));
  uint16_t *first = malloc(sizeof params);
  CHECK(first != NULL, "no memory");
  OK(opt, radam_step(opt));
  memcpy(first, params, sizeof params);
  for (size_t i = 0; i < LEN; i++) params[i] = 0x3fa0;
  OK(opt, radam_step(opt));
  size_t both = 0;
  for (size_t i = 0; i < LEN; i++) both += first[i] != 0x3fa0 && params[i] != 0x3fa0;
  CHECK(fabs((double)both - LEN / 9.0) < 5 * sqrt(LEN * 8 / 81.0), "%zu elements are rounded down in both of two steps", both);
  free(first);
  OK(opt, radam_free(opt));
}

/* Copies hold the new values, rounded to nearest even, of every size that there is. */
static void copies_are_rounded(radam_dtype dtype, radam_dtype copy_dtype) {
  enum { STEPS = 8, COUNT = 20000 };
  static double data[COUNT], grads[COUNT];
  static double copy[COUNT];
  float *numbers = filled(COUNT, 1);
  radam_group_options options = group_options();
  radam_param param;
  memset(grads, 0, sizeof grads);
  memset(copy, 0x5a, sizeof copy);
  options.lr = 1;
  options.decouple_wd = RADAM_ON;
  options.weight_decay = 0.25;
  for (size_t i = 0; i < COUNT; i++) {
    /* From what is 0 in 16 bits to what is infinite; ties between neighbours; what is not finite. */
    double number = ldexp((double)numbers[i], (int)(i % 60) - 40);
    if (i % 7 == 0) number = ldexp(2 * (double)(i % 4096) + 1, -(int)(i % 30));
    if (i % 500 == 1) number = INFINITY;
    if (i % 500 == 2) number = (double)NAN;
    if (i % 500 == 3) number = -0.0;
    if (i % 500 == 4) number = 65520 / 0.75;
    if (i % 500 == 5) number = ldexp(511, 119) / 0.75;
    if (dtype == RADAM_DTYPE_F64) data[i] = number;
    else ((float *)data)[i] = (float)number;
  }
  OK(NULL, radam_param_init(&param, sizeof param));
  param.dtype = dtype;
  param.len = COUNT;
  param.data = data;
  param.grad = grads;
  param.copy = copy;
  param.copy_dtype = copy_dtype;
  radam_optimizer *opt = create(1);
  OK(opt, radam_add_param_group(opt, &options, &param, 1, NULL));
  for (size_t byte = 0; byte < sizeof copy; byte++)
    CHECK(((char *)copy)[byte] == 0x5a, "a copy is written before the first step");
  for (int step = 0; step < STEPS; step++) {
    OK(opt, radam_step(opt));
    for (size_t i = 0; i < COUNT; i++) {
      const double value = dtype == RADAM_DTYPE_F64 ? data[i] : (double)((float *)data)[i];
      const double found = stored(copy, copy_dtype != 0 ? copy_dtype : RADAM_DTYPE_BF16, i);
      const double expected = nearest_in(copy_dtype, value);
      CHECK((isnan(found) && isnan(expected)) || (found == expected && signbit(found) == signbit(expected)),
            "step %d, dtypes %d and %d: %.17g is copied as %.17g, not %.17g", step, dtype, copy_dtype, value, found, expected);
    }
  }
  OK(opt, radam_free(opt));
  free(numbers);
}

/* What needs no new values makes none: a skipped step, one without gradient, accumulation. */
static void copies_wait_for_a_step(void) {
  static float data[64], grad[64];
  static uint16_t copy[64], before[64];
  radam_group_options options = group_options();
  radam_step_options skipping;
  radam_param param;
  fill(data, 64, 1);
  fill(grad, 64, 2);
  memset(copy, 0x5a, sizeof copy);
  memcpy(before, copy, sizeof copy);
  OK(NULL, radam_param_init(&param, sizeof param));
  param.dtype = RADAM_DTYPE_F32;
  param.len = 64;
  param.data = data;
  param.grad = grad;
  param.copy = copy;
  radam_optimizer *opt = create(1);
  OK(opt, radam_add_param_group(opt, &options, &param, 1, NULL));
  OK(NULL, radam_step_options_init(&skipping, sizeof skipping));
  skipping.skip_nonfinite = RADAM_ON;
  grad[63] = NAN;
  OK(opt, radam_step_with(opt, &skipping, NULL));
  grad[63] = 1;
  OK(opt, radam_set_frozen(opt, 0, RADAM_ON));
  OK(opt, radam_step(opt));
  OK(opt, radam_set_frozen(opt, 0, RADAM_OFF));
  OK(opt, radam_set_grad(opt, 0, NULL));
  OK(opt, radam_step(opt));
  CHECK(memcmp(copy, before, sizeof copy) == 0, "a copy is written without a step");
  OK(opt, radam_set_grad(opt, 0, grad));
  OK(opt, radam_step(opt));
  for (size_t i = 0; i < 64; i++)
    CHECK(stored(copy, RADAM_DTYPE_BF16, i) == nearest_in(0, (double)data[i]), "the copy is not written");
  OK(opt, radam_free(opt));
}

int main(void) {
  alarm(300); /* ends what hangs */
  masters_are_f32(RADAM_OFF);
  masters_are_f32(RADAM_ON);
  decay_that_is_too_small();
  random_numbers_are_the_same_everywhere();
  random_rounding_is_right_on_average();
  for (radam_dtype dtype = RADAM_DTYPE_F32; dtype <= RADAM_DTYPE_F64; dtype++) {
    copies_are_rounded(dtype, 0);
    copies_are_rounded(dtype, RADAM_DTYPE_BF16);
    copies_are_rounded(dtype, RADAM_DTYPE_F16);
    copies_are_rounded(dtype, RADAM_DTYPE_F32);
  }
  copies_wait_for_a_step();
  return 0;
}
