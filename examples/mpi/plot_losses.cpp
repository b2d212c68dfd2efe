// Draws the losses that two runs of zero1 printed, the second over the first.
//
// usage: plot_losses ONE_RANK.txt FOUR_RANKS.txt PICTURE.svg
//
// SPDX: MIT OR Apache-2.0

#include "../svg_plot.hpp"

#include <cstddef>
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

struct Run {
  std::vector<double> losses;  // one for each line
  std::string parameters;      // the last line, which has a hash of them
};

static Run read_run(const std::string& path) {
  Run run;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    double loss;
    if (std::sscanf(line.c_str(), "step %*d of %*d loss %lf", &loss) == 1) run.losses.push_back(loss);
    if (line.rfind("parameters ", 0) == 0) run.parameters = line;
  }
  const bool has_ended = run.losses.size() >= 2 && !run.parameters.empty();
  if (!has_ended) throw std::runtime_error(path + " is not of a run that has ended");
  return run;
}

// A loss is the mean of 10 steps.
static PlotAxis steps(std::size_t losses) {
  PlotAxis axis{"step", false, {}, {}};
  for (std::size_t i = 1; i <= losses; ++i) {
    axis.positions.push_back(static_cast<double>(10 * i));
    if (i == 1 || i % 10 == 0) axis.ticks.push_back(axis.positions.back());
  }
  return axis;
}

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: plot_losses ONE_RANK.txt FOUR_RANKS.txt PICTURE.svg\n", stderr);
    return 1;
  }
  try {
    const Run one = read_run(argv[1]), four = read_run(argv[2]);
    const bool same = one.losses == four.losses && one.parameters == four.parameters;
    std::printf("losses and parameters of 1 and 4 ranks: %s\n", same ? "the same" : "DIFFERENT");
    const PlotPanel panel{"Nats per character", false, 1.5, 5, {2, 3, 4, 5}, "",
                          {{"1 rank", "stroke=\"#e69f00\" stroke-width=\"7\" stroke-opacity=\"0.5\"", one.losses},
                           {"4 ranks", "stroke=\"#0072b2\" stroke-width=\"1.5\"", four.losses}},
                          steps(one.losses.size())};
    const SvgPlot plot("A small transformer on 1 and on 4 ranks", "zero1.cpp, means of 10 steps", {panel});
    std::ofstream file(argv[3]);
    file << plot.svg();
    file.close();
    if (!file) throw std::runtime_error(std::string("cannot write ") + argv[3]);
    return same ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "plot_losses: %s\n", error.what());
    return 1;
  }
}
