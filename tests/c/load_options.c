/* Options of loading, which mean the same for a file, a list of files and memory. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <unistd.h>

enum { LEN = 1000, WAYS = 3 };

static char path[128];
static unsigned char *buffer;
static uint64_t size;
static float data[2][LEN], grad[LEN];

static radam_status load(radam_optimizer *opt, int way, const radam_load_options *options) {
  const char *paths[] = {path};
  return way == 0 ? radam_load_with(opt, path, options) : way == 1 ? radam_load_shards(opt, paths, 1, options)
                  : radam_load_from_buffer(opt, buffer, size, options);
}

static radam_load_options default_options(void) {
  radam_load_options options;
  OK(NULL, radam_load_options_init(&options, sizeof options));
  return options;
}

/* An optimizer with parameters of these names. */
static radam_optimizer *optimizer_of(const char *first, const char *second) {
  radam_group_options group = group_options();
  radam_optimizer *opt = create(1);
  add_group(opt, &group);
  OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data[0], grad, LEN, first, NULL));
  if (second != NULL) OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data[1], grad, LEN, second, NULL));
  return opt;
}

/* What is saved: two parameters that have made three steps, and an lr of 0.25. */
static void save(void) {
  const char *root = getenv("TMPDIR");
  snprintf(path, sizeof path, "%s/radam-load-options-%ld", root != NULL && strlen(root) < 64 ? root : "/tmp", (long)getpid());
  radam_optimizer *opt = optimizer_of("weight", "bias");
  fill(grad, LEN, 9);
  for (int step = 0; step < 3; step++) OK(opt, radam_step(opt));
  OK(opt, radam_set_lr(opt, 0, 0.25));
  OK(opt, radam_set_frozen(opt, 1, RADAM_ON));
  OK(opt, radam_save(opt, path));
  OK(opt, radam_save_to_buffer(opt, NULL, 0, &size));
  buffer = malloc(size);
  CHECK(buffer != NULL, "no memory");
  OK(opt, radam_save_to_buffer(opt, buffer, size, &size));
  OK(opt, radam_free(opt));
}

static void check_loaded(radam_optimizer *opt, uint32_t param, uint64_t expected, int way) {
  uint64_t steps = 77;
  void *state;
  OK(opt, radam_step_count(opt, param, &steps));
  OK(opt, radam_param_state(opt, param, RADAM_STATE_EXP_AVG, &state, NULL));
  CHECK(steps == expected && (((float *)state)[0] != 0) == (expected > 0), "way %d: parameter %u has made %llu steps", way, param,
        (unsigned long long)steps);
}

static double lr_of(const radam_optimizer *opt) {
  double lr = 0;
  OK(opt, radam_get_lr(opt, 0, &lr));
  return lr;
}

/* By default everything is taken over, and without hyperparameters only the state. */
static void hyperparameters(int way) {
  radam_load_options options = default_options();
  for (int kept = 0; kept < 3; kept++) {
    radam_optimizer *opt = optimizer_of("weight", "bias");
    radam_toggle frozen = -1;
    options.hyperparameters = kept == 2 ? RADAM_OFF : RADAM_AUTO;
    OK(opt, load(opt, way, kept == 0 ? NULL : &options));
    for (uint32_t i = 0; i < 2; i++) check_loaded(opt, i, 3, way);
    OK(opt, radam_get_frozen(opt, 1, &frozen));
    CHECK(lr_of(opt) == (kept == 2 ? 0.01 : 0.25) && frozen == (kept == 2 ? RADAM_OFF : RADAM_ON), "way %d, %d: lr is %g and frozen %d", way,
          kept, lr_of(opt), frozen);
    OK(opt, radam_free(opt));
  }
}

/* Parameters in only one of the two are a mismatch, unless strict is off: then they stay as they are. */
static void strict(int way) {
  radam_load_options options = default_options();
  for (int strict = 0; strict < 2; strict++) {
    radam_optimizer *opt = optimizer_of("weight", "scale");
    options.strict = strict ? RADAM_ON : RADAM_OFF;
    const radam_status status = load(opt, way, &options);
    CHECK(status == (strict ? RADAM_ERROR_MISMATCH : RADAM_OK), "way %d, strict %d: %s", way, strict, radam_status_string(status));
    if (strict) check_message(opt, "scale", "a parameter that is not in the checkpoint");
    check_loaded(opt, 0, strict ? 0 : 3, way);
    check_loaded(opt, 1, 0, way);
    OK(opt, radam_free(opt));
  }
}

typedef struct seen {
  uint64_t calls, done, total;
  bool cancels;
} seen;

static int32_t advance(uint64_t done, uint64_t total, void *user) {
  seen *s = user;
  CHECK(done >= s->done && done <= total, "progress went from %llu to %llu of %llu", (unsigned long long)s->done,
        (unsigned long long)done, (unsigned long long)total);
  s->calls++;
  s->done = done;
  s->total = total;
  return s->cancels;
}

static void progress(int way) {
  for (int cancels = 0; cancels < 2; cancels++) {
    seen s = {.cancels = cancels};
    radam_load_options options = default_options();
    radam_optimizer *opt = optimizer_of("weight", "bias");
    options.progress = advance;
    options.user = &s;
    const radam_status status = load(opt, way, &options);
    CHECK(status == (cancels ? RADAM_ERROR_IO : RADAM_OK), "way %d: %s", way, radam_status_string(status));
    CHECK(s.calls > 0 && (cancels ? s.calls == 1 : s.done == s.total), "way %d: progress ended at %llu of %llu", way,
          (unsigned long long)s.done, (unsigned long long)s.total);
    if (cancels) check_message(opt, "cancel", "a load");
    check_loaded(opt, 0, cancels ? 0 : 3, way);
    OK(opt, radam_free(opt));
  }
}

int main(void) {
  alarm(300); /* ends what hangs */
  save();
  for (int way = 0; way < WAYS; way++) {
    hyperparameters(way);
    strict(way);
    progress(way);
  }
  CHECK(unlink(path) == 0, "the file is gone");
  free(buffer);
  return 0;
}
