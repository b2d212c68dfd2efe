/* The step in slices: what may be called while it is open, that each chunk is stepped once and in its
   wave, and that the bits are those of radam_step_with, however it is sliced. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "world.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit) {
  random_state = random_state * 1664525u + 1013904223u;
  return (uint32_t)((uint64_t)random_state * limit >> 32);
}

static void expect(const radam_optimizer *opt, radam_status status, radam_status expected, const char *word,
                   const char *call, int line) {
  char message[512] = "";
  radam_last_error(opt, message, sizeof message);
  CHECK(status == expected, "line %d: %s gave %s: %s", line, call, radam_status_string(status), message);
  CHECK(strstr(message, word) != NULL, "line %d: %s: the message does not say '%s': %s", line, call, word, message);
}

#define EXPECT(expected, word, call) expect(opt, call, RADAM_ERROR_##expected, word, #call, __LINE__)

/* Small tensors, each in a wave of its own, and a parameter that radam_step_param steps. */
enum { SMALL = 64, COUNT = 3, RELEASED = COUNT };

typedef struct small_world {
  float data[COUNT + 1][SMALL], grad[COUNT + 1][SMALL];
  radam_optimizer *opt;
} small_world;

static void make_small(small_world *w) {
  radam_group_options options = group_options();
  options.for_each = RADAM_OFF;
  w->opt = create(1);
  add_group(w->opt, &options);
  for (uint32_t i = 0; i <= COUNT; i++) {
    fill(w->data[i], SMALL, i);
    fill(w->grad[i], SMALL, 10 + i);
    options.gradient_release = RADAM_ON;
    if (i == RELEASED) add_group(w->opt, &options);
    add_f32(w->opt, i == RELEASED, w->data[i], i == RELEASED ? NULL : w->grad[i], SMALL);
  }
}

/* After `steps` whole steps of all but the released parameter, which has made `released`. */
static void check_small(const small_world *w, uint64_t steps, uint64_t released, const char *when) {
  static small_world expected;
  make_small(&expected);
  for (uint64_t step = 0; step < steps; step++) OK(expected.opt, radam_step(expected.opt));
  for (uint64_t step = 0; step < released; step++)
    OK(expected.opt, radam_step_param(expected.opt, RELEASED, expected.grad[RELEASED]));
  CHECK(memcmp(w->data, expected.data, sizeof w->data) == 0, "%s: parameters have other bits", when);
  CHECK(memcmp(w->grad, expected.grad, sizeof w->grad) == 0, "%s: gradients have changed", when);
  for (uint32_t i = 0; i <= COUNT; i++) {
    uint64_t count = 0;
    OK(w->opt, radam_step_count(w->opt, i, &count));
    CHECK(count == (i == RELEASED ? released : steps), "%s: parameter %u has made %llu steps", when, i,
          (unsigned long long)count);
  }
  OK(expected.opt, radam_free(expected.opt));
}

static void changes_wait_for_the_end(radam_optimizer *opt) {
  static float other[SMALL];
  radam_group_options options = group_options();
  radam_step_report report;
  radam_grad_sums sums;
  void *const tensors[] = {other};
  uint32_t id = 77;
  OK(NULL, radam_step_report_init(&report, sizeof report));
  OK(NULL, radam_grad_sums_init(&sums, sizeof sums));
  const radam_step_report before = report;
  /* What was only busy is told to the thread, and not kept on the handle. */
#define WAITS(call) expect(NULL, call, RADAM_ERROR_BUSY, "open step", #call, __LINE__)
  WAITS(radam_add_param_group(opt, &options, NULL, 0, &id));
  WAITS(radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, other, NULL, SMALL, NULL, &id));
  WAITS(radam_set_data(opt, 0, other));
  WAITS(radam_set_grad(opt, 0, NULL));
  WAITS(radam_step(opt));
  WAITS(radam_step_with(opt, NULL, &report));
  WAITS(radam_step_begin(opt, NULL));
  WAITS(radam_zero_grad(opt));
  WAITS(radam_set_optimizer_accumulation(opt, RADAM_ON));
  WAITS(radam_set_frozen(opt, 0, RADAM_ON));
  WAITS(radam_remove_param(opt, 0));
  WAITS(radam_reset_state(opt, 0));
  WAITS(radam_reset_state(opt, UINT32_MAX));
  WAITS(radam_set_step_count(opt, 0, 9));
  WAITS(radam_set_group_options(opt, 0, &options));
  WAITS(radam_set_lr(opt, 0, 1));
  WAITS(radam_set_weight_decay(opt, 0, 1));
  WAITS(radam_set_tensors(opt, 0, 1, tensors, NULL));
  WAITS(radam_measure(opt, &sums));
  CHECK(id == 77 && memcmp(&report, &before, sizeof report) == 0, "a call that had to wait wrote an output");
}

