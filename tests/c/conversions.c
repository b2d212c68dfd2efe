/* A state that becomes f32 and two bytes an element again has every value that fits, and every remainder. */
#define _POSIX_C_SOURCE 200809L
#include "sixteen_bits.h"

#include <unistd.h>

static void *state_of(radam_optimizer *opt, radam_state which) {
  void *state = NULL;
  OK(opt, radam_param_state(opt, 0, which, &state, NULL));
  return state;
}

static bool is_same(double x, double y) {
  return (isnan(x) && isnan(y)) || (x == y && signbit(x) == signbit(y));
}

/* Every value of two bytes, in each array of a state that becomes f32 and two bytes again; and then f32 that have to
   be rounded. Remainders are no numbers of either dtype, and keep every bit. */
static void states_are_converted(radam_dtype dtype, radam_toggle master_remainder) {
  enum { COUNT = 1 << 16 };
  static uint16_t params[COUNT], remainders[COUNT];
  static float wide[COUNT];
  radam_group_options options = group_options();
  options.master_remainder = master_remainder;
  radam_optimizer *opt = optimizer_of(&options, 1, dtype, 0, params, NULL, COUNT);
  const radam_state last = master_remainder == RADAM_ON ? RADAM_STATE_EXP_AVG_SQ : RADAM_STATE_KAHAN_COMP;
  for (radam_state which = RADAM_STATE_EXP_AVG; which <= last; which++)
    for (uint32_t i = 0; i < COUNT; i++) ((uint16_t *)state_of(opt, which))[i] = (uint16_t)(i * 40503u + (uint32_t)which);
  if (master_remainder == RADAM_ON)
    for (uint32_t i = 0; i < COUNT; i++) ((uint16_t *)state_of(opt, RADAM_STATE_MASTER_REMAINDER))[i] = (uint16_t)i;
  for (int round = 0; round < 2; round++) {
    OK(opt, SET_OPTION(opt, 0, state_dtype, RADAM_DTYPE_F32));
    for (radam_state which = RADAM_STATE_EXP_AVG; which <= last; which++)
      for (uint32_t i = 0; i < COUNT; i++) {
        const uint16_t bits = (uint16_t)(i * 40503u + (uint32_t)which);
        float *f32 = (float *)state_of(opt, which) + i;
        if (round == 0) CHECK(is_same((double)*f32, stored(&bits, dtype, 0)), "%#x of %d becomes %g", bits, dtype, (double)*f32);
        else { /* every exponent, and in the lower bits ties and what is beside them */
          const uint32_t lower[] = {0, 0x0fff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001, 0xffff}, word = i << 16 | lower[i % 8];
          memcpy(f32, &word, sizeof word);
        }
      }
    if (round == 1) memcpy(wide, state_of(opt, RADAM_STATE_EXP_AVG), sizeof wide);
    OK(opt, SET_OPTION(opt, 0, state_dtype, 0));
    for (radam_state which = RADAM_STATE_EXP_AVG; which <= last; which++)
      for (uint32_t i = 0; i < COUNT; i++) {
        const uint16_t bits = (uint16_t)(i * 40503u + (uint32_t)which);
        const double before = round == 0 ? stored(&bits, dtype, 0) : nearest_in(dtype, (double)wide[i]);
        const double found = stored(state_of(opt, which), dtype, i);
        CHECK(is_same(found, before), "%g in f32 becomes %g in %d", before, found, dtype);
      }
    if (master_remainder == RADAM_ON) {
      memcpy(remainders, state_of(opt, RADAM_STATE_MASTER_REMAINDER), sizeof remainders);
      for (uint32_t i = 0; i < COUNT; i++) CHECK(remainders[i] == i, "the remainder %#x becomes %#x", i, remainders[i]);
    }
  }
  OK(opt, radam_free(opt));
}

int main(void) {
  alarm(300); /* ends what hangs */
  states_are_converted(RADAM_DTYPE_F16, RADAM_OFF);
  states_are_converted(RADAM_DTYPE_BF16, RADAM_OFF);
  states_are_converted(RADAM_DTYPE_BF16, RADAM_ON);
  return 0;
}
