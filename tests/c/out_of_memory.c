/* Every allocation fails once, in its turn: the call either does without or gives
   RADAM_ERROR_OUT_OF_MEMORY and changes nothing, so that it succeeds when there is memory again. */
#define _GNU_SOURCE
#include "allocator.h"

enum { LEN = 300, LARGE = 1 << 19, PARAMS = 24, GIVEN = 4, GROUPS = 4, STEPS = 8, UNWRITTEN = 77 };

/* Everything that a caller can see of an optimizer. Compared as bytes, so it is zeroed first. */
typedef struct picture {
  double data[PARAMS][LEN], grads[PARAMS][LEN];
  /* What comes with the parameters of the last group. */
  uint16_t copies[GIVEN][LEN], masters[GIVEN][LEN], master_grads[GIVEN][LEN];
  float given[GIVEN][LEN];
  double states[PARAMS + GIVEN][4][LEN];
  radam_group_options options[GROUPS];
  radam_status statuses[GROUPS + PARAMS + GIVEN];
  uint64_t steps[PARAMS + GIVEN];
  radam_toggle frozen[PARAMS + GIVEN];
  radam_toggle accumulation;
} picture;

static radam_optimizer *opt;
static picture now, before;

static void look(picture *to) {
  memcpy(to->data, now.data, sizeof to->data);
  memcpy(to->grads, now.grads, sizeof to->grads);
  memcpy(to->copies, now.copies, sizeof to->copies);
  memcpy(to->masters, now.masters, sizeof to->masters);
  memcpy(to->master_grads, now.master_grads, sizeof to->master_grads);
  memcpy(to->given, now.given, sizeof to->given);
  for (uint32_t group = 0; group < GROUPS; group++) {
    to->options[group] = group_options();
    to->statuses[group] = radam_get_group_options(opt, group, &to->options[group]);
  }
  for (uint32_t param = 0; param < PARAMS + GIVEN; param++) {
    to->statuses[GROUPS + param] = radam_step_count(opt, param, &to->steps[param]);
    radam_get_frozen(opt, param, &to->frozen[param]);
    for (radam_state which = RADAM_STATE_EXP_AVG; which <= RADAM_STATE_MASTER_REMAINDER; which++) {
      void *state = NULL;
      radam_dtype dtype = 0;
      radam_param_state(opt, param, which, &state, &dtype);
      const size_t size = dtype == RADAM_DTYPE_F64 ? 8 : dtype == RADAM_DTYPE_F32 ? 4 : 2;
      if (state != NULL) memcpy(to->states[param][which - RADAM_STATE_EXP_AVG], state, LEN * size);
    }
  }
  radam_get_optimizer_accumulation(opt, &to->accumulation);
}

/* Allocations inside the library that still succeed. Negative: none will fail. */
static long remaining = -1;

static void begin_call(void) {
  succeed_before_failing = remaining;
}

static void end_call(void) {
  remaining = failed ? -1 : (long)succeed_before_failing;
  succeed_before_failing = -1;
}

static void check_unchanged(const char *call) {
  static picture after;
  memset(&after, 0, sizeof after);
  look(&after);
  CHECK(memcmp(&after, &before, sizeof after) == 0, "%s gave RADAM_ERROR_OUT_OF_MEMORY and yet changed something", call);
}

static bool ran_out(radam_status status, const char *call, int line) {
  char message[512] = "";
  end_call();
  if (status == RADAM_OK) return false;
  radam_last_error(opt, message, sizeof message);
  CHECK(status == RADAM_ERROR_OUT_OF_MEMORY && failed, "line %d: %s gave %s: %s", line, call, radam_status_string(status), message);
  check_unchanged(call);
  return true;
}

