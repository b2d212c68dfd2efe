// 8-bit state: the same codes and parameters from the optimizer's own arrays, the caller's, and no optimizer.
#include "check.hpp"

#include <algorithm>

static constexpr std::size_t len = 5000, blocks = 40;

struct Codes {
  std::vector<std::int8_t> exp_avg = std::vector<std::int8_t>(len);
  std::vector<std::uint8_t> exp_avg_sq = std::vector<std::uint8_t>(len);
  std::vector<std::uint32_t> state_scale = std::vector<std::uint32_t>(blocks);
};

static radam::GroupOptions coded_options() {
  radam::GroupOptions options = group_options();
  options.state_dtype = radam::Dtype::q8;
  options.seed = 7;
  return options;
}

static void the_same_codes_everywhere() {
  std::vector<float> w[3] = {numbers(len, 1), numbers(len, 1), numbers(len, 1)}, g(len);
  Codes placed, loose;
  radam::Optimizer opt, given;
  const radam::ParamId id = opt.add_param(opt.add_group(coded_options()), w[0], g);
  radam::Param param;
  param.data = w[1];
  param.grad = g;
  param.exp_avg = placed.exp_avg.data();
  param.exp_avg_sq = placed.exp_avg_sq.data();
  param.state_scale = placed.state_scale.data();
  given.add_param(given.add_group(coded_options()), param);
  CHECK(given.param(0).state_scale == placed.state_scale.data());

  const auto exp_avg = opt.state<std::int8_t>(id, radam::State::exp_avg);
  const auto exp_avg_sq = opt.state<std::uint8_t>(id, radam::State::exp_avg_sq);
  const auto state_scale = opt.state<std::uint32_t>(id, radam::State::state_scale);
  CHECK(exp_avg.size() == len && exp_avg_sq.size() == len && state_scale.size() == blocks);
  for (std::uint32_t step = 1; step <= 8; step++) {
    const std::vector<float> next = numbers(len, step + 1);
    std::copy(next.begin(), next.end(), g.begin());  // where it is registered
    opt.step();
    given.step();
    radam::update_q8(w[2].data(), g.data(), loose.exp_avg.data(), loose.exp_avg_sq.data(), loose.state_scale.data(), nullptr,
                     len, coded_options(), step);
    CHECK(same_bits(w[0], w[1]) && same_bits(w[0], w[2]));
    for (const Codes* codes : {&placed, &loose}) {
      CHECK(std::memcmp(exp_avg.data(), codes->exp_avg.data(), len) == 0);
      CHECK(std::memcmp(exp_avg_sq.data(), codes->exp_avg_sq.data(), len) == 0);
      CHECK(std::memcmp(state_scale.data(), codes->state_scale.data(), blocks * 4) == 0);
    }
  }
  CHECK(exp_avg[len - 1] != 0 && exp_avg_sq[len - 1] != 0 && state_scale[blocks - 1] != 0);
}

static void other_types_are_refused() {
  std::vector<float> w = numbers(len, 1), g = numbers(len, 2), small = numbers(10, 3);
  radam::Optimizer opt;
  const radam::GroupId group = opt.add_group(coded_options());
  opt.add_param(group, w, g);
  opt.add_param(group, small, nullptr);  // f32 is faster for it
  CHECK(opt.group_options(group).state_dtype == radam::Dtype::q8);
  CHECK(opt.state<float>(1, radam::State::exp_avg).size() == 10);
  CHECK(opt.state<std::uint32_t>(1, radam::State::state_scale).empty());
  using radam::State;
  const auto is_refused = [](const char* words, auto call) { refused(RADAM_ERROR_INVALID_ARGUMENT, words, call); };
  is_refused("an array of f32; that of parameter 0 must be one of int8_t", [&] { opt.state<float>(0, State::exp_avg); });
  is_refused("an array of int8_t; that of parameter 0 must be one of uint8_t",
             [&] { opt.state<std::int8_t>(0, State::exp_avg_sq); });
  is_refused("an array of int16_t; that of parameter 0 must be one of uint32_t",
             [&] { opt.state<std::int16_t>(0, State::state_scale); });
  is_refused("an array of int8_t; that of parameter 1 must be one of f32", [&] { opt.state<std::int8_t>(1, State::exp_avg); });
  radam::Param param;
  param.data = {nullptr, radam::Dtype::q8};
  param.len = 10;
  is_refused("dtype is", [&] { opt.add_param(group, param); });

  Codes codes;
  const radam::Outcome outcome = radam::nothrow::update_q8(w.data(), g.data(), codes.exp_avg.data(), codes.exp_avg_sq.data(),
                                                           codes.state_scale.data(), nullptr, len, coded_options(), 0);
  CHECK(!outcome && std::strstr(outcome.message(), "step is 0") != nullptr);
}

int main() {
  the_same_codes_everywhere();
  other_types_are_refused();
}
