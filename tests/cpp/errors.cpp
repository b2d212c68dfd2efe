// Errors are exceptions with the library's status and sentence, or with one of the header's own where C cannot check;
// what failed has changed nothing; and objects may be moved.
#include "check.hpp"

#include <array>
#include <type_traits>

static_assert(!std::is_copy_constructible_v<radam::Optimizer> && !std::is_copy_assignable_v<radam::Optimizer>);
static_assert(std::is_nothrow_move_constructible_v<radam::Optimizer> && std::is_nothrow_move_assignable_v<radam::Optimizer>);
static_assert(!std::is_convertible_v<radam::GroupId, radam::ParamId> && !std::is_convertible_v<radam::ParamId, radam::GroupId>);
static_assert(std::is_convertible_v<std::uint32_t, radam::ParamId> && std::is_convertible_v<radam::ParamId, std::uint32_t>);
static_assert(!std::is_constructible_v<radam::Array, const float*> && std::is_constructible_v<radam::ConstArray, const float*>);

static void the_librarys_sentences() {
  radam::Optimizer opt;
  refused(RADAM_ERROR_INVALID_ARGUMENT, "lr is NaN", [&] { opt.add_group(radam::GroupOptions{}); });
  const auto group = opt.add_group(group_options());
  refused(RADAM_ERROR_INVALID_ARGUMENT, "group is 7", [&] { opt.set_lr(7, 0.1); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "lr is -1", [&] { opt.set_lr(group, -1); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "param is 3", [&] { opt.step_count(3); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "no_such", [&] { opt.param_id("no_such"); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "dtype is 0", [&] { opt.add_param(group, nullptr, nullptr, 3); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "num_threads is 9999", [] {
    radam::Options options;
    options.num_threads = 9999;
    radam::Optimizer{options};
  });
  refused(RADAM_ERROR_IO, "/no/such/folder", [&] { opt.save("/no/such/folder/run.radam"); });
  refused(RADAM_ERROR_IO, "/no/such/folder", [&] { opt.load(std::string("/no/such/folder/run.radam")); });
  refused(RADAM_ERROR_CORRUPT, "", [&] { opt.load_from_buffer(std::vector<std::byte>(20)); });
  CHECK(opt.param_name(3).empty());
}

static void what_c_cannot_check() {
  std::vector<float> w = numbers(10, 1), g = numbers(10, 2), expected = w;
  std::vector<double> wide(10);
  std::array<float, 9> shorter{};
  radam::GroupOptions options = group_options();
  options.gradient_release = true;
  radam::Optimizer opt;
  const auto group = opt.add_group(options);
  refused(RADAM_ERROR_INVALID_ARGUMENT, "grad has 9 elements; it must have 10", [&] { opt.add_param(group, w, shorter); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "data has 9 elements; it must have 10", [&] { opt.add_param(group, shorter, g, 10); });
  CHECK(opt.add_param(group, w, g) == 0);
  refused(RADAM_ERROR_INVALID_ARGUMENT, "grad is an array of f64; that of parameter 0 must be one of f32", [&] { opt.set_grad(0, wide); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "data is an array of f64", [&] { opt.set_data(0, wide.data()); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "grad has 9 elements", [&] { opt.set_grad(0, shorter); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "grad is an array of f64", [&] { opt.step_param(0, wide.data()); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "data is an array of f64", [&] { opt.step_tensor(0, wide.data(), g.data()); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "grad has 9 elements", [&] { opt.step_tensor(0, w, shorter); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "data has 9 elements", [&] { opt.step_tensor(0, shorter, g, {}); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "grad is an array of f64", [&] { opt.step_tensor(0, w, wide, {}, radam::no_report); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "the state is an array of f64; that of parameter 0 must be one of f32",
          [&] { opt.state<double>(0, radam::State::exp_avg); });
  CHECK(opt.step_count(0) == 0 && same_bits(w, expected));
  opt.set_grad(0, nullptr);
  opt.set_data(0, nullptr);
  CHECK(opt.param(0).data.address == nullptr);
}

static void moved_from_and_taken_over() {
  radam::Optimizer opt;
  opt.add_group(group_options());
  radam_optimizer* const handle = opt.handle();
  radam::Optimizer other = std::move(opt);
  CHECK(other.handle() == handle && opt.handle() == nullptr);
  refused(RADAM_ERROR_INVALID_HANDLE, "opt is NULL", [&] { opt.step(); });
  opt = std::move(other);
  CHECK(opt.lr(0) == 0.01);

  // A handle of C is freed with the optimizer that took it over.
  radam_optimizer* c = nullptr;
  ok(radam_create(nullptr, &c));
  { radam::Optimizer owner(c); }
  CHECK(radam_free(c) == RADAM_ERROR_INVALID_HANDLE);
}

int main() {
  the_librarys_sentences();
  what_c_cannot_check();
  moved_from_and_taken_over();
}
