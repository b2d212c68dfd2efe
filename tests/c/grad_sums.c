/* Sums of gradients that processes add as integers: the norm, and so the steps, of shards have the bits of one
   process, in whatever order they are added. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "world.h"

#include <math.h>
#include <unistd.h>

enum { WORDS = 72, INFINITIES = 68, NANS = 69, OVERFLOWS = 70, PIECE = 16384, MOST_RANKS = 8, COUNT = 5 };

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit) {
  random_state = random_state * 1664525u + 1013904223u;
  return (uint32_t)((uint64_t)random_state * limit >> 32);
}

static radam_grad_sums no_sums(void) {
  radam_grad_sums sums;
  OK(NULL, radam_grad_sums_init(&sums, sizeof sums));
  return sums;
}

/* As MPI_SUM does it. */
static void add_words(radam_grad_sums *to, const radam_grad_sums *sums) {
  for (int i = 0; i < WORDS; i++) to->words[i] += sums->words[i];
}

static double norm_of(const radam_grad_sums *sums) {
  double norm = -1;
  OK(NULL, radam_grad_sums_value(sums, &norm, NULL));
  return norm;
}

static uint64_t nonfinite_in(const radam_grad_sums *sums) {
  uint64_t nonfinite = 77;
  OK(NULL, radam_grad_sums_value(sums, NULL, &nonfinite));
  return nonfinite;
}

static void sums_of_nothing(void) {
  radam_grad_sums sums;
  radam_optimizer *opt = create(1);
  memset(&sums, 0xff, sizeof sums);
  OK(NULL, radam_grad_sums_init(&sums, sizeof sums));
  CHECK(sums.struct_size == sizeof sums && sums.reserved == 0, "other fields after the init");
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < WORDS; i++) CHECK(sums.words[i] == 0, "word %d of no gradients is %lld", i, (long long)sums.words[i]);
    CHECK(norm_of(&sums) == 0 && nonfinite_in(&sums) == 0, "no gradients have a norm");
    OK(NULL, radam_grad_sums_value(&sums, NULL, NULL));
    OK(NULL, radam_measure_tensor(RADAM_DTYPE_BF16, NULL, 0, &sums));
    OK(opt, radam_measure(opt, &sums));
  }
  OK(opt, radam_free(opt));
}

/* The words are the digits of the sum in base 2^32, from the smallest f64 on. */
static void words_are_digits(void) {
  const double squares_of[] = {1, 0x1p-537, 0x1p511, 3 * 0x1p-20};
  for (int i = 0; i < 4; i++) {
    radam_grad_sums sums = no_sums();
    OK(NULL, radam_measure_tensor(RADAM_DTYPE_F64, &squares_of[i], 1, &sums));
    double sum = 0;
    for (int word = 0; word < INFINITIES; word++) {
      CHECK(sums.words[word] >= 0 && sums.words[word] <= UINT32_MAX, "word %d is %lld", word, (long long)sums.words[word]);
      if (sums.words[word] != 0) sum += ldexp((double)sums.words[word], 32 * word - 1074);
    }
    CHECK(sum == squares_of[i] * squares_of[i], "the words of the square of %g come to %g", squares_of[i], sum);
    CHECK(norm_of(&sums) == squares_of[i], "the norm of %g is %g", squares_of[i], norm_of(&sums));
  }
}

/* Tensors of every dtype, some of several pieces, and how their groups round. */
static const struct {
  radam_dtype dtype, grad_dtype;
  uint64_t len;
} shapes[COUNT] = {
  {RADAM_DTYPE_F32, RADAM_DTYPE_F32, 9 * PIECE + 100},
  {RADAM_DTYPE_F32, RADAM_DTYPE_BF16, 5 * PIECE},
  {RADAM_DTYPE_F64, RADAM_DTYPE_F64, 3 * PIECE + 1},
  {RADAM_DTYPE_BF16, RADAM_DTYPE_F32, 12 * PIECE - 1},
  {RADAM_DTYPE_F16, RADAM_DTYPE_F16, 7},
};

