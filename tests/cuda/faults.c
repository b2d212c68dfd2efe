/* Each call of the driver that the library makes fails in turn, once, or with all that come after it. Every call of radam's
   then succeeds or says which function failed and how; what failed once works when it is called again, what failed for
   good can still be freed, and nothing is left on the device. */
#define _POSIX_C_SOURCE 200809L
#include "stand_in.h"

#include <unistd.h>

enum { LEN = 300, CODED_LEN = 4200, ARRAY = 1 << 15, ARRAYS = 12 };

/* What fails. Calls of the program's own do not, and are not counted. */
static struct {
  bool for_good;
  uint64_t left;       /* calls of the driver up to the one that fails; 0: it has failed, or none does */
  uint64_t resumed_at; /* calls before */
  uint64_t made;       /* by the library */
  int failures;        /* calls of radam's that have failed */
  bool left_behind;    /* whether an optimizer was freed whose context could not be made current: what is in it goes with it */
} plan;

static void resume(void) {
  plan.resumed_at = STAND_IN(stand_in_calls)();
  if (plan.for_good) STAND_IN(stand_in_lose_device)(plan.left, CUDA_ERROR_ECC_UNCORRECTABLE);
  else STAND_IN(stand_in_fail_call)(plan.left, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
}

static void pause_faults(void) {
  const uint64_t made = STAND_IN(stand_in_calls)() - plan.resumed_at;
  plan.made += made;
  if (made < plan.left) plan.left -= made;
  else plan.left = plan.for_good && plan.left != 0; /* what is lost stays lost */
  STAND_IN(stand_in_repair)();
}

/* A call of the program's own. */
#define OWN(...)    \
  do {              \
    pause_faults(); \
    __VA_ARGS__;    \
    resume();       \
  } while (0)

static bool is_ok(const radam_optimizer *opt, radam_status status, const char *call) {
  if (status == RADAM_OK) return true;
  plan.failures++;
  CHECK(status == RADAM_ERROR_DEVICE, "%s gave %s", call, radam_status_string(status));
  check_message(opt, plan.for_good ? "CUDA_ERROR_ECC_UNCORRECTABLE" : "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", call);
  check_message(opt, " in cu", call);
  return false;
}

/* A call of radam's, and again if it has failed once. If the device is lost, nothing comes after it. */
#define TRY(opt, call)                \
  do {                                \
    if (!is_ok(opt, call, #call)) {   \
      if (plan.for_good) goto lost;   \
      OK(opt, call);                  \
    }                                 \
  } while (0)

typedef struct world {
  CUstream stream, other;
  char *memory;     /* ARRAYS of ARRAY bytes */
  int allocations;  /* of the allocator's, that are not released */
  uint64_t size;
  char file[1 << 17];
} world;

static void *array(const world *w, int number) { return w->memory + number * ARRAY; }

static void *allocate(uint64_t size, uint64_t alignment, void *user) {
  void *memory = NULL;
  (void)alignment; /* the driver's memory has more than enough */
  ++*(int *)user;
  OWN(memory = new_memory(size));
  return memory;
}

static void release(void *memory, uint64_t size, uint64_t alignment, void *user) {
  (void)size, (void)alignment;
  --*(int *)user;
  OWN(free_memory(memory));
}

static uint64_t contexts_not_pushed(void) { return calls_of("cuCtxPushCurrent_v2") - calls_of("cuCtxPopCurrent_v2"); }

static void free_here(radam_optimizer *opt) {
  const uint64_t before = contexts_not_pushed();
  OK(NULL, radam_free(opt));
  plan.left_behind = plan.left_behind || contexts_not_pushed() != before;
}

/* Writes *opt only if it succeeds. */
static radam_status create_here(world *w, bool with_allocator, radam_optimizer **opt) {
  radam_options options;
  OK(NULL, radam_options_init(&options, sizeof options));
  options.device = RADAM_DEVICE_CUDA;
  options.cuda_stream = w->stream;
  if (with_allocator) options.allocator = (radam_allocator){allocate, release, &w->allocations};
  radam_optimizer *const untouched = (radam_optimizer *)(void *)w, *made = untouched;
  const radam_status status = radam_create(&options, &made);
  CHECK((status == RADAM_OK) == (made != untouched), "radam_create failed and wrote an optimizer, or the other way round");
  if (status == RADAM_OK) *opt = made;
  return status;
}

/* Nothing of what could not be added is there. */
static void check_not_added(const radam_optimizer *opt, const radam_param *params, uint64_t count) {
  uint32_t id;
  for (uint64_t i = 0; i < count; i++)
    CHECK(radam_param_id(opt, params[i].name, &id) == RADAM_ERROR_INVALID_ARGUMENT, "%s was added", params[i].name);
}

#define TRY_ADD(opt, options, params, count)                                                                         \
  do {                                                                                                               \
    if (!is_ok(opt, radam_add_param_group(opt, options, params, count, NULL), "radam_add_param_group")) {            \
      check_not_added(opt, params, count);                                                                           \
      if (plan.for_good) goto lost;                                                                                  \
      OK(opt, radam_add_param_group(opt, options, params, count, NULL));                                             \
    }                                                                                                                \
  } while (0)

static radam_param named(radam_param param, const char *name) {
  param.name = name;
  return param;
}

static radam_status change(radam_optimizer *opt, uint32_t group, radam_dtype state_dtype) {
  radam_group_options options = group_options();
  OK(opt, radam_get_group_options(opt, group, &options));
  options.state_dtype = state_dtype;
  const radam_status status = radam_set_group_options(opt, group, &options);
  radam_group_options after = group_options();
  OK(opt, radam_get_group_options(opt, group, &after));
  CHECK((status == RADAM_OK) == (after.state_dtype == state_dtype), "options changed though the call failed, or not at all");
  void *array_of_state;
  radam_dtype dtype;
  OK(opt, radam_param_state(opt, group == 0 ? 1 : 2, RADAM_STATE_EXP_AVG, &array_of_state, &dtype));
  CHECK((status == RADAM_OK) == (dtype == state_dtype), "the state changed though the call failed, or not at all");
  return status;
}

static radam_status save(radam_optimizer *opt, world *w) {
  return radam_save_to_buffer(opt, w->file, sizeof w->file, &w->size);
}

static radam_status load(radam_optimizer *opt, const world *w) {
  radam_load_options options;
  OK(NULL, radam_load_options_init(&options, sizeof options));
  options.convert_state = RADAM_ON;
  return radam_load_from_buffer(opt, w->file, w->size, &options);
}

static void replay(CUstream stream) {
  CUgraph graph;
  CUgraphExec exec;
  DRIVER(cuStreamEndCapture, stream, &graph);
  DRIVER(cuGraphInstantiateWithFlags, &exec, graph, 0);
  DRIVER(cuGraphLaunch, exec, stream);
  DRIVER(cuStreamSynchronize, stream);
  DRIVER(cuGraphExecDestroy, exec);
  DRIVER(cuGraphDestroy, graph);
}

/* Every path to the driver. */
static void call_everything(world *w) {
  radam_optimizer *opt = NULL, *given = NULL;
  radam_group_options options = group_options();
  radam_step_options step = step_options(), skip = step_options(), alone = step_options();
  radam_step_report report = step_report();
  radam_grad_sums sums;
  radam_group_report group_report;
  uint64_t steps;
  OK(NULL, radam_grad_sums_init(&sums, sizeof sums));
  OK(NULL, radam_group_report_init(&group_report, sizeof group_report));
  step.max_grad_norm = 1;
  step.report_norms = step.zero_grad = alone.report_norms = alone.zero_grad = RADAM_ON;
  skip.skip_nonfinite = RADAM_ON;

  resume();
  TRY(NULL, create_here(w, false, &opt));
  const radam_param plain[] = {named(param_of(RADAM_DTYPE_F32, array(w, 0), array(w, 1), LEN), "f32"),
                               named(param_of(RADAM_DTYPE_BF16, array(w, 2), array(w, 3), LEN), "bf16")};
  TRY_ADD(opt, &options, plain, 2);
  options.state_dtype = RADAM_DTYPE_Q8;
  const radam_param coded = named(param_of(RADAM_DTYPE_F32, array(w, 4), array(w, 5), CODED_LEN), "coded");
  TRY_ADD(opt, &options, &coded, 1);
  options.state_dtype = 0;
  options.gradient_release = RADAM_ON;
  const radam_param released = named(param_of(RADAM_DTYPE_F32, array(w, 6), array(w, 7), LEN), "released");
  TRY_ADD(opt, &options, &released, 1);

  TRY(opt, radam_step(opt));
  TRY(opt, radam_set_grad(opt, 0, array(w, 8)));
  TRY(opt, radam_set_lr(opt, 0, 0.02));
  TRY(opt, radam_step(opt));
  TRY(opt, radam_step_with(opt, &step, &report));
  TRY(opt, radam_step_with(opt, &skip, NULL));
  TRY(opt, radam_step_param(opt, 3, array(w, 8)));
  TRY(opt, radam_step_tensor(opt, 3, array(w, 6), array(w, 8), &alone, &report));
  TRY(opt, radam_measure(opt, &sums));
  TRY(opt, radam_zero_grad(opt));
  TRY(opt, change(opt, 0, RADAM_DTYPE_F32));
  TRY(opt, change(opt, 1, RADAM_DTYPE_F32));
  TRY(opt, save(opt, w));
  TRY(opt, change(opt, 1, RADAM_DTYPE_Q8));
  TRY(opt, load(opt, w));
  TRY(opt, radam_set_frozen(opt, 1, RADAM_ON));
  TRY(opt, radam_reset_state(opt, 0));
  TRY(opt, radam_set_step_count(opt, 0, 7));
  TRY(opt, radam_step_count(opt, 0, &steps));
  TRY(opt, radam_get_group_report(opt, 0, &group_report));

  OWN(DRIVER(cuStreamBeginCapture_v2, w->other, CU_STREAM_CAPTURE_MODE_GLOBAL));
  bool is_captured = is_ok(opt, radam_set_stream(opt, w->other), "radam_set_stream") && is_ok(opt, radam_step(opt), "radam_step");
  is_captured = is_captured && is_ok(opt, radam_set_grad(opt, 0, array(w, 1)), "radam_set_grad") &&
                is_ok(opt, radam_step_with(opt, &skip, NULL), "radam_step_with");
  OWN(replay(w->other)); /* whatever is in it */
  if (!is_captured && plan.for_good) goto lost;
  TRY(opt, radam_set_stream(opt, w->stream));
  TRY(opt, radam_remove_param(opt, 1));
  TRY(opt, radam_step(opt));

  TRY(NULL, create_here(w, true, &given));
  options.gradient_release = RADAM_OFF;
  radam_param own = named(param_of(RADAM_DTYPE_BF16, array(w, 9), array(w, 3), LEN), "own");
  own.exp_avg = array(w, 10);
  TRY_ADD(given, &options, &own, 1);
  TRY(given, radam_step(given));
  TRY(given, radam_reset_state(given, UINT32_MAX));

lost:
  if (plan.for_good && opt != NULL && plan.failures != 0) CHECK(!is_ok(opt, radam_step(opt), "radam_step"), "a lost device stepped");
  if (opt != NULL) free_here(opt);
  if (given != NULL) free_here(given);
  pause_faults();
}

static void run(world *w, bool for_good, uint64_t n) {
  const stand_in_counts before = counted();
  plan.for_good = for_good;
  plan.left = n;
  plan.made = plan.failures = 0;
  plan.left_behind = false;
  call_everything(w);
  const stand_in_counts after = counted();
  CHECK(for_good || plan.failures <= 1, "one call of the driver failed, and %d of radam's", plan.failures);
  CHECK(n != 0 || plan.failures == 0, "calls fail by themselves");
  CHECK(w->allocations == 0, "%d allocations of the caller's allocator are left", w->allocations);
  CHECK(after.retained == before.retained && after.pushed == before.pushed, "contexts are left: call %d", (int)n);
  if (for_good || plan.left_behind) return;
  CHECK(after.allocations == before.allocations && after.pinned == before.pinned, "memory is left: call %d", (int)n);
  CHECK(after.streams == before.streams && after.events == before.events && after.modules == before.modules,
        "streams, events or modules are left: call %d", (int)n);
}

int main(void) {
  alarm(300); /* ends what hangs */
  open_device();
  static world w;
  w.stream = new_stream();
  w.other = new_stream();
  w.memory = new_memory(ARRAYS * ARRAY);
  run(&w, false, 0);
  const uint64_t all = plan.made;
  for (uint64_t n = 1; n <= all; n++) run(&w, false, n), run(&w, true, n);
  CHECK(all > 200, "only %d calls", (int)all);
  printf("%d calls of the driver have failed in turn\n", (int)all);
  return 0;
}
