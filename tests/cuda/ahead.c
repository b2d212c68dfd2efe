/* A step that is not small prepares the next one, which then is one launch for each layout of tensors, whatever learning rates
   are set in between. Anything else that changes between two steps costs a launch. The bits are always those of the CPU. */
#define _POSIX_C_SOURCE 200809L
#include "stand_in.h"

#include <unistd.h>

/* More parameters than one block prepares. */
enum { PARAMS = 152, SHORT = 5, LONG = 3000, CODED = 4100 };

typedef struct array {
  char host[LONG * sizeof(double)];
  void *device;
} array;

static struct world {
  bool all_coded; /* whether all parameters have state of 8 bits, or only the last */
  uint64_t layouts;
  radam_optimizer *cpu, *gpu;
  array data[PARAMS], grads[PARAMS], other_grad;
  char checkpoint[1 << 20];
  uint64_t size;
} w;

static bool is_coded(uint32_t id) { return w.all_coded || id == PARAMS - 1; }
static uint64_t len_of(uint32_t id) { return is_coded(id) ? CODED : id == PARAMS - 2 ? LONG : SHORT; }
static size_t bytes_of(uint32_t id) { return len_of(id) * (is_coded(id) ? sizeof(float) : sizeof(double)); }

/* What is called with each optimizer and the arrays that it has. */
#define BOTH(call)                                              \
  do {                                                          \
    for (int on_gpu = 0; on_gpu < 2; on_gpu++) {                \
      radam_optimizer *const opt = on_gpu ? w.gpu : w.cpu;      \
      OK(opt, call);                                            \
    }                                                           \
  } while (0)
#define PLACE(array) (on_gpu ? (array).device : (void *)(array).host)

static void make(array *a, uint32_t id, uint32_t seed) {
  float values[CODED];
  fill(values, (int)len_of(id), seed);
  for (uint64_t i = 0; i < len_of(id); i++) {
    if (is_coded(id)) ((float *)(void *)a->host)[i] = values[i];
    else ((double *)(void *)a->host)[i] = values[i];
  }
  a->device = copied(a->host, bytes_of(id));
}

static radam_group_options initial_options(uint32_t group) {
  radam_group_options options = group_options();
  options.weight_decay = 0.01;
  if (group == 1 || w.all_coded) options.state_dtype = RADAM_DTYPE_Q8;
  return options;
}

static void make_world(bool all_coded, CUstream stream) {
  w.all_coded = all_coded;
  w.layouts = all_coded ? 1 : 2;
  w.cpu = create_on(RADAM_DEVICE_CPU, NULL);
  w.gpu = create_on(RADAM_DEVICE_CUDA, stream);
  for (uint32_t group = 0; group < w.layouts; group++) {
    const radam_group_options options = initial_options(group);
    BOTH(radam_add_param_group(opt, &options, NULL, 0, NULL));
  }
  for (uint32_t id = 0; id < PARAMS; id++) {
    make(&w.data[id], id, 1 + id);
    make(&w.grads[id], id, 1000 + id);
    const radam_dtype dtype = is_coded(id) ? RADAM_DTYPE_F32 : RADAM_DTYPE_F64;
    BOTH(radam_add_param(opt, is_coded(id) && !w.all_coded, dtype, 0, PLACE(w.data[id]), PLACE(w.grads[id]), len_of(id), NULL, NULL));
  }
  make(&w.other_grad, PARAMS - 2, 5000);
  void *codes;
  radam_dtype state;
  OK(w.gpu, radam_param_state(w.gpu, PARAMS - 1, RADAM_STATE_EXP_AVG, &codes, &state));
  CHECK(state == RADAM_DTYPE_Q8, "the state is not coded");
}

static void free_world(void) {
  OK(NULL, radam_free(w.gpu));
  OK(NULL, radam_free(w.cpu));
  for (uint32_t id = 0; id < PARAMS; id++) free_memory(w.data[id].device), free_memory(w.grads[id].device);
  free_memory(w.other_grad.device);
}

static void check_bits(const char *when) {
  for (uint32_t id = 0; id < PARAMS; id++) {
    CHECK(is_same_on_device(w.data[id].device, w.data[id].host, bytes_of(id)), "%s: other bits of parameter %u", when, id);
    uint64_t steps[2];
    OK(w.cpu, radam_step_count(w.cpu, id, &steps[0]));
    OK(w.gpu, radam_step_count(w.gpu, id, &steps[1]));
    CHECK(steps[0] == steps[1], "%s: parameter %u has made %d steps, not %d", when, id, (int)steps[1], (int)steps[0]);
  }
}

/* A step that must be so many launches more than one for each layout. */
static void step(const radam_step_options *options, uint64_t more, const char *when) {
  const uint64_t before = calls_of("cuLaunchKernel");
  OK(w.gpu, radam_step_with(w.gpu, options, NULL));
  const uint64_t launches = calls_of("cuLaunchKernel") - before;
  OK(w.cpu, radam_step_with(w.cpu, options, NULL));
  CHECK(launches == w.layouts + more, "%s: %d launches", when, (int)launches);
  check_bits(when);
}

