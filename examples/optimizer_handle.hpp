// Errors of radam as exceptions, and an RAII wrapper of an optimizer.
//
// SPDX: MIT OR Apache-2.0
#ifndef OPTIMIZER_HANDLE_HPP
#define OPTIMIZER_HANDLE_HPP

#include "radam.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

// Throws the error message of a failed call.
inline void check(radam_status status, const radam_optimizer* opt = nullptr) {
  if (status == RADAM_OK) return;
  std::array<char, 512> message{};
  radam_last_error(opt, message.data(), message.size());
  throw std::runtime_error(std::string(radam_status_string(status)) + ": " + message.data());
}

struct OptimizerHandle {
  radam_optimizer* opt = nullptr;

  // num_threads is that of radam_options; 0 is its default.
  explicit OptimizerHandle(std::uint32_t num_threads = 0) {
    radam_options options;
    check(radam_options_init(&options, sizeof options));
    options.num_threads = num_threads;
    check(radam_create(&options, &opt));
  }
  ~OptimizerHandle() {
    if (radam_free(opt) != RADAM_OK) std::fputs("radam_free failed\n", stderr);
  }
  OptimizerHandle(const OptimizerHandle&) = delete;
  OptimizerHandle& operator=(const OptimizerHandle&) = delete;
};

#endif  // OPTIMIZER_HANDLE_HPP
