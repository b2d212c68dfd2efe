/* What an optimizer on a GPU refuses, with a sentence that names it. */
#define _POSIX_C_SOURCE 200809L
#include "stand_in.h"

#include <unistd.h>

enum { LEN = 300 };
enum { BYTES = LEN * sizeof(float) };

#define REFUSED(opt, call, status, word)                                                                   \
  do {                                                                                                     \
    const radam_status status_ = call;                                                                     \
    CHECK(status_ == status, "%s gave %s", #call, radam_status_string(status_));                           \
    check_message(opt, word, #call);                                                                       \
  } while (0)

static radam_options on_gpu(void) {
  radam_options options;
  OK(NULL, radam_options_init(&options, sizeof options));
  options.device = RADAM_DEVICE_CUDA;
  return options;
}

static void no_executor(uint64_t count, void (*body)(uint64_t, void *), void *data, void *user) {
  (void)count, (void)body, (void)data, (void)user;
}

static void creating(void) {
  radam_optimizer *opt = NULL;
  radam_options options = on_gpu();
  options.cuda_device = 1;
  REFUSED(NULL, radam_create(&options, &opt), RADAM_ERROR_INVALID_ARGUMENT, "options.cuda_device is 1");
  options.cuda_device = -1;
  REFUSED(NULL, radam_create(&options, &opt), RADAM_ERROR_INVALID_ARGUMENT, "options.cuda_device is -1");
  options = on_gpu();
  options.device = 7;
  REFUSED(NULL, radam_create(&options, &opt), RADAM_ERROR_INVALID_ARGUMENT, "device is 7");
  options = on_gpu();
  options.num_threads = 1;
  REFUSED(NULL, radam_create(&options, &opt), RADAM_ERROR_INVALID_STATE, "options.num_threads is 1");
  options = on_gpu();
  options.executor.parallel_for = no_executor;
  REFUSED(NULL, radam_create(&options, &opt), RADAM_ERROR_INVALID_STATE, "options.executor");
  options = on_gpu();
  options.parallel_from = 1;
  REFUSED(NULL, radam_create(&options, &opt), RADAM_ERROR_INVALID_STATE, "options.parallel_from is 1");
  CHECK(opt == NULL, "an optimizer was made");
}

/* Each array in turn where it must not be. */
static void pointers(void) {
  static float host[LEN];
  char *device = new_memory(16 * BYTES), *short_one = new_memory(BYTES - 1);
  radam_optimizer *opt = create_on(RADAM_DEVICE_CUDA, NULL);
  radam_group_options options = group_options();
  options.kahan_sum = RADAM_ON;
  OK(opt, radam_add_param_group(opt, &options, NULL, 0, NULL));
  static const char *const names[] = {"data", "grad", "copy", "exp_avg", "exp_avg_sq", "kahan_comp"};
  for (int i = 0; i < 6; i++) {
    radam_param param = param_of(RADAM_DTYPE_F32, device, device + BYTES, LEN);
    param.copy_dtype = RADAM_DTYPE_F32;
    void **const arrays[] = {&param.data, &param.grad, &param.copy, &param.exp_avg, &param.exp_avg_sq, &param.kahan_comp};
    char word[64];
    *arrays[i] = host;
    snprintf(word, sizeof word, "%s is %p, which is not device memory", names[i], (void *)host);
    REFUSED(opt, radam_add_params(opt, 0, &param, 1, NULL), RADAM_ERROR_INVALID_ARGUMENT, word);
    *arrays[i] = short_one;
    snprintf(word, sizeof word, "%s is %p, but device memory ends before", names[i], (void *)short_one);
    REFUSED(opt, radam_add_params(opt, 0, &param, 1, NULL), RADAM_ERROR_INVALID_ARGUMENT, word);
  }
  OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, device, device + BYTES, LEN, NULL, NULL));
  void *const on_host[] = {host};
  REFUSED(opt, radam_set_grad(opt, 0, host), RADAM_ERROR_INVALID_ARGUMENT, "not device memory");
  REFUSED(opt, radam_set_data(opt, 0, host), RADAM_ERROR_INVALID_ARGUMENT, "not device memory");
  REFUSED(opt, radam_set_tensors(opt, 0, 1, on_host, NULL), RADAM_ERROR_INVALID_ARGUMENT, "not device memory");
  REFUSED(opt, radam_set_tensors(opt, 0, 1, NULL, on_host), RADAM_ERROR_INVALID_ARGUMENT, "not device memory");
  REFUSED(opt, radam_set_grad(opt, 0, short_one), RADAM_ERROR_INVALID_ARGUMENT, "device memory ends before");
  OK(opt, SET_OPTION(opt, 0, gradient_release, RADAM_ON));
  REFUSED(opt, radam_step_param(opt, 0, host), RADAM_ERROR_INVALID_ARGUMENT, "not device memory");
  REFUSED(opt, radam_step_tensor(opt, 0, host, device, NULL, NULL), RADAM_ERROR_INVALID_ARGUMENT, "not device memory");
  OK(opt, radam_step_param(opt, 0, device + BYTES));
  OK(NULL, radam_free(opt));
  free_memory(device);
  free_memory(short_one);
}