static void getters_go_on(radam_optimizer *opt) {
  radam_group_report report;
  radam_toggle toggle;
  uint64_t steps;
  double number;
  uint32_t id;
  char text[64];
  void *state;
  radam_param param;
  OK(NULL, radam_group_report_init(&report, sizeof report));
  OK(opt, radam_get_group_report(opt, 0, &report));
  OK(opt, radam_step_count(opt, 0, &steps));
  OK(opt, radam_get_frozen(opt, 0, &toggle));
  OK(opt, radam_get_optimizer_accumulation(opt, &toggle));
  OK(opt, radam_param_state(opt, 0, RADAM_STATE_EXP_AVG, &state, NULL));
  OK(opt, radam_get_lr(opt, 0, &number));
  OK(opt, radam_get_weight_decay(opt, 0, &number));
  CHECK(options_of(opt, 0).lr == group_options().lr, "the options are others");
  OK(opt, radam_param_id(opt, "param.0", &id));
  OK(NULL, radam_param_init(&param, sizeof param));
  OK(opt, radam_get_param(opt, 0, NULL, &param));
  CHECK(radam_param_name(opt, 0, text, sizeof text) == sizeof "param.0", "the name is %s", text);
  CHECK(radam_advice(opt, text, sizeof text) == 1, "there is advice: %s", text);
}

static void order_of_calls(void) {
  static small_world w;
  uint64_t chunks = 77, left = 77;
  make_small(&w);
  radam_optimizer *opt = w.opt;
  for (int round = 0; round < 2; round++) {
    EXPECT(INVALID_STATE, "radam_step_begin", radam_step_wave(opt, &chunks));
    EXPECT(INVALID_STATE, "radam_step_begin", radam_step_chunk(opt, 0));
    EXPECT(INVALID_STATE, "radam_step_begin", radam_step_for(opt, 1000, &left));
    EXPECT(INVALID_STATE, "radam_step_begin", radam_step_end(opt, NULL));
    EXPECT(INVALID_STATE, "radam_step_begin", radam_step_abort(opt));
    CHECK(chunks == 77 && left == 77, "a refused call wrote its output");

    OK(opt, radam_step_begin(opt, NULL));
    EXPECT(INVALID_STATE, "radam_step_wave", radam_step_chunk(opt, 0));
    EXPECT(INVALID_STATE, "3 chunks left", radam_step_end(opt, NULL));
    EXPECT(NULL_POINTER, "chunks", radam_step_wave(opt, NULL));
    for (int wave = 0; wave < COUNT; wave++) {
      chunks = 77;
      OK(opt, radam_step_wave(opt, &chunks));
      CHECK(chunks == 1, "a tensor of %d elements is a wave of %llu chunks", SMALL, (unsigned long long)chunks);
      EXPECT(INVALID_STATE, "not stepped yet", radam_step_wave(opt, &chunks));
      EXPECT(INVALID_STATE, "not stepped yet", radam_step_end(opt, NULL));
      EXPECT(INVALID_ARGUMENT, "chunk is 1", radam_step_chunk(opt, 1));
      EXPECT(INVALID_ARGUMENT, "chunk is 18446744073709551615", radam_step_chunk(opt, UINT64_MAX));
      changes_wait_for_the_end(opt);
      getters_go_on(opt);
      OK(opt, radam_step_chunk(opt, 0));
      EXPECT(INVALID_ARGUMENT, "already", radam_step_chunk(opt, 0));
      if (wave + 1 < COUNT) EXPECT(INVALID_STATE, "chunks left", radam_step_end(opt, NULL));
    }
    OK(opt, radam_step_param(opt, RELEASED, w.grad[RELEASED]));
    for (int again = 0; again < 3; again++) {
      OK(opt, radam_step_wave(opt, &chunks));
      CHECK(chunks == 0, "after the last wave comes one of %llu chunks", (unsigned long long)chunks);
      EXPECT(INVALID_STATE, "radam_step_end", radam_step_chunk(opt, 0));
    }
    uint64_t steps = 77;
    OK(opt, radam_step_count(opt, 0, &steps));
    CHECK(steps == (uint64_t)round, "the step is counted before radam_step_end");
    radam_step_report report;
    OK(NULL, radam_step_report_init(&report, sizeof report));
    report.struct_size = 5;
    EXPECT(INVALID_ARGUMENT, "struct_size", radam_step_end(opt, &report));
    OK(opt, radam_step_end(opt, NULL));
    check_small(&w, 1 + (uint64_t)round, 1 + (uint64_t)round, "wave by wave");
    chunks = left = 77;
  }
  OK(opt, radam_free(opt));
}

