/* Steps in arrays that are passed to the call: the bits of radam_step, wherever the arrays are and with whatever
   options; and nothing of them is kept. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "world.h"

#include <math.h>
#include <unistd.h>

static void release_groups(world *w) {
  for (uint32_t group = 0; group < KINDS; group++) OK(w->opt, SET_OPTION(w->opt, group, gradient_release, RADAM_ON));
}

/* A copy of an array at a place of its own, which no element is aligned to by more than it must be. */
static char *moved(const void *array, radam_dtype dtype, uint64_t len, char **memory) {
  const size_t size = size_of(dtype);
  *memory = malloc((len + 10) * size);
  CHECK(*memory != NULL, "no memory");
  char *start = *memory + (1 + len % 8) * size;
  memcpy(start, array, len * size);
  return start;
}

/* Where the arrays of a call are: registered, or passed, or new ones at every step. */
typedef enum place { REGISTERED, PASSED, MOVING, PLACES } place;

static radam_step_report step_at(world *w, uint32_t i, place place, const radam_step_options *options, bool reports) {
  tensor *t = &w->tensors[i];
  radam_step_report report;
  OK(NULL, radam_step_report_init(&report, sizeof report));
  radam_step_report *wanted = reports ? &report : NULL;
  if (place != MOVING) {
    OK(w->opt, radam_step_tensor(w->opt, i, place == PASSED ? t->data : NULL, t->grad, options, wanted));
    return report;
  }
  char *memory[2], *data = moved(t->data, t->dtype, t->len, &memory[0]), *grad = moved(t->grad, t->grad_dtype, t->len, &memory[1]);
  OK(w->opt, radam_set_data(w->opt, i, NULL));
  OK(w->opt, radam_step_tensor(w->opt, i, data, grad, options, wanted));
  memcpy(t->data, data, t->len * size_of(t->dtype));
  memcpy(t->grad, grad, t->len * size_of(t->grad_dtype));
  memset(data, 0xff, t->len * size_of(t->dtype)); /* the memory is the caller's again */
  memset(grad, 0xff, t->len * size_of(t->grad_dtype));
  free(memory[0]);
  free(memory[1]);
  OK(w->opt, radam_set_data(w->opt, i, t->data));
  return report;
}

static radam_grad_sums measured(const world *w) {
  radam_grad_sums sums;
  OK(NULL, radam_grad_sums_init(&sums, sizeof sums));
  for (uint32_t i = 0; i < TENSORS; i++) {
    const tensor *t = &w->tensors[i];
    OK(NULL, radam_measure_tensor(t->grad_dtype, t->grad, t->len, &sums));
  }
  return sums;
}

/* One optimizer steps all tensors at once, and the other one after another, by what was measured of all. */
static void same_bits_as_of_all_at_once(void) {
  static world whole, single;
  make_world(&whole, create(2));
  make_world(&single, create(4));
  release_groups(&single);
  for (uint32_t step = 0; step < 3 * STEP_OPTIONS; step++) {
    radam_step_options options = step_options((int)step % STEP_OPTIONS);
    radam_step_report expected;
    world *both[] = {&whole, &single};
    for (int i = 0; i < 2; i++) {
      fill_gradients(both[i], step);
      if (step % 5 == 4) put(both[i]->tensors[LENGTHS - 1].grad, RADAM_DTYPE_F32, LONGEST - 1, step % 2 ? INFINITY : NAN);
    }
    const bool skips = options.skip_nonfinite == RADAM_ON && step % 5 == 4;
    if (step % 5 == 4 && !skips) continue; /* what comes of NaN is not told in bits */
    OK(NULL, radam_step_report_init(&expected, sizeof expected));
    OK(whole.opt, radam_step_with(whole.opt, &options, &expected));
    const radam_grad_sums sums = measured(&single);
    options.grad_sums = &sums;
    double updates = 0, params = 0;
    for (uint32_t i = 0; i < TENSORS; i++) {
      const radam_step_report found = step_at(&single, i, (place)((step + i) % PLACES), &options, true);
      CHECK(found.skipped == skips && found.nonfinite == expected.nonfinite && found.params_stepped == !skips,
            "step %u, tensor %u: skipped is %d, nonfinite %llu", step, i, found.skipped, (unsigned long long)found.nonfinite);
      CHECK((found.grad_norm == expected.grad_norm || skips) && found.clip_coefficient == expected.clip_coefficient,
            "step %u, tensor %u: the norm is %.17g, not %.17g", step, i, found.grad_norm, expected.grad_norm);
      updates += found.update_norm * found.update_norm;
      params += found.param_norm * found.param_norm;
    }
    if (options.report_norms == RADAM_ON && !skips)
      CHECK(fabs(sqrt(updates) - expected.update_norm) < 1e-9 * expected.update_norm &&
            fabs(sqrt(params) - expected.param_norm) < 1e-9 * expected.param_norm, "step %u: the norms of tensors are not those of all", step);
    check_equal(&single, &whole, "tensors that are stepped one by one");
  }
  end_world(&whole);
  end_world(&single);
}

