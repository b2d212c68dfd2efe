// Random numbers of a normal distribution. SPDX: MIT OR Apache-2.0
#ifndef NORMAL_NUMBERS_HPP
#define NORMAL_NUMBERS_HPP

#include "../portable_numbers.hpp"

#include <cmath>
#include <cstdint>

class NormalNumbers {
 public:
  explicit NormalNumbers(std::uint64_t seed) : random_(seed) {}

  // Of mean 0 and variance 1, by the polar method.
  double next() {
    if (has_second_) {
      has_second_ = false;
      return second_;
    }
    double x, y, square;
    do {
      x = 2 * unit() - 1, y = 2 * unit() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square == 0);
    const double factor = std::sqrt(-2 * std::log(square) / square);
    second_ = y * factor, has_second_ = true;
    return x * factor;
  }

  // Uniform in [0, 1).
  double unit() { return static_cast<double>(random_.next() >> 11) / 9007199254740992.0; }

 private:
  Random random_;
  double second_ = 0;
  bool has_second_ = false;
};

#endif  // NORMAL_NUMBERS_HPP
