// Work that waits in streams. Nothing runs until a call waits for it, and then only what it waits for, and what that
// has to come after: earlier work of its stream, what events say, and the order that the legacy default stream imposes.
#pragma once
#include "../driver_api.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace stand_in {

// What a stream is told to do.
struct Job {
  std::string name;
  // Makes the device memory that it needs accessible, and says what is wrong, or "".
  std::function<std::string()> prepare;
  std::function<void()> run;
};

struct Work {
  CUcontext context;
  std::vector<Job> jobs;  // none for the mark of an event
  std::vector<std::shared_ptr<Work>> after;
  bool done = false;
  double milliseconds = 0;  // when it was done
};

struct Capture;

}  // namespace stand_in

struct CUstream_st {
  CUcontext context = nullptr;
  uint64_t life = 0;
  bool is_blocking = true;
  std::shared_ptr<stand_in::Work> last;
  // While it is captured: the nodes that its next one comes after.
  std::shared_ptr<stand_in::Capture> capture;
  std::vector<size_t> tails;
};

struct CUevent_st {
  CUcontext context = nullptr;
  uint64_t life = 0;
  bool has_time = true;
  std::shared_ptr<stand_in::Work> work;  // null if it was never recorded
  // If it was recorded in a capture: after these nodes.
  std::shared_ptr<stand_in::Capture> capture;
  std::vector<size_t> nodes;
};

namespace stand_in {

// The stream of this handle in the current context, or null.
CUstream stream_of(CUstream handle);
// Puts jobs into a stream, or into the graph that it is captured in.
CUresult submit(CUstream handle, std::vector<Job> jobs);
// The same for a stream that is not captured, after `event` too if there is one.
std::shared_ptr<Work> enqueue(CUstream_st &stream, std::vector<Job> jobs, std::shared_ptr<Work> event = nullptr);

// Runs all that the work has to come after, and then it. Null is done.
void finish(const std::shared_ptr<Work> &goal);
// Everything that was put into streams of the context.
void finish_all(CUctx_st &context);
// Whether it is done. If not, a piece of what it needs runs, so that polling ends.
bool poll(const std::shared_ptr<Work> &goal);

}  // namespace stand_in
