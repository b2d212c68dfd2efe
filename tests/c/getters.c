/* Getters run at any time: while others step, change options or add parameters, none of them fails, and what they
   tell is of one moment. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum { HAMMERS = 3, LARGE = 1 << 18, PARAMS = 3, ROUNDS = 60, CHANGES = 200000 };

static radam_optimizer *opt;
static float *data[PARAMS], *grads[PARAMS];
static atomic_bool stop;
static atomic_ullong looks;

/* Options that belong together, so that a mixture of two shows. */
static void set_together(radam_group_options *options, uint32_t number) {
  options->lr = 1e-3 * (1 + number);
  options->weight_decay = 1e-4 * (1 + number);
  options->seed = number;
  options->for_each = number % 2 ? RADAM_ON : RADAM_OFF;
}

static void look_at_options_once(void) {
  radam_group_options options = group_options(), expected = group_options();
  OK(opt, radam_get_group_options(opt, 0, &options));
  expected.max_lr = options.max_lr;
  set_together(&expected, (uint32_t)options.seed);
  CHECK(memcmp(&options, &expected, sizeof options) == 0, "options of two moments: lr %g, seed %llu", options.lr,
        (unsigned long long)options.seed);
}

static void look_at_group(void) {
  radam_group_report report;
  double lr, weight_decay;
  look_at_options_once();
  OK(opt, radam_get_lr(opt, 0, &lr));
  OK(opt, radam_get_weight_decay(opt, 0, &weight_decay));
  CHECK(lr >= 1e-3 && weight_decay >= 1e-4, "lr is %g and weight_decay %g", lr, weight_decay);
  OK(NULL, radam_group_report_init(&report, sizeof report));
  OK(opt, radam_get_group_report(opt, 0, &report));
  CHECK(report.step >= 1 && report.beta1_hat < 1, "the next step is number %llu", (unsigned long long)report.step);
}

static void look_at_params(uint64_t *last) {
  static const char *const names[PARAMS] = {"param.0", "named", "param.2"};
  for (uint32_t i = 0; i < PARAMS; i++) {
    radam_toggle frozen = -1;
    radam_dtype dtype = -1;
    void *state = NULL;
    uint64_t steps = 0;
    uint32_t id = 77;
    OK(opt, radam_step_count(opt, i, &steps));
    CHECK(steps >= last[i], "the steps of parameter %u went from %llu to %llu", i, (unsigned long long)last[i], (unsigned long long)steps);
    last[i] = steps;
    OK(opt, radam_get_frozen(opt, i, &frozen));
    OK(opt, radam_param_state(opt, i, RADAM_STATE_EXP_AVG, &state, &dtype));
    radam_param param;
    OK(NULL, radam_param_init(&param, sizeof param));
    OK(opt, radam_get_param(opt, i, NULL, &param));
    CHECK(param.data == data[i] && param.dtype == RADAM_DTYPE_F32, "parameter %u is described as another", i);
    OK(opt, radam_param_id(opt, names[i], &id));
    CHECK(id == i && frozen == RADAM_OFF && state != NULL && dtype == RADAM_DTYPE_F32, "parameter %u is another", i);
  }
}

static void *hammer(void *unused) {
  uint64_t last[PARAMS] = {0};
  while (!stop) {
    radam_toggle on = -1;
    char text[64];
    look_at_group();
    look_at_params(last);
    OK(opt, radam_get_optimizer_accumulation(opt, &on));
    CHECK(on == RADAM_OFF, "accumulation is %d", on);
    CHECK(radam_advice(opt, text, sizeof text) == 1, "there is advice: %s", text);
    CHECK(radam_last_error(opt, text, sizeof text) == 1, "a call has failed: %s", text);
    looks++;
  }
  return unused;
}

/* Everything that may take its time, and everything that changes what the getters look at. */
static void work(uint32_t round) {
  static float extra[16];
  radam_group_options options = options_of(opt, 0);
  radam_step_options measuring;
  radam_step_report report;
  radam_grad_sums sums;
  uint64_t size, left;
  uint32_t id;
  OK(NULL, radam_step_options_init(&measuring, sizeof measuring));
  OK(NULL, radam_step_report_init(&report, sizeof report));
  OK(NULL, radam_grad_sums_init(&sums, sizeof sums));
  measuring.max_grad_norm = 1;
  OK(opt, radam_step(opt));
  set_together(&options, round);
  OK(opt, radam_set_group_options(opt, 0, &options));
  OK(opt, radam_step_with(opt, &measuring, &report));
  OK(opt, radam_measure(opt, &sums));
  OK(opt, radam_step_begin(opt, &measuring));
  OK(opt, radam_step_for(opt, UINT64_MAX, &left));
  OK(opt, radam_step_end(opt, NULL));
  OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, extra, NULL, 16, NULL, &id));
  OK(opt, radam_set_grad(opt, 0, grads[round % PARAMS]));
  OK(opt, radam_remove_param(opt, id));
  OK(opt, radam_save_to_buffer(opt, NULL, 0, &size));
}

static void no_getter_fails(void) {
  pthread_t threads[HAMMERS];
  radam_group_options options = group_options();
  set_together(&options, 0);
  opt = create(2);
  add_group(opt, &options);
  for (uint32_t i = 0; i < PARAMS; i++) {
    data[i] = filled(LARGE, i);
    grads[i] = filled(LARGE, 10 + i);
    OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data[i], grads[i], LARGE, i == 1 ? "named" : NULL, NULL));
  }
  for (int i = 0; i < HAMMERS; i++) CHECK(pthread_create(&threads[i], NULL, hammer, NULL) == 0, "no thread");
  for (uint32_t round = 0; round < ROUNDS; round++) work(round);
  while (looks < HAMMERS) sched_yield();
  stop = true;
  for (int i = 0; i < HAMMERS; i++) CHECK(pthread_join(threads[i], NULL) == 0, "no join");
}

