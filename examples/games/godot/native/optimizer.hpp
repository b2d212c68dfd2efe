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

  // How threads step the chunks of a wave, which the engines differ in: on this object, or on workers with the handle.
  Variant step_chunk(const Arguments&);
  Variant get_handle(const Arguments&);

 private:
  struct Param {
    std::vector<float> values, grad;
  };

  Variant add_group(const Arguments&);
  Variant add_param(const Arguments&);
  Variant get_param(const Arguments&);
  Variant set_param(const Arguments&);
  Variant set_grad(const Arguments&);
  Variant set_frozen(const Arguments&);
  Variant is_frozen(const Arguments&);
  Variant remove_param(const Arguments&);
  Variant get_lr(const Arguments&);
  Variant set_lr(const Arguments&);
  Variant group_report(const Arguments&);
  Variant step(const Arguments&);
  Variant begin_step(const Arguments&);
  Variant step_for(const Arguments&);
  Variant next_wave(const Arguments&);
  Variant end_step(const Arguments&);
  Variant abort_step(const Arguments&);
  Variant save(const Arguments&);
  Variant load(const Arguments&);

  Param& idle_param(radam::ParamId id);
  radam::SlicedStep& open_step();

  std::vector<std::optional<Param>> params_;  // by id; one that was removed is empty
  radam::Optimizer optimizer_;  // destroyed before the arrays that it has the addresses of
  std::optional<radam::SlicedStep> sliced_step_;
};

#endif  // OPTIMIZER_HPP
