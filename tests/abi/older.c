/* A program that was compiled against an older header. A later library, whose structs may be larger, neither reads nor
   writes more of them than there was, and takes and gives every field where it was. */
#include "../c/check.h"

#include <math.h>

/* A struct as the caller has it, with other things of the caller's behind it. */
#define IN_FRONT_OF_OTHERS(type) \
  struct {                       \
    type its;                    \
    unsigned char others[64];    \
  }

static void check_untouched(const unsigned char *others, const char *when) {
  for (int i = 0; i < 64; i++) CHECK(others[i] == 0xa5, "%s: byte %d behind the struct was written", when, i);
}

#define INIT(place, type)                                   \
  do {                                                      \
    memset(&(place), 0xa5, sizeof(place));                  \
    OK(NULL, type##_init(&(place).its, sizeof(place).its)); \
    CHECK((place).its.struct_size == sizeof(place).its, "struct_size is another"); \
    check_untouched((place).others, #type "_init");         \
  } while (0)

/* LEN is enough for more than one piece of work. */
enum { LEN = 20000, COUNT = 2 };

static float data[COUNT][LEN], grads[COUNT][LEN], exp_avg[COUNT][LEN], exp_avg_sq[COUNT][LEN], kahan_comp[COUNT][LEN];
static uint16_t copies[COUNT][LEN];
static const char *const names[COUNT] = {"first", "second"};

static int allocations;

static void *allocate(uint64_t size, uint64_t alignment, void *user) {
  CHECK(user == &allocations && alignment <= 16, "allocate is called otherwise");
  allocations++;
  return malloc(size);
}

static void release(void *pointer, uint64_t size, uint64_t alignment, void *user) {
  CHECK(user == &allocations && size > 0 && alignment > 0, "release is called otherwise");
  allocations--;
  free(pointer);
}

static int loops;

static void parallel_for(uint64_t count, void (*body)(uint64_t index, void *body_data), void *body_data, void *user) {
  CHECK(user == &loops, "parallel_for is called otherwise");
  loops++;
  for (uint64_t i = 0; i < count; i++) body(i, body_data);
}

static radam_optimizer *create_with_all(void) {
  IN_FRONT_OF_OTHERS(radam_options) options;
  radam_optimizer *opt = NULL;
  INIT(options, radam_options);
  CHECK(options.its.num_threads == 0 && options.its.allocator.allocate == NULL && options.its.executor.parallel_for == NULL,
        "other defaults");
  options.its.num_threads = 2;
  options.its.allocator = (radam_allocator){allocate, release, &allocations};
  options.its.executor = (radam_executor){parallel_for, &loops};
  options.its.parallel_from = 1;
  OK(NULL, radam_create(&options.its, &opt));
  return opt;
}

static radam_group_options distinct_options(void) {
  IN_FRONT_OF_OTHERS(radam_group_options) options;
  INIT(options, radam_group_options);
  CHECK(isnan(options.its.lr) && options.its.beta2 == 0.99 && options.its.seed == 0 && options.its.rectify == RADAM_AUTO, "other defaults");
  options.its.decouple_wd = RADAM_ON;
  options.its.decouple_lr = RADAM_OFF;
  options.its.kahan_sum = RADAM_ON;
  options.its.for_each = RADAM_ON;
  options.its.gradient_release = RADAM_OFF;
  options.its.maximize = RADAM_ON;
  options.its.rectify = RADAM_OFF;
  options.its.state_dtype = RADAM_DTYPE_F32;
  options.its.lr = 0.25;
  options.its.beta1 = 0.5;
  options.its.beta2 = 0.75;
  options.its.weight_decay = 0.5;
  options.its.eps = 0.125;
  options.its.max_lr = 2;
  options.its.rectify_threshold = 4.5;
  options.its.seed = 1ULL << 40;
  return options.its;
}

/* The size is the stride of the array. */
static void add_all(radam_optimizer *opt) {
  const radam_group_options options = distinct_options();
  IN_FRONT_OF_OTHERS(radam_param) param;
  radam_param params[COUNT];
  uint32_t group = 77;
  for (int i = 0; i < COUNT; i++) {
    INIT(param, radam_param);
    CHECK(param.its.data == NULL && param.its.tensor_len == 0, "other defaults");
    param.its.dtype = RADAM_DTYPE_F32;
    param.its.len = LEN;
    param.its.data = data[i];
    param.its.grad = grads[i];
    param.its.name = names[i];
    param.its.copy = copies[i];
    param.its.copy_dtype = RADAM_DTYPE_F16;
    param.its.exp_avg = i == 0 ? exp_avg[i] : NULL;
    param.its.exp_avg_sq = exp_avg_sq[i];
    param.its.kahan_comp = kahan_comp[i];
    param.its.tensor_offset = 8;
    param.its.tensor_len = LEN + 16;
    params[i] = param.its;
    for (int j = 0; j < LEN; j++) {
      data[i][j] = 1;
      grads[i][j] = (float)(3 * i + j % 4);
    }
  }
  OK(opt, radam_add_param_group(opt, &options, params, COUNT, &group));
  CHECK(group == 0 && allocations == 1, "group %u, %d allocations", group, allocations);
}

static void check_descriptions(radam_optimizer *opt) {
  IN_FRONT_OF_OTHERS(radam_group_options) options;
  const radam_group_options expected = distinct_options();
  INIT(options, radam_group_options);
  OK(opt, radam_get_group_options(opt, 0, &options.its));
  check_untouched(options.others, "radam_get_group_options");
  CHECK(memcmp(&options.its, &expected, sizeof expected) == 0, "the options are others");
  for (uint32_t i = 0; i < COUNT; i++) {
    IN_FRONT_OF_OTHERS(radam_param) param;
    INIT(param, radam_param);
    OK(opt, radam_get_param(opt, i, NULL, &param.its));
    check_untouched(param.others, "radam_get_param");
    const radam_param *p = &param.its;
    CHECK(p->dtype == RADAM_DTYPE_F32 && p->grad_dtype == RADAM_DTYPE_F32 && p->copy_dtype == RADAM_DTYPE_F16 && p->len == LEN,
          "parameter %u has other dtypes or another length", i);
    CHECK(p->data == data[i] && p->grad == grads[i] && p->name == NULL && p->copy == copies[i], "parameter %u has other arrays", i);
    CHECK(p->exp_avg == (i == 0 ? exp_avg[i] : NULL) && p->exp_avg_sq == exp_avg_sq[i] && p->kahan_comp == kahan_comp[i],
          "parameter %u has other state", i);
    CHECK(p->tensor_offset == 8 && p->tensor_len == LEN + 16, "parameter %u is another slice", i);
  }
}

/* The first step of Adam with decay, ascending: m = -g, v = g^2. */
static void check_first_step(radam_optimizer *opt) {
  IN_FRONT_OF_OTHERS(radam_step_options) options;
  IN_FRONT_OF_OTHERS(radam_step_report) report;
  IN_FRONT_OF_OTHERS(radam_group_report) next;
  double sum = 0;
  INIT(options, radam_step_options);
  INIT(report, radam_step_report);
  INIT(next, radam_group_report);
  CHECK(options.its.grad_scale == 1 && options.its.grad_sums == NULL && options.its.max_grad_value == 0, "other defaults");
  options.its.grad_scale = 0.5;
  options.its.max_grad_norm = 1000;
  options.its.max_grad_value = 1.25;
  options.its.skip_nonfinite = options.its.zero_grad = options.its.report_norms = RADAM_ON;
  OK(opt, radam_step_with(opt, &options.its, &report.its));
  check_untouched(report.others, "radam_step_with");
  for (int i = 0; i < COUNT; i++) {
    for (int j = 0; j < LEN; j++) {
      const double scaled = 0.5 * (3 * i + j % 4), grad = fmin(scaled, 1.25);
      const double expected = (1 - 0.25 * 0.5) * 1 + 0.25 * grad / (grad + 0.125);
      sum += scaled * scaled;
      CHECK(fabs(data[i][j] - expected) < 1e-6, "element %d of parameter %d is %.9g, not %.9g", j, i, data[i][j], expected);
      CHECK(fabs(exp_avg_sq[i][j] - grad * grad) < 1e-6 && (i != 0 || fabs(exp_avg[i][j] + grad) < 1e-6),
            "the moments of parameter %d are elsewhere", i);
      CHECK(grads[i][j] == 0, "a gradient was not zeroed");
      CHECK(copies[i][j] != 0, "a copy was not written");
    }
  }
  CHECK(fabs(report.its.grad_norm - sqrt(sum)) < 1e-6 && report.its.clip_coefficient == 1, "another norm: %g", report.its.grad_norm);
  CHECK(report.its.update_norm > 0 && report.its.param_norm > 1 && report.its.params_stepped == COUNT, "another report");
  CHECK(report.its.skipped == 0 && report.its.nonfinite == 0 && report.its.threads == 1, "another report");
  CHECK(loops > 0, "the executor was not called");
  OK(opt, radam_get_group_report(opt, 0, &next.its));
  check_untouched(next.others, "radam_get_group_report");
  CHECK(next.its.step == 2 && next.its.rectified == 1 && next.its.r == 1 && next.its.rho_inf == 7, "another report of the group");
  CHECK(next.its.effective_lr == 0.25 && next.its.beta1_hat == 1. / 3 && next.its.decay_factor == 0.875, "another report of the group");
}

static void check_sums(radam_optimizer *opt) {
  IN_FRONT_OF_OTHERS(radam_grad_sums) sums;
  double norm = 0;
  uint64_t nonfinite = 77;
  INIT(sums, radam_grad_sums);
  for (int i = 0; i < LEN; i++) grads[0][i] = 2;
  OK(opt, radam_measure(opt, &sums.its));
  check_untouched(sums.others, "radam_measure");
  OK(NULL, radam_grad_sums_value(&sums.its, &norm, &nonfinite));
  CHECK(fabs(norm - sqrt(4. * LEN)) < 1e-9 && nonfinite == 0, "the norm is %g, with %llu elements", norm, (unsigned long long)nonfinite);
}

static int32_t count_calls(uint64_t done, uint64_t all, void *user) {
  CHECK(done <= all, "progress is told otherwise");
  ++*(int *)user;
  return 0;
}

static void check_files(radam_optimizer *opt) {
  IN_FRONT_OF_OTHERS(radam_save_options) saving;
  IN_FRONT_OF_OTHERS(radam_load_options) loading;
  int saves = 0, loads = 0;
  uint64_t steps = 77;
  char path[] = "older.radam";
  INIT(saving, radam_save_options);
  INIT(loading, radam_load_options);
  CHECK(loading.its.strict == RADAM_AUTO && loading.its.progress == NULL && saving.its.progress == NULL, "other defaults");
  saving.its.progress = loading.its.progress = count_calls;
  saving.its.user = &saves;
  loading.its.user = &loads;
  loading.its.strict = loading.its.hyperparameters = RADAM_ON;
  OK(opt, radam_save_with(opt, path, &saving.its));
  OK(opt, radam_set_lr(opt, 0, 1));
  OK(opt, radam_reset_state(opt, UINT32_MAX));
  OK(opt, radam_load_with(opt, path, &loading.its));
  CHECK(remove(path) == 0, "%s was not saved", path);
  OK(opt, radam_step_count(opt, 1, &steps));
  CHECK(saves > 0 && loads > 0 && steps == 1, "%d calls while saving, %d while loading, %llu steps", saves, loads, (unsigned long long)steps);
  check_descriptions(opt);
}

int main(void) {
  CHECK(radam_version() >= RADAM_VERSION, "the library is older than the header");
  radam_optimizer *opt = create_with_all();
  add_all(opt);
  check_descriptions(opt);
  check_first_step(opt);
  check_sums(opt);
  check_files(opt);
  OK(opt, radam_free(opt));
  CHECK(allocations == 0, "%d arrays were not released", allocations);
  return 0;
}
