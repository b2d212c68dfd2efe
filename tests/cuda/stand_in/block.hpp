// Runs a kernel on the host: the blocks of a launch one after the other, the threads of a block on fibers. A thread
// that meets no other one is an ordinary function call; only one that has to wait for others leaves its stack.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct uint3 {
  unsigned x, y, z;
};

// Where the running thread is. There is one at a time, so these are plain variables, which change when threads do.
extern uint3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

namespace stand_in {

// A kernel, and the sizes of the structs that it takes.
struct Kernel {
  const char *name;
  std::vector<size_t> sizes;
  void (*run)(const void *const *args);
};
// All kernels; the last one's name is null.
extern const Kernel KERNELS[];

// To the end. A thread that does what has no defined result on a GPU ends the program, with a message.
void run_kernel(const Kernel &kernel, const void *const *args, unsigned blocks, unsigned threads);
// After a kernel has been left by a jump: its threads are gone.
void forget_threads();
// ", block 3, thread 17", for messages; nothing if no kernel runs.
std::string running_thread();

// What all threads of a warp that met have handed in.
struct Met {
  const uint64_t *values;
  unsigned lanes;  // those that came
};
// Waits until all threads of the warp that are named in `mask` and have not exited wait in the same `function`.
Met meet_warp(const char *function, unsigned mask, uint64_t value);
// Waits until all threads of the block that have not exited wait here.
void meet_block();
[[noreturn]] void undefined(const char *function, const char *what);

}  // namespace stand_in
