/* A parameter that is removed from an optimizer on a GPU leaves no step count behind, and one that is frozen and has no place is
   not mixed up with what is registered. */
#define _POSIX_C_SOURCE 200809L
#include "stand_in.h"

#include <unistd.h>

enum { LEN = 10, BYTES = LEN * sizeof(float) };

static uint64_t next_step(const radam_optimizer *opt) {
  radam_group_report report;
  OK(NULL, radam_group_report_init(&report, sizeof report));
  OK(opt, radam_get_group_report(opt, 0, &report));
  return report.step;
}

static void removed(void) {
  char *const memory = new_memory(2 * BYTES);
  const radam_group_options options = group_options();
  radam_optimizer *const opt = create_on(RADAM_DEVICE_CUDA, NULL);
  const uint32_t group = add_group(opt, &options);
  const uint32_t id = add_f32(opt, group, (float *)(void *)memory, (float *)(void *)(memory + BYTES), LEN);
  OK(opt, radam_step(opt));
  CHECK(next_step(opt) == 2, "the next step is not the second");
  OK(opt, radam_remove_param(opt, id));
  CHECK(next_step(opt) == 1, "the next step of a group without parameters is not the first");
  OK(NULL, radam_free(opt));
  free_memory(memory);
}

/* Only the gradient of the call is zeroed. */
static void frozen(void) {
  static const float zeros[LEN], ones[LEN] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  float *const registered = copied(ones, BYTES), *const of_call = copied(ones, BYTES);
  radam_group_options options = group_options();
  options.gradient_release = RADAM_ON;
  radam_optimizer *const opt = create_on(RADAM_DEVICE_CUDA, NULL);
  const uint32_t group = add_group(opt, &options), id = add_f32(opt, group, NULL, registered, LEN);
  OK(opt, radam_set_frozen(opt, id, RADAM_ON));
  radam_step_options step = step_options();
  step.zero_grad = RADAM_ON;
  OK(opt, radam_step_tensor(opt, id, NULL, of_call, &step, NULL));
  CHECK(is_same_on_device(of_call, zeros, BYTES), "the gradient of the call was not zeroed");
  CHECK(is_same_on_device(registered, ones, BYTES), "the registered gradient was zeroed");
  OK(NULL, radam_free(opt));
  free_memory(registered);
  free_memory(of_call);
}

int main(void) {
  alarm(60); /* ends what hangs */
  open_device();
  removed();
  frozen();
  puts("what was removed or frozen is left alone");
  return 0;
}
