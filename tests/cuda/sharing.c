/* The optimizers of a GPU share its kernels, from the first one that is created until the last one is freed; in a forked child
   they can be freed whatever other threads were doing. */
#define _POSIX_C_SOURCE 200809L
#include "stand_in.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEN = 10, BYTES = LEN * sizeof(float), THREADS = 4, TIMES = 25, FORKS = 20 };

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

/* On the second GPU, whose kernels are loaded and unloaded each time that no other thread has an optimizer there. */
static void *create_and_free(void *unused) {
  radam_options options;
  OK(NULL, radam_options_init(&options, sizeof options));
  options.device = RADAM_DEVICE_CUDA;
  options.cuda_device = 1;
  for (int i = 0; i < TIMES; i++) {
    radam_optimizer *opt;
    OK(NULL, radam_create(&options, &opt));
    OK(NULL, radam_free(opt));
  }
  return unused;
}

/* While other threads have the lock of the kernels, at times. */
static void free_in_a_child(radam_optimizer *opt) {
  const pid_t child = fork();
  CHECK(child >= 0, "no child");
  if (child == 0) {
    alarm(20);
    _exit(radam_free(opt) == RADAM_OK ? 0 : 1);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0, "in a forked child, radam_free ended with %d", status);
}

int main(void) {
  alarm(60); /* ends what hangs */
  STAND_IN(stand_in_set_devices)(2);
  open_device();
  radam_optimizer *const first = create_on(RADAM_DEVICE_CUDA, NULL), *const second = create_on(RADAM_DEVICE_CUDA, NULL);
  check_calls(1, 0, "two optimizers");
  OK(NULL, radam_free(first));
  check_calls(1, 0, "one of them freed");
  step_once(second);
  check_calls(1, 1, "both freed");
  step_once(create_on(RADAM_DEVICE_CUDA, NULL));
  check_calls(2, 2, "a third one");

  radam_optimizer *const kept = create_on(RADAM_DEVICE_CUDA, NULL);
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, create_and_free, NULL) == 0, "no thread");
  for (int i = 0; i < FORKS; i++) free_in_a_child(kept);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  OK(NULL, radam_free(kept));
  const uint64_t loaded = calls_of("cuModuleLoadData");
  check_calls(loaded, loaded, "optimizers of several threads");
  CHECK(counted().modules == 0, "%d modules are left", (int)counted().modules);
  puts("optimizers share the kernels");
  return 0;
}
