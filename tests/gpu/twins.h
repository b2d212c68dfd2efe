/* An optimizer on the CPU and one on the GPU, whose arrays are at the same places of two blocks of memory: what is called on
   both, whether both do the same, and what has been called when they do not. */
#ifndef RADAM_TESTS_TWINS_H
#define RADAM_TESTS_TWINS_H

#include "driver.h"
#include "numbers.h"

#include <ctype.h>
#include <stdarg.h>

/* A block has numbers of each dtype, to be copied from; slots for an array each, large ones and small ones; and room behind
   them, so that an array at a wrong place is still in memory of the GPU. */
enum { SMALL = 4096, LARGE = 73728, LARGE_SLOTS = 24, SMALL_SLOTS = 96, SLOTS = LARGE_SLOTS + SMALL_SLOTS };
enum { NUMBERS = LARGE + SMALL, SLOTS_FROM = 4 * NUMBERS, SMALL_FROM = SLOTS_FROM + LARGE_SLOTS * LARGE };
enum { BLOCK = SMALL_FROM + SMALL_SLOTS * SMALL + LARGE };
enum { PARAMS_MAX = 16, CHECKPOINT_MAX = 1 << 23, STREAMS = 3, NOTES = 64, NOTE = 240 };

typedef struct side {
  radam_optimizer *opt;
  char *base;      /* of its block */
  int allocations; /* of its allocator */
  uint64_t size;
  char checkpoint[CHECKPOINT_MAX];
} side;

/* A parameter that was not removed, as the CPU has it. */
typedef struct member {
  uint32_t id, group;
  radam_param param;
} member;

/* The only one there is. */
static struct world {
  side sides[2]; /* CPU, GPU */
  CUstream stream, streams[STREAMS];
  char *seen; /* the GPU's block, copied */
  uint32_t groups, ids;
  member members[PARAMS_MAX];
  int count;
  bool taken[SLOTS];
  radam_status status;          /* of the last call */
  bool is_due;                  /* both have to be compared */
  uint64_t seed, number, calls, refused;
  char notes[NOTES][NOTE];      /* the calls since both were compared */
  int noted;
} w;

#define CPU (&w.sides[0])
#define GPU (&w.sides[1])

static inline void note(const char *format, ...) {
  if (w.noted == NOTES) memmove(w.notes[0], w.notes[1], (size_t)(--w.noted) * NOTE);
  va_list arguments;
  va_start(arguments, format);
  const int size = snprintf(w.notes[w.noted], NOTE, "%llu: ", (unsigned long long)w.number);
  vsnprintf(w.notes[w.noted++] + size, (size_t)(NOTE - size), format, arguments);
  va_end(arguments);
}

#define SAME(condition, ...)                                                                                         \
  do {                                                                                                               \
    if (condition) break;                                                                                            \
    fprintf(stderr, "seed %llu, call %llu: ", (unsigned long long)w.seed, (unsigned long long)w.number);            \
    fprintf(stderr, __VA_ARGS__);                                                                                    \
    fprintf(stderr, "\nThe calls since both were the same:\n");                                                      \
    for (int i_ = 0; i_ < w.noted; i_++) fprintf(stderr, "%s\n", w.notes[i_]);                                       \
    exit(1);                                                                                                         \
  } while (0)

/* The message of the last failure, without what differs: addresses, and the numbers of files, which look like them. */
static inline void message_of(const side *on, char *message, size_t size) {
  radam_last_error(on->opt, message, size);
  char *to = message;
  for (const char *from = message; *from != 0; from++) {
    *to++ = *from;
    if (from[0] != '0' || from[1] != 'x') continue;
    for (from++; isxdigit((unsigned char)from[1]); from++) {}
  }
  *to = 0;
}

static inline void agree(const char *call, const radam_status *statuses) {
  w.calls++;
  w.status = statuses[0];
  SAME(statuses[0] == statuses[1], "%s gave %s on the CPU, and %s on the GPU", call, radam_status_string(statuses[0]),
       radam_status_string(statuses[1]));
  if (statuses[0] == RADAM_OK) return;
  w.refused++;
  w.is_due = true;
  char messages[2][2048];
  message_of(CPU, messages[0], sizeof messages[0]);
  message_of(GPU, messages[1], sizeof messages[1]);
  SAME(strcmp(messages[0], messages[1]) == 0, "%s gave other messages:\n%s\n%s", call, messages[0], messages[1]);
}

