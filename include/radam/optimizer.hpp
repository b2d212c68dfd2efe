// The optimizer. Part of radam.hpp. SPDX: MIT OR Apache-2.0
#ifndef RADAM_OPTIMIZER_HPP
#define RADAM_OPTIMIZER_HPP

#include "../radam.h"
#include "checks.hpp"
#include "elements.hpp"
#include "errors.hpp"
#include "options.hpp"
#include "steps.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace radam {

// An optimizer (radam_optimizer): move-only, freed by its destructor.
//
// Arrays that are registered with add_param, set_data and set_grad belong to the caller and must stay where they are;
// step_tensor keeps no pointer. Calls may overlap as radam.h says: getters at any time, step_param and step_tensor for
// different parameters.
template <class Errors>
class BasicOptimizer {
  template <class T>
  using R = typename Errors::template Result<T>;

 public:
  using SlicedStep = BasicSlicedStep<Errors>;

  // An optimizer without parameters. With radam::nothrow, its handle is null if there cannot be one; create() says why.
  BasicOptimizer() : BasicOptimizer(Options{}) {}
  explicit BasicOptimizer(const Options& options) : executor_(options.executor) {
    const radam_options c = options.c();
    static_cast<void>(Errors::outcome(radam_create(&c, &handle_)));
  }
  static R<BasicOptimizer> create(const Options& options = {}) {
    BasicOptimizer optimizer(nullptr);
    optimizer.executor_ = options.executor;
    const radam_options c = options.c();
    const radam_status status = radam_create(&c, &optimizer.handle_);
    return Errors::outcome(status, std::move(optimizer));
  }
  // Takes over an optimizer of C.
  explicit BasicOptimizer(radam_optimizer* handle) noexcept : handle_(handle) {}

