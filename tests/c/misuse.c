/* Bad input in every argument of every function: the right status, a message that names the
   argument, and nothing changed. */
#define _POSIX_C_SOURCE 200809L
#include "misuse.h"

#include <math.h>

static void structs(void) {
  radam_options options;
  radam_group_options group;
  radam_param param;
  radam_optimizer *created = NULL;
  REFUSED_WITHOUT(NULL_POINTER, "options", radam_options_init(NULL, sizeof options));
  REFUSED_WITHOUT(NULL_POINTER, "options", radam_group_options_init(NULL, sizeof group));
  REFUSED_WITHOUT(NULL_POINTER, "param", radam_param_init(NULL, sizeof param));
  const uint32_t wrong[] = {0, 1, 3, 4096, UINT32_MAX};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    memset(&group, 0x5a, sizeof group);
    REFUSED_WITHOUT(INVALID_ARGUMENT, "struct_size", radam_options_init(&options, wrong[i]));
    REFUSED_WITHOUT(INVALID_ARGUMENT, "struct_size", radam_group_options_init(&group, wrong[i]));
    REFUSED_WITHOUT(INVALID_ARGUMENT, "struct_size", radam_param_init(&param, wrong[i]));
    for (size_t byte = 0; byte < sizeof group; byte++)
      CHECK(((unsigned char *)&group)[byte] == 0x5a, "a refused init wrote byte %zu", byte);
    OK(NULL, radam_options_init(&options, sizeof options));
    options.struct_size = wrong[i];
    REFUSED_WITHOUT(INVALID_ARGUMENT, "radam_options_init", radam_create(&options, &created));
  }
  OK(NULL, radam_options_init(&options, sizeof options));
  options.num_threads = 1025;
  REFUSED_WITHOUT(INVALID_ARGUMENT, "num_threads", radam_create(&options, &created));
  options.num_threads = UINT32_MAX;
  REFUSED_WITHOUT(INVALID_ARGUMENT, "num_threads", radam_create(&options, &created));
  options.num_threads = 0;
  options.cuda_device = 1;
  REFUSED_WITHOUT(INVALID_ARGUMENT, "cuda_device is 1", radam_create(&options, &created));
  options.cuda_device = 0;
  options.cuda_stream = &options;
  REFUSED_WITHOUT(INVALID_ARGUMENT, "cuda_stream is 0x", radam_create(&options, &created));
  REFUSED_WITHOUT(NULL_POINTER, "opt", radam_create(NULL, NULL));
  CHECK(created == NULL, "a refused radam_create wrote a handle");
}

#define TOGGLES(X)                                                                                        \
  X(decouple_wd) X(decouple_lr) X(kahan_sum) X(for_each) X(gradient_release) X(maximize) X(rectify)       \
  X(master_remainder) X(stochastic_rounding) X(unrectified)