/* An abort is possible while nothing has changed, and then it is as if the step had not begun. */
static void abort_while_nothing_has_changed(void) {
  static small_world w;
  uint64_t chunks, left;
  make_small(&w);
  radam_optimizer *opt = w.opt;
  radam_step_options measuring = step_options(2);
  measuring.max_grad_norm = 1e9;
  OK(opt, radam_step_begin(opt, NULL));
  OK(opt, radam_step_abort(opt));
  OK(opt, radam_step_begin(opt, NULL));
  OK(opt, radam_step_for(opt, 0, &left));
  OK(opt, radam_step_wave(opt, &chunks));
  OK(opt, radam_step_abort(opt));
  OK(opt, radam_step_begin(opt, &measuring));
  OK(opt, radam_step_wave(opt, &chunks));
  OK(opt, radam_step_chunk(opt, 0)); /* only measures */
  OK(opt, radam_step_abort(opt));
  OK(opt, radam_step_begin(opt, &measuring));
  OK(opt, radam_step_for(opt, 1, &left));
  OK(opt, radam_step_abort(opt));
  check_small(&w, 0, 0, "aborted");

  /* Skipped: nothing has changed, even at its end. */
  measuring.skip_nonfinite = RADAM_ON;
  const float kept = w.grad[1][5];
  w.grad[1][5] = INFINITY;
  OK(opt, radam_step_begin(opt, &measuring));
  OK(opt, radam_step_for(opt, UINT64_MAX, &left));
  CHECK(left == 0, "a skipped step has %llu chunks left", (unsigned long long)left);
  OK(opt, radam_step_abort(opt));
  w.grad[1][5] = kept;
  check_small(&w, 0, 0, "skipped and aborted");

  OK(opt, radam_step_begin(opt, &measuring));
  OK(opt, radam_step_wave(opt, &chunks));
  OK(opt, radam_step_chunk(opt, 0));
  OK(opt, radam_step_wave(opt, &chunks));
  OK(opt, radam_step_chunk(opt, 0));
  EXPECT(INVALID_STATE, "changed already", radam_step_abort(opt));
  OK(opt, radam_step_wave(opt, &chunks));
  EXPECT(INVALID_STATE, "changed already", radam_step_abort(opt));
  OK(opt, radam_step_for(opt, UINT64_MAX, &left));
  EXPECT(INVALID_STATE, "changed already", radam_step_abort(opt));
  OK(opt, radam_step_end(opt, NULL));
  check_small(&w, 1, 0, "after a refused abort");
  OK(opt, radam_step_begin(opt, NULL));
  OK(opt, radam_step_for(opt, 1, &left));
  EXPECT(INVALID_STATE, "changed already", radam_step_abort(opt));
  OK(opt, radam_free(opt)); /* in the middle of a step */
  CHECK(radam_step_end(opt, NULL) == RADAM_ERROR_INVALID_HANDLE, "the step outlives its optimizer");
}

