/* The caller's threads in the place of the library's: none is started, and the step is complete and has
   the same bits, whatever the executor makes of its task. */
#define _GNU_SOURCE
#include "check.h"
#include "tasks.h"
#include "world.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { THREADS = 3, STEPS = 8 };

typedef void loop_body(uint64_t index, void *data);

/* What an executor has seen. */
static atomic_ullong loops, bodies;
static int marker;
/* Threads of this process, without any of the library's. */
static int at_rest;

/* A loop that threads share. */
typedef struct loop {
  loop_body *body;
  void *data;
  uint64_t count;
  atomic_ullong next;
} loop;

static void *run_some(void *shared) {
  loop *l = shared;
  for (uint64_t index; (index = atomic_fetch_add(&l->next, 1)) < l->count;) {
    l->body(index, l->data);
    bodies++;
  }
  return NULL;
}

static void begin_loop(uint64_t count, const void *user) {
  CHECK(user == &marker, "the executor was given another user");
  CHECK(count > 1, "a loop of %llu was not worth it", (unsigned long long)count);
  loops++;
}

static void in_threads(loop *l, void *(*body)(void *)) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, body, l) == 0, "no thread");
  for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0, "no join");
}

static void good(uint64_t count, loop_body *body, void *data, void *user) {
  begin_loop(count, user);
  loop l = {body, data, count, 0};
  in_threads(&l, run_some);
}

static void nothing(uint64_t count, loop_body *body, void *data, void *user) {
  begin_loop(count, user);
  (void)body;
  (void)data;
}

static void backwards(uint64_t count, loop_body *body, void *data, void *user) {
  begin_loop(count, user);
  bodies += count;
  while (count-- > 0) body(count, data);
}

static void everything_twice(uint64_t count, loop_body *body, void *data, void *user) {
  good(count, body, data, user);
  good(count, body, data, user);
}

static void too_few(uint64_t count, loop_body *body, void *data, void *user) {
  begin_loop(count, user);
  for (uint64_t index = 0; index < count; index += 3) body(index, data);
}

static void one_index_only(uint64_t count, loop_body *body, void *data, void *user) {
  begin_loop(count, user);
  for (uint64_t i = 0; i < count; i++) body(UINT64_MAX, data);
}

static void without_data(uint64_t count, loop_body *body, void *data, void *user) {
  begin_loop(count, user);
  (void)data;
  for (uint64_t index = 0; index < count; index++) body(index, NULL);
}

/* Threads that go on when the loop has returned. They are joined before the optimizer is freed. */
enum { LATE = 256 };
static pthread_t late[LATE];
static int late_count;

typedef struct late_loop {
  loop loop;
  long sleep_ns;
} late_loop;

static void *run_late(void *argument) {
  late_loop *l = argument;
  struct timespec moment = {0, l->sleep_ns};
  nanosleep(&moment, NULL);
  run_some(&l->loop);
  free(l);
  return NULL;
}

static void start_late(uint64_t count, loop_body *body, void *data, long sleep_ns) {
  late_loop *l = malloc(sizeof *l);
  CHECK(l != NULL && late_count < LATE, "no room for one more late thread");
  l->loop = (loop){.body = body, .data = data, .count = count};
  l->sleep_ns = sleep_ns;
  CHECK(pthread_create(&late[late_count++], NULL, run_late, l) == 0, "no thread");
}

static void join_late(void) {
  while (late_count > 0) CHECK(pthread_join(late[--late_count], NULL) == 0, "no join");
}

static void returns_before_its_threads(uint64_t count, loop_body *body, void *data, void *user) {
  begin_loop(count, user);
  start_late(count, body, data, 0);
  body(0, data);
}

static void calls_after_returning(uint64_t count, loop_body *body, void *data, void *user) {
  begin_loop(count, user);
  start_late(count, body, data, 3000000);
}

/* Returns when its thread has begun a body, which the step then has to wait for. */
static atomic_bool has_begun;

