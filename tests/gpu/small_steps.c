/* Steps small tensors of every dtype, with every option, on a GPU and on the CPU side by side: parameters, gradients,
   copies, reports and checkpoints must have the same bits. Small enough to run under compute-sanitizer, which then sees
   every kernel. Uses the driver alone, so that it is built where no CUDA is.

   usage: small_steps [N [TIMES]], for each N-th setup alone (5 takes all dtypes and variants in turn), with tensors so many
   times as long */
#define _POSIX_C_SOURCE 200809L
#include "driver.h"
#include "numbers.h"

#include <unistd.h>

enum { STEPS = 7, TENSORS = 4, VARIANTS = 9 };
static const uint64_t LENGTHS[TENSORS] = {1, 300, 4099, 20000};

/* An array on the CPU and one on the GPU, which begin with elements that no one may touch: with one, so that they are aligned
   to an element and no more, or with more. */
typedef struct array {
  radam_dtype dtype;
  uint64_t len, before;
  char *host, *seen;
  CUdeviceptr device;
} array;

static size_t size_of(const array *a) { return (a->before + a->len) * BYTES[a->dtype]; }
static void *on_host(const array *a) { return a->host + a->before * BYTES[a->dtype]; }
static void *on_device(const array *a) { return (void *)(uintptr_t)(a->device + a->before * BYTES[a->dtype]); }

static void upload(const array *a) { DRIVER(cuMemcpyHtoD_v2, a->device, a->host, size_of(a)); }

static void redraw(const array *a) {
  for (uint64_t i = 0; i < a->before + a->len; i++) draw(a->dtype, a->host + i * BYTES[a->dtype]);
  upload(a);
}

static void set_infinite(const array *a, uint64_t index) {
  memcpy(a->host + index * BYTES[a->dtype], &INFINITE[a->dtype], BYTES[a->dtype]);
  upload(a);
}

static array new_array(radam_dtype dtype, uint64_t len, bool aligned) {
  array a = {dtype, len, aligned ? 64 : 1, NULL, NULL, 0};
  a.host = malloc(size_of(&a));
  a.seen = malloc(size_of(&a));
  CHECK(a.host != NULL && a.seen != NULL, "no memory");
  DRIVER(cuMemAlloc_v2, &a.device, size_of(&a));
  redraw(&a);
  return a;
}

static void free_array(array *a) {
  DRIVER(cuMemFree_v2, a->device);
  free(a->host);
  free(a->seen);
}

static bool is_same(const array *a) {
  DRIVER(cuMemcpyDtoH_v2, a->seen, a->device, size_of(a));
  return memcmp(a->seen, a->host, size_of(a)) == 0;
}

/* NaN may have other bits on a GPU. */
static bool is_same_or_nan(const array *a) {
  DRIVER(cuMemcpyDtoH_v2, a->seen, a->device, size_of(a));
  for (uint64_t i = 0; i < a->before + a->len; i++) {
    const char *const seen = a->seen + i * BYTES[a->dtype], *const host = a->host + i * BYTES[a->dtype];
    if (memcmp(seen, host, BYTES[a->dtype]) != 0 && !(is_nan(a->dtype, seen) && is_nan(a->dtype, host))) return false;
  }
  return true;
}

static radam_group_options variant(int number) {
  radam_group_options options = group_options();
  options.seed = 5;
  switch (number) {
    case 1: options.decouple_wd = options.maximize = RADAM_ON; break;
    case 2: options.decouple_lr = options.kahan_sum = RADAM_ON, options.max_lr = 0.02; break;
    case 3: options.state_dtype = RADAM_DTYPE_F32; break;
    case 4: options.master_remainder = RADAM_ON; break;
    case 5: options.stochastic_rounding = RADAM_ON; break;
    case 6: options.state_dtype = RADAM_DTYPE_Q8; break;
    case 7: options.rectify = options.kahan_sum = RADAM_OFF; break;
    case 8: options.unrectified = RADAM_OFF, options.beta2 = 0.999; break;
  }
  return options;
}

