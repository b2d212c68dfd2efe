/* After the first step, no thread is started, and nothing is allocated and nothing freed by what the calling
   thread does alone or with the caller's threads, and little by what the library's own threads do; state takes
   two values per element, or three with Kahan summation, and some 200 bytes a tensor; and loading a file needs a
   copy of it for the time being, while saving and loading from memory need none. */
#define _GNU_SOURCE
#include "allocator.h"

/* A small network of 6,800 elements in six tensors, and work that is large enough for threads. */
static const size_t small[] = {64 * 64, 64, 64 * 32, 32, 32 * 16, 48}, large[] = {1 << 20, 300000, 7};
enum { SMALL_COUNT = 6, LARGE_COUNT = 3, WARM_UP = 3, ROUNDS = 40, LARGEST = 1 << 20 };

typedef struct world {
  radam_optimizer *opt;
  uint32_t count;
  uint64_t round;
} world;

static _Alignas(64) double params[LARGE_COUNT][LARGEST], grads[LARGE_COUNT + 1][LARGEST];
static _Alignas(64) double small_params[SMALL_COUNT][64 * 64], small_grads[SMALL_COUNT + 1][64 * 64];

static void *param_of(const world *w, uint32_t i) {
  return w->count == SMALL_COUNT ? small_params[i] : params[i];
}

static void *grad_of(const world *w, uint32_t i) {
  return w->count == SMALL_COUNT ? small_grads[i] : grads[i];
}

static void step(world *w) {
  OK(w->opt, radam_step(w->opt));
}

static void step_with_schedule(world *w) {
  OK(w->opt, radam_set_lr(w->opt, 0, 0.01 / (double)(1 + w->round)));
  OK(w->opt, radam_set_weight_decay(w->opt, 0, 0.1 / (double)(1 + w->round)));
  OK(w->opt, radam_step(w->opt));
}

static void step_and_zero(world *w) {
  OK(w->opt, radam_step(w->opt));
  OK(w->opt, radam_zero_grad(w->opt));
}

/* One parameter in turn loses its gradient, gets another one, and gets its own back. */
static void step_with_new_gradients(world *w) {
  uint32_t param = (uint32_t)(w->round / 3) % w->count;
  void *there[] = {NULL, grad_of(w, w->count), grad_of(w, param)};
  OK(w->opt, radam_set_grad(w->opt, param, there[w->round % 3]));
  OK(w->opt, radam_step(w->opt));
}

static void step_accumulating(world *w) {
  OK(w->opt, radam_set_optimizer_accumulation(w->opt, w->round % 4 == 3 ? RADAM_OFF : RADAM_ON));
  OK(w->opt, radam_step(w->opt));
}

static void step_and_look(world *w) {
  uint64_t count;
  double lr;
  radam_toggle on;
  OK(w->opt, radam_step(w->opt));
  OK(w->opt, radam_step_count(w->opt, 0, &count));
  OK(w->opt, radam_get_lr(w->opt, 0, &lr));
  CHECK(options_of(w->opt, 0).kahan_sum == RADAM_AUTO, "another kahan_sum");
  OK(w->opt, radam_get_optimizer_accumulation(w->opt, &on));
}

static radam_step_options everything(const world *w) {
  radam_step_options options;
  OK(NULL, radam_step_options_init(&options, sizeof options));
  options.grad_scale = 0.5;
  options.max_grad_norm = 1 + (double)(w->round % 3);
  options.max_grad_value = 0.01;
  options.skip_nonfinite = RADAM_ON;
  options.zero_grad = RADAM_ON;
  options.report_norms = RADAM_ON;
  return options;
}

static void step_with_everything(world *w) {
  const radam_step_options options = everything(w);
  radam_step_report report;
  OK(NULL, radam_step_report_init(&report, sizeof report));
  OK(w->opt, radam_step_with(w->opt, &options, &report));
}

/* Some chunks by their number, and the others by their time; and a step that is given up. */
static void step_in_slices(world *w) {
  const radam_step_options options = everything(w);
  radam_step_report report;
  uint64_t chunks, left;
  OK(NULL, radam_step_report_init(&report, sizeof report));
  OK(w->opt, radam_step_begin(w->opt, &options));
  OK(w->opt, radam_step_abort(w->opt));
  OK(w->opt, radam_step_begin(w->opt, &options));
  OK(w->opt, radam_step_wave(w->opt, &chunks));
  for (uint64_t chunk = 0; chunk < chunks; chunk += 2) OK(w->opt, radam_step_chunk(w->opt, chunk));
  OK(w->opt, radam_step_for(w->opt, 1, &left));
  OK(w->opt, radam_step_for(w->opt, UINT64_MAX, &left));
  OK(w->opt, radam_step_end(w->opt, &report));
}

