/* 8-bit state: which parameters have it, where it lies, how it is converted, saved and sharded. That its codes are right
   is tested beside the loops (src/kernel/tests/q8.rs). */
#include "check.h"

#include <math.h>

enum { BLOCK = 128, LEAST = 4096, LEN = 3 * 16384 + 1000, STEPS = 12 };
#define BLOCKS(len) (((len) + BLOCK - 1) / BLOCK)

typedef struct state {
  int8_t *exp_avg;
  uint8_t *exp_avg_sq;
  uint32_t *state_scale;
} state;

static radam_group_options coded_options(void) {
  radam_group_options options = group_options();
  options.state_dtype = RADAM_DTYPE_Q8;
  options.seed = 7;
  return options;
}

static radam_optimizer *create_with(const radam_group_options *options) {
  radam_optimizer *opt = create(2);
  OK(opt, radam_add_param_group(opt, options, NULL, 0, NULL));
  return opt;
}

static void *array_of(radam_optimizer *opt, uint32_t param, radam_state which, radam_dtype expected) {
  void *array = NULL;
  radam_dtype dtype = -1;
  OK(opt, radam_param_state(opt, param, which, &array, &dtype));
  CHECK(dtype == expected, "array %d has the dtype %d, not %d", which, dtype, expected);
  return array;
}

static state state_of(radam_optimizer *opt, uint32_t param) {
  return (state){array_of(opt, param, RADAM_STATE_EXP_AVG, RADAM_DTYPE_Q8),
                 array_of(opt, param, RADAM_STATE_EXP_AVG_SQ, RADAM_DTYPE_Q8), array_of(opt, param, RADAM_STATE_SCALE, 0)};
}

static bool same_state(state a, state b, size_t len) {
  return memcmp(a.exp_avg, b.exp_avg, len) == 0 && memcmp(a.exp_avg_sq, b.exp_avg_sq, len) == 0 &&
         memcmp(a.state_scale, b.state_scale, BLOCKS(len) * sizeof *a.state_scale) == 0;
}

static bool is_zero(const void *array, size_t bytes) {
  const char *byte = array;
  for (size_t i = 0; i < bytes; i++) {
    if (byte[i] != 0) return false;
  }
  return true;
}

static uint32_t add(radam_optimizer *opt, const char *name, float *data, float *grad, uint64_t len) {
  uint32_t id;
  OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data, grad, len, name, &id));
  return id;
}

/* The numbers that the codes of an element stand for, by the description of the format. */
static float unit_of(uint32_t word) {
  const uint32_t upper = word & 0xffff0000u;
  float largest;
  memcpy(&largest, &upper, sizeof largest);
  return largest / 126;
}

static float root_of(uint32_t word, uint8_t code) {
  const uint32_t low = word & 0xffff, lowest = low & (0u - low);
  uint32_t shift = 16, bits = 0;
  for (uint32_t bit = lowest; bit > 1; bit >>= 1) shift++;
  if (code != 0) bits = ((low ^ lowest) << 15) + ((uint32_t)code << (low == 0 ? 19 : shift));
  float root;
  memcpy(&root, &bits, sizeof root);
  return root;
}

/* ---- Which parameters have it */

static void small_tensors_keep_f32(void) {
  const radam_group_options options = coded_options();
  radam_optimizer *opt = create_with(&options);
  float *data = filled(LEAST, 1), *grad = filled(LEAST, 2), *small = filled(LEAST, 3);
  const uint32_t large_id = add(opt, "large", data, grad, LEAST), small_id = add(opt, "small", small, grad, LEAST - 1);
  OK(opt, radam_step(opt));
  CHECK(!is_zero(state_of(opt, large_id).exp_avg, LEAST), "nothing was coded");
  CHECK(array_of(opt, small_id, RADAM_STATE_EXP_AVG, RADAM_DTYPE_F32) != NULL, "no state");
  CHECK(array_of(opt, small_id, RADAM_STATE_SCALE, 0) == NULL, "f32 state has no scale");

  /* A shard of a large tensor has 8-bit state, however short it is, and one of a small tensor has not. */
  radam_param shard;
  OK(NULL, radam_param_init(&shard, sizeof shard));
  shard.dtype = RADAM_DTYPE_F32;
  shard.len = 10;
  shard.tensor_offset = 2 * BLOCK;
  shard.tensor_len = LEAST;
  uint32_t first;
  OK(opt, radam_add_params(opt, 0, &shard, 1, &first));
  CHECK(state_of(opt, first).exp_avg != NULL, "no state");
  shard.tensor_offset = 3;
  shard.tensor_len = LEAST - 1;
  OK(opt, radam_add_params(opt, 0, &shard, 1, &first));
  array_of(opt, first, RADAM_STATE_EXP_AVG, RADAM_DTYPE_F32);

  /* Nothing else has it. */
  shard.tensor_offset = BLOCK + 1;
  shard.tensor_len = LEAST;
  CHECK(radam_add_params(opt, 0, &shard, 1, NULL) == RADAM_ERROR_INVALID_ARGUMENT, "a cut block was taken");
  check_message(opt, "tensor_offset is 129", "a cut block");
  CHECK(radam_add_param(opt, 0, RADAM_DTYPE_F64, 0, NULL, NULL, 5, "f64", NULL) == RADAM_ERROR_INVALID_ARGUMENT, "f64 was taken");
  check_message(opt, "state_dtype is q8", "f64");
  CHECK(radam_add_param(opt, 0, RADAM_DTYPE_Q8, 0, NULL, NULL, 5, "q8", NULL) == RADAM_ERROR_INVALID_ARGUMENT, "q8 was taken");
  CHECK(radam_add_param(opt, 0, RADAM_DTYPE_F32, RADAM_DTYPE_Q8, NULL, NULL, 5, "q8", NULL) == RADAM_ERROR_INVALID_ARGUMENT,
        "q8 gradients were taken");
  OK(opt, radam_free(opt));
  free(data);
  free(grad);
  free(small);
}

