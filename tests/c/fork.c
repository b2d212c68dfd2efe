/* fork: both processes go on with the optimizers that they had, and with the same bits. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "tasks.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

/* Enough work for the optimizer's own threads to start. */
enum { LEN = 1 << 19, STEPS = 8, WATCHDOG_SECONDS = 120 };

static float expected[STEPS + 1][LEN]; /* the weights after each step, from one thread */
static float *data, *grad;

static radam_optimizer *optimizer_of(uint32_t num_threads, float *weights) {
  radam_optimizer *opt = create(num_threads);
  radam_group_options options = group_options();
  add_f32(opt, add_group(opt, &options), weights, grad, LEN);
  return opt;
}

static void compute_expected(void) {
  float *weights = filled(LEN, 1);
  radam_optimizer *opt = optimizer_of(1, weights);
  memcpy(expected[0], weights, sizeof expected[0]);
  for (int step = 1; step <= STEPS; step++) {
    OK(opt, radam_step(opt));
    memcpy(expected[step], weights, sizeof expected[step]);
  }
  OK(opt, radam_free(opt));
  free(weights);
}

static radam_optimizer *begin(void) {
  fill(data, LEN, 1);
  return optimizer_of(4, data);
}

/* Steps on, from the step after `from` to `to`. */
static void step(radam_optimizer *opt, int from, int to, const char *who) {
  for (int step = from + 1; step <= to; step++) {
    OK(opt, radam_step(opt));
    CHECK(memcmp(data, expected[step], sizeof expected[step]) == 0, "%s: step %d has other bits than without a fork", who, step);
  }
}

/* As fork, with a watchdog for the child: alarms are not inherited. */
static pid_t fork_child(void) {
  pid_t child = fork();
  CHECK(child >= 0, "no child");
  if (child == 0) alarm(WATCHDOG_SECONDS);
  return child;
}

static void wait_for(pid_t child, const char *what) {
  int status;
  CHECK(waitpid(child, &status, 0) == child, "%s: no child", what);
  CHECK(!WIFSIGNALED(status) || WTERMSIG(status) != SIGALRM, "%s: the child hung", what);
  CHECK(status == 0, "%s: the child ended with status %#x", what, (unsigned)status);
}

static void free_and_leave(radam_optimizer *opt) {
  OK(opt, radam_free(opt));
  wait_for_tasks(1, "in a child, after radam_free");
  _exit(0);
}

/* The child lacks the threads that its copy of the optimizer remembers. */
static void both_go_on(void) {
  radam_optimizer *opt = begin();
  step(opt, 0, 2, "before the fork");
  CHECK(count_tasks() > 1, "a large step with four threads started none");
  pid_t child = fork_child();
  if (child == 0) {
    step(opt, 2, 5, "the child");
    free_and_leave(opt);
  }
  step(opt, 2, 6, "the parent");
  wait_for(child, "a fork with threads running");
  step(opt, 6, 8, "the parent, after its child");
  OK(opt, radam_free(opt));
}

static void fork_before_the_first_step(void) {
  radam_optimizer *opt = begin();
  CHECK(count_tasks() == 1, "threads were started before any work");
  pid_t child = fork_child();
  if (child == 0) {
    step(opt, 0, 4, "the child");
    free_and_leave(opt);
  }
  step(opt, 0, 4, "the parent");
  wait_for(child, "a fork before the first step");
  OK(opt, radam_free(opt));
}

/* Each generation has taken a step more when it forks; the parent frees only while others go on. */
static void generations(void) {
  radam_optimizer *opt = begin();
  pid_t parent = getpid(), child = 0;
  for (int generation = 0; generation < 4 && child == 0; generation++) {
    step(opt, generation, generation + 1, "a generation");
    child = fork_child();
  }
  if (child == 0) free_and_leave(opt);
  OK(opt, radam_free(opt));
  wait_for(child, "a fork of a child");
  if (getpid() != parent) _exit(0);
}

/* A child may also do nothing but free, or end without freeing. */
static void child_only_leaves(void) {
  radam_optimizer *opt = begin();
  step(opt, 0, 1, "before the fork");
  pid_t child = fork_child();
  if (child == 0) free_and_leave(opt);
  wait_for(child, "a child that only frees");
  child = fork_child();
  if (child == 0) exit(0);
  wait_for(child, "a child that only exits");
  step(opt, 1, 4, "the parent");
  OK(opt, radam_free(opt));
}