/* A step of nothing has no waves, and ends. */
static void nothing_to_step(void) {
  radam_optimizer *opt = create(0);
  radam_step_options options = step_options(STEP_OPTIONS - 1);
  radam_step_report report;
  OK(NULL, radam_step_report_init(&report, sizeof report));
  for (int round = 0; round < 2; round++) {
    uint64_t chunks = 77, left = 77;
    OK(opt, radam_step_begin(opt, round ? &options : NULL));
    OK(opt, radam_step_for(opt, UINT64_MAX, &left));
    OK(opt, radam_step_wave(opt, &chunks));
    CHECK(chunks == 0 && left == 0, "nothing is %llu chunks, %llu of them left", (unsigned long long)chunks,
          (unsigned long long)left);
    if (round == 0) OK(opt, radam_step_abort(opt));
    else OK(opt, radam_step_end(opt, &report));
  }
  OK(opt, radam_step_begin(opt, NULL));
  OK(opt, radam_step_end(opt, &report));
  OK(opt, radam_free(opt));
}

/* What works through an open step. */
typedef void slicer(radam_optimizer *opt, bool may_skip);

static void wave_by_wave_backwards(radam_optimizer *opt, bool may_skip) {
  uint64_t chunks, left, sum = 0;
  OK(opt, radam_step_for(opt, 0, &left));
  for (;;) {
    OK(opt, radam_step_wave(opt, &chunks));
    if (chunks == 0) break;
    sum += chunks;
    for (uint64_t chunk = chunks; chunk-- > 0;) OK(opt, radam_step_chunk(opt, chunk));
  }
  CHECK(sum == left || may_skip, "radam_step_for counts %llu chunks, and the waves have %llu", (unsigned long long)left,
        (unsigned long long)sum);
}

static void one_chunk_at_a_time(radam_optimizer *opt, bool may_skip) {
  uint64_t before, left, same;
  OK(opt, radam_step_for(opt, 0, &before));
  CHECK(before > 0, "nothing is left at the beginning");
  for (left = before; left > 0; before = left) {
    OK(opt, radam_step_for(opt, 1, &left));
    CHECK(left + 1 == before || (may_skip && left < before), "of %llu chunks, a nanosecond leaves %llu",
          (unsigned long long)before,
          (unsigned long long)left);
    OK(opt, radam_step_for(opt, 0, &same));
    CHECK(same == left, "no time at all changes the chunks that are left");
  }
  OK(opt, radam_step_for(opt, 1, NULL));
}

static void all_in_good_time(radam_optimizer *opt, bool may_skip) {
  uint64_t left = 77;
  (void)may_skip;
  OK(opt, radam_step_for(opt, UINT64_MAX, &left));
  CHECK(left == 0, "all the time there is leaves %llu chunks", (unsigned long long)left);
}

static void anything_goes(radam_optimizer *opt, bool may_skip) {
  uint64_t chunks = 1, left = 1, before = UINT64_MAX;
  (void)may_skip;
  while (left > 0 && chunks > 0) {
    radam_status status = RADAM_OK;
    switch (random_below(4)) {
      case 0:
        status = radam_step_wave(opt, &chunks);
        break;
      case 1:
        OK(opt, radam_step_for(opt, random_below(2), &left));
        CHECK(left <= before, "the chunks that are left become more");
        before = left;
        break;
      case 2:
        OK(opt, radam_step_for(opt, 20000, &left));
        break;
      default: /* the wave may be another by now, and the chunk done */
        status = radam_step_chunk(opt, random_below((uint32_t)chunks + 1));
    }
    CHECK(status == RADAM_OK || status == RADAM_ERROR_INVALID_STATE || status == RADAM_ERROR_INVALID_ARGUMENT, "%s",
          radam_status_string(status));
  }
}

/* Four threads, each of which tries every chunk, beginning somewhere else. */
enum { THREADS = 4 };

static struct {
  radam_optimizer *opt;
  uint64_t chunks;
  atomic_ullong stepped;
} shared;

