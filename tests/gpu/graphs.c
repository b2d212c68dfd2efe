/* Steps in CUDA graphs, with the bits of the same steps on the CPU: captured on another stream than the steps before, replayed
   with other learning rates, skipped by a gradient that is infinite, among steps that are enqueued as usual. */
#define _POSIX_C_SOURCE 200809L
#include "driver.h"

#include <math.h>
#include <unistd.h>

enum { LEN = 5000, REPLAYS = 50 };

typedef struct world {
  radam_optimizer *cpu, *gpu;
  float data[LEN], grad[LEN];
  CUdeviceptr on_gpu, grad_on_gpu;
  radam_step_options options;
} world;

static void add(radam_optimizer *opt, void *data, void *grad) {
  radam_group_options options = group_options();
  options.weight_decay = 0;
  OK(opt, radam_add_param_group(opt, &options, NULL, 0, NULL));
  OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data, grad, LEN, "weight", NULL));
}

static CUstream new_stream(void) {
  CUstream stream;
  DRIVER(cuStreamCreate, &stream, CU_STREAM_NON_BLOCKING);
  return stream;
}

static CUdeviceptr upload(const float *values) {
  CUdeviceptr memory;
  DRIVER(cuMemAlloc_v2, &memory, LEN * sizeof *values);
  DRIVER(cuMemcpyHtoD_v2, memory, values, LEN * sizeof *values);
  return memory;
}

static void set_grad(world *w, int step, bool infinite) {
  fill(w->grad, LEN, (uint32_t)(100 + step));
  if (infinite) w->grad[LEN - 1] = INFINITY;
  DRIVER(cuMemcpyHtoD_v2, w->grad_on_gpu, w->grad, sizeof w->grad);
}

static void check_bits(world *w, const char *when) {
  static float seen[LEN];
  uint64_t steps, expected;
  OK(w->cpu, radam_step_count(w->cpu, 0, &expected));
  OK(w->gpu, radam_step_count(w->gpu, 0, &steps));
  CHECK(steps == expected, "%s: %d steps, not %d", when, (int)steps, (int)expected);
  DRIVER(cuMemcpyDtoH_v2, seen, w->on_gpu, sizeof seen);
  CHECK(memcmp(seen, w->data, sizeof seen) == 0, "%s: other bits than on the CPU", when);
}

static void step_cpu(world *w, double lr) {
  OK(w->cpu, radam_set_lr(w->cpu, 0, lr));
  OK(w->cpu, radam_step_with(w->cpu, &w->options, NULL));
}

static void step_both(world *w, double lr) {
  step_cpu(w, lr);
  OK(w->gpu, radam_step_with(w->gpu, &w->options, NULL));
  check_bits(w, "a step between replays");
}

static void measure(world *w) {
  radam_grad_sums of_cpu, of_gpu;
  OK(NULL, radam_grad_sums_init(&of_cpu, sizeof of_cpu));
  OK(NULL, radam_grad_sums_init(&of_gpu, sizeof of_gpu));
  OK(w->cpu, radam_measure(w->cpu, &of_cpu));
  OK(w->gpu, radam_measure(w->gpu, &of_gpu));
  CHECK(memcmp(&of_cpu, &of_gpu, sizeof of_cpu) == 0, "other sums than on the CPU");
}

static CUgraphExec captured_step(world *w, CUstream stream) {
  CUgraph graph;
  CUgraphExec exec;
  DRIVER(cuStreamBeginCapture_v2, stream, CU_STREAM_CAPTURE_MODE_GLOBAL);
  OK(w->gpu, radam_set_stream(w->gpu, stream));
  OK(w->gpu, radam_step_with(w->gpu, &w->options, NULL));
  radam_step_report report;
  OK(NULL, radam_step_report_init(&report, sizeof report));
  CHECK(radam_step_with(w->gpu, &w->options, &report) == RADAM_ERROR_INVALID_STATE, "a report while capturing");
  check_message(w->gpu, "captured", "a report while capturing");
  DRIVER(cuStreamEndCapture, stream, &graph);
  DRIVER(cuGraphInstantiateWithFlags, &exec, graph, 0);
  DRIVER(cuGraphDestroy, graph);
  return exec;
}

int main(void) {
  alarm(120); /* ends what hangs */
  open_device();
  static world w;
  const CUstream plain = new_stream(), other = new_stream();
  fill(w.data, LEN, 1);
  fill(w.grad, LEN, 2);
  w.on_gpu = upload(w.data);
  w.grad_on_gpu = upload(w.grad);
  w.cpu = create_on(RADAM_DEVICE_CPU, NULL);
  w.gpu = create_on(RADAM_DEVICE_CUDA, plain);
  add(w.cpu, w.data, w.grad);
  add(w.gpu, (void *)(uintptr_t)w.on_gpu, (void *)(uintptr_t)w.grad_on_gpu);
  OK(NULL, radam_step_options_init(&w.options, sizeof w.options));
  w.options.max_grad_norm = 1;
  w.options.skip_nonfinite = RADAM_ON;

  step_cpu(&w, 0.01);
  OK(w.gpu, radam_step_with(w.gpu, &w.options, NULL));
  DRIVER(cuStreamSynchronize, plain);
  CUgraphExec steps[2];
  measure(&w);
  steps[0] = captured_step(&w, other);
  check_bits(&w, "a capture runs nothing");
  step_both(&w, 0.01);
  steps[1] = captured_step(&w, other);
  for (int replay = 0; replay < REPLAYS; replay++) {
    const double lr = 0.01 * (REPLAYS - replay) / REPLAYS;
    set_grad(&w, replay, replay % 7 == 4);
    step_cpu(&w, lr);
    OK(w.gpu, radam_set_lr(w.gpu, 0, lr));
    if (replay % 3 == 1) measure(&w); /* a replay must not add to its sums */
    DRIVER(cuGraphLaunch, steps[replay % 2], other);
    check_bits(&w, "a replay");
    if (replay % 5 == 3) step_both(&w, lr); /* nor to those of a replay */
  }
  OK(w.gpu, radam_set_stream(w.gpu, plain));
  step_cpu(&w, 0.02);
  OK(w.gpu, radam_set_lr(w.gpu, 0, 0.02));
  OK(w.gpu, radam_step_with(w.gpu, &w.options, NULL));
  check_bits(&w, "a step after the graph");
  for (int i = 0; i < 2; i++) DRIVER(cuGraphExecDestroy, steps[i]);
  OK(NULL, radam_free(w.gpu));
  OK(NULL, radam_free(w.cpu));
  puts("graphs have the bits of the CPU");
  return 0;
}
