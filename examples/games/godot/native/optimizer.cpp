// SPDX: MIT OR Apache-2.0
#include "optimizer.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <utility>
#include <variant>

namespace {

template <class Options>
using Members =
    std::map<std::string, std::variant<double Options::*, std::optional<double> Options::*, bool Options::*>>;

// The options that a dictionary has, under their names in C++, and the defaults for the others.
template <class Options>
Options read_options(const Value& dictionary, const Members<Options>& members) {
  Options options;
  dictionary.for_each([&](const Value& value) {
    const auto found = members.find(value.name());
    if (found == members.end()) {
      std::string names;
      for (const auto& member : members) names += " " + member.first;
      throw std::invalid_argument("there is no option " + value.name() + "; the options are" + names);
    }
    const auto set = [&](auto member) {
      if constexpr (std::is_same_v<decltype(member), bool Options::*>) {
        options.*member = value.boolean();
      } else {
        options.*member = value.number();
      }
    };
    std::visit(set, found->second);
  });
  return options;
}

radam::GroupOptions group_options(const Value& dictionary) {
  using Group = radam::GroupOptions;
  static const Members<Group> members{
      {"lr", &Group::lr},
      {"beta1", &Group::beta1},
      {"beta2", &Group::beta2},
      {"eps", &Group::eps},
      {"weight_decay", &Group::weight_decay},
      {"decouple_wd", &Group::decouple_wd},
      {"decouple_lr", &Group::decouple_lr},
      {"max_lr", &Group::max_lr},
      {"maximize", &Group::maximize},
      {"rectify", &Group::rectify},
      {"rectify_threshold", &Group::rectify_threshold},
      {"unrectified", &Group::unrectified},
  };
  return read_options(dictionary, members);
}

radam::StepOptions step_options(const Arguments& arguments) {
  using Step = radam::StepOptions;
  static const Members<Step> members{
      {"grad_scale", &Step::grad_scale},         {"max_grad_norm", &Step::max_grad_norm},
      {"max_grad_value", &Step::max_grad_value}, {"skip_nonfinite", &Step::skip_nonfinite},
      {"zero_grad", &Step::zero_grad},           {"report_norms", &Step::report_norms},
  };
  return arguments.count() > 0 ? read_options(arguments.get(0, "options"), members) : Step();
}

Variant variant_of(const radam::StepReport& report) {
  return Dictionary()
      .set("skipped", report.skipped != 0)
      .set("nonfinite", report.nonfinite)
      .set("grad_norm", report.grad_norm)
      .set("clip_coefficient", report.clip_coefficient)
      .set("update_norm", report.update_norm)
      .set("param_norm", report.param_norm)
      .set("params_stepped", report.params_stepped)
      .to_variant();
}

}  // namespace

const std::vector<Method<Optimizer>>& Optimizer::methods() {
  static const std::vector<Method<Optimizer>> methods{
      {"add_group", 1, 1, &Optimizer::add_group},   {"add_param", 3, 3, &Optimizer::add_param},
      {"get_param", 1, 1, &Optimizer::get_param},   {"set_param", 2, 2, &Optimizer::set_param},
      {"set_grad", 2, 2, &Optimizer::set_grad},     {"set_frozen", 2, 2, &Optimizer::set_frozen},
      {"is_frozen", 1, 1, &Optimizer::is_frozen},   {"remove_param", 1, 1, &Optimizer::remove_param},
      {"get_lr", 1, 1, &Optimizer::get_lr},         {"set_lr", 2, 2, &Optimizer::set_lr},
      {"step", 0, 1, &Optimizer::step},             {"group_report", 1, 1, &Optimizer::group_report},
      {"begin_step", 0, 1, &Optimizer::begin_step}, {"step_for", 1, 1, &Optimizer::step_for},
      {"next_wave", 0, 0, &Optimizer::next_wave},   {"end_step", 0, 0, &Optimizer::end_step},
      {"abort_step", 0, 0, &Optimizer::abort_step}, {"save", 1, 1, &Optimizer::save},
      {"load", 1, 1, &Optimizer::load},             {"get_error", 0, 0, &Optimizer::get_error},
  };
  return methods;
}

// ---- Groups and parameters

Variant Optimizer::add_group(const Arguments& arguments) {
  return variant(std::uint32_t(optimizer_.add_group(group_options(arguments.get(0, "options")))));
}

Variant Optimizer::add_param(const Arguments& arguments) {
  const radam::GroupId group = arguments.get(0, "group").id();
  const std::string name = arguments.get(1, "name").string();
  params_.reserve(params_.size() + 1);  // nothing fails once the optimizer has the parameter
  Param param{arguments.get(2, "values").array(), {}};
  param.grad.resize(param.values.size());
  const radam::ParamId id = optimizer_.add_param(group, param.values, nullptr, name);
  params_.push_back(std::move(param));
  return variant(std::uint32_t(id));
}

