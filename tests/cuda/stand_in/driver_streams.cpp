// The driver API: streams and events.
#include "captures.hpp"
#include "contexts.hpp"

using namespace stand_in;

namespace {

// The stream, if it may be waited for and asked. One that is captured has nothing that runs, and its capture is lost.
CUresult stream_to_wait_for(CUstream handle, CUstream &stream) {
  stream = stream_of(handle);
  if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture != nullptr) {
    invalidate(*stream->capture);
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  bool is_legacy = stream == &stream->context->legacy;
  if (is_legacy && captures_forbid_legacy(*stream->context)) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  return captures_forbid_unsafe_calls() ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS;
}

CUresult event_to_wait_for(CUevent event) {
  if (state().events.find(event) == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (event->capture == nullptr) return CUDA_SUCCESS;
  invalidate(*event->capture);
  return CUDA_ERROR_CAPTURED_EVENT;
}

// Lets a stream come after what an event has seen of a capture, which captures it too.
CUresult wait_in_capture(CUstream_st &stream, const CUevent_st &event) {
  if (stream.capture != nullptr && stream.capture->is_invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (event.capture == nullptr) {
    if (event.work == nullptr) return CUDA_SUCCESS;
    invalidate(*stream.capture);
    return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
  }
  if (event.capture->has_ended) return CUDA_ERROR_CAPTURED_EVENT;
  if (stream.capture != nullptr && stream.capture != event.capture) {
    invalidate(*stream.capture);
    invalidate(*event.capture);
    return CUDA_ERROR_STREAM_CAPTURE_MERGE;
  }
  if (&stream == &stream.context->legacy) {
    invalidate(*event.capture);
    return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  }
  stream.capture = event.capture;
  stream.tails.insert(stream.tails.end(), event.nodes.begin(), event.nodes.end());
  return CUDA_SUCCESS;
}

constexpr unsigned NEEDS = INITIALIZED | IN_CONTEXT;

}  // namespace

CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
  return call("cuStreamCreate", NEEDS, [&] {
    if (flags > CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
    auto made = std::make_shared<CUstream_st>();
    made->context = current_context();
    made->life = made->context->life;
    made->is_blocking = flags != CU_STREAM_NON_BLOCKING;
    *stream = state().streams.add(std::move(made));
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamDestroy_v2(CUstream handle) {
  return call("cuStreamDestroy_v2", NEEDS | GIVES_BACK, [&] {
    auto stream = state().streams.find(handle);
    if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture != nullptr) {
      invalidate(*stream->capture);
      std::vector<Node> nodes;
      end_capture(*stream, nodes);
    }
    if (stream->last != nullptr && !stream->last->done) stream->context->orphans.push_back(stream->last);
    state().streams.remove(handle);
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamSynchronize(CUstream handle) {
  return call("cuStreamSynchronize", NEEDS, [&] {
    CUstream stream;
    CUresult result = stream_to_wait_for(handle, stream);
    if (result == CUDA_SUCCESS) finish(stream->last);
    return result;
  });
}

CUresult cuStreamQuery(CUstream handle) {
  return call("cuStreamQuery", NEEDS, [&] {
    CUstream stream;
    CUresult result = stream_to_wait_for(handle, stream);
    if (result != CUDA_SUCCESS) return result;
    return poll(stream->last) ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
  });
}

CUresult cuStreamWaitEvent(CUstream handle, CUevent event, unsigned) {
  return call("cuStreamWaitEvent", NEEDS, [&] {
    CUstream stream = stream_of(handle);
    if (stream == nullptr || state().events.find(event) == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture != nullptr || event->capture != nullptr) return wait_in_capture(*stream, *event);
    if (event->work != nullptr) enqueue(*stream, {}, event->work);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventCreate(CUevent *event, unsigned flags) {
  return call("cuEventCreate", NEEDS, [&] {
    auto made = std::make_shared<CUevent_st>();
    made->context = current_context();
    made->life = made->context->life;
    made->has_time = (flags & CU_EVENT_DISABLE_TIMING) == 0;
    *event = state().events.add(std::move(made));
    return CUDA_SUCCESS;
  });
}

CUresult cuEventDestroy_v2(CUevent event) {
  return call("cuEventDestroy_v2", NEEDS | GIVES_BACK, [&] {
    if (state().events.find(event) == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    state().events.remove(event);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventRecord(CUevent event, CUstream handle) {
  return call("cuEventRecord", NEEDS, [&] {
    CUstream stream = stream_of(handle);
    bool found = stream != nullptr && state().events.find(event) != nullptr;
    if (!found || stream->context != event->context) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture != nullptr) {
      if (stream->capture->is_invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
      event->capture = stream->capture;
      event->nodes = stream->tails;
      return CUDA_SUCCESS;
    }
    bool is_legacy = stream == &stream->context->legacy;
    if (is_legacy && captures_forbid_legacy(*stream->context)) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    event->capture = nullptr;
    event->work = enqueue(*stream, {});
    return CUDA_SUCCESS;
  });
}

CUresult cuEventSynchronize(CUevent event) {
  return call("cuEventSynchronize", NEEDS | UNSAFE, [&] {
    CUresult result = event_to_wait_for(event);
    if (result == CUDA_SUCCESS) finish(event->work);
    return result;
  });
}

CUresult cuEventQuery(CUevent event) {
  return call("cuEventQuery", NEEDS | UNSAFE, [&] {
    CUresult result = event_to_wait_for(event);
    if (result != CUDA_SUCCESS) return result;
    return poll(event->work) ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
  });
}

CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end) {
  return call("cuEventElapsedTime", NEEDS, [&] {
    for (CUevent event : {start, end}) {
      CUresult result = event_to_wait_for(event);
      if (result != CUDA_SUCCESS) return result;
      if (event->work == nullptr || !event->has_time) return CUDA_ERROR_INVALID_HANDLE;
      if (!event->work->done) return CUDA_ERROR_NOT_READY;
    }
    *milliseconds = static_cast<float>(end->work->milliseconds - start->work->milliseconds);
    return CUDA_SUCCESS;
  });
}
