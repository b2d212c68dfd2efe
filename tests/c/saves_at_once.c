/* Several saves to one path: each is done as a whole or refused, at every moment at which they can meet. */
#define _GNU_SOURCE
#include "checkpoint.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* Two optimizers that save to one path: one of them, or both in turn, and the file is always whole. */
static atomic_long saved, refused;

static void *save_often(void *optimizer) {
  for (int i = 0; i < 60; i++) {
    const radam_status status = radam_save(optimizer, path);
    char message[512] = "";
    radam_last_error(optimizer, message, sizeof message);
    CHECK(status == RADAM_OK || (status == RADAM_ERROR_IO && strstr(message, "another save") != NULL),
          "one of two saves gave %s: %s", radam_status_string(status), message);
    atomic_fetch_add(status == RADAM_OK ? &saved : &refused, 1);
  }
  return NULL;
}

static void two_save_at_once(void) {
  static run other;
  pthread_t thread;
  begin();
  make(&other);
  OK(other.opt, radam_load(other.opt, path));
  CHECK(pthread_create(&thread, NULL, save_often, other.opt) == 0, "no thread");
  save_often(saver.opt);
  for (int i = 0; i < 20; i++) found("while two save");
  CHECK(pthread_join(thread, NULL) == 0, "no thread");
  CHECK(saved > 0 && saved + refused == 120, "%ld saved and %ld refused", (long)saved, (long)refused);
  found("after two have saved");
  CHECK(!is_there(temporary), "two saves have left %s", temporary);
  OK(other.opt, radam_free(other.opt));
}

/* The worst moment: a save has opened the temporary file, and before it locks it, another one has renamed the
   same file into place. */
static _Thread_local bool is_late;
static atomic_bool may_finish, is_finished;

static void wait_for_another(void) {
  if (!is_late) return;
  is_late = false;
  may_finish = true;
  while (!is_finished) sched_yield();
}

static int32_t wait_for_the_late_one(uint64_t done, uint64_t total, void *unused) {
  (void)unused;
  while (done == total && !may_finish) sched_yield();
  return 0;
}

static void *save_in_the_meantime(void *optimizer) {
  radam_save_options options;
  OK(NULL, radam_save_options_init(&options, sizeof options));
  options.progress = wait_for_the_late_one;
  OK(optimizer, radam_save_with(optimizer, path, &options));
  is_finished = true;
  return NULL;
}

static int32_t cancel(uint64_t done, uint64_t total, void *unused) {
  (void)done, (void)total, (void)unused;
  return 1;
}

static void a_late_save_leaves_the_file_of_another(void) {
  radam_save_options options;
  pthread_t thread;
  begin();
  before_locking = wait_for_another;
  may_finish = is_finished = false;
  CHECK(pthread_create(&thread, NULL, save_in_the_meantime, saver.opt) == 0, "no thread");
  while (!is_there(temporary)) sched_yield();
  is_late = true;
  OK(NULL, radam_save_options_init(&options, sizeof options));
  options.progress = cancel;
  static run other;
  make(&other);
  CHECK(radam_save_with(other.opt, path, &options) == RADAM_ERROR_IO, "a save that was cancelled went on");
  CHECK(pthread_join(thread, NULL) == 0, "no thread");
  before_locking = NULL;
  CHECK(found("after a late save") == &new_state, "a late save that was cancelled has touched the file of another");
  CHECK(!is_there(temporary), "%s is left", temporary);
  OK(other.opt, radam_free(other.opt));
}

/* Another moment: a save has created the temporary file, and before it locks it, another one takes it for what a
   killed process left. */
static run hasty;

static void save_another(void) {
  if (!is_late) return;
  is_late = false;
  OK(hasty.opt, radam_save(hasty.opt, path));
}

static void a_save_is_taken_for_a_dead_one(void) {
  begin();
  make(&hasty);
  is_late = true;
  before_locking = save_another;
  OK(saver.opt, radam_save(saver.opt, path));
  before_locking = NULL;
  CHECK(!is_late && found("after both") == &new_state, "the save that was last to finish is not in the file");
  CHECK(!is_there(temporary), "%s is left", temporary);
  OK(hasty.opt, radam_free(hasty.opt));
}

int main(void) {
  begin_test();
  two_save_at_once();
  a_late_save_leaves_the_file_of_another();
  a_save_is_taken_for_a_dead_one();
  end_test();
  return 0;
}
