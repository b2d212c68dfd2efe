/* Calls of every kind at random, from several threads at once, on optimizers that come and go. Every call ends in
   RADAM_OK or in an error that another thread may be the cause of.

   Nothing here hands anything from one thread to another while they run, so that ThreadSanitizer (`make tsan`) finds
   what the library itself leaves out. A number of seconds may be given: then it goes on for so long. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 6, MODELS = 12, SHARED = 3, ROUNDS = 4, CALLS = 500 };

/* The parameters of a model: some that radam_step steps, two that are stepped one by one, and one that comes and goes. */
enum { PARAMS = 5, RELEASED = 3, SOME_IDS = PARAMS + 4, STEPPED_GROUP = 0, RELEASED_GROUP = 1, SHORT = 500, LONG = 40000 };

static const uint64_t lengths[PARAMS + 1] = {LONG, SHORT, LONG, LONG, SHORT, SHORT};

typedef struct model {
  float *data[PARAMS + 1], *grads[PARAMS + 1];
  _Atomic(radam_optimizer *) opt;
} model;

/* Arrays are never used for a second optimizer, since calls on the first one may still be using them after radam_free. */
static model models[MODELS];
static atomic_uint models_used;

/* Those in use. Everything that is atomic is relaxed, as said above. */
static atomic_uint model_at[SHARED];

/* What a thread has of its own. */
typedef struct caller {
  uint32_t random;
  unsigned char *saved;
  uint64_t saved_size;
  float data[SHORT], state[2][SHORT];
  radam_optimizer *opt;
  model *model;
  uint32_t place;
} caller;

static uint32_t below(caller *me, uint32_t limit) {
  me->random = me->random * 1664525u + 1013904223u;
  return (uint32_t)((uint64_t)me->random * limit >> 32);
}

/* Half of the work, on a thread of its own. */
typedef struct half {
  uint64_t first, count;
  void (*body)(uint64_t index, void *body_data);
  void *body_data;
} half;

static void *do_half(void *work) {
  const half *h = work;
  for (uint64_t i = h->first; i < h->count; i += 2) h->body(i, h->body_data);
  return NULL;
}

static void on_two_threads(uint64_t count, void (*body)(uint64_t index, void *body_data), void *body_data, void *user) {
  half halves[2] = {{0, count, body, body_data}, {1, count, body, body_data}};
  pthread_t other;
  CHECK(user == NULL && pthread_create(&other, NULL, do_half, &halves[1]) == 0, "no thread");
  do_half(&halves[0]);
  CHECK(pthread_join(other, NULL) == 0, "no join");
}

/* Without threads, with the library's or with the caller's, and with work for all of them in every step. */
static radam_optimizer *new_optimizer(uint32_t kind) {
  radam_options options;
  radam_optimizer *opt = NULL;
  OK(NULL, radam_options_init(&options, sizeof options));
  options.num_threads = kind == 0 ? 1 : 3;
  options.parallel_from = 1;
  if (kind == 2) options.executor.parallel_for = on_two_threads;
  OK(NULL, radam_create(&options, &opt));
  return opt;
}

static void begin_model(uint32_t place, uint32_t number) {
  radam_optimizer *opt = new_optimizer(place);
  radam_group_options options = group_options();
  model *m = &models[number];
  OK(opt, radam_add_param_group(opt, &options, NULL, 0, NULL));
  options.gradient_release = RADAM_ON;
  OK(opt, radam_add_param_group(opt, &options, NULL, 0, NULL));
  for (uint32_t i = 0; i < PARAMS; i++)
    add_f32(opt, i < RELEASED ? STEPPED_GROUP : RELEASED_GROUP, m->data[i], i < RELEASED ? m->grads[i] : NULL, lengths[i]);
  atomic_store_explicit(&m->opt, opt, memory_order_relaxed);
  atomic_store_explicit(&model_at[place], number, memory_order_relaxed);
}

/* Frees the optimizer, and puts another one in its place if there are arrays for it. */
static radam_status replace(caller *me) {
  const radam_status status = radam_free(me->opt);
  const uint32_t number = status == RADAM_OK ? atomic_fetch_add_explicit(&models_used, 1, memory_order_relaxed) : MODELS;
  if (number < MODELS) begin_model(me->place, number);
  return status;
}