enum { PREPARED = 0, NOT_PREPARED = 1 };

/* Steps after something has changed. */
static void steps(uint64_t more, const char *change) {
  step(NULL, more, change);
  step(NULL, PREPARED, change);
  step(NULL, PREPARED, change);
}

/* Steps as others are not, and then as usual. */
static void unusual_steps(void) {
  radam_step_options scaled = step_options(), limited = step_options(), clipped = step_options(), zeroing = step_options();
  scaled.grad_scale = 0.5;
  limited.max_grad_value = 0.01;
  clipped.max_grad_norm = 0.5;
  clipped.skip_nonfinite = RADAM_ON;
  zeroing.zero_grad = RADAM_ON;
  step(&scaled, NOT_PREPARED, "another grad_scale");
  step(&scaled, PREPARED, "the same grad_scale");
  step(&limited, NOT_PREPARED, "max_grad_value");
  step(&limited, PREPARED, "the same max_grad_value");
  steps(NOT_PREPARED, "after max_grad_value");
  step(&clipped, 2, "max_grad_norm"); /* measured, and prepared then */
  step(&clipped, 2, "the same max_grad_norm");
  steps(NOT_PREPARED, "after max_grad_norm");
  BOTH(radam_set_optimizer_accumulation(opt, RADAM_ON));
  step(NULL, NOT_PREPARED, "accumulation");
  step(NULL, PREPARED, "accumulation again");
  BOTH(radam_set_optimizer_accumulation(opt, RADAM_OFF));
  steps(NOT_PREPARED, "after accumulation");
  radam_step_report report = step_report();
  BOTH(radam_step_with(opt, NULL, &report));
  steps(NOT_PREPARED, "after a report");
  step(&zeroing, PREPARED, "zero_grad");
  for (uint32_t id = 0; id < PARAMS; id++) {
    free_memory(w.grads[id].device);
    make(&w.grads[id], id, 2000 + id);
    BOTH(radam_set_grad(opt, id, PLACE(w.grads[id])));
  }
  steps(NOT_PREPARED, "after other gradients");
}

static void options_change(void) {
  for (int i = 1; i < 6; i++) {
    BOTH(radam_set_lr(opt, 0, 0.01 / i));
    if (i % 2 == 0) BOTH(radam_set_lr(opt, 1, 0.02 / i));
    step(NULL, PREPARED, "a learning rate");
  }
  for (uint32_t group = 0; group < 2; group++) {
    radam_group_options options = initial_options(group);
    options.beta1 = 0.8;
    options.beta2 = 0.9995;
    options.maximize = RADAM_ON;
    BOTH(radam_set_group_options(opt, group, &options));
  }
  steps(PREPARED, "other options");
  BOTH(radam_set_weight_decay(opt, 0, 0.1));
  steps(PREPARED, "another weight_decay");
  const radam_group_options options = initial_options(0);
  BOTH(radam_add_param_group(opt, &options, NULL, 0, NULL));
  BOTH(radam_set_lr(opt, 2, 0.5));
  steps(NOT_PREPARED, "another group");
  for (uint32_t group = 0; group < 3; group++) BOTH(radam_set_lr(opt, group, 0.005));
  steps(NOT_PREPARED, "the learning rates of many groups");
}

static void parameters_change(void) {
  BOTH(radam_set_grad(opt, PARAMS - 2, PLACE(w.other_grad)));
  steps(NOT_PREPARED, "another gradient");
  BOTH(radam_set_grad(opt, PARAMS - 2, PLACE(w.grads[PARAMS - 2])));
  BOTH(radam_zero_grad(opt)); /* which sends the tables, too */
  steps(NOT_PREPARED, "the gradient of before");
  BOTH(radam_set_frozen(opt, 3, RADAM_ON));
  steps(NOT_PREPARED, "a frozen parameter");
  BOTH(radam_set_frozen(opt, 3, RADAM_OFF));
  steps(NOT_PREPARED, "a parameter that is frozen no more");
  BOTH(radam_set_step_count(opt, 70, 40));
  steps(NOT_PREPARED, "another step count");
  BOTH(radam_set_step_count(opt, 70, UINT64_MAX - 1));
  steps(NOT_PREPARED, "the last step count");
  BOTH(radam_reset_state(opt, 70));
  steps(NOT_PREPARED, "state that was reset");
  BOTH(radam_save_to_buffer(opt, w.checkpoint, sizeof w.checkpoint, &w.size));
  steps(PREPARED, "a checkpoint that was saved");
  BOTH(radam_load_from_buffer(opt, w.checkpoint, w.size, NULL));
  steps(NOT_PREPARED, "a checkpoint that was loaded");
  static array more;
  make(&more, 0, 9000);
  uint32_t id = 0;
  BOTH(radam_add_param(opt, 0, RADAM_DTYPE_F64, 0, PLACE(more), PLACE(w.grads[0]), SHORT, NULL, &id));
  steps(NOT_PREPARED, "a new parameter");
  BOTH(radam_remove_param(opt, id));
  steps(NOT_PREPARED, "a parameter that was removed");
  free_memory(more.device);
}

