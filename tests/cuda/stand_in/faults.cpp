#include "faults.hpp"

#include <cfenv>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <pthread.h>

namespace stand_in {
namespace {

sigjmp_buf way_out;
pthread_t runner;
struct sigaction previous_segv, previous_bus;
char message[256];
uintptr_t address;

[[noreturn]] void leave(CUresult result) { siglongjmp(way_out, static_cast<int>(result)); }

void on_signal(int signal, siginfo_t *info, void *) {
  if (!pthread_equal(pthread_self(), runner)) {
    // Another thread, and not our matter: the instruction runs again and meets the handler that was there before.
    sigaction(signal, signal == SIGSEGV ? &previous_segv : &previous_bus, nullptr);
    return;
  }
  address = reinterpret_cast<uintptr_t>(info->si_addr);
  // What x86 does not give an address for: an instruction that needs its operand aligned.
  bool is_misaligned = info->si_code == SI_KERNEL;
  if (is_misaligned) std::snprintf(message, sizeof message, "misaligned address, or one that no machine has");
  leave(is_misaligned ? CUDA_ERROR_MISALIGNED_ADDRESS : CUDA_ERROR_ILLEGAL_ADDRESS);
}

// Where the compiler has found that the code does what only a GPU, or only a CPU, allows.
struct SourceLocation {
  const char *file;
  uint32_t line, column;
};

[[noreturn]] void leave_at(const SourceLocation *place, const char *what, uintptr_t value) {
  std::snprintf(message, sizeof message, "%s:%u:%u: %s 0x%zx", place->file, place->line, place->column, what,
                static_cast<size_t>(value));
  leave(CUDA_ERROR_MISALIGNED_ADDRESS);
}

}  // namespace

Fault run_guarded(void (*job)(void *), void *data) {
  struct sigaction action = {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  runner = pthread_self();
  sigaction(SIGSEGV, &action, &previous_segv);
  sigaction(SIGBUS, &action, &previous_bus);
  std::fenv_t mode;
  std::fegetenv(&mode);
  std::fesetenv(FE_DFL_ENV);
  message[0] = 0;
  address = 0;
  int result = sigsetjmp(way_out, 0);
  if (result == 0) job(data);
  std::fesetenv(&mode);
  sigaction(SIGSEGV, &previous_segv, nullptr);
  sigaction(SIGBUS, &previous_bus, nullptr);
  return {static_cast<CUresult>(result), message, address};
}

}  // namespace stand_in

// What g++ calls with -fsanitize=alignment, which is not linked with its own library: a load of 16 bytes that are not
// at a multiple of 16 works here, and is an error on a GPU.
extern "C" [[noreturn]] void __ubsan_handle_type_mismatch_v1_abort(const stand_in::SourceLocation *place,
                                                                    uintptr_t address) {
  stand_in::leave_at(place, "misaligned address", address);
}
