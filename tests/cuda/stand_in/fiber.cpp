#include "fiber.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

namespace stand_in {
namespace {

constexpr size_t GUARD = 4096, STACK = 128 * 1024;

// The page below a stack cannot be touched, so that one which overflows ends the program.
char *map_stack() {
  constexpr int FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void *memory = mmap(nullptr, GUARD + STACK, PROT_READ | PROT_WRITE, FLAGS, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, GUARD, PROT_NONE) != 0) {
    std::perror("stand-in: no memory for the stack of a thread");
    std::abort();
  }
  return static_cast<char *>(memory);
}

}  // namespace

#if defined(__x86_64__)

// Saves the registers that a call preserves on this stack, and takes them from the other one.
extern "C" void stand_in_switch_stacks(void **from, void *to);
asm(R"(
.text
.hidden stand_in_switch_stacks
.globl stand_in_switch_stacks
.type stand_in_switch_stacks, @function
stand_in_switch_stacks:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size stand_in_switch_stacks, .-stand_in_switch_stacks
)");

Fiber::Fiber(void (*run)()) : stack_(map_stack()), outside_(nullptr) {
  // As if `run` had been called: six registers, then where to go on, then the place of a return address.
  // Stacks begin at different places of their pages, or all of them would compete for the same lines of the cache.
  static unsigned made;
  auto top = reinterpret_cast<uintptr_t *>(stack_ + GUARD + STACK - made++ % 16 * 256);
  top[-2] = reinterpret_cast<uintptr_t>(run);
  inside_ = top - 8;
}

void Fiber::enter() { stand_in_switch_stacks(&outside_, inside_); }
void Fiber::leave() { stand_in_switch_stacks(&inside_, outside_); }

#else

Fiber::Fiber(void (*run)()) : stack_(map_stack()) {
  getcontext(&inside_);
  inside_.uc_stack.ss_sp = stack_ + GUARD;
  inside_.uc_stack.ss_size = STACK;
  inside_.uc_link = nullptr;
  makecontext(&inside_, run, 0);
}

void Fiber::enter() { swapcontext(&outside_, &inside_); }
void Fiber::leave() { swapcontext(&inside_, &outside_); }

#endif

Fiber::~Fiber() { munmap(stack_, GUARD + STACK); }

}  // namespace stand_in