static void *try_every_chunk(void *number) {
  for (uint64_t i = 0; i < shared.chunks; i++) {
    radam_status status = radam_step_chunk(shared.opt, (i + (uintptr_t)number * shared.chunks / THREADS) % shared.chunks);
    CHECK(status == RADAM_OK || status == RADAM_ERROR_INVALID_ARGUMENT, "a chunk among threads gave %s",
          radam_status_string(status));
    shared.stepped += status == RADAM_OK;
  }
  return NULL;
}

static void by_many_threads(radam_optimizer *opt, bool may_skip) {
  (void)may_skip;
  shared.opt = opt;
  for (;;) {
    pthread_t threads[THREADS];
    OK(opt, radam_step_wave(opt, &shared.chunks));
    if (shared.chunks == 0) break;
    shared.stepped = 0;
    for (uintptr_t i = 0; i < THREADS; i++)
      CHECK(pthread_create(&threads[i], NULL, try_every_chunk, (void *)i) == 0, "no thread");
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0, "no join");
    CHECK(shared.stepped == shared.chunks, "of %llu chunks, %llu were stepped", (unsigned long long)shared.chunks,
          (unsigned long long)shared.stepped);
  }
}

static slicer *const slicers[] = {wave_by_wave_backwards, one_chunk_at_a_time, all_in_good_time, anything_goes,
                                  by_many_threads};
enum { SLICERS = sizeof slicers / sizeof *slicers };

static void same_bits_however_it_is_sliced(void) {
  static world whole, sliced;
  make_world(&whole, create(2));
  make_world(&sliced, create(1));
  uint32_t seed = 1;
  for (int which = 0; which < STEP_OPTIONS; which++) {
    const radam_step_options options = step_options(which);
    const bool measures = options.max_grad_norm > 0 || options.skip_nonfinite == RADAM_ON || options.report_norms == RADAM_ON;
    for (int slicer = 0; slicer < SLICERS; slicer++) {
      radam_step_report expected, found;
      OK(NULL, radam_step_report_init(&expected, sizeof expected));
      OK(NULL, radam_step_report_init(&found, sizeof found));
      const bool skips = options.skip_nonfinite == RADAM_ON && slicer % 2 == 0;
      seed++;
      world *both[] = {&whole, &sliced};
      for (int i = 0; i < 2; i++) {
        fill_gradients(both[i], seed);
        if (skips) put(both[i]->tensors[LENGTHS - 1].grad, RADAM_DTYPE_F32, LONGEST - 1, INFINITY);
        OK(both[i]->opt, radam_set_frozen(both[i]->opt, 4, slicer == 1 ? RADAM_ON : RADAM_OFF));
        OK(both[i]->opt, radam_set_grad(both[i]->opt, 9, slicer == 3 ? NULL : both[i]->tensors[9].grad));
      }
      OK(whole.opt, radam_step_with(whole.opt, &options, measures ? &expected : NULL));
      OK(sliced.opt, radam_step_begin(sliced.opt, &options));
      slicers[slicer](sliced.opt, skips);
      OK(sliced.opt, radam_step_end(sliced.opt, &found));
      char when[64];
      snprintf(when, sizeof when, "slicer %d, options %d", slicer, which);
      const uint64_t stepped = skips ? 0 : TENSORS - (slicer == 1) - (slicer == 3);
      if (!measures) expected.params_stepped = stepped; /* without measuring, radam_step_with has no report */
      CHECK(expected.params_stepped == stepped && found.threads == 0, "%s: %llu parameters stepped, not %llu", when,
            (unsigned long long)expected.params_stepped, (unsigned long long)stepped);
      CHECK(expected.skipped == skips && expected.nonfinite == skips, "%s: radam_step_with does not skip as it should", when);
      CHECK(is_same_report(found, expected), "%s: another report", when);
      check_equal(&sliced, &whole, when);
    }
  }
  end_world(&whole);
  end_world(&sliced);
}

int main(void) {
  alarm(300); /* ends what hangs */
  order_of_calls();
  abort_while_nothing_has_changed();
  nothing_to_step();
  same_bits_however_it_is_sliced();
  return 0;
}
