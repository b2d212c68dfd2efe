// The values and functions of Godot 3, by GDNative. SPDX: MIT OR Apache-2.0
#ifndef ENGINE_HPP
#define ENGINE_HPP

#include <gdnative_api_struct.gen.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

// The functions of the engine, set when it loads this library.
extern const godot_gdnative_core_api_struct* godot;

using Variant = godot_variant;
using VariantPointer = const godot_variant*;

enum class VariantType {
  boolean = GODOT_VARIANT_TYPE_BOOL,
  integer = GODOT_VARIANT_TYPE_INT,
  real = GODOT_VARIANT_TYPE_REAL,
  string = GODOT_VARIANT_TYPE_STRING,
  dictionary = GODOT_VARIANT_TYPE_DICTIONARY,
  array = GODOT_VARIANT_TYPE_POOL_REAL_ARRAY,
};
constexpr const char* array_type = "a PoolRealArray";
static_assert(std::is_same_v<godot_real, float>, "parameters are the engine's floats");

// A value of the engine that is destroyed here.
template <class T>
struct Owned {
  T value;
  void (*destroy)(T*);
  ~Owned() { destroy(&value); }
};

inline void print_error(const char* error, const char* method, const char* class_name) {
  godot->godot_print_error(error, method, class_name, 0);
}

// ---- From Godot

inline VariantType type_of(VariantPointer variant) {
  return static_cast<VariantType>(godot->godot_variant_get_type(variant));
}
inline bool as_boolean(VariantPointer variant) { return godot->godot_variant_as_bool(variant); }
inline std::int64_t as_integer(VariantPointer variant) { return godot->godot_variant_as_int(variant); }
inline double as_real(VariantPointer variant) { return godot->godot_variant_as_real(variant); }

inline std::string text(const godot_string& string) {
  Owned<godot_char_string> utf8{godot->godot_string_utf8(&string), godot->godot_char_string_destroy};
  return godot->godot_char_string_get_data(&utf8.value);
}

// Any value, as the engine prints it.
inline std::string as_text(VariantPointer variant) {
  Owned<godot_string> string{godot->godot_variant_as_string(variant), godot->godot_string_destroy};
  return text(string.value);
}

inline std::vector<float> as_array(VariantPointer variant) {
  Owned<godot_pool_real_array> array{godot->godot_variant_as_pool_real_array(variant),
                                     godot->godot_pool_real_array_destroy};
  const auto size = static_cast<std::size_t>(godot->godot_pool_real_array_size(&array.value));
  if (size == 0) return {};
  auto* access = godot->godot_pool_real_array_read(&array.value);
  const float* elements = godot->godot_pool_real_array_read_access_ptr(access);
  std::vector<float> copy(elements, elements + size);
  godot->godot_pool_real_array_read_access_destroy(access);
  return copy;
}

// Calls entry(key, value) for each entry of a dictionary.
template <class Entry>
void for_each_entry(VariantPointer variant, Entry entry) {
  Owned<godot_dictionary> dictionary{godot->godot_variant_as_dictionary(variant), godot->godot_dictionary_destroy};
  Owned<godot_array> keys{godot->godot_dictionary_keys(&dictionary.value), godot->godot_array_destroy};
  for (godot_int i = 0; i < godot->godot_array_size(&keys.value); i++) {
    Owned<godot_variant> key{godot->godot_array_get(&keys.value, i), godot->godot_variant_destroy};
    Owned<godot_variant> value{godot->godot_dictionary_get(&dictionary.value, &key.value), godot->godot_variant_destroy};
    entry(as_text(&key.value), &value.value);
  }
}

// ---- To Godot

inline Variant variant() {
  Variant nil;
  godot->godot_variant_new_nil(&nil);
  return nil;
}

template <class Number, class = std::enable_if_t<std::is_arithmetic_v<Number>>>
Variant variant(Number number) {
  Variant variant;
  if constexpr (std::is_same_v<Number, bool>) {
    godot->godot_variant_new_bool(&variant, number);
  } else if constexpr (std::is_floating_point_v<Number>) {
    godot->godot_variant_new_real(&variant, number);
  } else {
    godot->godot_variant_new_int(&variant, static_cast<std::int64_t>(number));
  }
  return variant;
}

inline Owned<godot_string> godot_text(const std::string& text) {
  return {godot->godot_string_chars_to_utf8(text.c_str()), godot->godot_string_destroy};
}

inline Variant variant(const std::string& text) {
  const Owned<godot_string> string = godot_text(text);
  Variant variant;
  godot->godot_variant_new_string(&variant, &string.value);
  return variant;
}

// A PoolRealArray with a copy.
inline Variant variant(const std::vector<float>& elements) {
  Owned<godot_pool_real_array> array{{}, godot->godot_pool_real_array_destroy};
  godot->godot_pool_real_array_new(&array.value);
  if (!elements.empty()) {
    godot->godot_pool_real_array_resize(&array.value, static_cast<godot_int>(elements.size()));
    auto* access = godot->godot_pool_real_array_write(&array.value);
    float* copy = godot->godot_pool_real_array_write_access_ptr(access);
    for (std::size_t i = 0; i < elements.size(); i++) copy[i] = elements[i];
    godot->godot_pool_real_array_write_access_destroy(access);
  }
  Variant variant;
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
  Variant to_variant() const {
    Variant variant;
    godot->godot_variant_new_dictionary(&variant, &dictionary_.value);
    return variant;
  }

 private:
  Owned<godot_dictionary> dictionary_{{}, godot->godot_dictionary_destroy};
};

// ---- Paths

// The system's path for one of the engine: user://, res:// or already the system's.
inline std::string globalize_path(const std::string& path) {
  static godot_method_bind* const method = godot->godot_method_bind_get_method("ProjectSettings", "globalize_path");
  const Owned<godot_string> string = godot_text(path);
  Owned<godot_string> globalized{{}, godot->godot_string_destroy};
  godot->godot_string_new(&globalized.value);
  const void* arguments[] = {&string.value};
  char singleton[] = "ProjectSettings";
  godot->godot_method_bind_ptrcall(method, godot->godot_global_get_singleton(singleton), arguments, &globalized.value);
  return text(globalized.value);
}

#endif  // ENGINE_HPP
