/* What saving replaces and loading reads: regular files, through symbolic links, with the owner and the mode that
   they have. Whatever else is there stays as it is, and nothing hangs. And file systems that have no locks, or
   whose folders cannot be flushed, are good enough. */
#define _GNU_SOURCE
#include "file_system.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { LEN = 1000, KERNEL_ENOTSUPP = 524 };

static char folder[64];
static float data[LEN], grad[LEN];
static radam_optimizer *opt, *loader;

/* A path in the folder, one of a few at a time. */
static const char *at(const char *name) {
  static char paths[4][128];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

static struct stat look(const char *path) {
  struct stat found;
  memset(&found, 0, sizeof found);
  if (lstat(path, &found) != 0) found.st_mode = 0;
  return found;
}

static bool is_there(const char *path) { return look(path).st_mode != 0; }

static void check_loads(const char *path, const char *when) {
  uint64_t steps = 0;
  OK(loader, radam_reset_state(loader, 0));
  OK(loader, radam_load(loader, path));
  OK(loader, radam_step_count(loader, 0, &steps));
  CHECK(steps == 1, "%s: %llu steps were loaded", when, (unsigned long long)steps);
}

/* Neither saving nor loading touches what is at the path. */
static void check_untouched(const char *path, const char *kind) {
  const struct stat before = look(path);
  for (int loads = 0; loads < 2; loads++) {
    const radam_status status = loads ? radam_load(opt, path) : radam_save(opt, path);
    CHECK(status == RADAM_ERROR_IO, "%s %s gave %s", loads ? "loading" : "saving to", kind, radam_status_string(status));
    check_message(opt, kind, path);
    check_message(opt, path, kind);
  }
  const struct stat after = look(path);
  CHECK(before.st_ino == after.st_ino && before.st_mode == after.st_mode && before.st_rdev == after.st_rdev, "%s is another",
        path);
  char temporary[140];
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  CHECK(!is_there(temporary), "%s is left", temporary);
}

static void make_socket(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  const int number = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(number >= 0 && bind(number, (struct sockaddr *)&address, sizeof address) == 0, "no socket");
  close(number);
}

static void only_regular_files(void) {
  CHECK(mkfifo(at("fifo"), 0600) == 0 && mkdir(at("folder"), 0700) == 0, "no FIFO");
  make_socket(at("socket"));
  CHECK(symlink("fifo", at("to fifo")) == 0 && symlink("/dev/full", at("to device")) == 0, "no link");
  check_untouched(at("fifo"), "a FIFO");
  check_untouched(at("to fifo"), "a FIFO");
  check_untouched(at("folder"), "a folder");
  check_untouched(at("socket"), "a socket");
  check_untouched(at("to device"), "a device");
  /* Root may make a device, and has the right to destroy it. */
  if (mknod(at("full"), S_IFCHR | 0666, makedev(1, 7)) == 0) {
    check_untouched(at("full"), "a device");
    CHECK(unlink(at("full")) == 0, "the device is gone");
  } else {
    CHECK(geteuid() != 0 || errno == EPERM, "no device: %s", strerror(errno));
  }
  const char *made[] = {"fifo", "socket", "to fifo", "to device"};
  for (int i = 0; i < 4; i++) CHECK(unlink(at(made[i])) == 0, "%s is gone", made[i]);
  CHECK(rmdir(at("folder")) == 0, "the folder is gone, or has something in it");
}

/* What is at the temporary name, too, is only ever a file of a save that was killed. */
static void nothing_is_overwritten_on_the_way(void) {
  FILE *file = fopen(at("precious"), "w");
  CHECK(file != NULL && fputs("precious", file) >= 0 && fclose(file) == 0, "no file");
  CHECK(symlink("precious", at("checkpoint.tmp")) == 0, "no link");
  CHECK(radam_save(opt, at("checkpoint")) == RADAM_ERROR_IO, "a save went through a link at its temporary name");
  check_message(opt, "symbolic link", "a link at the temporary name");
  CHECK(unlink(at("checkpoint.tmp")) == 0 && mkfifo(at("checkpoint.tmp"), 0600) == 0, "the link is gone");
  CHECK(radam_save(opt, at("checkpoint")) == RADAM_ERROR_IO, "a save overwrote a FIFO");
  check_message(opt, "a FIFO", "a FIFO at the temporary name");
  CHECK(unlink(at("checkpoint.tmp")) == 0 && link(at("precious"), at("checkpoint.tmp")) == 0, "the FIFO is gone");
  OK(opt, radam_save(opt, at("checkpoint")));
  check_loads(at("checkpoint"), "over a hard link");
  CHECK(look(at("precious")).st_size == 8 && look(at("precious")).st_nlink == 1, "a save wrote through a hard link");
  /* One that was killed just before it renamed a file that nobody may write. */
  CHECK(rename(at("precious"), at("checkpoint.tmp")) == 0 && chmod(at("checkpoint.tmp"), 0400) == 0, "no file");
  OK(opt, radam_save(opt, at("checkpoint")));
  CHECK(!is_there(at("checkpoint.tmp")) && unlink(at("checkpoint")) == 0, "a save left its temporary file");
}

/* A link stays a link, and its target is replaced in its own folder. */
static void links_are_followed(void) {
  CHECK(mkdir(at("a"), 0700) == 0 && mkdir(at("b"), 0700) == 0, "no folders");
  CHECK(symlink("../b/second", at("a/first")) == 0 && symlink(at("b/target"), at("b/second")) == 0, "no links");
  for (int round = 0; round < 2; round++) { /* its target is not there yet, and is there */
    const ino_t before = look(at("b/target")).st_ino;
    OK(opt, radam_save(opt, at("a/first")));
    CHECK(S_ISLNK(look(at("a/first")).st_mode) && S_ISLNK(look(at("b/second")).st_mode), "a link was replaced");
    CHECK(S_ISREG(look(at("b/target")).st_mode) && look(at("b/target")).st_ino != before, "the target was not replaced");
    check_loads(at("b/target"), "the target of a link");
    check_loads(at("a/first"), "a link");
    CHECK(!is_there(at("b/target.tmp")) && !is_there(at("a/first.tmp")), "a save left its temporary file");
  }
  CHECK(chdir(at("a")) == 0, "no folder");
  OK(opt, radam_save(opt, "first"));
  check_loads(at("b/target"), "a link in the present folder");
  CHECK(unlink(at("b/second")) == 0 && symlink("../a/first", at("b/second")) == 0, "no loop");
  CHECK(radam_save(opt, at("a/first")) == RADAM_ERROR_IO, "a loop of links was followed");
  check_message(opt, at("a/first"), "a loop of links");
  CHECK(unlink(at("a/first")) == 0 && unlink(at("b/second")) == 0 && unlink(at("b/target")) == 0, "a file is gone");
  CHECK(chdir("/") == 0 && rmdir(at("a")) == 0 && rmdir(at("b")) == 0, "a folder has something in it");
}

static void mode_and_owner_are_kept(void) {
  const mode_t modes[] = {0600, 0640, 0666, 0444, 0777};
  const mode_t mask = umask(027);
  OK(opt, radam_save(opt, at("checkpoint")));
  CHECK((look(at("checkpoint")).st_mode & 0777) == 0640, "a new file has not the mode that umask says");
  for (int i = 0; i < 5; i++) {
    CHECK(chmod(at("checkpoint"), modes[i]) == 0, "no mode");
    OK(opt, radam_save(opt, at("checkpoint")));
    CHECK((look(at("checkpoint")).st_mode & 0777) == modes[i], "a file of mode %o has %o now", modes[i], look(at("checkpoint")).st_mode);
  }
  if (geteuid() == 0 && chown(at("checkpoint"), 12345, 54321) == 0) { /* not all containers have such users */
    OK(opt, radam_save(opt, at("checkpoint")));
    const struct stat found = look(at("checkpoint"));
    CHECK(found.st_uid == 12345 && found.st_gid == 54321, "the file belongs to %u:%u now", found.st_uid, found.st_gid);
  }
  umask(mask);
  CHECK(unlink(at("checkpoint")) == 0, "the file is gone");
}

/* Somebody who may write to the folder, but may neither give the file to its owner nor to its group, does not open it
   to their own group. */
static void no_group_gains_rights(void) {
  int status = -1;
  OK(opt, radam_save(opt, at("checkpoint")));
  CHECK(chmod(at("checkpoint"), 0664) == 0 && chmod(folder, 0777) == 0, "no mode");
  if (geteuid() == 0 && chown(at("checkpoint"), 12345, 54321) == 0) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      const bool is_another = setgroups(0, NULL) == 0 && setgid(999) == 0 && setuid(999) == 0 && access(folder, W_OK) == 0;
      if (is_another) OK(opt, radam_save(opt, at("checkpoint")));
      _exit(is_another ? 0 : 77);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status), "the child has ended");
    const struct stat found = look(at("checkpoint"));
    const bool is_right = found.st_uid == 999 && found.st_gid == 999 && (found.st_mode & 0777) == 0644;
    CHECK(WEXITSTATUS(status) == 77 || is_right, "the file has mode %o now", found.st_mode);
  }
  CHECK(chmod(folder, 0700) == 0 && unlink(at("checkpoint")) == 0, "the file is gone");
}