static void step_and_change(world *w) {
  uint32_t param = (uint32_t)w->round % w->count;
  radam_group_report report;
  void *state;
  OK(NULL, radam_group_report_init(&report, sizeof report));
  OK(w->opt, radam_set_frozen(w->opt, param, w->round % 2 ? RADAM_ON : RADAM_OFF));
  OK(w->opt, radam_step(w->opt));
  OK(w->opt, radam_set_step_count(w->opt, param, w->round));
  OK(w->opt, radam_reset_state(w->opt, w->round % 8 ? param : UINT32_MAX));
  OK(w->opt, radam_param_state(w->opt, param, RADAM_STATE_EXP_AVG, &state, NULL));
  OK(w->opt, radam_get_group_report(w->opt, 0, &report));
}

/* Without the optimizer. */
static void update(world *w) {
  static double states[3][64 * 64];
  radam_group_options options = group_options();
  const uint64_t len = 64 * 64, step = w->round + 1;
  OK(NULL, radam_update(RADAM_DTYPE_F32, 0, 0, param_of(w, 0), grad_of(w, 0), states[0], states[1], NULL, len, &options, step));
  OK(NULL, radam_update(RADAM_DTYPE_BF16, 0, 0, param_of(w, 0), grad_of(w, 0), states[0], states[1], states[2], len, &options, step));
  options.master_remainder = RADAM_ON;
  OK(NULL, radam_update(RADAM_DTYPE_BF16, 0, 0, param_of(w, 0), grad_of(w, 0), states[0], states[1], states[2], len, &options, step));
  options.master_remainder = RADAM_OFF;
  options.stochastic_rounding = RADAM_ON;
  OK(NULL, radam_update(RADAM_DTYPE_BF16, 0, 0, param_of(w, 0), grad_of(w, 0), states[0], states[1], NULL, len, &options, step));
}

static void release(world *w) {
  for (uint32_t i = 0; i < w->count; i++) OK(w->opt, radam_step_param(w->opt, i, grad_of(w, i)));
  OK(w->opt, radam_step(w->opt));
  OK(w->opt, radam_zero_grad(w->opt));
}

/* How parameters are rounded, or what they are copied to. */
typedef enum rounding { AS_USUAL, MASTERS, AT_RANDOM, COPIES } rounding;

/* What there is to do, and who does it. */
typedef enum work { SMALL_WORK, WORK_OF_AN_EXECUTOR, WORK_OF_THREADS } work;

/* Each wave takes the library's threads a few boxes, which are soon freed, and a round has few waves. */
enum { BOXES = 24, BYTES_IN_FLIGHT = 8192 };

static void executor(uint64_t count, void (*body)(uint64_t index, void *data), void *data, void *user) {
  (void)user;
  for (uint64_t index = 0; index < count; index++) body(index, data);
}

static radam_optimizer *create_for(work work) {
  radam_options options;
  radam_optimizer *opt = NULL;
  OK(NULL, radam_options_init(&options, sizeof options));
  options.num_threads = 4;
  options.parallel_from = 1 << 17;
  if (work == WORK_OF_AN_EXECUTOR) options.executor.parallel_for = executor;
  OK(NULL, radam_create(&options, &opt));
  return opt;
}

/* Threads that have just been started allocate what they need themselves. */
static void wait_for_threads(void) {
  for (long before = -1; before != allocations; usleep(50000)) before = allocations;
}

