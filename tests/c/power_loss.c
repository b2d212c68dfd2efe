/* The power fails at any moment of a save. What the disk has kept then is the old checkpoint or the new one, and
   once radam_save has returned, the new one.

   The program records what a save writes, flushes and renames, and then tries everything that a disk may have kept
   of it:
   - A moment is between any two of the recorded calls.
   - What was written to a file before its last flush is there. Of each write since then there is all, the first half,
     zeros in its place, or nothing, whatever has become of the others.
   - What was done to the names of a folder before its last flush is there. Each creation, removal and renaming since
     then has happened or not, whatever has become of the others; a renaming takes place at once.
   - Names and contents have nothing to do with one another: a file may have its new name and none of its contents. */
#define _GNU_SOURCE
#include "file_system.h"

#include <limits.h>

/* Each array is one write. */
enum { LEN = 1000, MOST_EVENTS = 64, MOST_FILES = 4, NAMES = 2, NO_FILE = -1 };
enum { TARGET, TEMPORARY }; /* the names that matter */

static char folder[PATH_MAX], other_folder[PATH_MAX + 8], names[NAMES][PATH_MAX + 32], replayed[PATH_MAX + 32];
static float data[LEN], grad[LEN];
static radam_optimizer *saver, *loader;

/* ---- what a save does ---- */

typedef enum kind { CREATE, WRITE, FLUSH, FLUSH_FOLDER, RENAME, UNLINK } kind;

typedef struct event {
  kind kind;
  int file, name;
  size_t offset, count;
  char *bytes;
} event;

static event events[MOST_EVENTS];
static int event_count, file_count;
/* The files of this process that a save has created, by their descriptors. */
static int file_of[1024];

static int name_of(const char *path) {
  for (int name = 0; name < NAMES; name++)
    if (strcmp(path, names[name]) == 0) return name;
  CHECK(false, "a save changes %s", path);
  return 0;
}

/* Whether the folder is that of the names. */
static bool is_their_folder(int number) {
  char link[64], path[PATH_MAX + 1] = "";
  snprintf(link, sizeof link, "/proc/self/fd/%d", number);
  const ssize_t len = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX);
  CHECK(len > 0, "nothing is open");
  return strncmp(path, names[TARGET], (size_t)len) == 0 && strchr(names[TARGET] + len + 1, '/') == NULL;
}

static void record(const char *function, const char *name, const char *new_name, int number, const void *bytes, size_t count) {
  CHECK(event_count < MOST_EVENTS && number < 1024, "more happens than this test thinks");
  event *e = &events[event_count++];
  *e = (event){.file = number >= 0 ? file_of[number] : NO_FILE};
  if (strcmp(function, "create") == 0) {
    CHECK(file_count < MOST_FILES, "more files are created than this test thinks");
    e->kind = CREATE;
    e->name = name_of(name);
    e->file = file_of[number] = file_count++;
  } else if (strcmp(function, "write") == 0) {
    CHECK(e->file != NO_FILE, "a save writes to a file that was there before");
    e->kind = WRITE;
    e->offset = (size_t)syscall(SYS_lseek, number, 0, SEEK_CUR) - count;
    e->count = count;
    e->bytes = malloc(count);
    CHECK(e->bytes != NULL, "no memory");
    memcpy(e->bytes, bytes, count);
  } else if (strcmp(function, "fsync") == 0 && e->file == NO_FILE) {
    e->kind = FLUSH_FOLDER;
    if (!is_their_folder(number)) event_count--;
  } else if (strcmp(function, "fsync") == 0) {
    e->kind = FLUSH;
  } else if (strcmp(function, "rename") == 0) {
    CHECK(name_of(name) == TEMPORARY && name_of(new_name) == TARGET, "another renaming than this test thinks");
    e->kind = RENAME;
  } else {
    CHECK(strcmp(function, "unlink") == 0, "%s is not in the model", function);
    e->kind = UNLINK;
    e->name = name_of(name);
  }
}

/* The old file is file 0 and what a killed process left is file 1, of which both are on the disk; the others are new. */
static radam_status record_save(const radam_save_options *options, const char *path) {
  while (event_count > 0) free(events[--event_count].bytes);
  file_count = 2;
  for (int i = 0; i < 1024; i++) file_of[i] = NO_FILE;
  after_change = record;
  begin_faults(FAILING, 0, LONG_MAX);
  const radam_status status = radam_save_with(saver, path, options);
  end_faults();
  after_change = NULL;
  return status;
}

/* ---- what a disk may have kept ---- */