static radam_status step(caller *me) {
  return radam_step(me->opt);
}

static radam_status step_with(caller *me) {
  radam_step_options options;
  radam_step_report report;
  OK(NULL, radam_step_options_init(&options, sizeof options));
  OK(NULL, radam_step_report_init(&report, sizeof report));
  if (below(me, 2)) options.max_grad_norm = 1;
  if (below(me, 2)) options.report_norms = RADAM_ON;
  if (below(me, 4) == 0) options.zero_grad = RADAM_ON;
  return radam_step_with(me->opt, &options, below(me, 2) ? &report : NULL);
}

static radam_status step_begin(caller *me) {
  radam_step_options options;
  OK(NULL, radam_step_options_init(&options, sizeof options));
  if (below(me, 2)) options.max_grad_norm = 1;
  return radam_step_begin(me->opt, &options);
}

static radam_status step_wave(caller *me) {
  uint64_t chunks;
  return radam_step_wave(me->opt, &chunks);
}

static radam_status step_chunk(caller *me) {
  return radam_step_chunk(me->opt, below(me, 8));
}

static radam_status step_for(caller *me) {
  uint64_t left;
  return radam_step_for(me->opt, below(me, 2) ? 1 : UINT64_MAX, &left);
}

/* Half of the time, after what is left of the step. */
static radam_status step_end(caller *me) {
  radam_step_report report;
  uint64_t left;
  OK(NULL, radam_step_report_init(&report, sizeof report));
  if (below(me, 2)) radam_step_for(me->opt, UINT64_MAX, &left);
  return radam_step_end(me->opt, &report);
}

static radam_status step_abort(caller *me) {
  return radam_step_abort(me->opt);
}

static radam_status step_param(caller *me) {
  const uint32_t param = RELEASED + below(me, PARAMS - RELEASED);
  return radam_step_param(me->opt, param, me->model->grads[param]);
}

static radam_status step_tensor(caller *me) {
  radam_step_report report;
  const uint32_t param = RELEASED + below(me, PARAMS - RELEASED);
  OK(NULL, radam_step_report_init(&report, sizeof report));
  return radam_step_tensor(me->opt, param, NULL, me->model->grads[param], NULL, &report);
}

static radam_status measure(caller *me) {
  radam_grad_sums sums;
  OK(NULL, radam_grad_sums_init(&sums, sizeof sums));
  return radam_measure(me->opt, &sums);
}

static radam_status zero_grad(caller *me) {
  return radam_zero_grad(me->opt);
}

static radam_status get_group(caller *me) {
  radam_group_options options = group_options();
  radam_group_report report;
  double number;
  radam_toggle on;
  OK(NULL, radam_group_report_init(&report, sizeof report));
  radam_get_lr(me->opt, 0, &number);
  radam_get_weight_decay(me->opt, 0, &number);
  radam_get_optimizer_accumulation(me->opt, &on);
  radam_get_group_report(me->opt, 0, &report);
  return radam_get_group_options(me->opt, 1, &options);
}

static radam_status get_param(caller *me) {
  const uint32_t param = below(me, PARAMS);
  radam_param description;
  radam_dtype dtype;
  radam_toggle on;
  uint64_t steps;
  uint32_t id;
  void *state;
  OK(NULL, radam_param_init(&description, sizeof description));
  radam_step_count(me->opt, param, &steps);
  radam_get_frozen(me->opt, param, &on);
  radam_param_state(me->opt, param, RADAM_STATE_EXP_AVG_SQ, &state, &dtype);
  radam_param_id(me->opt, "param.2", &id);
  return radam_get_param(me->opt, param, &id, &description);
}

static radam_status get_text(caller *me) {
  char text[100];
  radam_param_name(me->opt, below(me, SOME_IDS), text, sizeof text);
  radam_advice(me->opt, text, sizeof text);
  radam_last_error(NULL, text, sizeof text);
  radam_last_error(me->opt, text, sizeof text);
  return RADAM_OK;
}

static radam_status set_group(caller *me) {
  radam_group_options options = group_options();
  options.kahan_sum = (radam_toggle)below(me, 2);
  options.for_each = (radam_toggle)below(me, 2);
  return radam_set_group_options(me->opt, STEPPED_GROUP, &options);
}