/* ---- Where it lies */

/* In the caller's arrays, the library's, or none of an optimizer's: the same bits. */
static void the_state_may_be_the_callers(void) {
  const radam_group_options options = coded_options();
  radam_optimizer *ours = create_with(&options), *given = create_with(&options);
  float *data[3], *grad = filled(LEN, 2);
  for (int i = 0; i < 3; i++) data[i] = filled(LEN, 1);
  const uint32_t id = add(ours, "param.0", data[0], grad, LEN);
  const state arrays = {calloc(LEN, 1), calloc(LEN, 1), calloc(BLOCKS(LEN), 4)};
  const state loose = {calloc(LEN, 1), calloc(LEN, 1), calloc(BLOCKS(LEN), 4)};
  radam_param param;
  OK(NULL, radam_param_init(&param, sizeof param));
  param.dtype = RADAM_DTYPE_F32;
  param.len = LEN;
  param.data = data[1];
  param.grad = grad;
  param.exp_avg = arrays.exp_avg;
  param.exp_avg_sq = arrays.exp_avg_sq;
  param.state_scale = arrays.state_scale;
  OK(given, radam_add_params(given, 0, &param, 1, NULL));
  CHECK(state_of(given, 0).state_scale == arrays.state_scale, "the caller's array is not in use");
  for (uint64_t step = 1; step <= STEPS; step++) {
    fill(grad, LEN, (uint32_t)step);
    OK(ours, radam_step(ours));
    OK(given, radam_step(given));
    OK(NULL, radam_update_q8(RADAM_DTYPE_F32, 0, data[2], grad, loose.exp_avg, loose.exp_avg_sq, loose.state_scale, NULL, LEN,
                             &options, step));
    CHECK(same_state(state_of(ours, id), arrays, LEN) && same_state(arrays, loose, LEN), "other codes in step %d", (int)step);
    CHECK(memcmp(data[0], data[1], LEN * 4) == 0 && memcmp(data[0], data[2], LEN * 4) == 0, "other parameters");
  }

  param.data = NULL;
  param.grad = NULL;
  param.exp_avg = param.exp_avg_sq = NULL;
  param.state_scale = (char *)loose.state_scale + 2;
  CHECK(radam_add_params(given, 0, &param, 1, NULL) == RADAM_ERROR_INVALID_ARGUMENT, "misaligned");
  check_message(given, "state_scale is", "a misaligned state_scale");
  param.state_scale = arrays.state_scale;
  CHECK(radam_add_params(given, 0, &param, 1, NULL) == RADAM_ERROR_INVALID_ARGUMENT, "overlapping");
  check_message(given, "state_scale", "an overlapping state_scale");
  param.len = LEAST - 1;
  param.state_scale = loose.state_scale;
  CHECK(radam_add_params(given, 0, &param, 1, NULL) == RADAM_ERROR_INVALID_ARGUMENT, "a small tensor");
  check_message(given, "state_scale is", "a state_scale of f32 state");
  CHECK(radam_update_q8(RADAM_DTYPE_F32, 0, data[2], grad, loose.exp_avg, loose.exp_avg_sq, NULL, NULL, LEN, &options, 1) ==
            RADAM_ERROR_NULL_POINTER,
        "NULL was taken");
  check_message(NULL, "state_scale is NULL", "no state_scale");
  CHECK(radam_update_q8(RADAM_DTYPE_F64, 0, data[2], grad, loose.exp_avg, loose.exp_avg_sq, loose.state_scale, NULL, 8, &options,
                        1) == RADAM_ERROR_INVALID_ARGUMENT,
        "f64 was taken");
  check_message(NULL, "dtype is RADAM_DTYPE_F64", "f64 without an optimizer");
  CHECK(radam_update(RADAM_DTYPE_F32, 0, 0, data[2], grad, data[0], data[1], NULL, LEN, &options, 1) ==
            RADAM_ERROR_INVALID_ARGUMENT,
        "radam_update took 8-bit state");
  check_message(NULL, "radam_update_q8", "8-bit state for radam_update");

  OK(ours, radam_free(ours));
  OK(given, radam_free(given));
  for (int i = 0; i < 3; i++) free(data[i]);
  free(grad);
  const state both[] = {arrays, loose};
  for (int i = 0; i < 2; i++) {
    free(both[i].exp_avg);
    free(both[i].exp_avg_sq);
    free(both[i].state_scale);
  }
}