typedef struct disk {
  bool has_old, has_left_over;
  /* The kind of flush that the disk ignores; -1: none. */
  int ignored;
} disk;

static bool is_flush(const disk *d, const event *e, kind kind) {
  return e->kind == kind && d->ignored != (int)kind;
}

/* Which file has which name, after some of the changes: those before the last flush, and since then those whose bit
   is set in `kept`. Returns how many changes there are since then. */
static int find_names(const disk *d, int moment, unsigned kept, int found[NAMES]) {
  int flushed = 0, since = 0;
  for (int i = 0; i < moment; i++)
    if (is_flush(d, &events[i], FLUSH_FOLDER)) flushed = i;
  found[TARGET] = d->has_old ? 0 : NO_FILE;
  found[TEMPORARY] = d->has_left_over ? 1 : NO_FILE;
  for (int i = 0; i < moment; i++) {
    const event *e = &events[i];
    if (e->kind != CREATE && e->kind != RENAME && e->kind != UNLINK) continue;
    if (i >= flushed && (kept >> since++ & 1) == 0) continue;
    if (e->kind == CREATE) found[e->name] = e->file;
    if (e->kind == UNLINK) found[e->name] = NO_FILE;
    if (e->kind == RENAME) {
      /* The file that was renamed, also if its creation under its first name has been lost. */
      for (int j = 0; j < i; j++)
        if (events[j].kind == CREATE) found[TARGET] = events[j].file;
      found[TEMPORARY] = NO_FILE;
    }
  }
  return since;
}

/* Puts what is left of a new file into a file: of each write since its last flush, two bits of `kept` say how much.
   Returns how many there are. */
static int put(const disk *d, int moment, int file, unsigned kept, const char *path) {
  static const char zeros[1 << 20];
  int flushed = 0, since = 0;
  for (int i = 0; i < moment; i++)
    if (events[i].file == file && is_flush(d, &events[i], FLUSH)) flushed = i;
  const int number = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  CHECK(number >= 0, "no file");
  for (int i = 0; i < moment; i++) {
    const event *e = &events[i];
    if (e->kind != WRITE || e->file != file) continue;
    const unsigned how = i < flushed ? 3 : kept >> 2 * since++ & 3;
    const size_t count = how == 0 ? 0 : how == 1 ? e->count / 2 : e->count;
    const char *bytes = how == 2 ? zeros : e->bytes;
    CHECK(count <= sizeof zeros && pwrite(number, bytes, count, (off_t)e->offset) == (ssize_t)count, "nothing is written");
  }
  close(number);
  return since;
}

/* What a disk has kept at the name of a checkpoint. Nothing counts as the old file if there was none. */
typedef enum outcome { OLD, NEW, DAMAGED } outcome;

static outcome load(const char *path) {
  uint64_t steps = 0;
  OK(loader, radam_reset_state(loader, 0));
  if (radam_load(loader, path) != RADAM_OK) return DAMAGED;
  OK(loader, radam_step_count(loader, 0, &steps));
  CHECK(steps == 2, "%llu steps", (unsigned long long)steps);
  return NEW;
}

/* A save over what is left, with what is left at its temporary name, is as good as any other. */
static void save_again(const disk *d, int moment, int left) {
  char temporary[PATH_MAX + 64];
  snprintf(temporary, sizeof temporary, "%s.tmp", replayed);
  if (left >= 2) put(d, moment, left, 0x1b1b1b1b, temporary);
  OK(saver, radam_save(saver, replayed));
  CHECK(load(replayed) == NEW && access(temporary, F_OK) != 0, "a save after a loss of power is in trouble");
}

/* Tries everything that the disk may have kept at one moment, and counts what loads. */
static void lose_power(const disk *d, int moment, long counts[3]) {
  int found[NAMES];
  const int changes = find_names(d, moment, 0, found);
  CHECK(changes < 8, "%d changes of names were not flushed", changes);
  for (unsigned names_kept = 0; names_kept < 1u << changes; names_kept++) {
    find_names(d, moment, names_kept, found);
    if (found[TARGET] < 2) { /* no save has written to it */
      CHECK(found[TARGET] == (d->has_old ? 0 : NO_FILE), "the old file is gone");
      counts[OLD]++;
      unlink(replayed);
    } else {
      const int writes = put(d, moment, found[TARGET], 0, replayed);
      CHECK(writes <= 8, "%d writes were not flushed", writes);
      for (unsigned kept = 0; kept < 1u << 2 * writes; kept++) {
        put(d, moment, found[TARGET], kept, replayed);
        counts[load(replayed)]++;
        if (counts[DAMAGED] > 100) return; /* it is clear by now */
      }
    }
    if (d->ignored < 0) save_again(d, moment, found[TEMPORARY]);
  }
}

