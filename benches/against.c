/* One side of `make bench-against`: makes steps when it is told to, and says how long they took. It is compiled
   with the header of each of the two versions, so it may use only what all versions have.

   against DTYPE THREADS MAX_GRAD_NORM LEN...   (THREADS 0: as many as the library likes; MAX_GRAD_NORM 0: none)
   against roof THREADS LEN                     (no steps, but their traffic in memory)

   Each line of the input has a number of steps and the microseconds that pass before each; the answer to it is
   the nanoseconds that a step took. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <radam.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Moments have come to where they stay, steps are rectified, and threads have started. */
enum { WARM_UP_STEPS = 12 };

/* The elements of a step in memory: parameter, gradient and two moments of f32. */
enum { ROOF_ARRAYS = 4 };

typedef struct dtype {
  const char *name;
  radam_dtype constant;
  int exponent_bits, mantissa_bits;
} dtype;

static const dtype dtypes[] = {
  {"f32", RADAM_DTYPE_F32, 8, 23},
  {"f64", RADAM_DTYPE_F64, 11, 52},
  {"f16", RADAM_DTYPE_F16, 5, 10},
  {"bf16", RADAM_DTYPE_BF16, 8, 7},
};

static void fail(const char *what) {
  fprintf(stderr, "against: %s\n", what);
  exit(1);
}

static void check(const radam_optimizer *opt, radam_status status) {
  char sentence[512] = "";
  if (status == RADAM_OK) return;
  radam_last_error(opt, sentence, sizeof sentence);
  fail(sentence);
}

/* From the beginning of a page on. Where arrays lie in their pages makes a step in cache up to twice as slow, and
   would otherwise be up to what each version has allocated before. */
static void *allocate(uint64_t size, uint64_t alignment, void *user) {
  (void)user;
  enum { PAGE = 4096 };
  void *array;
  return posix_memalign(&array, alignment > PAGE ? alignment : PAGE, size) == 0 ? array : NULL;
}

static void release(void *array, uint64_t size, uint64_t alignment, void *user) {
  (void)size, (void)alignment, (void)user;
  free(array);
}

static uint64_t random_bits(void) {
  static uint64_t state = 88172645463325252;
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

/* Numbers of both signs, from 2 to the exponent up to twice that. */
static void *numbers(const dtype *of, size_t len, int exponent) {
  size_t size = (1 + of->exponent_bits + of->mantissa_bits) / 8;
  char *array = allocate(len * size + 1, size, NULL); /* so that there is a pointer for no elements, too */
  if (array == NULL) fail("there is not enough memory");
  uint64_t biased = (1 << (of->exponent_bits - 1)) - 1 + exponent;
  for (size_t i = 0; i < len; i++) {
    uint64_t bits = random_bits(), sign = bits >> 63;
    bits &= ((uint64_t)1 << of->mantissa_bits) - 1;
    bits |= (sign << of->exponent_bits | biased) << of->mantissa_bits;
    uint32_t bits32 = bits;
    uint16_t bits16 = bits;
    const void *element = size == 8 ? (void *)&bits : size == 4 ? (void *)&bits32 : (void *)&bits16;
    memcpy(array + i * size, element, size);
  }
  return array;
}

static radam_optimizer *opt;
static radam_step_options step_options;

static void step(void) {
  if (step_options.max_grad_norm > 0)
    check(opt, radam_step_with(opt, &step_options, NULL));
  else
    check(opt, radam_step(opt));
}

static void make_optimizer(const dtype *of, uint32_t threads, double max_grad_norm, char **lens) {
  radam_options options;
  radam_group_options group_options;
  check(NULL, radam_options_init(&options, sizeof options));
  check(NULL, radam_group_options_init(&group_options, sizeof group_options));
  check(NULL, radam_step_options_init(&step_options, sizeof step_options));
  options.num_threads = threads;
  options.allocator.allocate = allocate;
  options.allocator.release = release;
  group_options.lr = 1e-6; /* so small that parameters stay what they are for as long as this takes */
  step_options.max_grad_norm = max_grad_norm;
  check(NULL, radam_create(&options, &opt));
  check(opt, radam_add_param_group(opt, &group_options, NULL, 0, NULL));
  for (; *lens; lens++) {
    uint64_t len = strtoull(*lens, NULL, 10);
    void *data = numbers(of, len, -1), *grad = numbers(of, len, -4);
    check(opt, radam_add_param(opt, 0, of->constant, of->constant, data, grad, len, NULL, NULL));
  }
}

/* The loop over as many elements, with the reads and writes of a step and no arithmetic. */
typedef struct part {
  pthread_t thread;
  uint32_t *arrays[ROOF_ARRAYS];
  size_t first, end;
} part;

static part *parts;
static int part_count;

static void *pass_over(void *arg) {
  const part *of = arg;
  uint32_t *restrict param = of->arrays[0], *restrict exp_avg = of->arrays[1];
  uint32_t *restrict exp_avg_sq = of->arrays[2];
  const uint32_t *restrict grad = of->arrays[3];
  for (size_t i = of->first; i < of->end; i++) {
    param[i] ^= grad[i];
    exp_avg[i] ^= grad[i];
    exp_avg_sq[i] ^= grad[i];
  }
  return NULL;
}

static void pass(void) {
  for (int i = 1; i < part_count; i++)
    if (pthread_create(&parts[i].thread, NULL, pass_over, &parts[i]) != 0) fail("no thread can be started");
  pass_over(&parts[0]);
  for (int i = 1; i < part_count; i++) pthread_join(parts[i].thread, NULL);
}

static void make_roof(int threads, size_t len) {
  part whole = {0};
  for (int i = 0; i < ROOF_ARRAYS; i++) whole.arrays[i] = numbers(&dtypes[0], len, 0);
  parts = calloc(threads, sizeof *parts);
  part_count = threads;
  for (int i = 0; i < threads; i++) {
    parts[i] = whole;
    parts[i].first = len * i / threads;
    parts[i].end = len * (i + 1) / threads;
  }
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * (uint64_t)1000000000 + time.tv_nsec;
}

/* The nanoseconds of all calls. Before each, the calling thread is busy with something else, as a training loop
   is with the gradients. */
static uint64_t time_of(void (*call)(void), long calls, uint64_t pause) {
  uint64_t start = now(), total = 0;
  if (pause == 0) {
    for (long i = 0; i < calls; i++) call();
    return now() - start;
  }
  for (long i = 0; i < calls; i++) {
    uint64_t from = now();
    while ((start = now()) < from + pause) {}
    call();
    total += now() - start;
  }
  return total;
}

int main(int argc, char **argv) {
  if (argc < 4) fail("this is for `make bench-against`, which says what to do");
  void (*call)(void) = NULL;
  if (strcmp(argv[1], "roof") == 0) {
    make_roof(atoi(argv[2]), strtoull(argv[3], NULL, 10));
    call = pass;
  }
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
    if (strcmp(argv[1], dtypes[i].name) == 0) {
      make_optimizer(&dtypes[i], atoi(argv[2]), atof(argv[3]), argv + 4);
      call = step;
    }
  }
  if (call == NULL) fail("there is no such dtype");
  for (int i = 0; i < WARM_UP_STEPS; i++) call();
  long calls, microseconds;
  while (scanf("%ld %ld", &calls, &microseconds) == 2) {
    printf("%.2f\n", (double)time_of(call, calls, microseconds * (uint64_t)1000) / calls);
    fflush(stdout);
  }
  return 0;
}
