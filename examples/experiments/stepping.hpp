// Steps the f32 weights of a model with radam, which keeps them and its state in different ways.
//
// SPDX: MIT OR Apache-2.0
#ifndef STEPPING_HPP
#define STEPPING_HPP

#include "radam.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

// A tensor of a model, which computes with data and sets grad.
struct Weights {
  std::string name;
  float* data;
  float* grad;
  std::size_t len;
};

enum class Master {
  f32,               // the model's weights are what is stepped
  bf16_remainder,    // bf16 and a remainder of 16 bits; the model computes with the bf16 part
  joined_remainder,  // the same, but the model computes with both joined, an f32
};

struct Storage {
  std::string name;
  radam::Dtype state;
  Master master;
};

// Weights and state in f32.
inline Storage f32_storage() { return {"f32", radam::Dtype::f32, Master::f32}; }

// The radam optimizer of a model's weights, which must stay where they are.
class Stepper {
 public:
  Stepper(const std::vector<Weights>& weights, radam::GroupOptions options, const Storage& storage)
      : optimizer_(on_this_thread()), storage_(storage) {
    options.state_dtype = storage.state;
    options.master_remainder = storage.master != Master::f32;
    group_ = optimizer_.add_group(options);
    for (const Weights& tensor : weights) {
      if (options.master_remainder) {
        add_master(tensor);
      } else {
        optimizer_.add_param(group_, tensor.data, tensor.grad, tensor.len, tensor.name.c_str());
      }
    }
  }

  void step(double lr, double grad_scale) {
    radam::StepOptions options;
    options.grad_scale = grad_scale;
    optimizer_.set_lr(group_, lr);
    optimizer_.step(options, radam::no_report);
    for (const Split& split : masters_) load(split);
  }

 private:
  // An f32 master in two parts, whose bits are those of the first, shifted left by 16, plus the second.
  struct Split {
    Weights weights;
    std::vector<radam::bfloat16> rounded;
    std::vector<std::int16_t> remainder;
  };

  static radam::Options on_this_thread() {
    radam::Options options;
    options.num_threads = 1;
    return options;
  }

  void add_master(const Weights& tensor) {
    Split split{tensor, std::vector<radam::bfloat16>(tensor.len), std::vector<std::int16_t>(tensor.len)};
    for (std::size_t i = 0; i < tensor.len; ++i) {
      std::uint32_t bits;
      std::memcpy(&bits, &tensor.data[i], sizeof bits);
      split.rounded[i].bits = static_cast<std::uint16_t>((bits + 0x8000) >> 16);
      split.remainder[i] = static_cast<std::int16_t>(bits - (std::uint32_t{split.rounded[i].bits} << 16));
    }
    // Moving a vector does not move its elements, to which radam has pointers.
    masters_.push_back(std::move(split));
    Split& kept = masters_.back();
    radam::Param param;
    param.data = kept.rounded;
    param.grad = {tensor.grad};
    param.kahan_comp = kept.remainder.data();
    param.name = tensor.name.c_str();
    optimizer_.add_param(group_, param);
    load(kept);
  }

  void load(const Split& split) const {
    for (std::size_t i = 0; i < split.rounded.size(); ++i) {
      std::uint32_t bits = std::uint32_t{split.rounded[i].bits} << 16;
      if (storage_.master == Master::joined_remainder) bits += static_cast<std::uint32_t>(split.remainder[i]);
      std::memcpy(&split.weights.data[i], &bits, sizeof bits);
    }
  }

  radam::Optimizer optimizer_;
  radam::GroupId group_;
  Storage storage_;
  std::vector<Split> masters_;
};

#endif  // STEPPING_HPP
