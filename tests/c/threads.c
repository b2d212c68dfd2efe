/* Many threads at once: every call ends in RADAM_OK or in an error that says what to do, and the bits
   are the ones that a single thread gets. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

/* LARGE is enough work for the optimizer's own threads to start. */
enum { THREADS = 8, SMALL = 1000, LARGE = 1 << 18 };

static pthread_barrier_t together;

/* Runs `body` in `count` threads that begin together, once they wait at `together`. */
static void in_threads(unsigned count, void *(*body)(void *)) {
  pthread_t threads[THREADS];
  uintptr_t number;
  CHECK(count <= THREADS && pthread_barrier_init(&together, NULL, count) == 0, "no barrier for %u threads", count);
  for (number = 0; number < count; number++)
    CHECK(pthread_create(&threads[number], NULL, body, (void *)number) == 0, "no thread");
  for (number = 0; number < count; number++) CHECK(pthread_join(threads[number], NULL) == 0, "no join");
  pthread_barrier_destroy(&together);
}

/* Repeats a call that another thread may be in the way of. */
#define RETRY(opt, call)                                  \
  do {                                                    \
    radam_status status_;                                 \
    while ((status_ = (call)) == RADAM_ERROR_BUSY) sched_yield(); \
    OK(opt, status_);                                     \
  } while (0)

static radam_optimizer *optimizer_of(uint32_t num_threads, float *data, float *grad, size_t len) {
  radam_optimizer *opt = create(num_threads);
  radam_group_options options = group_options();
  add_f32(opt, add_group(opt, &options), data, grad, len);
  return opt;
}

/* The weights that one thread gets. The caller frees them. */
static float *expected_weights(size_t len, uint32_t seed, uint64_t steps) {
  float *data = filled(len, seed), *grad = filled(len, seed + 1);
  radam_optimizer *opt = optimizer_of(1, data, grad, len);
  for (uint64_t step = 0; step < steps; step++) OK(opt, radam_step(opt));
  OK(opt, radam_free(opt));
  free(grad);
  return data;
}

static void check_weights(const float *data, size_t len, uint32_t seed, uint64_t steps, const char *when) {
  float *expected = expected_weights(len, seed, steps);
  CHECK(memcmp(data, expected, len * sizeof *data) == 0, "%s: other bits after %llu steps than from one thread", when,
        (unsigned long long)steps);
  free(expected);
}

/* Different optimizers are independent, whether they have threads of their own or not. */
static void *train_alone(void *number) {
  uint32_t seed = 10 * (uint32_t)(uintptr_t)number;
  size_t len = seed % 20 ? SMALL : LARGE;
  float *data = filled(len, seed), *grad = filled(len, seed + 1);
  pthread_barrier_wait(&together);
  radam_optimizer *opt = optimizer_of(2, data, grad, len);
  for (int step = 0; step < 10; step++) OK(opt, radam_step(opt));
  check_weights(data, len, seed, 10, "different optimizers at once");
  OK(opt, radam_free(opt));
  free(data);
  free(grad);
  return NULL;
}

/* What the threads of one test share. */
static struct {
  radam_optimizer *opt;
  atomic_ullong steps, frees;
  atomic_bool busy_seen, entered;
} shared;

static void share(radam_optimizer *opt) {
  shared.opt = opt;
  shared.steps = shared.frees = 0;
  shared.busy_seen = shared.entered = false;
}

/* Steps at least ten times, and until some thread has met another one inside the optimizer. */
static void *step_until_busy(void *number) {
  (void)number;
  pthread_barrier_wait(&together);
  for (int mine = 0; mine < 10 || !shared.busy_seen;) {
    radam_status status = radam_step(shared.opt);
    if (status == RADAM_OK) {
      mine++;
      CHECK(atomic_fetch_add(&shared.steps, 1) < 20000, "four threads in one optimizer never met");
      continue;
    }
    char message[512] = "";
    radam_last_error(NULL, message, sizeof message);
    CHECK(status == RADAM_ERROR_BUSY, "a second thread inside got %s: %s", radam_status_string(status), message);
    CHECK(strlen(message) > 20, "the message of RADAM_ERROR_BUSY is '%s'", message);
    shared.busy_seen = true;
    sched_yield();
  }
  return NULL;
}

