/* Random numbers, the same in every run, and elements of all dtypes. */
#ifndef RADAM_TESTS_NUMBERS_H
#define RADAM_TESTS_NUMBERS_H

#include "radam.h"

#include <stdbool.h>
#include <string.h>

/* By radam_dtype, as far as elements of floating point have it. */
static const char *const DTYPES[] = {"", "f32", "f64", "f16", "bf16"};
static const size_t BYTES[] = {0, 4, 8, 2, 2};
static const int MANTISSA[] = {0, 23, 52, 10, 7}, BIAS[] = {0, 127, 1023, 15, 127};
static const uint64_t INFINITE[] = {0, 0x7f800000, 0x7ff0000000000000, 0x7c00, 0x7f80};

static uint64_t random_state = 1; /* not 0 */

static inline uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  return random_state ^= random_state << 17;
}

/* Stores a number from 2^-5 to 2, positive or negative. */
static inline void draw(radam_dtype dtype, void *at) {
  const uint64_t random = next_random(), exponent = (uint64_t)BIAS[dtype] - random % 6;
  const int bits = MANTISSA[dtype];
  const uint64_t word = random >> 8 & ((1ull << bits) - 1), sign = random >> 7 & 1;
  const uint64_t number = sign << (8 * BYTES[dtype] - 1) | exponent << bits | word;
  memcpy(at, &number, BYTES[dtype]);
}

static inline uint64_t number_at(radam_dtype dtype, const void *at) {
  uint64_t number = 0;
  memcpy(&number, at, BYTES[dtype]); /* the low bytes come first on machines with a GPU */
  return number;
}

static inline bool is_nan(radam_dtype dtype, const void *at) {
  const uint64_t without_sign = number_at(dtype, at) & ((1ull << (8 * BYTES[dtype] - 1)) - 1);
  return without_sign > INFINITE[dtype];
}

static inline bool are_finite(radam_dtype dtype, const void *array, uint64_t len) {
  for (uint64_t i = 0; i < len; i++)
    if ((number_at(dtype, (const char *)array + i * BYTES[dtype]) & INFINITE[dtype]) == INFINITE[dtype]) return false;
  return true;
}

#endif
