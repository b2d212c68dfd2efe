// Compiled with -fno-exceptions and -fno-rtti: every call returns an outcome or a result with the sentence.
#include "check.hpp"

#include <array>

namespace rd = radam::nothrow;

static void is_refused(const radam::Outcome& outcome, radam_status status, const char* word) {
  if (!outcome && outcome.code() == status && std::strstr(outcome.message(), word) != nullptr) return;
  std::fprintf(stderr, "expected %s with \"%s\", but got %s: %s\n", radam_status_string(status), word,
               radam_status_string(outcome.code()), outcome.message());
  std::exit(1);
}

// A result that must be there.
template <class T>
static T must(radam::Result<T> result) {
  if (!result) std::fprintf(stderr, "%s\n", result.message());
  CHECK(result.ok());
  return std::move(*result);
}

int main() {
  radam::Options options;
  options.num_threads = 9999;
  is_refused(rd::Optimizer::create(options), RADAM_ERROR_INVALID_ARGUMENT, "num_threads is 9999");
  CHECK(rd::Optimizer(options).handle() == nullptr);
  rd::Optimizer opt = must(rd::Optimizer::create());

  is_refused(opt.add_group({}), RADAM_ERROR_INVALID_ARGUMENT, "lr is NaN");
  const auto group = must(opt.add_group(group_options()));
  std::array<float, 4> w{1, 2, 3, 4}, g{1, 1, 1, 1};
  std::array<float, 3> shorter{};
  is_refused(opt.add_param(group, w, shorter), RADAM_ERROR_INVALID_ARGUMENT, "grad has 3 elements");
  const auto param = must(opt.add_param(group, w, g, "w"));
  radam::StepOptions step;
  step.max_grad_norm = 1;
  const radam::StepReport report = must(opt.step(step));
  CHECK(report.params_stepped == 1 && report.grad_norm == 2 && w[0] < 1);
  CHECK(opt.step().ok() && must(opt.step_count(param)) == 2 && must(opt.param(param)).len == 4);
  CHECK(must(opt.state<float>(param, radam::State::exp_avg)).size() == 4);
  is_refused(opt.state<double>(param, radam::State::exp_avg), RADAM_ERROR_INVALID_ARGUMENT, "array of f64");
  is_refused(opt.set_lr(7, 1), RADAM_ERROR_INVALID_ARGUMENT, "group is 7");
  is_refused(opt.step_param(param, g), RADAM_ERROR_INVALID_STATE, "gradient_release");
  is_refused(opt.load("/no/such/file"), RADAM_ERROR_IO, "/no/such/file");

  auto sliced = must(opt.begin_step(step));
  is_refused(opt.step(), RADAM_ERROR_BUSY, "open step");
  for (auto wave : sliced.waves()) {
    for (std::uint64_t chunk = 0; chunk < wave.size(); chunk++) CHECK(wave.step(chunk).ok());
    is_refused(wave.step(wave.size()), RADAM_ERROR_INVALID_ARGUMENT, "chunk is");
  }
  CHECK(must(sliced.end()).params_stepped == 1);
  is_refused(sliced.end(), RADAM_ERROR_INVALID_HANDLE, "NULL");

  rd::GradSums sums;
  CHECK(sums.add(g).ok() && must(sums.norm()) == 2 && must(sums.nonfinite()) == 0);
  sums.words[0] = -1;
  is_refused(sums.norm(), RADAM_ERROR_INVALID_ARGUMENT, "words");

  float x = 1, grad = 1, exp_avg = 0, exp_avg_sq = 0;
  CHECK(rd::update(&x, &grad, &exp_avg, &exp_avg_sq, nullptr, 1, group_options(), 1).ok() && x < 1);
  is_refused(rd::update(&x, &grad, &exp_avg, &exp_avg_sq, nullptr, 1, group_options(), 0), RADAM_ERROR_INVALID_ARGUMENT, "step is 0");
}
