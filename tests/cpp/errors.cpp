// Errors are exceptions with the library's status and sentence, or with one of the header's own where C cannot check;
// what failed has changed nothing; and objects may be moved.
#include "check.hpp"

#include <array>
#include <type_traits>
#include <unordered_map>

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
  refused(RADAM_ERROR_INVALID_ARGUMENT, "param is 3", [&] { opt.param_name(3); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "param is 4294967294", [&] { opt.reset_state(radam::ParamId()); });
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
  float c_array[9]{};
  refused(RADAM_ERROR_INVALID_ARGUMENT, "grad has 9 elements", [&] { opt.set_grad(0, c_array); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "grad has 9 elements", [&] { opt.step_param(0, c_array); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "grad has 9 elements", [&] { opt.add_param(group, w, c_array); });
  radam::Param param;
  param.data = w.data();
  refused(RADAM_ERROR_INVALID_ARGUMENT, "len is not set", [&] { opt.add_param(group, param); });
  param.data = wide;
  param.copy = c_array;
  refused(RADAM_ERROR_INVALID_ARGUMENT, "copy has 9 elements; it must have 10", [&] { opt.add_group(options, {param}); });
  param.copy = nullptr;
  const radam::GroupId another = opt.add_group(options, {param, radam::Param{radam::Array::none<double>(), {}, 3}});
  CHECK(opt.group_of(1) == another && opt.param(1).len == 10 && opt.param(2).len == 3);
  refused(RADAM_ERROR_INVALID_ARGUMENT, "grad is an array of f32", [&] { opt.set_grad(1, g); });

  // Parameters that were added in C are checked too.
  ok(radam_add_param(opt.handle(), group, RADAM_DTYPE_F64, 0, nullptr, nullptr, 7, nullptr, nullptr));
  CHECK(opt.add_param<float>(group, 5) == 4);
  refused(RADAM_ERROR_INVALID_ARGUMENT, "grad is an array of f32; that of parameter 3", [&] { opt.set_grad(3, g); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "grad has 10 elements; it must have 7", [&] { opt.set_grad(3, wide); });
  refused(RADAM_ERROR_INVALID_ARGUMENT, "grad has 10 elements; it must have 5", [&] { opt.set_grad(4, g); });

  opt.set_grad(0, nullptr);
  opt.set_data(0, nullptr);
  CHECK(opt.param(0).data.address == nullptr);
}

static_assert(std::is_default_constructible_v<std::unordered_map<radam::ParamId, int>>);

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
