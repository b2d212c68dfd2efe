/* Calls compute in the default floating-point mode, whatever the caller's is, and leave the caller's as it is. */
#include "check.h"

#include <fenv.h>

/* LARGE is enough work for the optimizer's own threads to start. */
enum { SMALL = 6800, LARGE = 1 << 19 };

static float *data, *grad;

/* The caller's floating-point mode: how numbers are rounded, whether denormals count as zero, and
   which exceptions trap. */
typedef unsigned long long float_mode;

static float_mode get_float_mode(void) {
#if defined(__x86_64__) || defined(__i386__)
  unsigned mode;
  __asm__ volatile("stmxcsr %0" : "=m"(mode));
  return mode & 0xffc0u; /* without the sticky flags of exceptions that occurred */
#elif defined(__aarch64__)
  float_mode mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
#else
  return (float_mode)fegetround();
#endif
}

static void set_float_mode(float_mode mode) {
#if defined(__x86_64__) || defined(__i386__)
  const unsigned bits = (unsigned)mode;
  __asm__ volatile("ldmxcsr %0" : : "m"(bits));
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#else
  fesetround((int)mode);
#endif
}

/* Every mode that the machine has, besides the default one. */
#if defined(__x86_64__) || defined(__i386__)
static const float_mode modes[] = {
  0x9fc0 /* denormals are flushed and read as zero */, 0x3f80, 0x5f80, 0x7f80 /* down, up, to zero */,
  0x0000 /* every exception traps */, 0xffc0 /* all at once, without traps */,
};
#elif defined(__aarch64__)
static const float_mode modes[] = {1 << 24, 1 << 22, 2 << 22, 3 << 22, 7 << 22};
#else
static const float_mode modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
#endif

/* Trains in some mode, with denormal weights, gradients and moments among the normal ones, and a
   schedule and an error on the way. */
static void train(uint32_t num_threads, size_t len, float_mode mode) {
  const float_mode mode_before = get_float_mode();
  fill(data, len, 1);
  fill(grad, len, 2);
  for (size_t i = 0; i < len; i += 3) {
    data[i] *= 1e-39f;
    grad[i] *= 1e-38f;
  }
  const double lrs[] = {0.01, 0.007, 0.003, 0.001};
  enum { UPDATED = 100 };
  float updated[UPDATED], averages[2][UPDATED] = {{0}};
  memcpy(updated, data, sizeof updated);
  radam_step_options step_options;
  radam_group_report report;
  uint64_t chunks;
  uint32_t id;
  char message[512];
  radam_status status;

#define IN_MODE(call)                                                                        \
  do {                                                                                       \
    set_float_mode(mode);                                                                    \
    status = (call);                                                                         \
    float_mode mode_after = get_float_mode();                                                \
    set_float_mode(mode_before);                                                             \
    CHECK(mode_after == mode, "%s changed the mode %#llx to %#llx", #call, mode, mode_after); \
  } while (0)
#define OK_IN_MODE(call) do { IN_MODE(call); OK(opt, status); } while (0)
  radam_options options;
  radam_group_options group;
  radam_optimizer *opt = NULL;
  OK_IN_MODE(radam_options_init(&options, sizeof options));
  OK_IN_MODE(radam_group_options_init(&group, sizeof group));
  OK_IN_MODE(radam_step_options_init(&step_options, sizeof step_options));
  OK_IN_MODE(radam_group_report_init(&report, sizeof report));
  step_options.grad_scale = 0.3;
  step_options.report_norms = RADAM_ON;
  options.num_threads = num_threads;
  group.lr = 0.1;
  group.weight_decay = 1e-3;
  OK_IN_MODE(radam_create(&options, &opt));
  OK_IN_MODE(radam_add_param_group(opt, &group, NULL, 0, NULL));
  OK_IN_MODE(radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data, grad, len, NULL, &id));
  for (int step = 0; step < 12; step++) {
    OK_IN_MODE(radam_set_lr(opt, 0, lrs[step % 4]));
    OK_IN_MODE(radam_step(opt));
    step_options.max_grad_norm = lrs[step % 4];
    OK_IN_MODE(radam_step_with(opt, &step_options, NULL));
    OK_IN_MODE(radam_step_begin(opt, &step_options));
    OK_IN_MODE(radam_step_wave(opt, &chunks));
    OK_IN_MODE(radam_step_chunk(opt, 0));
    OK_IN_MODE(radam_step_for(opt, UINT64_MAX, NULL));
    OK_IN_MODE(radam_step_end(opt, NULL));
    OK_IN_MODE(radam_update(RADAM_DTYPE_F32, 0, 0, updated, grad, averages[0], averages[1], NULL, UPDATED, &group, 1 + (uint64_t)step));
  }
  OK_IN_MODE(radam_get_group_report(opt, 0, &report));
  memcpy(data + len - UPDATED, updated, sizeof updated); /* to be compared with the rest */
  group.beta1 = -0.3;
  IN_MODE(radam_set_group_options(opt, 0, &group));
  CHECK(status == RADAM_ERROR_INVALID_ARGUMENT, "a negative beta1 was taken");
  radam_last_error(opt, message, sizeof message);
  CHECK(strstr(message, "-0.3") != NULL, "in the mode %#llx, -0.3 is told as: %s", mode, message);
  OK_IN_MODE(radam_free(opt));
}

static void float_modes_matter_neither_way(void) {
  const float_mode default_mode = get_float_mode();
  float *expected = malloc(LARGE * sizeof *expected);
  for (int large = 0; large < 2; large++) {
    size_t len = large ? LARGE : SMALL;
    train(4, len, default_mode);
    memcpy(expected, data, len * sizeof *data);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
      train(4, len, modes[i]);
      CHECK(memcmp(data, expected, len * sizeof *data) == 0, "the mode %#llx changes the results of %zu elements", modes[i], len);
    }
  }
  free(expected);
}

int main(void) {
  data = filled(LARGE, 1);
  grad = filled(LARGE, 2);
  float_modes_matter_neither_way();
  free(data);
  free(grad);
  return 0;
}
