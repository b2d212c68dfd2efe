/* Calls of the CUDA driver, which is found at run time, so that the programs of this folder are built where no CUDA is. */
#ifndef RADAM_TESTS_DRIVER_H
#define RADAM_TESTS_DRIVER_H

#include "../c/check.h"
#include "../cuda/driver_api.h"

#include <dlfcn.h>

static inline void *driver_function(const char *name) {
  void *driver = dlopen("libcuda.so.1", RTLD_NOW), *function = driver ? dlsym(driver, name) : NULL;
  CHECK(function != NULL, "the driver has no %s: %s", name, dlerror());
  return function;
}

/* DRIVER(function, arguments...): a call that must succeed. */
#define DRIVER(name, ...)                                                             \
  do {                                                                                \
    __typeof__(&(name)) function_;                                                    \
    *(void **)&function_ = driver_function(#name);                                    \
    const int result_ = function_(__VA_ARGS__);                                       \
    CHECK(result_ == 0, "%s gave the error %d of CUDA", #name, result_);              \
  } while (0)

/* Makes the first GPU's primary context this thread's. */
static inline void open_device(void) {
  CUdevice device;
  CUcontext context;
  DRIVER(cuInit, 0);
  DRIVER(cuDeviceGet, &device, 0);
  DRIVER(cuDevicePrimaryCtxRetain, &context, device);
  DRIVER(cuCtxPushCurrent_v2, context);
}

static inline radam_optimizer *create_on(radam_device device, CUstream stream) {
  radam_options options;
  radam_optimizer *opt = NULL;
  OK(NULL, radam_options_init(&options, sizeof options));
  options.device = device;
  options.cuda_stream = stream;
  OK(NULL, radam_create(&options, &opt));
  return opt;
}

/* An allocator of the host's memory, whose user counts the arrays. */
static inline void *allocate_on_host(uint64_t size, uint64_t alignment, void *user) {
  ++*(int *)user;
  return aligned_alloc(alignment, size);
}

static inline void release_on_host(void *memory, uint64_t size, uint64_t alignment, void *user) {
  (void)size, (void)alignment;
  --*(int *)user;
  free(memory);
}

#endif