/* ---- Conversion */

/* To 8 bits within half a code, and what codes stand for exactly back. */
static void the_state_is_converted_both_ways(void) {
  radam_group_options options = coded_options();
  options.state_dtype = RADAM_DTYPE_F32;
  radam_optimizer *opt = create_with(&options);
  float *data = filled(LEN, 1), *grad = filled(LEN, 2), *m = malloc(LEN * 4), *v = malloc(LEN * 4);
  CHECK(m != NULL && v != NULL, "no memory");
  add(opt, "weight", data, grad, LEN);
  for (uint32_t step = 0; step < STEPS; step++) {
    fill(grad, LEN, step);
    OK(opt, radam_step(opt));
  }
  ((float *)array_of(opt, 0, RADAM_STATE_EXP_AVG, RADAM_DTYPE_F32))[200] = 0;
  ((float *)array_of(opt, 0, RADAM_STATE_EXP_AVG_SQ, RADAM_DTYPE_F32))[200] = -0.0f; /* a root like any other 0 */
  memcpy(m, array_of(opt, 0, RADAM_STATE_EXP_AVG, RADAM_DTYPE_F32), LEN * 4);
  memcpy(v, array_of(opt, 0, RADAM_STATE_EXP_AVG_SQ, RADAM_DTYPE_F32), LEN * 4);
  options.state_dtype = RADAM_DTYPE_Q8;
  options.eps = 1e-3; /* what counts is that of before */
  OK(opt, radam_set_group_options(opt, 0, &options));
  const state coded = state_of(opt, 0);
  for (size_t i = 0; i < LEN; i++) {
    const uint32_t word = coded.state_scale[i / BLOCK];
    const float eps = (float)coded_options().eps, root = sqrtf(v[i]), u = m[i] / (root + eps);
    const float off = fabsf(coded.exp_avg[i] * unit_of(word) - u);
    CHECK(off <= 0.501f * unit_of(word), "the direction %g of element %zu is off by %g", u, i, off);
    const uint8_t code = coded.exp_avg_sq[i];
    const float below = root_of(word, (uint8_t)(code - (code > 0))), above = root_of(word, (uint8_t)(code + (code < 255)));
    CHECK(below <= root && root <= above, "the root %g of element %zu is %g", root, i, root_of(word, code));
  }
  state before = {malloc(LEN), malloc(LEN), malloc(BLOCKS(LEN) * 4)};
  memcpy(before.exp_avg, coded.exp_avg, LEN);
  memcpy(before.exp_avg_sq, coded.exp_avg_sq, LEN);
  memcpy(before.state_scale, coded.state_scale, BLOCKS(LEN) * 4);
  options.state_dtype = RADAM_DTYPE_F32;
  options.eps = 1e-6;
  OK(opt, radam_set_group_options(opt, 0, &options));
  const float *decoded_m = array_of(opt, 0, RADAM_STATE_EXP_AVG, RADAM_DTYPE_F32);
  const float *decoded_v = array_of(opt, 0, RADAM_STATE_EXP_AVG_SQ, RADAM_DTYPE_F32);
  for (size_t i = 0; i < LEN; i++) {
    const uint32_t word = before.state_scale[i / BLOCK];
    const float root = root_of(word, before.exp_avg_sq[i]);
    CHECK(decoded_v[i] == root * root, "exp_avg_sq[%zu] is %g", i, decoded_v[i]);
    const float expected = (float)before.exp_avg[i] * unit_of(word) * (root + 1e-3f);
    CHECK(fabsf(decoded_m[i] - expected) <= 1e-6f * fabsf(expected), "exp_avg[%zu] is %g, not %g", i, decoded_m[i], expected);
  }
  OK(opt, radam_free(opt));
  free(before.exp_avg);
  free(before.exp_avg_sq);
  free(before.state_scale);
  free(data);
  free(grad);
  free(m);
  free(v);
}