/* The memory of whole tensors, and the optimizers of the ranks that share them. */
typedef struct cluster {
  uint32_t ranks;
  radam_optimizer *opts[MOST_RANKS];
  char *data[COUNT], *grads[COUNT];
} cluster;

static const char *const names[COUNT] = {"a", "b", "c", "d", "e"};

static void add_shard(radam_optimizer *opt, const cluster *c, int i, uint64_t begin, uint64_t end) {
  radam_param param;
  OK(NULL, radam_param_init(&param, sizeof param));
  param.dtype = shapes[i].dtype;
  param.grad_dtype = shapes[i].grad_dtype;
  param.name = names[i];
  param.len = end - begin;
  param.data = c->data[i] + begin * size_of(param.dtype);
  param.grad = c->grads[i] + begin * size_of(param.grad_dtype);
  param.tensor_offset = begin;
  param.tensor_len = shapes[i].len;
  OK(opt, radam_add_params(opt, 0, &param, 1, NULL));
}

/* Cuts each tensor at multiples of PIECE, at random; some ranks get nothing of some tensors. */
static void make_cluster(cluster *c, uint32_t ranks) {
  c->ranks = ranks;
  for (uint32_t rank = 0; rank < ranks; rank++) {
    radam_group_options options = group_options();
    c->opts[rank] = create(ranks == 1 ? 2 : 1);
    add_group(c->opts[rank], &options);
  }
  for (int i = 0; i < COUNT; i++) {
    const uint64_t len = shapes[i].len, pieces = (len + PIECE - 1) / PIECE;
    c->data[i] = array_of(shapes[i].dtype, len);
    c->grads[i] = array_of(shapes[i].grad_dtype, len);
    fill_array(c->data[i], shapes[i].dtype, len, 1 + (uint32_t)i);
    uint64_t first = 0;
    for (uint32_t rank = 0; rank < ranks; rank++) {
      const uint64_t end = rank + 1 == ranks ? pieces : first + random_below((uint32_t)(pieces - first) + 1);
      if (end > first) add_shard(c->opts[rank], c, i, first * PIECE, end == pieces ? len : end * PIECE);
      first = end;
    }
  }
}

/* The same gradients for both. */
static void fill_grads(cluster *c, cluster *other, uint32_t seed, float not_finite) {
  for (int i = 0; i < COUNT; i++) {
    const radam_dtype dtype = shapes[i].grad_dtype;
    fill_array(c->grads[i], dtype, shapes[i].len, 100 * seed + (uint32_t)i);
    if (!isfinite(not_finite) && i == 1) put(c->grads[i], dtype, 3 * PIECE + 5, not_finite);
    if (!isfinite(not_finite) && i == 3) put(c->grads[i], dtype, 0, not_finite);
    memcpy(other->grads[i], c->grads[i], shapes[i].len * size_of(dtype));
  }
}

/* Of all ranks, added in an order of chance: one after the other, or sums of sums. */
static radam_grad_sums reduced(cluster *c) {
  radam_grad_sums sums[MOST_RANKS];
  uint32_t left = c->ranks;
  for (uint32_t rank = 0; rank < left; rank++) {
    sums[rank] = no_sums();
    OK(c->opts[rank], radam_measure(c->opts[rank], &sums[rank]));
  }
  for (; left > 1; left--) {
    const uint32_t from = random_below(left), last = left - 1;
    const radam_grad_sums one = sums[from];
    sums[from] = sums[last];
    add_words(&sums[random_below(last)], &one);
  }
  return sums[0];
}

static void check_same(const cluster *found, const cluster *expected, uint32_t step) {
  for (int i = 0; i < COUNT; i++) {
    CHECK(memcmp(found->data[i], expected->data[i], shapes[i].len * size_of(shapes[i].dtype)) == 0,
          "%u ranks, step %u: tensor %d has other bits than in one process", found->ranks, step, i);
    CHECK(memcmp(found->grads[i], expected->grads[i], shapes[i].len * size_of(shapes[i].grad_dtype)) == 0,
          "%u ranks, step %u: gradient %d has other bits than in one process", found->ranks, step, i);
  }
}

