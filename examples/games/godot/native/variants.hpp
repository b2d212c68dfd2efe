// Values between Godot and C++: what a method is called with, and what it returns. SPDX: MIT OR Apache-2.0
#ifndef VARIANTS_HPP
#define VARIANTS_HPP

#include <gdnative_api_struct.gen.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

// The functions of the engine, set when it loads this library.
extern const godot_gdnative_core_api_struct* godot;

// A value of the engine that is destroyed here.
template <class T>
struct Owned {
  T value;
  void (*destroy)(T*);
  ~Owned() { destroy(&value); }
};

// ---- From Godot

inline std::string text(const godot_variant& variant) {
  Owned<godot_string> string{godot->godot_variant_as_string(&variant), godot->godot_string_destroy};
  Owned<godot_char_string> utf8{godot->godot_string_utf8(&string.value), godot->godot_char_string_destroy};
  return godot->godot_char_string_get_data(&utf8.value);
}

// Reads a value whose name is for the error.
class Value {
 public:
  Value(std::string name, const godot_variant& variant) : name_(std::move(name)), variant_(variant) {}

  double number() const {
    if (!is(GODOT_VARIANT_TYPE_REAL) && !is(GODOT_VARIANT_TYPE_INT)) refuse("a number");
    return godot->godot_variant_as_real(&variant_);
  }
  bool boolean() const {
    if (!is(GODOT_VARIANT_TYPE_BOOL)) refuse("true or false");
    return godot->godot_variant_as_bool(&variant_);
  }
  std::uint64_t count() const {
    const std::int64_t count = is(GODOT_VARIANT_TYPE_INT) ? godot->godot_variant_as_int(&variant_) : -1;
    if (count < 0) refuse("an int of at least 0");
    return static_cast<std::uint64_t>(count);
  }
  std::uint32_t id() const {
    const std::uint64_t id = count();
    if (id >= UINT32_MAX) refuse("a number that add_group or add_param has returned");
    return static_cast<std::uint32_t>(id);
  }
  std::string string() const {
    if (!is(GODOT_VARIANT_TYPE_STRING)) refuse("a String");
    return text(variant_);
  }
  // A copy, since the engine moves its arrays when they change.
  std::vector<float> array() const {
    if (!is(GODOT_VARIANT_TYPE_POOL_REAL_ARRAY)) refuse("a PoolRealArray");
    Owned<godot_pool_real_array> array{godot->godot_variant_as_pool_real_array(&variant_),
                                       godot->godot_pool_real_array_destroy};
    const auto size = static_cast<std::size_t>(godot->godot_pool_real_array_size(&array.value));
    if (size == 0) return {};
    auto* access = godot->godot_pool_real_array_read(&array.value);
    const float* elements = godot->godot_pool_real_array_read_access_ptr(access);
    std::vector<float> copy(elements, elements + size);
    godot->godot_pool_real_array_read_access_destroy(access);
    return copy;
  }
  // Calls entry(Value) for each entry of a dictionary, with the entry's key for a name.
  template <class Entry>
  void for_each(Entry entry) const {
    if (!is(GODOT_VARIANT_TYPE_DICTIONARY)) refuse("a Dictionary");
    Owned<godot_dictionary> dictionary{godot->godot_variant_as_dictionary(&variant_), godot->godot_dictionary_destroy};
    Owned<godot_array> keys{godot->godot_dictionary_keys(&dictionary.value), godot->godot_array_destroy};
    for (godot_int i = 0; i < godot->godot_array_size(&keys.value); i++) {
      Owned<godot_variant> key{godot->godot_array_get(&keys.value, i), godot->godot_variant_destroy};
      Owned<godot_variant> value{godot->godot_dictionary_get(&dictionary.value, &key.value),
                                 godot->godot_variant_destroy};
      entry(Value(text(key.value), value.value));
    }
  }

  const std::string& name() const { return name_; }

 private:
  static_assert(std::is_same_v<godot_real, float>, "parameters are the engine's floats");

  bool is(godot_variant_type type) const { return godot->godot_variant_get_type(&variant_) == type; }
  [[noreturn]] void refuse(const char* right) const {
    std::string value = text(variant_);
    if (value.size() > 40) value = value.substr(0, 40) + "...";
    throw std::invalid_argument(name_ + " is " + value + "; it must be " + right);
  }

  std::string name_;
  const godot_variant& variant_;
};

// ---- To Godot

inline godot_variant variant() {
  godot_variant nil;
  godot->godot_variant_new_nil(&nil);
  return nil;
}

template <class Number, class = std::enable_if_t<std::is_arithmetic_v<Number>>>
godot_variant variant(Number number) {
  godot_variant variant;
  if constexpr (std::is_same_v<Number, bool>) {
    godot->godot_variant_new_bool(&variant, number);
  } else if constexpr (std::is_floating_point_v<Number>) {
    godot->godot_variant_new_real(&variant, number);
  } else {
    godot->godot_variant_new_int(&variant, static_cast<std::int64_t>(number));
  }
  return variant;
}

inline godot_variant variant(const std::string& text) {
  Owned<godot_string> string{godot->godot_string_chars_to_utf8(text.c_str()), godot->godot_string_destroy};
  godot_variant variant;
  godot->godot_variant_new_string(&variant, &string.value);
  return variant;
}

// A PoolRealArray with a copy.
inline godot_variant variant(const std::vector<float>& elements) {
  Owned<godot_pool_real_array> array{{}, godot->godot_pool_real_array_destroy};
  godot->godot_pool_real_array_new(&array.value);
  if (!elements.empty()) {
    godot->godot_pool_real_array_resize(&array.value, static_cast<godot_int>(elements.size()));
    auto* access = godot->godot_pool_real_array_write(&array.value);
    float* copy = godot->godot_pool_real_array_write_access_ptr(access);
    for (std::size_t i = 0; i < elements.size(); i++) copy[i] = elements[i];
    godot->godot_pool_real_array_write_access_destroy(access);
  }
  godot_variant variant;
  godot->godot_variant_new_pool_real_array(&variant, &array.value);
  return variant;
}

// A Dictionary, filled with set(key, value).
class Dictionary {
 public:
  Dictionary() { godot->godot_dictionary_new(&dictionary_.value); }
  template <class T>
  Dictionary& set(const char* key, T value) {
    Owned<godot_variant> key_variant{variant(std::string(key)), godot->godot_variant_destroy};
    Owned<godot_variant> value_variant{variant(value), godot->godot_variant_destroy};
    godot->godot_dictionary_set(&dictionary_.value, &key_variant.value, &value_variant.value);
    return *this;
  }
  godot_variant to_variant() const {
    godot_variant variant;
    godot->godot_variant_new_dictionary(&variant, &dictionary_.value);
    return variant;
  }

 private:
  Owned<godot_dictionary> dictionary_{{}, godot->godot_dictionary_destroy};
};

#endif  // VARIANTS_HPP
