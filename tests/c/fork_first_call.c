/* fork during the very first call of a process: the child is as good as any other. The first call is made one
   instruction at a time, by the trap flag of x86-64, and another thread forks before and after each atomic one: what a
   thread that is gone may have left half done in the child, it has begun and would have ended with these. */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { LEN = 64, WATCHDOG_SECONDS = 20 };

static float data[LEN], grad[LEN], state[2][LEN];

static void create_and_free(void) {
  OK(NULL, radam_free(create(1)));
}

static void update(void) {
  radam_group_options options = group_options();
  OK(NULL, radam_update(RADAM_DTYPE_F32, 0, 0, data, grad, state[0], state[1], NULL, LEN, &options, 1));
}

static void fail(void) {
  CHECK(radam_step(NULL) == RADAM_ERROR_INVALID_HANDLE, "NULL was taken");
}

static void (*const calls[])(void) = {create_and_free, update, fail};
enum { CALLS = sizeof calls / sizeof *calls };

static void child(void) {
  alarm(WATCHDOG_SECONDS);
  for (int call = 0; call < CALLS; call++) calls[call]();
  _exit(0);
}

/* How many forks the calling thread has asked for, and how many there were. */
static atomic_long asked, forked;
static atomic_bool done;

static void ask_for_a_fork(void) {
  const long number = ++asked;
  /* Holding what fork itself waits for, as a lock of malloc, this thread goes on and is forked a little later. */
  for (int patience = 1000; forked < number && patience > 0; patience--) usleep(20);
}

/* An instruction with a lock prefix, or xchg, which needs none. */
static bool is_atomic(const unsigned char *instruction) {
  while (*instruction == 0x66 || (*instruction & 0xf0) == 0x40) instruction++;
  return *instruction == 0xf0 || *instruction == 0x86 || *instruction == 0x87;
}

static void between_instructions(int number, siginfo_t *info, void *context) {
  static bool was_atomic;
  const unsigned char *next = (const unsigned char *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  (void)number, (void)info;
  if (is_atomic(next) || was_atomic) ask_for_a_fork();
  was_atomic = is_atomic(next);
}

static void *fork_when_asked(void *unused) {
  while (!done) {
    if (forked == asked) {
      usleep(20);
      continue;
    }
    const long number = asked;
    const pid_t process = fork();
    CHECK(process >= 0, "no child");
    if (process == 0) child();
    int status;
    CHECK(waitpid(process, &status, 0) == process, "no child");
    CHECK(!WIFSIGNALED(status) || WTERMSIG(status) != SIGALRM, "the child of fork %ld hung", number);
    CHECK(status == 0, "the child of fork %ld ended with status %#x", number, (unsigned)status);
    forked = number;
  }
  return unused;
}

#define SET_TRAP_FLAG(instruction) \
  __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\t" instruction "\n\tpopfq\n\tlea 128(%%rsp), %%rsp" ::: "cc", "memory")

static void first_call(void (*call)(void)) {
  pthread_t forker;
  struct sigaction action = {.sa_sigaction = between_instructions, .sa_flags = SA_RESTART | SA_SIGINFO};
  sigaction(SIGTRAP, &action, NULL);
  CHECK(pthread_create(&forker, NULL, fork_when_asked, NULL) == 0, "no thread");
  SET_TRAP_FLAG("orq $0x100, (%%rsp)");
  call();
  SET_TRAP_FLAG("andq $~0x100, (%%rsp)");
  done = true;
  pthread_join(forker, NULL);
  CHECK(asked > 0, "there was nothing to fork between");
  _exit(0);
}

int main(void) {
  for (int call = 0; call < CALLS; call++) {
    const pid_t process = fork();
    CHECK(process >= 0, "no process");
    if (process == 0) first_call(calls[call]);
    int status;
    CHECK(waitpid(process, &status, 0) == process && status == 0, "first call %d", call);
  }
  return 0;
}
