// What training loops do, each against the same in C: groups and parameters, steps without kept pointers, sums of
// gradients, schedules, the state, surgery, checkpoints, and a step without an optimizer.
#include "check.hpp"

#include <cmath>
#include <cstdio>
#include <stdexcept>
#ifdef __cpp_lib_span
#include <span>
#endif

static radam::GroupOptions releasing() {
  radam::GroupOptions options = group_options();
  options.gradient_release = true;
  return options;
}

static void adding_all_at_once() {
  float w[2][3] = {{1, 2, 3}, {4, 5, 6}}, g[3] = {1, 1, 1};
  radam::Param params[2];
  params[0].data = w[0];
  params[1].data = w[1];
  params[0].grad = params[1].grad = g;
  params[0].len = params[1].len = 3;
  params[1].name = "second";
  radam::Optimizer opt;
  const auto group = opt.add_group(group_options(), params);
  CHECK(group == 0 && opt.param_id("second") == 1);
  refused(RADAM_ERROR_INVALID_ARGUMENT, "\"second\"", [&] { opt.add_params(group, params); });
  opt.remove_param(0);
  opt.remove_param(1);
  CHECK(opt.add_params(group, params) == 2);
  opt.step();
  CHECK(opt.step_count(3) == 1);
}

static void steps_that_keep_no_pointer() {
  std::vector<float> w[3] = {numbers(1000, 1), numbers(1000, 1), numbers(1000, 1)};
  const std::vector<float> g = numbers(1000, 2);
  std::vector<float> registered = g;
  radam::Optimizer opt, twin;
  const auto group = opt.add_group(releasing());
  const auto by_container = opt.add_param<float>(group, 1000, "a"), by_pointer = opt.add_param<float>(group, 1000, "b");
  twin.add_param(twin.add_group(group_options()), w[2], registered);
  for (int round = 0; round < 7; round++) {
    std::vector<float> moved = w[0];  // at another address in each step
    opt.step_tensor(by_container, moved, g);
    w[0] = moved;
    opt.step_tensor(by_pointer, w[1].data(), g.data());
    twin.step();
    CHECK(same_bits(w[0], w[2]) && same_bits(w[1], w[2]));
  }
#ifdef __cpp_lib_span
  opt.step_tensor(by_container, std::span<float>(w[0]), std::span<const float>(g));
  twin.step();
  CHECK(same_bits(w[0], w[2]));
#endif
  opt.set_data(by_pointer, w[1]);
  opt.step_param(by_pointer, g);
  CHECK(opt.step_count(by_pointer) == 8);
}

static void clipping_across_tensors() {
  std::vector<float> w[4] = {numbers(500, 1), numbers(70, 2), numbers(500, 1), numbers(70, 2)};
  std::vector<float> g[2] = {numbers(500, 3), numbers(70, 4)};
  radam::Optimizer opt, twin;
  const auto group = opt.add_group(releasing()), all = twin.add_group(group_options());
  for (int i = 0; i < 2; i++) {
    opt.add_param<float>(group, w[i].size());
    twin.add_param(all, w[i + 2], g[i]);
  }
  radam::GradSums sums, second, measured;
  sums.add(g[0]);
  second.add(g[1].data(), g[1].size());
  sums += second;
  twin.measure(measured);
  CHECK(sums.norm() == measured.norm() && sums.norm() > 1 && sums.nonfinite() == 0);
  radam::StepOptions options;
  options.max_grad_norm = 1;
  const radam::StepReport expected = twin.step(options);
  CHECK(expected.grad_norm == sums.norm());
  options.grad_sums = &sums;
  for (std::uint32_t i = 0; i < 2; i++) {
    CHECK(opt.step_tensor(i, w[i], g[i], options).clip_coefficient == expected.clip_coefficient);
    CHECK(same_bits(w[i], w[i + 2]));
  }
  g[0][7] = NAN;
  radam::GradSums broken;
  broken.add(g[0]);
  CHECK(broken.nonfinite() == 1 && std::isnan(broken.norm()));
}

static void schedules_and_reports() {
  std::vector<float> w = numbers(10, 1), g = numbers(10, 2);
  radam::Optimizer opt;
  const auto group = opt.add_group(group_options());
  opt.add_param(group, w, g);
  opt.set_lr(group, 0.5);
  opt.set_weight_decay(group, 0.25);
  const radam::GroupReport report = opt.group_report(group);
  CHECK(opt.lr(group) == 0.5 && opt.weight_decay(group) == 0.25 && opt.group_options(group).max_lr == 0.01);
  CHECK(report.step == 1 && report.rectified == 0 && report.effective_lr == 0.5);
  CHECK(opt.advice().empty());
  radam::GroupOptions half = group_options();
  std::vector<radam::float16> h(4);
  opt.add_param(opt.add_group(half), h, nullptr);
  CHECK(opt.advice().find("f16") != std::string::npos && opt.advice().back() == '\n');

  opt.step({}, radam::no_report);
  opt.set_optimizer_accumulation(true);
  CHECK(opt.optimizer_accumulation());
  const std::vector<float> before = w;
  opt.step();
  CHECK(same_bits(w, before) && opt.step_count(0) == 2);
  opt.set_optimizer_accumulation(false);
  CHECK(!opt.optimizer_accumulation());
  opt.zero_grad();
  CHECK(same_bits(g, std::vector<float>(10)));
}

