// The values and functions of Godot 4, by the C interface of GDExtension. SPDX: MIT OR Apache-2.0
#ifndef ENGINE_HPP
#define ENGINE_HPP

#include <gdextension_interface.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

using VariantPointer = GDExtensionConstVariantPtr;

enum class VariantType {
  boolean = GDEXTENSION_VARIANT_TYPE_BOOL,
  integer = GDEXTENSION_VARIANT_TYPE_INT,
  real = GDEXTENSION_VARIANT_TYPE_FLOAT,
  string = GDEXTENSION_VARIANT_TYPE_STRING,
  dictionary = GDEXTENSION_VARIANT_TYPE_DICTIONARY,
  array = GDEXTENSION_VARIANT_TYPE_PACKED_FLOAT32_ARRAY,
};
constexpr const char* array_type = "a PackedFloat32Array";

// The functions of the engine, set when it loads this library.
struct Engine {
  GDExtensionInterfacePrintError print_error;
  GDExtensionInterfaceVariantNewNil variant_new_nil;
  GDExtensionInterfaceVariantNewCopy variant_new_copy;
  GDExtensionInterfaceVariantDestroy variant_destroy;
  GDExtensionInterfaceVariantGetType variant_get_type;
  GDExtensionInterfaceVariantStringify variant_stringify;
  GDExtensionInterfaceVariantConstruct variant_construct;
  GDExtensionInterfaceVariantCall variant_call;
  GDExtensionInterfaceVariantIterInit variant_iter_init;
  GDExtensionInterfaceVariantIterNext variant_iter_next;
  GDExtensionInterfaceVariantIterGet variant_iter_get;
  GDExtensionInterfaceVariantGetKeyed variant_get_keyed;
  GDExtensionInterfaceVariantSetKeyed variant_set_keyed;
  GDExtensionInterfaceGetVariantFromTypeConstructor get_variant_from_type_constructor;
  GDExtensionInterfaceGetVariantGetInternalPtrFunc variant_get_ptr_internal_getter;
  GDExtensionInterfaceVariantGetPtrDestructor variant_get_ptr_destructor;
  GDExtensionInterfaceStringNewWithUtf8CharsAndLen2 string_new_with_utf8_chars_and_len2;
  GDExtensionInterfaceStringToUtf8Chars string_to_utf8_chars;
  GDExtensionInterfaceStringNameNewWithUtf8Chars string_name_new_with_utf8_chars;
  GDExtensionInterfacePackedFloat32ArrayOperatorIndex packed_float32_array_operator_index;
  GDExtensionInterfacePackedFloat32ArrayOperatorIndexConst packed_float32_array_operator_index_const;
  GDExtensionInterfaceGlobalGetSingleton global_get_singleton;
  GDExtensionInterfaceClassdbConstructObject classdb_construct_object;
  GDExtensionInterfaceObjectSetInstance object_set_instance;
  GDExtensionInterfaceClassdbRegisterExtensionClass4 classdb_register_extension_class4;
  GDExtensionInterfaceClassdbRegisterExtensionClassMethod classdb_register_extension_class_method;
  GDExtensionInterfaceClassdbUnregisterExtensionClass classdb_unregister_extension_class;

  // Whether the engine has them all.
  bool load(GDExtensionInterfaceGetProcAddress get);
};
extern Engine godot;

// The place of a value of the engine, whose size depends on how the engine was built: the largest is a Variant with
// coordinates in double precision.
struct alignas(8) Place {
  std::byte bytes[40];
};

class Variant {
 public:
  Variant() { godot.variant_new_nil(&place_); }
  explicit Variant(VariantPointer other) { godot.variant_new_copy(&place_, other); }
  Variant(const Variant& other) : Variant(other.pointer()) {}
  Variant& operator=(const Variant&) = delete;
  ~Variant() { godot.variant_destroy(&place_); }

  // Of what such a type is in the interface.
  template <class T>
  Variant(GDExtensionVariantType type, T value) {
    godot.get_variant_from_type_constructor(type)(&place_, &value);
  }
  // Empty.
  explicit Variant(VariantType type) {
    GDExtensionCallError error;
    godot.variant_construct(static_cast<GDExtensionVariantType>(type), &place_, nullptr, 0, &error);
  }

