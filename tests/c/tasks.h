/* How many threads this process has, as the kernel counts them. */
#ifndef TASKS_H
#define TASKS_H

#include "check.h"

#include <dirent.h>
#include <pthread.h>
#include <time.h>

static inline int count_entries(const char *path) {
  DIR *dir = opendir(path);
  CHECK(dir != NULL, "%s cannot be read", path);
  int count = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) count += entry->d_name[0] != '.';
  closedir(dir);
  return count;
}

static inline int count_tasks(void) {
  return count_entries("/proc/self/task");
}

static void *nothing_to_do(void *none) { return none; }

/* How many there are when nothing runs: one, but under an emulator, which starts one of its own with the first. */
static inline int tasks_at_rest(void) {
  struct timespec millisecond = {0, 1000000};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, nothing_to_do, NULL) == 0 && pthread_join(thread, NULL) == 0, "no thread");
  for (int patience = 500; count_tasks() > 1 && patience > 0; patience--) nanosleep(&millisecond, NULL);
  return count_tasks();
}

/* A thread that was joined stays in the kernel's list for another moment. */
static inline void wait_for_tasks(int expected, const char *when) {
  struct timespec millisecond = {0, 1000000};
  for (int patience = 5000; count_tasks() != expected && patience > 0; patience--) nanosleep(&millisecond, NULL);
  CHECK(count_tasks() == expected, "%s: %d threads, not %d", when, count_tasks(), expected);
}

#endif