static void end_cluster(cluster *c) {
  for (uint32_t rank = 0; rank < c->ranks; rank++) OK(c->opts[rank], radam_free(c->opts[rank]));
  for (int i = 0; i < COUNT; i++) {
    free(c->data[i]);
    free(c->grads[i]);
  }
}

static void shards_step_as_the_whole(uint32_t ranks) {
  cluster whole, shards;
  make_cluster(&whole, 1);
  make_cluster(&shards, ranks);
  for (uint32_t step = 0; step < STEP_OPTIONS + 3; step++) {
    const float not_finite = step == 4 ? INFINITY : step == 7 ? NAN : 0;
    radam_step_options options = step_options((int)step % STEP_OPTIONS);
    radam_step_report expected;
    OK(NULL, radam_step_report_init(&expected, sizeof expected));
    fill_grads(&whole, &shards, step, not_finite);
    const radam_grad_sums sums = reduced(&shards);
    OK(whole.opts[0], radam_step_with(whole.opts[0], &options, &expected));
    const double norm = norm_of(&sums) * options.grad_scale;
    CHECK(norm == expected.grad_norm || (isnan(norm) && isnan(expected.grad_norm)),
          "%u ranks, step %u: the norm is %.17g, not %.17g", ranks, step, norm, expected.grad_norm);
    CHECK(nonfinite_in(&sums) == expected.nonfinite && expected.skipped == !isfinite(not_finite), "%u ranks, step %u: %llu values are not finite",
          ranks, step, (unsigned long long)nonfinite_in(&sums));
    CHECK(options.max_grad_norm == 0 || expected.skipped || expected.clip_coefficient < 1, "step %u is not clipped", step);
    options.grad_sums = &sums;
    for (uint32_t rank = 0; rank < ranks; rank++) {
      radam_step_report found;
      OK(NULL, radam_step_report_init(&found, sizeof found));
      OK(shards.opts[rank], radam_step_with(shards.opts[rank], &options, &found));
      CHECK(memcmp(&found.grad_norm, &norm, sizeof norm) == 0 || isnan(norm), "%u ranks, step %u: a rank reports another norm", ranks, step);
      CHECK(found.skipped == expected.skipped && found.nonfinite == expected.nonfinite &&
            (found.clip_coefficient == expected.clip_coefficient || isnan(norm)),
            "%u ranks, step %u: a rank clips by %.17g, not %.17g", ranks, step, found.clip_coefficient, expected.clip_coefficient);
    }
    check_same(&shards, &whole, step);
  }
  end_cluster(&whole);
  end_cluster(&shards);
}

/* Steps in slices go by sums too, and then have no wave that measures. */
static void slices_go_by_sums(void) {
  cluster whole, sliced;
  make_cluster(&whole, 1);
  make_cluster(&sliced, 1);
  for (uint32_t step = 0; step < 8; step++) {
    radam_step_options options = step_options(2);
    radam_step_report expected, found;
    uint64_t chunks, measuring;
    OK(NULL, radam_step_report_init(&expected, sizeof expected));
    OK(NULL, radam_step_report_init(&found, sizeof found));
    fill_grads(&whole, &sliced, step, 0);
    OK(whole.opts[0], radam_step_with(whole.opts[0], &options, &expected));
    OK(sliced.opts[0], radam_step_begin(sliced.opts[0], &options));
    OK(sliced.opts[0], radam_step_for(sliced.opts[0], 0, &measuring));
    OK(sliced.opts[0], radam_step_abort(sliced.opts[0]));
    const radam_grad_sums sums = reduced(&sliced);
    radam_grad_sums gone = sums;
    options.grad_sums = &gone;
    OK(sliced.opts[0], radam_step_begin(sliced.opts[0], &options));
    memset(&gone, 0xff, sizeof gone); /* copied, as all structs */
    OK(sliced.opts[0], radam_step_for(sliced.opts[0], 0, &chunks));
    OK(sliced.opts[0], radam_step_for(sliced.opts[0], UINT64_MAX, NULL));
    OK(sliced.opts[0], radam_step_end(sliced.opts[0], &found));
    CHECK(chunks < measuring, "a step that is given sums has %llu chunks, and one that measures %llu", (unsigned long long)chunks,
          (unsigned long long)measuring);
    CHECK(is_same_report(found, expected), "another report of a step in slices");
    check_same(&sliced, &whole, step);
  }
  end_cluster(&whole);
  end_cluster(&sliced);
}

