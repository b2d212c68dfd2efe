#include "captures.hpp"

#include "contexts.hpp"

#include <algorithm>

namespace stand_in {
namespace {

// Calls `action` for each stream of the context that is captured.
template <class Do>
void for_each_captured(CUctx_st &context, Do action) {
  for (const auto &[handle, stream] : state().streams.all()) {
    if (stream->context == &context && stream->capture != nullptr) action(*stream);
  }
  for (auto &[thread, stream] : context.per_thread) {
    if (stream.capture != nullptr) action(stream);
  }
}

// Whether every node of the other streams comes before the end of the stream that the capture began with.
bool is_joined(const Capture &capture) {
  std::vector<bool> reached(capture.nodes.size());
  std::vector<size_t> path = capture.origin->tails;
  while (!path.empty()) {
    size_t node = path.back();
    path.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    path.insert(path.end(), capture.nodes[node].after.begin(), capture.nodes[node].after.end());
  }
  return std::all_of(reached.begin(), reached.end(), [](bool it) { return it; });
}

}  // namespace

CUresult capture_jobs(CUstream_st &stream, std::vector<Job> jobs) {
  Capture &capture = *stream.capture;
  if (capture.is_invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  capture.nodes.push_back({std::move(jobs), stream.tails});
  stream.tails = {capture.nodes.size() - 1};
  return CUDA_SUCCESS;
}

CUresult begin_capture(CUstream_st &stream, CUstreamCaptureMode mode) {
  if (&stream == &stream.context->legacy) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream.capture != nullptr) return CUDA_ERROR_INVALID_VALUE;
  auto capture = std::make_shared<Capture>();
  capture->origin = &stream;
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  stream.capture = capture;
  stream.tails.clear();
  state().captures.push_back(capture);
  return CUDA_SUCCESS;
}

CUresult end_capture(CUstream_st &stream, std::vector<Node> &nodes) {
  std::shared_ptr<Capture> capture = stream.capture;
  if (capture == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (capture->origin != &stream) return invalidate(*capture), CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED && capture->thread != std::this_thread::get_id()) {
    return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  }
  bool joined = is_joined(*capture);
  for_each_captured(*stream.context, [&](CUstream_st &other) {
    if (other.capture == capture) other.capture = nullptr;
  });
  auto &all = state().captures;
  all.erase(std::remove(all.begin(), all.end(), capture), all.end());
  capture->has_ended = true;
  if (capture->is_invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!joined) return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  nodes = std::move(capture->nodes);
  return CUDA_SUCCESS;
}

void invalidate(Capture &capture) { capture.is_invalid = true; }

bool captures_forbid_unsafe_calls() {
  CUstreamCaptureMode mode = this_thread().capture_mode;
  if (mode == CU_STREAM_CAPTURE_MODE_RELAXED) return false;
  bool forbidden = false;
  for (const auto &capture : state().captures) {
    bool mine = capture->thread == std::this_thread::get_id() && capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED;
    bool of_all = mode == CU_STREAM_CAPTURE_MODE_GLOBAL && capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
    if (!mine && !of_all) continue;
    invalidate(*capture);
    forbidden = true;
  }
  return forbidden;
}

bool captures_forbid_legacy(CUctx_st &context) {
  bool forbidden = false;
  for_each_captured(context, [&](CUstream_st &stream) {
    if (stream.is_blocking) invalidate(*stream.capture), forbidden = true;
  });
  return forbidden;
}

bool captures_forbid_waiting(CUctx_st &context) {
  bool forbidden = false;
  for_each_captured(context, [&](CUstream_st &stream) { invalidate(*stream.capture), forbidden = true; });
  return forbidden;
}

bool is_blocking_stream_captured(CUctx_st &context) {
  bool captured = false;
  for_each_captured(context, [&](CUstream_st &stream) { captured = captured || stream.is_blocking; });
  return captured;
}

}  // namespace stand_in
