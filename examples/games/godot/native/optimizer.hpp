// The class RAdam of GDScript. README.md lists its methods. SPDX: MIT OR Apache-2.0
#ifndef OPTIMIZER_HPP
#define OPTIMIZER_HPP

#include "variants.hpp"

#include <radam.hpp>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

// What a method is called with.
class Arguments {
 public:
  Arguments(int count, godot_variant** values) : count_(count), values_(values) {}
  int count() const { return count_; }
  Value get(int index, const char* name) const { return {name, *values_[index]}; }

 private:
  int count_;
  godot_variant** values_;
};

// Parameters and gradients are in arrays of its own, since those of the engine move. Chunks may be stepped on any threads
// at the same time; all other methods wait for one another.
class Optimizer {
 public:
  struct Method {
    const char* name;
    int fewest, most;  // arguments
    godot_variant (Optimizer::*run)(const Arguments&);
  };
  static const std::vector<Method>& methods();

  // Calls a method, and returns nothing if it fails: then the error is printed, and get_error has it.
  godot_variant call(const Method& method, const Arguments& arguments) noexcept;

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
  godot_variant step_chunk(const Arguments&);
  godot_variant end_step(const Arguments&);
  godot_variant get_error(const Arguments&);

  Param& idle_param(radam::ParamId id);
  radam::SlicedStep& open_step();

  std::mutex mutex_;  // of all methods but step_chunk and get_error
  std::vector<Param> params_;
  radam::Optimizer optimizer_;  // destroyed before the arrays that it has the addresses of
  std::optional<radam::SlicedStep> sliced_step_;

  std::mutex error_mutex_;
  std::string error_;
};

#endif  // OPTIMIZER_HPP