static void second_thread_is_busy(void) {
  float *data = filled(LARGE, 1), *grad = filled(LARGE, 2);
  share(optimizer_of(2, data, grad, LARGE));
  in_threads(4, step_until_busy);
  uint64_t steps;
  OK(shared.opt, radam_step_count(shared.opt, 0, &steps));
  CHECK(steps == shared.steps, "%llu steps were taken and %llu are counted", (unsigned long long)shared.steps, (unsigned long long)steps);
  check_weights(data, LARGE, 1, steps, "one optimizer, stepped by four threads in turn");
  OK(shared.opt, radam_free(shared.opt));
  free(data);
  free(grad);
}

/* Gradient release: parameters of many lengths, each stepped by one of the threads. */
enum { PARAMS = 40, LONGEST = PARAMS * 101, RELEASE_STEPS = 12 };
static float released[PARAMS][LONGEST];

static void step_released(uint32_t param, uint32_t step, float *grad) {
  size_t len = (param + 1) * 101;
  fill(grad, len, 1000 * step + param);
  OK(shared.opt, radam_step_param(shared.opt, param, grad));
  memset(grad, 0xff, len * sizeof *grad); /* the buffer is ours again */
}

static void *step_every_eighth(void *number) {
  float *grad = filled(LONGEST, 0);
  pthread_barrier_wait(&together);
  for (uint32_t step = 0; step < RELEASE_STEPS; step++)
    for (uint32_t param = (uint32_t)(uintptr_t)number; param < PARAMS; param += THREADS) step_released(param, step, grad);
  free(grad);
  return NULL;
}

static void *step_all(void *number) {
  (void)number;
  float *grad = filled(LONGEST, 0);
  for (uint32_t step = 0; step < RELEASE_STEPS; step++)
    for (uint32_t param = 0; param < PARAMS; param++) step_released(param, step, grad);
  free(grad);
  return NULL;
}

static radam_optimizer *releasing_optimizer(void) {
  radam_optimizer *opt = create(2);
  radam_group_options options = group_options();
  options.gradient_release = RADAM_ON;
  add_group(opt, &options);
  return opt;
}

static void *released_by(unsigned threads, void *(*body)(void *)) {
  share(releasing_optimizer());
  for (uint32_t param = 0; param < PARAMS; param++) {
    fill(released[param], LONGEST, param);
    add_f32(shared.opt, 0, released[param], NULL, (param + 1) * 101);
  }
  in_threads(threads, body);
  OK(shared.opt, radam_free(shared.opt));
  return memcpy(malloc(sizeof released), released, sizeof released);
}

static void step_param_overlaps_itself(void) {
  void *one = released_by(1, step_all), *many = released_by(THREADS, step_every_eighth);
  CHECK(memcmp(one, many, sizeof released) == 0, "radam_step_param in eight threads gave other bits than in one");
  free(one);
  free(many);
}

/* One parameter from all threads, while one of them also makes calls that are exclusive. */
static float contended[SMALL], contended_grad[SMALL];

static void *contend(void *number) {
  pthread_barrier_wait(&together);
  for (int step = 0; step < 50; step++) {
    RETRY(shared.opt, radam_step_param(shared.opt, 0, contended_grad));
    if (number != NULL) continue;
    RETRY(shared.opt, radam_step(shared.opt));
    RETRY(shared.opt, radam_set_lr(shared.opt, 0, 0.01));
  }
  return NULL;
}

static void one_parameter_twice_at_once(void) {
  fill(contended, SMALL, 1);
  fill(contended_grad, SMALL, 2);
  share(releasing_optimizer());
  add_f32(shared.opt, 0, contended, NULL, SMALL);
  in_threads(THREADS, contend);
  uint64_t steps;
  OK(shared.opt, radam_step_count(shared.opt, 0, &steps));
  CHECK(steps == 50 * THREADS, "%llu steps are counted", (unsigned long long)steps);
  check_weights(contended, SMALL, 1, steps, "one parameter, stepped by eight threads");
  OK(shared.opt, radam_free(shared.opt));
}

