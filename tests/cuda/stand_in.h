/* What the programs of this folder ask of what stands for the CUDA driver. */
#ifndef RADAM_TESTS_CUDA_STAND_IN_H
#define RADAM_TESTS_CUDA_STAND_IN_H

#include "../gpu/driver.h"
#include "stand_in/control.h"

/* A function of the driver or of the stand-in, to be called. */
#define STAND_IN(name) ((__typeof__(&(name)))(uintptr_t)driver_function(#name))

static inline stand_in_counts counted(void) {
  stand_in_counts counts;
  STAND_IN(stand_in_count)(&counts);
  return counts;
}

static inline uint64_t calls_of(const char *name) { return STAND_IN(stand_in_calls_of)(name); }

/* Waits for all streams. */
static inline void wait_for_all(void) { CHECK(STAND_IN(cuCtxSynchronize)() == CUDA_SUCCESS, "the device has failed"); }

static inline void *new_memory(size_t bytes) {
  CUdeviceptr memory;
  DRIVER(cuMemAlloc_v2, &memory, bytes);
  DRIVER(cuMemsetD8_v2, memory, 0, bytes);
  return (void *)(uintptr_t)memory;
}

static inline void free_memory(void *memory) { DRIVER(cuMemFree_v2, (uintptr_t)memory); }

static inline void to_device(void *to, const void *from, size_t bytes) { DRIVER(cuMemcpyHtoD_v2, (uintptr_t)to, from, bytes); }

static inline void *copied(const void *from, size_t bytes) {
  void *memory = new_memory(bytes);
  to_device(memory, from, bytes);
  return memory;
}

static inline bool is_same_on_device(const void *device, const void *host, size_t bytes) {
  void *seen = malloc(bytes + 1);
  CHECK(seen != NULL, "no memory");
  wait_for_all();
  DRIVER(cuMemcpyDtoH_v2, seen, (uintptr_t)device, bytes);
  const bool same = memcmp(seen, host, bytes) == 0;
  free(seen);
  return same;
}

static inline CUstream new_stream(void) {
  CUstream stream;
  DRIVER(cuStreamCreate, &stream, CU_STREAM_NON_BLOCKING);
  return stream;
}

static inline radam_step_options step_options(void) {
  radam_step_options options;
  OK(NULL, radam_step_options_init(&options, sizeof options));
  return options;
}

static inline radam_step_report step_report(void) {
  radam_step_report report;
  OK(NULL, radam_step_report_init(&report, sizeof report));
  return report;
}

static inline radam_param param_of(radam_dtype dtype, void *data, void *grad, uint64_t len) {
  radam_param param;
  OK(NULL, radam_param_init(&param, sizeof param));
  param.dtype = dtype;
  param.data = data;
  param.grad = grad;
  param.len = len;
  return param;
}

#endif