/* What is not finite is counted, each kind by itself, wherever it is among finite values. */
static void what_is_not_finite_is_counted(void) {
  enum { LEN = 2 * PIECE + 100 };
  static const radam_dtype dtypes[] = {RADAM_DTYPE_F32, RADAM_DTYPE_F64, RADAM_DTYPE_F16, RADAM_DTYPE_BF16};
  static double grad[LEN];
  for (int i = 0; i < 4; i++) {
    radam_grad_sums infinite = no_sums(), nan = no_sums();
    fill_array(grad, dtypes[i], LEN, 1);
    const size_t places[] = {0, 1, 17, PIECE - 1, PIECE, LEN - 1};
    for (int j = 0; j < 6; j++) put(grad, dtypes[i], places[j], j % 2 ? -INFINITY : INFINITY);
    OK(NULL, radam_measure_tensor(dtypes[i], grad, LEN, &infinite));
    CHECK(infinite.words[INFINITIES] == 6 && infinite.words[NANS] == 0 && infinite.words[OVERFLOWS] == 0,
          "dtype %d: of six infinities, %lld are counted, and %lld NaN", dtypes[i], (long long)infinite.words[INFINITIES],
          (long long)infinite.words[NANS]);
    CHECK(isinf(norm_of(&infinite)) && nonfinite_in(&infinite) == 6, "dtype %d: the norm is %g", dtypes[i], norm_of(&infinite));
    for (int j = 0; j < 4; j++) put(grad, dtypes[i], places[j], NAN);
    OK(NULL, radam_measure_tensor(dtypes[i], grad, LEN, &nan));
    CHECK(nan.words[INFINITIES] == 2 && nan.words[NANS] == 4, "dtype %d: of four NaN, %lld are counted", dtypes[i],
          (long long)nan.words[NANS]);
    CHECK(isnan(norm_of(&nan)) && nonfinite_in(&nan) == 6, "dtype %d: the norm is %g", dtypes[i], norm_of(&nan));
    add_words(&nan, &infinite);
    CHECK(isnan(norm_of(&nan)) && nonfinite_in(&nan) == 12, "dtype %d: NaN is lost in a sum", dtypes[i]);
  }
}