static radam_step_options step_variant(int step) {
  radam_step_options options;
  OK(NULL, radam_step_options_init(&options, sizeof options));
  switch (step % 5) {
    case 1: options.max_grad_norm = 1, options.skip_nonfinite = RADAM_ON; break;
    case 2: options.grad_scale = 0.25, options.max_grad_value = 0.2; break;
    case 3: options.zero_grad = options.report_norms = RADAM_ON; break;
    case 4: options.skip_nonfinite = RADAM_ON; break; /* of a gradient that is infinite */
  }
  return options;
}

static void *saved(radam_optimizer *opt, uint64_t *size) {
  OK(opt, radam_save_to_buffer(opt, NULL, 0, size));
  void *file = malloc(*size);
  OK(opt, radam_save_to_buffer(opt, file, *size, size));
  return file;
}

/* The checkpoints are the same, and each optimizer goes on from that of the other. */
static void exchange_checkpoints(radam_optimizer *cpu, radam_optimizer *gpu) {
  uint64_t size, size_on_gpu;
  void *file = saved(cpu, &size), *file_of_gpu = saved(gpu, &size_on_gpu);
  CHECK(size == size_on_gpu && memcmp(file, file_of_gpu, size) == 0, "the checkpoints differ");
  OK(cpu, radam_load_from_buffer(cpu, file_of_gpu, size, NULL));
  OK(gpu, radam_load_from_buffer(gpu, file, size, NULL));
  free(file);
  free(file_of_gpu);
}

typedef struct tensor {
  array data, grad, copy; /* the copy has no elements where there is none */
} tensor;

static void describe(radam_param *on, const tensor *t, void *(*place)(const array *)) {
  OK(NULL, radam_param_init(on, sizeof *on));
  on->dtype = t->data.dtype;
  on->grad_dtype = t->grad.dtype;
  on->len = t->data.len;
  on->data = place(&t->data);
  on->grad = place(&t->grad);
  if (t->copy.len > 0) on->copy_dtype = t->copy.dtype, on->copy = place(&t->copy);
}

/* Steps that differ by their learning rates alone. */
static void step_by_schedule(radam_optimizer *opt) {
  double lr;
  OK(opt, radam_get_lr(opt, 0, &lr));
  for (int step = 1; step < 4; step++) {
    OK(opt, radam_step(opt));
    if (step > 1) OK(opt, radam_set_lr(opt, 0, lr / step));
  }
  OK(opt, radam_set_lr(opt, 0, lr));
}

static void step_both(radam_optimizer *cpu, radam_optimizer *gpu, const tensor *tensors, int step, const char *setup) {
  for (int i = 0; i < TENSORS; i++) {
    redraw(&tensors[i].grad);
    if (step % 5 == 4 && i == 2) set_infinite(&tensors[i].grad, tensors[i].grad.len);
  }
  if (step % 5 == 0) step_by_schedule(cpu), step_by_schedule(gpu);
  const radam_step_options options = step_variant(step);
  radam_step_report expected, found;
  OK(NULL, radam_step_report_init(&expected, sizeof expected));
  OK(NULL, radam_step_report_init(&found, sizeof found));
  OK(cpu, radam_step_with(cpu, &options, &expected));
  OK(gpu, radam_step_with(gpu, &options, step % 2 ? &found : NULL));
  CHECK(step % 2 == 0 || is_same_report(expected, found), "%s, step %d: another report", setup, step);
  for (int i = 0; i < TENSORS; i++)
    CHECK(is_same(&tensors[i].data) && is_same(&tensors[i].grad) && is_same(&tensors[i].copy),
          "%s, step %d: tensor %d has other bits than on the CPU", setup, step, i);
}

/* A step by gradients one of whose elements is infinite, which nothing skips, so that parameters become NaN. Nothing comes
   after it. */