/* A call on each side, `on`. They must have the same status, w.status. */
#define BOTH(call)                                 \
  do {                                             \
    radam_status statuses_[2];                     \
    for (int side_ = 0; side_ < 2; side_++) {      \
      side *const on = &w.sides[side_];            \
      statuses_[side_] = (call);                   \
    }                                              \
    agree(#call, statuses_);                       \
  } while (0)

/* Where on a side that is which is here on the CPU. */
static inline void *at(const side *on, const void *place) {
  return place == NULL ? NULL : on->base + ((const char *)place - CPU->base);
}

static inline CUdeviceptr device(const void *pointer) { return (CUdeviceptr)(uintptr_t)pointer; }

/* The last of the numbers of a dtype. */
static inline char *infinity_of(radam_dtype dtype) { return CPU->base + (size_t)dtype * NUMBERS - BYTES[dtype]; }

static inline void copy_numbers(radam_dtype dtype, void *to, void *to_on_gpu, uint64_t len) {
  const size_t from = (size_t)(dtype - 1) * NUMBERS + next_random() % (SMALL / BYTES[dtype]) * BYTES[dtype];
  const size_t bytes = len * BYTES[dtype];
  if (bytes == 0) return;
  memcpy(to, CPU->base + from, bytes);
  DRIVER(cuMemcpyDtoDAsync_v2, device(to_on_gpu), device(GPU->base + from), bytes, w.stream);
}

static inline void set_bytes(void *to, void *to_on_gpu, int value, size_t bytes) {
  if (bytes == 0) return;
  memset(to, value, bytes);
  DRIVER(cuMemsetD8Async, device(to_on_gpu), (unsigned char)value, bytes, w.stream);
}

static inline int slot_of(const void *pointer) {
  const int offset = (int)((const char *)pointer - CPU->base);
  return offset < SMALL_FROM ? (offset - SLOTS_FROM) / LARGE : LARGE_SLOTS + (offset - SMALL_FROM) / SMALL;
}

/* Asks the optimizer on the CPU what there is. */
static inline void survey(void) {
  memset(w.taken, 0, sizeof w.taken);
  w.count = 0;
  for (uint32_t id = 0; id < w.ids; id++) {
    member m = {.id = id};
    OK(NULL, radam_param_init(&m.param, sizeof m.param));
    if (radam_get_param(CPU->opt, id, &m.group, &m.param) != RADAM_OK) continue;
    CHECK(w.count < PARAMS_MAX, "too many parameters");
    w.members[w.count++] = m;
    const radam_param *p = &m.param;
    const void *const arrays[] = {p->data, p->grad, p->copy, p->exp_avg, p->exp_avg_sq, p->kahan_comp, p->state_scale};
    for (int i = 0; i < 7; i++)
      if (arrays[i] != NULL) w.taken[slot_of(arrays[i])] = true;
  }
}

/* Room in a slot of its own, as far as there is one, at a multiple of so many bytes. */
static inline void *new_place(size_t bytes, size_t alignment) {
  const bool is_large = bytes + 256 > SMALL;
  CHECK(bytes + 256 <= LARGE, "too large an array");
  const int first = is_large ? 0 : LARGE_SLOTS, slots = is_large ? LARGE_SLOTS : SMALL_SLOTS;
  const size_t within = next_random() % 2 ? 0 : next_random() % (256 / alignment) * alignment;
  const int start = (int)(next_random() % (uint64_t)slots);
  for (int i = 0; i < slots; i++) {
    const int slot = first + (start + i) % slots;
    if (w.taken[slot]) continue;
    w.taken[slot] = true;
    return CPU->base + (is_large ? SLOTS_FROM + slot * LARGE : SMALL_FROM + (slot - first) * SMALL) + within;
  }
  return NULL;
}

/* An array with numbers. */
static inline void *new_numbers(radam_dtype dtype, uint64_t len) {
  void *place = new_place(len * BYTES[dtype], BYTES[dtype]);
  if (place != NULL) copy_numbers(dtype, place, at(GPU, place), len);
  return place;
}

static inline void *new_zeros(size_t bytes, size_t alignment) {
  void *place = new_place(bytes, alignment);
  if (place != NULL) set_bytes(place, at(GPU, place), 0, bytes);
  return place;
}

/* Compares all arrays, and what a checkpoint has: the state, step counts and options. */
static inline void compare(void) {
  DRIVER(cuMemcpyDtoHAsync_v2, w.seen, device(GPU->base), BLOCK, w.stream);
  DRIVER(cuStreamSynchronize, w.stream);
  if (memcmp(w.seen, CPU->base, BLOCK) != 0) {
    size_t byte = 0;
    while (w.seen[byte] == CPU->base[byte]) byte++;
    SAME(false, "slot %d differs", slot_of(CPU->base + byte));
  }
  for (side *on = CPU; on <= GPU; on++) OK(on->opt, radam_save_to_buffer(on->opt, on->checkpoint, CHECKPOINT_MAX, &on->size));
  SAME(CPU->size == GPU->size && memcmp(CPU->checkpoint, GPU->checkpoint, CPU->size) == 0, "the checkpoints differ");
  w.noted = 0;
  w.is_due = false;
}

static inline void open_blocks(void) {
  CUdeviceptr memory;
  CPU->base = aligned_alloc(SMALL, BLOCK);
  w.seen = malloc(BLOCK);
  CHECK(CPU->base != NULL && w.seen != NULL, "no memory");
  memset(CPU->base, 0, BLOCK);
  for (radam_dtype dtype = RADAM_DTYPE_F32; dtype <= RADAM_DTYPE_BF16; dtype++) {
    for (size_t i = 0; i < NUMBERS / BYTES[dtype]; i++) draw(dtype, CPU->base + (size_t)(dtype - 1) * NUMBERS + i * BYTES[dtype]);
    memcpy(infinity_of(dtype), &INFINITE[dtype], BYTES[dtype]);
  }
  DRIVER(cuMemAlloc_v2, &memory, BLOCK);
  DRIVER(cuMemcpyHtoD_v2, memory, CPU->base, BLOCK);
  GPU->base = (char *)(uintptr_t)memory;
  for (int i = 1; i < STREAMS; i++) DRIVER(cuStreamCreate, &w.streams[i], CU_STREAM_NON_BLOCKING);
}

#endif
