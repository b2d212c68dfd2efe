/* pthread_cancel waits until a call has returned, and until a function that it calls of the caller's has: no call is
   left halfway, and none ends the process. */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* LARGE is enough work for threads. */
enum { LARGE = 1 << 19, SMALL = 1000 };

static char path[128];
static float *data, *grad;
static atomic_long points;

/* A cancellation point inside of a function of the caller's. */
static void may_be_cancelled(void) {
  atomic_fetch_add(&points, 1);
  pthread_testcancel();
}

static int32_t progress(uint64_t done, uint64_t total, void *user) {
  (void)done, (void)total, (void)user;
  may_be_cancelled();
  return 0;
}

static void *allocate(uint64_t size, uint64_t alignment, void *user) {
  void *memory = NULL;
  (void)user;
  may_be_cancelled();
  return posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, size) == 0 ? memory : NULL;
}

static void release(void *memory, uint64_t size, uint64_t alignment, void *user) {
  (void)size, (void)alignment, (void)user;
  may_be_cancelled();
  free(memory);
}

static void parallel_for(uint64_t count, void (*body)(uint64_t index, void *body_data), void *body_data, void *user) {
  (void)user;
  for (uint64_t i = 0; i < count; i++) {
    body(i, body_data);
    may_be_cancelled();
  }
}

static radam_optimizer *opt;

static void create_with_functions(void) {
  radam_options options;
  OK(NULL, radam_options_init(&options, sizeof options));
  options.num_threads = 2;
  options.parallel_from = 1 << 17;
  options.allocator = (radam_allocator){allocate, release, NULL};
  options.executor = (radam_executor){parallel_for, NULL};
  OK(NULL, radam_create(&options, &opt));
}

static void add(void) {
  radam_group_options options = group_options();
  add_f32(opt, add_group(opt, &options), data, grad, LARGE);
}

static void save(void) { OK(opt, radam_save(opt, path)); }
static void load(void) { OK(opt, radam_load(opt, path)); }
static void step(void) { OK(opt, radam_step(opt)); }
static void free_it(void) { OK(opt, radam_free(opt)); }

static void save_with_progress(void) {
  radam_save_options options;
  OK(NULL, radam_save_options_init(&options, sizeof options));
  options.progress = progress;
  OK(opt, radam_save_with(opt, path, &options));
}

static void load_with_progress(void) {
  radam_load_options options;
  OK(NULL, radam_load_options_init(&options, sizeof options));
  options.progress = progress;
  OK(opt, radam_load_with(opt, path, &options));
}

static void load_what_is_not_there(void) {
  CHECK(radam_load(opt, "/nowhere/checkpoint") == RADAM_ERROR_IO, "a load from nowhere");
}

static void save_to_nowhere(void) {
  CHECK(radam_save(opt, "/nowhere/checkpoint") == RADAM_ERROR_IO, "a save to nowhere");
}

/* With threads of its own, which are waited for. */
static void create_with_threads(void) { opt = create(4); }

static void step_in_slices(void) {
  uint64_t left = 1;
  OK(opt, radam_step_begin(opt, NULL));
  while (left > 0) OK(opt, radam_step_for(opt, UINT64_MAX, &left));
  OK(opt, radam_step_end(opt, NULL));
}

typedef struct work {
  void (*call)(void);
  bool has_returned;
} work;

static void *cancelled_thread(void *argument) {
  work *w = argument;
  CHECK(pthread_cancel(pthread_self()) == 0, "no cancellation"); /* takes effect at the next cancellation point */
  w->call();
  w->has_returned = true;
  int state = -1;
  CHECK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state) == 0 && state == PTHREAD_CANCEL_ENABLE, "a call leaves cancellation disabled");
  pthread_testcancel();
  return NULL;
}

static void check_survives(void (*call)(void), const char *name) {
  work w = {call, false};
  pthread_t thread;
  void *result = NULL;
  CHECK(pthread_create(&thread, NULL, cancelled_thread, &w) == 0 && pthread_join(thread, &result) == 0, "no thread");
  CHECK(w.has_returned, "%s was left halfway", name);
  CHECK(result == PTHREAD_CANCELED, "after %s, the thread was not cancelled", name);
}

#define SURVIVES(call) check_survives(call, #call)

static void every_kind_of_call(void) {
  SURVIVES(create_with_functions);
  SURVIVES(add);
  SURVIVES(step);
  SURVIVES(save);
  SURVIVES(load);
  SURVIVES(save_with_progress);
  SURVIVES(load_with_progress);
  SURVIVES(load_what_is_not_there);
  SURVIVES(save_to_nowhere);
  SURVIVES(free_it);
  CHECK(points > 8, "only %ld cancellation points in functions of the caller's", (long)points);
  SURVIVES(create_with_threads);
  SURVIVES(add);
  SURVIVES(step);
  SURVIVES(step_in_slices);
  SURVIVES(free_it);
}

/* Whoever had it disabled has so afterwards. */
static void disabled_stays_disabled(void) {
  int state = -1;
  create_with_threads();
  add();
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  save();
  save_to_nowhere();
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
  CHECK(state == PTHREAD_CANCEL_DISABLE, "a call has enabled cancellation");
  free_it();
}

/* From another thread, at any time. */
static void *save_for_ever(void *optimizer) {
  while (optimizer != NULL) {
    OK(optimizer, radam_save(optimizer, path));
    OK(optimizer, radam_load(optimizer, path));
    pthread_testcancel();
  }
  return NULL;
}

static void at_any_time(void) {
  radam_group_options options = group_options();
  radam_optimizer *small = create(1);
  add_f32(small, add_group(small, &options), data, grad, SMALL);
  OK(small, radam_save(small, path));
  for (uint32_t i = 0; i < 60; i++) {
    pthread_t thread;
    void *result = NULL;
    CHECK(pthread_create(&thread, NULL, save_for_ever, small) == 0, "no thread");
    usleep(i * 7919 % 3000);
    CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED, "no cancellation");
    OK(small, radam_load(small, path)); /* no other call is inside, and the file is whole */
  }
  OK(small, radam_free(small));
}

int main(void) {
  alarm(300); /* ends what hangs */
  const char *root = getenv("TMPDIR");
  snprintf(path, sizeof path, "%s/radam-cancellation-%ld", root != NULL && strlen(root) < 64 ? root : "/tmp", (long)getpid());
  data = filled(LARGE, 1);
  grad = filled(LARGE, 2);
  every_kind_of_call();
  disabled_stays_disabled();
  at_any_time();
  CHECK(unlink(path) == 0, "the file is gone");
  free(data);
  free(grad);
  return 0;
}
