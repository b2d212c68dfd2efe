/* State in the caller's memory: from the caller's allocator, whatever it does, or in arrays that come with
   the parameters. The bits are those of state that the library allocates itself. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "world.h"

#include <pthread.h>
#include <unistd.h>

/* What the allocator has given and not got back. */
enum { BLOCKS = 200, UNWRITTEN = 77 };

typedef struct block {
  char *start; /* as the library knows it */
  void *memory;
  uint64_t size, alignment;
} block;

static block blocks[BLOCKS];
static uint64_t live, live_bytes, calls;
static pthread_t calling_thread;

/* Calls that still succeed; the next one returns NULL, or misaligned memory. Negative: all succeed. */
static long succeed_before_failing = -1;
static bool misalign, failed;

static void *allocate(uint64_t size, uint64_t alignment, void *user) {
  CHECK(user == blocks && pthread_equal(pthread_self(), calling_thread), "allocate was called with another user or thread");
  check_request(size, alignment);
  calls++;
  const bool fails = succeed_before_failing >= 0 && succeed_before_failing-- == 0;
  failed |= fails;
  if (fails && !misalign) return NULL;
  CHECK(live < BLOCKS, "too many blocks");
  block *new = &blocks[live++];
  *new = (block){.memory = malloc(size + 2 * alignment), .size = size, .alignment = alignment};
  CHECK(new->memory != NULL, "no memory");
  memset(new->memory, 0xa5, size + 2 * alignment);
  new->start = (char *)new->memory + (alignment - (uintptr_t)new->memory % alignment) + (fails ? alignment / 2 : 0);
  live_bytes += size;
  leave_another_float_mode();
  return new->start;
}

static void release(void *pointer, uint64_t size, uint64_t alignment, void *user) {
  uint64_t i = 0;
  CHECK(user == blocks && pthread_equal(pthread_self(), calling_thread), "release was called with another user or thread");
  while (i < live && blocks[i].start != pointer) i++;
  CHECK(i < live, "%p, which was released, was not allocated", pointer);
  CHECK(blocks[i].size == size && blocks[i].alignment == alignment,
        "%llu bytes at a multiple of %llu were released as %llu at %llu",
        (unsigned long long)blocks[i].size, (unsigned long long)blocks[i].alignment, (unsigned long long)size,
        (unsigned long long)alignment);
  free(blocks[i].memory);
  live_bytes -= size;
  blocks[i] = blocks[--live];
  leave_another_float_mode();
}

static radam_optimizer *create_allocating(void) {
  radam_options options;
  radam_optimizer *opt = NULL;
  OK(NULL, radam_options_init(&options, sizeof options));
  options.num_threads = 2;
  options.allocator = (radam_allocator){allocate, release, blocks};
  OK(NULL, radam_create(&options, &opt));
  return opt;
}

static bool is_in_a_block(const void *array, uint64_t bytes) {
  for (uint64_t i = 0; i < live; i++) {
    const char *start = blocks[i].start;
    if (start <= (const char *)array && (const char *)array + bytes <= start + blocks[i].size) return true;
  }
  return false;
}