static void group_options_values(radam_optimizer *opt) {
  const double bad_betas[] = {-0.1, 1.0, 1.5, -INFINITY, INFINITY, NAN}, bad_sizes[] = {-1e-9, -INFINITY, INFINITY, NAN};
  const radam_toggle bad_toggles[] = {-1, 3, INT32_MAX};
  const radam_dtype bad_dtypes[] = {-1, 6, INT32_MAX};
  radam_group_options bad;
  uint32_t id = 77;
  OK(NULL, radam_group_options_init(&bad, sizeof bad));
  REFUSED(INVALID_ARGUMENT, "lr", radam_add_param_group(opt, &bad, NULL, 0, &id)); /* lr has no default */
#define BAD_OPTION(field, value)                                                             \
  bad = group_options();                                                                     \
  bad.field = value;                                                                         \
  REFUSED(INVALID_ARGUMENT, #field, radam_add_param_group(opt, &bad, NULL, 0, &id));         \
  REFUSED(INVALID_ARGUMENT, #field, SET_OPTION(opt, 0, field, value));
  for (int i = 0; i < 6; i++) {
    BAD_OPTION(beta1, bad_betas[i])
    BAD_OPTION(beta2, bad_betas[i])
  }
  for (int i = 0; i < 4; i++) {
    BAD_OPTION(lr, bad_sizes[i])
    BAD_OPTION(weight_decay, bad_sizes[i])
    BAD_OPTION(eps, bad_sizes[i])
    BAD_OPTION(rectify_threshold, bad_sizes[i])
    if (!isnan(bad_sizes[i])) { BAD_OPTION(max_lr, bad_sizes[i]) } /* NaN means lr */
    REFUSED(INVALID_ARGUMENT, "lr", radam_set_lr(opt, 0, bad_sizes[i]));
    REFUSED(INVALID_ARGUMENT, "weight_decay", radam_set_weight_decay(opt, 0, bad_sizes[i]));
  }
  BAD_OPTION(rectify_threshold, 3.999)
#define BAD_TOGGLE(field) for (int i = 0; i < 3; i++) { BAD_OPTION(field, bad_toggles[i]) }
  TOGGLES(BAD_TOGGLE)
  for (int i = 0; i < 3; i++) { BAD_OPTION(state_dtype, bad_dtypes[i]) }

  /* A struct that was zeroed instead of initialised, which would be SGD without a word. */
  memset(&bad, 0, sizeof bad);
  bad.struct_size = sizeof bad;
  bad.lr = bad.max_lr = 0.01;
  bad.rectify_threshold = 5;
  REFUSED(INVALID_ARGUMENT, "radam_group_options_init", radam_add_param_group(opt, &bad, NULL, 0, &id));
  REFUSED(INVALID_ARGUMENT, "radam_group_options_init", radam_set_group_options(opt, 0, &bad));

  bad = group_options();
  bad.decouple_lr = RADAM_ON;
  bad.max_lr = 0;
  REFUSED(INVALID_ARGUMENT, "max_lr", radam_add_param_group(opt, &bad, NULL, 0, &id));
  REFUSED(NULL_POINTER, "options", radam_add_param_group(opt, NULL, NULL, 0, &id));
  const uint32_t wrong_sizes[] = {0, 5, sizeof bad - 1, sizeof bad + 8};
  for (int i = 0; i < 4; i++) {
    bad = group_options();
    bad.struct_size = wrong_sizes[i];
    REFUSED(INVALID_ARGUMENT, "radam_group_options_init", radam_add_param_group(opt, &bad, NULL, 0, &id));
    REFUSED(INVALID_ARGUMENT, "struct_size", radam_set_group_options(opt, 0, &bad));
    REFUSED(INVALID_ARGUMENT, "struct_size", radam_get_group_options(opt, 0, &bad));
  }
  CHECK(id == 77, "a refused call wrote its output");
}

/* The getters and setters of options, given a group that is not there or nothing to write to. */
static void groups_that_are_not_there(radam_optimizer *opt) {
  const uint32_t nobody[] = {GROUPS, UINT32_MAX};
  const radam_group_options before = group_options();
  radam_group_options options = before;
  double number = 77;
  for (int i = 0; i < 2; i++) {
    REFUSED(INVALID_ARGUMENT, "group", radam_get_group_options(opt, nobody[i], &options));
    REFUSED(INVALID_ARGUMENT, "group", radam_set_group_options(opt, nobody[i], &options));
    REFUSED(INVALID_ARGUMENT, "group", radam_get_lr(opt, nobody[i], &number));
    REFUSED(INVALID_ARGUMENT, "group", radam_set_lr(opt, nobody[i], 0.5));
    REFUSED(INVALID_ARGUMENT, "group", radam_get_weight_decay(opt, nobody[i], &number));
    REFUSED(INVALID_ARGUMENT, "group", radam_set_weight_decay(opt, nobody[i], 0.5));
  }
  REFUSED(NULL_POINTER, "options", radam_get_group_options(opt, 0, NULL));
  REFUSED(NULL_POINTER, "options", radam_set_group_options(opt, 0, NULL));
  REFUSED(NULL_POINTER, "lr", radam_get_lr(opt, 0, NULL));
  REFUSED(NULL_POINTER, "weight_decay", radam_get_weight_decay(opt, 0, NULL));
  CHECK(number == 77 && memcmp(&options, &before, sizeof options) == 0, "a refused call wrote its output");
}

/* max_lr = 0 with decouple_lr is refused whichever of the two is set last. */
static void decouple_lr_without_max_lr(void) {
  radam_optimizer *opt = create(1);
  radam_group_options options = group_options();
  uint32_t group = add_group(opt, &options);
  OK(opt, SET_OPTION(opt, group, max_lr, 0));
  REFUSED(INVALID_ARGUMENT, "max_lr", SET_OPTION(opt, group, decouple_lr, RADAM_ON));
  OK(opt, SET_OPTION(opt, group, max_lr, 1));
  OK(opt, SET_OPTION(opt, group, decouple_lr, RADAM_ON));
  REFUSED(INVALID_ARGUMENT, "max_lr", SET_OPTION(opt, group, max_lr, 0));
  OK(opt, radam_free(opt));
}

/* One bad tensor, given to radam_add_param, and to radam_add_param_group behind a good one. */
static void refuse_param(radam_optimizer *opt, radam_status expected, const char *word, const radam_param *bad, int line) {
  static float good_data[LEN];
  radam_group_options options = group_options();
  radam_param both[2];
  uint32_t id = 77;
  OK(NULL, radam_param_init(&both[0], sizeof both[0]));
  both[0].dtype = RADAM_DTYPE_F32;
  both[0].data = good_data;
  both[0].len = LEN;
  both[0].name = "good";
  both[1] = *bad;
  refused(opt, radam_add_param(opt, 0, bad->dtype, bad->grad_dtype, bad->data, bad->grad, bad->len, bad->name, &id),
          expected, word, "radam_add_param", line);
  refused(opt, radam_add_param_group(opt, &options, both, 2, &id), expected, word, "radam_add_param_group", line);
  refused(opt, radam_add_params(opt, 0, both, 2, &id), expected, word, "radam_add_params", line);
  CHECK(id == 77, "line %d: a refused call wrote an id", line);
}

static radam_param some_param(void) {
  static float data[LEN], grad[LEN];
  radam_param param;
  OK(NULL, radam_param_init(&param, sizeof param));
  param.dtype = RADAM_DTYPE_F32;
  param.data = data;
  param.grad = grad;
  param.len = LEN;
  param.name = "new";
  return param;
}

static void params(radam_optimizer *opt) {
  static char bytes[8 * LEN + 8];
  radam_param bad;
#define BAD_PARAM(expected, word, ...)                              \
  bad = some_param();                                               \
  __VA_ARGS__;                                                      \
  refuse_param(opt, RADAM_ERROR_##expected, word, &bad, __LINE__)
  BAD_PARAM(INVALID_ARGUMENT, "dtype", bad.dtype = 0);
  BAD_PARAM(INVALID_ARGUMENT, "dtype", bad.dtype = -1);
  BAD_PARAM(INVALID_ARGUMENT, "dtype", bad.dtype = 5);
  BAD_PARAM(INVALID_ARGUMENT, "grad_dtype", bad.grad_dtype = -1);
  BAD_PARAM(INVALID_ARGUMENT, "grad_dtype", bad.grad_dtype = 5);
  BAD_PARAM(INVALID_ARGUMENT, "len", bad.len = UINT64_MAX);
  BAD_PARAM(INVALID_ARGUMENT, "len", bad.len = UINT64_MAX / 4);
  BAD_PARAM(INVALID_ARGUMENT, "data", bad.data = bytes + 1);
  BAD_PARAM(INVALID_ARGUMENT, "grad", bad.grad = bytes + 2);
  BAD_PARAM(INVALID_ARGUMENT, "grad", bad.grad_dtype = RADAM_DTYPE_F64; bad.grad = bytes + 4);
  BAD_PARAM(INVALID_ARGUMENT, "overlap", bad.data = hurt.weight);
  BAD_PARAM(INVALID_ARGUMENT, "overlap", bad.data = hurt.weight + LEN - 1);
  BAD_PARAM(INVALID_ARGUMENT, "overlap", bad.data = hurt.bias_grad);
  BAD_PARAM(INVALID_ARGUMENT, "overlap", bad.grad = hurt.weight + LEN / 2);
  BAD_PARAM(INVALID_ARGUMENT, "overlap", bad.grad = bad.data);
  BAD_PARAM(INVALID_ARGUMENT, "overlap", bad.grad = (float *)bad.data + 1);
  BAD_PARAM(INVALID_ARGUMENT, "weight", bad.name = "weight");
  BAD_PARAM(INVALID_ARGUMENT, "name", bad.name = "");
  BAD_PARAM(INVALID_ARGUMENT, "name", bad.name = "\xff\xfe");

  /* The default name of a parameter is taken, by whoever has it first. */
  bad = some_param();
  bad.name = NULL;
  static float far_away[2][LEN];
  uint32_t named;
  radam_optimizer *other = create(1);
  radam_group_options options = group_options();
  add_group(other, &options);
  OK(other, radam_add_param(other, 0, RADAM_DTYPE_F32, 0, far_away[0], NULL, LEN, "param.1", &named));
  REFUSED_ON(other, INVALID_ARGUMENT, "param.1", radam_add_param(other, 0, RADAM_DTYPE_F32, 0, far_away[1], NULL, LEN, NULL, &named));
  OK(other, radam_add_param(other, 0, RADAM_DTYPE_F32, 0, far_away[1], NULL, LEN, "param.01", &named));
  OK(other, radam_add_param(other, 0, RADAM_DTYPE_F32, 0, NULL, NULL, 0, NULL, &named));
  REFUSED_ON(other, INVALID_ARGUMENT, "param.2", radam_add_param(other, 0, RADAM_DTYPE_F32, 0, NULL, NULL, 0, "param.2", &named));
  OK(other, radam_free(other));

  /* What only radam_add_param_group can be given. */
  radam_param two[2] = {some_param(), some_param()};
  static float elsewhere[LEN];
  two[1].data = elsewhere;
  REFUSED(INVALID_ARGUMENT, "new", radam_add_param_group(opt, &options, two, 2, NULL)); /* one name twice */
  two[1] = some_param();
  two[1].name = "newer";
  REFUSED(INVALID_ARGUMENT, "overlap", radam_add_param_group(opt, &options, two, 2, NULL));
  REFUSED(NULL_POINTER, "params", radam_add_param_group(opt, &options, NULL, 1, NULL));
  REFUSED(INVALID_ARGUMENT, "count", radam_add_param_group(opt, &options, two, UINT64_MAX, NULL));
  const uint32_t wrong_sizes[] = {0, 5, sizeof bad - 1, sizeof bad + 8};
  for (int i = 0; i < 4; i++) {
    bad = some_param();
    bad.struct_size = wrong_sizes[i];
    two[1] = bad;
    REFUSED(INVALID_ARGUMENT, "params[0].struct_size", radam_add_param_group(opt, &options, &bad, 1, NULL));
    REFUSED(INVALID_ARGUMENT, "params[1].struct_size", radam_add_param_group(opt, &options, two, 2, NULL));
  }
  /* And what only radam_add_param can be given. */
  uint32_t id;
  REFUSED(INVALID_ARGUMENT, "group", radam_add_param(opt, GROUPS, RADAM_DTYPE_F32, 0, elsewhere, NULL, LEN, NULL, &id));
  REFUSED(INVALID_ARGUMENT, "group", radam_add_param(opt, UINT32_MAX, RADAM_DTYPE_F32, 0, elsewhere, NULL, LEN, NULL, &id));
}

static void rebinding_and_stepping(radam_optimizer *opt) {
  static char bytes[8 * LEN + 8];
  uint64_t steps = 77;
  REFUSED(INVALID_ARGUMENT, "param", radam_set_grad(opt, PARAMS, hurt.weight_grad));
  REFUSED(INVALID_ARGUMENT, "grad", radam_set_grad(opt, 0, bytes + 1));
  REFUSED(INVALID_ARGUMENT, "overlap", radam_set_grad(opt, 0, hurt.weight));
  REFUSED(INVALID_ARGUMENT, "overlap", radam_set_grad(opt, 0, hurt.bias + 1));
  REFUSED(INVALID_ARGUMENT, "param", radam_set_data(opt, PARAMS, bytes));
  REFUSED(INVALID_ARGUMENT, "data", radam_set_data(opt, 0, bytes + 1));
  REFUSED(INVALID_ARGUMENT, "overlap", radam_set_data(opt, 0, hurt.bias));
  REFUSED(INVALID_ARGUMENT, "overlap", radam_set_data(opt, 0, hurt.bias_grad + LEN - 1));
  REFUSED(INVALID_ARGUMENT, "param", radam_step_count(opt, PARAMS, &steps));
  REFUSED(NULL_POINTER, "steps", radam_step_count(opt, 0, NULL));
  CHECK(steps == 77, "a refused radam_step_count wrote its output");
  REFUSED(INVALID_STATE, "gradient_release", radam_step_param(opt, 0, bytes));
  REFUSED(INVALID_ARGUMENT, "param", radam_step_param(opt, PARAMS, bytes));
  REFUSED(NULL_POINTER, "grad", radam_step_param(opt, RELEASED, NULL));
  REFUSED(INVALID_ARGUMENT, "grad", radam_step_param(opt, RELEASED, bytes + 1));
  REFUSED(INVALID_ARGUMENT, "overlap", radam_step_param(opt, RELEASED, hurt.released));
  REFUSED(INVALID_ARGUMENT, "overlap", radam_step_param(opt, RELEASED, hurt.weight));
  const radam_toggle bad_toggles[] = {-1, 3, INT32_MAX};
  for (int i = 0; i < 3; i++) REFUSED(INVALID_ARGUMENT, "on", radam_set_optimizer_accumulation(opt, bad_toggles[i]));
  REFUSED(NULL_POINTER, "on", radam_get_optimizer_accumulation(opt, NULL));
}

/* A message that does not fit is cut, ends in NUL, and its length is told. */
static void last_error_fits(radam_optimizer *opt) {
  char message[512], cut[512];
  CHECK(radam_set_lr(opt, 0, -1.5) == RADAM_ERROR_INVALID_ARGUMENT, "a negative lr was taken");
  uint64_t bytes = radam_last_error(opt, message, sizeof message);
  CHECK(strstr(message, "-1.5") != NULL, "the message does not give the value: %s", message);
  CHECK(radam_last_error(opt, NULL, 0) == bytes && radam_last_error(opt, NULL, 100) == bytes, "asking for the size gave another size");
  for (uint64_t cap = 0; cap <= bytes + 1; cap++) {
    memset(cut, '#', sizeof cut);
    CHECK(radam_last_error(opt, cut, cap) == bytes, "the size depends on the buffer");
    CHECK(cut[cap] == '#', "radam_last_error wrote beyond its %llu bytes", (unsigned long long)cap);
    CHECK(cap == 0 || strlen(cut) == (cap < bytes ? cap : bytes) - 1, "the message in %llu bytes is '%s'", (unsigned long long)cap, cut);
  }
}

int main(void) {
  make(&hurt);
  make(&twin);
  for (int round = 0; round < 2; round++) {
    structs();
    group_options_values(hurt.opt);
    groups_that_are_not_there(hurt.opt);
    decouple_lr_without_max_lr();
    params(hurt.opt);
    rebinding_and_stepping(hurt.opt);
    last_error_fits(hurt.opt);
    step_both();
  }
  end_both();
  return 0;
}
