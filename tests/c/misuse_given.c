/* Bad input to what comes with optimizers and parameters: memory that callers bring, and ways of rounding. And
   structs of other sizes. */
#define _POSIX_C_SOURCE 200809L
#include "misuse.h"

#include <math.h>

enum { UNWRITTEN = 77 };

static void *never_allocate(uint64_t size, uint64_t alignment, void *user) {
  (void)size;
  (void)alignment;
  (void)user;
  CHECK(false, "half an allocator was called");
  return NULL;
}

static void never_release(void *pointer, uint64_t size, uint64_t alignment, void *user) {
  (void)pointer;
  never_allocate(size, alignment, user);
}

static void half_an_allocator(void) {
  radam_options options;
  radam_optimizer *created = NULL;
  OK(NULL, radam_options_init(&options, sizeof options));
  options.allocator.allocate = never_allocate;
  REFUSED_WITHOUT(NULL_POINTER, "allocator.release", radam_create(&options, &created));
  options.allocator.allocate = NULL;
  options.allocator.release = never_release;
  REFUSED_WITHOUT(NULL_POINTER, "allocator.allocate", radam_create(&options, &created));
  CHECK(created == NULL, "a refused radam_create wrote a handle");
}

/* The structs of version 0.1, which was never released, are not taken for those of now. */
/* But for radam_param, which has come to have the size that it had in 0.1. */
static void structs_of_version_0_1(radam_optimizer *opt) {
  union { radam_options options; radam_group_options group; radam_param param; radam_step_report report; } any;
  enum { OPTIONS = 8 + 5 * sizeof(void *) }; /* two numbers and five pointers, on 32 bits too */
  radam_optimizer *created = NULL;
  memset(&any, 0, sizeof any);
#define REFUSED_SIZE(size, call) any.options.struct_size = (size); REFUSED_WITHOUT(INVALID_ARGUMENT, "which no version had", call)
  REFUSED_SIZE(OPTIONS, radam_options_init(&any.options, OPTIONS));
  REFUSED_SIZE(OPTIONS, radam_create(&any.options, &created));
  REFUSED_SIZE(104, radam_group_options_init(&any.group, 104));
  REFUSED_SIZE(104, radam_add_param_group(opt, &any.group, NULL, 0, NULL));
  REFUSED_SIZE(88, radam_param_init(&any.param, 88));
  REFUSED_SIZE(88, radam_add_params(opt, 0, &any.param, 1, NULL));
  REFUSED_SIZE(48, radam_step_report_init(&any.report, 48));
  REFUSED_SIZE(48, radam_step_with(opt, NULL, &any.report));
  CHECK(created == NULL, "a refused radam_create wrote a handle");
}

static void sizes_are_the_same_in_an_array(radam_optimizer *opt) {
  static float data[2][LEN];
  radam_group_options options = group_options();
  radam_param params[2];
  for (int i = 0; i < 2; i++) {
    OK(NULL, radam_param_init(&params[i], sizeof params[i]));
    params[i].dtype = RADAM_DTYPE_F32;
    params[i].len = LEN;
    params[i].data = data[i];
  }
  params[1].struct_size = sizeof params[1] - 8;
  REFUSED(INVALID_ARGUMENT, "params[1].struct_size", radam_add_param_group(opt, &options, params, 2, NULL));
  params[1].struct_size = sizeof params[1] + 8;
  REFUSED(INVALID_ARGUMENT, "params[1].struct_size", radam_add_param_group(opt, &options, params, 2, NULL));
}

static tensor_memory mine;

static radam_param some_param(radam_dtype dtype) {
  radam_param param;
  OK(NULL, radam_param_init(&param, sizeof param));
  param.dtype = dtype;
  param.data = mine.data;
  param.grad = mine.grad;
  param.len = LEN;
  param.name = "new";
  return param;
}