static void all_state_is_allocated(void) {
  static world here, expected;
  CHECK(live == 0 && calls == 0, "something is allocated already");
  make_world(&here, create_allocating());
  make_world(&expected, create(1));
  uint64_t state_bytes = 0;
  for (uint32_t i = 0; i < TENSORS; i++)
    for (radam_state which = 1; which <= STATES; which++) {
      void *state;
      radam_dtype dtype;
      OK(here.opt, radam_param_state(here.opt, i, which, &state, &dtype));
      const uint64_t bytes = here.tensors[i].len * size_of(dtype);
      state_bytes += state != NULL ? bytes : 0;
      CHECK(state == NULL || is_in_a_block(state, bytes), "state %d of parameter %u is not in the caller's memory", which, i);
    }
  CHECK(live_bytes >= state_bytes && live_bytes < state_bytes + 100 * TENSORS, "%llu bytes of state take %llu",
        (unsigned long long)state_bytes, (unsigned long long)live_bytes);

  const uint64_t calls_before = calls;
  for (uint32_t step = 0; step < 8; step++) {
    OK(here.opt, radam_step(here.opt));
    OK(expected.opt, radam_step(expected.opt));
  }
  CHECK(calls == calls_before, "a step allocates state");
  check_equal(&here, &expected, "with the caller's allocator");
  world *both[] = {&here, &expected};
  for (int i = 0; i < 2; i++) {
    OK(both[i]->opt, SET_OPTION(both[i]->opt, 0, kahan_sum, RADAM_ON));
    OK(both[i]->opt, SET_OPTION(both[i]->opt, 3, state_dtype, RADAM_DTYPE_F32));
    OK(both[i]->opt, SET_OPTION(both[i]->opt, 4, master_remainder, RADAM_OFF));
    OK(both[i]->opt, radam_step(both[i]->opt));
  }
  check_equal(&here, &expected, "after options that change the state");
  const uint64_t live_before = live;
  OK(here.opt, radam_remove_param(here.opt, 5));
  CHECK(live == live_before - 1, "a parameter was removed, and of %llu blocks there are %llu", (unsigned long long)live_before,
        (unsigned long long)live);
  end_world(&here);
  end_world(&expected);
  CHECK(live == 0 && live_bytes == 0, "radam_free left %llu blocks", (unsigned long long)live);
}

/* A small optimizer, each of whose allocations can fail. */
enum { LEN = 2500, PARAMS = 5 };

static uint16_t data[PARAMS][LEN], grads[PARAMS][LEN];
static radam_optimizer *opt;

/* A call in which an allocation may fail: then it changes nothing, and succeeds the next time. */
static bool refused(radam_status status, uint64_t live_before, uint64_t bytes_before, const char *call) {
  char message[512] = "";
  if (status == RADAM_OK) return false;
  radam_last_error(opt, message, sizeof message);
  CHECK(failed && status == (misalign ? RADAM_ERROR_INVALID_ARGUMENT : RADAM_ERROR_OUT_OF_MEMORY), "%s gave %s: %s", call,
        radam_status_string(status), message);
  CHECK(strstr(message, "allocator.allocate") != NULL && strstr(message, misalign ? "aligned" : "NULL") != NULL,
        "%s: the message is '%s'", call, message);
  CHECK(live == live_before && live_bytes == bytes_before, "%s failed, and there are %llu blocks instead of %llu", call,
        (unsigned long long)live, (unsigned long long)live_before);
  return true;
}