/* While it is written, the new file is for nobody whom the old one was not for. */
static mode_t mode_at_first;
static void look_at_mode(const char *function, const char *name, const char *new_name, int file, const void *bytes, size_t count) {
  struct stat found;
  (void)name, (void)new_name, (void)bytes, (void)count;
  if (strcmp(function, "write") == 0 && fstat(file, &found) == 0) mode_at_first |= found.st_mode & 077;
}

static void secrets_are_kept(void) {
  OK(opt, radam_save(opt, at("checkpoint")));
  CHECK(chmod(at("checkpoint"), 0600) == 0, "no mode");
  after_change = look_at_mode;
  begin_faults(FAILING, 0, 1000);
  OK(opt, radam_save(opt, at("checkpoint")));
  end_faults();
  after_change = NULL;
  CHECK(mode_at_first == 0, "others may see the new file with mode %o", mode_at_first);
  CHECK(unlink(at("checkpoint")) == 0, "the file is gone");
}

/* What the file system cannot do: to lock, to open the folder, to flush it, to flush at all, to set a mode. */
static const char *unsupported;
static int its_error;

static int without_support(const char *function, const char *path, int file) {
  struct stat found;
  bool is_folder = path != NULL && strcmp(function, "open") == 0 && path[strlen(path) - 1] == '/';
  if (file >= 0 && strcmp(function, "fsync") == 0)
    is_folder = syscall(SYS_newfstatat, file, "", &found, AT_EMPTY_PATH) == 0 && S_ISDIR(found.st_mode);
  char name[32];
  snprintf(name, sizeof name, "%s%s", function, is_folder ? " folder" : "");
  return strcmp(name, unsupported) == 0 ? its_error : 0;
}