  BasicOptimizer(const BasicOptimizer&) = delete;
  BasicOptimizer(BasicOptimizer&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)),
        executor_(std::move(other.executor_)),
        shapes_(std::move(other.shapes_)) {}
  BasicOptimizer& operator=(BasicOptimizer other) noexcept {  // which frees what this one had
    std::swap(handle_, other.handle_);
    std::swap(executor_, other.executor_);
    std::swap(shapes_, other.shapes_);
    return *this;
  }
  ~BasicOptimizer() {
    if (handle_ != nullptr) radam_free(handle_);
  }

  // For calls of C. It stays valid until the optimizer is destroyed or assigned over, wherever the object is moved.
  radam_optimizer* handle() const noexcept { return handle_; }

  // ---- Groups and parameters

  // Adds a group without parameters, and returns its id.
  R<GroupId> add_group(const GroupOptions& options) { return add_group(options, View<const Param>()); }

  // Adds a group with parameters: all of it or, on error, nothing.
  R<GroupId> add_group(const GroupOptions& options, View<const Param> params) {
    const radam_group_options c = options.c();
    std::vector<radam_param> described;
    if (const Outcome fit = describe(params, described); !fit) return Errors::outcome(fit, GroupId());
    shapes_.reserve(shapes_.size() + described.size());
    std::uint32_t group = 0;
    const radam_status status = radam_add_param_group(handle_, &c, described.data(), described.size(), &group);
    // The ids of its parameters are not told. They follow the known ones, unless others were added through handle().
    const auto next = static_cast<std::uint32_t>(shapes_.size());
    radam_param param{};
    std::uint32_t group_of_next = 0;
    if (status == RADAM_OK && !described.empty() &&
        detail::find(handle_, next, &param, &group_of_next) == RADAM_OK && group_of_next == group) {
      remember_shapes(next, described.data(), described.size());
    }
    return Errors::outcome(status, GroupId(group));
  }

  // Adds parameters to a group, all or none of them, and returns the id of the first; the others' follow.
  R<ParamId> add_params(GroupId group, View<const Param> params) {
    std::vector<radam_param> described;
    if (const Outcome fit = describe(params, described); !fit) return Errors::outcome(fit, ParamId());
    return add(group, described.data(), described.size());
  }

  // The same for a list: add_group(options, {weight, bias}).
  R<GroupId> add_group(const GroupOptions& options, std::initializer_list<Param> params) {
    return add_group(options, View<const Param>(params.begin(), params.size()));
  }
  R<ParamId> add_params(GroupId group, std::initializer_list<Param> params) {
    return add_params(group, View<const Param>(params.begin(), params.size()));
  }

  // Adds one parameter to a group, and returns its id.
  R<ParamId> add_param(GroupId group, const Param& param) { return add_params(group, View<const Param>(&param, 1)); }

  // Adds n elements at data, whose gradient is at grad. grad may be nullptr until set_grad.
  R<ParamId> add_param(GroupId group, Array data, Array grad, std::uint64_t n, Text name = {}) {
    if (!detail::has_size(data, n)) return Errors::outcome(detail::wrong_size("data", data, n), ParamId());
    if (!detail::has_size(grad, n)) return Errors::outcome(detail::wrong_size("grad", grad, n), ParamId());
    Param param;
    param.data = data;
    param.grad = grad;
    param.len = n;
    param.name = name.c_str();
    const radam_param c = param.c();
    return add(group, &c, 1);
  }

  // The same for a contiguous container, such as std::vector or std::span.
  template <class Data, class = decltype(std::size(std::declval<Data&>()))>
  R<ParamId> add_param(GroupId group, Data&& data, Array grad, Text name = {}) {
    static_assert(std::is_convertible_v<Data&, Array>,
                  "data must be a contiguous container (one with data() and size()), whose elements are not const");
    const Array array = data;
    return add_param(group, array, grad, array.size, name);
  }

  // Adds an unbound parameter of n elements of T with gradients of G, for step_tensor.
  template <class T, class G = T>
  R<ParamId> add_param(GroupId group, std::uint64_t n, Text name = {}) {
    return add_param(group, Array::none<T>(), Array::none<G>(), n, name);
  }

  // What is registered of a parameter, except for its name.
  R<Param> param(ParamId param) const {
    radam_param c{};
    const radam_status status = detail::find(handle_, param, &c);
    return Errors::outcome(status, Param::from(c));
  }

  // The group of a parameter.
  R<GroupId> group_of(ParamId param) const {
    radam_param c{};
    std::uint32_t group = 0;
    const radam_status status = detail::find(handle_, param, &c, &group);
    return Errors::outcome(status, GroupId(group));
  }

  // The parameter of this name, given or default.
  R<ParamId> param_id(Text name) const {
    std::uint32_t id = 0;
    const radam_status status = radam_param_id(handle_, name.c_str(), &id);
    return Errors::outcome(status, ParamId(id));
  }

  // The name of a parameter, given or default.
  R<std::string> param_name(ParamId param) const {
    radam_param c{};
    const radam_status status = detail::find(handle_, param, &c);
    return Errors::outcome(status, text([&](char* buffer, std::uint64_t size) {
                             return radam_param_name(handle_, param, buffer, size);
                           }));
  }

  // Sets the address of a parameter's elements; nullptr unbinds it.
  R<void> set_data(ParamId param, Array data) {
    if (const Outcome fit = check_arrays(param, data, Array()); !fit) return Errors::outcome(fit);
    return Errors::outcome(radam_set_data(handle_, param, data.address));
  }

  // Sets the address of a parameter's gradient; nullptr: it has none.
  R<void> set_grad(ParamId param, Array grad) {
    if (const Outcome fit = check_arrays(param, nullptr, grad); !fit) return Errors::outcome(fit);
    return Errors::outcome(radam_set_grad(handle_, param, grad.address));
  }

  // Sets the addresses of count parameters from first on, all or none. data or grads nullptr: those stay as they are.
  R<void> set_tensors(ParamId first, std::uint64_t count, void* const* data, void* const* grads) {
    return Errors::outcome(radam_set_tensors(handle_, first, count, data, grads));
  }

  // ---- Options

  R<GroupOptions> group_options(GroupId group) const {
    radam_group_options c{};
    radam_group_options_init(&c, sizeof c);
    const radam_status status = radam_get_group_options(handle_, group, &c);
    return Errors::outcome(status, GroupOptions::from(c));
  }
  R<void> set_group_options(GroupId group, const GroupOptions& options) {
    const radam_group_options c = options.c();
    return Errors::outcome(radam_set_group_options(handle_, group, &c));
  }

  R<double> lr(GroupId group) const {
    double lr = 0;
    const radam_status status = radam_get_lr(handle_, group, &lr);
    return Errors::outcome(status, lr);
  }
  R<void> set_lr(GroupId group, double lr) { return Errors::outcome(radam_set_lr(handle_, group, lr)); }

  R<double> weight_decay(GroupId group) const {
    double weight_decay = 0;
    const radam_status status = radam_get_weight_decay(handle_, group, &weight_decay);
    return Errors::outcome(status, weight_decay);
  }
  R<void> set_weight_decay(GroupId group, double weight_decay) {
    return Errors::outcome(radam_set_weight_decay(handle_, group, weight_decay));
  }

  // The scalars of a group's next step.
  R<GroupReport> group_report(GroupId group) const {
    radam_group_report report{};
    radam_group_report_init(&report, sizeof report);
    const radam_status status = radam_get_group_report(handle_, group, &report);
    return Errors::outcome(status, report);
  }

  // Sentences on settings that are allowed but known to make training fail, one a line; empty if there are none.
  std::string advice() const {
    return text([&](char* buffer, std::uint64_t size) { return radam_advice(handle_, buffer, size); });
  }

  // ---- Steps

  // With Device::cuda, the stream that calls are enqueued on from now on.
  R<void> set_stream(void* stream) { return Errors::outcome(radam_set_stream(handle_, stream)); }

  // Updates every parameter that has a gradient.
  R<void> step() { return Errors::outcome(radam_step(handle_)); }

  // The same with scaling, clipping, skipping and zeroing; the gradients are measured for the report.
  R<StepReport> step(const StepOptions& options) {
    const radam_step_options c = options.c();
    radam_step_report report{};
    radam_step_report_init(&report, sizeof report);
    const radam_status status = radam_step_with(handle_, &c, &report);
    return Errors::outcome(status, report);
  }

  // The same without a report: step({.grad_scale = 1 / scale}, radam::no_report).
  R<void> step(const StepOptions& options, NoReport) {
    const radam_step_options c = options.c();
    return Errors::outcome(radam_step_with(handle_, &c, nullptr));
  }

  // Opens a step that is run in slices.
  R<SlicedStep> begin_step(const StepOptions& options = {}) {
    const radam_step_options c = options.c();
    const radam_status status = radam_step_begin(handle_, &c);
    return Errors::outcome(status, SlicedStep(status == RADAM_OK ? handle_ : nullptr));
  }

  // Updates one parameter of a group with gradient_release, whose elements are registered.
  R<void> step_param(ParamId param, ConstArray grad) {
    if (const Outcome fit = check_arrays(param, nullptr, grad); !fit) return Errors::outcome(fit);
    return Errors::outcome(radam_step_param(handle_, param, grad.address));
  }

  // Updates one parameter of a group with gradient_release in arrays of its length, and keeps no pointer to them. With
  // options, grad is not const, since zero_grad writes to it.
  R<void> step_tensor(ParamId param, Array data, ConstArray grad) {
    if (const Outcome fit = check_arrays(param, data, grad); !fit) return Errors::outcome(fit);
    void* only_read = const_cast<void*>(grad.address);
    return Errors::outcome(radam_step_tensor(handle_, param, data.address, only_read, nullptr, nullptr));
  }
  R<StepReport> step_tensor(ParamId param, Array data, Array grad, const StepOptions& options) {
    radam_step_report report{};
    radam_step_report_init(&report, sizeof report);
    const Outcome outcome = step_tensor(param, data, grad, options, &report);
    return Errors::outcome(outcome, report);
  }
  R<void> step_tensor(ParamId param, Array data, Array grad, const StepOptions& options, NoReport) {
    return Errors::outcome(step_tensor(param, data, grad, options, static_cast<radam_step_report*>(nullptr)));
  }

  // Adds to sums the gradients that step() would use.
  R<void> measure(radam_grad_sums& sums) { return Errors::outcome(radam_measure(handle_, &sums)); }

  R<void> zero_grad() { return Errors::outcome(radam_zero_grad(handle_)); }

  // While on, steps change exp_avg and exp_avg_sq but not the parameters.
  R<void> set_optimizer_accumulation(bool on) { return Errors::outcome(radam_set_optimizer_accumulation(handle_, on)); }
  R<bool> optimizer_accumulation() const {
    radam_toggle on = RADAM_OFF;
    const radam_status status = radam_get_optimizer_accumulation(handle_, &on);
    return Errors::outcome(status, on == RADAM_ON);
  }

  // ---- State

  R<std::uint64_t> step_count(ParamId param) const {
    std::uint64_t steps = 0;
    const radam_status status = radam_step_count(handle_, param, &steps);
    return Errors::outcome(status, steps);
  }
  R<void> set_step_count(ParamId param, std::uint64_t steps) {
    return Errors::outcome(radam_set_step_count(handle_, param, steps));
  }

  // Steps skip a frozen parameter. (With radam::nothrow, *opt.frozen(param) is the answer.)
  R<void> set_frozen(ParamId param, bool frozen) { return Errors::outcome(radam_set_frozen(handle_, param, frozen)); }
  R<bool> frozen(ParamId param) const {
    radam_toggle frozen = RADAM_OFF;
    const radam_status status = radam_get_frozen(handle_, param, &frozen);
    return Errors::outcome(status, frozen == RADAM_ON);
  }

  R<void> remove_param(ParamId param) { return Errors::outcome(radam_remove_param(handle_, param)); }

  // Resets the state of one parameter, or of all, to that before the first step.
  R<void> reset_state(ParamId param) { return Errors::outcome(radam_reset_state(handle_, param)); }
  R<void> reset_state() { return Errors::outcome(radam_reset_state(handle_, UINT32_MAX)); }

  // An array of a parameter's state, which may be read and written between calls; empty if it has no such array. T is
  // its type: that of the state (int16_t for master_remainder). With Dtype::q8, exp_avg is of int8_t, exp_avg_sq of
  // uint8_t, and state_scale of uint32_t, one for each block of 128 elements.
  template <class T>
  R<View<T>> state(ParamId param, State which) const {
    radam_param c{};
    void* array = nullptr;
    radam_dtype dtype = 0;
    radam_status status = radam_param_state(handle_, param, static_cast<radam_state>(which), &array, &dtype);
    if (status == RADAM_OK) status = detail::find(handle_, param, &c);
    if (status != RADAM_OK || array == nullptr) return Errors::outcome(status, View<T>());
    const char *given = detail::state_type<T>(), *expected = detail::state_type(which, dtype);
    if (std::strcmp(given, expected) != 0) {
      return Errors::outcome(detail::wrong_type("the state", given, expected, param), View<T>());
    }
    const auto size = static_cast<std::size_t>(detail::state_size(which, c.len));
    return Errors::outcome(status, View<T>(static_cast<T*>(array), size));
  }

  // ---- Checkpoints

  // Saves the state, step counts and options to a file, whole or not at all.
  R<void> save(Text path, const SaveOptions& options = {}) {
    radam_save_options c{};
    radam_save_options_init(&c, sizeof c);
    detail::ProgressCall progress(options.progress);
    progress.set(c);
    const radam_status status = radam_save_with(handle_, path.c_str(), &c);
    progress.rethrow();
    return Errors::outcome(status);
  }

  R<std::vector<std::byte>> save_to_buffer() {
    std::vector<std::byte> buffer;
    std::uint64_t size = 0;
    radam_status status = radam_save_to_buffer(handle_, nullptr, 0, &size);
    if (status == RADAM_OK) {
      buffer.resize(static_cast<std::size_t>(size));
      status = radam_save_to_buffer(handle_, buffer.data(), size, &size);
    }
    return Errors::outcome(status, std::move(buffer));
  }

  // Loads a checkpoint into an optimizer that has its groups and parameters.
  R<void> load(Text path, const LoadOptions& options = {}) {
    return loaded(options, [&](const radam_load_options* c) { return radam_load_with(handle_, path.c_str(), c); });
  }
  R<void> load_from_buffer(const void* buffer, std::uint64_t size, const LoadOptions& options = {}) {
    return loaded(options, [&](const radam_load_options* c) { return radam_load_from_buffer(handle_, buffer, size, c); });
  }
  R<void> load_from_buffer(View<const std::byte> buffer, const LoadOptions& options = {}) {
    return load_from_buffer(buffer.data(), buffer.size(), options);
  }

  // Loads the checkpoints of several processes, a range of paths.
  template <class Paths = std::initializer_list<const char*>>
  R<void> load_shards(const Paths& paths, const LoadOptions& options = {}) {
    static_assert(std::is_reference_v<decltype(*std::begin(paths))>, "paths must hold the strings, not make them");
    std::vector<const char*> texts;
    texts.reserve(1);  // so that there is an array of no paths, too
    for (const auto& path : paths) texts.push_back(Text(path).c_str());
    return loaded(options, [&](const radam_load_options* c) {
      return radam_load_shards(handle_, texts.data(), texts.size(), c);
    });
  }

 private:
  static Outcome describe(View<const Param> params, std::vector<radam_param>& described) {
    described.reserve(params.size());
    for (const Param& param : params) {
      if (const Outcome fit = detail::check_sizes(param); !fit) return fit;
      described.push_back(param.c());
    }
    return {};
  }

  R<ParamId> add(GroupId group, const radam_param* params, std::size_t count) {
    shapes_.reserve(shapes_.size() + count);
    std::uint32_t first = 0;
    const radam_status status = radam_add_params(handle_, group, params, count, &first);
    if (status == RADAM_OK) remember_shapes(first, params, count);
    return Errors::outcome(status, ParamId(first));
  }

  // There is room for them already.
  void remember_shapes(std::uint32_t first, const radam_param* params, std::size_t count) noexcept {
    if (first != shapes_.size()) return;  // others were added through handle(); the library is asked for the shapes
    for (std::size_t i = 0; i < count; i++) shapes_.emplace_back(params[i]);
  }

  template <class Void>
  Outcome check_arrays(ParamId param, Array data, BasicArray<Void> grad) const {
    if (param < shapes_.size()) return detail::check_arrays(shapes_[param], param, data, grad);
    radam_param found{};
    const radam_status status = detail::find(handle_, param, &found);
    if (status != RADAM_OK) return detail::Returning::outcome(status);
    return detail::check_arrays(detail::Shape(found), param, data, grad);
  }

  // A text that the library copies, as long as it turns out to be.
  template <class Copy>
  static std::string text(Copy copy) {
    std::string text;
    for (std::uint64_t needed = copy(nullptr, 0); needed > text.size() + 1;) {
      text.resize(static_cast<std::size_t>(needed - 1));
      needed = copy(text.data(), needed);
    }
    text.resize(std::strlen(text.c_str()));
    return text;
  }

  Outcome step_tensor(ParamId param, Array data, Array grad, const StepOptions& options, radam_step_report* report) {
    if (const Outcome fit = check_arrays(param, data, grad); !fit) return fit;
    const radam_step_options c = options.c();
    return detail::Returning::outcome(radam_step_tensor(handle_, param, data.address, grad.address, &c, report));
  }

  template <class Load>
  R<void> loaded(const LoadOptions& options, Load load) {
    radam_load_options c{};
    radam_load_options_init(&c, sizeof c);
    c.strict = options.strict;
    c.hyperparameters = options.hyperparameters;
    c.convert_state = options.convert_state;
    detail::ProgressCall progress(options.progress);
    progress.set(c);
    const radam_status status = load(&c);
    progress.rethrow();
    return Errors::outcome(status);
  }

  radam_optimizer* handle_ = nullptr;
  Executor executor_{};  // kept for as long as the library may call it
  // Of the first parameters, up to one that was added through handle(): so that checks of arrays need no call.
  std::vector<detail::Shape> shapes_{};
};

}  // namespace radam
#endif  // RADAM_OPTIMIZER_HPP