static void *run_and_tell(void *argument) {
  late_loop *l = argument;
  has_begun = true;
  run_some(&l->loop);
  free(l);
  return NULL;
}

static void returns_during_a_body(uint64_t count, loop_body *body, void *data, void *user) {
  begin_loop(count, user);
  late_loop *l = malloc(sizeof *l);
  CHECK(l != NULL && late_count < LATE, "no room for one more late thread");
  l->loop = (loop){.body = body, .data = data, .count = count};
  has_begun = false;
  CHECK(pthread_create(&late[late_count++], NULL, run_and_tell, l) == 0, "no thread");
  while (!has_begun) sched_yield();
}

/* Worker threads in another floating-point mode, which they keep. */
#if defined(__x86_64__)
static void *run_in_another_mode(void *shared) {
  _mm_setcsr(0xdfc0); /* denormals are flushed and read as zero; rounds up */
  const unsigned mode = _mm_getcsr() & 0xffc0u; /* which has no flushing under valgrind */
  run_some(shared);
  CHECK((_mm_getcsr() & 0xffc0u) == mode, "a body changed its thread's mode from %#x to %#x", mode, _mm_getcsr());
  return NULL;
}

static void in_another_mode(uint64_t count, loop_body *body, void *data, void *user) {
  begin_loop(count, user);
  loop l = {body, data, count, 0};
  in_threads(&l, run_in_another_mode);
}
#endif

/* The calling thread, too: from before its first body on, and still when the step goes on with what was left. */
static void leaves_another_mode(uint64_t count, loop_body *body, void *data, void *user) {
  begin_loop(count, user);
  leave_another_float_mode();
  for (uint64_t index = 0; index < count; index += 3) body(index, data);
  leave_another_float_mode();
}

typedef void parallel_for(uint64_t count, loop_body *body, void *data, void *user);

static radam_optimizer *create_with(parallel_for *run, uint32_t num_threads) {
  radam_options options;
  radam_optimizer *opt = NULL;
  OK(NULL, radam_options_init(&options, sizeof options));
  options.num_threads = num_threads;
  options.executor.parallel_for = run;
  options.executor.user = &marker;
  OK(NULL, radam_create(&options, &opt));
  return opt;
}

/* Gradients, some of them so small that moments and weights become denormal. */
static void next_gradients(world *w, uint32_t step) {
  fill_gradients(w, step);
  for (uint32_t i = 0; i < LENGTHS; i++)
    for (uint64_t j = 0; j < w->tensors[i].len; j += 3) ((float *)w->tensors[i].grad)[j] *= 1e-38f;
}

static void same_bits(parallel_for *run, bool is_whole, const char *what) {
  static world here, expected;
  make_world(&here, create_with(run, 4));
  make_world(&expected, create(1));
  loops = bodies = 0;
  for (uint32_t step = 0; step < STEPS; step++) {
    radam_step_options options = step_options((int)step % STEP_OPTIONS);
    radam_step_report found, report;
    OK(NULL, radam_step_report_init(&found, sizeof found));
    OK(NULL, radam_step_report_init(&report, sizeof report));
    next_gradients(&here, step);
    next_gradients(&expected, step);
    OK(here.opt, radam_step_with(here.opt, &options, &found));
    OK(expected.opt, radam_step_with(expected.opt, &options, &report));
    CHECK(is_same_report(found, report), "%s: another report of step %u", what, step);
    check_equal(&here, &expected, what);
  }
  join_late();
  check_equal(&here, &expected, what); /* what came late has done nothing */
  wait_for_tasks(at_rest, what);
  CHECK(loops >= STEPS, "%s: only %llu loops were given to the executor", what, (unsigned long long)loops);
  CHECK(!is_whole || bodies > loops, "%s: the executor ran only %llu bodies", what, (unsigned long long)bodies);
  end_world(&here);
  end_world(&expected);
}

