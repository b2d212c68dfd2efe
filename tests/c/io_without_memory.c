/* The system fails, and then there is no memory to tell of it: every call to the system fails in its turn, and with
   each of them every allocation in its turn. The process goes on, nothing is changed, and the next call succeeds. */
#define _GNU_SOURCE
#include "allocator.h"
#include "file_system.h"
#include "tasks.h"

enum { LEN = 100 };

/* The path is longer than what fits where short paths are kept. */
static char folder[64], path[1024];
static float data[2][LEN], grad[LEN];

static radam_optimizer *make(int number) {
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1);
  add_group(opt, &options);
  OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data[number], grad, LEN, "weight", NULL));
  return opt;
}

static uint64_t steps_of(radam_optimizer *opt) {
  uint64_t steps = 0;
  void *state;
  OK(opt, radam_step_count(opt, 0, &steps));
  OK(opt, radam_param_state(opt, 0, RADAM_STATE_EXP_AVG, &state, NULL));
  CHECK((((const float *)state)[0] != 0) == (steps > 0), "there are %llu steps and another state", (unsigned long long)steps);
  return steps;
}

/* One call, of which a call to the system fails after so many that do not, and an allocation likewise. */
static radam_status try(radam_optimizer *opt, bool saves, int error, long calls, long memory) {
  failed = false;
  begin_faults(FAILING, error, calls);
  succeed_before_failing = memory;
  const radam_status status = saves ? radam_save(opt, path) : radam_load(opt, path);
  succeed_before_failing = -1;
  end_faults();
  return status;
}

static bool may_give(radam_status status) {
  if (status == RADAM_OK) return faulty == NULL && !failed;
  return status == RADAM_ERROR_OUT_OF_MEMORY ? failed : status == RADAM_ERROR_IO && faulty != NULL;
}

/* The saver has made two steps, and the file has one. */
static void every_pair_fails(bool saves, int error) {
  radam_optimizer *saver = make(0), *loader = make(1);
  const int files = count_entries("/proc/self/fd");
  char temporary[1100];
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  OK(saver, radam_step(saver));
  OK(saver, radam_save(saver, path));
  OK(saver, radam_step(saver));
  long pairs = 0;
  bool is_done = false;
  for (long calls = 0; !is_done; calls++)
    for (long memory = 0;; memory++) {
      radam_optimizer *opt = saves ? saver : loader;
      const radam_status status = try(opt, saves, error, calls, memory);
      CHECK(may_give(status), "call %ld (%s) and allocation %ld (%d) failed: %s", calls, faulty != NULL ? faulty : "none", memory, failed,
            radam_status_string(status));
      CHECK(count_entries("/proc/self/fd") == files, "a file stays open");
      if (status == RADAM_OK) {
        is_done = true;
        break;
      }
      char message[2048] = "";
      radam_last_error(opt, message, sizeof message);
      const bool is_in_place = strstr(message, "in place") != NULL;
      CHECK(steps_of(opt) == (saves ? 2 : 0), "a call that failed has changed something");
      OK(loader, radam_load(loader, path));
      /* Without memory, no message may say so; then it was the folder that could not be flushed. */
      const bool is_new = steps_of(loader) == 2;
      CHECK(!is_new || (saves && (is_in_place || (failed && strcmp(faulty, "fsync") == 0))), "%s failed, and the file is the new one", faulty);
      /* Whoever cannot look at the file, or remove it, leaves it. */
      const bool cannot_remove = faulty != NULL && failed && (strcmp(faulty, "stat") == 0 || strcmp(faulty, "unlink") == 0);
      CHECK(unlink(temporary) != 0 || cannot_remove, "call %ld (%s) and allocation %ld failed: the temporary file is left", calls,
            faulty != NULL ? faulty : "none", memory);
      OK(loader, radam_reset_state(loader, 0));
      OK(loader, radam_set_step_count(loader, 0, 0));
      pairs += faulty != NULL && failed;
      if (is_new) { /* the old file again */
        radam_optimizer *old = make(1);
        OK(old, radam_step(old));
        OK(old, radam_save(old, path));
        OK(old, radam_free(old));
      }
      if (!failed) break;
    }
  CHECK(pairs >= 5, "only %ld times, both failed", pairs);
  OK(saver, radam_free(saver));
  OK(loader, radam_free(loader));
}

int main(void) {
  alarm(300); /* ends what hangs */
  find_real_functions();
  const char *root = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/radam-no-memory-XXXXXX", root != NULL && strlen(root) < 32 ? root : "/tmp");
  CHECK(mkdtemp(folder) != NULL, "no folder");
  size_t len = (size_t)snprintf(path, sizeof path, "%s", folder);
  while (len < 700) len += (size_t)snprintf(path + len, sizeof path - len, "/./.");
  snprintf(path + len, sizeof path - len, "/checkpoint");
  fill(grad, LEN, 2);
  const int errors[] = {EIO, ENOSPC, 9999}; /* the last one has no name */
  for (int kept_up = 0; kept_up < 2; kept_up++)
    for (int i = 0; i < 3; i++) {
      keep_failing = kept_up;
      every_pair_fails(true, errors[i]);
      every_pair_fails(false, errors[i]);
    }
  CHECK(unlink(path) == 0 && rmdir(folder) == 0, "something is left in %s", folder);
  return 0;
}