/* A call that an allocation may fail in. `id`, which it writes, must keep its value when it fails. */
#define TRY_ID(call, id)                                                               \
  do {                                                                                 \
    memset(&before, 0, sizeof before);                                                 \
    look(&before);                                                                     \
    id = UNWRITTEN;                                                                    \
    begin_call();                                                                      \
    if (!ran_out(call, #call, __LINE__)) break;                                        \
    CHECK(id == UNWRITTEN, "%s ran out of memory and yet wrote its output", #call);    \
    OK(opt, call);                                                                     \
  } while (0)
#define TRY(call) do { uint32_t no_id; TRY_ID(call, no_id); } while (0)

static radam_dtype dtype_of(uint32_t param) {
  return RADAM_DTYPE_F32 + (int32_t)param % 4;
}

/* Numbers near 1 in every dtype. */
static void fill_dtype(void *values, radam_dtype dtype, uint32_t seed) {
  float random[LEN];
  fill(random, LEN, seed);
  for (size_t i = 0; i < LEN; i++) {
    float f32 = 1 + random[i] / 2;
    double f64 = f32;
    uint32_t bits;
    memcpy(&bits, &f32, sizeof bits);
    uint16_t bf16 = (uint16_t)(bits >> 16), f16 = (uint16_t)(0x3800 | (bits >> 13 & 0x3ff));
    if (dtype == RADAM_DTYPE_F32) memcpy((float *)values + i, &f32, sizeof f32);
    if (dtype == RADAM_DTYPE_F64) memcpy((double *)values + i, &f64, sizeof f64);
    if (dtype == RADAM_DTYPE_F16) memcpy((uint16_t *)values + i, &f16, sizeof f16);
    if (dtype == RADAM_DTYPE_BF16) memcpy((uint16_t *)values + i, &bf16, sizeof bf16);
  }
}

/* Three groups: parameters that come with their group, ones that come later, and released ones. */
static void build(void) {
  radam_group_options options = group_options();
  radam_param params[4];
  uint32_t id;
  memset(&now, 0, sizeof now);
  for (uint32_t i = 0; i < PARAMS; i++) {
    fill_dtype(now.data[i], dtype_of(i), i);
    fill_dtype(now.grads[i], dtype_of(i), 100 + i);
  }
  opt = NULL;
  memset(&before, 0, sizeof before);
  look(&before);
  begin_call();
  if (ran_out(radam_create(NULL, &opt), "radam_create", __LINE__)) {
    CHECK(opt == NULL, "radam_create ran out of memory and yet wrote a handle");
    OK(NULL, radam_create(NULL, &opt));
  }
  for (uint32_t i = 0; i < 4; i++) {
    static const char *names[] = {"weight", "bias", "scale", NULL};
    OK(NULL, radam_param_init(&params[i], sizeof params[i]));
    params[i].dtype = dtype_of(i);
    params[i].data = now.data[i];
    params[i].grad = now.grads[i];
    params[i].len = LEN;
    params[i].name = names[i];
  }
  TRY_ID(radam_add_param_group(opt, &options, params, 4, &id), id);
  CHECK(id == 0, "the first group is %u", id);
  TRY_ID(radam_add_param_group(opt, &options, NULL, 0, &id), id);
  CHECK(id == 1, "the second group is %u", id);
  options.gradient_release = RADAM_ON;
  TRY_ID(radam_add_param_group(opt, &options, NULL, 0, &id), id);
  CHECK(id == 2, "the third group is %u", id);
  for (uint32_t i = 4; i < PARAMS; i++) {
    TRY_ID(radam_add_param(opt, 1 + i % 2, dtype_of(i), 0, now.data[i], now.grads[i], LEN, NULL, &id), id);
    CHECK(id == i, "parameter %u is %u", i, id);
  }
}

/* A group with masters, some of whose state the caller keeps; and one parameter with a copy. */
static void build_given(void) {
  radam_group_options options = group_options();
  radam_param params[GIVEN - 1], copied;
  uint32_t id;
  options.master_remainder = RADAM_ON;
  options.state_dtype = RADAM_DTYPE_F32;
  for (uint32_t i = 0; i < GIVEN - 1; i++) {
    OK(NULL, radam_param_init(&params[i], sizeof params[i]));
    fill_dtype(now.masters[i], RADAM_DTYPE_BF16, 200 + i);
    fill_dtype(now.master_grads[i], RADAM_DTYPE_BF16, 300 + i);
    params[i].dtype = RADAM_DTYPE_BF16;
    params[i].data = now.masters[i];
    params[i].grad = now.master_grads[i];
    params[i].len = LEN;
    if (i == 0) params[i].exp_avg = now.given[0];
    if (i == 1) params[i].exp_avg_sq = now.given[1];
    if (i == 1) params[i].kahan_comp = now.given[2];
  }
  TRY_ID(radam_add_param_group(opt, &options, params, GIVEN - 1, &id), id);
  CHECK(id == 3, "the fourth group is %u", id);
  OK(NULL, radam_param_init(&copied, sizeof copied));
  copied.dtype = RADAM_DTYPE_F32;
  copied.grad_dtype = RADAM_DTYPE_BF16;
  copied.data = now.given[3];
  copied.len = LEN;
  copied.copy = now.copies[3];
  options = group_options();
  TRY_ID(radam_add_param_group(opt, &options, &copied, 1, &id), id);
  CHECK(id == GROUPS, "the group after these is %u", id);
}

static void step_with_everything(void) {
  radam_step_options options;
  radam_step_report report;
  uint64_t chunks, left;
  OK(NULL, radam_step_options_init(&options, sizeof options));
  OK(NULL, radam_step_report_init(&report, sizeof report));
  options.max_grad_norm = 1;
  options.skip_nonfinite = RADAM_ON;
  options.report_norms = RADAM_ON;
  TRY(radam_step_with(opt, &options, &report));
  OK(opt, radam_set_grad(opt, PARAMS + GIVEN - 1, now.masters[GIVEN - 1])); /* zeros, which nobody else has */
  TRY(radam_step_begin(opt, &options));
  TRY(radam_step_wave(opt, &chunks));
  TRY(radam_step_chunk(opt, 0));
  TRY(radam_step_for(opt, UINT64_MAX, &left));
  TRY(radam_step_end(opt, &report));
}

/* The released parameters, by what was measured of all of them. */
static void step_tensors(void) {
  radam_grad_sums sums;
  radam_step_options options;
  radam_step_report report;
  double norm = 0;
  OK(NULL, radam_grad_sums_init(&sums, sizeof sums));
  OK(NULL, radam_step_options_init(&options, sizeof options));
  OK(NULL, radam_step_report_init(&report, sizeof report));
  for (uint32_t i = 5; i < PARAMS; i += 2) TRY(radam_measure_tensor(dtype_of(i), now.grads[i], LEN, &sums));
  TRY(radam_measure(opt, &sums));
  TRY(radam_grad_sums_value(&sums, &norm, NULL));
  options.max_grad_norm = norm / 2;
  options.report_norms = RADAM_ON;
  options.grad_sums = &sums;
  for (uint32_t i = 5; i < PARAMS; i += 2) TRY(radam_step_tensor(opt, i, now.data[i], now.grads[i], &options, &report));
}

/* Two parameters of one dtype change places, a third one loses its own, and all get their own back. */
static void move_tensors(void) {
  void *const swapped[] = {now.data[10], now.data[7], NULL, now.data[9], now.data[6]}, *const none[5] = {NULL};
  void *const own[] = {now.data[6], now.data[7], now.data[8], now.data[9], now.data[10]};
  void *const grads[] = {now.grads[6], now.grads[7], now.grads[8], now.grads[9], now.grads[10]};
  TRY(radam_set_tensors(opt, 6, 5, swapped, none));
  TRY(radam_set_tensors(opt, 6, 5, own, NULL));
  TRY(radam_set_tensors(opt, 6, 5, NULL, grads));
  TRY(radam_set_grad(opt, 1, NULL));
  TRY(radam_set_data(opt, 1, NULL));
  TRY(radam_set_data(opt, 1, now.data[1]));
  TRY(radam_set_grad(opt, 1, now.grads[1]));
}

/* Without memory for the messages there are none, and no part of one. */
static void ask_for_advice(void) {
  static char text[4096];
  const bool failed_before = failed;
  uint32_t id;
  begin_call();
  const uint64_t bytes = radam_advice(opt, text, sizeof text);
  end_call();
  CHECK(bytes == strlen(text) + 1 && (bytes > 100 || (bytes == 1 && failed && !failed_before)), "the advice is '%s'", text);
  if (bytes == 1 && !keep_failing) check_message(NULL, "memory", "advice without memory");
  TRY_ID(radam_param_id(opt, "bias", &id), id);
  CHECK(id == 1, "bias is %u", id);
  begin_call();
  const uint64_t name_bytes = radam_param_name(opt, id, text, sizeof text);
  end_call();
  CHECK(name_bytes == 1 || strcmp(text, "bias") == 0, "bias is called '%s'", text);
}

static void train(void) {
  for (uint32_t step = 0; step < 8; step++) {
    TRY(radam_step(opt));
    if (step == 3) step_tensors();
    if (step == 5) move_tensors();
    if (step == 6) ask_for_advice();
    for (uint32_t i = 5; i < PARAMS; i += 2) TRY(radam_step_param(opt, i, now.grads[i]));
    TRY(radam_set_lr(opt, 0, 0.01 / (1 + step)));
    TRY(radam_set_grad(opt, 0, step % 2 ? now.grads[0] : NULL));
    TRY(radam_set_data(opt, 1, now.data[1]));
    if (step == 2) TRY(SET_OPTION(opt, 0, kahan_sum, RADAM_ON));
    if (step == 3) TRY(SET_OPTION(opt, 0, state_dtype, RADAM_DTYPE_F32));
    if (step == 4) TRY(radam_set_optimizer_accumulation(opt, RADAM_ON));
    if (step == 5) TRY(radam_set_optimizer_accumulation(opt, RADAM_OFF));
    if (step == 5) TRY(SET_OPTION(opt, 1, kahan_sum, RADAM_OFF));
    if (step == 6) TRY(SET_OPTION(opt, 2, gradient_release, RADAM_OFF));
    if (step == 6) TRY(SET_OPTION(opt, 2, gradient_release, RADAM_ON));
    if (step == 1) step_with_everything();
    if (step == 2) TRY(radam_set_frozen(opt, 2, RADAM_ON));
    if (step == 4) TRY(SET_OPTION(opt, 3, master_remainder, RADAM_OFF));
    if (step == 5) TRY(SET_OPTION(opt, 3, stochastic_rounding, RADAM_ON));
    if (step == 6) TRY(radam_reset_state(opt, 3));
    if (step == 6) TRY(radam_set_step_count(opt, 3, 100));
    if (step == 7) TRY(radam_remove_param(opt, 4));
  }
  TRY(radam_zero_grad(opt));
}

static picture live(void) {
  static picture last;
  build();
  build_given();
  train();
  memset(&last, 0, sizeof last);
  look(&last);
  radam_optimizer *freed = opt;
  begin_call();
  radam_status status = radam_free(opt);
  end_call();
  CHECK(status == RADAM_OK, "radam_free needs memory: %s", radam_status_string(status));
  CHECK(radam_free(freed) == RADAM_ERROR_INVALID_HANDLE, "the optimizer is still there");
  return last;
}

static void every_allocation_fails(void) {
  static picture expected, found;
  expected = live();
  for (int kept_up = 0; kept_up < 2; kept_up++) {
    keep_failing = kept_up;
    long n = 0;
    do {
      failed = false;
      remaining = n++;
      found = live();
      CHECK(memcmp(&found, &expected, sizeof found) == 0, "the failure of allocation %ld changed the end", n);
    } while (failed);
    CHECK(n > 10, "only %ld allocations failed", n - 1);
  }
  remaining = -1;
}

/* To memory, and to a file; and back. */
static void save_and_load(void) {
  static unsigned char bytes[1 << 20];
  static char path[128];
  const char *root = getenv("TMPDIR"), *paths[] = {path};
  uint64_t size = 0;
  snprintf(path, sizeof path, "%s/radam-out-of-memory-%ld", root != NULL && strlen(root) < 64 ? root : "/tmp", (long)getpid());
  TRY(radam_save_to_buffer(opt, NULL, 0, &size));
  CHECK(0 < size && size <= sizeof bytes, "the checkpoint has %llu bytes", (unsigned long long)size);
  TRY(radam_save_to_buffer(opt, bytes, sizeof bytes, &size));
  TRY(radam_save(opt, path));
  OK(opt, radam_step(opt)); /* so that a part that is loaded shows */
  TRY(radam_load_from_buffer(opt, bytes, size, NULL));
  OK(opt, radam_step(opt));
  TRY(radam_load(opt, path));
  OK(opt, radam_step(opt));
  TRY(radam_load_shards(opt, paths, 1, NULL));
  CHECK(unlink(path) == 0, "the file is gone");
}

/* Apart from the others, since a checkpoint takes many small allocations: a parameter with a name, one with a
   master and one with nothing of that kind. */
static void every_allocation_for_checkpoints_fails(void) {
  radam_group_options options = group_options();
  uint32_t id;
  memset(&now, 0, sizeof now);
  opt = create(1);
  add_group(opt, &options);
  options.master_remainder = RADAM_ON;
  add_group(opt, &options);
  for (uint32_t i = 0; i < 3; i++) {
    const radam_dtype dtype = i == 1 ? RADAM_DTYPE_BF16 : RADAM_DTYPE_F32;
    fill_dtype(now.data[i], dtype, i);
    fill_dtype(now.grads[i], dtype, 100 + i);
    OK(opt, radam_add_param(opt, i % 2, dtype, 0, now.data[i], now.grads[i], LEN, i == 0 ? "weight \"0\"" : NULL, &id));
  }
  for (int kept_up = 0; kept_up < 2; kept_up++) {
    keep_failing = kept_up;
    long n = 0;
    do {
      OK(opt, radam_step(opt));
      failed = false;
      remaining = n++;
      save_and_load();
    } while (failed);
    CHECK(n > 100, "only %ld allocations failed", n - 1);
  }
  remaining = -1;
  OK(opt, radam_free(opt));
}

/* Without any memory there is still a status, and whatever message fits. */
static void *errors_need_no_memory(void *optimizer) {
  char message[512];
  keep_failing = true;
  succeed_before_failing = 0;
  radam_status statuses[] = {
    radam_step(NULL), radam_set_lr(optimizer, 0, -1), radam_set_grad(optimizer, 99, NULL), radam_step_param(optimizer, 0, NULL),
    radam_options_init(NULL, 8), radam_step_end(optimizer, NULL), radam_step_wave(NULL, NULL), radam_set_frozen(optimizer, 99, RADAM_ON),
    radam_param_state(optimizer, 99, 1, NULL, NULL), radam_update(0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0),
    radam_set_tensors(optimizer, 99, 1, NULL, NULL), radam_step_tensor(optimizer, 99, NULL, NULL, NULL, NULL),
    radam_param_id(optimizer, "nobody", NULL), radam_param_id(optimizer, NULL, NULL), radam_get_param(optimizer, 0, NULL, NULL), radam_measure(optimizer, NULL),
    radam_measure_tensor(0, NULL, 0, NULL), radam_grad_sums_value(NULL, NULL, NULL), radam_grad_sums_init(NULL, 8),
    radam_get_group_options(optimizer, 99, NULL), radam_set_group_options(optimizer, 0, NULL),
    radam_save(optimizer, ""), radam_load_from_buffer(optimizer, NULL, 1, NULL), radam_load_options_init(NULL, 8),
  };
  radam_last_error(NULL, message, sizeof message);
  radam_last_error(optimizer, message, sizeof message);
  succeed_before_failing = -1;
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    CHECK(statuses[i] != RADAM_OK && statuses[i] != RADAM_ERROR_OUT_OF_MEMORY && statuses[i] != RADAM_ERROR_PANIC,
          "mistake %zu, made without memory, gave %s", i, radam_status_string(statuses[i]));
  return NULL;
}

static void errors_without_memory(void) {
  radam_group_options options = group_options();
  radam_optimizer *fresh = create(1);
  pthread_t thread;
  add_group(fresh, &options);
  errors_need_no_memory(fresh);
  CHECK(pthread_create(&thread, NULL, errors_need_no_memory, fresh) == 0 && pthread_join(thread, NULL) == 0, "no thread");
  OK(fresh, radam_free(fresh));
}

/* More than any machine has. The data are not there, and must not be touched. */
static void too_large_for_any_machine(void) {
  static float data[16], grad[16];
  const uint64_t len = (uint64_t)1 << 46;
  uint32_t id = UNWRITTEN;
  for (radam_dtype dtype = RADAM_DTYPE_F32; dtype <= RADAM_DTYPE_BF16; dtype++) {
    radam_optimizer *huge = create(0);
    radam_group_options options = group_options();
    add_group(huge, &options);
    radam_status status = radam_add_param(huge, 0, dtype, 0, data, NULL, len, "huge", &id);
    char message[512] = "";
    radam_last_error(huge, message, sizeof message);
    CHECK(status == RADAM_ERROR_OUT_OF_MEMORY && id == UNWRITTEN, "2^46 elements gave %s: %s", radam_status_string(status), message);
    CHECK(strlen(message) > 20, "the message is '%s'", message);
    OK(huge, radam_add_param(huge, 0, RADAM_DTYPE_F32, 0, data, grad, 16, "huge", &id));
    CHECK(id == 0, "a refused parameter left its id");
    OK(huge, radam_step(huge));
    OK(huge, radam_free(huge));
    id = UNWRITTEN;
  }
}

/* Work for threads that the system does not give, or not all of them, is done by those that are there. */
static float *train_large(uint32_t num_threads) {
  float *weights = filled(LARGE, 1), *grad = filled(LARGE, 2);
  radam_optimizer *large = create(num_threads);
  radam_group_options options = group_options();
  add_f32(large, add_group(large, &options), weights, grad, LARGE);
  for (int step = 0; step < STEPS; step++) OK(large, radam_step(large));
  OK(large, radam_free(large));
  free(grad);
  return weights;
}

static void threads_fail_to_start(const float *expected) {
  for (long given = 0; given < 3; given++) {
    long before = thread_starts;
    threads_before_failing = given;
    float *found = train_large(4);
    CHECK(memcmp(found, expected, LARGE * sizeof *found) == 0, "without threads: other bits");
    free(found);
    CHECK(thread_starts - before == given, "%ld threads were started, of the %ld that there were", thread_starts - before, given);
  }
  threads_before_failing = -1;
}

/* Without memory for threads, or for what those that are there would need, the calling thread works alone. That the
   memory runs out just then is not tested, since rayon then ends the process, as the header says. */
static void memory_for_threads_fails(uint32_t num_threads, const float *expected) {
  float *weights = filled(LARGE, 1), *grad = filled(LARGE, 2);
  radam_optimizer *large = create(num_threads);
  radam_group_options options = group_options();
  add_f32(large, add_group(large, &options), weights, grad, LARGE);
  for (int step = 0; step < STEPS; step++) {
    const bool has_memory = step == 3 || step == 4;
    const long before = thread_starts;
    keep_failing = true;
    succeed_before_failing = has_memory ? -1 : 0;
    radam_status status = radam_step(large);
    succeed_before_failing = -1;
    OK(large, status);
    CHECK(has_memory || thread_starts == before, "threads are started without memory");
    if (has_memory) usleep(200000); /* threads that have just been started need some, too */
    CHECK(step != 3 || num_threads != 4 || thread_starts > before, "no threads are started when there is memory again");
  }
  OK(large, radam_free(large));
  CHECK(memcmp(weights, expected, LARGE * sizeof *weights) == 0, "without memory for threads: other bits");
  free(weights);
  free(grad);
}

int main(void) {
  alarm(300); /* ends what hangs */
  find_real_functions();
  every_allocation_fails();
  every_allocation_for_checkpoints_fails();
  errors_without_memory();
  too_large_for_any_machine();
  float *expected = train_large(1);
  threads_fail_to_start(expected);
  memory_for_threads_fails(4, expected);
  memory_for_threads_fails(0, expected);
  free(expected);
  return 0;
}