static void step_without_numbers(radam_optimizer *cpu, radam_optimizer *gpu, const tensor *tensors, const char *setup) {
  for (int i = 0; i < TENSORS; i++) {
    redraw(&tensors[i].grad);
    set_infinite(&tensors[i].grad, tensors[i].grad.before + tensors[i].grad.len / 2);
  }
  OK(cpu, radam_step(cpu));
  OK(gpu, radam_step(gpu));
  for (int i = 0; i < TENSORS; i++)
    CHECK(is_same_or_nan(&tensors[i].data) && is_same_or_nan(&tensors[i].copy),
          "%s: tensor %d is NaN elsewhere than on the CPU", setup, i);
}

/* Returns the number of steps: none if these options are refused for this dtype, as on the CPU. */
static int run(radam_dtype dtype, radam_dtype grad_dtype, int number, uint64_t times) {
  char setup[64];
  snprintf(setup, sizeof setup, "%s with %s gradients, variant %d", DTYPES[dtype], DTYPES[grad_dtype], number);
  tensor tensors[TENSORS];
  radam_param on_cpu[TENSORS], on_gpu[TENSORS];
  const radam_dtype copy_dtype = dtype == RADAM_DTYPE_F64 ? RADAM_DTYPE_F32 : RADAM_DTYPE_BF16;
  const bool has_copy = (dtype == RADAM_DTYPE_F32 || dtype == RADAM_DTYPE_F64) && number % 2;
  for (int i = 0; i < TENSORS; i++) {
    const uint64_t len = LENGTHS[i] * times;
    tensors[i] = (tensor){new_array(dtype, len, i % 2 != 0), new_array(grad_dtype, len, i == 3),
                          new_array(copy_dtype, has_copy ? len : 0, i % 2 != 0)};
    describe(&on_cpu[i], &tensors[i], on_host);
    describe(&on_gpu[i], &tensors[i], on_device);
  }
  const radam_group_options options = variant(number);
  radam_optimizer *cpu = create_on(RADAM_DEVICE_CPU, NULL), *gpu = create_on(RADAM_DEVICE_CUDA, NULL);
  const radam_status status = radam_add_param_group(cpu, &options, on_cpu, TENSORS, NULL);
  CHECK(radam_add_param_group(gpu, &options, on_gpu, TENSORS, NULL) == status, "%s: the CPU says %s, and the GPU another",
        setup, radam_status_string(status));
  const int steps = status == RADAM_OK ? STEPS : 0;
  for (int step = 0; step < steps; step++) {
    step_both(cpu, gpu, tensors, step, setup);
    if (step == STEPS / 2 || step == STEPS - 1) exchange_checkpoints(cpu, gpu);
  }
  if (steps > 0) step_without_numbers(cpu, gpu, tensors, setup);
  OK(NULL, radam_free(cpu));
  OK(NULL, radam_free(gpu));
  for (int i = 0; i < TENSORS; i++) free_array(&tensors[i].data), free_array(&tensors[i].grad), free_array(&tensors[i].copy);
  return steps;
}

int main(int argc, char **argv) {
  alarm(300); /* ends what hangs */
  open_device();
  const int every = argc > 1 ? atoi(argv[1]) : 1;
  const uint64_t times = argc > 2 ? (uint64_t)atoi(argv[2]) : 1;
  int number_of_setup = 0, setups = 0, steps = 0;
  for (radam_dtype dtype = RADAM_DTYPE_F32; dtype <= RADAM_DTYPE_BF16; dtype++)
    for (radam_dtype grad_dtype = RADAM_DTYPE_F32; grad_dtype <= RADAM_DTYPE_BF16; grad_dtype++)
      for (int number = 0; number < VARIANTS; number++) {
        if (number_of_setup++ % every != 0) continue;
        const int made = run(dtype, grad_dtype, number, times);
        setups += made > 0;
        steps += made;
      }
  printf("%d steps of %d setups have the bits of the CPU\n", steps, setups);
  return 0;
}