/* Work that threads gain nothing from is the caller's. */
static void small_work_stays_here(void) {
  float data[1000], grad[1000];
  fill(data, 1000, 1);
  fill(grad, 1000, 2);
  radam_optimizer *opt = create_with(good, 4);
  radam_group_options options = group_options();
  add_f32(opt, add_group(opt, &options), data, grad, 1000);
  loops = 0;
  for (int step = 0; step < 5; step++) OK(opt, radam_step(opt));
  CHECK(loops == 0, "1000 elements were given to the executor");
  OK(opt, radam_free(opt));
}

/* Unless the caller says from how many elements on there is something to gain. */
static void the_caller_says_from_when_on(void) {
  enum { FROM = 40000 };
  float *data = filled(FROM, 1), *grad = filled(FROM, 2);
  for (uint64_t len = FROM - 1; len <= FROM; len++)
    for (uint32_t num_threads = 1; num_threads <= 4; num_threads += 3) {
      radam_options options;
      radam_optimizer *opt = NULL;
      radam_group_options group = group_options();
      OK(NULL, radam_options_init(&options, sizeof options));
      options.num_threads = num_threads;
      options.parallel_from = FROM;
      options.executor.parallel_for = good;
      options.executor.user = &marker;
      OK(NULL, radam_create(&options, &opt));
      add_f32(opt, add_group(opt, &group), data, grad, len);
      loops = 0;
      for (int step = 0; step < 5; step++) OK(opt, radam_step(opt));
      CHECK(loops == (len == FROM && num_threads > 1 ? 5 : 0), "%llu elements with parallel_from %d and num_threads %u: %llu loops",
            (unsigned long long)len, FROM, num_threads, (unsigned long long)loops);
      OK(opt, radam_free(opt));
    }
  free(data);
  free(grad);
}

/* Two threads, each of which does every second index when the other is done; the calling one does nothing. */
static void *run_every_second(void *shared) {
  loop *l = shared;
  for (uint64_t index = l->next++; index < l->count; index += 2) l->body(index, l->data);
  return NULL;
}

static void by_two_in_turn(uint64_t count, loop_body *body, void *data, void *user) {
  begin_loop(count, user);
  loop l = {body, data, count, 0};
  for (int i = 0; i < 2; i++) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run_every_second, &l) == 0 && pthread_join(thread, NULL) == 0, "no thread");
  }
}

/* Reports tell of the threads that did something, not of those that might have. */
static void threads_that_worked_are_told(void) {
  enum { LEN = 1 << 19 };
  const struct { parallel_for *run; uint32_t threads; } cases[] = {{nothing, 1}, {backwards, 1}, {by_two_in_turn, 2}};
  float *data = filled(LEN, 1), *grad = filled(LEN, 2);
  for (int i = 0; i < 3; i++) {
    radam_group_options group = group_options();
    radam_step_report report;
    radam_optimizer *opt = create_with(cases[i].run, 4);
    add_f32(opt, add_group(opt, &group), data, grad, LEN);
    OK(NULL, radam_step_report_init(&report, sizeof report));
    OK(opt, radam_step_with(opt, NULL, &report));
    CHECK(report.threads == cases[i].threads, "executor %d: %u threads are told of, and %u have worked", i, report.threads,
          cases[i].threads);
    OK(opt, radam_free(opt));
  }
  free(data);
  free(grad);
}

/* While a loop runs, its optimizer is busy; and it is the loop that does the work. */
enum { LARGE = 1 << 19 };
static radam_optimizer *calling;
static float *stepping;

static void calls_the_library(uint64_t count, loop_body *body, void *data, void *user) {
  static float before[LARGE];
  memcpy(before, stepping, sizeof before);
  CHECK(radam_step(calling) == RADAM_ERROR_BUSY, "a step inside a step");
  CHECK(radam_set_lr(calling, 0, 1) == RADAM_ERROR_BUSY, "an option changes inside a step");
  good(count, body, data, user);
  for (size_t i = 0; i < LARGE; i += 1000)
    CHECK(stepping[i] != before[i], "element %zu is not stepped when the loop is over", i);
}

