/* Bad input to the calls that take arrays of tensors for one step or for many parameters at once, and to the search
   by name: the right status, a message that names the argument, and nothing changed. */
#define _POSIX_C_SOURCE 200809L
#include "misuse.h"

#include <math.h>

enum { UNWRITTEN = 77 };

/* Arrays that no parameter has, for the released one, which is of bf16. */
static _Alignas(8) uint16_t data[2 * LEN], grad[2 * LEN];

static radam_step_options default_options(void) {
  radam_step_options options;
  OK(NULL, radam_step_options_init(&options, sizeof options));
  return options;
}

static void arrays_of_a_step(radam_optimizer *opt) {
  radam_step_options options = default_options();
  radam_step_report report;
  const uint32_t nobody[] = {REMOVED, PARAMS, UINT32_MAX};
  options.zero_grad = RADAM_ON;
  OK(NULL, radam_step_report_init(&report, sizeof report));
  const radam_step_report before = report;
#define STEP(expected, word, param, data, grad)                                                              \
  REFUSED(expected, word, radam_step_tensor(opt, param, data, grad, NULL, NULL));                            \
  REFUSED(expected, word, radam_step_tensor(opt, param, data, grad, &options, &report))
  for (int i = 0; i < 3; i++) {
    STEP(INVALID_ARGUMENT, "param is", nobody[i], data, grad);
  }
  STEP(INVALID_STATE, "gradient_release is off for group 0 of the parameter \"weight\"", WEIGHT, data, grad);
  STEP(NULL_POINTER, "grad is NULL", RELEASED, data, NULL);
  STEP(NULL_POINTER, "grad is NULL", RELEASED, NULL, NULL);
  STEP(INVALID_ARGUMENT, "grad is 0x", RELEASED, data, (char *)grad + 1);
  STEP(INVALID_ARGUMENT, "aligned", RELEASED, data, (char *)grad + 1);
  STEP(INVALID_ARGUMENT, "data is 0x", RELEASED, (char *)data + 1, grad);
  STEP(INVALID_ARGUMENT, "aligned", RELEASED, (char *)data + 1, grad);

  /* Overlaps: of data with grad, of either with what other parameters have, and with the parameter's own elements. */
  STEP(INVALID_ARGUMENT, "overlap those of grad", RELEASED, data, data);
  STEP(INVALID_ARGUMENT, "overlap those of grad", RELEASED, data, data + LEN - 1);
  STEP(INVALID_ARGUMENT, "overlap those of grad", RELEASED, data + 1, data);
  STEP(INVALID_ARGUMENT, "overlap those of the parameter \"weight\"", RELEASED, hurt.weight, grad);
  STEP(INVALID_ARGUMENT, "overlap those of the parameter \"bias\"", RELEASED, (char *)(hurt.bias + LEN) - 2, grad);
  STEP(INVALID_ARGUMENT, "overlap those of the gradient of the parameter \"bias\"", RELEASED, hurt.bias_grad, grad);
  STEP(INVALID_ARGUMENT, "exp_avg of the parameter \"placed\"", RELEASED, hurt.exp_avg, grad);
  STEP(INVALID_ARGUMENT, "exp_avg_sq of the parameter \"placed\"", RELEASED, hurt.exp_avg_sq, grad);
  STEP(INVALID_ARGUMENT, "kahan_comp of the parameter \"placed\"", RELEASED, hurt.kahan_comp, grad);
  STEP(INVALID_ARGUMENT, "copy of the parameter \"placed\"", RELEASED, hurt.copy, grad);
  STEP(INVALID_ARGUMENT, "overlap those of the parameter \"weight\"", RELEASED, data, hurt.weight);
  STEP(INVALID_ARGUMENT, "overlap those of the parameter \"weight\"", RELEASED, NULL, hurt.weight + LEN / 2);
  STEP(INVALID_ARGUMENT, "exp_avg of the parameter \"placed\"", RELEASED, data, hurt.exp_avg);
  STEP(INVALID_ARGUMENT, "copy of the parameter \"placed\"", RELEASED, NULL, hurt.copy);
  STEP(INVALID_ARGUMENT, "overlap those of the parameter \"released\"", RELEASED, NULL, hurt.released);
  STEP(INVALID_ARGUMENT, "overlap those of the parameter \"released\"", RELEASED, hurt.released, hurt.released);
  STEP(INVALID_ARGUMENT, "overlap those of the parameter \"released\"", RELEASED, data, hurt.released);
  CHECK(memcmp(&report, &before, sizeof report) == 0, "a refused radam_step_tensor wrote its report");
}

