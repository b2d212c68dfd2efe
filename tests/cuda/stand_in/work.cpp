#include "work.hpp"

#include "block.hpp"
#include "captures.hpp"
#include "contexts.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace stand_in {
namespace {

// A stream that has this much to do lets its callers wait, as on a GPU.
constexpr uint64_t MAX_QUEUED = 4096;

void fail(CUctx_st &context, CUresult result, const std::string &what) {
  context.failed = result;
  state().last_fault = what;
  std::fprintf(stderr, "stand-in: %s\n", what.c_str());
}

void perform(CUctx_st &context, const Job &job) {
  std::string wrong = job.prepare();
  if (!wrong.empty()) return fail(context, CUDA_ERROR_ILLEGAL_ADDRESS, job.name + ": " + wrong);
  Fault fault = run_guarded([](void *run) { (*static_cast<const std::function<void()> *>(run))(); },
                            const_cast<std::function<void()> *>(&job.run));
  if (fault.result == CUDA_SUCCESS) return;
  char address[64];
  std::snprintf(address, sizeof address, "touched %#zx, which is ", static_cast<size_t>(fault.address));
  std::string what = fault.what.empty() ? address + state().device.place_of(fault.address) : fault.what;
  fail(context, fault.result, job.name + running_thread() + ": " + what);
  forget_threads();
}

double now() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void run(Work &work) {
  for (const Job &job : work.jobs) {
    if (work.context->failed != CUDA_SUCCESS || state().is_lost()) break;
    perform(*work.context, job);
  }
  work.done = true;
  work.milliseconds = now();
  work.jobs.clear();
  work.after.clear();
  state().queued--;
}

// What has to run next for the goal, which is not done.
std::shared_ptr<Work> next_for(std::vector<std::shared_ptr<Work>> &path) {
  for (;;) {
    auto &after = path.back()->after;
    auto open = std::find_if(after.begin(), after.end(), [](const auto &work) { return !work->done; });
    if (open == after.end()) return path.back();
    path.push_back(*open);
  }
}

// At most `pieces` of the work that the goal needs, it included.
void run_some(const std::shared_ptr<Work> &goal, uint64_t pieces) {
  if (goal == nullptr || goal->done) return;
  std::vector<std::shared_ptr<Work>> path = {goal};
  for (; !path.empty() && pieces > 0; pieces--) {
    run(*next_for(path));
    path.pop_back();
  }
  std::string damage = state().device.close();
  if (!damage.empty() && goal->context->failed == CUDA_SUCCESS) {
    fail(*goal->context, CUDA_ERROR_ILLEGAL_ADDRESS, damage);
  }
}

// The streams of the context whose work the legacy default stream waits for, and which wait for it.
template <class Do>
void for_each_blocking(CUctx_st &context, Do action) {
  for (const auto &[handle, stream] : state().streams.all()) {
    if (stream->context == &context && stream->is_blocking) action(*stream);
  }
  for (auto &[thread, stream] : context.per_thread) action(stream);
}

bool is_legacy(const CUstream_st &stream) { return &stream == &stream.context->legacy; }

// What work that is put into the stream now has to come after.
std::vector<std::shared_ptr<Work>> before(CUstream_st &stream) {
  std::vector<std::shared_ptr<Work>> works = {stream.last};
  CUctx_st &context = *stream.context;
  if (is_legacy(stream)) {
    for_each_blocking(context, [&](CUstream_st &other) { works.push_back(other.last); });
    works.insert(works.end(), context.orphans.begin(), context.orphans.end());
  } else if (stream.is_blocking) {
    works.push_back(context.legacy.last);
  }
  auto is_done = [](const auto &work) { return work == nullptr || work->done; };
  works.erase(std::remove_if(works.begin(), works.end(), is_done), works.end());
  return works;
}

}  // namespace

CUstream stream_of(CUstream handle) {
  CUcontext context = current_context();
  if (handle == nullptr || handle == CU_STREAM_LEGACY) return &context->legacy;
  if (handle == CU_STREAM_PER_THREAD) {
    CUstream_st &mine = context->per_thread[std::this_thread::get_id()];
    mine.context = context;
    return &mine;
  }
  return state().streams.find(handle).get();
}

CUresult submit(CUstream handle, std::vector<Job> jobs) {
  CUstream stream = stream_of(handle);
  if (stream == nullptr || stream->context != current_context()) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture != nullptr) return capture_jobs(*stream, std::move(jobs));
  if (is_legacy(*stream) && captures_forbid_legacy(*stream->context)) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  enqueue(*stream, std::move(jobs));
  return CUDA_SUCCESS;
}

std::shared_ptr<Work> enqueue(CUstream_st &stream, std::vector<Job> jobs, std::shared_ptr<Work> event) {
  if (state().queued >= MAX_QUEUED) finish(stream.last);
  auto work = std::make_shared<Work>();
  work->context = stream.context;
  work->jobs = std::move(jobs);
  work->after = before(stream);
  if (event != nullptr && !event->done) work->after.push_back(std::move(event));
  state().queued++;
  return stream.last = work;
}

void finish(const std::shared_ptr<Work> &goal) { run_some(goal, UINT64_MAX); }

void finish_all(CUctx_st &context) {
  finish(context.legacy.last);
  for (auto &[thread, stream] : context.per_thread) finish(stream.last);
  for (const auto &[handle, stream] : state().streams.all()) {
    if (stream->context == &context) finish(stream->last);
  }
  for (const auto &work : context.orphans) finish(work);
  context.orphans.clear();
}

bool poll(const std::shared_ptr<Work> &goal) {
  bool done = goal == nullptr || goal->done;
  run_some(goal, 1);
  return done;
}

}  // namespace stand_in