static radam_status set_lr(caller *me) {
  radam_set_weight_decay(me->opt, 1, 0.01);
  return radam_set_lr(me->opt, below(me, 2), 0.001);
}

static radam_status set_grad(caller *me) {
  const uint32_t param = below(me, RELEASED);
  return radam_set_grad(me->opt, param, below(me, 3) ? me->model->grads[param] : NULL);
}

static radam_status set_tensors(caller *me) {
  void *const *data = (void *const *)(void *)me->model->data, *const *grads = (void *const *)(void *)me->model->grads;
  return radam_set_tensors(me->opt, 0, RELEASED, data, grads);
}

static radam_status set_frozen(caller *me) {
  return radam_set_frozen(me->opt, 1, (radam_toggle)below(me, 2));
}

static radam_status set_accumulation(caller *me) {
  return radam_set_optimizer_accumulation(me->opt, (radam_toggle)below(me, 2));
}

static radam_status reset_state(caller *me) {
  radam_set_step_count(me->opt, 0, below(me, 100));
  return radam_reset_state(me->opt, below(me, 2) ? UINT32_MAX : below(me, PARAMS));
}

static radam_status add_param(caller *me) {
  return radam_add_param(me->opt, STEPPED_GROUP, RADAM_DTYPE_F32, 0, me->model->data[PARAMS], me->model->grads[PARAMS],
                         lengths[PARAMS], "passing", NULL);
}

static radam_status remove_param(caller *me) {
  uint32_t param;
  const radam_status status = radam_param_id(me->opt, "passing", &param);
  return status == RADAM_OK ? radam_remove_param(me->opt, param) : status;
}

static radam_status save(caller *me) {
  uint64_t size = 0;
  const radam_status status = radam_save_to_buffer(me->opt, NULL, 0, &size);
  if (status != RADAM_OK) return status;
  free(me->saved);
  me->saved = malloc(size);
  CHECK(me->saved != NULL, "no memory");
  me->saved_size = 0;
  return radam_save_to_buffer(me->opt, me->saved, size, &me->saved_size);
}

/* What it saved last, of whichever optimizer. */
static radam_status load(caller *me) {
  radam_load_options options;
  OK(NULL, radam_load_options_init(&options, sizeof options));
  options.strict = RADAM_OFF;
  return me->saved_size == 0 ? RADAM_OK : radam_load_from_buffer(me->opt, me->saved, me->saved_size, &options);
}

static radam_status without_optimizer(caller *me) {
  static const float grad[SHORT] = {1};
  radam_group_options options = group_options();
  radam_grad_sums sums;
  double norm;
  OK(NULL, radam_grad_sums_init(&sums, sizeof sums));
  OK(NULL, radam_measure_tensor(RADAM_DTYPE_F32, grad, SHORT, &sums));
  OK(NULL, radam_grad_sums_value(&sums, &norm, NULL));
  OK(NULL, radam_update(RADAM_DTYPE_F32, 0, 0, me->data, grad, me->state[0], me->state[1], NULL, SHORT, &options, 1));
  CHECK(radam_set_lr(NULL, 0, 1) == RADAM_ERROR_INVALID_HANDLE, "NULL is a handle");
  return RADAM_OK;
}

static const struct {
  radam_status (*make)(caller *me);
  uint32_t weight;
  const char *name;
} calls[] = {
#define KIND(name, weight) {name, weight, #name}
  KIND(step, 6), KIND(step_with, 6), KIND(step_begin, 8), KIND(step_wave, 12), KIND(step_chunk, 24), KIND(step_for, 4),
  KIND(step_end, 12), KIND(step_abort, 2), KIND(step_param, 12), KIND(step_tensor, 12), KIND(measure, 2), KIND(zero_grad, 1),
  KIND(get_group, 6), KIND(get_param, 6), KIND(get_text, 3), KIND(set_group, 2), KIND(set_lr, 2), KIND(set_grad, 2),
  KIND(set_tensors, 1), KIND(set_frozen, 1), KIND(set_accumulation, 1), KIND(reset_state, 1), KIND(add_param, 3),
  KIND(remove_param, 3), KIND(save, 2), KIND(load, 2), KIND(without_optimizer, 2), KIND(replace, 1),
};
enum { KINDS = sizeof calls / sizeof calls[0] };

