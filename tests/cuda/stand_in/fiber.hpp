// A stack that code can leave in the middle of a function, and come back to.
#pragma once
#include <cstddef>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace stand_in {

class Fiber {
 public:
  // `run` is what the stack begins with. It takes nothing and never returns.
  explicit Fiber(void (*run)());
  ~Fiber();
  Fiber(const Fiber &) = delete;
  Fiber &operator=(const Fiber &) = delete;

  // Goes on where the fiber has left, until it leaves again.
  void enter();
  // Goes back to where the fiber was entered; only on its own stack.
  void leave();

 private:
  char *stack_;
#if defined(__x86_64__)
  void *inside_, *outside_;  // the stack pointers of who waits
#else
  ucontext_t inside_, outside_;
#endif
};

}  // namespace stand_in
