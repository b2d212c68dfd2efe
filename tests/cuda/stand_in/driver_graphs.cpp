// The driver API: capturing streams, and graphs.
#include "captures.hpp"
#include "contexts.hpp"

using namespace stand_in;

namespace {

constexpr unsigned NEEDS = INITIALIZED | IN_CONTEXT;

CUresult instantiate(CUgraphExec *exec, CUgraph graph) {
  if (state().graphs.find(graph) == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  auto made = std::make_shared<CUgraphExec_st>();
  made->context = graph->context;
  made->life = graph->life;
  for (const Node &node : graph->nodes) made->jobs.insert(made->jobs.end(), node.jobs.begin(), node.jobs.end());
  *exec = state().graph_execs.add(std::move(made));
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
  return call("cuStreamBeginCapture_v2", NEEDS, [&] {
    CUstream stream = stream_of(handle);
    return stream == nullptr ? CUDA_ERROR_INVALID_HANDLE : begin_capture(*stream, mode);
  });
}

CUresult cuStreamEndCapture(CUstream handle, CUgraph *graph) {
  return call("cuStreamEndCapture", NEEDS, [&] {
    CUstream stream = stream_of(handle);
    if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    auto made = std::make_shared<CUgraph_st>();
    made->context = stream->context;
    made->life = stream->context->life;
    *graph = nullptr;
    CUresult result = end_capture(*stream, made->nodes);
    if (result == CUDA_SUCCESS) *graph = state().graphs.add(std::move(made));
    return result;
  });
}

CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus *status) {
  return call("cuStreamIsCapturing", NEEDS, [&] {
    CUstream stream = stream_of(handle);
    if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    bool is_legacy = stream == &stream->context->legacy;
    if (is_legacy && is_blocking_stream_captured(*stream->context)) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    *status = stream->capture == nullptr        ? CU_STREAM_CAPTURE_STATUS_NONE
              : stream->capture->is_invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                            : CU_STREAM_CAPTURE_STATUS_ACTIVE;
    return CUDA_SUCCESS;
  });
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode) {
  return call("cuThreadExchangeStreamCaptureMode", INITIALIZED, [&] {
    std::swap(*mode, this_thread().capture_mode);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphInstantiate_v2(CUgraphExec *exec, CUgraph graph, CUgraphNode *error_node, char *log, size_t log_size) {
  return call("cuGraphInstantiate_v2", NEEDS, [&] {
    if (error_node != nullptr) *error_node = nullptr;
    if (log != nullptr && log_size > 0) log[0] = 0;
    return instantiate(exec, graph);
  });
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long) {
  return call("cuGraphInstantiateWithFlags", NEEDS, [&] { return instantiate(exec, graph); });
}

CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  return call("cuGraphLaunch", NEEDS, [&] {
    return state().graph_execs.find(exec) == nullptr ? CUDA_ERROR_INVALID_HANDLE : submit(stream, exec->jobs);
  });
}

CUresult cuGraphDestroy(CUgraph graph) {
  return call("cuGraphDestroy", NEEDS | GIVES_BACK, [&] {
    if (state().graphs.find(graph) == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    state().graphs.remove(graph);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphExecDestroy(CUgraphExec exec) {
  return call("cuGraphExecDestroy", NEEDS | GIVES_BACK, [&] {
    if (state().graph_execs.find(exec) == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    state().graph_execs.remove(exec);
    return CUDA_SUCCESS;
  });
}