static void options_of_a_step(radam_optimizer *opt) {
  const double bad_scales[] = {0, -1, INFINITY, NAN}, bad_limits[] = {-1e-9, -INFINITY, INFINITY, NAN};
  const radam_toggle bad_toggles[] = {-1, 3, INT32_MAX};
  radam_step_options bad = default_options();
  radam_step_report report;
  radam_grad_sums sums;
  OK(NULL, radam_grad_sums_init(&sums, sizeof sums));
  OK(NULL, radam_step_report_init(&report, sizeof report));
#define BAD_OPTION(field, value)                                                                             \
  bad = default_options();                                                                                   \
  bad.field = value;                                                                                         \
  REFUSED(INVALID_ARGUMENT, #field, radam_step_tensor(opt, RELEASED, data, grad, &bad, NULL))
  for (int i = 0; i < 4; i++) {
    BAD_OPTION(grad_scale, bad_scales[i]);
    BAD_OPTION(max_grad_norm, bad_limits[i]);
    BAD_OPTION(max_grad_value, bad_limits[i]);
  }
  for (int i = 0; i < 3; i++) {
    BAD_OPTION(skip_nonfinite, bad_toggles[i]);
    BAD_OPTION(zero_grad, bad_toggles[i]);
    BAD_OPTION(report_norms, bad_toggles[i]);
  }
  BAD_OPTION(max_grad_norm, 1);
  REFUSED(INVALID_ARGUMENT, "without grad_sums", radam_step_tensor(opt, RELEASED, data, grad, &bad, &report));
  BAD_OPTION(struct_size, sizeof bad + 8);
  bad = default_options();
  bad.grad_sums = &sums;
  sums.words[3] = -1;
  REFUSED(INVALID_ARGUMENT, "options.grad_sums->words[3]", radam_step_tensor(opt, RELEASED, data, grad, &bad, NULL));
  report.struct_size = 5;
  REFUSED(INVALID_ARGUMENT, "report.struct_size", radam_step_tensor(opt, RELEASED, data, grad, NULL, &report));
}

/* Nothing is where a parameter without a place could step. */
static void no_data_anywhere(radam_optimizer *opt) {
  OK(hurt.opt, radam_set_data(hurt.opt, RELEASED, NULL));
  REFUSED(INVALID_STATE, "data is NULL, and the parameter \"released\"", radam_step_tensor(opt, RELEASED, NULL, grad, NULL, NULL));
  REFUSED(INVALID_STATE, "data is NULL, and the parameter \"released\"", radam_step_param(opt, RELEASED, grad));
  OK(hurt.opt, radam_set_data(hurt.opt, RELEASED, hurt.released));
}

static void many_tensors(radam_optimizer *opt) {
  static _Alignas(8) float elsewhere[PARAMS][LEN];
  void *places[PARAMS], *grads[PARAMS];
#define SET(expected, word, first, count, data, grads) \
  REFUSED(expected, word, radam_set_tensors(opt, first, count, data, grads))
#define GOOD()                                                                     \
  for (int i = 0; i < PARAMS; i++) {                                               \
    places[i] = elsewhere[i];                                                      \
    grads[i] = NULL;                                                               \
  }
  GOOD()
  SET(INVALID_ARGUMENT, "param 5 was removed", 0, PARAMS, places, grads);
  SET(INVALID_ARGUMENT, "param 5 was removed", REMOVED, 1, places, NULL);
  SET(INVALID_ARGUMENT, "param 5 was removed", REMOVED, 1, NULL, NULL);
  SET(INVALID_ARGUMENT, "first_param is 6", PARAMS, 1, places, NULL);
  SET(INVALID_ARGUMENT, "count is 7", 0, PARAMS + 1, places, grads);
  SET(INVALID_ARGUMENT, "first_param is 4294967295", UINT32_MAX, 1, places, grads);
  SET(INVALID_ARGUMENT, "first_param is 4294967295", UINT32_MAX, 0, NULL, NULL);
  SET(INVALID_ARGUMENT, "count is 18446744073709551615", 1, UINT64_MAX, places, grads);
  SET(INVALID_ARGUMENT, "count is 4294967297", 1, (uint64_t)UINT32_MAX + 2, NULL, NULL);
  SET(INVALID_ARGUMENT, "pointers", 0, 2, (void *const *)(void *)((char *)places + 1), NULL);
  SET(INVALID_ARGUMENT, "pointers", 0, 2, NULL, (void *const *)(void *)((char *)places + sizeof places[0] / 2));
  for (int bad = 0; bad < REMOVED; bad++) {
    char name[16];
    GOOD()
    places[bad] = (char *)elsewhere[bad] + 1;
    snprintf(name, sizeof name, "data[%d] is 0x", bad);
    SET(INVALID_ARGUMENT, name, 0, REMOVED, places, grads);
    SET(INVALID_ARGUMENT, "aligned", 0, REMOVED, places, NULL);
    GOOD()
    grads[bad] = (char *)elsewhere[REMOVED] + 1;
    snprintf(name, sizeof name, "grads[%d] is 0x", bad);
    SET(INVALID_ARGUMENT, name, 0, REMOVED, places, grads);
    SET(INVALID_ARGUMENT, "aligned", 0, REMOVED, NULL, grads);
    /* Over what the caller gave with another parameter, over another parameter, and over gradients new and old. */
    GOOD()
    places[bad] = hurt.kahan_comp;
    SET(INVALID_ARGUMENT, "kahan_comp of the parameter \"placed\"", 0, REMOVED, places, grads);
    places[bad] = (char *)elsewhere[(bad + 1) % REMOVED];
    SET(INVALID_ARGUMENT, "overlap", 0, REMOVED, places, grads);
    GOOD()
    grads[bad] = elsewhere[(bad + 3) % REMOVED];
    SET(INVALID_ARGUMENT, "the gradient of the parameter", 0, REMOVED, places, grads);
    grads[bad] = hurt.copy;
    SET(INVALID_ARGUMENT, "copy of the parameter \"placed\" at", 0, REMOVED, NULL, grads);
    GOOD()
    places[bad] = hurt.bias_grad;
    SET(INVALID_ARGUMENT, "the gradient of the parameter \"bias\"", 0, REMOVED, places, NULL);
  }
}

static void descriptions(radam_optimizer *opt) {
  radam_param param, untouched;
  char name[16] = "#";
  uint32_t group = UNWRITTEN;
  OK(NULL, radam_param_init(&param, sizeof param));
  untouched = param;
  REFUSED(INVALID_ARGUMENT, "param is 99", radam_get_param(opt, 99, &group, &param));
  REFUSED(NULL_POINTER, "description", radam_get_param(opt, 0, &group, NULL));
  untouched.struct_size = param.struct_size = 7;
  REFUSED(INVALID_ARGUMENT, "description.struct_size is 7", radam_get_param(opt, 0, &group, &param));
  CHECK(group == UNWRITTEN && memcmp(&param, &untouched, sizeof param) == 0, "a refused radam_get_param wrote its outputs");
  CHECK(radam_param_name(opt, 99, name, sizeof name) == 1 && name[0] == 0, "parameter 99 is called '%s'", name);
  check_message(NULL, "param is 99", "the name of parameter 99");
  CHECK(radam_param_name(opt, 0, NULL, 0) == sizeof "weight", "a query of the size gave another one");
  CHECK(radam_param_name(NULL, 0, name, sizeof name) == 1, "NULL has parameters with names");
  check_message(NULL, "opt is NULL", "the name of a parameter of NULL");
}

static void names(radam_optimizer *opt) {
  static const char *const nobody[] = {"", "Weight", "weight ", "removed", "param.0", "param.5", "param.6", "param.", "param.-1",
                                       "param.00", "param.4294967296", "param.99999999999999999999", "\xc3\xa4"};
  uint32_t id = UNWRITTEN;
  REFUSED(NULL_POINTER, "name", radam_param_id(opt, NULL, &id));
  REFUSED(NULL_POINTER, "param", radam_param_id(opt, "weight", NULL));
  REFUSED(INVALID_ARGUMENT, "UTF-8", radam_param_id(opt, "weight\xff", &id));
  for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++) {
    REFUSED(INVALID_ARGUMENT, "name is \"", radam_param_id(opt, nobody[i], &id));
    REFUSED(INVALID_ARGUMENT, nobody[i], radam_param_id(opt, nobody[i], &id));
  }
  CHECK(id == UNWRITTEN, "a refused radam_param_id wrote its output");
}

int main(void) {
  make(&hurt);
  make(&twin);
  for (int round = 0; round < 2; round++) {
    arrays_of_a_step(hurt.opt);
    options_of_a_step(hurt.opt);
    no_data_anywhere(hurt.opt);
    many_tensors(hurt.opt);
    descriptions(hurt.opt);
    names(hurt.opt);
    step_both();
  }
  end_both();
  return 0;
}
