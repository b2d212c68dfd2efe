/* Bad input to the functions that save and load: the right status, a message that names the argument, and
   nothing changed. */
#define _POSIX_C_SOURCE 200809L
#include "misuse.h"

#include <unistd.h>

static char path[128];
static unsigned char buffer[1 << 16];
static uint64_t size;

/* Bad options, given to all that load: before anything is read. */
static void refuse_loading(radam_optimizer *opt, const char *word, const radam_load_options *options, int line) {
  const char *paths[] = {path};
  refused(opt, radam_load_with(opt, path, options), RADAM_ERROR_INVALID_ARGUMENT, word, "radam_load_with", line);
  refused(opt, radam_load_shards(opt, paths, 1, options), RADAM_ERROR_INVALID_ARGUMENT, word, "radam_load_shards", line);
  refused(opt, radam_load_from_buffer(opt, buffer, 8, options), RADAM_ERROR_INVALID_ARGUMENT, word, "radam_load_from_buffer", line);
}

static void structs(radam_optimizer *opt) {
  radam_save_options saving;
  radam_load_options loading;
  REFUSED_WITHOUT(NULL_POINTER, "options", radam_save_options_init(NULL, sizeof saving));
  REFUSED_WITHOUT(NULL_POINTER, "options", radam_load_options_init(NULL, sizeof loading));
  const uint32_t wrong[] = {0, 1, 3, 4096, UINT32_MAX};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    memset(&loading, 0x5a, sizeof loading);
    memset(&saving, 0x5a, sizeof saving);
    REFUSED_WITHOUT(INVALID_ARGUMENT, "struct_size", radam_save_options_init(&saving, wrong[i]));
    REFUSED_WITHOUT(INVALID_ARGUMENT, "struct_size", radam_load_options_init(&loading, wrong[i]));
    for (size_t byte = 0; byte < sizeof loading; byte++)
      CHECK(((unsigned char *)&loading)[byte] == 0x5a, "a refused init wrote byte %zu", byte);
    for (size_t byte = 0; byte < sizeof saving; byte++)
      CHECK(((unsigned char *)&saving)[byte] == 0x5a, "a refused init wrote byte %zu", byte);
    OK(NULL, radam_save_options_init(&saving, sizeof saving));
    OK(NULL, radam_load_options_init(&loading, sizeof loading));
    saving.struct_size = loading.struct_size = wrong[i];
    REFUSED(INVALID_ARGUMENT, "struct_size", radam_save_with(opt, path, &saving));
    refuse_loading(opt, "struct_size", &loading, __LINE__);
  }
  OK(NULL, radam_save_options_init(&saving, sizeof saving));
  OK(NULL, radam_load_options_init(&loading, sizeof loading));
  saving.reserved = 1;
  loading.convert_state = 3;
  REFUSED(INVALID_ARGUMENT, "reserved", radam_save_with(opt, path, &saving));
  refuse_loading(opt, "convert_state", &loading, __LINE__);
  CHECK(access(path, F_OK) != 0, "a refused save wrote its file");
}

static void paths(radam_optimizer *opt) {
  const char *list[] = {path, NULL, path}, *empty[] = {path, ""};
  REFUSED(NULL_POINTER, "path", radam_save(opt, NULL));
  REFUSED(NULL_POINTER, "path", radam_save_with(opt, NULL, NULL));
  REFUSED(NULL_POINTER, "path", radam_load(opt, NULL));
  REFUSED(NULL_POINTER, "path", radam_load_with(opt, NULL, NULL));
  REFUSED(INVALID_ARGUMENT, "path", radam_save(opt, ""));
  REFUSED(INVALID_ARGUMENT, "path", radam_load(opt, ""));
  REFUSED(INVALID_ARGUMENT, "path", radam_save(opt, "/"));
  REFUSED(NULL_POINTER, "paths", radam_load_shards(opt, NULL, 1, NULL));
  REFUSED(NULL_POINTER, "paths", radam_load_shards(opt, NULL, 0, NULL));
  REFUSED(INVALID_ARGUMENT, "count", radam_load_shards(opt, list, 0, NULL));
  REFUSED(NULL_POINTER, "paths[1] is NULL", radam_load_shards(opt, list, 3, NULL));
  REFUSED(INVALID_ARGUMENT, "paths[1] is empty", radam_load_shards(opt, empty, 2, NULL));
  REFUSED(IO, path, radam_load(opt, path)); /* not there */
  char long_name[400]; /* longer than names of files can be */
  memset(long_name, 'x', sizeof long_name);
  long_name[sizeof long_name - 1] = 0;
  REFUSED(IO, "xxx", radam_save(opt, long_name));
  REFUSED(IO, "xxx", radam_load(opt, long_name));
}

static void toggles(radam_optimizer *opt) {
  const radam_toggle bad[] = {-1, 3, INT32_MAX};
  for (int i = 0; i < 3; i++) {
    radam_load_options options;
    OK(NULL, radam_load_options_init(&options, sizeof options));
    CHECK(options.strict == RADAM_AUTO && options.hyperparameters == RADAM_AUTO, "other defaults");
    options.strict = bad[i];
    refuse_loading(opt, "strict", &options, __LINE__);
    options.strict = RADAM_AUTO;
    options.hyperparameters = bad[i];
    refuse_loading(opt, "hyperparameters", &options, __LINE__);
  }
}

