// How large an experiment is, and how its results are written down. SPDX: MIT OR Apache-2.0
#ifndef REPORT_HPP
#define REPORT_HPP

#include "seeds.hpp"
#include "tasks.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

// How much is run, on how many threads.
struct Scale {
  std::size_t seeds;
  std::size_t digits_steps, character_steps;  // multiples of kWindows
  std::size_t samples;                        // of what is drawn at random
  bool small;                                 // for a test: leaves out what is only shown
  unsigned threads = 1;

  std::size_t steps(Task task) const { return task == Task::digits ? digits_steps : character_steps; }
};

inline std::string median_and_range(const Spread& spread) {
  if (spread.low > 1e30) return "diverges";
  return format("%.3f", spread.median) + " (" + format("%.3f", spread.low) + "–" + format("%.3f", spread.high) + ")";
}

// pattern is that of printf for one number.
inline std::string mean_and_sd(const Spread& spread, const char* pattern) {
  return format(pattern, spread.mean) + " ± " + format(pattern, spread.sd);
}

// Writes a file, and prints it too if it is a table.
inline void write(const std::string& path, const std::string& content) {
  std::ofstream file(path);
  file << content;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
  if (path.substr(path.size() - 3) == ".md") std::printf("%s\n", content.c_str());
}

// The main function of a program whose arguments are the folder for its results and, for a small experiment, "small"
// and the number of threads. Its exit status is 0 if study(scale, folder) returns true.
template <typename Study>
int run_study(int argc, char** argv, const Scale& full, const Scale& small, Study study) {
  const bool is_small = argc == 4 && std::strcmp(argv[2], "small") == 0;
  if (argc != 2 && !is_small) {
    std::fprintf(stderr, "usage: %s FOLDER [small THREADS]\n", argv[0]);
    return 2;
  }
  try {
    Scale scale = is_small ? small : full;
    scale.threads = is_small ? static_cast<unsigned>(std::stoul(argv[3])) : std::thread::hardware_concurrency();
    scale.threads = std::max(scale.threads, 1u);
    return study(scale, std::string(argv[1])) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}

#endif  // REPORT_HPP
