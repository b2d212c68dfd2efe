/* Checkpoints in files, where the system fails, the process is killed, or others are in the way: at every moment
   the old checkpoint loads or the new one. */
#define _GNU_SOURCE
#include "checkpoint.h"
#include "tasks.h"

#include <sys/wait.h>

/* Every call to the system fails in its turn. */
static void saving_fails(fault fault, int error) {
  const char *seen[64];
  long n = 0;
  begin();
  const int files = count_entries("/proc/self/fd");
  for (;; n++) {
    begin_faults(fault, error, n);
    errno = 4321;
    const radam_status status = radam_save(saver.opt, path);
    const int errno_after = errno;
    end_faults();
    if (faulty == NULL) {
      CHECK(status == RADAM_OK, "nothing failed, but radam_save gave %s", radam_status_string(status));
      break;
    }
    CHECK(n < 64, "radam_save makes more calls than this test thinks");
    seen[n] = faulty;
    CHECK(errno_after == 4321, "radam_save has changed errno, when %s failed", faulty);
    CHECK(count_entries("/proc/self/fd") == files, "a file stays open when %s fails", faulty);
    if (fault == FAILING) {
      CHECK(status == RADAM_ERROR_IO, "radam_save gave %s when %s failed", radam_status_string(status), faulty);
      const bool may_be_of_the_folder = strcmp(faulty, "open") == 0 || strcmp(faulty, "fsync") == 0;
      check_message(saver.opt, may_be_of_the_folder ? folder : path, faulty);
      check_message(saver.opt, error == EIO ? "nput/output" : "space", faulty);
      CHECK(!is_there(temporary), "%s is left when %s fails", temporary, faulty);
      /* A folder is flushed when the file has its name already. */
      const bool is_in_place = n > 0 && strcmp(faulty, "fsync") == 0 && strcmp(seen[n - 1], "rename") == 0;
      if (is_in_place) check_message(saver.opt, "in place", "the folder cannot be flushed");
      CHECK(found(faulty) == (is_in_place ? &new_state : &old_state), "%s has failed, and the file is %s", faulty,
            is_in_place ? "the old one" : "the new one");
      if (is_in_place) begin();
    } else {
      CHECK(status == RADAM_OK, "radam_save gave %s for a call of %s that it should make again",
            radam_status_string(status), faulty);
      CHECK(found(faulty) == &new_state, "a save has not saved");
      CHECK(!is_there(temporary), "%s is left", temporary);
    }
    CHECK(has(&saver, &new_state), "radam_save has changed the state when %s failed", faulty);
    found(faulty);
    if (status == RADAM_OK) begin();
  }
  CHECK(found("at the end") == &new_state && !is_there(temporary), "a save after all these is not as any other");
  /* What is written is on the disk before it has its name, and then the name is. */
  const char *needed[] = {"open", "flock", "open", "write", "fsync", "rename", "fsync"};
  for (long i = 0, at = 0; fault == FAILING && i < 7; i++, at++) {
    while (at < n && strcmp(seen[at], needed[i]) != 0) at++;
    CHECK(at < n, "radam_save makes no call of %s where there should be one", needed[i]);
  }
  CHECK(n >= (fault == FAILING ? 10 : 5), "only %ld calls had their turn", n);
}

/* What a killed process left is removed, and a folder of that name is told of. */
static void something_is_there_already(void) {
  begin();
  CHECK(mkdir(temporary, 0700) == 0, "no folder");
  CHECK(radam_save(saver.opt, path) == RADAM_ERROR_IO, "a folder is in the way, and yet the save succeeded");
  check_message(saver.opt, temporary, "a folder is in the way");
  CHECK(rmdir(temporary) == 0, "the folder is gone");
  FILE *left = fopen(temporary, "w");
  CHECK(left != NULL, "no file");
  for (int i = 0; i < 5000000; i++) fputc('x', left); /* longer than a checkpoint */
  fclose(left);
  OK(saver.opt, radam_save(saver.opt, path));
  CHECK(found("over what was left") == &new_state && !is_there(temporary), "what was left is still there");
}

