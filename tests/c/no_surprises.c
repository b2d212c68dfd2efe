/* What an engine that embeds the library must never notice: threads that it did not ask for, signals
   on them, a changed errno, locale, folder, or files left open. (float_modes.c has the floating-point mode, and
   that nothing is printed is checked of every program here.) */
#define _GNU_SOURCE
#include "check.h"
#include "tasks.h"

#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

/* LARGE is enough work for the optimizer's own threads to start. */
enum { SMALL = 6800, LARGE = 1 << 19, MANY = 1000 };

static float *data, *grad;

static radam_optimizer *optimizer_of(uint32_t num_threads, size_t len) {
  fill(data, len, 1);
  fill(grad, len, 2);
  radam_optimizer *opt = create(num_threads);
  radam_group_options options = group_options();
  add_f32(opt, add_group(opt, &options), data, grad, len);
  return opt;
}

static void steps(radam_optimizer *opt, int count) {
  for (int step = 0; step < count; step++) OK(opt, radam_step(opt));
}

/* Small work is done by the caller, and so is all work with num_threads 1. */
static void threads_come_when_they_are_worth_it(void) {
  const struct { uint32_t num_threads; size_t len; } alone[] = {{0, SMALL}, {4, SMALL}, {1, LARGE}};
  for (int i = 0; i < 3; i++) {
    radam_optimizer *opt = optimizer_of(alone[i].num_threads, alone[i].len);
    steps(opt, 10);
    CHECK(count_tasks() == 1, "%zu elements with num_threads %u: %d threads", alone[i].len, alone[i].num_threads, count_tasks());
    OK(opt, radam_free(opt));
  }

  radam_optimizer *many = create(4);
  radam_group_options options = group_options();
  fill(data, 64 * MANY, 1);
  add_group(many, &options);
  for (size_t i = 0; i < MANY; i++) add_f32(many, 0, data + 64 * i, grad + 64 * i, 64);
  steps(many, 10);
  CHECK(count_tasks() == 1, "%d tensors of 64 elements started threads", MANY);
  OK(many, radam_free(many));
}

static void threads_go_with_their_optimizer(void) {
  radam_optimizer *opt = optimizer_of(3, LARGE);
  CHECK(count_tasks() == 1, "threads were started before any work");
  steps(opt, 3);
  CHECK(count_tasks() > 1 && count_tasks() <= 3, "num_threads 3 gave %d threads, the caller's with them", count_tasks());
  steps(opt, 3);
  CHECK(count_tasks() <= 3, "later steps started more threads: %d", count_tasks());
  OK(opt, radam_free(opt));
  wait_for_tasks(1, "after radam_free");
}

/* Signals that a program can handle; the two after SIGSYS belong to the C library. */
static bool can_be_handled(int number) {
  return number != SIGKILL && number != SIGSTOP && number != 32 && number != 33;
}

static volatile sig_atomic_t handled;

static void handler(int number) {
  handled = number;
}

static void signals_stay_with_the_caller(void) {
  struct sigaction before[65], now, ours = {.sa_handler = handler};
  sigset_t all, mask_before, mask_now, pending;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
  for (int number = 1; number <= 64; number++)
    if (can_be_handled(number)) sigaction(number, NULL, &before[number]);

  radam_optimizer *opt = optimizer_of(4, LARGE);
  steps(opt, 3);
  pthread_sigmask(SIG_SETMASK, NULL, &mask_now);
  for (int number = 1; number <= 64; number++) {
    if (!can_be_handled(number)) continue;
    sigaction(number, NULL, &now);
    CHECK(now.sa_handler == before[number].sa_handler, "the library handles signal %d", number);
    CHECK(sigismember(&mask_now, number) == sigismember(&mask_before, number), "the caller's mask of signal %d changed", number);
  }

  /* Once the caller blocks a signal, no other thread may take it. */
  pthread_sigmask(SIG_SETMASK, &all, NULL);
  for (int number = 1; number <= 64; number++) {
    if (!can_be_handled(number)) continue;
    sigaction(number, &ours, NULL);
    kill(getpid(), number);
  }
  steps(opt, 3);
  usleep(20000);
  CHECK(handled == 0, "a thread of the library took signal %d", (int)handled);
  sigpending(&pending);
  for (int number = 1; number <= 64; number++) {
    if (!can_be_handled(number)) continue;
    CHECK(sigismember(&pending, number) == 1 || number == SIGCONT, "signal %d is gone", number);
    struct timespec none = {0, 0};
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    sigtimedwait(&one, NULL, &none);
    sigaction(number, &before[number], NULL);
  }
  OK(opt, radam_free(opt));
  pthread_sigmask(SIG_SETMASK, &mask_before, NULL);
}

