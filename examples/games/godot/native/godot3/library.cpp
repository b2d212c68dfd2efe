// What the engine calls when it loads the library. SPDX: MIT OR Apache-2.0
#include "optimizer.hpp"
#include "worker.hpp"

#include <new>

const godot_gdnative_core_api_struct* godot = nullptr;

namespace {

const godot_gdnative_ext_nativescript_api_struct* nativescript = nullptr;

// The engine prints an error if a script then calls a method.
template <class Class>
void* create(godot_object*, void*) {
  try {
    return new Class;
  } catch (const std::exception& error) {
    godot->godot_print_error(error.what(), "new", Class::name, 0);
    return nullptr;
  }
}

template <class Class>
void destroy(godot_object*, void*, void* object) {
  delete static_cast<Class*>(object);
}

template <class Class>
Variant call(godot_object*, void* method, void* object, int count, godot_variant** values) {
  if (object == nullptr) return variant();
  return static_cast<Class*>(object)->call(*static_cast<const Method<Class>*>(method), {count, values});
}

template <class Class>
void register_method(void* library, const Method<Class>& method) {
  void* data = const_cast<Method<Class>*>(&method);
  nativescript->godot_nativescript_register_method(library, Class::name, method.name, {GODOT_METHOD_RPC_MODE_DISABLED},
                                                   {call<Class>, data, nullptr});
}

template <class Class>
void register_class(void* library) {
  nativescript->godot_nativescript_register_class(library, Class::name, "Reference",
                                                  {create<Class>, nullptr, nullptr},
                                                  {destroy<Class>, nullptr, nullptr});
  for (const Method<Class>& method : Class::methods()) register_method(library, method);
}

const Method<Optimizer> get_handle{"get_handle", 0, 0, &Optimizer::get_handle};

}  // namespace

extern "C" {

void GDN_EXPORT radam_gdnative_init(godot_gdnative_init_options* options) {
  godot = options->api_struct;
  for (unsigned i = 0; i < godot->num_extensions; i++) {
    if (godot->extensions[i]->type == GDNATIVE_EXT_NATIVESCRIPT) {
      nativescript = reinterpret_cast<const godot_gdnative_ext_nativescript_api_struct*>(godot->extensions[i]);
    }
  }
}

void GDN_EXPORT radam_gdnative_terminate(godot_gdnative_terminate_options*) {}

void GDN_EXPORT radam_nativescript_init(void* library) {
  register_class<Optimizer>(library);
  register_method(library, get_handle);
  register_class<Worker>(library);
}
}
