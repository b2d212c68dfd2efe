// What goes wrong in a kernel or a copy ends it, as on a GPU, and not the program.
#pragma once
#include "../driver_api.h"

#include <cstdint>
#include <string>

namespace stand_in {

// What has happened: in words, or at which address.
struct Fault {
  CUresult result = CUDA_SUCCESS;
  std::string what;
  uintptr_t address = 0;
};

// Runs `job(data)` in the floating-point mode that a GPU has, whatever the thread's own is. On a fault in it, the rest
// of it is skipped, destructors too. Only one thread may be in here.
Fault run_guarded(void (*job)(void *), void *data);

}  // namespace stand_in