#define TRY(call)                                                              \
  do {                                                                         \
    const uint64_t live_before_ = live, bytes_before_ = live_bytes;            \
    if (refused(call, live_before_, bytes_before_, #call)) OK(opt, call);      \
  } while (0)

static void train_small(uint32_t steps) {
  for (uint32_t step = 0; step < steps; step++) OK(opt, radam_step(opt));
}

static void live_small(void) {
  radam_group_options options = group_options();
  radam_param params[3];
  uint32_t id = UNWRITTEN;
  opt = create_allocating();
  for (uint32_t i = 0; i < PARAMS; i++) {
    fill_array(data[i], RADAM_DTYPE_BF16, LEN, i);
    fill_array(grads[i], RADAM_DTYPE_BF16, LEN, 100 + i);
  }
  for (uint32_t i = 0; i < 3; i++) {
    OK(NULL, radam_param_init(&params[i], sizeof params[i]));
    params[i].dtype = RADAM_DTYPE_BF16;
    params[i].len = LEN;
    params[i].data = data[i];
    params[i].grad = grads[i];
  }
  const uint64_t live_before = live, bytes_before = live_bytes;
  if (refused(radam_add_param_group(opt, &options, params, 3, &id), live_before, bytes_before, "radam_add_param_group")) {
    CHECK(id == UNWRITTEN && radam_set_lr(opt, 0, 1) == RADAM_ERROR_INVALID_ARGUMENT, "a group was added without memory");
    OK(opt, radam_add_param_group(opt, &options, params, 3, &id));
  }
  CHECK(id == 0, "the group is %u", id);
  for (uint32_t i = 3; i < PARAMS; i++) {
    TRY(radam_add_param(opt, 0, RADAM_DTYPE_BF16, 0, data[i], grads[i], LEN, NULL, &id));
    CHECK(id == i, "parameter %u is %u", i, id);
  }
  train_small(7);
  TRY(SET_OPTION(opt, 0, state_dtype, RADAM_DTYPE_F32));
  CHECK(options_of(opt, 0).state_dtype == RADAM_DTYPE_F32, "state_dtype is %d", options_of(opt, 0).state_dtype);
  train_small(1);
  TRY(SET_OPTION(opt, 0, kahan_sum, RADAM_OFF));
  train_small(1);
  TRY(SET_OPTION(opt, 0, master_remainder, RADAM_ON));
  train_small(1);
  TRY(radam_remove_param(opt, 1));
  train_small(1);
  OK(opt, radam_free(opt));
  CHECK(live == 0 && live_bytes == 0, "%llu blocks are lost", (unsigned long long)live);
}

static void every_allocation_fails(void) {
  static uint16_t expected[PARAMS][LEN];
  live_small();
  memcpy(expected, data, sizeof data);
  for (int kind = 0; kind < 2; kind++) {
    misalign = kind == 1;
    long n = 0;
    do {
      failed = false;
      succeed_before_failing = n++;
      live_small();
      CHECK(memcmp(data, expected, sizeof data) == 0, "the failure of allocation %ld changed the end", n);
    } while (failed);
    CHECK(n > 4 * PARAMS, "only %ld allocations failed", n - 1);
  }
  succeed_before_failing = -1;
}

/* State in arrays of the caller's. */
static const struct {
  radam_dtype dtype, state_dtype;
  radam_toggle kahan_sum, master_remainder;
  radam_state compensation; /* which one there is */
} ways[] = {
  {RADAM_DTYPE_F32, 0, RADAM_AUTO, RADAM_AUTO, 0},
  {RADAM_DTYPE_F32, 0, RADAM_ON, RADAM_AUTO, RADAM_STATE_KAHAN_COMP},
  {RADAM_DTYPE_F64, 0, RADAM_ON, RADAM_AUTO, RADAM_STATE_KAHAN_COMP},
  {RADAM_DTYPE_F16, 0, RADAM_AUTO, RADAM_AUTO, RADAM_STATE_KAHAN_COMP},
  {RADAM_DTYPE_BF16, RADAM_DTYPE_F32, RADAM_AUTO, RADAM_AUTO, RADAM_STATE_KAHAN_COMP},
  {RADAM_DTYPE_BF16, 0, RADAM_OFF, RADAM_AUTO, 0},
  {RADAM_DTYPE_BF16, RADAM_DTYPE_F32, RADAM_AUTO, RADAM_ON, RADAM_STATE_MASTER_REMAINDER},
  {RADAM_DTYPE_BF16, 0, RADAM_AUTO, RADAM_ON, RADAM_STATE_MASTER_REMAINDER},
};

enum { STATE_LEN = 20000, GUARD = 8 };

static const unsigned char guard[GUARD] = {0xde, 0xad, 0xde, 0xad, 0xde, 0xad, 0xde, 0xad};

/* `given`: a bit for each array that the caller brings. */
static void given_state_is_used(size_t way, unsigned given) {
  const radam_dtype dtype = ways[way].dtype, state_dtype = ways[way].state_dtype != 0 ? ways[way].state_dtype : dtype;
  const radam_state whiches[] = {RADAM_STATE_EXP_AVG, RADAM_STATE_EXP_AVG_SQ, ways[way].compensation};
  const int arrays = ways[way].compensation != 0 ? 3 : 2;
  radam_group_options options = group_options();
  radam_param param;
  options.kahan_sum = ways[way].kahan_sum;
  options.master_remainder = ways[way].master_remainder;
  options.state_dtype = ways[way].state_dtype;
  char *theirs = array_of(dtype, STATE_LEN), *expected = array_of(dtype, STATE_LEN), *grad = array_of(dtype, STATE_LEN);
  fill_array(theirs, dtype, STATE_LEN, 1);
  fill_array(expected, dtype, STATE_LEN, 1);
  fill_array(grad, dtype, STATE_LEN, 2);

  radam_optimizer *here = create(2), *plain = create(1);
  OK(NULL, radam_param_init(&param, sizeof param));
  param.dtype = dtype;
  param.len = STATE_LEN;
  param.data = expected;
  param.grad = grad;
  OK(plain, radam_add_param_group(plain, &options, &param, 1, NULL));
  void **fields[] = {&param.exp_avg, &param.exp_avg_sq, &param.kahan_comp};
  char *mine[3];
  uint64_t bytes[3];
  for (int i = 0; i < 3; i++) {
    bytes[i] = STATE_LEN * (whiches[i] == RADAM_STATE_MASTER_REMAINDER ? sizeof(int16_t) : size_of(state_dtype));
    mine[i] = calloc(1, bytes[i] + GUARD);
    CHECK(mine[i] != NULL, "no memory");
    memcpy(mine[i] + bytes[i], guard, GUARD);
    if (given >> i & 1) *fields[i] = mine[i];
  }
  param.data = theirs;
  OK(here, radam_add_param_group(here, &options, &param, 1, NULL));
  for (int step = 0; step < 8; step++) {
    OK(here, radam_step(here));
    OK(plain, radam_step(plain));
    for (int i = 0; i < arrays; i++) {
      void *state, *other;
      OK(here, radam_param_state(here, 0, whiches[i], &state, NULL));
      OK(plain, radam_param_state(plain, 0, whiches[i], &other, NULL));
      CHECK((state == mine[i]) == (given >> i & 1), "way %zu, given %u: state %d is at another place", way, given, whiches[i]);
      CHECK(memcmp(state, other, bytes[i]) == 0, "way %zu, given %u: state %d has other bits", way, given, whiches[i]);
    }
  }
  CHECK(memcmp(theirs, expected, STATE_LEN * size_of(dtype)) == 0, "way %zu, given %u: other bits", way, given);
  OK(here, radam_reset_state(here, 0));
  for (int i = 0; i < arrays; i++) {
    if (!(given >> i & 1)) continue;
    for (uint64_t byte = 0; byte < bytes[i]; byte++)
      CHECK(mine[i][byte] == 0, "way %zu: reset left byte %llu", way, (unsigned long long)byte);
  }
  OK(here, radam_free(here));
  OK(plain, radam_free(plain));
  for (int i = 0; i < 3; i++) {
    CHECK(memcmp(mine[i] + bytes[i], guard, GUARD) == 0, "way %zu, given %u: written behind array %d", way, given, i);
    free(mine[i]);
  }
  free(theirs);
  free(expected);
  free(grad);
}

/* Kahan summation and masters change while the caller keeps the averages, which stay where they are. A compensation
   that is dropped is not written any more, and the next one is the library's. */
static void options_change_beside_given_state(void) {
  static float averages[2][STATE_LEN], plain_averages[2][STATE_LEN], compensation[STATE_LEN], dropped[STATE_LEN];
  static uint16_t weights[2][STATE_LEN], grad[STATE_LEN];
  radam_optimizer *here = create(1), *plain = create(1);
  radam_group_options options = group_options();
  radam_param param;
  options.state_dtype = RADAM_DTYPE_F32;
  fill_array(grad, RADAM_DTYPE_BF16, STATE_LEN, 1);
  for (int i = 0; i < 2; i++) fill_array(weights[i], RADAM_DTYPE_BF16, STATE_LEN, 2);
  OK(NULL, radam_param_init(&param, sizeof param));
  param.dtype = RADAM_DTYPE_BF16;
  param.len = STATE_LEN;
  param.grad = grad;
  param.data = weights[1];
  OK(plain, radam_add_param_group(plain, &options, &param, 1, NULL));
  param.data = weights[0];
  param.exp_avg = averages[0];
  param.exp_avg_sq = averages[1];
  param.kahan_comp = compensation;
  OK(here, radam_add_param_group(here, &options, &param, 1, NULL));
  radam_optimizer *both[] = {here, plain};
  for (int stage = 0; stage < 5; stage++) {
    for (int i = 0; i < 2; i++) {
      if (stage == 1) OK(both[i], SET_OPTION(both[i], 0, kahan_sum, RADAM_OFF));
      if (stage == 2) OK(both[i], SET_OPTION(both[i], 0, master_remainder, RADAM_ON));
      if (stage == 3) OK(both[i], SET_OPTION(both[i], 0, master_remainder, RADAM_OFF));
      if (stage == 4) OK(both[i], SET_OPTION(both[i], 0, kahan_sum, RADAM_ON));
      for (int step = 0; step < 4; step++) OK(both[i], radam_step(both[i]));
    }
    for (int i = 0; i < 2; i++) {
      void *state;
      OK(plain, radam_param_state(plain, 0, RADAM_STATE_EXP_AVG + i, &state, NULL));
      memcpy(plain_averages[i], state, sizeof plain_averages[i]);
    }
    CHECK(memcmp(averages, plain_averages, sizeof averages) == 0, "stage %d: the caller's averages have other bits", stage);
    CHECK(memcmp(weights[0], weights[1], sizeof weights[0]) == 0, "stage %d: other bits", stage);
    if (stage == 0) memcpy(dropped, compensation, sizeof dropped);
    CHECK(memcmp(dropped, compensation, sizeof dropped) == 0, "stage %d: a compensation that was dropped is written", stage);
    void *kept;
    OK(here, radam_param_state(here, 0, stage == 2 ? RADAM_STATE_MASTER_REMAINDER : RADAM_STATE_KAHAN_COMP, &kept, NULL));
    CHECK((kept == compensation) == (stage == 0) && (kept == NULL) == (stage == 1 || stage == 3),
          "stage %d: the compensation is at %p",
          stage, kept);
  }
  OK(here, radam_free(here));
  OK(plain, radam_free(plain));
}

/* A run that goes on elsewhere from copied parameters, state and step counts. */
static void a_run_goes_on_elsewhere(void) {
  static world whole, first, second;
  make_world(&whole, create(1));
  make_world(&first, create(2));
  make_world(&second, create_allocating());
  for (uint32_t step = 0; step < 6; step++) {
    fill_gradients(&whole, step);
    fill_gradients(&first, step);
    OK(whole.opt, radam_step(whole.opt));
    OK(first.opt, radam_step(first.opt));
  }
  for (uint32_t i = 0; i < TENSORS; i++) {
    const tensor *t = &first.tensors[i];
    uint64_t steps;
    memcpy(second.tensors[i].data, t->data, t->len * size_of(t->dtype));
    for (radam_state which = 1; which <= STATES; which++) {
      void *from, *to;
      radam_dtype dtype;
      OK(first.opt, radam_param_state(first.opt, i, which, &from, &dtype));
      OK(second.opt, radam_param_state(second.opt, i, which, &to, NULL));
      if (from != NULL) memcpy(to, from, t->len * size_of(dtype));
    }
    OK(first.opt, radam_step_count(first.opt, i, &steps));
    OK(second.opt, radam_set_step_count(second.opt, i, steps));
  }
  end_world(&first);
  for (uint32_t step = 6; step < 12; step++) {
    fill_gradients(&whole, step);
    fill_gradients(&second, step);
    OK(whole.opt, radam_step(whole.opt));
    OK(second.opt, radam_step(second.opt));
    check_equal(&second, &whole, "a run that goes on elsewhere");
  }
  end_world(&whole);
  end_world(&second);
}

int main(void) {
  alarm(300); /* ends what hangs */
  calling_thread = pthread_self();
  all_state_is_allocated();
  every_allocation_fails();
  for (size_t way = 0; way < sizeof ways / sizeof *ways; way++)
    for (unsigned given = 0; given < (ways[way].compensation != 0 ? 8 : 4); given++) given_state_is_used(way, given);
  options_change_beside_given_state();
  a_run_goes_on_elsewhere();
  return 0;
}