// A parameter that no step is using: the library refuses to set an address while one is open.
Optimizer::Param& Optimizer::idle_param(radam::ParamId id) {
  if (id >= params_.size() || !params_[id]) {
    throw std::invalid_argument("param is " + std::to_string(id) +
                                "; it must be a number that add_param has returned, of a parameter that is still there");
  }
  optimizer_.set_data(id, params_[id]->values);
  return *params_[id];
}

Variant Optimizer::get_param(const Arguments& arguments) {
  return variant(idle_param(arguments.get(0, "param").id()).values);
}

namespace {

void copy(const std::vector<float>& from, std::vector<float>& to, const char* name) {
  if (from.size() != to.size()) {
    throw std::invalid_argument(std::string(name) + " has " + std::to_string(from.size()) +
                                " elements; it must have the parameter's " + std::to_string(to.size()));
  }
  std::copy(from.begin(), from.end(), to.begin());
}

}  // namespace

Variant Optimizer::set_param(const Arguments& arguments) {
  copy(arguments.get(1, "values").array(), idle_param(arguments.get(0, "param").id()).values, "values");
  return variant(0);
}

Variant Optimizer::set_grad(const Arguments& arguments) {
  const radam::ParamId id = arguments.get(0, "param").id();
  Param& param = idle_param(id);
  copy(arguments.get(1, "grad").array(), param.grad, "grad");
  optimizer_.set_grad(id, param.grad);
  return variant(0);
}

Variant Optimizer::set_frozen(const Arguments& arguments) {
  optimizer_.set_frozen(arguments.get(0, "param").id(), arguments.get(1, "frozen").boolean());
  return variant(0);
}

Variant Optimizer::is_frozen(const Arguments& arguments) {
  return variant(optimizer_.frozen(arguments.get(0, "param").id()));
}

Variant Optimizer::remove_param(const Arguments& arguments) {
  const radam::ParamId id = arguments.get(0, "param").id();
  optimizer_.remove_param(id);
  params_[id].reset();
  return variant(0);
}

Variant Optimizer::get_lr(const Arguments& arguments) {
  return variant(optimizer_.lr(arguments.get(0, "group").id()));
}

Variant Optimizer::set_lr(const Arguments& arguments) {
  optimizer_.set_lr(arguments.get(0, "group").id(), arguments.get(1, "lr").number());
  return variant(0);
}

Variant Optimizer::group_report(const Arguments& arguments) {
  const radam::GroupReport report = optimizer_.group_report(arguments.get(0, "group").id());
  return Dictionary()
      .set("rectified", report.rectified != 0)
      .set("step", report.step)
      .set("rho", report.rho)
      .set("rho_inf", report.rho_inf)
      .set("r", report.r)
      .set("effective_lr", report.effective_lr)
      .to_variant();
}

// ---- Steps

Variant Optimizer::step(const Arguments& arguments) {
  return variant_of(optimizer_.step(step_options(arguments)));
}

Variant Optimizer::begin_step(const Arguments& arguments) {
  sliced_step_ = optimizer_.begin_step(step_options(arguments));
  return variant(0);
}

radam::SlicedStep& Optimizer::open_step() {
  if (!sliced_step_) throw std::logic_error("no step is open; begin_step opens one");
  return *sliced_step_;
}

Variant Optimizer::step_for(const Arguments& arguments) {
  return variant(open_step().run_for(std::chrono::microseconds(arguments.get(0, "usec").count())));
}

Variant Optimizer::next_wave(const Arguments&) {
  return variant(open_step().next_wave().size());
}

Variant Optimizer::step_chunk(const Arguments& arguments) {
  radam::Wave(optimizer_.handle(), 0).step(arguments.get(0, "chunk").count());
  return variant(0);
}

Variant Optimizer::end_step(const Arguments&) {
  const radam::StepReport report = open_step().end();
  sliced_step_.reset();
  return variant_of(report);
}

Variant Optimizer::abort_step(const Arguments&) {
  open_step().abort();
  sliced_step_.reset();
  return variant(0);
}

Variant Optimizer::get_handle(const Arguments&) {
  return variant(reinterpret_cast<std::uintptr_t>(optimizer_.handle()));
}

// ---- Checkpoints

Variant Optimizer::save(const Arguments& arguments) {
  optimizer_.save(arguments.get(0, "path").file());
  return variant(0);
}

Variant Optimizer::load(const Arguments& arguments) {
  optimizer_.load(arguments.get(0, "path").file());
  return variant(0);
}
