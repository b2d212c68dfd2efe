/* A parameter that is removed from an optimizer on a GPU leaves no step count behind. */
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

int main(void) {
  alarm(60); /* ends what hangs */
  open_device();
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
  puts("what was removed is gone");
  return 0;
}
