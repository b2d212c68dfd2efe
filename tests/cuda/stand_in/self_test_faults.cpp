// Tests of what goes wrong: in kernels, in the host's use of memory, and where a test asks for it.
#include "self_test.hpp"

#include <csignal>
#include <cstring>
#include <sys/wait.h>
#include <unistd.h>

namespace {

// The error of a kernel that reaches for this place in an allocation of 100 bytes.
CUresult reach(long long index, unsigned bytes) {
  Device device;
  ReachArgs args = {at<unsigned char>(device.allocate(100)), index, bytes};
  device.launch("reach", &args, 1, 1);
  return cuCtxSynchronize();
}

void accesses_within_are_fine() {
  OK(reach(99, 0));
  OK(reach(99, 1));
  OK(reach(96, 4));
  OK(reach(80, 16));
}
void reading_far_behind_is_found() { GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, reach(256, 0)); }
void writing_just_behind_is_found() { GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, reach(100, 1)); }
void writing_before_is_found() { GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, reach(-1, 1)); }
void misaligned_accesses_are_found() {
  GIVES(CUDA_ERROR_MISALIGNED_ADDRESS, reach(8, 16));
  CHECK(std::strstr(stand_in_last_fault(), "misaligned address") != nullptr);
}

void a_fault_stays_until_the_end() {
  Device device;
  CUdeviceptr memory = device.allocate(100), other = device.allocate(100);
  OK(cuMemFree_v2(other));
  ReachArgs args = {at<unsigned char>(other), 0, 1};
  device.launch("reach", &args, 1, 1);
  device.launch("reach", &args, 1, 1);
  unsigned back;
  GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemcpyDtoH_v2(&back, memory, 4));
  CHECK(std::strstr(stand_in_last_fault(), "reach, block 0, thread 0: touched") != nullptr);
  GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemAlloc_v2(&other, 100));
  GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamQuery(nullptr));
  GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemFree_v2(memory));
  GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuModuleUnload(device.module));
  OK(cuCtxPopCurrent_v2(nullptr));
  OK(cuDevicePrimaryCtxRelease_v2(0));
  stand_in_counts left = counts();
  CHECK(left.allocations == 0 && left.modules == 0 && left.queued == 0 && left.retained == 0);
}

// A fault leaves the threads of a kernel in the middle; the next kernel has new ones.
void kernels_run_after_a_repair() {
  Device device;
  ReachArgs args = {nullptr, 0, 1};
  device.launch("reach", &args, 3, 64);
  GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
  stand_in_repair();
  CUdeviceptr to = device.with(std::vector<unsigned>(64));
  MeetArgs meet = {HALF_WARPS, at<unsigned>(to)};
  device.launch("meet", &meet, 1, 64);
  CHECK(device.read<unsigned>(to, 64)[1] == 14);
  // A copy has no threads.
  GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemcpyHtoD_v2(to, at<char>(8), 4));
  CHECK(std::strcmp(stand_in_last_fault(), "a copy to the device: touched 0x8, which is elsewhere") == 0);
}

void the_host_cannot_touch_the_device() {
  Device device;
  CUdeviceptr memory = device.allocate(100);
  OK(cuMemsetD8_v2(memory, 0, 100));
  OK(cuCtxSynchronize());
  *static_cast<volatile char *>(at<char>(memory)) = 1;
}

void pinned_memory_has_an_end() {
  Device device;
  void *memory;
  OK(cuMemAllocHost_v2(&memory, 512));
  static_cast<volatile char *>(memory)[512] = 1;
}

void writing_behind_pinned_memory_is_found() {
  Device device;
  void *memory;
  OK(cuMemAllocHost_v2(&memory, 100));
  static_cast<char *>(memory)[100] = 1;
  GIVES(CUDA_ERROR_INVALID_VALUE, cuMemFreeHost(memory));
}

void arguments_are_checked() {
  Device device;
  CUdeviceptr memory = device.allocate(100);
  char host[101] = {};
  CHECK(device.read<unsigned char>(memory, 100) == std::vector<unsigned char>(100, 0xa5));
  GIVES(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(memory, host, 101));
  GIVES(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoDAsync_v2(reinterpret_cast<CUdeviceptr>(host), host, 1, nullptr));
  GIVES(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(memory + 1));
  OK(cuMemFree_v2(memory));
  GIVES(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(memory));
  CUstream stream;
  OK(cuStreamCreate(&stream, 0));
  OK(cuStreamDestroy_v2(stream));
  GIVES(CUDA_ERROR_INVALID_HANDLE, cuStreamSynchronize(stream));
}

void memory_has_a_limit() {
  stand_in_set_memory(1000);
  Device device;
  CUdeviceptr one = device.allocate(600), other;
  GIVES(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc_v2(&other, 600));
  OK(cuMemFree_v2(one));
  OK(cuMemAlloc_v2(&other, 600));
}

