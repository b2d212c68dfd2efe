/* How many threads a step tells of: one where the work is small or the caller allows no more; otherwise as many as
   took part, and no more than are allowed. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <unistd.h>

enum { SMALL = 1000, LARGE = 1 << 21, ATTEMPTS = 500 };

static float *data, *grad;

/* Of a step of all parameters, or of one. */
static uint32_t threads_of(radam_optimizer *opt, bool is_released) {
  radam_step_report report;
  OK(NULL, radam_step_report_init(&report, sizeof report));
  if (is_released) OK(opt, radam_step_tensor(opt, 0, NULL, grad, NULL, &report));
  else OK(opt, radam_step_with(opt, NULL, &report));
  return report.threads;
}

static void check_threads(uint32_t num_threads, uint64_t len, uint32_t most, bool is_released) {
  radam_group_options group = group_options();
  radam_optimizer *opt = create(num_threads);
  uint32_t found = 0;
  group.gradient_release = is_released ? RADAM_ON : RADAM_OFF;
  add_f32(opt, add_group(opt, &group), data, grad, len);
  /* Threads that the system wakes late may find nothing left to do, but not every time. */
  for (int attempt = 0; attempt < ATTEMPTS && (found < 2 || attempt < 3); attempt++) {
    const uint32_t threads = threads_of(opt, is_released);
    CHECK(threads >= 1 && threads <= most, "%llu elements with num_threads %u took %u threads", (unsigned long long)len,
          num_threads, threads);
    if (threads > found) found = threads;
    if (most == 1 && attempt == 2) break;
  }
  CHECK(found > 1 || most == 1, "%llu elements with num_threads %u never took more than one thread", (unsigned long long)len,
        num_threads);
  OK(opt, radam_free(opt));
}

int main(void) {
  alarm(300); /* ends what hangs */
  data = filled(LARGE, 1);
  grad = filled(LARGE, 2);
  for (int is_released = 0; is_released < 2; is_released++) {
    check_threads(1, SMALL, 1, is_released);
    check_threads(1, LARGE, 1, is_released);
    check_threads(4, SMALL, 1, is_released);
    check_threads(2, LARGE, 2, is_released);
    check_threads(4, LARGE, 4, is_released);
  }
  free(data);
  free(grad);
  return 0;
}
