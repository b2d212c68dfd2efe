// The driver API: memory.
#include "captures.hpp"
#include "contexts.hpp"

#include <cstring>

using namespace stand_in;

namespace {

void *at(uint64_t address) { return reinterpret_cast<void *>(address); }
uint64_t address_of(const void *pointer) { return reinterpret_cast<uint64_t>(pointer); }

bool is_on_device(CUdeviceptr address, size_t bytes) { return state().device.has(address, bytes); }

// Memory of the device is opened when the job runs, since a graph may run when it is gone.
std::string open_device(CUdeviceptr address, size_t bytes) {
  Memory &device = state().device;
  if (!device.has(address, bytes)) return std::to_string(bytes) + " bytes that are not in one allocation of the device";
  device.open(*device.find(address));
  return "";
}

Job copy_to_device(CUdeviceptr to, const void *from, size_t bytes) {
  return {"a copy to the device", [=] { return open_device(to, bytes); },
          [=] { std::memcpy(at(to), from, bytes); }};
}

Job copy_from_device(void *to, CUdeviceptr from, size_t bytes) {
  return {"a copy from the device", [=] { return open_device(from, bytes); },
          [=] { std::memcpy(to, at(from), bytes); }};
}

Job copy_on_device(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return {"a copy on the device",
          [=] {
            std::string wrong = open_device(from, bytes);
            return wrong.empty() ? open_device(to, bytes) : wrong;
          },
          [=] { std::memmove(at(to), at(from), bytes); }};
}

template <class T>
Job fill(CUdeviceptr to, T value, size_t count) {
  return {"a memset", [=] { return open_device(to, count * sizeof(T)); },
          [=] { for (size_t i = 0; i < count; i++) static_cast<T *>(at(to))[i] = value; }};
}

// A job that touches these bytes of the device, checked as the driver checks arguments. Nothing is no job.
CUresult submit_checked(CUstream stream, CUdeviceptr device, size_t bytes, const Job &job) {
  if (bytes == 0) return CUDA_SUCCESS;
  return is_on_device(device, bytes) ? submit(stream, {job}) : CUDA_ERROR_INVALID_VALUE;
}

CUresult submit_copy(CUstream stream, CUdeviceptr device, const void *host, size_t bytes, const Job &job) {
  if (!state().pinned.has(address_of(host), bytes)) state().unpinned_copies++;
  return submit_checked(stream, device, bytes, job);
}

// In the legacy stream, and waits for it.
CUresult copy_now(CUdeviceptr device, size_t bytes, const Job &job) {
  if (captures_forbid_legacy(*current_context())) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  if (captures_forbid_unsafe_calls()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  CUresult result = submit_checked(CU_STREAM_LEGACY, device, bytes, job);
  if (result == CUDA_SUCCESS) finish(current_context()->legacy.last);
  return result;
}

CUresult allocate_pinned(void **memory, size_t bytes) {
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  uintptr_t start = state().pinned.allocate(bytes, current_context(), current_context()->life);
  if (start == 0) return CUDA_ERROR_OUT_OF_MEMORY;
  *memory = at(start);
  return CUDA_SUCCESS;
}

// All work that may still use the memory runs before it is freed.
CUresult free_in(Memory &memory, uintptr_t start) {
  const Allocation *allocation = memory.find(start);
  if (allocation == nullptr || allocation->start != start || allocation->life != allocation->context->life) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  finish_all(*allocation->context);
  memory.free(start);
  return CUDA_SUCCESS;
}

constexpr unsigned UNSAFE_CALL = INITIALIZED | IN_CONTEXT | UNSAFE, FREEING = UNSAFE_CALL | GIVES_BACK;

}  // namespace

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  return call("cuMemGetInfo_v2", INITIALIZED | IN_CONTEXT, [&] {
    uint64_t used = state().device.bytes_of(current_context());
    *total = state().memory_of_device;
    *free = used < *total ? *total - used : 0;
    return CUDA_SUCCESS;
  });
}

CUresult cuMemAlloc_v2(CUdeviceptr *memory, size_t bytes) {
  return call("cuMemAlloc_v2", UNSAFE_CALL, [&] {
    if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    CUcontext context = current_context();
    uint64_t used = state().device.bytes_of(context), all = state().memory_of_device;
    uintptr_t start = used > all || bytes > all - used ? 0 : state().device.allocate(bytes, context, context->life);
    if (start == 0) return CUDA_ERROR_OUT_OF_MEMORY;
    *memory = start;
    return CUDA_SUCCESS;
  });
}

CUresult cuMemFree_v2(CUdeviceptr memory) {
  return call("cuMemFree_v2", FREEING, [&] { return memory == 0 ? CUDA_SUCCESS : free_in(state().device, memory); });
}

CUresult cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  return call("cuMemHostAlloc", UNSAFE_CALL, [&] { return allocate_pinned(memory, bytes); });
}

CUresult cuMemAllocHost_v2(void **memory, size_t bytes) {
  return call("cuMemAllocHost_v2", UNSAFE_CALL, [&] { return allocate_pinned(memory, bytes); });
}

CUresult cuMemFreeHost(void *memory) {
  return call("cuMemFreeHost", FREEING, [&] {
    const Allocation *allocation = state().pinned.find(address_of(memory));
    std::string damage = allocation == nullptr ? "" : state().pinned.damage(*allocation);
    CUresult result = free_in(state().pinned, address_of(memory));
    if (damage.empty()) return result;
    state().last_fault = "pinned memory: " + damage;
    return CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
  return call("cuMemcpyHtoD_v2", INITIALIZED | IN_CONTEXT,
              [&] { return copy_now(to, bytes, copy_to_device(to, from, bytes)); });
}

CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes) {
  return call("cuMemcpyDtoH_v2", INITIALIZED | IN_CONTEXT,
              [&] { return copy_now(from, bytes, copy_from_device(to, from, bytes)); });
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  return call("cuMemcpyHtoDAsync_v2", INITIALIZED | IN_CONTEXT,
              [&] { return submit_copy(stream, to, from, bytes, copy_to_device(to, from, bytes)); });
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return call("cuMemcpyDtoHAsync_v2", INITIALIZED | IN_CONTEXT,
              [&] { return submit_copy(stream, from, to, bytes, copy_from_device(to, from, bytes)); });
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return call("cuMemcpyDtoDAsync_v2", INITIALIZED | IN_CONTEXT, [&] {
    if (bytes != 0 && !is_on_device(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
    return submit_checked(stream, to, bytes, copy_on_device(to, from, bytes));
  });
}

CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count) {
  return call("cuMemsetD8_v2", INITIALIZED | IN_CONTEXT,
              [&] { return submit_checked(CU_STREAM_LEGACY, to, count, fill(to, value, count)); });
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  return call("cuMemsetD8Async", INITIALIZED | IN_CONTEXT,
              [&] { return submit_checked(stream, to, count, fill(to, value, count)); });
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
  return call("cuMemsetD32Async", INITIALIZED | IN_CONTEXT, [&] {
    if (to % 4 != 0) return CUDA_ERROR_INVALID_VALUE;
    return submit_checked(stream, to, count * 4, fill(to, value, count));
  });
}
