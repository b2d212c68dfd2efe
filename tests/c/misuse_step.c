/* Bad input to everything that belongs to steps and to changes while training: the right status, a message that
   names the argument, and nothing changed. */
#define _POSIX_C_SOURCE 200809L
#include "misuse.h"

#include <math.h>

enum { UNWRITTEN = 77 };

static tensor_memory mine;

static const radam_toggle bad_toggles[] = {-1, 3, INT32_MAX};
static const uint32_t wrong_sizes[] = {0, 1, 4, 5, 40, 4096, UINT32_MAX};
enum { WRONG_SIZES = sizeof wrong_sizes / sizeof *wrong_sizes };

static void reports_and_options(radam_optimizer *opt) {
  radam_step_options options;
  radam_step_report report;
  radam_group_report group_report;
  REFUSED_WITHOUT(NULL_POINTER, "options", radam_step_options_init(NULL, sizeof options));
  REFUSED_WITHOUT(NULL_POINTER, "report", radam_step_report_init(NULL, sizeof report));
  REFUSED_WITHOUT(NULL_POINTER, "report", radam_group_report_init(NULL, sizeof group_report));
  REFUSED(NULL_POINTER, "report", radam_get_group_report(opt, 0, NULL));
  memset(&options, 0x5a, sizeof options);
  memset(&report, 0x5a, sizeof report);
  memset(&group_report, 0x5a, sizeof group_report);
  for (int i = 0; i < WRONG_SIZES; i++) {
    REFUSED_WITHOUT(INVALID_ARGUMENT, "struct_size", radam_step_options_init(&options, wrong_sizes[i]));
    REFUSED_WITHOUT(INVALID_ARGUMENT, "struct_size", radam_step_report_init(&report, wrong_sizes[i]));
    REFUSED_WITHOUT(INVALID_ARGUMENT, "struct_size", radam_group_report_init(&group_report, wrong_sizes[i]));
    options.struct_size = report.struct_size = group_report.struct_size = wrong_sizes[i];
    REFUSED(INVALID_ARGUMENT, "options.struct_size", radam_step_with(opt, &options, NULL));
    REFUSED(INVALID_ARGUMENT, "options.struct_size", radam_step_begin(opt, &options));
    REFUSED(INVALID_ARGUMENT, "report.struct_size", radam_step_with(opt, NULL, &report));
    REFUSED(INVALID_ARGUMENT, "report.struct_size", radam_get_group_report(opt, 0, &group_report));
  }
  for (size_t byte = sizeof(uint32_t); byte < sizeof report; byte++)
    CHECK(((char *)&report)[byte] == 0x5a, "a refused call wrote byte %zu of a report", byte);
  for (size_t byte = sizeof(uint32_t); byte < sizeof group_report; byte++)
    CHECK(((char *)&group_report)[byte] == 0x5a, "a refused call wrote byte %zu of a report of a group", byte);
  OK(NULL, radam_group_report_init(&group_report, sizeof group_report));
  const radam_group_report before = group_report;
  REFUSED(INVALID_ARGUMENT, "group", radam_get_group_report(opt, GROUPS, &group_report));
  REFUSED(INVALID_ARGUMENT, "group", radam_get_group_report(opt, UINT32_MAX, &group_report));
  CHECK(memcmp(&group_report, &before, sizeof before) == 0, "a refused radam_get_group_report wrote its output");
}

