// Tests of the driver: when queued work runs, and what it is checked for.
#include "self_test.hpp"

#include <cstring>
#include <thread>

namespace {

// Pinned memory of `count` numbers.
unsigned *pinned(size_t count) {
  void *memory;
  OK(cuMemHostAlloc(&memory, count * sizeof(unsigned), 0));
  return static_cast<unsigned *>(memory);
}

CUstream new_stream(unsigned flags) {
  CUstream stream;
  OK(cuStreamCreate(&stream, flags));
  return stream;
}

CUevent recorded(CUstream stream) {
  CUevent event;
  OK(cuEventCreate(&event, CU_EVENT_DEFAULT));
  OK(cuEventRecord(event, stream));
  return event;
}

void work_waits_until_it_is_waited_for() {
  Device device;
  CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
  unsigned *host = pinned(64), *back = pinned(64);
  CUdeviceptr memory = device.allocate(256);
  std::memset(host, 0, 256);
  std::memset(back, 0, 256);
  OK(cuMemcpyHtoDAsync_v2(memory, host, 256, stream));
  CountArgs args = {at<unsigned>(memory), 5};
  device.launch("count", &args, 2, 32, stream);
  args.by = 1000;  // the launch has copied it
  OK(cuMemcpyDtoHAsync_v2(back, memory, 256, stream));
  host[3] = 7;  // read when the copy runs
  CHECK(back[3] == 0 && counts().queued == 3);
  OK(cuStreamSynchronize(stream));
  CHECK(back[3] == 12 && back[4] == 5 && counts().queued == 0 && counts().unpinned_copies == 0);
}

// Work of another stream does not run, unless an event says so.
void only_what_is_waited_for_runs() {
  Device device;
  CUstream one = new_stream(CU_STREAM_NON_BLOCKING), other = new_stream(CU_STREAM_NON_BLOCKING);
  CUdeviceptr memory = device.allocate(4);
  unsigned *back = pinned(1);
  OK(cuMemsetD32Async(memory, 1, 1, one));
  OK(cuStreamSynchronize(one));
  OK(cuMemsetD32Async(memory, 2, 1, one));
  OK(cuMemcpyDtoHAsync_v2(back, memory, 4, other));
  OK(cuStreamSynchronize(other));
  CHECK(*back == 1);
  OK(cuStreamWaitEvent(other, recorded(one), 0));
  OK(cuMemcpyDtoHAsync_v2(back, memory, 4, other));
  OK(cuStreamSynchronize(other));
  CHECK(*back == 2);
}

void the_legacy_stream_orders_blocking_streams() {
  Device device;
  CUstream blocking = new_stream(CU_STREAM_DEFAULT), free = new_stream(CU_STREAM_NON_BLOCKING);
  CUdeviceptr memory = device.allocate(8);
  OK(cuMemsetD32Async(memory, 1, 1, blocking));
  OK(cuMemsetD32Async(memory + 4, 1, 1, free));
  CHECK(device.read<unsigned>(memory, 2) == (std::vector<unsigned>{1, 0xa5a5a5a5}));
  OK(cuMemsetD8_v2(memory, 0, 8));
  unsigned *back = pinned(1);
  OK(cuMemcpyDtoHAsync_v2(back, memory, 4, blocking));
  OK(cuStreamSynchronize(blocking));
  CHECK(*back == 0);
  // Memory is freed only when all work has run.
  OK(cuMemFree_v2(memory));
  CHECK(counts().queued == 0);
}

void polling_ends() {
  Device device;
  CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
  CUdeviceptr memory = device.allocate(4);
  CUevent start = recorded(stream);
  for (unsigned i = 0; i < 3; i++) OK(cuMemsetD32Async(memory, i, 1, stream));
  CUevent end = recorded(stream);
  GIVES(CUDA_ERROR_NOT_READY, cuEventQuery(end));
  GIVES(CUDA_ERROR_NOT_READY, cuStreamQuery(stream));
  float milliseconds = -1;
  GIVES(CUDA_ERROR_NOT_READY, cuEventElapsedTime(&milliseconds, start, end));
  int polls = 0;
  while (cuEventQuery(end) == CUDA_ERROR_NOT_READY) polls++;
  CHECK(polls >= 1 && polls < 5);
  OK(cuStreamQuery(stream));
  OK(cuEventElapsedTime(&milliseconds, start, end));
  CHECK(milliseconds >= 0);
}

void a_full_queue_runs() {
  Device device;
  CUdeviceptr memory = device.allocate(4);
  for (unsigned i = 0; i < 10000; i++) OK(cuMemsetD32Async(memory, i, 1, nullptr));
  CHECK(counts().queued > 1000 && counts().queued < 5000);
  CHECK(device.read<unsigned>(memory, 1)[0] == 9999);
}

void pointers_are_known() {
  Device device;
  CUdeviceptr memory = device.allocate(1000);
  unsigned *host = pinned(10), type = 9, managed = 9;
  CUcontext context;
  int ordinal;
  uint64_t start;
  size_t bytes;
  CUpointer_attribute which[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE,      CU_POINTER_ATTRIBUTE_CONTEXT,
                                 CU_POINTER_ATTRIBUTE_IS_MANAGED,       CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
                                 CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, CU_POINTER_ATTRIBUTE_RANGE_SIZE};
  void *to[] = {&type, &context, &managed, &ordinal, &start, &bytes};
  OK(cuPointerGetAttributes(6, which, to, memory + 999));
  CHECK(type == CU_MEMORYTYPE_DEVICE && context == device.context && managed == 0 && ordinal == 0);
  CHECK(start == memory && bytes == 1000 && memory % 256 == 0);
  OK(cuPointerGetAttributes(6, which, to, reinterpret_cast<CUdeviceptr>(host)));
  CHECK(type == CU_MEMORYTYPE_HOST && bytes == 40);
  OK(cuPointerGetAttributes(6, which, to, reinterpret_cast<CUdeviceptr>(&type)));
  CHECK(type == 0 && context == nullptr && ordinal == -2);
  GIVES(CUDA_ERROR_INVALID_VALUE, cuPointerGetAttribute(&type, which[0], memory + 1000));
}

void contexts_are_checked() {
  CUcontext context, popped;
  CUdeviceptr memory;
  int value;
  GIVES(CUDA_ERROR_NOT_INITIALIZED, cuDeviceGetCount(&value));
  OK(cuInit(0));
  OK(cuDevicePrimaryCtxRetain(&context, 0));
  GIVES(CUDA_ERROR_INVALID_CONTEXT, cuMemAlloc_v2(&memory, 4));
  OK(cuCtxPushCurrent_v2(context));
  OK(cuMemAlloc_v2(&memory, 4));
  std::thread([&] { GIVES(CUDA_ERROR_INVALID_CONTEXT, cuMemFree_v2(memory)); }).join();
  CHECK(counts().pushed == 1);
  OK(cuDevicePrimaryCtxRelease_v2(0));
  GIVES(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuMemFree_v2(memory));
  OK(cuCtxPopCurrent_v2(&popped));
  GIVES(CUDA_ERROR_INVALID_CONTEXT, cuCtxPopCurrent_v2(&popped));
  CHECK(popped == context && counts().pushed == 0 && counts().retained == 0 && counts().allocations == 1);
  GIVES(CUDA_ERROR_INVALID_DEVICE, cuDevicePrimaryCtxRetain(&context, 1));
}

void devices_are_apart() {
  stand_in_set_devices(2);
  Device device;
  CUcontext second;
  CUdeviceptr of_second;
  OK(cuDevicePrimaryCtxRetain(&second, 1));
  OK(cuCtxPushCurrent_v2(second));
  OK(cuMemAlloc_v2(&of_second, 4));
  OK(cuCtxPopCurrent_v2(nullptr));
  CountArgs args = {at<unsigned>(of_second), 1};
  device.launch("count", &args, 1, 1);
  GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
  OK(cuCtxPushCurrent_v2(second));
  OK(cuMemFree_v2(of_second));
}

void no_device_is_an_error() {
  stand_in_set_devices(0);
  GIVES(CUDA_ERROR_NO_DEVICE, cuInit(0));
}

void modules_need_the_same_kernels() {
  Device device;
  CUmodule module;
  CUfunction function;
  GIVES(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&module, "not PTX"));
  std::string one_kernel = ".version 8.0\n.target sm_70\n" + ptx_of("count", {16}), other_size = ptx();
  GIVES(CUDA_ERROR_INVALID_PTX, cuModuleLoadData(&module, one_kernel.c_str()));
  other_size.replace(other_size.find("count_param_0[16"), 16, "count_param_0[24");
  GIVES(CUDA_ERROR_INVALID_PTX, cuModuleLoadData(&module, other_size.c_str()));
  std::string one_struct = ptx(), two = ptx_of("multiply", {8, 8}), one = ptx_of("multiply", {8});
  one_struct.replace(one_struct.find(two), two.size(), one);
  GIVES(CUDA_ERROR_INVALID_PTX, cuModuleLoadData(&module, one_struct.c_str()));
  GIVES(CUDA_ERROR_NOT_FOUND, cuModuleGetFunction(&function, device.module, "coun"));
  CountArgs args = {nullptr, 1};
  GIVES(CUDA_ERROR_INVALID_VALUE, device.try_launch("count", &args, 1, 257));
  GIVES(CUDA_ERROR_INVALID_VALUE, device.try_launch("count", &args, 0, 32));
}