static void allocates_nothing(const char *what, void (*round)(world *), radam_dtype dtype, radam_toggle for_each, rounding rounding, work work) {
  static uint16_t copies[SMALL_COUNT][LARGEST];
  const bool is_large = work != SMALL_WORK;
  world w = {create_for(work), is_large ? LARGE_COUNT : SMALL_COUNT, 0};
  const size_t *lens = is_large ? large : small;
  radam_group_options options = group_options();
  options.for_each = for_each;
  options.gradient_release = round == release ? RADAM_ON : RADAM_OFF;
  options.master_remainder = rounding == MASTERS ? RADAM_ON : RADAM_OFF;
  options.stochastic_rounding = rounding == AT_RANDOM ? RADAM_ON : RADAM_OFF;
  radam_param tensors[SMALL_COUNT];
  for (uint32_t i = 0; i < w.count; i++) {
    OK(NULL, radam_param_init(&tensors[i], sizeof tensors[i]));
    tensors[i].dtype = dtype;
    tensors[i].data = param_of(&w, i);
    tensors[i].grad = grad_of(&w, i);
    tensors[i].len = lens[i];
    tensors[i].copy = rounding == COPIES ? copies[i] : NULL;
  }
  OK(w.opt, radam_add_param_group(w.opt, &options, tensors, w.count, NULL));
  const bool alone = round == step_in_slices || round == update, with_threads = work == WORK_OF_THREADS && !alone;
  const bool starts_threads = with_threads && round != release;
  long threads_before = thread_starts;
  for (; w.round < WARM_UP; w.round++) round(&w);
  CHECK(with_threads || thread_starts == threads_before, "%s: what is small, or the caller's to do, starts threads", what);
  CHECK(!starts_threads || thread_starts > threads_before, "%s: a large step starts no threads", what);

  if (with_threads) wait_for_threads();
  long allocations_before = allocations, releases_before = releases, bytes_before = bytes_in_use;
  threads_before = thread_starts;
  for (; w.round < WARM_UP + ROUNDS; w.round++) round(&w);
  const long allowed = with_threads ? BOXES * ROUNDS : 0;
  CHECK(allocations - allocations_before <= allowed, "%s, dtype %d, for_each %d, work %d: %ld allocations in %d rounds", what, dtype, for_each,
        work, allocations - allocations_before, ROUNDS);
  CHECK(releases - releases_before <= allowed, "%s, work %d: memory is freed", what, work);
  CHECK(bytes_in_use - bytes_before <= (with_threads ? BYTES_IN_FLIGHT : 0), "%s: %ld bytes more are in use after %d rounds", what,
        bytes_in_use - bytes_before, ROUNDS);
  CHECK(thread_starts == threads_before, "%s: threads are started", what);
  OK(w.opt, radam_free(w.opt));
}

/* Tensors of a length, added all at once or one by one: at any time, not only at the end. */
static void takes_little_memory(radam_dtype dtype, radam_toggle kahan_sum, uint64_t len, bool at_once) {
  enum { COUNT = 148 };
  static double data[1 << 20];
  static radam_param tensors[COUNT];
  const size_t size = dtype == RADAM_DTYPE_F64 ? 8 : dtype == RADAM_DTYPE_F32 ? 4 : 2;
  const long state = (long)(len * size) * (kahan_sum == RADAM_ON ? 3 : 2);
  CHECK(len * size * COUNT <= sizeof data, "too large for this test");
  radam_group_options options = group_options();
  options.kahan_sum = kahan_sum;
  radam_optimizer *opt = create(1);
  OK(opt, radam_step(opt));
  const long before = bytes_in_use;
  for (long i = 0; i < COUNT; i++) {
    OK(NULL, radam_param_init(&tensors[i], sizeof tensors[i]));
    tensors[i].dtype = dtype;
    tensors[i].data = (char *)data + (uint64_t)i * len * size;
    tensors[i].len = len;
  }
  OK(opt, radam_add_param_group(opt, &options, tensors, at_once ? COUNT : 0, NULL));
  const long group_bytes = at_once ? 1000 : bytes_in_use - before;
  for (long i = 0; i < COUNT; i++) {
    uint32_t id;
    if (!at_once) OK(opt, radam_add_param(opt, 0, dtype, 0, tensors[i].data, NULL, len, NULL, &id));
    const long tensor_count = at_once ? COUNT : i + 1, used = bytes_in_use - before - group_bytes;
    /* A short list may have room for a few more than it has. */
    CHECK(tensor_count < 16 || used - state * tensor_count < 208 * tensor_count, "%ld tensors of %llu elements of dtype %d, %s: %ld bytes each besides the state",
          tensor_count, (unsigned long long)len, dtype, at_once ? "added at once" : "added one by one", used / tensor_count - state);
  }
  OK(opt, radam_free(opt));
}

/* The most that calls have in use at once beside what was there, where each array has 100 MiB: loading a file has the
   new state beside the old one, and loading from memory has not. */