/* Squares of finite gradients that are too large for f64: the norm is infinite, but no gradient is. */
static void partial_sums_overflow(void) {
  static double grad[3 * PIECE], data[3 * PIECE], before[3 * PIECE];
  radam_grad_sums sums = no_sums(), small = no_sums(), nan = no_sums();
  radam_group_options group = group_options();
  radam_step_options options = step_options(4);
  radam_step_report report;
  radam_optimizer *opt = create(1);
  for (size_t i = 0; i < 3 * PIECE; i++) grad[i] = i / PIECE == 1 ? 1 : 1e160;
  OK(NULL, radam_measure_tensor(RADAM_DTYPE_F64, grad, 3 * PIECE, &sums));
  CHECK(sums.words[OVERFLOWS] == 2 && sums.words[INFINITIES] == 0, "of two partial sums that overflow, %lld are counted",
        (long long)sums.words[OVERFLOWS]);
  CHECK(isinf(norm_of(&sums)) && nonfinite_in(&sums) == 0, "the norm is %g", norm_of(&sums));
  OK(NULL, radam_measure_tensor(RADAM_DTYPE_F64, grad + PIECE, PIECE, &small));
  CHECK(norm_of(&small) == 128, "the norm of 16384 ones is %g", norm_of(&small));
  add_words(&small, &sums);
  CHECK(isinf(norm_of(&small)), "an overflow is lost in a sum");
  grad[0] = NAN;
  OK(NULL, radam_measure_tensor(RADAM_DTYPE_F64, grad, 3 * PIECE, &nan));
  CHECK(nan.words[OVERFLOWS] == 1 && nan.words[NANS] == 1 && isnan(norm_of(&nan)), "NaN beside an overflow: a norm of %g", norm_of(&nan));
  grad[0] = 1e160;

  /* Such a step is not skipped, and by its infinite norm it is clipped to nothing. */
  uint32_t id;
  memcpy(before, data, sizeof data);
  OK(opt, radam_add_param(opt, add_group(opt, &group), RADAM_DTYPE_F64, 0, data, grad, 3 * PIECE, NULL, &id));
  options.max_grad_norm = 1;
  for (int given = 0; given < 2; given++) {
    OK(NULL, radam_step_report_init(&report, sizeof report));
    if (given) options.grad_sums = &sums;
    OK(opt, radam_step_with(opt, &options, &report));
    CHECK(report.skipped == 0 && report.nonfinite == 0 && isinf(report.grad_norm) && report.clip_coefficient == 0,
          "an overflow is told as a norm of %g, clipped by %g", report.grad_norm, report.clip_coefficient);
    CHECK(memcmp(data, before, sizeof data) == 0, "gradients that were clipped to nothing move parameters");
  }
  OK(opt, radam_free(opt));
}

/* Many sums, which the words have room for, and measuring goes on from there. */
static void words_have_room(void) {
  static float grad[3 * PIECE];
  radam_grad_sums one = no_sums(), many = no_sums(), twice = no_sums();
  fill(grad, 3 * PIECE, 1);
  OK(NULL, radam_measure_tensor(RADAM_DTYPE_F32, grad, 3 * PIECE, &one));
  const double norm = norm_of(&one);
  for (int i = 0; i < WORDS; i++) many.words[i] = one.words[i] << 30;
  CHECK(norm_of(&many) == ldexp(norm, 15), "2^30 sums have a norm of %.17g, and one of them %.17g", norm_of(&many), norm);
  OK(NULL, radam_measure_tensor(RADAM_DTYPE_F32, grad, 3 * PIECE, &many));
  CHECK(norm_of(&many) >= ldexp(norm, 15), "a sum became less");
  for (int i = 0; i < 2; i++) OK(NULL, radam_measure_tensor(RADAM_DTYPE_F32, grad, 3 * PIECE, &twice));
  add_words(&one, &one);
  CHECK(norm_of(&one) == norm_of(&twice), "measuring adds another sum than adding the words does");
}

/* Partial sums end where pieces of the whole tensor do, wherever the shard begins. Those of large gradients are found
   several at once. */
static void pieces_are_those_of_the_whole(radam_dtype dtype, uint64_t len) {
  enum { OFFSET = 10000 };
  char *data = array_of(dtype, len), *grad = array_of(dtype, len);
  radam_group_options options = group_options();
  radam_optimizer *opt = create(2);
  radam_param param;
  radam_grad_sums sums = no_sums(), expected = no_sums();
  fill_array(grad, dtype, len, 1);
  put(grad, dtype, len / 2, INFINITY);
  put(grad, dtype, len - 1, NAN);
  OK(NULL, radam_param_init(&param, sizeof param));
  param.dtype = dtype;
  param.len = len;
  param.data = data;
  param.grad = grad;
  param.tensor_offset = OFFSET;
  param.tensor_len = OFFSET + len;
  OK(opt, radam_add_param_group(opt, &options, &param, 1, NULL));
  OK(opt, radam_measure(opt, &sums));
  for (uint64_t begin = 0; begin < len;) {
    const uint64_t room = PIECE - (OFFSET + begin) % PIECE, piece = room < len - begin ? room : len - begin;
    OK(NULL, radam_measure_tensor(dtype, grad + begin * size_of(dtype), piece, &expected));
    begin += piece;
  }
  CHECK(memcmp(&sums, &expected, sizeof sums) == 0, "dtype %d: %llu elements of a shard that begins within a piece are summed up in other pieces",
        dtype, (unsigned long long)len);
  CHECK(expected.words[INFINITIES] == 1 && expected.words[NANS] == 1, "dtype %d: infinities and NaN are not counted", dtype);
  OK(opt, radam_free(opt));
  free(data);
  free(grad);
}

