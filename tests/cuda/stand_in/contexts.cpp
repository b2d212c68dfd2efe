#include "contexts.hpp"

#include "captures.hpp"

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace stand_in {
namespace {

// "3:700": the third call, with CUDA_ERROR_ILLEGAL_ADDRESS.
void read_plan(const char *variable, Planned &plan) {
  const char *text = std::getenv(variable);
  unsigned long long call;
  unsigned result;
  if (text == nullptr) return;
  if (std::sscanf(text, "%llu:%u", &call, &result) != 2) {
    std::fprintf(stderr, "stand-in: %s=%s is not CALL:RESULT\n", variable, text);
    std::abort();
  }
  plan = {call, static_cast<CUresult>(result)};
}

State *make_state() {
  auto made = new State;
  for (int i = 0; i < MAX_DEVICES; i++) {
    made->contexts[i].device = i;
    made->contexts[i].legacy.context = &made->contexts[i];
  }
  if (const char *devices = std::getenv("RADAM_STAND_IN_DEVICES")) made->set_devices(std::atoi(devices));
  if (const char *bytes = std::getenv("RADAM_STAND_IN_MEMORY")) {
    made->memory_of_device = std::strtoull(bytes, nullptr, 10);
  }
  read_plan("RADAM_STAND_IN_FAIL_CALL", made->failing);
  read_plan("RADAM_STAND_IN_LOSE_DEVICE", made->losing);
  return made;
}

}  // namespace

void State::set_devices(int count) { device_count = count < 0 ? 0 : count > MAX_DEVICES ? MAX_DEVICES : count; }

State &state() {
  static State *made = make_state();
  return *made;
}

ThreadState::~ThreadState() {
  std::lock_guard<std::mutex> lock(state().mutex);
  state().pushed -= stack.size();
}

ThreadState &this_thread() {
  thread_local ThreadState mine;
  return mine;
}

CUcontext current_context() { return this_thread().stack.empty() ? nullptr : this_thread().stack.back(); }

bool is_alive(CUcontext context) {
  for (CUctx_st &known : state().contexts) {
    if (&known == context) return known.retained != 0;
  }
  return false;
}

Entry::Entry(const char *function, unsigned kind) : kind_(kind) {
  // Of a child process nothing is locked: another thread may have held the lock when it was forked.
  int process = state().process;
  bool is_child = process != 0 && process != getpid();
  if (!is_child) lock_ = std::unique_lock<std::mutex>(state().mutex);
  refused_ = is_child ? CUDA_ERROR_NOT_INITIALIZED : refuse(function);
  takes_place_ = takes_place_ || refused_ == CUDA_SUCCESS;
}

CUresult Entry::refuse(const char *function) {
  State &all = state();
  all.calls++;
  all.calls_of[function]++;
  all.last_call = function;
  CUcontext context = current_context();
  bool in_context = (kind_ & IN_CONTEXT) != 0, can = !in_context || is_alive(context);
  takes_place_ = (kind_ & GIVES_BACK) != 0 && can;
  if (all.failing.call == all.calls) return all.failing.result;
  if (all.is_lost() && (kind_ & TEXT) == 0) return all.losing.result;
  if (in_context && can && context->failed != CUDA_SUCCESS) return context->failed;
  takes_place_ = false;
  if ((kind_ & INITIALIZED) != 0 && all.process == 0) return CUDA_ERROR_NOT_INITIALIZED;
  if (!can) return context == nullptr ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_CONTEXT_IS_DESTROYED;
  bool forbidden = (kind_ & UNSAFE) != 0 && captures_forbid_unsafe_calls();
  return forbidden ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS;
}

CUresult Entry::leave(CUresult result) const {
  if (refused_ != CUDA_SUCCESS) return refused_;
  // What it waited for may have failed.
  CUcontext context = (kind_ & IN_CONTEXT) != 0 ? current_context() : nullptr;
  return context != nullptr && context->failed != CUDA_SUCCESS ? context->failed : result;
}

}  // namespace stand_in
