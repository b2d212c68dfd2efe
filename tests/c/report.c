/* What a step tells of itself: how many parameters stepped, and norms that are numbers where there is nothing to
   measure. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "world.h"

#include <math.h>
#include <unistd.h>

static radam_step_report step(radam_optimizer *opt, const radam_step_options *options) {
  radam_step_report report;
  OK(NULL, radam_step_report_init(&report, sizeof report));
  report.reserved = 77;
  OK(opt, radam_step_with(opt, options, &report));
  CHECK(report.reserved == 0 && report.struct_size == sizeof report, "reserved is %u", report.reserved);
  return report;
}

/* Gradients that were set to none, or never set: RADAM_OK, and 0 parameters. */
static void nothing_has_a_gradient(void) {
  enum { LEN = 100 };
  float data[LEN], grad[LEN];
  radam_group_options group = group_options();
  radam_step_options everything = step_options(STEP_OPTIONS - 1);
  radam_optimizer *opt = create(1);
  fill(data, LEN, 1);
  fill(grad, LEN, 2);
  for (int stage = 0; stage < 5; stage++) {
    if (stage == 1) add_group(opt, &group);
    if (stage == 2) add_f32(opt, 0, data, NULL, LEN);
    if (stage == 3) OK(opt, radam_set_grad(opt, 0, grad));
    if (stage == 3) OK(opt, radam_set_frozen(opt, 0, RADAM_ON));
    if (stage == 4) OK(opt, radam_set_frozen(opt, 0, RADAM_OFF));
    if (stage == 4) OK(opt, SET_OPTION(opt, 0, gradient_release, RADAM_ON));
    OK(opt, radam_step(opt));
    for (int all = 0; all < 2; all++) {
      const radam_step_report report = step(opt, all ? &everything : NULL);
      CHECK(report.params_stepped == 0 && report.skipped == 0 && report.nonfinite == 0, "stage %d: %llu parameters stepped", stage,
            (unsigned long long)report.params_stepped);
      CHECK(report.grad_norm == 0 && report.clip_coefficient == 1, "stage %d: the norm of nothing is %g, clipped by %g", stage,
            report.grad_norm, report.clip_coefficient);
      CHECK(all ? report.update_norm == 0 && report.param_norm == 0 : isnan(report.update_norm) && isnan(report.param_norm),
            "stage %d: norms of %g and %g of nothing", stage, report.update_norm, report.param_norm);
      CHECK(report.threads == 1, "stage %d: nothing took %u threads", stage, report.threads);
    }
  }
  OK(opt, radam_free(opt));
}

/* Parameters without elements step, and have a norm of 0. */
static void no_elements_have_a_norm(void) {
  float grad[1] = {1};
  radam_group_options group = group_options();
  radam_step_options options = step_options(STEP_OPTIONS - 1);
  radam_optimizer *opt = create(1);
  add_f32(opt, add_group(opt, &group), NULL, grad, 0);
  for (int i = 0; i < 3; i++) {
    const radam_step_report report = step(opt, i == 0 ? NULL : &options);
    CHECK(report.params_stepped == 1 && report.grad_norm == 0 && report.clip_coefficient == 1 && report.nonfinite == 0,
          "no elements: %llu stepped, a norm of %g, clipped by %g", (unsigned long long)report.params_stepped, report.grad_norm,
          report.clip_coefficient);
    CHECK(i == 0 || (report.update_norm == 0 && report.param_norm == 0), "no elements have norms of %g and %g", report.update_norm,
          report.param_norm);
  }
  uint64_t steps = 77;
  OK(opt, radam_step_count(opt, 0, &steps));
  CHECK(steps == 3, "a parameter without elements has made %llu steps", (unsigned long long)steps);
  OK(opt, radam_free(opt));
}

/* As many as have a gradient; none where the step is skipped. */
static void parameters_are_counted(void) {
  static world w;
  radam_step_options skipping = step_options(4);
  make_world(&w, create(1));
  for (uint32_t without = 0; without <= TENSORS; without += 6) {
    for (uint32_t i = 0; i < TENSORS; i++) OK(w.opt, radam_set_grad(w.opt, i, i < without ? NULL : w.tensors[i].grad));
    const radam_step_report report = step(w.opt, NULL);
    CHECK(report.params_stepped == TENSORS - without, "%llu parameters stepped, of which %u have no gradient",
          (unsigned long long)report.params_stepped, without);
  }
  for (uint32_t i = 0; i < TENSORS; i++) OK(w.opt, radam_set_grad(w.opt, i, w.tensors[i].grad));
  put(w.tensors[LENGTHS - 1].grad, RADAM_DTYPE_F32, 5, INFINITY);
  radam_step_report report = step(w.opt, &skipping);
  CHECK(report.params_stepped == 0 && report.skipped == 1, "a step that was skipped has stepped %llu parameters",
        (unsigned long long)report.params_stepped);
  OK(w.opt, radam_set_optimizer_accumulation(w.opt, RADAM_ON));
  put(w.tensors[LENGTHS - 1].grad, RADAM_DTYPE_F32, 5, 1);
  report = step(w.opt, NULL);
  CHECK(report.params_stepped == TENSORS, "a step that accumulates has stepped %llu parameters", (unsigned long long)report.params_stepped);
  end_world(&w);
}

/* Without elements there is no array of state, whoever would have kept it. */
static void no_elements_have_no_state(void) {
  float arrays[4][1];
  radam_group_options group = group_options();
  radam_param param;
  radam_optimizer *opt = create(1);
  group.kahan_sum = RADAM_ON;
  OK(NULL, radam_param_init(&param, sizeof param));
  param.dtype = RADAM_DTYPE_F32;
  for (int given = 0; given < 2; given++) {
    if (given) {
      param.data = arrays[0];
      param.exp_avg = arrays[1];
      param.exp_avg_sq = arrays[2];
      param.kahan_comp = arrays[3];
    }
    uint32_t id;
    OK(opt, radam_add_param_group(opt, &group, NULL, 0, &id));
    OK(opt, radam_add_params(opt, id, &param, 1, &id));
    for (radam_state which = 1; which <= STATES; which++) {
      void *state = arrays;
      OK(opt, radam_param_state(opt, id, which, &state, NULL));
      CHECK(state == NULL, "state %d of no elements is at %p", which, state);
    }
  }
  OK(opt, radam_step(opt));
  OK(opt, radam_free(opt));
}

int main(void) {
  alarm(300); /* ends what hangs */
  nothing_has_a_gradient();
  no_elements_have_a_norm();
  parameters_are_counted();
  no_elements_have_no_state();
  return 0;
}