/* Every call to the system fails in its turn, and nothing has changed. */
static void loading_fails(fault fault, int error) {
  static state before;
  begin();
  OK(saver.opt, radam_save(saver.opt, path));
  memset(&before, 0, sizeof before);
  const int files = count_entries("/proc/self/fd");
  long n = 0;
  for (;; n++) {
    OK(loader.opt, radam_reset_state(loader.opt, 0));
    OK(loader.opt, radam_set_lr(loader.opt, 0, 0.75));
    look(&loader, &before);
    begin_faults(fault, error, n);
    errno = 4321;
    const radam_status status = radam_load(loader.opt, path);
    const int errno_after = errno;
    end_faults();
    if (faulty == NULL) {
      CHECK(status == RADAM_OK, "nothing failed, but radam_load gave %s", radam_status_string(status));
      break;
    }
    CHECK(errno_after == 4321, "radam_load has changed errno, when %s failed", faulty);
    CHECK(count_entries("/proc/self/fd") == files, "a file stays open when %s fails", faulty);
    if (fault != FAILING) {
      CHECK(status == RADAM_OK && has(&loader, &new_state), "radam_load gave %s for a call of %s that it should make again",
            radam_status_string(status), faulty);
      continue;
    }
    CHECK(status == RADAM_ERROR_IO, "radam_load gave %s when %s failed", radam_status_string(status), faulty);
    check_message(loader.opt, path, faulty);
    CHECK(has(&loader, &before), "radam_load has changed something when %s failed", faulty);
    OK(loader.opt, radam_load(loader.opt, path));
    CHECK(has(&loader, &new_state), "a load that failed is in the way of the next one");
  }
  CHECK(n >= (fault == FAILING ? 10 : 5), "only %ld calls had their turn", n);
}

static pid_t forked(void) {
  pid_t child = fork();
  CHECK(child >= 0, "no child");
  if (child == 0) alarm(120);
  return child;
}

/* A process is killed at every call, and in the middle of each write. */
static void saving_is_killed(fault fault) {
  int status = 0;
  begin();
  for (long n = 0; n < 100; n++) {
    pid_t child = forked();
    if (child == 0) {
      begin_faults(fault, 0, n);
      _exit(radam_save(saver.opt, path) == RADAM_OK ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child, "no child");
    const state *left = found("after a kill");
    if (status == 0) {
      CHECK(n >= 10 && left == &new_state, "a child has saved, after %ld calls, and its file is the old one", n);
      break;
    }
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "a child ended with status %#x", (unsigned)status);
    OK(saver.opt, radam_save(saver.opt, path));
    CHECK(found("after a kill and a save") == &new_state && !is_there(temporary), "what a killed process left is in the way");
    begin();
  }
  CHECK(status == 0, "a save never ends");
}

/* And at any time. */
static void saving_is_killed_at_random(void) {
  begin();
  for (uint32_t i = 0; i < 40; i++) {
    pid_t child = forked();
    if (child == 0)
      for (;;) radam_save(saver.opt, path);
    usleep(200 + i * 7919 % 9000);
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child, "no child");
    found("after a kill at some time");
  }
  OK(saver.opt, radam_save(saver.opt, path));
}

static void bad_places(void) {
  char name[256];
  begin();
  snprintf(name, sizeof name, "%s/nowhere/file", folder);
  CHECK(radam_save(saver.opt, name) == RADAM_ERROR_IO, "a save to a folder that is not there");
  check_message(saver.opt, name, "no folder");
  CHECK(radam_load(saver.opt, name) == RADAM_ERROR_IO, "a load from a folder that is not there");
  check_message(saver.opt, name, "no folder");
  snprintf(name, sizeof name, "%s/folder", folder);
  CHECK(mkdir(name, 0700) == 0, "no folder");
  CHECK(radam_save(saver.opt, name) == RADAM_ERROR_IO && is_there(name), "a save over a folder");
  check_message(saver.opt, name, "a folder");
  CHECK(radam_load(saver.opt, name) == RADAM_ERROR_IO, "a folder was loaded");
  check_message(saver.opt, "a folder", "a folder is loaded");
  CHECK(count_entries(name) == 0 && count_entries(folder) == 2, "a refused save left something");
  strcat(name, "/");
  CHECK(radam_save(saver.opt, name) == RADAM_ERROR_IO, "a save to the name of a folder with a slash");
  const char *no_files[] = {"/", ".", "..", "../.."};
  for (int i = 0; i < 4; i++) {
    CHECK(radam_save(saver.opt, no_files[i]) == RADAM_ERROR_INVALID_ARGUMENT, "'%s' was taken for a file", no_files[i]);
    check_message(saver.opt, "path", no_files[i]);
  }
  CHECK(rmdir(name) == 0 && has(&saver, &new_state), "a refused call changed something");
  /* Root may write anywhere. */
  CHECK(chmod(folder, 0500) == 0, "no permissions");
  if (geteuid() != 0) {
    CHECK(radam_save(saver.opt, path) == RADAM_ERROR_IO, "a save to a folder that is read-only");
    check_message(saver.opt, path, "a read-only folder");
    CHECK(found("in a read-only folder") == &old_state && !is_there(temporary), "a refused save left something");
  }
  CHECK(chmod(folder, 0700) == 0, "no permissions");
  /* In the folder where the process is. */
  CHECK(chdir(folder) == 0, "no folder");
  OK(saver.opt, radam_save(saver.opt, "checkpoint"));
  CHECK(found("in the present folder") == &new_state, "the file is elsewhere");
}

