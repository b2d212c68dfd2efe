// What the C++ test programs share. A program prints nothing and returns 0 if all is well.
#ifndef CHECK_HPP
#define CHECK_HPP

#include "radam.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);    \
      std::exit(1);                                                           \
    }                                                                         \
  } while (0)

// A call of C that must succeed.
inline void ok(radam_status status) {
  char message[512] = "";
  if (status == RADAM_OK) return;
  radam_last_error(nullptr, message, sizeof message);
  std::fprintf(stderr, "%s\n", message);
  std::exit(1);
}

#ifdef __cpp_exceptions
// A call that must throw radam::Error of this status, with this in its sentence.
template <class Call>
void refused(radam_status status, const char* word, Call call) {
  try {
    call();
  } catch (const radam::Error& error) {
    if (error.status() == status && std::strstr(error.what(), word) != nullptr) return;
    std::fprintf(stderr, "expected %s with \"%s\", but got %s: %s\n", radam_status_string(status), word,
                 radam_status_string(error.status()), error.what());
    std::exit(1);
  }
  std::fprintf(stderr, "expected %s with \"%s\", but nothing was thrown\n", radam_status_string(status), word);
  std::exit(1);
}
#endif

// Numbers in [-1, 1) that look random.
template <class T = float>
std::vector<T> numbers(std::size_t n, std::uint32_t seed) {
  std::vector<T> values(n);
  std::uint32_t state = seed * 2654435761u + 1;
  for (T& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<T>(static_cast<float>(static_cast<std::int32_t>(state & 0xffffff00u)) / 2147483648.0f);
  }
  return values;
}

template <class T>
bool same_bits(const std::vector<T>& x, const std::vector<T>& y) {
  return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0;
}

inline radam::GroupOptions group_options(double lr = 0.01) {
  radam::GroupOptions options;
  options.lr = lr;
  options.weight_decay = 0.1;
  return options;
}

#endif  // CHECK_HPP