/* How many calls of each kind have succeeded. */
static atomic_ullong successes[KINDS];

static uint32_t random_kind(caller *me) {
  uint32_t all = 0, kind = 0;
  for (uint32_t i = 0; i < KINDS; i++) all += calls[i].weight;
  for (uint32_t left = below(me, all); left >= calls[kind].weight; kind++) left -= calls[kind].weight;
  return kind;
}

static void call_at_random(caller *me) {
  const uint32_t kind = random_kind(me);
  me->place = below(me, SHARED);
  me->model = &models[atomic_load_explicit(&model_at[me->place], memory_order_relaxed)];
  me->opt = atomic_load_explicit(&me->model->opt, memory_order_relaxed);
  const radam_status status = calls[kind].make(me);
  const bool may_be = status == RADAM_OK || status == RADAM_ERROR_BUSY || status == RADAM_ERROR_INVALID_HANDLE ||
                      status == RADAM_ERROR_INVALID_STATE || status == RADAM_ERROR_INVALID_ARGUMENT ||
                      (status == RADAM_ERROR_MISMATCH && calls[kind].make == load);
  char message[512] = "";
  radam_last_error(NULL, message, sizeof message);
  CHECK(may_be, "%s gave %s: %s", calls[kind].name, radam_status_string(status), message);
  if (status == RADAM_OK) atomic_fetch_add_explicit(&successes[kind], 1, memory_order_relaxed);
}

static void *call_many_times(void *number) {
  caller *me = calloc(1, sizeof *me);
  CHECK(me != NULL, "no memory");
  me->random = (uint32_t)(uintptr_t)number;
  for (int call = 0; call < CALLS; call++) call_at_random(me);
  free(me->saved);
  free(me);
  return NULL;
}

static void for_each_array(void (*act)(float **array, uint64_t len, uint32_t seed)) {
  for (uint32_t m = 0; m < MODELS; m++) {
    for (uint32_t i = 0; i <= PARAMS; i++) {
      act(&models[m].data[i], lengths[i], i);
      act(&models[m].grads[i], lengths[i], i + 100);
    }
  }
}

static void make_array(float **array, uint64_t len, uint32_t seed) {
  *array = filled(len, seed);
}

static void check_and_free_array(float **array, uint64_t len, uint32_t seed) {
  for (uint64_t i = 0; i < len; i++) CHECK(isfinite((*array)[i]), "array %u: element %llu is not finite", seed, (unsigned long long)i);
  free(*array);
}

static void round_of(uint32_t round, uint32_t count) {
  pthread_t threads[THREADS];
  for_each_array(make_array);
  models_used = SHARED;
  for (uint32_t place = 0; place < SHARED; place++) begin_model(place, place);
  for (uint32_t i = 0; i < count; i++)
    CHECK(pthread_create(&threads[i], NULL, call_many_times, (void *)(uintptr_t)(round * THREADS + i)) == 0, "no thread");
  for (uint32_t i = 0; i < count; i++) CHECK(pthread_join(threads[i], NULL) == 0, "no join");
  for (uint32_t place = 0; place < SHARED; place++) {
    const radam_status status = radam_free(models[model_at[place]].opt);
    CHECK(status == RADAM_OK || models_used > MODELS, "the last optimizer could not be freed: %s", radam_status_string(status));
  }
  for_each_array(check_and_free_array);
}

/* A thread that is alone gets in everywhere, or a storm would try nothing. */
static void every_call_succeeds(void) {
  for (uint32_t round = 0; round < 3; round++) round_of(round, 1);
  for (uint32_t kind = 0; kind < KINDS; kind++) CHECK(successes[kind] > 0, "%s never succeeds", calls[kind].name);
}

int main(int count, char **arguments) {
  const time_t end = count > 1 ? time(NULL) + atoi(arguments[1]) : 0;
  alarm(count > 1 ? 0 : 300); /* ends what hangs */
  every_call_succeeds();
  for (uint32_t round = 0; round < ROUNDS || time(NULL) < end; round++) round_of(100 + round, THREADS);
  return 0;
}
