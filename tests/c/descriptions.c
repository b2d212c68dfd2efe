/* What radam_get_param and radam_param_name tell of a parameter is what adds the same parameter again. */
#include "check.h"

enum { LEN = 12 };

static float data[LEN], grad[LEN], exp_avg[LEN], exp_avg_sq[LEN], kahan_comp[LEN];
static uint16_t copy[LEN], grad_bf16[LEN];

static radam_param initial(void) {
  radam_param param;
  OK(NULL, radam_param_init(&param, sizeof param));
  return param;
}

/* One with every field set, and one with every field left at its default that may be. */
static void describe(radam_param full[1], radam_param plain[1]) {
  *full = *plain = initial();
  full->dtype = RADAM_DTYPE_F32;
  full->grad_dtype = RADAM_DTYPE_BF16;
  full->copy_dtype = RADAM_DTYPE_F16;
  full->len = LEN;
  full->data = data;
  full->grad = grad_bf16;
  full->name = "full";
  full->copy = copy;
  full->exp_avg = exp_avg;
  full->exp_avg_sq = exp_avg_sq;
  full->kahan_comp = kahan_comp;
  full->tensor_offset = 5;
  full->tensor_len = 100;
  plain->dtype = RADAM_DTYPE_F16;
  plain->len = 3;
}

static void check_is(const radam_optimizer *opt, uint32_t id, uint32_t in_group, radam_param expected, const char *name) {
  radam_param found = initial();
  uint32_t group = 77;
  char text[16];
  OK(opt, radam_get_param(opt, id, &group, &found));
  expected.name = NULL;
  CHECK(group == in_group && memcmp(&found, &expected, sizeof found) == 0, "%s is described as another", name);
  CHECK(radam_param_name(opt, id, text, sizeof text) == strlen(name) + 1 && strcmp(text, name) == 0, "%s is called %s", name, text);
}

int main(void) {
  radam_group_options options = group_options();
  radam_param full, plain;
  radam_optimizer *opt = create(1), *again = create(1);
  describe(&full, &plain);
  options.kahan_sum = RADAM_ON;
  add_group(opt, &options);
  add_group(opt, &options);
  OK(opt, radam_add_params(opt, 1, &full, 1, NULL));
  OK(opt, radam_add_params(opt, 0, &plain, 1, NULL));
  /* A dtype that is not in use is what it was, too. */
  radam_param uncopied = plain;
  uncopied.copy_dtype = RADAM_DTYPE_F32;
  OK(opt, radam_add_params(opt, 0, &uncopied, 1, NULL));
  uncopied.grad_dtype = RADAM_DTYPE_F16;
  check_is(opt, 2, 0, uncopied, "param.2");
  /* Dtypes that were left to the library are those in use. */
  plain.grad_dtype = RADAM_DTYPE_F16;
  plain.copy_dtype = RADAM_DTYPE_BF16;
  check_is(opt, 0, 1, full, "full");
  check_is(opt, 1, 0, plain, "param.1");
  OK(opt, radam_set_data(opt, 1, grad));
  OK(opt, radam_set_grad(opt, 0, NULL));
  plain.data = grad;
  full.grad = NULL;
  check_is(opt, 0, 1, full, "full");
  check_is(opt, 1, 0, plain, "param.1");

  /* A description adds the same parameter to another optimizer. */
  radam_param found = initial();
  OK(opt, radam_get_param(opt, 0, NULL, &found));
  OK(opt, radam_free(opt));
  found.name = "full";
  OK(again, radam_add_param_group(again, &options, &found, 1, NULL));
  check_is(again, 0, 0, full, "full");
  OK(again, radam_free(again));
  return 0;
}
