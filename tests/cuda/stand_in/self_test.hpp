// What the tests of the stand-in share: a device with a context, memory and kernels.
#pragma once
#include "control.h"
#include "self_test_kernels.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#define CHECK(condition)                                                    \
  do {                                                                      \
    if (!(condition)) {                                                     \
      std::fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, #condition); \
      std::_Exit(1);                                                        \
    }                                                                       \
  } while (0)
#define GIVES(result, call) check_result(result, call, #call, __FILE__, __LINE__)
#define OK(call) GIVES(CUDA_SUCCESS, call)

inline void check_result(CUresult expected, CUresult result, const char *call, const char *file, int line) {
  if (result == expected) return;
  std::fprintf(stderr, "%s:%d: %s gave %d instead of %d\n", file, line, call, result, expected);
  std::_Exit(1);
}

template <class T>
T *at(CUdeviceptr address) { return reinterpret_cast<T *>(address); }

// PTX as the stand-in reads it: the heads of the kernels.
inline std::string ptx_of(const std::string &name, std::initializer_list<size_t> sizes) {
  std::string head;
  for (const size_t &size : sizes) {
    head += head.empty() ? "\n" : ",\n";
    std::string number = std::to_string(&size - sizes.begin());
    head += "\t.param .align 8 .b8 " + name + "_param_" + number + "[" + std::to_string(size) + "]";
  }
  return ".visible .entry " + name + "(" + head + "\n)\n.maxntid 256, 1, 1\n{\n\tret;\n}\n";
}

inline std::string ptx() {
  return ".version 8.0\n.target sm_70\n.address_size 64\n" + ptx_of("count", {sizeof(CountArgs)}) +
         ptx_of("sum", {sizeof(SumArgs)}) + ptx_of("reach", {sizeof(ReachArgs)}) +
         ptx_of("meet", {sizeof(MeetArgs)}) + ptx_of("order", {sizeof(OrderArgs)}) +
         ptx_of("multiply", {sizeof(FloatArgs), sizeof(FloatArgs)});
}

inline stand_in_counts counts() {
  stand_in_counts all;
  stand_in_count(&all);
  return all;
}

// The context of the first device, current in this thread, with the kernels.
struct Device {
  CUcontext context;
  CUmodule module;

  Device() {
    OK(cuInit(0));
    OK(cuDevicePrimaryCtxRetain(&context, 0));
    OK(cuCtxPushCurrent_v2(context));
    OK(cuModuleLoadData(&module, ptx().c_str()));
  }

  CUdeviceptr allocate(size_t bytes) const {
    CUdeviceptr memory = 0;
    OK(cuMemAlloc_v2(&memory, bytes));
    return memory;
  }

  template <class T>
  CUdeviceptr with(const std::vector<T> &values) const {
    CUdeviceptr memory = allocate(values.size() * sizeof(T));
    OK(cuMemcpyHtoD_v2(memory, values.data(), values.size() * sizeof(T)));
    return memory;
  }

  template <class T>
  std::vector<T> read(CUdeviceptr memory, size_t count) const {
    std::vector<T> values(count);
    OK(cuMemcpyDtoH_v2(values.data(), memory, count * sizeof(T)));
    return values;
  }

  CUresult try_launch(const char *name, void *args, unsigned blocks, unsigned threads, CUstream stream = nullptr,
                      void *more = nullptr) const {
    CUfunction function;
    OK(cuModuleGetFunction(&function, module, name));
    void *params[] = {args, more};
    return cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, 0, stream, params, nullptr);
  }
  void launch(const char *name, void *args, unsigned blocks, unsigned threads, CUstream stream = nullptr) const {
    OK(try_launch(name, args, blocks, threads, stream));
  }
};

// A test, and the signal that ends it, or 0.
struct Test {
  const char *name;
  void (*run)();
  int signal;
};
#define TEST(name) {#name, name, 0}
#define TEST_ENDED_BY(signal, name) {#name, name, signal}
extern const std::vector<Test> KERNEL_TESTS, DRIVER_TESTS, FAULT_TESTS, CAPTURE_TESTS;