static radam_status save_without(const char *function, int error) {
  unsupported = function;
  its_error = error;
  error_of_call = without_support;
  begin_faults(FAILING, 0, 1000);
  const radam_status status = radam_save(opt, at("checkpoint"));
  end_faults();
  error_of_call = NULL;
  return status;
}

static void poor_file_systems(void) {
  const struct {
    const char *function;
    int errors[7];
  } poor[] = {
    {"flock", {ENOLCK, EINVAL, KERNEL_ENOTSUPP, EOPNOTSUPP, ENOSYS}},
    {"open folder", {EACCES, EINVAL, EPERM, EOPNOTSUPP, ENOSYS}},
    {"fsync folder", {EACCES, EINVAL, EPERM, EOPNOTSUPP, ENOSYS, KERNEL_ENOTSUPP}},
    {"fsync", {EINVAL, EOPNOTSUPP, ENOSYS}},
    {"fchmod", {EPERM, EACCES, EOPNOTSUPP, ENOSYS}},
  };
  OK(opt, radam_save(opt, at("checkpoint")));
  for (size_t i = 0; i < sizeof poor / sizeof *poor; i++)
    for (const int *error = poor[i].errors; *error != 0; error++) {
      const ino_t before = look(at("checkpoint")).st_ino;
      const radam_status status = save_without(poor[i].function, *error);
      CHECK(status == RADAM_OK, "%s gives %s, and saving gave %s", poor[i].function, strerror(*error), radam_status_string(status));
      CHECK(look(at("checkpoint")).st_ino != before, "%s gives %s, and nothing was saved", poor[i].function, strerror(*error));
      check_loads(at("checkpoint"), poor[i].function);
    }
  /* What is not a lack of support is told, and before the file has been replaced, if it can be. */
  const char *functions[] = {"flock", "open folder", "fsync folder", "fsync", "fchmod"};
  for (int i = 0; i < 5; i++) {
    const ino_t before = look(at("checkpoint")).st_ino;
    CHECK(save_without(functions[i], EIO) == RADAM_ERROR_IO, "%s gives EIO, and saving goes on", functions[i]);
    check_message(opt, "nput/output", functions[i]);
    const bool is_in_place = strcmp(functions[i], "fsync folder") == 0;
    if (is_in_place) check_message(opt, "in place", functions[i]);
    CHECK((look(at("checkpoint")).st_ino != before) == is_in_place, "%s gives EIO, and the file is another one or not", functions[i]);
    CHECK(!is_there(at("checkpoint.tmp")), "%s gives EIO, and the temporary file is left", functions[i]);
    check_loads(at("checkpoint"), functions[i]);
  }
  CHECK(unlink(at("checkpoint")) == 0, "the file is gone");
}