static void many_children(void) {
  radam_optimizer *opt = begin();
  step(opt, 0, 3, "before the forks");
  pid_t children[8];
  for (int i = 0; i < 8; i++) {
    children[i] = fork_child();
    if (children[i] == 0) {
      step(opt, 3, 4, "one of many children");
      free_and_leave(opt);
    }
  }
  step(opt, 3, 5, "the parent of many");
  for (int i = 0; i < 8; i++) wait_for(children[i], "many children");
  OK(opt, radam_free(opt));
}

/* Forks while other threads are inside the library: one steps, others create and free. */
static atomic_bool stop;
static radam_optimizer *others;
static float *others_data;

static void *step_others(void *unused) {
  while (!stop) OK(others, radam_step(others));
  return unused;
}

static void *come_and_go(void *unused) {
  while (!stop) OK(NULL, radam_free(create(1)));
  return unused;
}

/* An optimizer that another thread was inside stays busy, or, if that thread was about to leave or had only
   just come, works and is never quite freed: it may keep its thread. All else works. */
static void child_among_threads(radam_optimizer *opt) {
  radam_status status = radam_step(others);
  CHECK(status == RADAM_OK || status == RADAM_ERROR_BUSY, "an optimizer in use at the fork gives %s", radam_status_string(status));
  status = radam_free(others);
  CHECK(status == RADAM_OK || status == RADAM_ERROR_BUSY, "freeing an optimizer in use at the fork gives %s", radam_status_string(status));
  CHECK(radam_step(NULL) == RADAM_ERROR_INVALID_HANDLE, "NULL was taken");
  step(opt, 1, 2, "the child of a process with threads");
  radam_optimizer *fresh = create(4);
  OK(fresh, radam_free(fresh));
  OK(opt, radam_free(opt));
  _exit(0);
}

static void fork_among_threads(void) {
  pthread_t threads[3];
  radam_optimizer *opt = begin();
  step(opt, 0, 1, "before the forks");
  others_data = filled(LEN, 3);
  others = optimizer_of(2, others_data);
  CHECK(pthread_create(&threads[0], NULL, step_others, NULL) == 0, "no thread");
  for (int i = 1; i < 3; i++) CHECK(pthread_create(&threads[i], NULL, come_and_go, NULL) == 0, "no thread");
  for (int i = 0; i < 30; i++) {
    pid_t child = fork_child();
    if (child == 0) child_among_threads(opt);
    wait_for(child, "a fork among threads");
  }
  stop = true;
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  step(opt, 1, 2, "the parent with threads");
  OK(opt, radam_free(opt));
  OK(others, radam_free(others));
  free(others_data);
}

enum { PARAMS = 1024, FORKS = 200 };
static radam_optimizer *sliced;
static atomic_bool enough;

static void *measure_in_slices(void *nothing) {
  radam_step_options options;
  OK(NULL, radam_step_options_init(&options, sizeof options));
  options.max_grad_norm = 1;
  while (!enough) {
    uint64_t chunks;
    OK(sliced, radam_step_begin(sliced, &options));
    OK(sliced, radam_step_wave(sliced, &chunks));
    for (uint64_t chunk = 0; chunk + 1 < chunks; chunk++) OK(sliced, radam_step_chunk(sliced, chunk));
    OK(sliced, radam_step_abort(sliced));
  }
  return nothing;
}

/* The child may go on with a step whose other chunks were in work: it is refused or does its chunk, and never waits
   for a thread that it does not have. */
static void fork_while_another_thread_measures(void) {
  pthread_t thread;
  radam_group_options options = group_options();
  options.for_each = RADAM_OFF; /* so that there are many small chunks */
  sliced = create(1);
  add_group(sliced, &options);
  for (uint32_t i = 0; i < PARAMS; i++) add_f32(sliced, 0, data + 16 * i, grad + 16 * i, 16);
  CHECK(pthread_create(&thread, NULL, measure_in_slices, NULL) == 0, "no thread");
  for (int i = 0; i < FORKS; i++) {
    const pid_t child = fork_child();
    if (child == 0) {
      alarm(5);
      radam_step_chunk(sliced, PARAMS / 4 - 1);
      _exit(0);
    }
    wait_for(child, "a fork while another thread measures");
  }
  enough = true;
  pthread_join(thread, NULL);
  OK(sliced, radam_free(sliced));
}

int main(void) {
  alarm(WATCHDOG_SECONDS);
  data = filled(LEN, 1);
  grad = filled(LEN, 2);
  compute_expected();
  both_go_on();
  fork_before_the_first_step();
  generations();
  child_only_leaves();
  many_children();
  fork_among_threads();
  fork_while_another_thread_measures();
  free(data);
  free(grad);
  return 0;
}
