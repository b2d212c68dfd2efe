/* Steps are enqueued: they wait for nothing and allocate nothing, whatever changes between them, and a fault of the driver
   before their launch leaves nothing half done. The bits are those of the CPU. */
#define _POSIX_C_SOURCE 200809L
#include "stand_in.h"

#include <unistd.h>

enum { LEN = 700, GRADS = 5, STEPS = 100 };
enum { BYTES = LEN * sizeof(float) };

static const char *const WAITING[] = {"cuStreamSynchronize", "cuEventSynchronize", "cuCtxSynchronize", "cuMemcpyDtoHAsync_v2",
                                      "cuMemcpyDtoH_v2",     "cuStreamQuery",      "cuEventQuery"};
static const char *const ALLOCATING[] = {"cuMemAlloc_v2", "cuMemHostAlloc", "cuMemFree_v2", "cuMemFreeHost", "cuEventCreate",
                                         "cuStreamCreate"};
#define COUNT(names) count(names, sizeof names / sizeof *names)

static uint64_t count(const char *const *names, size_t number) {
  uint64_t all = 0;
  for (size_t i = 0; i < number; i++) all += calls_of(names[i]);
  return all;
}

typedef struct world {
  radam_optimizer *cpu, *gpu;
  float data[LEN], grads[GRADS][LEN];
  void *data_on_gpu, *grads_on_gpu[GRADS];
  CUstream stream;
} world;

static world *new_world(void) {
  world *w = calloc(1, sizeof *w);
  CHECK(w != NULL, "no memory");
  w->stream = new_stream();
  fill(w->data, LEN, 1);
  w->data_on_gpu = copied(w->data, BYTES);
  for (int i = 0; i < GRADS; i++) {
    fill(w->grads[i], LEN, (uint32_t)(2 + i));
    w->grads_on_gpu[i] = copied(w->grads[i], BYTES);
  }
  w->cpu = create_on(RADAM_DEVICE_CPU, NULL);
  w->gpu = create_on(RADAM_DEVICE_CUDA, w->stream);
  const radam_group_options options = group_options();
  add_group(w->cpu, &options);
  add_group(w->gpu, &options);
  add_f32(w->cpu, 0, w->data, w->grads[0], LEN);
  add_f32(w->gpu, 0, w->data_on_gpu, w->grads_on_gpu[0], LEN);
  OK(w->gpu, radam_step(w->gpu));
  OK(w->cpu, radam_step(w->cpu));
  wait_for_all();
  return w;
}

static void check_bits(const world *w, const char *when) {
  CHECK(is_same_on_device(w->data_on_gpu, w->data, BYTES), "%s: other bits than on the CPU", when);
}

static void free_world(world *w) {
  OK(NULL, radam_free(w->cpu));
  OK(NULL, radam_free(w->gpu));
  free_memory(w->data_on_gpu);
  for (int i = 0; i < GRADS; i++) free_memory(w->grads_on_gpu[i]);
  DRIVER(cuStreamDestroy_v2, w->stream);
  free(w);
}

/* All that need not wait, many times, while none of it has run. */
static void nothing_waits(void) {
  world *w = new_world();
  radam_step_options clipped = step_options(), zeroing = step_options();
  clipped.max_grad_norm = 0.5;
  clipped.skip_nonfinite = RADAM_ON;
  zeroing.zero_grad = RADAM_ON;
  const uint64_t waited = COUNT(WAITING), allocated = COUNT(ALLOCATING), launched = calls_of("cuLaunchKernel");
  OK(w->gpu, radam_step(w->gpu));
  OK(w->cpu, radam_step(w->cpu));
  CHECK(counted().queued > 0, "a step has run when it returned");
  CHECK(calls_of("cuLaunchKernel") - launched == 1, "a step of few elements is more than one launch");
  for (int step = 0; step < STEPS; step++) {
    const double lr = 0.01 / (1 + step);
    OK(w->gpu, radam_set_lr(w->gpu, 0, lr));
    OK(w->cpu, radam_set_lr(w->cpu, 0, lr));
    const radam_step_options *options = step % 3 == 0 ? &clipped : NULL;
    OK(w->gpu, radam_step_with(w->gpu, options, NULL));
    OK(w->cpu, radam_step_with(w->cpu, options, NULL));
  }
  OK(w->gpu, radam_step_with(w->gpu, &zeroing, NULL));
  OK(w->cpu, radam_step_with(w->cpu, &zeroing, NULL));
  OK(w->gpu, radam_zero_grad(w->gpu));
  CHECK(COUNT(WAITING) == waited, "steps wait");
  CHECK(COUNT(ALLOCATING) == allocated, "steps allocate");
  CHECK(counted().queued > 2 * STEPS, "only %d pieces of work are queued", (int)counted().queued);
  check_bits(w, "steps that were enqueued");
  CHECK(is_same_on_device(w->grads_on_gpu[0], w->grads[0], BYTES), "the gradients were not zeroed");
  free_world(w);
}

