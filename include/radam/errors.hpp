// How calls report failures: exceptions, or statuses that they return. Part of radam.hpp. SPDX: MIT OR Apache-2.0
#ifndef RADAM_ERRORS_HPP
#define RADAM_ERRORS_HPP

#include "../radam.h"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace radam {

// A call that failed: status() is one of RADAM_ERROR_..., and what() is the sentence that says why.
class Error : public std::runtime_error {
 public:
  Error(radam_status status, const char* message) : std::runtime_error(message), status_(status) {}
  radam_status status() const noexcept { return status_; }

 private:
  radam_status status_;
};

// The outcome of a call of radam::nothrow: true if it succeeded.
class [[nodiscard]] Outcome {
 public:
  Outcome() noexcept = default;
  Outcome(radam_status code, const char* message) noexcept : code_(code) {
    const std::size_t size = std::strlen(message);
    const std::size_t kept = size < sizeof message_ ? size : sizeof message_ - 1;
    std::memcpy(message_, message, kept);
    message_[kept] = 0;
  }
  // Of the last call of C on this thread.
  static Outcome of(radam_status code) noexcept {
    Outcome outcome;
    outcome.code_ = code;
    if (code != RADAM_OK) radam_last_error(nullptr, outcome.message_, sizeof outcome.message_);
    return outcome;
  }

  bool ok() const noexcept { return code_ == RADAM_OK; }
  explicit operator bool() const noexcept { return ok(); }
  // RADAM_OK or one of RADAM_ERROR_...
  radam_status code() const noexcept { return code_; }
  // The sentence that says why the call failed, up to 511 bytes of it; empty if it did not.
  const char* message() const noexcept { return ok() ? "" : message_; }

 private:
  radam_status code_ = RADAM_OK;
  char message_[512];  // only if the call failed
};

// What a call of radam::nothrow returns beside its Outcome: *result if it is true.
template <class T>
class [[nodiscard]] Result : public Outcome {
 public:
  Result() = default;
  Result(T value) : value_(std::move(value)) {}
  Result(const Outcome& failure) : Outcome(failure) {}

  T& operator*() noexcept { return value_; }
  const T& operator*() const noexcept { return value_; }
  T* operator->() noexcept { return &value_; }
  const T* operator->() const noexcept { return &value_; }

 private:
  T value_{};
};

template <>
class [[nodiscard]] Result<void> : public Outcome {
 public:
  Result() noexcept = default;
  Result(const Outcome& status) noexcept : Outcome(status) {}
};

namespace detail {

#ifdef __cpp_exceptions

struct Thrower {
  [[noreturn]] static void raise(radam_status status, const char* message) { throw Error(status, message); }
};

#else

// Another name, so that objects which were compiled with and without exceptions can be linked.
struct Aborter {
  [[noreturn]] static void raise(radam_status status, const char* message) {
    std::fprintf(stderr, "radam: %s: %s\n", radam_status_string(status), message);
    std::abort();
  }
};
using Thrower = Aborter;

#endif

// How calls report failures: by throwing.
template <class Raise>
struct Raising {
  template <class T>
  using Result = T;

  static void outcome(radam_status status) {
    if (status != RADAM_OK) raise_last(status);
  }
  static void outcome(const Outcome& outcome) {
    if (!outcome) Raise::raise(outcome.code(), outcome.message());
  }
  template <class AnyStatus, class T>
  static T outcome(const AnyStatus& status, T value) {
    outcome(status);
    return value;
  }

 private:
  [[noreturn]] static void raise_last(radam_status status) {
    char message[2049] = "";  // the library keeps no more
    radam_last_error(nullptr, message, sizeof message);
    Raise::raise(status, message);
  }
};
using Throwing = Raising<Thrower>;

// How calls report failures: in what they return.
struct Returning {
  template <class T>
  using Result = radam::Result<T>;

  static Outcome outcome(radam_status status) noexcept { return Outcome::of(status); }
  static Outcome outcome(const Outcome& status) noexcept { return status; }
  template <class AnyStatus, class T>
  static radam::Result<T> outcome(const AnyStatus& status, T value) {
    if (Outcome failure = outcome(status); !failure) return failure;
    return radam::Result<T>(std::move(value));
  }
};

}  // namespace detail

}  // namespace radam
#endif  // RADAM_ERRORS_HPP