/* Where there are no locks, a save can be taken for one that was killed. It notices, and what it was to replace is
   whole. */
static int32_t save_another(uint64_t done, uint64_t total, void *user) {
  (void)done, (void)total;
  OK(user, radam_save(user, at("checkpoint")));
  return 0;
}

static int no_locks(const char *function, const char *path, int file) {
  (void)path, (void)file;
  return strcmp(function, "flock") == 0 ? ENOLCK : 0;
}

static void without_locks_the_last_save_wins(void) {
  radam_save_options options;
  OK(NULL, radam_save_options_init(&options, sizeof options));
  options.progress = save_another;
  options.user = loader;
  check_loads((OK(opt, radam_save(opt, at("checkpoint"))), at("checkpoint")), "the first");
  error_of_call = no_locks;
  begin_faults(FAILING, 0, 1000);
  const radam_status status = radam_save_with(opt, at("checkpoint"), &options);
  end_faults();
  error_of_call = NULL;
  CHECK(status == RADAM_ERROR_IO, "a save whose file is gone gave %s", radam_status_string(status));
  check_message(opt, "removed or replaced", "a save whose file is gone");
  check_loads(at("checkpoint"), "two saves without locks");
  CHECK(!is_there(at("checkpoint.tmp")) && unlink(at("checkpoint")) == 0, "the temporary file is left");
}

/* Longer than what fits on a stack, and not a path at all. */
static void long_paths(void) {
  char path[8192];
  int len = snprintf(path, sizeof path, "%s", folder);
  while (len < 3000) len += snprintf(path + len, sizeof path - (size_t)len, "/./.");
  snprintf(path + len, sizeof path - (size_t)len, "/checkpoint");
  OK(opt, radam_save(opt, path));
  check_loads(path, "a long path");
  CHECK(unlink(at("checkpoint")) == 0, "a long path leads elsewhere");
  memset(path, 'x', sizeof path);
  path[sizeof path - 1] = 0;
  CHECK(radam_save(opt, path) == RADAM_ERROR_IO && radam_load(opt, path) == RADAM_ERROR_IO, "a path is too long for any system");
}

static radam_optimizer *make(void) {
  radam_group_options options = group_options();
  radam_optimizer *made = create(1);
  add_f32(made, add_group(made, &options), data, grad, LEN);
  OK(made, radam_step(made));
  return made;
}

int main(void) {
  alarm(300); /* ends what hangs */
  const char *root = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/radam-replacing-XXXXXX", root != NULL && strlen(root) < 32 ? root : "/tmp");
  CHECK(mkdtemp(folder) != NULL, "no folder");
  fill(data, LEN, 1);
  fill(grad, LEN, 2);
  opt = make();
  loader = make();
  only_regular_files();
  nothing_is_overwritten_on_the_way();
  links_are_followed();
  mode_and_owner_are_kept();
  no_group_gains_rights();
  secrets_are_kept();
  poor_file_systems();
  without_locks_the_last_save_wins();
  long_paths();
  OK(opt, radam_free(opt));
  OK(loader, radam_free(loader));
  CHECK(rmdir(folder) == 0, "something is left in %s", folder);
  return 0;
}
