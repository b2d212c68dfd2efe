// The devices, their contexts, and how every call of the driver API begins and ends.
#pragma once
#include "control.h"
#include "faults.hpp"
#include "memory.hpp"
#include "work.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

constexpr int MAX_DEVICES = 3;

// The primary context of a device.
struct CUctx_st {
  int device = 0;
  unsigned retained = 0;
  // How often it has begun. What was made in an earlier life is destroyed.
  uint64_t life = 1;
  // What a kernel has done to it: every later call returns this.
  CUresult failed = CUDA_SUCCESS;
  CUstream_st legacy;
  std::unordered_map<std::thread::id, CUstream_st> per_thread;
  // The last work of streams that were destroyed before it ran.
  std::vector<std::shared_ptr<stand_in::Work>> orphans;
};

namespace stand_in {

// What exists of one kind. A handle is found if it was not destroyed and its context lives.
template <class T>
class Handles {
 public:
  T *add(std::shared_ptr<T> object) {
    T *handle = object.get();
    objects_.emplace(handle, std::move(object));
    return handle;
  }
  std::shared_ptr<T> find(T *handle) const {
    auto found = objects_.find(handle);
    if (found == objects_.end() || found->second->life != found->second->context->life) return nullptr;
    return found->second;
  }
  bool remove(T *handle) { return objects_.erase(handle) != 0; }
  const std::unordered_map<T *, std::shared_ptr<T>> &all() const { return objects_; }

 private:
  std::unordered_map<T *, std::shared_ptr<T>> objects_;
};

// A fault that a test has asked for: at the call of this number, counted as `calls` is. 0: none.
struct Planned {
  uint64_t call = 0;
  CUresult result = CUDA_SUCCESS;
};

struct State {
  std::mutex mutex;
  std::atomic<int> process{0};  // that called cuInit; the driver cannot be used in its children
  int device_count = 1;
  uint64_t memory_of_device = uint64_t{4} << 30;
  CUctx_st contexts[MAX_DEVICES];
  Memory device{std::getenv("RADAM_STAND_IN_OPEN") == nullptr}, pinned{false};
  Handles<CUstream_st> streams;
  Handles<CUevent_st> events;
  Handles<CUmod_st> modules;
  Handles<CUgraph_st> graphs;
  Handles<CUgraphExec_st> graph_execs;
  std::vector<std::shared_ptr<Capture>> captures;
  Planned failing, losing;
  uint64_t calls = 0, pushed = 0, queued = 0, unpinned_copies = 0;
  std::unordered_map<std::string, uint64_t> calls_of;
  std::string last_call, last_fault;

  void set_devices(int count);
  bool is_lost() const { return losing.call != 0 && calls >= losing.call; }
};

// It is never destroyed, since programs may call the driver while they exit.
State &state();

// The contexts that are pushed on the calling thread, and what it may do during captures.
struct ThreadState {
  std::vector<CUcontext> stack;
  CUstreamCaptureMode capture_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  ~ThreadState();
};
ThreadState &this_thread();
// Null if there is none.
CUcontext current_context();
// Whether this is a context that lives.
bool is_alive(CUcontext context);

// What a call needs, and is.
enum Kind : unsigned {
  ANY_TIME = 0,
  INITIALIZED = 1,
  IN_CONTEXT = 2,   // a current one
  GIVES_BACK = 4,   // takes effect even if it reports a failure
  UNSAFE = 8,       // may not be called during captures
  TEXT = 16         // works without a device
};

// Counts the call and decides whether it takes place.
class Entry {
 public:
  Entry(const char *function, unsigned kind);
  bool takes_place() const { return takes_place_; }
  CUresult leave(CUresult result) const;

 private:
  CUresult refuse(const char *function);
  std::unique_lock<std::mutex> lock_;
  unsigned kind_;
  bool takes_place_ = false;
  CUresult refused_ = CUDA_SUCCESS;
};

template <class Body>
CUresult call(const char *function, unsigned kind, Body body) {
  Entry entry(function, kind);
  return entry.leave(entry.takes_place() ? body() : CUDA_SUCCESS);
}

}  // namespace stand_in
