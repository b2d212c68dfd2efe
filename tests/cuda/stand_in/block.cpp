#include "block.hpp"

#include "fiber.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

uint3 threadIdx, blockIdx, blockDim, gridDim;

// What __shared__ variables are in, from linker-made names; a kernel that has none leaves them undefined.
extern "C" char __start_radam_shared[] __attribute__((weak, visibility("hidden")));
extern "C" char __stop_radam_shared[] __attribute__((weak, visibility("hidden")));

namespace stand_in {
namespace {

enum class State : uint8_t { READY, AT_WARP, AT_BLOCK, EXITED };

struct Thread {
  State state = State::READY;
  Fiber *fiber = nullptr;
  // What it waits in and hands in, and what it gets.
  const char *function = nullptr;
  unsigned mask = 0, came = 0;
  uint64_t given = 0;
};

struct Warp {
  unsigned begun = 0;  // threads, in their order
  uint64_t met[32];    // what was handed in when the threads last met
};

// The running launch.
const Kernel *kernel;
const void *const *arguments;
std::vector<Thread> threads;
std::vector<Warp> warps;
unsigned current;
// Threads start in ascending order in one block and in descending order in the next, so that results which depend on
// the order show.
bool descending;
unsigned launches;

std::vector<std::unique_ptr<Fiber>> fibers;
std::vector<Fiber *> idle;

void become(unsigned thread) {
  current = thread;
  threadIdx.x = thread;
}

unsigned warp_begin(unsigned warp) { return warp * 32; }
unsigned warp_size(unsigned warp) { return std::min(32u, blockDim.x - warp_begin(warp)); }
unsigned in_order(unsigned index, unsigned count) { return descending ? count - 1 - index : index; }

// Makes the next thread of the warp that has not begun the current one, if there is one.
bool begin_next(unsigned warp) {
  unsigned size = warp_size(warp);
  if (warps[warp].begun == size) return false;
  become(warp_begin(warp) + in_order(warps[warp].begun++, size));
  return true;
}

// What each fiber does: it runs threads of the warp to their ends. While one of them waits, other fibers do the rest.
void run_threads() {
  for (;;) {
    Fiber *fiber = idle.back();
    idle.pop_back();
    do {
      threads[current].fiber = fiber;
      kernel->run(arguments);
      threads[current].state = State::EXITED;
    } while (begin_next(current / 32));
    idle.push_back(fiber);
    fiber->leave();
  }
}

// Begins threads of the warp until all have begun; whether there were any.
bool begin_threads(unsigned warp) {
  bool any = false;
  while (begin_next(warp)) {
    any = true;
    if (idle.empty()) {
      fibers.push_back(std::make_unique<Fiber>(run_threads));
      idle.push_back(fibers.back().get());
    }
    idle.back()->enter();  // until a thread waits, or the last one has exited
  }
  return any;
}

[[noreturn]] void report_stuck() {
  std::string what = "that other threads never reach:", last;
  for (unsigned i = 0; i < threads.size(); i++) {
    const Thread &thread = threads[i];
    char text[96];
    if (thread.state == State::EXITED) std::snprintf(text, sizeof text, "exited");
    else if (thread.state == State::AT_BLOCK) std::snprintf(text, sizeof text, "at __syncthreads");
    else std::snprintf(text, sizeof text, "at %s(0x%08x)", thread.function, thread.mask);
    if (i != 0 && last == text) continue;  // says it of the first of several
    last = text;
    what += "\n  from thread " + std::to_string(i) + " on: " + text;
  }
  undefined("a meeting", what.c_str());
}

bool same_meeting(const Thread &one, const Thread &other) {
  return other.state == State::AT_WARP && other.mask == one.mask && std::strcmp(other.function, one.function) == 0;
}

// Lets those threads of the warp go on whose meeting is complete; whether there are any.
bool settle(unsigned warp) {
  Thread *lanes = &threads[warp_begin(warp)];
  unsigned size = warp_size(warp), alive = 0;
  for (unsigned i = 0; i < size; i++) alive |= (lanes[i].state != State::EXITED) * 1u << i;
  bool any = false;
  for (unsigned lane = 0; lane < size; lane++) {
    if (lanes[lane].state != State::AT_WARP) continue;
    unsigned needed = lanes[lane].mask & alive, came = 0;
    for (unsigned i = 0; i < size; i++) came |= (needed >> i & 1 && same_meeting(lanes[lane], lanes[i])) * 1u << i;
    if (came != needed) continue;
    for (unsigned i = 0; i < size; i++) {
      if ((came >> i & 1) == 0) continue;
      warps[warp].met[i] = lanes[i].given;
      lanes[i].came = came;
      lanes[i].state = State::READY;
    }
    any = true;
  }
  return any;
}

// Runs the warp until all of its threads wait for other warps or have exited; whether anything ran.
bool run_warp(unsigned warp) {
  unsigned begin = warp_begin(warp), size = warp_size(warp);
  bool any = begin_threads(warp);
  do {
    for (unsigned i = 0; i < size; i++) {
      unsigned thread = begin + in_order(i, size);
      if (threads[thread].state != State::READY) continue;
      become(thread);
      threads[thread].fiber->enter();
      any = true;
    }
  } while (settle(warp));
  return any;
}

// Lets the block go on if all that have not exited wait at the barrier; whether there are any.
bool open_barrier() {
  bool any = false;
  for (const Thread &thread : threads) {
    if (thread.state == State::AT_WARP) return false;
    any = any || thread.state == State::AT_BLOCK;
  }
  for (Thread &thread : threads) {
    if (thread.state == State::AT_BLOCK) thread.state = State::READY;
  }
  return any;
}

void run_block() {
  threads.assign(blockDim.x, Thread());
  for (Warp &warp : warps) warp.begun = 0;
  std::memset(__start_radam_shared, 0xa5, static_cast<size_t>(__stop_radam_shared - __start_radam_shared));
  unsigned count = static_cast<unsigned>(warps.size());
  for (;;) {
    bool any = false;
    for (unsigned i = 0; i < count; i++) any = run_warp(in_order(i, count)) || any;
    if (open_barrier()) continue;
    if (any) continue;
    for (const Thread &thread : threads) {
      if (thread.state != State::EXITED) report_stuck();
    }
    return;
  }
}

}  // namespace

void run_kernel(const Kernel &which, const void *const *args, unsigned block_count, unsigned thread_count) {
  kernel = &which;
  arguments = args;
  gridDim = {block_count, 1, 1};
  blockDim = {thread_count, 1, 1};
  threadIdx = {0, 0, 0};
  warps.resize((thread_count + 31) / 32);
  launches++;
  for (unsigned block = 0; block < block_count; block++) {
    blockIdx = {block, 0, 0};
    descending = (block + launches) % 2 == 0;
    run_block();
  }
  kernel = nullptr;
}

void forget_threads() {
  kernel = nullptr;
  idle.clear();
  fibers.clear();
}

std::string running_thread() {
  if (kernel == nullptr) return "";
  return ", block " + std::to_string(blockIdx.x) + ", thread " + std::to_string(threadIdx.x);
}

Met meet_warp(const char *function, unsigned mask, uint64_t value) {
  if ((mask >> current % 32 & 1) == 0) undefined(function, "by a thread that its mask does not name");
  Thread &thread = threads[current];
  thread.state = State::AT_WARP;
  thread.function = function;
  thread.mask = mask;
  thread.given = value;
  thread.fiber->leave();
  return {warps[current / 32].met, thread.came};
}

void meet_block() {
  threads[current].state = State::AT_BLOCK;
  threads[current].fiber->leave();
}

void undefined(const char *function, const char *what) {
  std::fprintf(stderr, "stand-in: undefined on a GPU: %s%s: %s %s\n", kernel->name, running_thread().c_str(),
               function, what);
  std::abort();
}

}  // namespace stand_in
