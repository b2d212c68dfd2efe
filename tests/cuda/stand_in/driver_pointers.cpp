// The driver API: what a pointer points to.
#include "contexts.hpp"

#include <cstring>

using namespace stand_in;

namespace {

template <class T>
CUresult give(void *to, T value) {
  std::memcpy(to, &value, sizeof value);
  return CUDA_SUCCESS;
}

// An attribute of memory that was allocated, or what stands for nothing if it was not.
CUresult attribute_of(void *to, CUpointer_attribute attribute, CUdeviceptr pointer) {
  const Allocation *on_device = state().device.find(pointer), *pinned = state().pinned.find(pointer);
  const Allocation *found = on_device != nullptr ? on_device : pinned;
  if (found != nullptr && found->life != found->context->life) found = nullptr;
  bool known = found != nullptr;
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT: return give(to, known ? found->context : nullptr);
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      return give<unsigned>(to, !known ? 0 : on_device != nullptr ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST);
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: return give<uint64_t>(to, known ? pointer : 0);
    case CU_POINTER_ATTRIBUTE_HOST_POINTER: return give<uint64_t>(to, known && on_device == nullptr ? pointer : 0);
    case CU_POINTER_ATTRIBUTE_BUFFER_ID: return give<uint64_t>(to, known ? found->id : 0);
    case CU_POINTER_ATTRIBUTE_IS_MANAGED: return give<unsigned>(to, 0);
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: return give<int>(to, known ? found->context->device : -2);
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR: return give<uint64_t>(to, known ? found->start : 0);
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE: return give<uint64_t>(to, known ? found->bytes : 0);
    case CU_POINTER_ATTRIBUTE_MAPPED: return give<unsigned>(to, known);
  }
  return CUDA_ERROR_INVALID_VALUE;
}

bool is_known(CUdeviceptr pointer) { return state().device.has(pointer, 1) || state().pinned.has(pointer, 1); }

}  // namespace

CUresult cuPointerGetAttribute(void *value, CUpointer_attribute attribute, CUdeviceptr pointer) {
  return call("cuPointerGetAttribute", INITIALIZED | IN_CONTEXT, [&] {
    bool has_host_pointer = state().pinned.has(pointer, 1);
    if (!is_known(pointer) || (attribute == CU_POINTER_ATTRIBUTE_HOST_POINTER && !has_host_pointer)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    return attribute_of(value, attribute, pointer);
  });
}

// Other than cuPointerGetAttribute, it takes any pointer.
CUresult cuPointerGetAttributes(unsigned count, CUpointer_attribute *attributes, void **values, CUdeviceptr pointer) {
  return call("cuPointerGetAttributes", INITIALIZED | IN_CONTEXT, [&] {
    for (unsigned i = 0; i < count; i++) {
      CUresult result = attribute_of(values[i], attributes[i], pointer);
      if (result != CUDA_SUCCESS) return result;
    }
    return CUDA_SUCCESS;
  });
}
