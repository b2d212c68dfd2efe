// The kernels of the file KERNELS_FILE, compiled for the host, and the table of those that its RADAM_KERNELS lists.
#include "cuda_on_host.hpp"

#include KERNELS_FILE

#include <utility>

namespace stand_in {

template <class... Args, size_t... I>
void run(void (*kernel)(Args...), const void *const *args, std::index_sequence<I...>) {
  kernel(*static_cast<const Args *>(args[I])...);
}

template <class... Args>
struct Taking {
  template <void (*kernel)(Args...)>
  static Kernel make(const char *name) {
    auto call = [](const void *const *args) { run(kernel, args, std::index_sequence_for<Args...>()); };
    return {name, {sizeof(Args)...}, call};
  }
};

#define KERNEL(name, ...) Taking<__VA_ARGS__>::make<::name>(#name),
const Kernel KERNELS[] = {RADAM_KERNELS(KERNEL){nullptr, {}, nullptr}};
#undef KERNEL

}  // namespace stand_in