/* A free during another thread's call lets that call end, whole. */
static void *step_until_freed(void *number) {
  struct timespec moment = {0, 50000 * (long)(shared.frees % 10)};
  if (number != NULL) {
    while (!shared.entered) sched_yield();
    nanosleep(&moment, NULL);
    OK(shared.opt, radam_free(shared.opt));
    return NULL;
  }
  radam_status status;
  while ((status = radam_step(shared.opt)) == RADAM_OK) {
    shared.steps++;
    shared.entered = true;
  }
  CHECK(status == RADAM_ERROR_INVALID_HANDLE, "a step after radam_free gave %s", radam_status_string(status));
  return NULL;
}

static void free_waits_for_its_turn(void) {
  float *data = filled(LARGE, 0), *grad = filled(LARGE, 2);
  for (uint32_t round = 0; round < 10; round++) {
    fill(data, LARGE, 1);
    share(optimizer_of(1 + round % 2, data, grad, LARGE));
    shared.frees = round;
    in_threads(2, step_until_freed);
    check_weights(data, LARGE, 1, shared.steps, "freed during a step");
  }
  free(data);
  free(grad);
}

static void *free_it(void *number) {
  (void)number;
  pthread_barrier_wait(&together);
  radam_status status = radam_free(shared.opt);
  CHECK(status == RADAM_OK || status == RADAM_ERROR_INVALID_HANDLE, "one of eight frees gave %s", radam_status_string(status));
  if (status == RADAM_OK) shared.frees++;
  return NULL;
}

static void only_one_free_succeeds(void) {
  for (int round = 0; round < 50; round++) {
    share(create(1));
    in_threads(THREADS, free_it);
    CHECK(shared.frees == 1, "%llu frees of one optimizer succeeded", (unsigned long long)shared.frees);
  }
}

static void *come_and_go(void *number) {
  uint32_t seed = (uint32_t)(uintptr_t)number;
  pthread_barrier_wait(&together);
  for (int round = 0; round < 200; round++) {
    float data[16], grad[16];
    fill(data, 16, seed);
    fill(grad, 16, seed + 1);
    radam_optimizer *opt = optimizer_of(0, data, grad, 16);
    for (int step = 0; step < 8; step++) OK(opt, radam_step(opt));
    OK(opt, radam_free(opt));
    check_weights(data, 16, seed, 8, "a storm of optimizers");
    CHECK(radam_step(opt) == RADAM_ERROR_INVALID_HANDLE, "a freed handle was taken");
  }
  return NULL;
}

/* Sentences: of an optimizer, on its handle; of any kind, each thread's own. */
static void *fail(void *number) {
  char message[512] = "?";
  (void)number;
  radam_last_error(NULL, message, sizeof message);
  CHECK(strcmp(message, "") == 0, "a thread begins with the message '%s'", message);
  CHECK(radam_param_init(NULL, sizeof(radam_param)) == RADAM_ERROR_NULL_POINTER, "NULL was taken");
  CHECK(radam_set_lr(shared.opt, 0, -2.5) == RADAM_ERROR_INVALID_ARGUMENT, "a negative lr was taken");
  return NULL;
}

static void messages_are_kept_where_they_belong(void) {
  char message[512];
  float data[1] = {1}, grad[1] = {1};
  share(optimizer_of(1, data, grad, 1));
  CHECK(radam_options_init(NULL, sizeof(radam_options)) == RADAM_ERROR_NULL_POINTER, "NULL was taken");
  in_threads(1, fail);
  radam_last_error(shared.opt, message, sizeof message);
  CHECK(strstr(message, "-2.5") != NULL, "another thread's failure is told as '%s'", message);
  radam_last_error(NULL, message, sizeof message);
  CHECK(strstr(message, "options") != NULL, "this thread's own failure is told as '%s'", message);
  CHECK(radam_set_lr(shared.opt, 0, -3.5) == RADAM_ERROR_INVALID_ARGUMENT, "a negative lr was taken");
  radam_last_error(NULL, message, sizeof message);
  CHECK(strstr(message, "-3.5") != NULL, "this thread's last failure is told as '%s'", message);
  OK(shared.opt, radam_free(shared.opt));
}

int main(void) {
  alarm(300); /* ends what hangs */
  in_threads(THREADS, train_alone);
  second_thread_is_busy();
  step_param_overlaps_itself();
  one_parameter_twice_at_once();
  free_waits_for_its_turn();
  only_one_free_succeeds();
  in_threads(THREADS, come_and_go);
  messages_are_kept_where_they_belong();
  return 0;
}
