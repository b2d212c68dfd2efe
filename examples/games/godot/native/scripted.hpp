// What a class for GDScript is made of. SPDX: MIT OR Apache-2.0
#ifndef SCRIPTED_HPP
#define SCRIPTED_HPP

#include "variants.hpp"

#include <exception>
#include <stdexcept>
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

template <class Class>
struct Method {
  const char* name;
  int fewest, most;  // arguments
  godot_variant (Class::*run)(const Arguments&);
};

// The base of a class that has `static constexpr const char* name` and `static const std::vector<Method<Class>>& methods()`.
// Godot writes into an object whenever it calls a method of it, so an object is for one thread at a time.
template <class Class>
class Scripted {
 public:
  // Calls a method, and returns nothing if it fails: then the error is printed, and get_error has it. No exception may
  // reach the engine.
  godot_variant call(const Method<Class>& method, const Arguments& arguments) noexcept {
    try {
      if (arguments.count() < method.fewest || arguments.count() > method.most) {
        throw std::invalid_argument(std::string(method.name) + " takes " + std::to_string(method.most) +
                                    " arguments, not " + std::to_string(arguments.count()));
      }
      return (static_cast<Class*>(this)->*method.run)(arguments);
    } catch (const std::exception& error) {
      godot->godot_print_error(error.what(), method.name, Class::name, 0);
      error_ = error.what();
    }
    return variant();
  }

 protected:
  godot_variant get_error(const Arguments&) { return variant(error_); }

 private:
  std::string error_;
};

#endif  // SCRIPTED_HPP