/* A change takes a moment only, so that it takes many for a getter to come in the middle of one. */
static void *look_at_options(void *unused) {
  while (!stop) look_at_options_once();
  return unused;
}

static void changes_are_seen_whole(void) {
  pthread_t other;
  radam_group_options options = options_of(opt, 0);
  stop = false;
  CHECK(pthread_create(&other, NULL, look_at_options, NULL) == 0, "no thread");
  for (uint32_t change = 0; change < CHANGES; change++) {
    set_together(&options, change % 100);
    OK(opt, radam_set_group_options(opt, 0, &options));
  }
  stop = true;
  CHECK(pthread_join(other, NULL) == 0, "no join");
}

/* A second thread that steps is told that it is not alone, and the message of an earlier failure stays. */
static atomic_bool met;

static void *step_until_met(void *unused) {
  while (!met) {
    const radam_status status = radam_step(opt);
    if (status == RADAM_OK) continue;
    CHECK(status == RADAM_ERROR_BUSY, "a second thread that steps got %s", radam_status_string(status));
    check_message(NULL, "in use by another call", "a second thread");
    met = true;
  }
  return unused;
}

static void busy_is_not_kept(void) {
  pthread_t other;
  CHECK(radam_set_lr(opt, 0, -1.5) == RADAM_ERROR_INVALID_ARGUMENT, "a negative lr was taken");
  CHECK(pthread_create(&other, NULL, step_until_met, NULL) == 0, "no thread");
  step_until_met(NULL);
  CHECK(pthread_join(other, NULL) == 0, "no join");
  check_message(opt, "-1.5", "after RADAM_ERROR_BUSY");
  OK(opt, radam_step(opt));
  check_message(opt, "-1.5", "after a call that succeeds");
}

/* From inside a callback nothing can be waited for: during a step a getter succeeds, and during a change it does or
   is told at once that the optimizer is busy. */
static radam_optimizer *calling;
static atomic_int calls;

static void look_from_inside(bool may_be_busy) {
  struct timespec before, after;
  double lr = 0;
  uint64_t steps = 77;
  if (calling == NULL) return;
  clock_gettime(CLOCK_MONOTONIC, &before);
  const radam_status status = radam_get_lr(calling, 0, &lr), other = radam_step_count(calling, 0, &steps);
  clock_gettime(CLOCK_MONOTONIC, &after);
  CHECK(status == other && (status == RADAM_OK || (may_be_busy && status == RADAM_ERROR_BUSY)), "a getter from inside a call gave %s",
        radam_status_string(status));
  CHECK(after.tv_sec - before.tv_sec <= 1, "a getter from inside a call waits");
  calls++;
}

static void *allocate(uint64_t size, uint64_t alignment, void *user) {
  CHECK(user == NULL && alignment <= 16, "memory at a multiple of %llu", (unsigned long long)alignment);
  check_request(size, alignment);
  look_from_inside(true);
  return malloc(size);
}

static void release(void *pointer, uint64_t size, uint64_t alignment, void *user) {
  CHECK(size > 0 && alignment > 0 && user == NULL, "release is called otherwise");
  look_from_inside(true);
  free(pointer);
}

static void parallel_for(uint64_t count, void (*body)(uint64_t index, void *body_data), void *body_data, void *user) {
  CHECK(user == NULL, "another user");
  look_from_inside(false);
  for (uint64_t i = 0; i < count; i++) body(i, body_data);
}

static int32_t progress(uint64_t done, uint64_t total, void *user) {
  CHECK(done <= total && user == NULL, "progress is told otherwise");
  look_from_inside(true);
  return 0;
}

static void getters_from_inside(void) {
  radam_options options;
  radam_group_options group = group_options();
  radam_load_options loading;
  OK(NULL, radam_options_init(&options, sizeof options));
  OK(NULL, radam_load_options_init(&loading, sizeof loading));
  options.num_threads = 4;
  options.parallel_from = LARGE / 2;
  options.allocator.allocate = allocate;
  options.allocator.release = release;
  options.executor.parallel_for = parallel_for;
  loading.progress = progress;
  radam_optimizer *created = NULL;
  OK(NULL, radam_create(&options, &created));
  add_f32(created, add_group(created, &group), data[0], grads[0], LARGE);
  calling = created;
  add_f32(created, 0, data[1], NULL, LARGE);
  CHECK(calls == 1, "the allocator was called %d times", calls);
  OK(created, radam_step(created));
  CHECK(calls > 1, "the executor was not called");
  OK(created, SET_OPTION(created, 0, kahan_sum, RADAM_ON));
  OK(created, radam_remove_param(created, 1));
  uint64_t size;
  OK(created, radam_save_to_buffer(created, NULL, 0, &size));
  unsigned char *buffer = malloc(size);
  CHECK(buffer != NULL, "no memory");
  OK(created, radam_save_to_buffer(created, buffer, size, &size));
  const int before_loading = calls;
  OK(created, radam_load_from_buffer(created, buffer, size, &loading));
  CHECK(calls > before_loading, "loading has called nothing");
  calling = NULL;
  OK(created, radam_free(created));
  free(buffer);
}

int main(void) {
  alarm(300); /* ends what hangs */
  no_getter_fails();
  changes_are_seen_whole();
  busy_is_not_kept();
  getters_from_inside();
  OK(opt, radam_free(opt));
  for (int i = 0; i < PARAMS; i++) {
    free(data[i]);
    free(grads[i]);
  }
  return 0;
}
