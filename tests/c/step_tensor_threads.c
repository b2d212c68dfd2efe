/* Tensors stepped by many threads at once, in buffers that move: different ones do not meet, and of two steps of the
   same one, one is told so. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

enum { THREADS = 8, PARAMS = 40, LONGEST = PARAMS * 501, STEPS = 12, LARGE = 1 << 18 };

static radam_optimizer *opt;
static float tensors[PARAMS][LONGEST];

static size_t length(uint32_t param) {
  return (param + 1) * 501;
}

static radam_optimizer *releasing_optimizer(uint32_t num_threads) {
  radam_optimizer *created = create(num_threads);
  radam_group_options options = group_options();
  options.gradient_release = RADAM_ON;
  add_group(created, &options);
  return created;
}

static void in_threads(void *(*body)(void *)) {
  pthread_t threads[THREADS];
  for (uintptr_t i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, body, (void *)i) == 0, "no thread");
  for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0, "no join");
}

/* A step in new memory, which is given back after it, with sums that make it shorter. */
static void step_moved(uint32_t param, uint32_t step) {
  const size_t len = length(param);
  float *data = malloc(len * sizeof *data), *grad = filled(len, 1000 * step + param);
  CHECK(data != NULL, "no memory");
  memcpy(data, tensors[param], len * sizeof *data);
  radam_grad_sums sums;
  radam_step_options options;
  radam_step_report report;
  OK(NULL, radam_grad_sums_init(&sums, sizeof sums));
  OK(NULL, radam_step_options_init(&options, sizeof options));
  OK(NULL, radam_step_report_init(&report, sizeof report));
  OK(NULL, radam_measure_tensor(RADAM_DTYPE_F32, grad, len, &sums));
  options.max_grad_norm = 1;
  options.grad_sums = &sums;
  OK(opt, radam_step_tensor(opt, param, data, grad, &options, &report));
  CHECK(report.clip_coefficient < 1 && report.params_stepped == 1, "tensor %u was not clipped", param);
  memcpy(tensors[param], data, len * sizeof *data);
  memset(data, 0xff, len * sizeof *data);
  memset(grad, 0xff, len * sizeof *grad);
  free(data);
  free(grad);
}

static void *step_every_eighth(void *number) {
  for (uint32_t step = 0; step < STEPS; step++)
    for (uint32_t param = (uint32_t)(uintptr_t)number; param < PARAMS; param += THREADS) step_moved(param, step);
  return NULL;
}

static void begin(void) {
  opt = releasing_optimizer(2);
  for (uint32_t param = 0; param < PARAMS; param++) {
    fill(tensors[param], length(param), param);
    add_f32(opt, 0, NULL, NULL, length(param));
  }
}

static void different_tensors_do_not_meet(void) {
  static float expected[PARAMS][LONGEST];
  begin();
  for (uintptr_t i = 0; i < THREADS; i++) step_every_eighth((void *)i);
  OK(opt, radam_free(opt));
  memcpy(expected, tensors, sizeof expected);
  begin();
  in_threads(step_every_eighth);
  CHECK(memcmp(tensors, expected, sizeof expected) == 0, "tensors stepped by eight threads get other bits than by one");
  for (uint32_t param = 0; param < PARAMS; param++) {
    uint64_t steps = 0;
    OK(opt, radam_step_count(opt, param, &steps));
    CHECK(steps == STEPS, "tensor %u has made %llu steps", param, (unsigned long long)steps);
  }
  OK(opt, radam_free(opt));
}

/* One tensor, in arrays of all threads in common: one thread at a time is let in, and the others are told. */
static float *shared_data, *shared_grad;
static atomic_bool met;
static atomic_ullong stepped;

static void *step_until_met(void *unused) {
  for (int mine = 0; mine < 10 || !met;) {
    const radam_status status = radam_step_tensor(opt, 0, shared_data, shared_grad, NULL, NULL);
    if (status == RADAM_OK) {
      mine++;
      CHECK(atomic_fetch_add(&stepped, 1) < 20000, "eight threads that step one tensor never met");
      continue;
    }
    CHECK(status == RADAM_ERROR_BUSY, "a second step of one tensor gave %s", radam_status_string(status));
    check_message(NULL, "another thread is stepping it", "a second step of one tensor");
    met = true;
    sched_yield();
  }
  return unused;
}

static void the_same_tensor_is_busy(void) {
  uint64_t steps = 0;
  opt = releasing_optimizer(1);
  shared_data = filled(LARGE, 1);
  shared_grad = filled(LARGE, 2);
  add_f32(opt, 0, NULL, NULL, LARGE);
  CHECK(radam_set_lr(opt, 0, -2.5) == RADAM_ERROR_INVALID_ARGUMENT, "a negative lr was taken");
  in_threads(step_until_met);
  check_message(opt, "-2.5", "after RADAM_ERROR_BUSY, which is not kept on the handle");
  OK(opt, radam_step_count(opt, 0, &steps));
  CHECK(steps == stepped, "%llu steps were made and %llu are counted", (unsigned long long)stepped, (unsigned long long)steps);
  radam_optimizer *alone = releasing_optimizer(1);
  float *expected = filled(LARGE, 1);
  add_f32(alone, 0, NULL, NULL, LARGE);
  for (uint64_t step = 0; step < steps; step++) OK(alone, radam_step_tensor(alone, 0, expected, shared_grad, NULL, NULL));
  CHECK(memcmp(expected, shared_data, LARGE * sizeof *expected) == 0, "one tensor, stepped by eight threads in turn, gets other bits");
  OK(alone, radam_free(alone));
  OK(opt, radam_free(opt));
  free(expected);
  free(shared_data);
  free(shared_grad);
}

int main(void) {
  alarm(300); /* ends what hangs */
  different_tensors_do_not_meet();
  the_same_tensor_is_busy();
  return 0;
}