typedef struct progress {
  radam_optimizer *opt;
  uint64_t calls, done, total, cancel_at;
} progress;

static int32_t advance(uint64_t done, uint64_t total, void *user) {
  progress *p = user;
  CHECK(done > p->done && done <= total, "progress went from %llu to %llu of %llu", (unsigned long long)p->done,
        (unsigned long long)done, (unsigned long long)total);
  CHECK(p->calls == 0 || p->total == total, "the total changed");
  CHECK(radam_step(p->opt) == RADAM_ERROR_BUSY, "the optimizer steps while it is saved or loaded");
  p->done = done;
  p->total = total;
  return ++p->calls == p->cancel_at ? 1 : 0;
}

static void progress_of_saving(void) {
  progress p = {saver.opt, 0, 0, 0, 0};
  radam_save_options options;
  uint64_t size;
  begin();
  OK(NULL, radam_save_options_init(&options, sizeof options));
  OK(saver.opt, radam_save_with(saver.opt, path, &options));
  OK(saver.opt, radam_save_with(saver.opt, path, NULL));
  options.progress = advance;
  options.user = &p;
  OK(saver.opt, radam_save_with(saver.opt, path, &options));
  OK(saver.opt, radam_save_to_buffer(saver.opt, NULL, 0, &size));
  CHECK(p.calls > 4 && p.done == p.total && p.total == size, "progress ended at %llu of %llu, of a file of %llu bytes",
        (unsigned long long)p.done, (unsigned long long)p.total, (unsigned long long)size);
  const uint64_t calls = p.calls;
  for (uint64_t at = 1; at <= calls; at++) {
    begin();
    p = (progress){saver.opt, 0, 0, 0, at};
    CHECK(radam_save_with(saver.opt, path, &options) == RADAM_ERROR_IO, "a save that was cancelled went on");
    check_message(saver.opt, "cancel", "a save");
    CHECK(p.calls == at, "progress was called after it cancelled");
    CHECK(found("after cancelling") == &old_state && !is_there(temporary), "a cancelled save left something");
  }
}

static void progress_of_loading(void) {
  static state before;
  progress p = {loader.opt, 0, 0, 0, 0};
  radam_load_options options;
  begin();
  OK(saver.opt, radam_save(saver.opt, path));
  OK(NULL, radam_load_options_init(&options, sizeof options));
  options.progress = advance;
  options.user = &p;
  OK(loader.opt, radam_load_with(loader.opt, path, &options));
  const uint64_t bytes = sizeof new_state.arrays;
  CHECK(has(&loader, &new_state) && p.done == p.total && p.total == bytes, "progress ended at %llu of %llu",
        (unsigned long long)p.done, (unsigned long long)p.total);
  const uint64_t calls = p.calls;
  for (uint64_t at = 1; at <= calls; at++) {
    OK(loader.opt, radam_reset_state(loader.opt, 0));
    memset(&before, 0, sizeof before);
    look(&loader, &before);
    p = (progress){loader.opt, 0, 0, 0, at};
    const radam_status status = radam_load_with(loader.opt, path, &options);
    CHECK(status == RADAM_ERROR_IO && has(&loader, &before), "a cancelled load gave %s, or changed something",
          radam_status_string(status));
    check_message(loader.opt, "cancel", "a load");
    CHECK(p.calls == at, "progress was called after it cancelled");
  }
}

int main(void) {
  begin_test();
  saving_fails(FAILING, ENOSPC);
  saving_fails(FAILING, EIO);
  saving_fails(SHORT, 0);
  saving_fails(INTERRUPTED, 0);
  something_is_there_already();
  loading_fails(FAILING, EIO);
  loading_fails(SHORT, 0);
  loading_fails(INTERRUPTED, 0);
  saving_is_killed(KILLED);
  saving_is_killed(KILLED_HALFWAY);
  saving_is_killed_at_random();
  bad_places();
  progress_of_saving();
  progress_of_loading();
  end_test();
  return 0;
}
