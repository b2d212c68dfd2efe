// What the engine calls when it loads the library. SPDX: MIT OR Apache-2.0
#include "optimizer.hpp"

#include <new>

const godot_gdnative_core_api_struct* godot = nullptr;

namespace {

const godot_gdnative_ext_nativescript_api_struct* nativescript = nullptr;

// The engine prints an error if a script then calls a method.
void* create(godot_object*, void*) {
  try {
    return new Optimizer;
  } catch (const std::exception& error) {
    godot->godot_print_error(error.what(), "new", "RAdam", 0);
    return nullptr;
  }
}

void destroy(godot_object*, void*, void* optimizer) { delete static_cast<Optimizer*>(optimizer); }

godot_variant call(godot_object*, void* method, void* optimizer, int count, godot_variant** values) {
  if (optimizer == nullptr) return variant();
  return static_cast<Optimizer*>(optimizer)->call(*static_cast<const Optimizer::Method*>(method), {count, values});
}

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
  nativescript->godot_nativescript_register_class(library, "RAdam", "Reference", {create, nullptr, nullptr},
                                                  {destroy, nullptr, nullptr});
  for (const Optimizer::Method& method : Optimizer::methods()) {
    void* data = const_cast<Optimizer::Method*>(&method);
    nativescript->godot_nativescript_register_method(library, "RAdam", method.name,
                                                     {GODOT_METHOD_RPC_MODE_DISABLED}, {call, data, nullptr});
  }
}
}