/* Arrays of one allocation are one question for the driver, and each is checked all the same. */
static void many_pointers(void) {
  enum { COUNT = 100 };
  char *const device = new_memory(2 * COUNT * BYTES), *const other = new_memory(BYTES);
  radam_optimizer *const opt = create_on(RADAM_DEVICE_CUDA, NULL);
  const radam_group_options options = group_options();
  radam_param params[COUNT];
  void *grads[COUNT];
  for (int i = 0; i < COUNT; i++) {
    grads[i] = device + (COUNT + i) * BYTES;
    params[i] = param_of(RADAM_DTYPE_F32, device + i * BYTES, grads[i], LEN);
  }
  uint64_t before = calls_of("cuPointerGetAttributes");
  OK(opt, radam_add_param_group(opt, &options, params, COUNT, NULL));
  OK(opt, radam_set_tensors(opt, 0, COUNT, NULL, grads));
  CHECK(calls_of("cuPointerGetAttributes") == before + 2, "pointers were asked for one by one");

  grads[COUNT / 2] = device + 2 * COUNT * BYTES - sizeof(float);
  REFUSED(opt, radam_set_tensors(opt, 0, COUNT, NULL, grads), RADAM_ERROR_INVALID_ARGUMENT, "grads[50] is 0x");
  check_message(opt, "device memory ends before", "an array that runs past the others' memory");
  grads[COUNT / 2] = other;
  before = calls_of("cuPointerGetAttributes");
  OK(opt, radam_set_tensors(opt, 0, COUNT, NULL, grads));
  CHECK(calls_of("cuPointerGetAttributes") == before + 3, "two allocations in turn were not three questions");
  OK(NULL, radam_free(opt));
  free_memory(device);
  free_memory(other);
}

static void allocators(void) {
  int allocations = 0;
  radam_optimizer *opt = NULL;
  radam_options options = on_gpu();
  options.allocator = (radam_allocator){allocate_on_host, release_on_host, &allocations};
  OK(NULL, radam_create(&options, &opt));
  const radam_group_options group = group_options();
  void *device = new_memory(2 * BYTES);
  const radam_param param = param_of(RADAM_DTYPE_F32, device, (char *)device + BYTES, LEN);
  REFUSED(opt, radam_add_param_group(opt, &group, &param, 1, NULL), RADAM_ERROR_INVALID_ARGUMENT,
          "what options.allocator.allocate returned is 0x");
  CHECK(allocations == 0, "what was refused was not released");
  OK(NULL, radam_free(opt));
  free_memory(device);
}

static void other_devices(void) {
  radam_optimizer *gpu = create_on(RADAM_DEVICE_CUDA, NULL), *cpu = create_on(RADAM_DEVICE_CPU, NULL);
  REFUSED(gpu, radam_step_begin(gpu, NULL), RADAM_ERROR_INVALID_STATE, "opt is on a GPU");
  REFUSED(cpu, radam_set_stream(cpu, NULL), RADAM_ERROR_INVALID_STATE, "optimizer is on the CPU");
  OK(NULL, radam_free(gpu));
  OK(NULL, radam_free(cpu));
}

