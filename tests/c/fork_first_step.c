/* fork during the first parallel steps of a process: a child can step in parallel and free as any other. Another thread
   forks at every allocation of these steps, those of the library's threads among them: what is initialized once in a
   process allocates, and in the child it stays half done. */
#define _GNU_SOURCE
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is initialized once is so within the first hundred allocations. */
enum { LEN = 1 << 18, STEPS = 4, ROUNDS = 2, MOST_FORKS = 150, WATCHDOG_SECONDS = 60 };

static float data[LEN], grad[LEN];

/* How many forks were asked for, and how many there were. */
static atomic_long asked, forked;
static atomic_bool forks, done;

static void ask_for_a_fork(void) {
  if (!forks || asked >= MOST_FORKS) return;
  const long number = ++asked;
  while (forks && forked < number) usleep(20);
}

/* In the place of those of glibc. */
void *__libc_malloc(size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
  ask_for_a_fork();
  return __libc_malloc(size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
  ask_for_a_fork();
  *memory = __libc_memalign(alignment, size);
  return *memory == NULL ? ENOMEM : 0;
}

static radam_optimizer *begin(void) {
  radam_optimizer *opt = NULL;
  radam_options options;
  OK(NULL, radam_options_init(&options, sizeof options));
  options.num_threads = 4;
  options.parallel_from = 1;
  OK(NULL, radam_create(&options, &opt));
  radam_group_options group = group_options();
  add_f32(opt, add_group(opt, &group), data, grad, LEN);
  return opt;
}

static void step_and_free(radam_optimizer *opt) {
  for (int step = 0; step < STEPS; step++) OK(opt, radam_step(opt));
  OK(opt, radam_free(opt));
}

static void child(radam_optimizer *idle) {
  forks = false;
  alarm(WATCHDOG_SECONDS);
  step_and_free(idle);
  step_and_free(begin());
  _exit(0);
}

static void *fork_when_asked(void *idle) {
  while (!done) {
    const long number = asked;
    if (forked == number) {
      usleep(20);
      continue;
    }
    const pid_t process = fork();
    CHECK(process >= 0, "no child");
    if (process == 0) child(idle);
    int status;
    CHECK(waitpid(process, &status, 0) == process, "no child");
    CHECK(!WIFSIGNALED(status) || WTERMSIG(status) != SIGALRM, "the child of fork %ld hung", number);
    CHECK(status == 0, "the child of fork %ld ended with status %#x", number, (unsigned)status);
    forked = number;
  }
  return NULL;
}

static void first_steps(void) {
  pthread_t forker;
  radam_optimizer *idle = begin(), *opt = begin();
  CHECK(pthread_create(&forker, NULL, fork_when_asked, idle) == 0, "no thread");
  forks = true;
  for (int step = 0; step < STEPS; step++) OK(opt, radam_step(opt));
  usleep(20000); /* for threads that come late */
  forks = false;
  done = true;
  pthread_join(forker, NULL);
  CHECK(forked > 0, "nothing was allocated");
  OK(opt, radam_free(opt));
  OK(idle, radam_free(idle));
  _exit(0);
}

int main(void) {
  for (int round = 0; round < ROUNDS; round++) {
    const pid_t process = fork();
    CHECK(process >= 0, "no process");
    if (process == 0) first_steps();
    int status;
    CHECK(waitpid(process, &status, 0) == process && status == 0, "round %d", round);
  }
  return 0;
}