/* Each call of the driver fails in turn while more parameters are added than there is room for, which then are not there. They
   have no elements, and so no state that would be allocated. */
static void additions_fail(void) {
  enum { MORE = 1000 };
  static radam_param params[MORE];
  for (int i = 0; i < MORE; i++) params[i] = param_of(RADAM_DTYPE_F64, NULL, NULL, 0);
  for (uint64_t n = 1;; n++) {
    STAND_IN(stand_in_fail_call)(n, CUDA_ERROR_OUT_OF_MEMORY);
    const radam_status status = radam_add_params(w.gpu, 0, params, MORE, NULL);
    STAND_IN(stand_in_repair)();
    BOTH(radam_set_lr(opt, 0, 0.01 / (double)n));
    if (status == RADAM_OK) break;
    steps(NOT_PREPARED, "an addition that failed");
  }
  OK(w.cpu, radam_add_params(w.cpu, 0, params, MORE, NULL));
  steps(NOT_PREPARED, "an addition");
}

/* Steps of single parameters between those of all others. */
static void released_steps(void) {
  radam_group_options options = initial_options(0);
  options.gradient_release = RADAM_ON;
  uint32_t group = 0, id = 0;
  static array released;
  make(&released, 0, 9100);
  BOTH(radam_add_param_group(opt, &options, NULL, 0, &group));
  BOTH(radam_add_param(opt, group, RADAM_DTYPE_F64, 0, PLACE(released), NULL, SHORT, NULL, &id));
  steps(NOT_PREPARED, "a parameter with gradient release");
  for (int i = 0; i < 3; i++) {
    BOTH(radam_step_param(opt, id, PLACE(w.grads[0])));
    CHECK(is_same_on_device(released.device, released.host, bytes_of(0)), "other bits of a step of one parameter");
    steps(NOT_PREPARED, "a step of one parameter");
  }
  BOTH(radam_remove_param(opt, id));
  free_memory(released.device);
}

/* A graph that was captured by these calls. */
#define CAPTURED(exec, stream, call)                                                   \
  do {                                                                                 \
    CUgraph graph_;                                                                    \
    DRIVER(cuStreamBeginCapture_v2, stream, CU_STREAM_CAPTURE_MODE_GLOBAL);            \
    OK(w.gpu, call);                                                                   \
    DRIVER(cuStreamEndCapture, stream, &graph_);                                       \
    DRIVER(cuGraphInstantiateWithFlags, &(exec), graph_, 0);                           \
    DRIVER(cuGraphDestroy, graph_);                                                    \
  } while (0)

/* What is set in a graph may be set between any two steps from then on. */
static void graphs_change_options(CUstream stream) {
  CUgraphExec lr;
  CAPTURED(lr, stream, radam_set_lr(w.gpu, 0, 0.03));
  step(NULL, NOT_PREPARED, "a capture sets nothing");
  DRIVER(cuGraphLaunch, lr, stream);
  OK(w.cpu, radam_set_lr(w.cpu, 0, 0.03));
  step(NULL, NOT_PREPARED, "a learning rate of a graph");
  OK(w.gpu, radam_set_lr(w.gpu, 0, 0.04));
  DRIVER(cuGraphLaunch, lr, stream);
  step(NULL, NOT_PREPARED, "a learning rate of a graph again");
  /* The groups move to other memory; the graph still has that of before. */
  const radam_group_options options = initial_options(0);
  for (int i = 0; i < 100; i++) BOTH(radam_add_param_group(opt, &options, NULL, 0, NULL));
  DRIVER(cuGraphLaunch, lr, stream);
  step(NULL, NOT_PREPARED, "more groups than the graph knows");
  DRIVER(cuGraphExecDestroy, lr);
}

static void graphs_change_step_counts(CUstream stream) {
  CUgraphExec count;
  CAPTURED(count, stream, radam_set_step_count(w.gpu, 3, 7));
  step(NULL, NOT_PREPARED, "a capture sets no step count");
  for (int replay = 0; replay < 3; replay++) {
    DRIVER(cuGraphLaunch, count, stream);
    OK(w.cpu, radam_set_step_count(w.cpu, 3, 7));
    step(NULL, NOT_PREPARED, "a step count of a graph");
  }
  DRIVER(cuGraphExecDestroy, count);
}

int main(void) {
  alarm(120); /* ends what hangs */
  open_device();
  const CUstream first = new_stream(), second = new_stream();
  make_world(false, first);
  steps(NOT_PREPARED, "the first step");
  unusual_steps();
  additions_fail();
  options_change();
  OK(w.gpu, radam_set_stream(w.gpu, second));
  steps(PREPARED, "another stream");
  parameters_change();
  released_steps();
  graphs_change_step_counts(second);
  graphs_change_options(second);
  free_world();
  make_world(true, first);
  step(NULL, NOT_PREPARED, "the first step on coded state");
  BOTH(radam_set_lr(opt, 0, 0.02));
  step(NULL, PREPARED, "a learning rate");
  step(NULL, PREPARED, "the same learning rate");
  free_world();
  puts("steps are prepared ahead");
  return 0;
}
