// What a class for GDScript is made of. SPDX: MIT OR Apache-2.0
#ifndef SCRIPTED_HPP
#define SCRIPTED_HPP

#include "values.hpp"

#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

// Whether threads may be in a method of one object at the same time, or wait for one another.
enum class Overlap { no, yes };

template <class Class>
struct Method {
  const char* name;
  int fewest, most;  // arguments
  Variant (Class::*run)(const Arguments&);
  Overlap overlap = Overlap::no;
};

// The base of a class that has `static constexpr const char* name` and `static const std::vector<Method<Class>>& methods()`.
template <class Class>
class Scripted {
 public:
  // Calls a method, and returns nothing if it fails: then the error is printed, and get_error has it. No exception may
  // reach the engine.
  Variant call(const Method<Class>& method, const Arguments& arguments) noexcept {
    try {
      if (arguments.count() < method.fewest || arguments.count() > method.most) {
        throw std::invalid_argument(std::string(method.name) + " takes " + std::to_string(method.most) +
                                    " arguments, not " + std::to_string(arguments.count()));
      }
      std::unique_lock lock(mutex_, std::defer_lock);
      if (method.overlap == Overlap::no) lock.lock();
      return (static_cast<Class*>(this)->*method.run)(arguments);
    } catch (const std::exception& error) {
      fail(method.name, error.what());
    }
    return variant();
  }

 protected:
  Variant get_error(const Arguments&) { return variant(error_); }

 private:
  void fail(const char* method, const char* error) {
    print_error(error, method, Class::name);
    std::lock_guard lock(mutex_);
    error_ = error;
  }

  std::mutex mutex_;
  std::string error_;
};

#endif  // SCRIPTED_HPP