static void checkpoints_take_little_memory(void) {
  enum { LEN = 25 << 20, ALLOWED = 16 << 20, SAVE = 0, LOAD, LOAD_FROM_BUFFER };
  char path[128];
  const char *root = getenv("TMPDIR");
  snprintf(path, sizeof path, "%s/radam-allocations-%ld", root != NULL && strlen(root) < 64 ? root : "/tmp", (long)getpid());
  float *data = calloc(LEN, sizeof *data);
  CHECK(data != NULL, "no memory");
  radam_optimizer *opt = create(1);
  radam_group_options options = group_options();
  add_f32(opt, add_group(opt, &options), data, NULL, LEN);
  const uint64_t state = 2 * sizeof(float) * (uint64_t)LEN, capacity = state + (1 << 20);
  uint64_t size;
  void *buffer = malloc(capacity);
  CHECK(buffer != NULL, "no memory");
  OK(opt, radam_save_to_buffer(opt, buffer, capacity, &size));
  for (int call = SAVE; call <= LOAD_FROM_BUFFER; call++) {
    const long before = bytes_in_use, allowed = ALLOWED + (call == LOAD ? (long)state : 0);
    most_bytes_in_use = before;
    OK(opt, call == SAVE ? radam_save(opt, path) : call == LOAD ? radam_load(opt, path) : radam_load_from_buffer(opt, buffer, size, NULL));
    CHECK(most_bytes_in_use - before <= allowed, "call %d takes %ld bytes of memory", call, most_bytes_in_use - before);
    CHECK(bytes_in_use == before, "call %d keeps %ld bytes of memory", call, bytes_in_use - before);
  }
  free(buffer);
  FILE *file = fopen(path, "r");
  CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0 && ftell(file) >= 200 << 20, "the state is not as large as this test thinks");
  fclose(file);
  CHECK(unlink(path) == 0, "the file is gone");
  OK(opt, radam_free(opt));
  free(data);
}

int main(void) {
  alarm(300); /* ends what hangs */
  find_real_functions();
  for (radam_dtype dtype = RADAM_DTYPE_F32; dtype <= RADAM_DTYPE_BF16; dtype++)
    for (int kind = 0; kind < 4; kind++) {
      takes_little_memory(dtype, kind % 2 ? RADAM_ON : RADAM_OFF, 1, kind / 2);
      takes_little_memory(dtype, kind % 2 ? RADAM_ON : RADAM_OFF, 64, kind / 2);
      takes_little_memory(dtype, kind % 2 ? RADAM_ON : RADAM_OFF, 5003, kind / 2);
    }
  checkpoints_take_little_memory();
  for (work work = SMALL_WORK; work <= WORK_OF_THREADS; work++) {
    for (radam_dtype dtype = RADAM_DTYPE_F32; dtype <= RADAM_DTYPE_BF16; dtype++) {
      allocates_nothing("radam_step", step, dtype, RADAM_ON, AS_USUAL, work);
      allocates_nothing("radam_step", step, dtype, RADAM_OFF, AS_USUAL, work);
    }
    allocates_nothing("a schedule", step_with_schedule, RADAM_DTYPE_F32, RADAM_AUTO, AS_USUAL, work);
    allocates_nothing("radam_zero_grad", step_and_zero, RADAM_DTYPE_BF16, RADAM_AUTO, AS_USUAL, work);
    allocates_nothing("radam_set_grad", step_with_new_gradients, RADAM_DTYPE_F32, RADAM_AUTO, AS_USUAL, work);
    allocates_nothing("accumulation", step_accumulating, RADAM_DTYPE_F32, RADAM_AUTO, AS_USUAL, work);
    allocates_nothing("the getters", step_and_look, RADAM_DTYPE_F32, RADAM_AUTO, AS_USUAL, work);
    allocates_nothing("radam_step_param", release, RADAM_DTYPE_F32, RADAM_AUTO, AS_USUAL, work);
    allocates_nothing("radam_step_with", step_with_everything, RADAM_DTYPE_F32, RADAM_ON, AS_USUAL, work);
    allocates_nothing("slices", step_in_slices, RADAM_DTYPE_F32, RADAM_OFF, AS_USUAL, work);
    allocates_nothing("changes", step_and_change, RADAM_DTYPE_F32, RADAM_AUTO, AS_USUAL, work);
    allocates_nothing("radam_update", update, RADAM_DTYPE_F32, RADAM_AUTO, AS_USUAL, work);
    for (rounding rounding = MASTERS; rounding <= COPIES; rounding++) {
      radam_dtype dtype = rounding == COPIES ? RADAM_DTYPE_F32 : RADAM_DTYPE_BF16;
      allocates_nothing("mixed precision", step, dtype, RADAM_AUTO, rounding, work);
      allocates_nothing("mixed precision with everything", step_with_everything, dtype, RADAM_AUTO, rounding, work);
      allocates_nothing("mixed precision in slices", step_in_slices, dtype, RADAM_AUTO, rounding, work);
    }
  }
  return 0;
}