/* One bad tensor for a group with Kahan summation, alone and behind a good one. */
static void refuse_param(radam_optimizer *opt, const char *word, const radam_group_options *options,
                         const radam_param *bad, int line) {
  static double good_data[LEN];
  radam_param both[2] = {some_param(bad->dtype), *bad};
  uint32_t id = UNWRITTEN;
  char place[64];
  both[0].data = good_data;
  both[0].grad = NULL;
  both[0].name = "good";
  refused(opt, radam_add_param_group(opt, options, bad, 1, &id), RADAM_ERROR_INVALID_ARGUMENT, word, "one parameter", line);
  snprintf(place, sizeof place, "params[1].%s", word);
  refused(opt, radam_add_param_group(opt, options, both, 2, &id), RADAM_ERROR_INVALID_ARGUMENT, place, "two parameters", line);
  CHECK(id == UNWRITTEN, "line %d: a refused call wrote an id", line);
}

static void arrays_that_come_with_parameters(radam_optimizer *opt) {
  radam_group_options options = group_options();
  radam_param bad;
  options.kahan_sum = RADAM_ON;
#define BAD_PARAM(of, word, ...)                          \
  bad = some_param(RADAM_DTYPE_##of);                     \
  __VA_ARGS__;                                            \
  refuse_param(opt, word, &options, &bad, __LINE__)
  BAD_PARAM(F32, "copy_dtype", bad.copy = mine.bytes; bad.copy_dtype = -1);
  BAD_PARAM(F32, "copy_dtype", bad.copy_dtype = 5);
  BAD_PARAM(F32, "copy_dtype", bad.copy = mine.bytes; bad.copy_dtype = RADAM_DTYPE_F64);
  BAD_PARAM(BF16, "copy", bad.copy = mine.copy);
  BAD_PARAM(F16, "copy", bad.copy = mine.copy);
  BAD_PARAM(F32, "copy", bad.copy = mine.bytes + 1);
  BAD_PARAM(F32, "copy", bad.copy = mine.bytes + 2; bad.copy_dtype = RADAM_DTYPE_F32);
  BAD_PARAM(F32, "exp_avg", bad.exp_avg = mine.bytes + 2);
  BAD_PARAM(F32, "exp_avg_sq", bad.exp_avg_sq = mine.bytes + 1);
  BAD_PARAM(F32, "kahan_comp", bad.kahan_comp = mine.bytes + 2);
  BAD_PARAM(F64, "exp_avg", bad.grad = NULL; bad.len = LEN / 2; bad.exp_avg = mine.bytes + 4);
  options.state_dtype = RADAM_DTYPE_F32;
  BAD_PARAM(BF16, "exp_avg_sq", bad.exp_avg_sq = mine.bytes + 2);
  options.state_dtype = 0;

  /* Overlaps with the parameter's own arrays, with those of others, and with gradients. */
#define EVERY_FIELD(overlap)                                                               \
  do {                                                                                     \
    void *const other = (overlap);                                                         \
    BAD_PARAM(F32, "copy", bad.copy = other);                                                \
    BAD_PARAM(F32, "exp_avg", bad.exp_avg = other);                                        \
    BAD_PARAM(F32, "exp_avg_sq", bad.exp_avg_sq = other);                                  \
    BAD_PARAM(F32, "kahan_comp", bad.kahan_comp = other);                                  \
  } while (0)
  EVERY_FIELD(hurt.weight + LEN - 1);
  EVERY_FIELD(hurt.weight_grad + 1);
  EVERY_FIELD(hurt.bias_grad + LEN - 1);
  EVERY_FIELD(hurt.placed_grad);
  EVERY_FIELD(hurt.released);
  EVERY_FIELD(hurt.copy);
  EVERY_FIELD(hurt.exp_avg + 3);
  EVERY_FIELD(hurt.exp_avg_sq + LEN - 1);
  EVERY_FIELD(hurt.kahan_comp);
#define OVERLAP(...)                                                                                    \
  bad = some_param(RADAM_DTYPE_F32);                                                                    \
  __VA_ARGS__;                                                                                          \
  REFUSED(INVALID_ARGUMENT, "overlap", radam_add_param_group(opt, &options, &bad, 1, NULL))
  OVERLAP(bad.copy = mine.data);
  OVERLAP(bad.copy = mine.data + LEN - 1);
  OVERLAP(bad.copy = mine.grad);
  OVERLAP(bad.exp_avg = mine.data + 1);
  OVERLAP(bad.exp_avg_sq = mine.grad + 1);
  OVERLAP(bad.kahan_comp = mine.grad + LEN - 1);
  OVERLAP(bad.exp_avg = bad.exp_avg_sq = mine.state[0]);
  OVERLAP(bad.exp_avg = mine.state[0]; bad.exp_avg_sq = mine.state[0] + LEN - 1);
  OVERLAP(bad.exp_avg = mine.state[0]; bad.kahan_comp = mine.state[0] + 1);
  OVERLAP(bad.exp_avg_sq = mine.state[1]; bad.kahan_comp = mine.state[1] - 1);
  OVERLAP(bad.copy = mine.state[0]; bad.exp_avg = mine.state[0] + 3);
  OVERLAP(bad.copy = mine.state[0]; bad.copy_dtype = RADAM_DTYPE_F32; bad.kahan_comp = mine.state[0] + LEN - 1);
  OVERLAP(bad.data = hurt.exp_avg);
  OVERLAP(bad.grad = hurt.kahan_comp);
  OVERLAP(bad.grad = hurt.copy);

  /* A compensation where there is none. */
  options.kahan_sum = RADAM_OFF;
  BAD_PARAM(F32, "kahan_comp", bad.kahan_comp = mine.state[2]);
  BAD_PARAM(BF16, "kahan_comp", bad.kahan_comp = mine.state[2]);
  options.kahan_sum = RADAM_AUTO;
  BAD_PARAM(F32, "kahan_comp", bad.kahan_comp = mine.state[2]);
  BAD_PARAM(F64, "kahan_comp", bad.grad = NULL; bad.len = LEN / 2; bad.kahan_comp = mine.state[2]);
  options.stochastic_rounding = RADAM_ON;
  BAD_PARAM(BF16, "kahan_comp", bad.kahan_comp = mine.state[2]);
  options.stochastic_rounding = RADAM_AUTO;
  options.master_remainder = RADAM_ON;
  BAD_PARAM(BF16, "kahan_comp", bad.kahan_comp = mine.bytes + 1);
}

/* What was apart must stay apart. */
static void pointers_that_move(radam_optimizer *opt) {
  void *const taken[] = {hurt.exp_avg, hurt.exp_avg_sq + LEN - 1, hurt.kahan_comp + 1, hurt.copy + 2 * (LEN / 4)};
  for (int i = 0; i < 4; i++) {
    REFUSED(INVALID_ARGUMENT, "overlap", radam_set_data(opt, WEIGHT, taken[i]));
    REFUSED(INVALID_ARGUMENT, "overlap", radam_set_data(opt, PLACED, taken[i]));
    REFUSED(INVALID_ARGUMENT, "overlap", radam_set_grad(opt, WEIGHT, taken[i]));
    REFUSED(INVALID_ARGUMENT, "overlap", radam_set_grad(opt, PLACED, taken[i]));
    REFUSED(INVALID_ARGUMENT, "overlap", radam_step_param(opt, RELEASED, taken[i]));
  }
  /* Only a gradient is there. */
  REFUSED(INVALID_ARGUMENT, "overlap", radam_set_data(opt, WEIGHT, hurt.weight_grad));
  REFUSED(INVALID_ARGUMENT, "overlap", radam_set_data(opt, WEIGHT, hurt.weight_grad + 1));
}

/* The caller's arrays are of one dtype for as long as they are used. */
static void dtype_of_given_state(void) {
  static uint16_t data[LEN], average[LEN];
  radam_group_options options = group_options();
  radam_param param = some_param(RADAM_DTYPE_BF16);
  radam_optimizer *opt = create(1);
  radam_dtype dtype = 0;
  void *state = NULL;
  param.data = data;
  param.grad = NULL;
  param.exp_avg_sq = average;
  OK(opt, radam_add_param_group(opt, &options, &param, 1, NULL));
  REFUSED_ON(opt, INVALID_STATE, "state_dtype", SET_OPTION(opt, 0, state_dtype, RADAM_DTYPE_F32));
  OK(opt, SET_OPTION(opt, 0, state_dtype, RADAM_DTYPE_BF16)); /* as it is */
  OK(opt, radam_param_state(opt, 0, RADAM_STATE_EXP_AVG_SQ, &state, &dtype));
  CHECK(state == average && dtype == RADAM_DTYPE_BF16, "the state of the caller is another");
  OK(opt, radam_remove_param(opt, 0));
  OK(opt, SET_OPTION(opt, 0, state_dtype, RADAM_DTYPE_F32));
  OK(opt, radam_free(opt));
}

/* At most one way of rounding, and the new ones for bf16 only, whichever is set last. */
static void ways_of_rounding(radam_optimizer *opt) {
  static float f32[LEN];
  radam_group_options bad;
  radam_param param = some_param(RADAM_DTYPE_F32);
  uint32_t id = UNWRITTEN;
#define CLASH(one, other)                                                                 \
  bad = group_options();                                                                  \
  bad.one = bad.other = RADAM_ON;                                                         \
  REFUSED(INVALID_ARGUMENT, #one, radam_add_param_group(opt, &bad, NULL, 0, &id));        \
  REFUSED(INVALID_ARGUMENT, #other, radam_add_param_group(opt, &bad, NULL, 0, &id));
  CLASH(kahan_sum, master_remainder)
  CLASH(kahan_sum, stochastic_rounding)
  CLASH(master_remainder, stochastic_rounding)
  REFUSED(INVALID_ARGUMENT, "master_remainder", SET_OPTION(opt, 2, kahan_sum, RADAM_ON));
  REFUSED(INVALID_ARGUMENT, "stochastic_rounding", SET_OPTION(opt, 2, stochastic_rounding, RADAM_ON));
  REFUSED(INVALID_ARGUMENT, "kahan_sum", SET_OPTION(opt, 3, master_remainder, RADAM_ON));
  REFUSED(INVALID_ARGUMENT, "bf16", SET_OPTION(opt, 0, master_remainder, RADAM_ON));
  REFUSED(INVALID_ARGUMENT, "bf16", SET_OPTION(opt, 0, stochastic_rounding, RADAM_ON));
  const radam_dtype others[] = {RADAM_DTYPE_F32, RADAM_DTYPE_F64, RADAM_DTYPE_F16};
  for (int i = 0; i < 3; i++) {
    param.dtype = others[i];
    param.len = LEN / 2;
    bad = group_options();
    bad.master_remainder = RADAM_ON;
    REFUSED(INVALID_ARGUMENT, "master_remainder", radam_add_param_group(opt, &bad, &param, 1, &id));
    REFUSED(INVALID_ARGUMENT, "master_remainder", radam_add_param(opt, 2, others[i], 0, f32, NULL, LEN / 2, NULL, &id));
    bad.master_remainder = RADAM_OFF;
    bad.stochastic_rounding = RADAM_ON;
    REFUSED(INVALID_ARGUMENT, "stochastic_rounding", radam_add_param_group(opt, &bad, &param, 1, &id));
  }
  CHECK(id == UNWRITTEN, "a refused call wrote its output");
}

int main(void) {
  make(&hurt);
  make(&twin);
  for (int round = 0; round < 2; round++) {
    half_an_allocator();
    structs_of_version_0_1(hurt.opt);
    sizes_are_the_same_in_an_array(hurt.opt);
    arrays_that_come_with_parameters(hurt.opt);
    pointers_that_move(hurt.opt);
    dtype_of_given_state();
    ways_of_rounding(hurt.opt);
    step_both();
  }
  end_both();
  return 0;
}
