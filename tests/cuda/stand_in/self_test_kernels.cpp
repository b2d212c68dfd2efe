// Tests of how kernels run: threads, warps and blocks, and what is undefined on a GPU.
#include "self_test.hpp"

#include <algorithm>
#include <cfenv>
#include <csignal>

namespace {

void lanes_and_blocks_add_up() {
  Device device;
  const unsigned count = 1000;
  std::vector<float> values(count);
  for (unsigned i = 0; i < count; i++) values[i] = static_cast<float>(i);
  CUdeviceptr from = device.with(values), to = device.with(std::vector<float>(4));
  CUdeviceptr totals = device.with(std::vector<unsigned long long>(2));
  auto total_at = at<unsigned long long>(totals);
  SumArgs args = {at<float>(from), at<float>(to), total_at, total_at + 1, count};
  device.launch("sum", &args, 4, 256);
  auto sums = device.read<float>(to, 4);
  for (unsigned block = 0; block < 4; block++) {
    float sum = 0;
    for (unsigned i = block * 256; i < std::min(count, block * 256 + 256); i++) sum += values[i];
    CHECK(sums[block] == sum);
  }
  auto total = device.read<unsigned long long>(totals, 2);
  CHECK(total[0] == count && total[1] == count - 1);
}

void partial_warps_meet() {
  Device device;
  CUdeviceptr to = device.with(std::vector<unsigned>(64));
  MeetArgs args = {EXITED_LANES, at<unsigned>(to)};
  device.launch("meet", &args, 1, 64);
  auto met = device.read<unsigned>(to, 64);
  for (unsigned i = 0; i < 8; i++) CHECK(met[i] == (i ^ 7) && met[32 + i] == 32 + (i ^ 7));
  args.how = HALF_WARPS;
  device.launch("meet", &args, 1, 64);
  auto halves = device.read<unsigned>(to, 64);
  for (unsigned i = 0; i < 16; i++) CHECK(halves[i] == (i ^ 15) && halves[16 + i] == 0x55550000);
}

void meet_wrongly(unsigned how) {
  Device device;
  CUdeviceptr to = device.with(std::vector<unsigned>(64));
  MeetArgs args = {how, at<unsigned>(to)};
  device.launch("meet", &args, 1, 64);
  device.read<unsigned>(to, 64);
}
void split_warps_are_undefined() { meet_wrongly(SPLIT_WARP); }
void split_blocks_are_undefined() { meet_wrongly(SPLIT_BLOCK); }
void absent_lanes_are_undefined() { meet_wrongly(ABSENT_LANE); }

void threads_run_in_both_orders() {
  Device device;
  CUdeviceptr order = device.with(std::vector<unsigned>(65)), next = device.with(std::vector<unsigned>(1));
  OrderArgs args = {at<unsigned>(order), at<unsigned>(next)};
  unsigned firsts = 0;
  for (int launch = 0; launch < 2; launch++) {
    OK(cuMemsetD32Async(next, 0, 1, nullptr));
    device.launch("order", &args, 1, 64);
    auto seen = device.read<unsigned>(order, 65);
    firsts += seen[0];
    // What was in __shared__ memory before anything was written to it.
    if (seen[0] == 0) CHECK(seen[64] == 0xa5a5a5a5);
  }
  CHECK(firsts == 63);
}

// A kernel computes as a GPU does, in whatever floating-point mode the calling thread is.
void the_mode_of_floats_is_the_gpus() {
  Device device;
  CUdeviceptr values = device.with(std::vector<float>{1e-30f, 1e-10f, 0});
  FloatArgs of = {at<float>(values)}, to = {at<float>(values) + 2};
  OK(device.try_launch("multiply", &of, 1, 1, nullptr, &to));
  std::fesetround(FE_UPWARD);
  OK(cuStreamSynchronize(nullptr));
  CHECK(std::fegetround() == FE_UPWARD);
  std::fesetround(FE_TONEAREST);
  volatile float one = 1e-30f, other = 1e-10f;
  CHECK(device.read<float>(values, 3)[2] == one * other);
}

void many_blocks_run() {
  Device device;
  CUdeviceptr counters = device.allocate(4 << 20);
  OK(cuMemsetD8_v2(counters, 0, 4 << 20));
  CountArgs args = {at<unsigned>(counters), 3};
  device.launch("count", &args, 4096, 256);
  auto counted = device.read<unsigned>(counters, 1 << 20);
  for (unsigned value : counted) CHECK(value == 3);
}

}  // namespace

const std::vector<Test> KERNEL_TESTS = {
    TEST(lanes_and_blocks_add_up),
    TEST(partial_warps_meet),
    TEST_ENDED_BY(SIGABRT, split_warps_are_undefined),
    TEST_ENDED_BY(SIGABRT, split_blocks_are_undefined),
    TEST_ENDED_BY(SIGABRT, absent_lanes_are_undefined),
    TEST(threads_run_in_both_orders),
    TEST(the_mode_of_floats_is_the_gpus),
    TEST(many_blocks_run),
};
