/* Error messages quote what the caller has passed without what would change how a terminal shows them, and have at most
   2047 bytes: of what is too long, the middle goes, so that the end still says what would be right. */
#include "check.h"

enum { LONG = 100000, LEN = 4 };

static float data[2][LEN], grad[2][LEN];
static char long_text[LONG + 1];
static const char harmful[] = "a\nb\r\x1b[31mc\x7f\xc2\x9b\xe2\x80\xae\xe2\x80\xa8" "d";

static void check_sentence(const radam_optimizer *opt, const char *quoted, const char *end, const char *when) {
  char message[2048], of_thread[2048];
  const uint64_t size = radam_last_error(opt, message, sizeof message);
  CHECK(size <= sizeof message && size == strlen(message) + 1, "%s: a message of %llu bytes", when, (unsigned long long)size);
  CHECK(radam_last_error(NULL, of_thread, sizeof of_thread) == size && strcmp(message, of_thread) == 0, "%s: the thread's differs", when);
  for (const char *at = message; *at != 0; at++) CHECK((unsigned char)*at >= ' ' && *at != 0x7f, "%s: %s", when, message);
  CHECK(strstr(message, "\xc2\x9b") == NULL && strstr(message, "\xe2\x80\xae") == NULL && strstr(message, "\xe2\x80\xa8") == NULL,
        "%s: %s", when, message);
  CHECK(strstr(message, quoted) != NULL, "%s: '%s' is not quoted: %s", when, quoted, message);
  const size_t len = strlen(message), end_len = strlen(end);
  CHECK(len > end_len && strcmp(message + len - end_len, end) == 0, "%s: the end is not '%s': %s", when, end, message);
}

/* Every call that quotes a name. */
static void names(const char *name, const char *quoted) {
  radam_optimizer *opt = create(1), *other = create(1);
  radam_group_options options = group_options();
  static unsigned char file[4 * LONG];
  uint64_t size;
  uint32_t id;
  for (int i = 0; i < 2; i++) {
    add_group(i == 0 ? opt : other, &options);
    OK(NULL, radam_add_param(i == 0 ? opt : other, 0, RADAM_DTYPE_F32, 0, data[i], grad[i], LEN - (uint64_t)i, name, NULL));
  }
#define FAILS(call, error, end)                                                                            \
  CHECK((call) == RADAM_ERROR_##error, "%s succeeded", #call);                                             \
  check_sentence(opt, quoted, end, #call);
  FAILS(radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data[1], grad[1], LEN, name, NULL), INVALID_ARGUMENT, "find parameters by name")
  FAILS(radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data[0], grad[1], LEN, NULL, NULL), INVALID_ARGUMENT, "needs memory of its own")
  FAILS(radam_step_param(opt, 0, grad[0]), INVALID_STATE, "stepped one by one")
  OK(opt, radam_set_data(opt, 0, NULL));
  FAILS(radam_step(opt), INVALID_STATE, "in arrays of the call)")
  OK(opt, radam_set_data(opt, 0, data[0]));
  OK(other, radam_save_to_buffer(other, file, sizeof file, &size));
  FAILS(radam_load_from_buffer(opt, file, size, NULL), MISMATCH, "nothing was changed")
  OK(opt, radam_remove_param(opt, 0));
  FAILS(radam_param_id(opt, name, &id), INVALID_ARGUMENT, "of one without")
  OK(opt, radam_free(opt));
  OK(other, radam_free(other));
}

static void paths(const char *path, const char *quoted) {
  radam_optimizer *opt = create(1);
  CHECK(radam_save(opt, path) == RADAM_ERROR_IO, "there is such a folder");
  check_sentence(opt, quoted, ")", "radam_save");
  CHECK(radam_load(opt, path) == RADAM_ERROR_IO, "there is such a file");
  check_sentence(opt, quoted, ")", "radam_load");
  OK(opt, radam_free(opt));
}

int main(void) {
  char path[LONG + 64];
  memset(long_text, 'n', LONG);
  names(harmful, "a\\nb\\r\\u{1b}[31mc\\u{7f}\\u{9b}\\u{202e}\\u{2028}d");
  names(long_text, "nnn…");
  snprintf(path, sizeof path, "nowhere/%s", harmful);
  paths(path, "\"nowhere/a\\nb\\r\\u{1b}[31mc\\u{7f}\\u{9b}\\u{202e}\\u{2028}d");
  snprintf(path, sizeof path, "nowhere/%s", long_text);
  paths(path, "nnn…nnn");
  return 0;
}