/* ---- Shards and files */

static radam_optimizer *shard_of(float *data, float *grad, uint64_t start, uint64_t end) {
  const radam_group_options options = coded_options();
  radam_optimizer *opt = create_with(&options);
  radam_param shard;
  OK(NULL, radam_param_init(&shard, sizeof shard));
  shard.dtype = RADAM_DTYPE_F32;
  shard.data = data + start;
  shard.grad = grad + start;
  shard.len = end - start;
  shard.tensor_offset = start;
  shard.tensor_len = LEN;
  shard.name = "weight";
  OK(opt, radam_add_params(opt, 0, &shard, 1, NULL));
  return opt;
}

/* Also those that go on from a checkpoint of the whole. */
static void shards_have_the_bits_of_the_whole(void) {
  const radam_group_options options = coded_options();
  radam_optimizer *whole = create_with(&options);
  float *data = filled(LEN, 1), *grad = filled(LEN, 2), *parts = filled(LEN, 1);
  add(whole, "weight", data, grad, LEN);
  const uint64_t cuts[] = {0, 128 * 5, 128 * 200, LEN};
  radam_optimizer *opts[3];
  for (size_t i = 0; i < 3; i++) opts[i] = shard_of(parts, grad, cuts[i], cuts[i + 1]);
  for (uint32_t step = 0; step < STEPS; step++) {
    fill(grad, LEN, step);
    OK(whole, radam_step(whole));
    for (size_t i = 0; i < 3; i++) OK(opts[i], radam_step(opts[i]));
  }
  CHECK(memcmp(data, parts, LEN * 4) == 0, "the parameters of shards are others");
  const state expected = state_of(whole, 0);
  for (size_t i = 0; i < 3; i++) {
    const size_t at = cuts[i], len = cuts[i + 1] - cuts[i];
    const state part = {expected.exp_avg + at, expected.exp_avg_sq + at, expected.state_scale + at / BLOCK};
    CHECK(same_state(state_of(opts[i], 0), part, len), "the state of shard %zu is another", i);
  }

  uint64_t size = 0;
  OK(whole, radam_save_to_buffer(whole, NULL, 0, &size));
  CHECK(size < LEN * 21 / 10 + 4096, "%llu bytes for %d elements", (unsigned long long)size, LEN);
  char *buffer = malloc(size);
  OK(whole, radam_save_to_buffer(whole, buffer, size, &size));
  float *again_data = malloc(LEN * 4);
  memcpy(again_data, data, LEN * 4);
  radam_optimizer *again = create_with(&options);
  add(again, "weight", again_data, grad, LEN);
  OK(again, radam_load_from_buffer(again, buffer, size, NULL));
  for (size_t i = 0; i < 3; i++) {
    OK(opts[i], radam_reset_state(opts[i], 0));
    OK(opts[i], radam_load_from_buffer(opts[i], buffer, size, NULL)); /* a part of the whole */
  }
  for (uint32_t step = 100; step < 100 + STEPS; step++) {
    fill(grad, LEN, step);
    OK(whole, radam_step(whole));
    OK(again, radam_step(again));
    for (size_t i = 0; i < 3; i++) OK(opts[i], radam_step(opts[i]));
  }
  CHECK(memcmp(data, again_data, LEN * 4) == 0 && same_state(state_of(whole, 0), state_of(again, 0), LEN), "resumed otherwise");
  CHECK(memcmp(data, parts, LEN * 4) == 0, "shards were resumed otherwise");
  OK(whole, radam_free(whole));
  OK(again, radam_free(again));
  for (size_t i = 0; i < 3; i++) OK(opts[i], radam_free(opts[i]));
  free(again_data);
  free(buffer);
  free(data);
  free(grad);
  free(parts);
}