/* What fits is written, and not a byte beyond. */
static void buffers(radam_optimizer *opt) {
  uint64_t kept = 77;
  REFUSED(NULL_POINTER, "size", radam_save_to_buffer(opt, NULL, 0, NULL));
  REFUSED(NULL_POINTER, "size", radam_save_to_buffer(opt, buffer, sizeof buffer, NULL));
  OK(opt, radam_save_to_buffer(opt, NULL, 0, &size));
  OK(opt, radam_save_to_buffer(opt, NULL, UINT64_MAX, &kept));
  CHECK(size == kept && size < sizeof buffer - 1, "asking for the size gave %llu", (unsigned long long)size);
  kept = 77;
  memset(buffer, 0x5a, sizeof buffer);
  const uint64_t small[] = {0, 1, 8, size / 2, size - 1};
  for (int i = 0; i < 5; i++) REFUSED(INVALID_ARGUMENT, "capacity", radam_save_to_buffer(opt, buffer, small[i], &kept));
  for (size_t byte = 0; byte < sizeof buffer; byte++) CHECK(buffer[byte] == 0x5a, "a refused save wrote byte %zu", byte);
  CHECK(kept == 77, "a refused save wrote its size");
  OK(opt, radam_save_to_buffer(opt, buffer, size, &kept));
  CHECK(kept == size && buffer[size] == 0x5a, "a save wrote beyond its end");
  memset(buffer, 0x5a, sizeof buffer);
  OK(opt, radam_save_to_buffer(opt, buffer, sizeof buffer, &kept));
  CHECK(kept == size && buffer[size] == 0x5a && buffer[size - 1] != 0x5a, "a larger buffer is filled otherwise");
  REFUSED(NULL_POINTER, "buffer", radam_load_from_buffer(opt, NULL, size, NULL));
  REFUSED(NULL_POINTER, "buffer", radam_load_from_buffer(opt, NULL, 0, NULL));
  const uint64_t cut[] = {0, 1, 7, 8, 9, size / 2, size - 1, size + 1};
  for (int i = 0; i < 8; i++) REFUSED(CORRUPT, "checkpoint", radam_load_from_buffer(opt, buffer, cut[i], NULL));
  REFUSED(CORRUPT, "checkpoint", radam_load_from_buffer(opt, buffer + 1, size, NULL));
  REFUSED(INVALID_ARGUMENT, "size is 18446744073709551615", radam_load_from_buffer(opt, buffer, UINT64_MAX, NULL));
  /* A buffer may lie anywhere. */
  memmove(buffer + 1, buffer, size);
  OK(opt, radam_load_from_buffer(opt, buffer + 1, size, NULL));
  check_unchanged("loading what was just saved");
}

/* A slice must lie inside its tensor. */
static void slices(radam_optimizer *opt) {
  static float data[LEN];
  static const uint64_t bad[][2] = {
    {0, LEN - 1}, {1, LEN}, {LEN, LEN}, {LEN + 1, 2 * LEN}, {UINT64_MAX, UINT64_MAX},
    {UINT64_MAX - LEN + 1, UINT64_MAX}, {UINT64_MAX, 2 * LEN}, {1, 0}, {UINT64_MAX, 0},
  };
  static const uint64_t good[][2] = {{0, LEN}, {0, 2 * LEN}, {LEN, 2 * LEN}, {UINT64_MAX - LEN, UINT64_MAX}, {0, 0}};
  radam_group_options options = group_options();
  radam_param param;
  uint32_t id = 77;
  OK(NULL, radam_param_init(&param, sizeof param));
  param.dtype = RADAM_DTYPE_F32;
  param.data = data;
  param.len = LEN;
  param.name = "slice";
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    param.tensor_offset = bad[i][0];
    param.tensor_len = bad[i][1];
    REFUSED(INVALID_ARGUMENT, "params[0].tensor_", radam_add_param_group(opt, &options, &param, 1, &id));
    CHECK(id == 77, "a refused slice got an id");
  }
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    radam_optimizer *fresh = create(1);
    unsigned char bytes[4096];
    uint64_t written;
    param.tensor_offset = good[i][0];
    param.tensor_len = good[i][1];
    OK(fresh, radam_add_param_group(fresh, &options, &param, 1, &id));
    OK(fresh, radam_save_to_buffer(fresh, bytes, sizeof bytes, &written));
    OK(fresh, radam_load_from_buffer(fresh, bytes, written, NULL));
    OK(fresh, radam_free(fresh));
    id = 77;
  }
}

int main(void) {
  const char *root = getenv("TMPDIR");
  snprintf(path, sizeof path, "%s/radam-misuse-%ld", root != NULL && strlen(root) < 64 ? root : "/tmp", (long)getpid());
  make(&hurt);
  make(&twin);
  for (int round = 0; round < 2; round++) {
    structs(hurt.opt);
    paths(hurt.opt);
    toggles(hurt.opt);
    buffers(hurt.opt);
    slices(hurt.opt);
    step_both();
  }
  end_both();
  return 0;
}
