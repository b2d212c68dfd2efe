/* The environment: RADAM_ISA counts as it was when the library was loaded, and nothing is read later, so that other
   threads may set variables at any time. The program runs itself with the variables that it needs. */
#define _GNU_SOURCE
#include "check.h"

#include <locale.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

static void run_with(const char *program, const char *instruction_set, const char *part) {
  const pid_t process = fork();
  CHECK(process >= 0, "no process");
  if (process == 0) {
    instruction_set != NULL ? setenv("RADAM_ISA", instruction_set, 1) : unsetenv("RADAM_ISA");
    execl(program, program, part, (char *)NULL);
    _exit(99);
  }
  int status;
  CHECK(waitpid(process, &status, 0) == process && status == 0, "%s: status %#x", part, (unsigned)status);
}

static void an_unknown_instruction_set_is_refused(void) {
  static float data[4], grad[4], exp_avg[4], exp_avg_sq[4];
  radam_optimizer *opt = NULL;
  radam_group_options options = group_options();
  CHECK(radam_create(NULL, &opt) == RADAM_ERROR_INVALID_ARGUMENT && opt == NULL, "an abacus was taken");
  check_message(NULL, "RADAM_ISA was \"abacus\\x1b\"", "an unknown instruction set");
  check_message(NULL, "portable", "an unknown instruction set");
  CHECK(radam_update(RADAM_DTYPE_F32, 0, 0, data, grad, exp_avg, exp_avg_sq, NULL, 4, &options, 1) == RADAM_ERROR_INVALID_ARGUMENT,
        "radam_update takes an abacus");
  unsetenv("RADAM_ISA");
  CHECK(radam_create(NULL, &opt) == RADAM_ERROR_INVALID_ARGUMENT, "the variable was read again");
}

static void later_changes_do_not_count(void) {
  setenv("RADAM_ISA", "abacus", 1);
  OK(NULL, radam_free(create(1)));
}

static atomic_bool stop;

/* Variables come and go, so that the C library moves their array again and again. */
static void *set_variables(void *unused) {
  while (!stop) {
    char name[32];
    for (int i = 0; i < 2000 && !stop; i++) {
      snprintf(name, sizeof name, "RADAM_TEST_%d", i);
      setenv(name, "value", 1);
    }
    clearenv();
  }
  return unused;
}

enum { LEN = 1 << 10, TIMES = 4000 };

static void use_the_library(int time, float *data, float *grad, float *state) {
  radam_options options;
  radam_group_options group = group_options();
  radam_optimizer *opt = NULL;
  OK(NULL, radam_options_init(&options, sizeof options));
  options.num_threads = time % 20 == 0 ? 2 : 1;
  options.parallel_from = 1;
  OK(NULL, radam_create(&options, &opt));
  add_f32(opt, add_group(opt, &group), data, grad, LEN);
  OK(opt, radam_step(opt));
  OK(NULL, radam_update(RADAM_DTYPE_F32, 0, 0, data, grad, state, state + LEN, NULL, LEN, &group, 1));
  CHECK(radam_load(opt, "nowhere/file") == RADAM_ERROR_IO && radam_save(opt, "nowhere/file") == RADAM_ERROR_IO, "found nowhere");
  check_message(opt, "No such file or directory", "a file that is not there");
  OK(opt, radam_free(opt));
}

static void *use_it_again_and_again(void *unused) {
  float *data = filled(LEN, 1), *grad = filled(LEN, 2), *state = calloc(2 * LEN, sizeof *state);
  CHECK(state != NULL, "no memory");
  for (int time = 0; time < TIMES; time++) use_the_library(time, data, grad, state);
  free(data);
  free(grad);
  free(state);
  return unused;
}

static void variables_are_set_meanwhile(void) {
  pthread_t setter, users[2];
  setlocale(LC_ALL, "C.UTF-8"); /* in other locales than C, the C library would translate what it says of an error */
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 4096); /* what was moved can no longer be read */
#endif
  CHECK(pthread_create(&setter, NULL, set_variables, NULL) == 0, "no thread");
  for (int i = 0; i < 2; i++) CHECK(pthread_create(&users[i], NULL, use_it_again_and_again, NULL) == 0, "no thread");
  for (int i = 0; i < 2; i++) pthread_join(users[i], NULL);
  stop = true;
  pthread_join(setter, NULL);
}

int main(int argc, char **argv) {
  alarm(300); /* ends what hangs */
  if (argc == 1) {
    run_with(argv[0], "abacus\x1b", "refused");
    run_with(argv[0], "portable", "later");
    run_with(argv[0], NULL, "meanwhile");
  } else if (strcmp(argv[1], "refused") == 0) {
    an_unknown_instruction_set_is_refused();
  } else if (strcmp(argv[1], "later") == 0) {
    later_changes_do_not_count();
  } else {
    variables_are_set_meanwhile();
  }
  return 0;
}