void threads_may_call_at_once() {
  Device device;
  std::vector<std::thread> threads;
  for (unsigned number = 0; number < 4; number++) {
    threads.emplace_back([&device, number] {
      OK(cuCtxPushCurrent_v2(device.context));
      CUdeviceptr memory = device.allocate(256);
      CUstream stream = new_stream(number % 2);
      for (unsigned i = 0; i < 50; i++) {
        OK(cuMemsetD32Async(memory, i, 64, stream));
        CountArgs args = {at<unsigned>(memory), number};
        device.launch("count", &args, 2, 32, stream);
        OK(cuStreamSynchronize(stream));
        unsigned back[64];
        OK(cuMemcpyDtoHAsync_v2(back, memory, sizeof back, CU_STREAM_PER_THREAD));
        OK(cuStreamSynchronize(CU_STREAM_PER_THREAD));
        CHECK(back[0] == i + number && back[63] == i + number);
      }
      OK(cuMemFree_v2(memory));
    });
  }
  for (std::thread &thread : threads) thread.join();
  CHECK(counts().pushed == 1);
}

}  // namespace

const std::vector<Test> DRIVER_TESTS = {
    TEST(work_waits_until_it_is_waited_for),
    TEST(only_what_is_waited_for_runs),
    TEST(the_legacy_stream_orders_blocking_streams),
    TEST(polling_ends),
    TEST(a_full_queue_runs),
    TEST(pointers_are_known),
    TEST(contexts_are_checked),
    TEST(devices_are_apart),
    TEST(no_device_is_an_error),
    TEST(modules_need_the_same_kernels),
    TEST(threads_may_call_at_once),
};
