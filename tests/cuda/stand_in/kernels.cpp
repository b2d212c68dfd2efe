// The kernels of the file KERNELS_FILE, compiled for the host, and the table of those that its RADAM_KERNELS lists.
#include "cuda_on_host.hpp"

#include KERNELS_FILE

namespace stand_in {

#define KERNEL(name, Args) {#name, sizeof(Args), [](const void *args) { ::name(*static_cast<const Args *>(args)); }},
const Kernel KERNELS[] = {RADAM_KERNELS(KERNEL){nullptr, 0, nullptr}};
#undef KERNEL

}  // namespace stand_in
