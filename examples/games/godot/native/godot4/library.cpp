// What the engine calls when it loads the library. SPDX: MIT OR Apache-2.0
#include "optimizer.hpp"

#include <exception>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

namespace {

constexpr std::uint32_t any_type = 1 << 17;  // the PropertyUsageFlags of a value of any type

// The engine prints an error if a script then calls a method.
template <class Class>
GDExtensionObjectPtr create(void*, GDExtensionBool) {
  try {
    auto* instance = new Class;
    StringName parent("RefCounted"), name(Class::name);
    GDExtensionObjectPtr object = godot.classdb_construct_object(parent.pointer());
    godot.object_set_instance(object, name.pointer(), instance);
    return object;
  } catch (const std::exception& error) {
    print_error(error.what(), "new", Class::name);
    return nullptr;
  }
}

template <class Class>
void destroy(void*, GDExtensionClassInstancePtr object) {
  delete static_cast<Class*>(object);
}

template <class Class>
void call(void* method, GDExtensionClassInstancePtr object, const GDExtensionConstVariantPtr* values,
          GDExtensionInt count, GDExtensionVariantPtr result, GDExtensionCallError* error) {
  const Variant returned = static_cast<Class*>(object)->call(*static_cast<const Method<Class>*>(method), {count, values});
  godot.variant_destroy(result);
  godot.variant_new_copy(result, returned.pointer());
  error->error = GDEXTENSION_CALL_OK;
}

// With any arguments, which the method itself checks.
template <class Class>
void register_method(GDExtensionClassLibraryPtr library, const Method<Class>& method) {
  StringName class_name(Class::name), name(method.name), none("");
  String hint("");
  GDExtensionPropertyInfo any{GDEXTENSION_VARIANT_TYPE_NIL, none.pointer(), none.pointer(), 0, hint.pointer(), any_type};
  GDExtensionClassMethodInfo info{};
  info.name = name.pointer();
  info.method_userdata = const_cast<Method<Class>*>(&method);
  info.call_func = call<Class>;
  info.method_flags = GDEXTENSION_METHOD_FLAG_NORMAL | GDEXTENSION_METHOD_FLAG_VARARG;
  info.has_return_value = true;
  info.return_value_info = &any;
  godot.classdb_register_extension_class_method(library, class_name.pointer(), &info);
}

template <class Class>
void register_class(GDExtensionClassLibraryPtr library) {
  StringName name(Class::name), parent("RefCounted");
  GDExtensionClassCreationInfo4 info{};
  info.is_exposed = true;
  info.create_instance_func = create<Class>;
  info.free_instance_func = destroy<Class>;
  godot.classdb_register_extension_class4(library, name.pointer(), parent.pointer(), &info);
  for (const Method<Class>& method : Class::methods()) register_method(library, method);
}

// Threads of the engine may call a method of one object at the same time.
const Method<Optimizer> step_chunk{"step_chunk", 1, 1, &Optimizer::step_chunk, Overlap::yes};

void initialize(void* library, GDExtensionInitializationLevel level) {
  if (level != GDEXTENSION_INITIALIZATION_SCENE) return;
  register_class<Optimizer>(library);
  register_method(library, step_chunk);
}

void deinitialize(void* library, GDExtensionInitializationLevel level) {
  if (level != GDEXTENSION_INITIALIZATION_SCENE) return;
  StringName name(Optimizer::name);
  godot.classdb_unregister_extension_class(library, name.pointer());
}

}  // namespace

extern "C" EXPORT GDExtensionBool radam_init(GDExtensionInterfaceGetProcAddress get, GDExtensionClassLibraryPtr library,
                                             GDExtensionInitialization* initialization) {
  *initialization = {GDEXTENSION_INITIALIZATION_SCENE, library, initialize, deinitialize};
  return godot.load(get);
}