/* What waits or allocates is refused while the stream is captured, and the capture goes on. */
static void captures(void) {
  const CUstream stream = new_stream(), other = new_stream();
  char *device = new_memory(4 * BYTES);
  radam_optimizer *opt = create_on(RADAM_DEVICE_CUDA, stream);
  const radam_group_options options = group_options();
  const radam_param params[] = {param_of(RADAM_DTYPE_F32, device, device + BYTES, LEN),
                                param_of(RADAM_DTYPE_F32, device + 2 * BYTES, device + BYTES, LEN)};
  radam_step_report report = step_report();
  const radam_step_options plain = step_options();
  radam_grad_sums sums;
  radam_group_report of_group;
  OK(NULL, radam_grad_sums_init(&sums, sizeof sums));
  OK(NULL, radam_group_report_init(&of_group, sizeof of_group));
  OK(opt, radam_add_param_group(opt, &options, params, 1, NULL));
  OK(opt, radam_step(opt));
  static char file[1 << 16];
  uint64_t size, steps;
  OK(opt, radam_save_to_buffer(opt, file, sizeof file, &size));

  DRIVER(cuStreamBeginCapture_v2, stream, CU_STREAM_CAPTURE_MODE_GLOBAL);
  OK(opt, radam_step(opt));
  REFUSED(opt, radam_step_with(opt, &plain, &report), RADAM_ERROR_INVALID_STATE, "a report has to wait");
  REFUSED(opt, radam_measure(opt, &sums), RADAM_ERROR_INVALID_STATE, "being captured");
  REFUSED(opt, radam_step_count(opt, 0, &steps), RADAM_ERROR_INVALID_STATE, "being captured");
  REFUSED(opt, radam_get_group_report(opt, 0, &of_group), RADAM_ERROR_INVALID_STATE, "being captured");
  REFUSED(opt, radam_save_to_buffer(opt, file, sizeof file, &size), RADAM_ERROR_INVALID_STATE, "being captured");
  REFUSED(opt, radam_load_from_buffer(opt, file, size, NULL), RADAM_ERROR_INVALID_STATE, "being captured");
  REFUSED(opt, radam_add_params(opt, 0, params + 1, 1, NULL), RADAM_ERROR_INVALID_STATE, "being captured");
  REFUSED(opt, SET_OPTION(opt, 0, kahan_sum, RADAM_ON), RADAM_ERROR_INVALID_STATE, "being captured");
  OK(opt, radam_remove_param(opt, 0)); /* its memory is kept, since the graph uses it */
  OK(opt, radam_set_stream(opt, other));
  OK(opt, radam_set_lr(opt, 0, 0.5)); /* not in the graph */
  CUgraph graph;
  CUgraphExec exec;
  DRIVER(cuStreamEndCapture, stream, &graph);
  DRIVER(cuGraphInstantiateWithFlags, &exec, graph, 0);
  DRIVER(cuGraphLaunch, exec, stream);
  wait_for_all();
  DRIVER(cuGraphExecDestroy, exec);
  DRIVER(cuGraphDestroy, graph);
  OK(opt, radam_add_params(opt, 0, params, 1, NULL));
  OK(opt, radam_step_with(opt, &plain, &report));
  CHECK(report.params_stepped == 1, "%d parameters were stepped", (int)report.params_stepped);
  OK(NULL, radam_free(opt));
  free_memory(device);
  DRIVER(cuStreamDestroy_v2, stream);
  DRIVER(cuStreamDestroy_v2, other);
}

int main(void) {
  alarm(60); /* ends what hangs */
  open_device();
  const stand_in_counts before = counted();
  creating();
  pointers();
  many_pointers();
  allocators();
  other_devices();
  captures();
  const stand_in_counts after = counted();
  CHECK(before.allocations == after.allocations && before.pinned == after.pinned && before.retained == after.retained,
        "memory is left");
  puts("misuse is refused");
  return 0;
}
