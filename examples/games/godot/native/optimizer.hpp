// The class RAdam of GDScript. README.md lists its methods. SPDX: MIT OR Apache-2.0
#ifndef OPTIMIZER_HPP
#define OPTIMIZER_HPP

#include "scripted.hpp"

#include <radam.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// Parameters and gradients are in arrays of its own, since those of the engine move.
class Optimizer : public Scripted<Optimizer> {
 public:
  static constexpr const char* name = "RAdam";
  static const std::vector<Method<Optimizer>>& methods();

 private:
  struct Param {
    std::vector<float> values, grad;
  };

  godot_variant add_group(const Arguments&);
  godot_variant add_param(const Arguments&);
  godot_variant get_param(const Arguments&);
  godot_variant set_param(const Arguments&);
  godot_variant set_grad(const Arguments&);
  godot_variant get_lr(const Arguments&);
  godot_variant set_lr(const Arguments&);
  godot_variant group_report(const Arguments&);
  godot_variant step(const Arguments&);
  godot_variant begin_step(const Arguments&);
  godot_variant step_for(const Arguments&);
  godot_variant next_wave(const Arguments&);
  godot_variant end_step(const Arguments&);
  godot_variant get_handle(const Arguments&);

  Param& idle_param(radam::ParamId id);
  radam::SlicedStep& open_step();

  std::vector<Param> params_;
  radam::Optimizer optimizer_;  // destroyed before the arrays that it has the addresses of
  std::optional<radam::SlicedStep> sliced_step_;
};

#endif  // OPTIMIZER_HPP
