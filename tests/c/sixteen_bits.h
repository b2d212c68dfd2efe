/* Values of two bytes, and what wider numbers are when rounded to them. */
#pragma once
#include "check.h"

#include <math.h>

static inline float widened(uint16_t bf16) {
  const uint32_t bits = (uint32_t)bf16 << 16;
  float wide;
  memcpy(&wide, &bits, sizeof wide);
  return wide;
}

static inline uint32_t bits_of(float number) {
  uint32_t bits;
  memcpy(&bits, &number, sizeof bits);
  return bits;
}

/* The nearest of the numbers with `precision` bits whose exponents begin at `least`; of two that are as near,
   the even one. What is beyond `greatest` is infinite. */
static inline double nearest(double number, int precision, int least, double greatest) {
  int exponent;
  if (number == 0 || !isfinite(number)) return number;
  frexp(number, &exponent);
  const double unit = ldexp(1, (exponent < least ? least : exponent) - precision);
  const double units = floor(fabs(number) / unit), rest = fabs(number) / unit - units;
  const bool up = rest > 0.5 || (rest == 0.5 && fmod(units, 2) == 1);
  const double rounded = (units + (up ? 1 : 0)) * unit;
  return copysign(rounded > greatest ? INFINITY : rounded, number);
}

/* The value of what is stored in two bytes or four. */
static inline double stored(const void *array, radam_dtype dtype, size_t i) {
  if (dtype == RADAM_DTYPE_F32) return (double)((const float *)array)[i];
  const uint16_t bits = ((const uint16_t *)array)[i];
  if (dtype == RADAM_DTYPE_BF16) return (double)widened(bits);
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double size = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                      : exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -size : size;
}

static inline double nearest_in(radam_dtype dtype, double number) {
  if (dtype == RADAM_DTYPE_F32) return (double)(float)number;
  if (dtype == RADAM_DTYPE_F16) return nearest(number, 11, -13, 65504);
  return nearest(number, 8, -125, ldexp(255, 120));
}

static inline radam_optimizer *optimizer_of(const radam_group_options *options, uint32_t num_threads, radam_dtype dtype,
                                     radam_dtype grad_dtype,
                                     void *data, void *grad, uint64_t len) {
  uint32_t id;
  radam_optimizer *opt = create(num_threads);
  add_group(opt, options);
  OK(opt, radam_add_param(opt, 0, dtype, grad_dtype, data, grad, len, NULL, &id));
  return opt;
}

/* Gradients of bf16, made of random numbers. */
static inline void fill_bf16(uint16_t *values, size_t len, uint32_t seed) {
  float *numbers = filled(len, seed);
  for (size_t i = 0; i < len; i++) values[i] = (uint16_t)(bits_of(numbers[i]) >> 16);
  free(numbers);
}