static void values_of_step_options(radam_optimizer *opt) {
  const double bad_scales[] = {0, -0.0, -1, -INFINITY, INFINITY, NAN}, bad_limits[] = {-1e-9, -INFINITY, INFINITY, NAN};
  radam_step_options bad;
  radam_step_report report;
  OK(NULL, radam_step_report_init(&report, sizeof report));
  report.grad_norm = report.update_norm = report.param_norm = UNWRITTEN;
  const radam_step_report before = report;
#define BAD_OPTION(field, value)                                                      \
  OK(NULL, radam_step_options_init(&bad, sizeof bad));                                \
  bad.zero_grad = RADAM_ON;                                                           \
  bad.field = value;                                                                  \
  REFUSED(INVALID_ARGUMENT, #field, radam_step_with(opt, &bad, &report));             \
  REFUSED(INVALID_ARGUMENT, #field, radam_step_begin(opt, &bad));                     \
  REFUSED(INVALID_STATE, "no step is open", radam_step_abort(opt));
  for (int i = 0; i < 6; i++) { BAD_OPTION(grad_scale, bad_scales[i]) }
  for (int i = 0; i < 4; i++) {
    BAD_OPTION(max_grad_norm, bad_limits[i])
    BAD_OPTION(max_grad_value, bad_limits[i])
  }
  for (int i = 0; i < 3; i++) {
    BAD_OPTION(skip_nonfinite, bad_toggles[i])
    BAD_OPTION(zero_grad, bad_toggles[i])
    BAD_OPTION(report_norms, bad_toggles[i])
  }
  CHECK(memcmp(&report, &before, sizeof report) == 0, "a refused radam_step_with wrote its report");
}

static void changes_while_training(radam_optimizer *opt) {
  const uint32_t nobody[] = {REMOVED, PARAMS, UINT32_MAX};
  void *state = &state;
  radam_dtype dtype = UNWRITTEN;
  radam_toggle frozen = UNWRITTEN;
  uint64_t steps = UNWRITTEN;
  for (int i = 0; i < 3; i++) {
    const uint32_t param = nobody[i];
    REFUSED(INVALID_ARGUMENT, "param", radam_set_frozen(opt, param, RADAM_ON));
    REFUSED(INVALID_ARGUMENT, "param", radam_get_frozen(opt, param, &frozen));
    REFUSED(INVALID_ARGUMENT, "param", radam_remove_param(opt, param));
    if (param != UINT32_MAX) REFUSED(INVALID_ARGUMENT, "param", radam_reset_state(opt, param));
    REFUSED(INVALID_ARGUMENT, "param", radam_set_step_count(opt, param, 5));
    REFUSED(INVALID_ARGUMENT, "param", radam_step_count(opt, param, &steps));
    REFUSED(INVALID_ARGUMENT, "param", radam_param_state(opt, param, RADAM_STATE_EXP_AVG, &state, &dtype));
    REFUSED(INVALID_ARGUMENT, "param", radam_set_data(opt, param, mine.data));
    REFUSED(INVALID_ARGUMENT, "param", radam_set_grad(opt, param, mine.grad));
    REFUSED(INVALID_ARGUMENT, "param", radam_step_param(opt, param, mine.grad));
  }
  for (int i = 0; i < 3; i++) REFUSED(INVALID_ARGUMENT, "frozen", radam_set_frozen(opt, WEIGHT, bad_toggles[i]));
  REFUSED(NULL_POINTER, "frozen", radam_get_frozen(opt, WEIGHT, NULL));
  REFUSED(NULL_POINTER, "pointer", radam_param_state(opt, WEIGHT, RADAM_STATE_EXP_AVG, NULL, &dtype));
  const radam_state bad_states[] = {0, -1, 6, INT32_MAX};
  for (int i = 0; i < 4; i++) REFUSED(INVALID_ARGUMENT, "which", radam_param_state(opt, WEIGHT, bad_states[i], &state, &dtype));
  CHECK(state == &state && dtype == UNWRITTEN && frozen == UNWRITTEN && steps == UNWRITTEN, "a refused call wrote its output");
}

/* Arguments of radam_update, all of them right at first. */
typedef struct update {
  radam_dtype dtype, grad_dtype, state_dtype;
  void *param, *grad, *exp_avg, *exp_avg_sq, *kahan_comp;
  uint64_t len;
  radam_group_options options;
  uint64_t step;
} update;

static update good_update(void) {
  update u = {RADAM_DTYPE_F32, 0, 0, mine.data, mine.grad, mine.state[0], mine.state[1], mine.state[2], LEN,
              group_options(), 1};
  u.options.kahan_sum = RADAM_ON;
  return u;
}

static radam_status call_update(const update *u) {
  return radam_update(u->dtype, u->grad_dtype, u->state_dtype, u->param, u->grad, u->exp_avg, u->exp_avg_sq,
                      u->kahan_comp, u->len, &u->options,
                      u->step);
}

static void steps_without_an_optimizer(void) {
  static char before[sizeof mine];
  update bad;
  fill(mine.data, LEN, 1);
  fill(mine.grad, LEN, 2);
  memcpy(before, &mine, sizeof mine);
#define BAD_UPDATE(expected, word, ...)                              \
  bad = good_update();                                               \
  __VA_ARGS__;                                                       \
  REFUSED_WITHOUT(expected, word, call_update(&bad));                \
  CHECK(memcmp(before, &mine, sizeof mine) == 0, "line %d: a refused radam_update wrote an array", __LINE__)
  BAD_UPDATE(INVALID_ARGUMENT, "dtype", bad.dtype = 0);
  BAD_UPDATE(INVALID_ARGUMENT, "dtype", bad.dtype = 5);
  BAD_UPDATE(INVALID_ARGUMENT, "grad_dtype", bad.grad_dtype = -1);
  BAD_UPDATE(INVALID_ARGUMENT, "grad_dtype", bad.grad_dtype = 5);
  BAD_UPDATE(INVALID_ARGUMENT, "state_dtype", bad.state_dtype = 5);
  BAD_UPDATE(INVALID_ARGUMENT, "state_dtype", bad.state_dtype = RADAM_DTYPE_BF16);
  BAD_UPDATE(NULL_POINTER, "param", bad.param = NULL);
  BAD_UPDATE(NULL_POINTER, "grad", bad.grad = NULL);
  BAD_UPDATE(NULL_POINTER, "exp_avg", bad.exp_avg = NULL);
  BAD_UPDATE(NULL_POINTER, "exp_avg_sq", bad.exp_avg_sq = NULL);
  BAD_UPDATE(NULL_POINTER, "kahan_comp", bad.kahan_comp = NULL);
  BAD_UPDATE(INVALID_ARGUMENT, "len", bad.len = UINT64_MAX);
  BAD_UPDATE(INVALID_ARGUMENT, "len", bad.len = UINT64_MAX / 4);
  BAD_UPDATE(INVALID_ARGUMENT, "param", bad.param = mine.bytes + 1);
  BAD_UPDATE(INVALID_ARGUMENT, "grad", bad.grad = mine.bytes + 2);
  BAD_UPDATE(INVALID_ARGUMENT, "exp_avg", bad.exp_avg = mine.bytes + 1);
  BAD_UPDATE(INVALID_ARGUMENT, "exp_avg_sq", bad.exp_avg_sq = mine.bytes + 2);
  BAD_UPDATE(INVALID_ARGUMENT, "kahan_comp", bad.kahan_comp = mine.bytes + 1);
  BAD_UPDATE(INVALID_ARGUMENT, "grad", bad.grad = mine.data);
  BAD_UPDATE(INVALID_ARGUMENT, "exp_avg", bad.exp_avg = mine.data + LEN - 1);
  BAD_UPDATE(INVALID_ARGUMENT, "exp_avg_sq", bad.exp_avg_sq = mine.state[0] + 1);
  BAD_UPDATE(INVALID_ARGUMENT, "kahan_comp", bad.kahan_comp = mine.grad);
  char where[96];
  snprintf(where, sizeof where, "exp_avg is 0x%llx, ", (unsigned long long)(uintptr_t)mine.data);
  BAD_UPDATE(INVALID_ARGUMENT, where, bad.exp_avg = mine.data);
  snprintf(where, sizeof where, "param at 0x%llx;", (unsigned long long)(uintptr_t)mine.data);
  BAD_UPDATE(INVALID_ARGUMENT, where, bad.exp_avg = mine.data);
  BAD_UPDATE(INVALID_ARGUMENT, "struct_size", bad.options.struct_size = 5);
  BAD_UPDATE(INVALID_ARGUMENT, "lr", bad.options.lr = NAN);
  BAD_UPDATE(INVALID_ARGUMENT, "beta2", bad.options.beta2 = 1);
  BAD_UPDATE(INVALID_ARGUMENT, "maximize", bad.options.maximize = 3);
  BAD_UPDATE(INVALID_ARGUMENT, "kahan_sum", bad.options.master_remainder = RADAM_ON);
  BAD_UPDATE(INVALID_ARGUMENT, "master_remainder", bad.options.kahan_sum = RADAM_AUTO; bad.options.master_remainder = RADAM_ON);
  BAD_UPDATE(INVALID_ARGUMENT, "step", bad.step = 0);
  REFUSED_WITHOUT(NULL_POINTER, "options",
                  radam_update(RADAM_DTYPE_F32, 0, 0, mine.data, mine.grad, mine.state[0], mine.state[1],
                               mine.state[2], LEN, NULL, 1));
  CHECK(memcmp(before, &mine, sizeof mine) == 0, "a refused radam_update wrote an array");

  /* What is not wrong: no elements, and no compensation where none is asked for. */
  update none = {.dtype = RADAM_DTYPE_F32, .options = group_options(), .step = 1};
  OK(NULL, call_update(&none));
  update good = good_update();
  good.options.kahan_sum = RADAM_OFF;
  good.kahan_comp = mine.bytes + 1;
  OK(NULL, call_update(&good));
  CHECK(memcmp(before, &mine, sizeof mine) != 0, "radam_update does nothing");
  memset(&mine, 0, sizeof mine);
}

int main(void) {
  make(&hurt);
  make(&twin);
  for (int round = 0; round < 2; round++) {
    reports_and_options(hurt.opt);
    values_of_step_options(hurt.opt);
    changes_while_training(hurt.opt);
    steps_without_an_optimizer();
    step_both();
  }
  end_both();
  return 0;
}
