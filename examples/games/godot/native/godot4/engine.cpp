// SPDX: MIT OR Apache-2.0
#include "engine.hpp"

#include <initializer_list>

Engine godot;

namespace {

template <class Function>
bool load_one(GDExtensionInterfaceGetProcAddress get, Function& function, const char* name) {
  function = reinterpret_cast<Function>(reinterpret_cast<void*>(get(name)));
  return function != nullptr;
}

// What a method of a value or an object returns; nothing, if it has no such method.
Variant call(Variant& self, const char* method, std::initializer_list<VariantPointer> arguments) {
  StringName name(method);
  Variant result;
  GDExtensionCallError error;
  godot.variant_call(self.pointer(), name.pointer(), arguments.begin(), static_cast<GDExtensionInt>(arguments.size()),
                     result.pointer(), &error);
  return result;
}

}  // namespace

bool Engine::load(GDExtensionInterfaceGetProcAddress get) {
  return load_one(get, print_error, "print_error") &&
         load_one(get, variant_new_nil, "variant_new_nil") &&
         load_one(get, variant_new_copy, "variant_new_copy") &&
         load_one(get, variant_destroy, "variant_destroy") &&
         load_one(get, variant_get_type, "variant_get_type") &&
         load_one(get, variant_stringify, "variant_stringify") &&
         load_one(get, variant_construct, "variant_construct") &&
         load_one(get, variant_call, "variant_call") &&
         load_one(get, variant_iter_init, "variant_iter_init") &&
         load_one(get, variant_iter_next, "variant_iter_next") &&
         load_one(get, variant_iter_get, "variant_iter_get") &&
         load_one(get, variant_get_keyed, "variant_get_keyed") &&
         load_one(get, variant_set_keyed, "variant_set_keyed") &&
         load_one(get, get_variant_from_type_constructor, "get_variant_from_type_constructor") &&
         load_one(get, variant_get_ptr_internal_getter, "variant_get_ptr_internal_getter") &&
         load_one(get, variant_get_ptr_destructor, "variant_get_ptr_destructor") &&
         load_one(get, string_new_with_utf8_chars_and_len2, "string_new_with_utf8_chars_and_len2") &&
         load_one(get, string_to_utf8_chars, "string_to_utf8_chars") &&
         load_one(get, string_name_new_with_utf8_chars, "string_name_new_with_utf8_chars") &&
         load_one(get, packed_float32_array_operator_index, "packed_float32_array_operator_index") &&
         load_one(get, packed_float32_array_operator_index_const, "packed_float32_array_operator_index_const") &&
         load_one(get, global_get_singleton, "global_get_singleton") &&
         load_one(get, classdb_construct_object, "classdb_construct_object") &&
         load_one(get, object_set_instance, "object_set_instance") &&
         load_one(get, classdb_register_extension_class4, "classdb_register_extension_class4") &&
         load_one(get, classdb_register_extension_class_method, "classdb_register_extension_class_method") &&
         load_one(get, classdb_unregister_extension_class, "classdb_unregister_extension_class");
}

std::string as_text(VariantPointer variant) {
  String string{std::string()};
  godot.variant_stringify(variant, string.pointer());
  std::string text(static_cast<std::size_t>(godot.string_to_utf8_chars(string.pointer(), nullptr, 0)), '\0');
  godot.string_to_utf8_chars(string.pointer(), text.data(), static_cast<GDExtensionInt>(text.size()));
  return text;
}

std::vector<float> as_array(VariantPointer variant) {
  Variant array(variant);
  const auto size = static_cast<std::size_t>(as_integer(call(array, "size", {}).pointer()));
  if (size == 0) return {};
  const auto* packed = inside<void>(array.pointer(), VariantType::array);
  const float* elements = godot.packed_float32_array_operator_index_const(packed, 0);
  return {elements, elements + size};
}

Variant variant(const std::string& text) {
  String string(text);
  Variant variant;
  godot.get_variant_from_type_constructor(GDEXTENSION_VARIANT_TYPE_STRING)(variant.pointer(), string.pointer());
  return variant;
}

Variant variant(const std::vector<float>& elements) {
  Variant array(VariantType::array);
  if (elements.empty()) return array;
  call(array, "resize", {variant(elements.size()).pointer()});
  auto* packed = inside<void>(array.pointer(), VariantType::array);
  float* copy = godot.packed_float32_array_operator_index(packed, 0);
  for (std::size_t i = 0; i < elements.size(); i++) copy[i] = elements[i];
  return array;
}

std::string globalize_path(const std::string& path) {
  StringName name("ProjectSettings");
  Variant settings(GDEXTENSION_VARIANT_TYPE_OBJECT, godot.global_get_singleton(name.pointer()));
  return as_text(call(settings, "globalize_path", {variant(path).pointer()}).pointer());
}