/* What radam_set_group_options makes of the same state, on request only. */
static void loading_converts_on_request(void) {
  radam_group_options options = coded_options(), f32 = options;
  f32.state_dtype = RADAM_DTYPE_F32;
  radam_optimizer *opt = create_with(&f32), *coded = create_with(&options), *back = create_with(&f32);
  float *data = filled(LEN, 1), *grad = filled(LEN, 2);
  radam_optimizer *opts[] = {opt, coded, back};
  for (int i = 0; i < 3; i++) add(opts[i], "weight", i == 0 ? data : NULL, i == 0 ? grad : NULL, LEN);
  for (uint32_t step = 0; step < STEPS; step++) {
    fill(grad, LEN, step);
    OK(opt, radam_step(opt));
  }
  uint64_t size = 0;
  OK(opt, radam_save_to_buffer(opt, NULL, 0, &size));
  char *buffer = malloc(size);
  OK(opt, radam_save_to_buffer(opt, buffer, size, &size));
  CHECK(radam_load_from_buffer(coded, buffer, size, NULL) == RADAM_ERROR_MISMATCH, "f32 state was loaded as codes");
  check_message(coded, "in the optimizer", "state of another dtype");
  check_message(coded, "; convert_state converts state of another dtype; nothing", "state that could be converted");
  CHECK(is_zero(state_of(coded, 0).exp_avg, LEN), "a load that failed has changed the state");
  radam_load_options load;
  OK(NULL, radam_load_options_init(&load, sizeof load));
  load.convert_state = RADAM_ON;
  OK(coded, radam_load_from_buffer(coded, buffer, size, &load));
  OK(opt, radam_set_group_options(opt, 0, &options));
  CHECK(same_state(state_of(opt, 0), state_of(coded, 0), LEN), "loading converts otherwise");
  uint64_t steps = 0;
  OK(coded, radam_step_count(coded, 0, &steps));
  CHECK(steps == STEPS, "%d steps", (int)steps);

  OK(coded, radam_save_to_buffer(coded, NULL, 0, &size));
  char *codes = malloc(size);
  OK(coded, radam_save_to_buffer(coded, codes, size, &size));
  CHECK(radam_load_from_buffer(back, codes, size, NULL) == RADAM_ERROR_MISMATCH, "codes were loaded as f32 state");
  OK(back, radam_load_from_buffer(back, codes, size, &load));
  OK(opt, radam_set_group_options(opt, 0, &f32));
  for (radam_state which = RADAM_STATE_EXP_AVG; which <= RADAM_STATE_EXP_AVG_SQ; which++) {
    const void *ours = array_of(opt, 0, which, RADAM_DTYPE_F32), *loaded = array_of(back, 0, which, RADAM_DTYPE_F32);
    CHECK(memcmp(ours, loaded, LEN * 4) == 0, "loading converts array %d back otherwise", which);
  }

  /* A shard of f32 state that cuts a block cannot be coded. */
  radam_param shard;
  OK(NULL, radam_param_init(&shard, sizeof shard));
  shard.dtype = RADAM_DTYPE_F32;
  shard.len = 1000;
  shard.tensor_len = LEN;
  shard.name = "cut";
  OK(opt, radam_add_params(opt, 0, &shard, 1, NULL));
  shard.len = LEN;
  shard.tensor_len = 0;
  OK(coded, radam_add_params(coded, 0, &shard, 1, NULL));
  load.strict = RADAM_OFF;
  OK(opt, radam_save_to_buffer(opt, NULL, 0, &size));
  buffer = realloc(buffer, size);
  OK(opt, radam_save_to_buffer(opt, buffer, size, &size));
  CHECK(radam_load_from_buffer(coded, buffer, size, &load) == RADAM_ERROR_MISMATCH, "a cut block was coded");
  check_message(coded, "multiples of 128", "a shard that cuts a block");
  radam_optimizer *part = create_with(&f32);
  shard.name = "weight";
  shard.len = 1000;
  shard.tensor_offset = 100;
  shard.tensor_len = LEN;
  OK(part, radam_add_params(part, 0, &shard, 1, NULL));
  uint64_t coded_size = 0;
  OK(coded, radam_save_to_buffer(coded, NULL, 0, &coded_size));
  codes = realloc(codes, coded_size);
  OK(coded, radam_save_to_buffer(coded, codes, coded_size, &coded_size));
  CHECK(radam_load_from_buffer(part, codes, coded_size, &load) == RADAM_ERROR_MISMATCH, "part of a block was decoded");
  check_message(part, "multiples of 128", "a shard that begins within a block");
  OK(part, radam_free(part));
  for (int i = 0; i < 3; i++) OK(opts[i], radam_free(opts[i]));
  free(buffer);
  free(codes);
  free(data);
  free(grad);
}

int main(void) {
  small_tensors_keep_f32();
  the_state_may_be_the_callers();
  the_state_is_converted_both_ways();
  shards_have_the_bits_of_the_whole();
  loading_converts_on_request();
  return 0;
}
