/* An old checkpoint in a file, and a new one that is saved over it. */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "file_system.h"

/* Each array is written in two blocks. */
enum { LEN = 270000, ARRAYS = 2 };

static char folder[64], path[128], temporary[136];
static float grad[LEN];

/* An optimizer of one parameter. */
typedef struct run {
  radam_optimizer *opt;
  float data[LEN];
} run;

typedef struct state {
  uint64_t steps;
  double lr;
  float arrays[ARRAYS][LEN];
} state;

/* What was saved first, and what is saved over it. */
static state old_state, new_state;
static run saver, loader;

static inline void make(run *r) {
  radam_group_options options = group_options();
  r->opt = create(1);
  fill(r->data, LEN, 1);
  uint32_t id;
  add_group(r->opt, &options);
  OK(r->opt, radam_add_param(r->opt, 0, RADAM_DTYPE_F32, 0, r->data, grad, LEN, "weight", &id));
}

static inline void look(const run *r, state *to) {
  OK(r->opt, radam_step_count(r->opt, 0, &to->steps));
  OK(r->opt, radam_get_lr(r->opt, 0, &to->lr));
  for (radam_state which = 1; which <= ARRAYS; which++) {
    void *array;
    OK(r->opt, radam_param_state(r->opt, 0, which, &array, NULL));
    memcpy(to->arrays[which - 1], array, sizeof to->arrays[0]);
  }
}

static inline bool has(const run *r, const state *expected) {
  static state now;
  memset(&now, 0, sizeof now);
  look(r, &now);
  return memcmp(&now, expected, sizeof now) == 0;
}

static inline bool is_there(const char *name) {
  struct stat found;
  return lstat(name, &found) == 0;
}

/* Puts the old checkpoint into the file, as a file that nothing has happened to. */
static inline void begin(void) {
  static run first;
  if (first.opt == NULL) {
    make(&first);
    OK(first.opt, radam_step(first.opt));
    look(&first, &old_state);
    make(&saver);
    OK(saver.opt, radam_step(saver.opt));
    OK(saver.opt, radam_set_lr(saver.opt, 0, 0.25));
    OK(saver.opt, radam_step(saver.opt));
    look(&saver, &new_state);
    make(&loader);
  }
  OK(first.opt, radam_save(first.opt, path));
  OK(loader.opt, radam_reset_state(loader.opt, 0));
}

/* What the file has: the old state or the new one, and never anything else. */
static inline const state *found(const char *when) {
  OK(loader.opt, radam_load(loader.opt, path));
  const bool is_old = has(&loader, &old_state);
  CHECK(is_old || has(&loader, &new_state), "%s: the file has neither the old state nor the new one", when);
  return is_old ? &old_state : &new_state;
}

/* A folder with nothing in it. */
static inline void begin_test(void) {
  alarm(300); /* ends what hangs */
  const char *root = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/radam-checkpoint-XXXXXX", root != NULL && strlen(root) < 32 ? root : "/tmp");
  CHECK(mkdtemp(folder) != NULL, "no folder");
  snprintf(path, sizeof path, "%s/checkpoint", folder);
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  fill(grad, LEN, 2);
}

static inline void end_test(void) {
  OK(saver.opt, radam_free(saver.opt));
  OK(loader.opt, radam_free(loader.opt));
  CHECK(unlink(path) == 0 && rmdir(folder) == 0, "something is left in %s", folder);
}

#endif