/* Without sums, each tensor goes by its own gradient, as in an optimizer of its own. */
static void each_by_itself(void) {
  enum { LEN = 40000, COUNT = 3 };
  static float data[COUNT][LEN], expected[COUNT][LEN], grads[COUNT][LEN], same_grads[COUNT][LEN];
  radam_group_options group = group_options();
  radam_optimizer *opt = create(2), *alone[COUNT];
  group.gradient_release = RADAM_ON;
  add_group(opt, &group);
  group.gradient_release = RADAM_OFF;
  for (uint32_t i = 0; i < COUNT; i++) {
    fill(data[i], LEN, i);
    fill(expected[i], LEN, i);
    add_f32(opt, 0, NULL, NULL, LEN);
    alone[i] = create(1);
    add_f32(alone[i], add_group(alone[i], &group), expected[i], same_grads[i], LEN);
  }
  for (uint32_t step = 0; step < 2 * STEP_OPTIONS; step++) {
    radam_step_options options = step_options((int)step % STEP_OPTIONS);
    options.max_grad_norm = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
      radam_step_report found, report;
      OK(NULL, radam_step_report_init(&found, sizeof found));
      OK(NULL, radam_step_report_init(&report, sizeof report));
      fill(grads[i], LEN, 100 * step + i);
      if (i == 1 && options.skip_nonfinite == RADAM_ON) grads[i][LEN / 2] = INFINITY; /* skips this one only */
      memcpy(same_grads[i], grads[i], sizeof grads[i]);
      OK(opt, radam_step_tensor(opt, i, data[i], grads[i], &options, &found));
      OK(alone[i], radam_step_with(alone[i], &options, &report));
      CHECK(is_same_report(found, report), "step %u: another report of tensor %u", step, i);
      CHECK(memcmp(data[i], expected[i], sizeof data[i]) == 0, "step %u: tensor %u has other bits", step, i);
      CHECK(memcmp(grads[i], same_grads[i], sizeof grads[i]) == 0, "step %u: gradient %u has other bits", step, i);
    }
  }
  uint64_t steps[2];
  for (uint32_t i = 0; i < 2; i++) OK(opt, radam_step_count(opt, i, &steps[i]));
  CHECK(steps[0] == 2 * STEP_OPTIONS && steps[1] == steps[0] - 4, "%llu and %llu steps are counted, skipped ones too",
        (unsigned long long)steps[0], (unsigned long long)steps[1]);
  OK(opt, radam_free(opt));
  for (int i = 0; i < COUNT; i++) OK(alone[i], radam_free(alone[i]));
}

