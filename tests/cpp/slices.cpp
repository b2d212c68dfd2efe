// A step in slices is the undivided step, in whatever way it is sliced, and never stays open.
#include "check.hpp"

#include <chrono>
#include <stdexcept>
#include <thread>

using namespace std::chrono_literals;

struct World {
  std::vector<float> w = numbers(100000, 1), g = numbers(100000, 2);
  radam::Optimizer opt{};

  World() { opt.add_param(opt.add_group(group_options()), w, g, "w"); }
};

static radam::StepOptions clipping() {
  radam::StepOptions options;
  options.max_grad_norm = 0.5;
  return options;
}

static void every_way_gives_the_same_bits() {
  World whole, waves, budget, by_hand;
  for (int round = 0; round < 6; round++) {
    const radam::StepReport expected = whole.opt.step(clipping());

    auto step = waves.opt.begin_step(clipping());
    std::uint64_t chunks = 0;
    for (auto wave : step.waves()) {
      std::thread other([&] {
        for (std::uint64_t chunk = 1; chunk < wave.size(); chunk += 2) wave.step(chunk);
      });
      for (std::uint64_t chunk = 0; chunk < wave.size(); chunk += 2) wave.step(chunk);
      other.join();
      chunks += wave.size();
    }
    CHECK(chunks > 6);  // of two waves
    CHECK(step.end().clip_coefficient == expected.clip_coefficient);

    auto in_frames = budget.opt.begin_step(clipping());
    CHECK(in_frames.run_for(-1ns) > 6);
    while (in_frames.run_for(1us) != 0) {
    }
    CHECK(in_frames.end().grad_norm == expected.grad_norm);

    auto moved = by_hand.opt.begin_step(clipping());
    radam::SlicedStep open;
    open = std::move(moved);
    for (auto wave = open.next_wave(); wave.size() != 0; wave = open.next_wave()) {
      for (std::uint64_t chunk = wave.size(); chunk-- > 0;) wave.step(chunk);
    }
    CHECK(open.end().params_stepped == 1);
    CHECK(same_bits(whole.w, waves.w) && same_bits(whole.w, budget.w) && same_bits(whole.w, by_hand.w));
  }
}

static void a_step_that_is_left_is_closed() {
  World world, twin;
  const std::vector<float> before = world.w;
  {
    auto step = world.opt.begin_step(clipping());
    step.next_wave().step(0);  // only measures
  }
  CHECK(same_bits(world.w, before) && world.opt.step_count(0) == 0);
  try {
    auto step = world.opt.begin_step();
    step.next_wave().step(0);  // moves parameters
    throw std::runtime_error("in the middle");
  } catch (const std::runtime_error&) {
  }
  twin.opt.step();
  CHECK(same_bits(world.w, twin.w) && world.opt.step_count(0) == 1);

  auto step = world.opt.begin_step(clipping());
  step.abort();
  refused(RADAM_ERROR_INVALID_HANDLE, "NULL", [&] { step.end(); });
  step = world.opt.begin_step();
  refused(RADAM_ERROR_BUSY, "open step", [&] { world.opt.step(); });
  refused(RADAM_ERROR_INVALID_STATE, "chunk", [&] { step.end(); });
  step = radam::SlicedStep();
  world.opt.step();
  step = world.opt.begin_step();
  radam::SlicedStep elsewhere = twin.opt.begin_step();
  step = std::move(elsewhere);  // what it was is closed at once
  world.opt.step();
  refused(RADAM_ERROR_BUSY, "open step", [&] { twin.opt.step(); });
}

int main() {
  every_way_gives_the_same_bits();
  a_step_that_is_left_is_closed();
}