static void steps_of_one_parameter(void) {
  float *data = filled(LARGE, 1), *expected = filled(LARGE, 1), *grad = filled(LARGE, 2);
  radam_group_options options = group_options();
  radam_optimizer *alone = create(1);
  add_f32(alone, add_group(alone, &options), expected, grad, LARGE);
  calling = create_with(calls_the_library, 4);
  stepping = data;
  uint32_t group = add_group(calling, &options);
  add_f32(calling, group, data, grad, LARGE);
  for (int step = 0; step < 4; step++) {
    OK(alone, radam_step(alone));
    OK(calling, radam_step(calling));
  }
  radam_optimizer *releasing = create_with(good, 4);
  options.gradient_release = RADAM_ON;
  float *released = filled(LARGE, 1);
  add_f32(releasing, add_group(releasing, &options), released, NULL, LARGE);
  loops = 0;
  for (int step = 0; step < 4; step++) OK(releasing, radam_step_param(releasing, 0, grad));
  CHECK(loops == 4, "radam_step_param gave the executor %llu loops in 4 steps", (unsigned long long)loops);
  CHECK(memcmp(data, expected, LARGE * sizeof *data) == 0, "an executor that calls the library gets other bits");
  CHECK(memcmp(released, expected, LARGE * sizeof *data) == 0, "radam_step_param gets other bits");
  wait_for_tasks(at_rest, "steps of one parameter");
  OK(calling, radam_free(calling));
  OK(releasing, radam_free(releasing));
  OK(alone, radam_free(alone));
  free(data);
  free(released);
  free(expected);
  free(grad);
}

/* What a body adds to the norms is in them, although the executor has returned. */
static void steps_wait_for_bodies(void) {
  float *data = filled(LARGE, 1), *expected = filled(LARGE, 1), *grad = filled(LARGE, 2);
  radam_group_options options = group_options();
  radam_step_options step = step_options(6);
  radam_optimizer *alone = create(1), *opt = create_with(returns_during_a_body, 4);
  add_f32(alone, add_group(alone, &options), expected, grad, LARGE);
  add_f32(opt, add_group(opt, &options), data, grad, LARGE);
  for (int i = 0; i < 50; i++) {
    radam_step_report found, report;
    OK(NULL, radam_step_report_init(&found, sizeof found));
    OK(NULL, radam_step_report_init(&report, sizeof report));
    OK(opt, radam_step_with(opt, &step, &found));
    CHECK(data[LARGE - 1] != expected[LARGE - 1], "the last element is not stepped");
    OK(alone, radam_step_with(alone, &step, &report));
    CHECK(is_same_report(found, report), "step %d does not wait for a body that has begun: other norms", i);
    CHECK(memcmp(data, expected, LARGE * sizeof *data) == 0, "step %d does not wait for a body that has begun", i);
    join_late();
  }
  OK(opt, radam_free(opt));
  OK(alone, radam_free(alone));
  free(data);
  free(expected);
  free(grad);
}

int main(void) {
  alarm(300); /* ends what hangs */
  at_rest = tasks_at_rest();
  same_bits(good, true, "an executor that does as it should");
  same_bits(nothing, false, "an executor that runs nothing");
  same_bits(backwards, true, "an executor that runs backwards");
  same_bits(everything_twice, true, "an executor that runs everything twice");
  same_bits(too_few, false, "an executor that runs a third");
  same_bits(one_index_only, false, "an executor with an index that is not there");
  same_bits(without_data, false, "an executor without body_data");
  same_bits(returns_before_its_threads, false, "an executor that returns before its threads");
  same_bits(calls_after_returning, false, "an executor that calls after it has returned");
#if defined(__x86_64__)
  same_bits(in_another_mode, true, "threads in another floating-point mode");
#endif
  same_bits(leaves_another_mode, false, "an executor that leaves another floating-point mode");
  small_work_stays_here();
  the_caller_says_from_when_on();
  threads_that_worked_are_told();
  steps_of_one_parameter();
  steps_wait_for_bodies();
  return 0;
}