/* Without options and report, as radam_step_param; and a registered gradient plays no part. */
static void as_radam_step_param(void) {
  enum { LEN = 3000 };
  static float data[LEN], expected[LEN], grad[LEN], registered_grad[LEN], kept[LEN];
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1), *twin = create(1);
  options.gradient_release = RADAM_ON;
  fill(data, LEN, 1);
  fill(expected, LEN, 1);
  fill(registered_grad, LEN, 9);
  memcpy(kept, registered_grad, sizeof kept);
  add_f32(opt, add_group(opt, &options), data, registered_grad, LEN);
  add_f32(twin, add_group(twin, &options), expected, NULL, LEN);
  for (uint32_t step = 0; step < 8; step++) {
    fill(grad, LEN, 2 + step);
    OK(opt, radam_step_tensor(opt, 0, NULL, grad, NULL, NULL));
    OK(twin, radam_step_param(twin, 0, grad));
  }
  CHECK(memcmp(data, expected, sizeof data) == 0, "radam_step_tensor gives other bits than radam_step_param");
  CHECK(memcmp(kept, registered_grad, sizeof kept) == 0, "a registered gradient is written");
  OK(opt, radam_free(opt));
  OK(twin, radam_free(twin));
}

/* A frozen parameter is not stepped, nor measured; zero_grad zeroes its gradient all the same. */
static void frozen_does_nothing(void) {
  enum { LEN = 64 };
  float data[LEN], before[LEN], grad[LEN], kept[LEN];
  radam_group_options group = group_options();
  radam_step_options options = step_options(0);
  radam_step_report report;
  uint64_t steps = 77;
  radam_optimizer *opt = create(1);
  group.gradient_release = RADAM_ON;
  fill(data, LEN, 1);
  memcpy(before, data, sizeof data);
  fill(grad, LEN, 2);
  memcpy(kept, grad, sizeof grad);
  add_f32(opt, add_group(opt, &group), NULL, NULL, LEN);
  OK(opt, radam_set_frozen(opt, 0, RADAM_ON));
  OK(NULL, radam_step_report_init(&report, sizeof report));
  options.skip_nonfinite = RADAM_ON;
  OK(opt, radam_step_tensor(opt, 0, data, grad, &options, &report));
  CHECK(report.params_stepped == 0 && report.skipped == 0 && report.grad_norm == 0 && memcmp(grad, kept, sizeof grad) == 0,
        "a frozen parameter is told as %llu stepped, with a norm of %g", (unsigned long long)report.params_stepped, report.grad_norm);
  options.zero_grad = RADAM_ON;
  OK(opt, radam_step_tensor(opt, 0, data, grad, &options, NULL));
  OK(opt, radam_step_count(opt, 0, &steps));
  CHECK(steps == 0 && memcmp(data, before, sizeof data) == 0, "a frozen parameter steps");
  for (int i = 0; i < LEN; i++) CHECK(grad[i] == 0, "zero_grad leaves the gradient of a frozen parameter");
  OK(opt, radam_step_tensor(opt, 0, NULL, kept, NULL, NULL)); /* and needs no place */
  OK(opt, radam_set_frozen(opt, 0, RADAM_OFF));
  OK(opt, radam_step_tensor(opt, 0, data, kept, NULL, NULL));
  CHECK(memcmp(data, before, sizeof data) != 0, "a parameter that is not frozen any more does not step");
  OK(opt, radam_free(opt));
}

/* Without elements, no array is needed, and the step counts. */
static void no_elements(void) {
  radam_group_options group = group_options();
  radam_step_report report;
  uint64_t steps = 77;
  radam_optimizer *opt = create(1);
  group.gradient_release = RADAM_ON;
  add_f32(opt, add_group(opt, &group), NULL, NULL, 0);
  OK(NULL, radam_step_report_init(&report, sizeof report));
  OK(opt, radam_step_tensor(opt, 0, NULL, NULL, NULL, &report));
  OK(opt, radam_step_count(opt, 0, &steps));
  CHECK(steps == 1 && report.params_stepped == 1 && report.grad_norm == 0, "a step of no elements: %llu counted, a norm of %g",
        (unsigned long long)steps, report.grad_norm);
  OK(opt, radam_free(opt));
}

int main(void) {
  alarm(300); /* ends what hangs */
  same_bits_as_of_all_at_once();
  each_by_itself();
  as_radam_step_param();
  frozen_does_nothing();
  no_elements();
  return 0;
}