/* With a decimal comma where the machine has one: messages are the same in every locale. */
static void process_state_stays(void) {
  const char *commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ru_RU.UTF-8", "nl_NL.UTF-8"};
  for (size_t i = 0; i < sizeof commas / sizeof *commas && setlocale(LC_ALL, commas[i]) == NULL; i++) {}
  char folder_before[4096], folder[4096], message[512], *locale_before = strdup(setlocale(LC_ALL, NULL));
  CHECK(getcwd(folder_before, sizeof folder_before) != NULL, "no folder");
  int files_before = count_entries("/proc/self/fd");

  for (int large = 0; large < 2; large++) {
    size_t len = large ? LARGE : SMALL;
    fill(data, len, 1);
    uint64_t count;
    uint32_t id;
    double lr;
    radam_optimizer *opt = NULL;
    radam_group_options group = group_options();
    radam_step_options step_options;
    OK(NULL, radam_step_options_init(&step_options, sizeof step_options));
    step_options.max_grad_norm = 1;
    step_options.report_norms = RADAM_ON;
#define KEEPS_ERRNO(call)                                                          \
    do {                                                                           \
      errno = 12345;                                                               \
      radam_status status = (call);                                                \
      CHECK(errno == 12345, "%s set errno to %d", #call, errno);                   \
      OK(opt, status);                                                             \
    } while (0)
    KEEPS_ERRNO(radam_create(NULL, &opt));
    KEEPS_ERRNO(radam_add_param_group(opt, &group, NULL, 0, NULL));
    KEEPS_ERRNO(radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data, grad, len, NULL, &id));
    KEEPS_ERRNO(radam_step(opt));
    KEEPS_ERRNO(radam_step(opt));
    KEEPS_ERRNO(radam_step_with(opt, &step_options, NULL));
    KEEPS_ERRNO(radam_step_begin(opt, &step_options));
    KEEPS_ERRNO(radam_step_for(opt, UINT64_MAX, &count));
    KEEPS_ERRNO(radam_step_end(opt, NULL));
    KEEPS_ERRNO(radam_step_count(opt, 0, &count));
    KEEPS_ERRNO(radam_get_lr(opt, 0, &lr));
    KEEPS_ERRNO(radam_zero_grad(opt));
    CHECK(radam_set_lr(opt, 0, -1.5) == RADAM_ERROR_INVALID_ARGUMENT, "a negative lr was taken");
    radam_last_error(opt, message, sizeof message);
    CHECK(strstr(message, "-1.5") != NULL, "in the locale %s, -1.5 is told as: %s", locale_before, message);
    KEEPS_ERRNO(radam_free(opt));
  }
  CHECK(getcwd(folder, sizeof folder) != NULL && strcmp(folder, folder_before) == 0, "the folder changed to %s", folder);
  CHECK(strcmp(setlocale(LC_ALL, NULL), locale_before) == 0, "the locale changed to %s", setlocale(LC_ALL, NULL));
  CHECK(count_entries("/proc/self/fd") == files_before, "files were left open");
  free(locale_before);
}

int main(void) {
  alarm(300); /* ends what hangs */
  data = filled(LARGE, 1);
  grad = filled(LARGE, 2);
  threads_come_when_they_are_worth_it();
  threads_go_with_their_optimizer();
  signals_stay_with_the_caller();
  process_state_stays();
  free(data);
  free(grad);
  return 0;
}
