// The driver API: the driver, its devices and their contexts.
#include "captures.hpp"
#include "contexts.hpp"

#include <cstdio>
#include <unistd.h>

using namespace stand_in;

namespace {

bool is_device(CUdevice device) { return device >= 0 && device < state().device_count; }

struct ErrorText {
  CUresult error;
  const char *name, *text;
};

#define ERROR(name, text) {name, #name, text}
const ErrorText ERRORS[] = {
    ERROR(CUDA_SUCCESS, "no error"),
    ERROR(CUDA_ERROR_INVALID_VALUE, "an argument is invalid"),
    ERROR(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    ERROR(CUDA_ERROR_NOT_INITIALIZED, "the driver was not initialized"),
    ERROR(CUDA_ERROR_DEINITIALIZED, "the driver is shutting down"),
    ERROR(CUDA_ERROR_NO_DEVICE, "there is no device"),
    ERROR(CUDA_ERROR_INVALID_DEVICE, "there is no such device"),
    ERROR(CUDA_ERROR_INVALID_IMAGE, "the image is no program"),
    ERROR(CUDA_ERROR_INVALID_CONTEXT, "no context, or an invalid one, is current"),
    ERROR(CUDA_ERROR_NO_BINARY_FOR_GPU, "the program has no code for this device"),
    ERROR(CUDA_ERROR_ECC_UNCORRECTABLE, "the memory of the device has an error that cannot be corrected"),
    ERROR(CUDA_ERROR_INVALID_PTX, "the PTX does not compile"),
    ERROR(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "the PTX is of a newer version than the driver"),
    ERROR(CUDA_ERROR_INVALID_HANDLE, "a handle is invalid"),
    ERROR(CUDA_ERROR_NOT_FOUND, "nothing has this name"),
    ERROR(CUDA_ERROR_NOT_READY, "the work is not done yet"),
    ERROR(CUDA_ERROR_ILLEGAL_ADDRESS, "a kernel touched an address that is not the device's"),
    ERROR(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "the launch needs more than the device has"),
    ERROR(CUDA_ERROR_CONTEXT_IS_DESTROYED, "the context was destroyed"),
    ERROR(CUDA_ERROR_MISALIGNED_ADDRESS, "a kernel touched a misaligned address"),
    ERROR(CUDA_ERROR_LAUNCH_FAILED, "a kernel failed"),
    ERROR(CUDA_ERROR_NOT_SUPPORTED, "this is not supported"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "this is not permitted while a stream is captured"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "an earlier error has invalidated the capture"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_MERGE, "two captures would merge"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "the capture did not begin in this stream"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "the capture has streams that were not joined"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "a dependency would cross the border of the capture"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "the legacy stream would depend on a capture"),
    ERROR(CUDA_ERROR_CAPTURED_EVENT, "the event was recorded in a capture"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "the capture began in another thread"),
    ERROR(CUDA_ERROR_UNKNOWN, "something unknown has failed"),
};

const ErrorText *text_of(CUresult error) {
  for (const ErrorText &known : ERRORS) {
    if (known.error == error) return &known;
  }
  return nullptr;
}

}  // namespace

CUresult cuInit(unsigned flags) {
  return call("cuInit", ANY_TIME, [&] {
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (state().device_count == 0) return CUDA_ERROR_NO_DEVICE;
    state().process = getpid();
    return CUDA_SUCCESS;
  });
}

CUresult cuDriverGetVersion(int *version) {
  return call("cuDriverGetVersion", ANY_TIME, [&] { return *version = 12000, CUDA_SUCCESS; });
}

CUresult cuGetErrorName(CUresult error, const char **name) {
  return call("cuGetErrorName", TEXT, [&] {
    const ErrorText *known = text_of(error);
    *name = known == nullptr ? nullptr : known->name;
    return known == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
  });
}

CUresult cuGetErrorString(CUresult error, const char **text) {
  return call("cuGetErrorString", TEXT, [&] {
    const ErrorText *known = text_of(error);
    *text = known == nullptr ? nullptr : known->text;
    return known == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetCount(int *count) {
  return call("cuDeviceGetCount", INITIALIZED, [&] { return *count = state().device_count, CUDA_SUCCESS; });
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  return call("cuDeviceGet", INITIALIZED, [&] {
    if (!is_device(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
    *device = ordinal;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetName(char *name, int size, CUdevice device) {
  return call("cuDeviceGetName", INITIALIZED, [&] {
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    if (size <= 0) return CUDA_ERROR_INVALID_VALUE;
    std::snprintf(name, static_cast<size_t>(size), "Stand-in %d", device);
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
  return call("cuDeviceGetAttribute", INITIALIZED, [&] {
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    switch (attribute) {
      case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X: *value = 1024; break;
      case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: *value = 0x7fffffff; break;
      case CU_DEVICE_ATTRIBUTE_WARP_SIZE: *value = 32; break;
      case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = 1; break;
      case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
      case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING: *value = 1; break;
      case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE: *value = 0; break;
      case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: *value = 2048; break;
      case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = 9; break;
      case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = 0; break;
      default: return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  return call("cuDevicePrimaryCtxRetain", INITIALIZED, [&] {
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    *context = &state().contexts[device];
    (*context)->retained++;
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  return call("cuDevicePrimaryCtxRelease_v2", INITIALIZED | GIVES_BACK, [&] {
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    CUctx_st &context = state().contexts[device];
    if (context.retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
    if (--context.retained > 0) return CUDA_SUCCESS;
    finish_all(context);
    context.life++;
    context.failed = CUDA_SUCCESS;
    context.legacy.last = nullptr;
    context.per_thread.clear();
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *active) {
  return call("cuDevicePrimaryCtxGetState", INITIALIZED, [&] {
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    *flags = 0;
    *active = is_alive(&state().contexts[device]);
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxPushCurrent_v2(CUcontext context) {
  return call("cuCtxPushCurrent_v2", INITIALIZED, [&] {
    if (!is_alive(context)) return CUDA_ERROR_INVALID_CONTEXT;
    this_thread().stack.push_back(context);
    state().pushed++;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxPopCurrent_v2(CUcontext *context) {
  return call("cuCtxPopCurrent_v2", INITIALIZED | GIVES_BACK, [&] {
    if (this_thread().stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
    if (context != nullptr) *context = current_context();
    this_thread().stack.pop_back();
    state().pushed--;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetCurrent(CUcontext *context) {
  return call("cuCtxGetCurrent", INITIALIZED, [&] { return *context = current_context(), CUDA_SUCCESS; });
}

// Takes the place of the current context; NULL only removes it.
CUresult cuCtxSetCurrent(CUcontext context) {
  return call("cuCtxSetCurrent", INITIALIZED, [&] {
    if (context != nullptr && !is_alive(context)) return CUDA_ERROR_INVALID_CONTEXT;
    auto &stack = this_thread().stack;
    state().pushed -= stack.size();
    if (!stack.empty()) stack.pop_back();
    if (context != nullptr) stack.push_back(context);
    state().pushed += stack.size();
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetDevice(CUdevice *device) {
  return call("cuCtxGetDevice", INITIALIZED | IN_CONTEXT,
              [&] { return *device = current_context()->device, CUDA_SUCCESS; });
}

CUresult cuCtxSynchronize() {
  return call("cuCtxSynchronize", INITIALIZED | IN_CONTEXT, [&] {
    if (captures_forbid_waiting(*current_context())) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    finish_all(*current_context());
    return CUDA_SUCCESS;
  });
}
