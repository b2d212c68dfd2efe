// The class RAdamWorker of GDScript. README.md lists its methods. SPDX: MIT OR Apache-2.0
#ifndef WORKER_HPP
#define WORKER_HPP

#include "scripted.hpp"

#include <radam.hpp>

#include <cstdint>
#include <vector>

// Steps chunks of an optimizer on one thread: Godot 3 writes into an object whenever it calls a method of it, so an object
// is for one thread at a time. The library knows whether the optimizer is still there.
class Worker : public Scripted<Worker> {
 public:
  static constexpr const char* name = "RAdamWorker";
  static const std::vector<Method<Worker>>& methods() {
    static const std::vector<Method<Worker>> methods{
        {"set_optimizer", 1, 1, &Worker::set_optimizer},
        {"step_chunk", 1, 1, &Worker::step_chunk},
        {"get_error", 0, 0, &Worker::get_error},
    };
    return methods;
  }

 private:
  Variant set_optimizer(const Arguments& arguments) {
    handle_ = reinterpret_cast<radam_optimizer*>(std::uintptr_t(arguments.get(0, "handle").count()));
    return variant(0);
  }

  Variant step_chunk(const Arguments& arguments) {
    radam::Wave(handle_, 0).step(arguments.get(0, "chunk").count());
    return variant(0);
  }

  radam_optimizer* handle_ = nullptr;
};

#endif  // WORKER_HPP
