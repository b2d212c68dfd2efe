// Threads and memory of the caller: executors from callables, OpenMP where it is compiled in, memory resources.
#include "check.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <thread>
#ifdef __cpp_lib_memory_resource
#include <memory_resource>
#endif

enum : std::size_t { LARGE = 1 << 17 };

struct World {
  std::vector<float> w = numbers(LARGE, 1), g = numbers(LARGE, 2);
  radam::Optimizer opt;

  explicit World(const radam::Options& options = {}) : opt(options) { opt.add_param(opt.add_group(group_options()), w, g); }
};

static void steps_as_without(World& world) {
  static World plain;
  plain.opt.step();
  world.opt.step();
  CHECK(same_bits(plain.w, world.w));
  plain.opt.reset_state();
  const std::vector<float> initial = numbers(LARGE, 1);
  std::copy(initial.begin(), initial.end(), plain.w.begin());
}

static void a_callable_is_kept_and_called() {
  struct Pool {
    std::shared_ptr<std::atomic<int>> loops;
    void operator()(std::uint64_t count, radam::Body body) {
      ++*loops;
      std::thread other([=] {
        for (std::uint64_t i = count / 2; i < count; i++) body(i);
      });
      for (std::uint64_t i = 0; i < count / 2; i++) body(i);
      other.join();
    }
  };
  auto loops = std::make_shared<std::atomic<int>>(0);
  {
    radam::Options options;
    options.executor = Pool{loops};
    options.parallel_from = 1000;
    World world(options);
    options = {};  // the optimizer keeps it
    World moved_to;
    moved_to.opt = std::move(world.opt);
    moved_to.opt.set_tensors(0, 1, nullptr, nullptr);
    world.opt = std::move(moved_to.opt);
    steps_as_without(world);
    CHECK(*loops == 1 && loops.use_count() > 1);
  }
  CHECK(loops.use_count() == 1);
}

static void an_executor_of_c() {
  static int loops = 0;
  const radam_executor serial{[](std::uint64_t count, void (*body)(std::uint64_t, void*), void* data, void*) {
                                loops++;
                                for (std::uint64_t i = 0; i < count; i++) body(i, data);
                              },
                              nullptr};
  radam::Options options;
  options.executor = radam::Executor(serial, 1000);
  World world(options);
  steps_as_without(world);
  CHECK(loops == 1);
}

static void what_an_executor_throws_is_made_up_for() {
  radam::Options options;
  options.parallel_from = 1000;
  options.executor = [](std::uint64_t, radam::Body body) {
    body(0);
    throw std::runtime_error("no threads");
  };
  World world(options);
  steps_as_without(world);
}

static void parallel_from_comes_with_the_executor() {
  int loops = 0;
  const auto serial = [&loops](std::uint64_t count, radam::Body body) {
    loops++;
    for (std::uint64_t i = 0; i < count; i++) body(i);
  };
  radam::Options options;
  options.executor = radam::Executor(serial, 1000);
  World world(options);
  steps_as_without(world);
  CHECK(loops == 1);
  options.parallel_from = LARGE + 1;  // wins
  World large(options);
  steps_as_without(large);
  CHECK(loops == 1);
}

#ifdef _OPENMP
static void openmp() {
  radam::Options options;
  options.executor = radam::openmp_executor();
  World world(options);
  steps_as_without(world);
  CHECK(world.opt.step(radam::StepOptions{}).threads >= 1);
}
#endif

#ifdef __cpp_lib_memory_resource
static void a_memory_resource() {
  struct Counting : std::pmr::memory_resource {
    std::size_t in_use = 0, most = 0;
    bool is_exhausted = false;
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
      if (is_exhausted) throw std::bad_alloc();
      in_use += bytes;
      most = in_use > most ? in_use : most;
      return std::pmr::new_delete_resource()->allocate(bytes, alignment);
    }
    void do_deallocate(void* pointer, std::size_t bytes, std::size_t alignment) override {
      in_use -= bytes;
      std::pmr::new_delete_resource()->deallocate(pointer, bytes, alignment);
    }
    bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
  } counting;
  {
    radam::Options options;
    options.allocator = &counting;
    World world(options);
    CHECK(counting.in_use >= 2 * LARGE * sizeof(float));
    steps_as_without(world);
    counting.is_exhausted = true;
    std::vector<float> more(100);
    refused(RADAM_ERROR_OUT_OF_MEMORY, "allocate returned NULL", [&] { world.opt.add_param(0, more, nullptr); });
  }
  CHECK(counting.in_use == 0);
}
#endif

int main() {
  a_callable_is_kept_and_called();
  an_executor_of_c();
  what_an_executor_throws_is_made_up_for();
  parallel_from_comes_with_the_executor();
#ifdef _OPENMP
  openmp();
#endif
#ifdef __cpp_lib_memory_resource
  a_memory_resource();
#endif
}