/* A large gradient whose last pieces are not enough to be read with others, and one of another dtype after it. */
static void each_gradient_has_its_dtype(void) {
  enum { LEN = (1 << 21) + PIECE };
  static const radam_dtype dtypes[] = {RADAM_DTYPE_F32, RADAM_DTYPE_BF16};
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1);
  radam_grad_sums sums = no_sums(), expected = no_sums();
  char *data[2], *grads[2];
  add_group(opt, &options);
  for (int i = 0; i < 2; i++) {
    data[i] = array_of(RADAM_DTYPE_F32, LEN);
    grads[i] = array_of(dtypes[i], LEN);
    fill_array(grads[i], dtypes[i], LEN, (uint32_t)i);
    OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, dtypes[i], data[i], grads[i], LEN, NULL, NULL));
    OK(NULL, radam_measure_tensor(dtypes[i], grads[i], LEN, &expected));
  }
  OK(opt, radam_measure(opt, &sums));
  CHECK(memcmp(&sums, &expected, sizeof sums) == 0, "gradients of two dtypes have other sums together than each by itself");
  OK(opt, radam_free(opt));
  for (int i = 0; i < 2; i++) {
    free(data[i]);
    free(grads[i]);
  }
}

/* Which gradients count: those that radam_step would step by. */
static void measure_looks_at_what_steps(void) {
  enum { LEN = 100, PARAMS = 5 };
  static float data[PARAMS][LEN], grads[PARAMS][LEN];
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1);
  radam_grad_sums sums = no_sums(), expected = no_sums();
  add_group(opt, &options);
  options.gradient_release = RADAM_ON;
  add_group(opt, &options);
  for (uint32_t i = 0; i < PARAMS; i++) {
    fill(grads[i], LEN, i);
    add_f32(opt, i == 1, i == 2 ? NULL : data[i], i == 2 || i == 3 ? NULL : grads[i], LEN);
  }
  OK(opt, radam_set_frozen(opt, 4, RADAM_ON));
  OK(opt, radam_measure(opt, &sums));
  OK(NULL, radam_measure_tensor(RADAM_DTYPE_F32, grads[0], LEN, &expected));
  CHECK(memcmp(&sums, &expected, sizeof sums) == 0, "more is measured than what would step, or less");
  OK(opt, radam_set_frozen(opt, 4, RADAM_OFF));
  OK(opt, radam_measure(opt, &sums));
  for (int i = 0; i < 5; i += 4) OK(NULL, radam_measure_tensor(RADAM_DTYPE_F32, grads[i], LEN, &expected));
  CHECK(norm_of(&sums) == norm_of(&expected), "what is measured is not added to what is there");
  OK(opt, radam_free(opt));
}

int main(void) {
  alarm(300); /* ends what hangs */
  sums_of_nothing();
  words_are_digits();
  for (uint32_t ranks = 1; ranks <= MOST_RANKS; ranks++) shards_step_as_the_whole(ranks);
  slices_go_by_sums();
  what_is_not_finite_is_counted();
  partial_sums_overflow();
  words_have_room();
  for (radam_dtype dtype = RADAM_DTYPE_F32; dtype <= RADAM_DTYPE_BF16; dtype++) {
    pieces_are_those_of_the_whole(dtype, 40000);
    pieces_are_those_of_the_whole(dtype, (1 << 21) + 40000);
  }
  each_gradient_has_its_dtype();
  measure_looks_at_what_steps();
  return 0;
}
