/* What every test program needs: a check that says where and what went wrong, and tensors to train.
   A program prints nothing and returns 0 when all is well. */
#ifndef CHECK_H
#define CHECK_H

#include "radam.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition, ...)                                         \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                 \
      fprintf(stderr, __VA_ARGS__);                                   \
      fprintf(stderr, "\n");                                          \
      exit(1);                                                        \
    }                                                                 \
  } while (0)

/* A call that must succeed on `opt` (NULL for a call that has no optimizer). */
#define OK(opt, call) check_ok(opt, call, #call, __FILE__, __LINE__)

static inline void check_ok(const radam_optimizer *opt, radam_status status, const char *call, const char *file, int line) {
  if (status == RADAM_OK) return;
  char message[512] = "";
  radam_last_error(opt, message, sizeof message);
  fprintf(stderr, "%s:%d: %s gave %s: %s\n", file, line, call, radam_status_string(status), message);
  exit(1);
}

/* The message of the last failure on `opt` must have the word in it. */
static inline void check_message(const radam_optimizer *opt, const char *word, const char *when) {
  char message[2048] = "";
  radam_last_error(opt, message, sizeof message);
  CHECK(strlen(message) > 30 && strstr(message, word) != NULL, "%s: the message does not name '%s': %s", when,
        word, message);
}

/* Numbers in [-1, 1) that look random and are the same everywhere. */
static inline void fill(float *values, size_t len, uint32_t seed) {
  uint32_t state = seed * 2654435761u + 1;
  for (size_t i = 0; i < len; i++) {
    state = state * 1664525u + 1013904223u;
    values[i] = (float)(int32_t)(state & 0xffffff00u) / 2147483648.0f;
  }
}

static inline float *filled(size_t len, uint32_t seed) {
  float *values = malloc(len * sizeof *values);
  CHECK(values != NULL || len == 0, "no memory for %zu values", len);
  fill(values, len, seed);
  return values;
}

/* How many threads take part is the one thing in a report that may depend on the machine. */
static inline bool is_same_report(radam_step_report x, radam_step_report y) {
  x.threads = y.threads = 0;
  return memcmp(&x, &y, sizeof x) == 0;
}

/* Work for threads need not be as large as by default. */
static inline radam_optimizer *create(uint32_t num_threads) {
  radam_options options;
  radam_optimizer *opt = NULL;
  OK(NULL, radam_options_init(&options, sizeof options));
  options.num_threads = num_threads;
  options.parallel_from = 1 << 17;
  OK(NULL, radam_create(&options, &opt));
  return opt;
}

/* Options of a group that train quickly, with decay so that every term of the rule takes part. */
static inline radam_group_options group_options(void) {
  radam_group_options options;
  OK(NULL, radam_group_options_init(&options, sizeof options));
  options.lr = 0.01;
  options.weight_decay = 0.1;
  return options;
}

/* The options of a group, to be changed and set again. */
static inline radam_group_options options_of(const radam_optimizer *opt, uint32_t group) {
  radam_group_options options = group_options();
  OK(opt, radam_get_group_options(opt, group, &options));
  return options;
}

/* The options that SET_OPTION changes. */
static inline radam_group_options *changing(void) {
  static _Thread_local radam_group_options options;
  return &options;
}

/* Sets one option of a group, and gives the status of that. */
#define SET_OPTION(opt, group, field, value)                                                        \
  (*changing() = options_of(opt, group), changing()->field = (value),                               \
   radam_set_group_options(opt, group, changing()))

static inline uint32_t add_group(radam_optimizer *opt, const radam_group_options *options) {
  uint32_t group = UINT32_MAX;
  OK(opt, radam_add_param_group(opt, options, NULL, 0, &group));
  return group;
}

static inline uint32_t add_f32(radam_optimizer *opt, uint32_t group, float *data, float *grad, uint64_t len) {
  uint32_t param = UINT32_MAX;
  OK(opt, radam_add_param(opt, group, RADAM_DTYPE_F32, 0, data, grad, len, NULL, &param));
  return param;
}

/* What the library may ask of a caller's allocator: what C11's aligned_alloc accepts. */
static inline void check_request(uint64_t size, uint64_t alignment) {
  CHECK(size > 0 && alignment > 0 && (alignment & (alignment - 1)) == 0 && size % alignment == 0,
        "%llu bytes at a multiple of %llu were asked for", (unsigned long long)size, (unsigned long long)alignment);
}

/* Has this thread flush denormals, read them as zero and round down, as careless code leaves it. */
static inline void leave_another_float_mode(void) {
#if defined(__x86_64__) || defined(__i386__)
  const unsigned mode = 0xbfc0;
  __asm__ volatile("ldmxcsr %0" : : "m"(mode));
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(1ULL << 24 | 2ULL << 22));
#elif defined(__s390x__)
  __asm__ volatile("sfpc %0" : : "r"(3)); /* rounds down; denormals are always kept */
#endif
}

#endif
