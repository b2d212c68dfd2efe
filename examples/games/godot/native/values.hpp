// What methods are called with, by the values of either engine. SPDX: MIT OR Apache-2.0
#ifndef VALUES_HPP
#define VALUES_HPP

#include <engine.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// Reads a value whose name is for the error.
class Value {
 public:
  Value(std::string name, VariantPointer variant) : name_(std::move(name)), variant_(variant) {}

  double number() const {
    if (is(VariantType::integer)) return static_cast<double>(as_integer(variant_));
    if (!is(VariantType::real)) refuse("a number");
    return as_real(variant_);
  }
  bool boolean() const {
    if (!is(VariantType::boolean)) refuse("true or false");
    return as_boolean(variant_);
  }
  std::uint64_t count() const {
    const std::int64_t count = is(VariantType::integer) ? as_integer(variant_) : -1;
    if (count < 0) refuse("an int of at least 0");
    return static_cast<std::uint64_t>(count);
  }
  std::uint32_t id() const {
    const std::uint64_t id = count();
    if (id >= UINT32_MAX) refuse("a number that add_group or add_param has returned");
    return static_cast<std::uint32_t>(id);
  }
  std::string string() const {
    if (!is(VariantType::string)) refuse("a String");
    return as_text(variant_);
  }
  // The file that a path of the engine means: user://, res:// or the system's.
  std::string file() const { return globalize_path(string()); }
  // A copy, since the engine moves its arrays when they change.
  std::vector<float> array() const {
    if (!is(VariantType::array)) refuse(array_type);
    return as_array(variant_);
  }
  // Calls entry(Value) for each entry of a dictionary, with the entry's key for a name.
  template <class Entry>
  void for_each(Entry entry) const {
    if (!is(VariantType::dictionary)) refuse("a Dictionary");
    for_each_entry(variant_, [&](std::string key, VariantPointer value) { entry(Value(std::move(key), value)); });
  }

  const std::string& name() const { return name_; }

 private:
  bool is(VariantType type) const { return type_of(variant_) == type; }
  [[noreturn]] void refuse(const char* right) const {
    std::string value = as_text(variant_);
    if (value.size() > 40) value = value.substr(0, 40) + "...";
    throw std::invalid_argument(name_ + " is " + value + "; it must be " + right);
  }

  std::string name_;
  VariantPointer variant_;
};

// What a method is called with.
class Arguments {
 public:
  Arguments(std::int64_t count, const VariantPointer* values) : count_(count), values_(values) {}
  std::int64_t count() const { return count_; }
  Value get(int index, const char* name) const { return {name, values_[index]}; }

 private:
  std::int64_t count_;
  const VariantPointer* values_;
};

#endif  // VALUES_HPP
