// Tests of captures and graphs.
#include "self_test.hpp"

#include <thread>

namespace {

struct Capturing : Device {
  CUstream stream;
  CUdeviceptr memory = with(std::vector<unsigned>(64));

  explicit Capturing(unsigned flags = CU_STREAM_NON_BLOCKING) { OK(cuStreamCreate(&stream, flags)); }

  void begin(CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL) { OK(cuStreamBeginCapture_v2(stream, mode)); }
  void count_by(unsigned by, CUstream in) {
    CountArgs args = {at<unsigned>(memory), by};
    launch("count", &args, 2, 32, in);
  }
  CUgraphExec end() {
    CUgraph graph;
    CUgraphExec exec;
    OK(cuStreamEndCapture(stream, &graph));
    OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
    OK(cuGraphDestroy(graph));
    return exec;
  }
  // After something that a capture does not allow.
  void ends_invalid(CUresult result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED) {
    CUgraph graph;
    GIVES(result, cuStreamEndCapture(stream, &graph));
    CHECK(graph == nullptr);
  }
  unsigned value() const { return read<unsigned>(memory, 64)[63]; }
};

void a_capture_runs_when_it_is_launched() {
  Capturing it;
  it.begin();
  CUstreamCaptureStatus status;
  OK(cuStreamIsCapturing(it.stream, &status));
  CHECK(status == CU_STREAM_CAPTURE_STATUS_ACTIVE);
  unsigned five = 5;
  OK(cuMemsetD32Async(it.memory, 1, 64, it.stream));
  OK(cuMemcpyHtoDAsync_v2(it.memory + 63 * 4, &five, 4, it.stream));
  it.count_by(10, it.stream);
  CUgraphExec exec = it.end();
  OK(cuStreamIsCapturing(it.stream, &status));
  CHECK(status == CU_STREAM_CAPTURE_STATUS_NONE && counts().queued == 0 && it.value() == 0);
  for (unsigned round = 0; round < 2; round++) {
    OK(cuGraphLaunch(exec, it.stream));
    CHECK(it.value() == (round == 0 ? 0 : 15));
    OK(cuStreamSynchronize(it.stream));
    CHECK(it.value() == 15 + round);
    five++;  // its address was captured
  }
  // A launch within a capture is a part of that one.
  it.begin();
  OK(cuGraphLaunch(exec, it.stream));
  it.count_by(100, it.stream);
  OK(cuGraphLaunch(it.end(), it.stream));
  OK(cuStreamSynchronize(it.stream));
  CHECK(it.value() == 117);
  OK(cuGraphExecDestroy(exec));
  CHECK(counts().graphs == 0 && counts().graph_execs == 1);
}

void a_graph_needs_its_memory() {
  Capturing it;
  it.begin();
  it.count_by(1, it.stream);
  CUgraphExec exec = it.end();
  OK(cuMemFree_v2(it.memory));
  OK(cuGraphLaunch(exec, it.stream));
  GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(it.stream));
}

void waiting_ends_a_capture() {
  Capturing it;
  CUdeviceptr other;
  it.begin();
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamSynchronize(it.stream));
  CountArgs args = {at<unsigned>(it.memory), 1};
  GIVES(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, it.try_launch("count", &args, 1, 1, it.stream));
  it.ends_invalid();
  it.begin();
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamQuery(it.stream));
  it.ends_invalid();
  it.begin();
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuMemAlloc_v2(&other, 4));
  it.ends_invalid();
  it.begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuCtxSynchronize());
  it.ends_invalid();
  it.begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamSynchronize(it.stream));
  it.ends_invalid();
  it.count_by(1, it.stream);
  OK(cuStreamSynchronize(it.stream));
  CHECK(it.value() == 1);
}

void modes_permit_unsafe_calls() {
  Capturing it;
  CUdeviceptr other = 0;
  it.begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  OK(cuMemAlloc_v2(&other, 4));
  it.end();
  it.begin();
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
  OK(cuThreadExchangeStreamCaptureMode(&mode));
  CHECK(mode == CU_STREAM_CAPTURE_MODE_GLOBAL);
  OK(cuMemFree_v2(other));
  OK(cuThreadExchangeStreamCaptureMode(&mode));
  it.end();
  it.begin(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
  std::thread([&] {
    OK(cuCtxPushCurrent_v2(it.context));
    OK(cuMemAlloc_v2(&other, 4));
    CUgraph graph;
    GIVES(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, cuStreamEndCapture(it.stream, &graph));
  }).join();
  it.end();
  it.begin();
  std::thread([&] {
    OK(cuCtxPushCurrent_v2(it.context));
    GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuMemFree_v2(other));
  }).join();
  it.ends_invalid();
}

void the_legacy_stream_cannot_be_captured_or_used() {
  Capturing it(CU_STREAM_DEFAULT);
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamBeginCapture_v2(nullptr, CU_STREAM_CAPTURE_MODE_RELAXED));
  it.begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  CUstreamCaptureStatus status;
  GIVES(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cuStreamIsCapturing(nullptr, &status));
  it.count_by(1, it.stream);
  GIVES(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cuMemsetD32Async(it.memory, 1, 1, nullptr));
  it.ends_invalid();
  for (CUresult (*wait)(CUstream) : {cuStreamSynchronize, cuStreamQuery}) {
    it.begin();
    GIVES(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, wait(nullptr));
    it.ends_invalid();
  }
  it.begin();
  unsigned back;
  GIVES(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cuMemcpyDtoH_v2(&back, it.memory, 4));
  it.ends_invalid();
}

void a_capture_forbids_other_waiting() {
  Capturing it;
  CUstream other;
  CUevent event;
  OK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
  OK(cuEventCreate(&event, 0));
  OK(cuEventRecord(event, other));
  it.begin();
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamSynchronize(other));
  it.ends_invalid();
  it.begin();
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuEventQuery(event));
  it.ends_invalid();
}

void events_fork_and_join() {
  Capturing it;
  CUstream side;
  CUevent fork, join;
  OK(cuStreamCreate(&side, CU_STREAM_NON_BLOCKING));
  OK(cuEventCreate(&fork, 0));
  OK(cuEventCreate(&join, 0));
  for (bool joins : {true, false}) {
    it.begin();
    it.count_by(1, it.stream);
    OK(cuEventRecord(fork, it.stream));
    OK(cuStreamWaitEvent(side, fork, 0));
    it.count_by(2, side);
    OK(cuEventRecord(join, side));
    if (joins) {
      OK(cuStreamWaitEvent(it.stream, join, 0));
      OK(cuGraphLaunch(it.end(), it.stream));
      OK(cuStreamSynchronize(it.stream));
      CHECK(it.value() == 3);
    } else {
      it.ends_invalid(CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
    }
  }
  // Events that cross the border of a capture.
  OK(cuEventRecord(fork, side));
  it.begin();
  GIVES(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, cuStreamWaitEvent(it.stream, fork, 0));
  it.ends_invalid();
  it.begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  OK(cuEventRecord(fork, it.stream));
  GIVES(CUDA_ERROR_CAPTURED_EVENT, cuEventSynchronize(fork));
  it.ends_invalid();
}

}  // namespace

const std::vector<Test> CAPTURE_TESTS = {
    TEST(a_capture_runs_when_it_is_launched),
    TEST(a_graph_needs_its_memory),
    TEST(waiting_ends_a_capture),
    TEST(modes_permit_unsafe_calls),
    TEST(the_legacy_stream_cannot_be_captured_or_used),
    TEST(a_capture_forbids_other_waiting),
    TEST(events_fork_and_join),
};
