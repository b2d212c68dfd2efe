// Runs that differ in their seeds, on several threads, and what they have in common.
//
// SPDX: MIT OR Apache-2.0
#ifndef SEEDS_HPP
#define SEEDS_HPP

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <future>
#include <string>
#include <vector>

// Calls run(index) for each index below count, on so many threads, and returns the results. A run must depend on
// nothing but its index: then the results do not depend on the threads.
template <typename Run>
auto run_all(const std::string& what, std::size_t count, unsigned threads, Run run) {
  std::vector<decltype(run(std::size_t{0}))> results(count);
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t index; (index = next++) < count;) {
      results[index] = run(index);
      if (index * 10 / count != (index + 1) * 10 / count) {
        std::fprintf(stderr, "\r%s: %zu of %zu runs  ", what.c_str(), index + 1, count);
      }
    }
  };
  std::vector<std::future<void>> workers;
  for (unsigned thread = 0; thread < threads; ++thread) workers.push_back(std::async(std::launch::async, work));
  for (std::future<void>& worker : workers) worker.get();
  std::fputc('\n', stderr);
  return results;
}

// What a number was over the seeds.
struct Spread {
  double mean, sd;  // the standard deviation of one seed
  double median, low, high;
};

inline Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const double count = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  for (const double value : values) squares += (value - sum / count) * (value - sum / count);
  return {sum / count, std::sqrt(squares / (count - 1)), values[values.size() / 2], values.front(), values.back()};
}

inline std::string format(const char* pattern, double value) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

#endif  // SEEDS_HPP