static void state_and_surgery() {
  std::vector<float> w = numbers(10, 1), g(10, 2.0f);
  std::vector<radam::bfloat16> b(10, radam::bfloat16(1)), bg = b;
  radam::Optimizer opt;
  const auto group = opt.add_group(group_options());
  radam::GroupOptions remainder = group_options();
  remainder.master_remainder = true;
  opt.add_param(group, w, g);
  opt.add_param(opt.add_group(remainder), b, bg);
  opt.step();
  radam::View<float> exp_avg = opt.state<float>(0, radam::State::exp_avg);
  CHECK(exp_avg.size() == 10 && exp_avg[3] > 0 && opt.state<float>(0, radam::State::kahan_comp).empty());
  CHECK(opt.state<std::int16_t>(1, radam::State::master_remainder).size() == 10);
  CHECK(opt.state<radam::bfloat16>(1, radam::State::exp_avg_sq).size() == 10);
#ifdef __cpp_lib_span
  const std::span<float> span = exp_avg;
  CHECK(span.data() == exp_avg.data() && span.size() == 10);
#endif
  exp_avg[3] = 7;
  CHECK(opt.state<float>(0, radam::State::exp_avg)[3] == 7);
  opt.set_step_count(0, 41);
  CHECK(opt.step_count(0) == 41);
  opt.set_frozen(0, true);
  opt.step();
  CHECK(opt.frozen(0) && opt.step_count(0) == 41 && opt.step_count(1) == 2);
  opt.reset_state(0);
  CHECK(exp_avg[3] == 0 && opt.step_count(0) == 0 && opt.step_count(1) == 2);
  opt.reset_state();
  CHECK(opt.step_count(1) == 0);
  opt.remove_param(0);
  refused(RADAM_ERROR_INVALID_ARGUMENT, "removed", [&] { opt.step_count(0); });
}

static void checkpoints(const std::string& path) {
  std::vector<float> w[2] = {numbers(2000, 1), numbers(2000, 1)}, g = numbers(2000, 2);
  radam::Optimizer opt, loaded;
  opt.add_param(opt.add_group(group_options()), w[0], g, "w");
  loaded.add_param(loaded.add_group(group_options(0.5)), w[1], g, "w");
  opt.step();
  w[1] = w[0];
  int calls = 0;
  radam::SaveOptions save;
  save.progress = [&](std::uint64_t done, std::uint64_t total) { return ++calls > 0 && done <= total; };
  opt.save(path, save);
  CHECK(calls > 0);
  loaded.load(path);
  CHECK(loaded.lr(0) == 0.01);  // options come from the file
  opt.step();
  loaded.step();
  CHECK(same_bits(w[0], w[1]));

  // Progress that cancels, and progress that throws.
  save.progress = [](std::uint64_t, std::uint64_t) { return false; };
  refused(RADAM_ERROR_IO, "cancel", [&] { opt.save(path, save); });
  radam::LoadOptions load;
  load.progress = [](std::uint64_t, std::uint64_t) -> bool { throw std::out_of_range("mine"); };
  bool is_thrown = false;
  try {
    loaded.load(path.c_str(), load);
  } catch (const std::out_of_range&) {
    is_thrown = true;
  }
  CHECK(is_thrown && loaded.step_count(0) == 2);

  load = {};
  load.hyperparameters = false;
  loaded.set_lr(0, 0.125);
  loaded.load(path, load);
  CHECK(loaded.lr(0) == 0.125 && loaded.step_count(0) == 1);
  const std::vector<std::byte> bytes = opt.save_to_buffer();
  loaded.load_from_buffer(bytes);
  loaded.load_from_buffer(bytes.data(), bytes.size());
  CHECK(loaded.step_count(0) == 2);
  loaded.load_shards({path.c_str()});
  loaded.load_shards(std::vector<std::string>{path});
  CHECK(loaded.step_count(0) == 1);
  load.strict = false;
  radam::Optimizer empty;
  refused(RADAM_ERROR_MISMATCH, "the file has \"w\"", [&] { empty.load(path); });
  empty.load(path, load);
  std::remove(path.c_str());
}

static void without_an_optimizer() {
  std::vector<float> w[2] = {numbers(100, 1), numbers(100, 1)}, g = numbers(100, 2), exp_avg(100), exp_avg_sq(100);
  radam::Optimizer opt;
  opt.add_param(opt.add_group(group_options()), w[0], g);
  for (std::uint64_t step = 1; step <= 8; step++) {
    opt.step();
    radam::update(w[1].data(), g.data(), exp_avg.data(), exp_avg_sq.data(), nullptr, 100, group_options(), step);
    CHECK(same_bits(w[0], w[1]));
  }
  refused(RADAM_ERROR_INVALID_ARGUMENT, "step is 0", [&] {
    radam::update(w[1].data(), g.data(), exp_avg.data(), exp_avg_sq.data(), nullptr, 100, group_options(), 0);
  });
}

int main(int, char** argv) {
  adding_all_at_once();
  steps_that_keep_no_pointer();
  clipping_across_tensors();
  schedules_and_reports();
  state_and_surgery();
  checkpoints(std::string(argv[0]) + ".radam");
  without_an_optimizer();
}
