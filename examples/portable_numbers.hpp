// Random numbers, exp and log, which differ between standard libraries. These versions use nothing but IEEE arithmetic,
// so the examples print the same numbers on every machine.
//
// SPDX: MIT OR Apache-2.0
#ifndef PORTABLE_NUMBERS_HPP
#define PORTABLE_NUMBERS_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

// SplitMix64: small, well distributed, and exactly defined.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // A number in [-limit, limit): the upper 24 bits fill the significand of a float.
  float uniform(float limit) {
    const float unit = static_cast<float>(next() >> 40) / 16777216.0f;  // in [0, 1)
    return (2.0f * unit - 1.0f) * limit;
  }

  // Fisher-Yates. The bias of the remainder is far below what a few thousand items could show.
  template <typename Item>
  void shuffle(std::vector<Item>& items) {
    for (std::size_t left = items.size(); left > 1; --left) {
      std::swap(items[left - 1], items[static_cast<std::size_t>(next() % left)]);
    }
  }

 private:
  std::uint64_t state_;
};

constexpr double kLn2 = 0.693147180559945309417;

// e^x for x <= 0, which is all that softmax needs, to about 13 digits; 0 for x < -700, and for NaN, since a training that
// diverges comes to that.
inline double portable_exp(double x) {
  if (!(x >= -700.0)) return 0.0;
  // x = powers_of_two * ln 2 + rest, and up to |rest| = ln 2 / 2 the Taylor series is short.
  const double powers_of_two = std::floor(x / kLn2 + 0.5);
  const double rest = x - powers_of_two * kLn2;
  double sum = 1.0;
  for (int n = 14; n >= 1; --n) sum = 1.0 + sum * rest / n;
  return std::ldexp(sum, static_cast<int>(powers_of_two));
}

// The natural logarithm of a positive x, to about 15 digits or 15 places.
inline double portable_log(double x) {
  // x = fraction * 2^exponent, with fraction in [0.5, 1), and ln(fraction) = 2 artanh(z).
  int exponent;
  const double fraction = std::frexp(x, &exponent);
  const double z = (fraction - 1.0) / (fraction + 1.0);
  double sum = 0.0;
  for (int n = 33; n >= 1; n -= 2) sum = sum * z * z + 1.0 / n;
  return 2.0 * z * sum + exponent * kLn2;
}

#endif  // PORTABLE_NUMBERS_HPP