  VariantPointer pointer() const { return &place_; }
  GDExtensionVariantPtr pointer() { return &place_; }

 private:
  Place place_;
};

// A String or a StringName.
template <GDExtensionVariantType type>
class Text {
 public:
  explicit Text(const std::string& text) {
    if constexpr (type == GDEXTENSION_VARIANT_TYPE_STRING) {
      godot.string_new_with_utf8_chars_and_len2(&place_, text.data(), static_cast<GDExtensionInt>(text.size()));
    } else {
      godot.string_name_new_with_utf8_chars(&place_, text.c_str());
    }
  }
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
  ~Text() { godot.variant_get_ptr_destructor(type)(&place_); }

  void* pointer() { return &place_; }

 private:
  Place place_;
};
using String = Text<GDEXTENSION_VARIANT_TYPE_STRING>;
using StringName = Text<GDEXTENSION_VARIANT_TYPE_STRING_NAME>;

inline void print_error(const char* error, const char* method, const char* class_name) {
  godot.print_error(error, method, class_name, 0, false);
}

// ---- From Godot

// The value in a variant of this type. The interface has no such function for reading alone.
template <class T>
T* inside(VariantPointer variant, VariantType type) {
  const auto get = godot.variant_get_ptr_internal_getter(static_cast<GDExtensionVariantType>(type));
  return static_cast<T*>(get(const_cast<GDExtensionVariantPtr>(variant)));
}

inline VariantType type_of(VariantPointer variant) { return static_cast<VariantType>(godot.variant_get_type(variant)); }
inline bool as_boolean(VariantPointer variant) { return *inside<GDExtensionBool>(variant, VariantType::boolean) != 0; }
inline std::int64_t as_integer(VariantPointer variant) { return *inside<std::int64_t>(variant, VariantType::integer); }
inline double as_real(VariantPointer variant) { return *inside<double>(variant, VariantType::real); }
std::string as_text(VariantPointer variant);  // any value, as the engine prints it
std::vector<float> as_array(VariantPointer variant);

// Calls entry(key, value) for each entry of a dictionary.
template <class Entry>
void for_each_entry(VariantPointer dictionary, Entry entry) {
  GDExtensionBool valid = true;
  Variant iterator;
  for (bool more = godot.variant_iter_init(dictionary, iterator.pointer(), &valid); more;
       more = godot.variant_iter_next(dictionary, iterator.pointer(), &valid)) {
    Variant key, value;
    godot.variant_iter_get(dictionary, iterator.pointer(), key.pointer(), &valid);
    godot.variant_get_keyed(dictionary, key.pointer(), value.pointer(), &valid);
    entry(as_text(key.pointer()), value.pointer());
  }
}

// ---- To Godot

inline Variant variant() { return {}; }

template <class Number, class = std::enable_if_t<std::is_arithmetic_v<Number>>>
Variant variant(Number number) {
  if constexpr (std::is_same_v<Number, bool>) {
    return {GDEXTENSION_VARIANT_TYPE_BOOL, GDExtensionBool(number)};
  } else if constexpr (std::is_floating_point_v<Number>) {
    return {GDEXTENSION_VARIANT_TYPE_FLOAT, double(number)};
  } else {
    return {GDEXTENSION_VARIANT_TYPE_INT, static_cast<std::int64_t>(number)};
  }
}

Variant variant(const std::string& text);
Variant variant(const std::vector<float>& elements);  // a PackedFloat32Array with a copy

// A Dictionary, filled with set(key, value).
class Dictionary {
 public:
  template <class T>
  Dictionary& set(const char* key, T value) {
    GDExtensionBool valid = true;
    godot.variant_set_keyed(dictionary_.pointer(), variant(std::string(key)).pointer(), variant(value).pointer(), &valid);
    return *this;
  }
  Variant to_variant() const { return dictionary_; }

 private:
  Variant dictionary_{VariantType::dictionary};
};

// ---- Paths

// The system's path for one of the engine: user://, res:// or already the system's.
std::string globalize_path(const std::string& path);

#endif  // ENGINE_HPP
