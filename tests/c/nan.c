/* NaN stays NaN, whatever its bits. RADAM_ISA may name an instruction set that this machine lacks: then there is
   nothing to do. */
#include "sixteen_bits.h"

#include <unistd.h>

static bool is_nan(uint16_t bf16) {
  return (bf16 & 0x7fffu) > 0x7f80u;
}

/* One gradient that is NaN, with whatever bits, makes the norm NaN and so every parameter and moment, also where
   arrays of two bytes are packed as if all were numbers. */
static void nan_shows_everywhere(uint32_t nan_bits) {
  enum { COUNT = 70 };
  static uint16_t params[2][COUNT], short_grads[COUNT];
  static float grads[COUNT];
  radam_group_options options = group_options();
  options.decouple_wd = RADAM_ON;
  radam_step_options clipping;
  radam_step_report report;
  radam_optimizer *opt = create(1);
  add_group(opt, &options);
  add_group(opt, &options);
  fill_bf16(params[0], COUNT, 1);
  fill_bf16(params[1], COUNT, 2);
  fill_bf16(short_grads, COUNT, 3);
  fill(grads, COUNT, 4);
  memcpy(&grads[COUNT / 2], &nan_bits, sizeof nan_bits);
  for (uint32_t group = 0; group < 2; group++) {
    const radam_dtype grad_dtype = group == 0 ? RADAM_DTYPE_BF16 : RADAM_DTYPE_F32;
    void *grad = group == 0 ? (void *)short_grads : (void *)grads;
    OK(opt, radam_add_param(opt, group, RADAM_DTYPE_BF16, grad_dtype, params[group], grad, COUNT, NULL, NULL));
    OK(opt, radam_set_step_count(opt, group, 20)); /* as rectified steps go on */
  }
  OK(NULL, radam_step_options_init(&clipping, sizeof clipping));
  OK(NULL, radam_step_report_init(&report, sizeof report));
  clipping.max_grad_norm = 1;
  OK(opt, radam_step_with(opt, &clipping, &report));
  CHECK(report.nonfinite == 1 && isnan(report.grad_norm) && isnan(report.clip_coefficient),
        "%llu gradients are not finite, and the norm is %g", (unsigned long long)report.nonfinite, report.grad_norm);
  for (uint32_t group = 0; group < 2; group++) {
    for (radam_state which = RADAM_STATE_EXP_AVG; which <= RADAM_STATE_KAHAN_COMP; which++) {
      void *state = NULL;
      OK(opt, radam_param_state(opt, group, which, &state, NULL));
      for (size_t i = 0; i < COUNT; i++)
        CHECK(is_nan(params[group][i]) && is_nan(((const uint16_t *)state)[i]),
              "NaN %#x, group %u: parameter %zu is %g, and array %d of its state %g", nan_bits, group, i,
              (double)widened(params[group][i]), which, (double)widened(((const uint16_t *)state)[i]));
    }
  }
  OK(opt, radam_free(opt));
}

int main(void) {
  alarm(300); /* ends what hangs */
  const uint32_t nans[] = {0x7f800001, 0x7fc00000, 0x7fff7fff, 0x7fff8000, 0x7fffffff,
                           0xff800001, 0xffc00000, 0xffff7fff, 0xffff8000, 0xffffffff};
  radam_optimizer *any = NULL;
  if (getenv("RADAM_ISA") != NULL && radam_create(NULL, &any) == RADAM_ERROR_INVALID_ARGUMENT) return 0;
  for (size_t i = 0; i < sizeof nans / sizeof *nans; i++) nan_shows_everywhere(nans[i]);
  return any != NULL ? (int)radam_free(any) : 0;
}
