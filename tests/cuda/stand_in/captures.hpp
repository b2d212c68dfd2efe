// Streams that are captured, the graphs that this makes, and what may not be done meanwhile.
#pragma once
#include "work.hpp"

#include <thread>

namespace stand_in {

struct Node {
  std::vector<Job> jobs;
  std::vector<size_t> after;  // earlier nodes
};

struct Capture {
  CUstream origin;
  CUstreamCaptureMode mode;
  std::thread::id thread;
  std::vector<Node> nodes;
  bool is_invalid = false, has_ended = false;
};

// Puts jobs into the graph that the stream is captured in.
CUresult capture_jobs(CUstream_st &stream, std::vector<Job> jobs);

CUresult begin_capture(CUstream_st &stream, CUstreamCaptureMode mode);
// Its nodes, unless it failed.
CUresult end_capture(CUstream_st &stream, std::vector<Node> &nodes);
void invalidate(Capture &capture);

// Whether the calling thread may not do now what is unsafe during a capture. The captures that forbid it are
// invalidated, as they are by the driver.
bool captures_forbid_unsafe_calls();
// Whether a stream of the context that the legacy stream waits for is captured. Such captures are invalidated too.
bool captures_forbid_legacy(CUctx_st &context);
// The same for waiting for the whole context, and all of its streams.
bool captures_forbid_waiting(CUctx_st &context);
// Whether a stream of the context that the legacy stream waits for is captured; only looks.
bool is_blocking_stream_captured(CUctx_st &context);

}  // namespace stand_in

struct CUgraph_st {
  CUcontext context;
  uint64_t life;
  std::vector<stand_in::Node> nodes;
};

struct CUgraphExec_st {
  CUcontext context;
  uint64_t life;
  std::vector<stand_in::Job> jobs;  // in the order in which they were captured
};
