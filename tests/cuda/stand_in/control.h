/* What a test tells the stand-in for the CUDA driver and asks it. Programs that do not know it can be run with these
   environment variables: RADAM_STAND_IN_DEVICES=N, RADAM_STAND_IN_MEMORY=BYTES, RADAM_STAND_IN_FAIL_CALL=N:RESULT,
   RADAM_STAND_IN_LOSE_DEVICE=N:RESULT. With RADAM_STAND_IN_OPEN=1, the host may touch device memory, which saves most of
   the time of programs with many tensors.

   It does not show everything that a GPU would: kernels can use host memory here, and blocks and threads run one after
   the other, so that a race shows only if its result depends on their order. */
#ifndef RADAM_TESTS_STAND_IN_CONTROL_H
#define RADAM_TESTS_STAND_IN_CONTROL_H

#include "../driver_api.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Before cuInit: how many devices there are, 0 to 3 (1 if nothing is said), and bytes of memory of each (4 GiB). */
void stand_in_set_devices(int count);
void stand_in_set_memory(uint64_t bytes);

/* Let the n-th driver call from now on fail with `result`; 1 is the next, 0 none. It does nothing then, except that a
   call which gives something back (free, destroy, unload, release, pop) gives it back all the same. */
void stand_in_fail_call(uint64_t n, CUresult result);
/* Let the n-th driver call from now on, and every one after it, fail with `result`. What is queued never runs. */
void stand_in_lose_device(uint64_t n, CUresult result);
/* No call fails any more, and contexts in which a kernel has failed can be used again. */
void stand_in_repair(void);

/* Calls since the start of the program: all, and those of one function, "cuLaunchKernel". */
uint64_t stand_in_calls(void);
uint64_t stand_in_calls_of(const char *function);
/* The name of the function that was called last. */
const char *stand_in_last_call(void);
/* What the kernel or copy that has failed last has done, or "". */
const char *stand_in_last_fault(void);

/* What exists, on all devices. What its context has outlived is destroyed, but still counts. */
typedef struct stand_in_counts {
  uint64_t allocations, bytes;    /* device memory */
  uint64_t pinned, pinned_bytes;  /* host memory of cuMemHostAlloc and cuMemAllocHost */
  uint64_t streams, events, modules, graphs, graph_execs;
  uint64_t retained;              /* primary contexts, each as often as it is retained */
  uint64_t pushed;                /* contexts on the stacks of all threads */
  uint64_t queued;                /* pieces of work that have not run */
  uint64_t unpinned_copies;       /* asynchronous copies so far whose host memory was not pinned, which may wait */
} stand_in_counts;
void stand_in_count(stand_in_counts *counts);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