/* Other gradients in each step. Of two places for the tables, one is free once the step before the last has run, so such
   steps may wait for that, and for nothing else. */
static void gradients_move(void) {
  world *w = new_world();
  const uint64_t allocated = COUNT(ALLOCATING), waited = COUNT(WAITING), for_events = calls_of("cuEventSynchronize");
  for (int step = 0; step < STEPS; step++) {
    const int grad = step * 3 % GRADS;
    OK(w->gpu, radam_set_grad(w->gpu, 0, w->grads_on_gpu[grad]));
    OK(w->cpu, radam_set_grad(w->cpu, 0, w->grads[grad]));
    OK(w->gpu, radam_step(w->gpu));
    OK(w->cpu, radam_step(w->cpu));
    CHECK(counted().queued > 0, "a step has run when it returned");
  }
  CHECK(COUNT(ALLOCATING) == allocated, "steps with other gradients allocate");
  CHECK(COUNT(WAITING) - waited == calls_of("cuEventSynchronize") - for_events, "steps with other gradients wait for all");
  CHECK(counted().unpinned_copies == 0, "tables are copied from memory that makes the driver wait");
  check_bits(w, "gradients that move");
  free_world(w);
}

/* The next step, of which a call of the driver fails, and which is then made again. */
static uint64_t step_with_fault(world *w, uint64_t n) {
  const uint64_t before = STAND_IN(stand_in_calls)();
  STAND_IN(stand_in_fail_call)(n, CUDA_ERROR_ILLEGAL_ADDRESS);
  const radam_status status = radam_step(w->gpu);
  STAND_IN(stand_in_repair)();
  const uint64_t made = STAND_IN(stand_in_calls)() - before;
  if (status != RADAM_OK) OK(w->gpu, radam_step(w->gpu));
  OK(w->cpu, radam_step(w->cpu));
  return made;
}

/* A parameter is added, so that the tables have another shape, and a step after that fails before its launch: nothing of it has
   happened, neither then nor to the tables of later steps. */
static void faults_leave_the_tables(int failing) {
  enum { MORE = 3000 };
  uint64_t all = 1;
  for (uint64_t n = 0; n <= all; n++) {
    world *w = new_world();
    static float data[MORE], grad[MORE];
    fill(data, MORE, 20);
    fill(grad, MORE, 21);
    void *const data_on_gpu = copied(data, sizeof data), *const grad_on_gpu = copied(grad, sizeof grad);
    const uint32_t id = add_f32(w->gpu, 0, data_on_gpu, grad_on_gpu, MORE);
    add_f32(w->cpu, 0, data, grad, MORE);
    for (int step = 0; step < 6; step++) {
      const int moved = step % GRADS;
      OK(w->gpu, radam_set_grad(w->gpu, 0, w->grads_on_gpu[moved]));
      OK(w->cpu, radam_set_grad(w->cpu, 0, w->grads[moved]));
      const uint64_t made = step_with_fault(w, step == failing ? n : 0);
      if (n == 0 && step == failing) all = made;
    }
    check_bits(w, "after a fault");
    CHECK(is_same_on_device(data_on_gpu, data, sizeof data), "after a fault: other bits of the new parameter");
    OK(w->gpu, radam_remove_param(w->gpu, id));
    free_world(w);
    free_memory(data_on_gpu);
    free_memory(grad_on_gpu);
  }
  CHECK(all > 5, "only %d calls", (int)all);
}

int main(void) {
  alarm(120); /* ends what hangs */
  open_device();
  nothing_waits();
  gradients_move();
  for (int failing = 0; failing < 3; failing++) faults_leave_the_tables(failing); /* there are two places for tables */
  puts("steps are enqueued");
  return 0;
}