void a_call_fails_when_asked_to() {
  Device device;
  CUdeviceptr memory = device.allocate(4), other = 0;
  stand_in_fail_call(2, CUDA_ERROR_OUT_OF_MEMORY);
  OK(cuMemsetD32Async(memory, 1, 1, nullptr));
  GIVES(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc_v2(&other, 4));
  CHECK(other == 0 && std::strcmp(stand_in_last_call(), "cuMemAlloc_v2") == 0);
  OK(cuMemAlloc_v2(&other, 4));
  CHECK(stand_in_calls_of("cuMemAlloc_v2") == 3 && stand_in_calls() == 8);
  // What gives something back does so all the same.
  stand_in_fail_call(1, CUDA_ERROR_UNKNOWN);
  GIVES(CUDA_ERROR_UNKNOWN, cuMemFree_v2(other));
  CHECK(counts().allocations == 1);
}

void a_lost_device_stays_lost() {
  Device device;
  CUdeviceptr memory = device.with(std::vector<unsigned>{1});
  OK(cuMemsetD32Async(memory, 2, 1, nullptr));
  stand_in_lose_device(1, CUDA_ERROR_UNKNOWN);
  unsigned back = 0;
  GIVES(CUDA_ERROR_UNKNOWN, cuMemcpyDtoH_v2(&back, memory, 4));
  GIVES(CUDA_ERROR_UNKNOWN, cuCtxSynchronize());
  GIVES(CUDA_ERROR_UNKNOWN, cuMemFree_v2(memory));
  GIVES(CUDA_ERROR_UNKNOWN, cuModuleUnload(device.module));
  GIVES(CUDA_ERROR_UNKNOWN, cuCtxPopCurrent_v2(nullptr));
  GIVES(CUDA_ERROR_UNKNOWN, cuDevicePrimaryCtxRelease_v2(0));
  const char *name = nullptr;
  OK(cuGetErrorName(CUDA_ERROR_UNKNOWN, &name));
  stand_in_counts left = counts();
  CHECK(back == 0 && left.allocations + left.modules + left.pushed + left.retained + left.queued == 0);
}

void leaks_are_counted() {
  Device device;
  CUstream stream;
  CUevent event;
  void *memory;
  device.allocate(10);
  device.allocate(20);
  OK(cuMemHostAlloc(&memory, 30, 0));
  OK(cuStreamCreate(&stream, 0));
  OK(cuEventCreate(&event, 0));
  stand_in_counts left = counts();
  CHECK(left.allocations == 2 && left.bytes == 30 && left.pinned == 1 && left.pinned_bytes == 30);
  CHECK(left.streams == 1 && left.events == 1 && left.modules == 1 && left.retained == 1 && left.pushed == 1);
  OK(cuMemFreeHost(memory));
  OK(cuStreamDestroy_v2(stream));
  OK(cuEventDestroy_v2(event));
  left = counts();
  CHECK(left.pinned == 0 && left.streams == 0 && left.events == 0);
}

void children_cannot_use_the_driver() {
  Device device;
  pid_t child = fork();
  if (child == 0) std::_Exit(cuCtxSynchronize() == CUDA_ERROR_NOT_INITIALIZED ? 0 : 1);
  int status = 1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}

// The variables are read at the first call.
void the_environment_plans_faults() {
  setenv("RADAM_STAND_IN_DEVICES", "3", 1);
  setenv("RADAM_STAND_IN_FAIL_CALL", "2:101", 1);
  setenv("RADAM_STAND_IN_LOSE_DEVICE", "4:700", 1);
  int count = 0;
  OK(cuInit(0));
  GIVES(CUDA_ERROR_INVALID_DEVICE, cuDeviceGetCount(&count));
  OK(cuDeviceGetCount(&count));
  GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuDeviceGetCount(&count));
  GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuInit(0));
  CHECK(count == 3);
}

}  // namespace

const std::vector<Test> FAULT_TESTS = {
    TEST(accesses_within_are_fine),
    TEST(reading_far_behind_is_found),
    TEST(writing_just_behind_is_found),
    TEST(writing_before_is_found),
    TEST(misaligned_accesses_are_found),
    TEST(a_fault_stays_until_the_end),
    TEST(kernels_run_after_a_repair),
    TEST_ENDED_BY(SIGSEGV, the_host_cannot_touch_the_device),
    TEST_ENDED_BY(SIGSEGV, pinned_memory_has_an_end),
    TEST(writing_behind_pinned_memory_is_found),
    TEST(arguments_are_checked),
    TEST(memory_has_a_limit),
    TEST(a_call_fails_when_asked_to),
    TEST(a_lost_device_stays_lost),
    TEST(leaks_are_counted),
    TEST(children_cannot_use_the_driver),
    TEST(the_environment_plans_faults),
};