/* ---- what must be true ---- */

static void check_every_moment(disk d, bool is_done, const char *what) {
  long counts[3] = {0};
  for (int moment = 0; moment <= event_count; moment++) lose_power(&d, moment, counts);
  CHECK(counts[DAMAGED] == 0, "%s: %ld of the states of a disk do not load", what, counts[DAMAGED]);
  CHECK(counts[OLD] > 2 && (counts[NEW] > 1) == is_done, "%s: %ld old files and %ld new ones", what, counts[OLD], counts[NEW]);
  /* What radam_save has returned is there to stay. */
  long at_last[3] = {0};
  lose_power(&d, event_count, at_last);
  CHECK(is_done ? at_last[OLD] == 0 && at_last[NEW] > 0 : at_last[NEW] == 0, "%s: at the end there may be the other file", what);
  if (!is_done) return;
  /* The same on disks that do not flush, to see that this test sees it. */
  long damaged[3] = {0}, old_ones[3] = {0};
  d.ignored = FLUSH;
  for (int moment = 0; moment <= event_count; moment++) lose_power(&d, moment, damaged);
  d.ignored = FLUSH_FOLDER;
  lose_power(&d, event_count, old_ones);
  CHECK(damaged[DAMAGED] > 0 && old_ones[OLD] > 0, "%s: flushes make no difference, says this test", what);
}

static int32_t cancel_late(uint64_t done, uint64_t total, void *user) {
  (void)user;
  return done > total / 2;
}

static void put_left_over(void) {
  FILE *file = fopen(names[TEMPORARY], "w");
  CHECK(file != NULL && fputs("left by a killed process", file) >= 0 && fclose(file) == 0, "no file");
}

static void every_save(const char *path) {
  radam_save_options cancelled;
  OK(NULL, radam_save_options_init(&cancelled, sizeof cancelled));
  cancelled.progress = cancel_late;

  OK(saver, record_save(NULL, path));
  check_every_moment((disk){false, false, -1}, true, "the first save");
  OK(saver, record_save(NULL, path));
  check_every_moment((disk){true, false, -1}, true, "a save over an old file");
  put_left_over();
  OK(saver, record_save(NULL, path));
  check_every_moment((disk){true, true, -1}, true, "a save after one that was killed");
  put_left_over();
  CHECK(record_save(&cancelled, path) == RADAM_ERROR_IO, "a save that was cancelled went on");
  check_every_moment((disk){true, true, -1}, false, "a save that is cancelled");
  CHECK(unlink(names[TARGET]) == 0, "the file is gone");
}

static radam_optimizer *make(int steps) {
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1);
  add_group(opt, &options);
  OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data, grad, LEN, "weight", NULL));
  for (int step = 0; step < steps; step++) OK(opt, radam_step(opt));
  return opt;
}

static void name_files_in(const char *place) {
  snprintf(names[TARGET], sizeof names[0], "%s/checkpoint", place);
  snprintf(names[TEMPORARY], sizeof names[0], "%s/checkpoint.tmp", place);
}

int main(void) {
  alarm(300); /* ends what hangs */
  char made[64], link[PATH_MAX + 16];
  const char *root = getenv("TMPDIR");
  snprintf(made, sizeof made, "%s/radam-power-XXXXXX", root != NULL && strlen(root) < 32 ? root : "/tmp");
  CHECK(mkdtemp(made) != NULL && realpath(made, folder) != NULL, "no folder");
  snprintf(other_folder, sizeof other_folder, "%s/other", folder);
  snprintf(replayed, sizeof replayed, "%s/replayed", folder);
  CHECK(mkdir(other_folder, 0700) == 0, "no folder");
  fill(grad, LEN, 2);
  saver = make(2);
  loader = make(0);

  name_files_in(folder);
  every_save(names[TARGET]);
  /* Through a link into another folder, which is the one to be flushed. */
  name_files_in(other_folder);
  snprintf(link, sizeof link, "%s/link", folder);
  CHECK(symlink(names[TARGET], link) == 0, "no link");
  every_save(link);

  CHECK(unlink(link) == 0 && unlink(replayed) == 0, "a file is gone");
  CHECK(rmdir(other_folder) == 0 && rmdir(folder) == 0, "something is left in %s", folder);
  OK(saver, radam_free(saver));
  OK(loader, radam_free(loader));
  return 0;
}
