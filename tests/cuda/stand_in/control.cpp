// What tests tell the stand-in and ask it.
#include "control.h"

#include "captures.hpp"
#include "contexts.hpp"

using namespace stand_in;

namespace {

std::lock_guard<std::mutex> locked() { return std::lock_guard<std::mutex>(state().mutex); }

Planned plan(uint64_t n, CUresult result) { return {n == 0 ? 0 : state().calls + n, result}; }

template <class T>
uint64_t count(const Handles<T> &handles) { return handles.all().size(); }

}  // namespace

void stand_in_set_devices(int count) {
  auto lock = locked();
  state().set_devices(count);
}

void stand_in_set_memory(uint64_t bytes) {
  auto lock = locked();
  state().memory_of_device = bytes;
}

void stand_in_fail_call(uint64_t n, CUresult result) {
  auto lock = locked();
  state().failing = plan(n, result);
}

void stand_in_lose_device(uint64_t n, CUresult result) {
  auto lock = locked();
  state().losing = plan(n, result);
}

void stand_in_repair() {
  auto lock = locked();
  state().failing = state().losing = Planned();
  for (CUctx_st &context : state().contexts) context.failed = CUDA_SUCCESS;
}

uint64_t stand_in_calls() {
  auto lock = locked();
  return state().calls;
}

uint64_t stand_in_calls_of(const char *function) {
  auto lock = locked();
  return state().calls_of[function];
}

const char *stand_in_last_call() { return state().last_call.c_str(); }
const char *stand_in_last_fault() { return state().last_fault.c_str(); }

void stand_in_count(stand_in_counts *counts) {
  auto lock = locked();
  State &all = state();
  *counts = {};
  counts->allocations = all.device.count();
  counts->bytes = all.device.bytes();
  counts->pinned = all.pinned.count();
  counts->pinned_bytes = all.pinned.bytes();
  counts->streams = count(all.streams);
  counts->events = count(all.events);
  counts->modules = count(all.modules);
  counts->graphs = count(all.graphs);
  counts->graph_execs = count(all.graph_execs);
  for (const CUctx_st &context : all.contexts) counts->retained += context.retained;
  counts->pushed = all.pushed;
  counts->queued = all.queued;
  counts->unpinned_copies = all.unpinned_copies;
}
