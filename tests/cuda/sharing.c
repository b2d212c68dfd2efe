/* The optimizers of a GPU share its kernels, from the first one that is created until the last one is freed. */
#define _POSIX_C_SOURCE 200809L
#include "stand_in.h"

#include <pthread.h>
#include <unistd.h>

enum { LEN = 10, BYTES = LEN * sizeof(float), THREADS = 4, TIMES = 25 };

static void check_calls(uint64_t loaded, uint64_t unloaded, const char *when) {
  CHECK(calls_of("cuModuleLoadData") == loaded, "%s: kernels were loaded %d times", when, (int)calls_of("cuModuleLoadData"));
  CHECK(calls_of("cuModuleUnload") == unloaded, "%s: kernels were unloaded %d times", when, (int)calls_of("cuModuleUnload"));
}

static void step_once(radam_optimizer *opt) {
  static const float zeros[LEN], ones[LEN] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  float *const data = copied(zeros, BYTES), *const grad = copied(ones, BYTES);
  radam_group_options options = group_options();
  options.unrectified = RADAM_ON;
  add_f32(opt, add_group(opt, &options), data, grad, LEN);
  OK(opt, radam_step(opt));
  OK(NULL, radam_free(opt));
  CHECK(!is_same_on_device(data, zeros, BYTES), "a step did nothing");
  free_memory(data);
  free_memory(grad);
}

static void *create_and_free(void *unused) {
  for (int i = 0; i < TIMES; i++) OK(NULL, radam_free(create_on(RADAM_DEVICE_CUDA, NULL)));
  return unused;
}

int main(void) {
  alarm(60); /* ends what hangs */
  open_device();
  radam_optimizer *const first = create_on(RADAM_DEVICE_CUDA, NULL), *const second = create_on(RADAM_DEVICE_CUDA, NULL);
  check_calls(1, 0, "two optimizers");
  OK(NULL, radam_free(first));
  check_calls(1, 0, "one of them freed");
  step_once(second);
  check_calls(1, 1, "both freed");
  step_once(create_on(RADAM_DEVICE_CUDA, NULL));
  check_calls(2, 2, "a third one");

  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, create_and_free, NULL) == 0, "no thread");
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  const uint64_t loaded = calls_of("cuModuleLoadData");
  check_calls(loaded, loaded, "optimizers of several threads");
  CHECK(counted().modules == 0, "%d modules are left", (int)counted().modules);
  puts("optimizers share the kernels");
  return 0;
}
