/* Changes while training: frozen, removed and reset parameters, and the scalars of the next step. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "world.h"

#include <math.h>

static void step_all(world *w, uint32_t seed, const radam_step_options *options, radam_step_report *report) {
  fill_gradients(w, seed);
  OK(NULL, radam_step_report_init(report, sizeof *report));
  OK(w->opt, radam_step_with(w->opt, options, report));
}

/* A frozen parameter is one without gradient, also in norms; but zero_grad zeroes its gradient, as
   radam_zero_grad does. */
static void frozen_is_without_gradient(void) {
  static world frozen, without;
  make_world(&frozen, create(2));
  make_world(&without, create(1));
  for (uint32_t step = 0; step < 16; step++) {
    radam_step_options options = step_options((int)step % STEP_OPTIONS);
    radam_step_report report, expected;
    radam_toggle is_frozen = -1;
    const bool stands_still = step / 4 % 2 == 1;
    for (uint32_t i = 2; i < TENSORS; i += 5) {
      OK(frozen.opt, radam_set_frozen(frozen.opt, i, stands_still ? RADAM_ON : step < 4 ? RADAM_OFF : RADAM_AUTO));
      OK(frozen.opt, radam_get_frozen(frozen.opt, i, &is_frozen));
      CHECK(is_frozen == (stands_still ? RADAM_ON : RADAM_OFF), "step %u: frozen is %d", step, is_frozen);
      OK(without.opt, radam_set_grad(without.opt, i, stands_still ? NULL : without.tensors[i].grad));
    }
    step_all(&frozen, step, &options, &report);
    step_all(&without, step, &options, &expected);
    CHECK(is_same_report(report, expected), "step %u: another report", step);
    for (uint32_t i = 2; i < TENSORS; i += 5) {
      tensor *t = &without.tensors[i];
      if (options.zero_grad == RADAM_ON) memset(t->grad, 0, t->len * size_of(t->grad_dtype));
    }
    check_equal(&frozen, &without, "frozen parameters");
  }
  end_world(&frozen);
  end_world(&without);
}

/* radam_step_param on a frozen parameter does nothing, and succeeds. */
static void frozen_is_not_released(void) {
  float data[64], before[64], grad[64];
  uint64_t steps = 77;
  radam_optimizer *opt = create(1);
  radam_group_options options = group_options();
  options.gradient_release = RADAM_ON;
  fill(data, 64, 1);
  fill(before, 64, 1);
  fill(grad, 64, 2);
  add_f32(opt, add_group(opt, &options), data, NULL, 64);
  OK(opt, radam_set_frozen(opt, 0, RADAM_ON));
  OK(opt, radam_step_param(opt, 0, grad));
  OK(opt, radam_step_count(opt, 0, &steps));
  CHECK(steps == 0 && memcmp(data, before, sizeof data) == 0, "a frozen parameter steps");
  OK(opt, radam_set_frozen(opt, 0, RADAM_OFF));
  OK(opt, radam_step_param(opt, 0, grad));
  CHECK(memcmp(data, before, sizeof data) != 0, "a parameter that is not frozen any more does not step");
  OK(opt, radam_free(opt));
}

/* Parameters that are added to a group later, with everything that a struct can say. */
static void added_later_is_added(void) {
  enum { LEN = 100, COUNT = 3 };
  static float data[COUNT][LEN], grads[COUNT][LEN], expected[COUNT][LEN];
  static uint16_t copies[COUNT][LEN];
  radam_param params[COUNT];
  radam_group_options options = group_options();
  uint32_t first = 77;
  radam_optimizer *opt = create(1), *twin = create(1);
  add_f32(twin, add_group(twin, &options), expected[0], NULL, LEN);
  add_f32(opt, add_group(opt, &options), expected[0], NULL, LEN);
  for (uint32_t i = 0; i < COUNT; i++) {
    fill(data[i], LEN, i);
    fill(expected[i], LEN, i);
    fill(grads[i], LEN, 10 + i);
    OK(NULL, radam_param_init(&params[i], sizeof params[i]));
    params[i].dtype = RADAM_DTYPE_F32;
    params[i].data = data[i];
    params[i].grad = grads[i];
    params[i].len = LEN;
    params[i].copy = copies[i];
    if (i > 0) add_f32(twin, 0, expected[i], grads[i], LEN);
  }
  OK(opt, radam_add_params(opt, 0, params, COUNT, &first));
  CHECK(first == 1, "the first id is %u", first);
  OK(opt, radam_add_params(opt, 0, NULL, 0, NULL));
  OK(opt, radam_step(opt));
  OK(twin, radam_step(twin));
  for (uint32_t i = 1; i < COUNT; i++) {
    CHECK(memcmp(data[i], expected[i], sizeof data[i]) == 0, "parameter %u is stepped otherwise", i);
    CHECK(copies[i][LEN - 1] != 0, "parameter %u has no copy", i);
  }
  OK(opt, radam_free(opt));
  OK(twin, radam_free(twin));
}

/* A removed parameter leaves its memory, its name and nothing else; the others go on. */
static void removed_is_gone(void) {
  enum { LEN = 500 };
  static float data[4][LEN], grads[4][LEN], expected[4][LEN], given[3][LEN], kept[3][LEN];
  static uint16_t copy[LEN], kept_copy[LEN];
  radam_group_options options = group_options();
  radam_param param;
  uint32_t id = 77;
  options.kahan_sum = RADAM_ON;
  radam_optimizer *opt = create(1), *twin = create(1);
  add_group(twin, &options);
  add_group(opt, &options);
  for (uint32_t i = 0; i < 4; i++) {
    fill(data[i], LEN, i);
    fill(expected[i], LEN, i);
    fill(grads[i], LEN, 10 + i);
    if (i == 1) {
      OK(NULL, radam_param_init(&param, sizeof param));
      param.dtype = RADAM_DTYPE_F32;
      param.len = LEN;
      param.data = data[i];
      param.grad = grads[i];
      param.name = "middle";
      param.copy = copy;
      param.exp_avg = given[0];
      param.exp_avg_sq = given[1];
      param.kahan_comp = given[2];
      OK(opt, radam_add_param_group(opt, &options, &param, 1, NULL));
    } else {
      add_f32(opt, 0, data[i], grads[i], LEN);
    }
    if (i < 3) add_f32(twin, 0, expected[i], grads[i], LEN);
  }
  radam_optimizer *both[] = {opt, twin};
  OK(opt, radam_remove_param(opt, 3));
  for (int step = 0; step < 6; step++)
    for (int i = 0; i < 2; i++) OK(both[i], radam_step(both[i]));
  OK(opt, radam_remove_param(opt, 1));
  OK(twin, radam_set_grad(twin, 1, NULL));
  memcpy(kept, given, sizeof kept);
  memcpy(kept_copy, copy, sizeof copy);
  for (int step = 0; step < 6; step++)
    for (int i = 0; i < 2; i++) OK(both[i], radam_step(both[i]));
  OK(opt, radam_reset_state(opt, UINT32_MAX));
  OK(opt, radam_zero_grad(opt));
  CHECK(memcmp(data[0], expected[0], 3 * sizeof data[0]) == 0, "other parameters get other bits, or the removed one steps");
  CHECK(memcmp(given, kept, sizeof given) == 0 && memcmp(copy, kept_copy, sizeof copy) == 0,
        "memory of a removed parameter is written");
  CHECK(grads[1][0] != 0 && grads[0][0] == 0, "radam_zero_grad is wrong about who was removed");

  /* All that it had is free, in other roles too; ids are not given again. */
  param.data = given[0];
  param.grad = given[1];
  param.exp_avg = data[1];
  param.exp_avg_sq = grads[1];
  param.copy = given[2];
  param.kahan_comp = NULL;
  OK(opt, radam_add_param_group(opt, &options, &param, 1, NULL));
  OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data[3], copy, 1, "param.3", &id));
  CHECK(id == 5, "the parameter after the fifth, of which two were removed, is %u", id);
  OK(opt, radam_step(opt));
  OK(opt, radam_free(opt));
  OK(twin, radam_free(twin));
}

/* After a reset, a run is one that begins with the parameters as they are. */
static void reset_begins_anew(void) {
  static world reset, fresh;
  radam_step_options options = step_options(0);
  radam_step_report report;
  make_world(&reset, create(2));
  make_world(&fresh, create(1));
  for (uint32_t step = 0; step < 7; step++) step_all(&reset, step, &options, &report);
  for (uint32_t i = 0; i < TENSORS; i++) {
    memcpy(fresh.tensors[i].data, reset.tensors[i].data, reset.tensors[i].len * size_of(reset.tensors[i].dtype));
    OK(reset.opt, radam_reset_state(reset.opt, i));
  }
  for (int round = 0; round < 2; round++) {
    for (uint32_t step = 0; step < 7; step++) {
      step_all(&reset, step, &options, &report);
      step_all(&fresh, step, &options, &report);
      check_equal(&reset, &fresh, "a run that begins anew");
    }
    OK(reset.opt, radam_reset_state(reset.opt, UINT32_MAX));
    OK(fresh.opt, radam_reset_state(fresh.opt, UINT32_MAX));
    for (uint32_t i = 0; i < TENSORS; i++) {
      uint64_t steps = 77;
      void *state = NULL;
      radam_dtype dtype;
      OK(reset.opt, radam_step_count(reset.opt, i, &steps));
      OK(reset.opt, radam_param_state(reset.opt, i, RADAM_STATE_EXP_AVG_SQ, &state, &dtype));
      CHECK(steps == 0, "a reset parameter has made %llu steps", (unsigned long long)steps);
      for (uint64_t byte = 0; state != NULL && byte < lengths[i % LENGTHS] * size_of(dtype); byte++)
        CHECK(((char *)state)[byte] == 0, "the state of a reset parameter is not 0");
    }
  }
  end_world(&reset);
  end_world(&fresh);
}

static void check_close(double found, double expected, const char *what, uint64_t step) {
  CHECK(fabs(found - expected) <= 1e-9 * fmax(1, fabs(expected)), "step %llu: %s is %.17g, not %.17g",
        (unsigned long long)step, what, found,
        expected);
}

/* The formulas of the paper, written anew. */
static void check_report(radam_optimizer *opt, uint64_t step, double beta2, bool rectify, double decay_factor) {
  radam_group_report report;
  const double beta1 = 0.9, lr = 0.01, t = (double)step, power = pow(beta2, t);
  const double rho_inf = 2 / (1 - beta2) - 1, rho = rho_inf - 2 * t * power / (1 - power);
  const bool rectified = !rectify || rho > 5;
  const double r = !rectify ? 1 : rho > 5 ? sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) : 0;
  OK(NULL, radam_group_report_init(&report, sizeof report));
  OK(opt, radam_get_group_report(opt, 0, &report));
  CHECK(report.step == step && report.rectified == rectified, "step %llu is told as step %llu, rectified %d",
        (unsigned long long)step,
        (unsigned long long)report.step, report.rectified);
  check_close(report.rho_inf, rho_inf, "rho_inf", step);
  check_close(report.rho, rho, "rho", step);
  check_close(report.r, r, "r", step);
  check_close(report.effective_lr, rectified ? lr * r : lr, "effective_lr", step);
  check_close(report.beta1_hat, (pow(beta1, t) - beta1) / (pow(beta1, t) - 1), "beta1_hat", step);
  check_close(report.beta2_hat, (power - beta2) / (power - 1), "beta2_hat", step);
  check_close(report.decay_factor, decay_factor, "decay_factor", step);
}

static void the_next_step_is_told(void) {
  float data[2][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}}, grads[2][4] = {{1, 1, 1, 1}, {1, 1, 1, 1}};
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1);
  add_group(opt, &options);
  check_report(opt, 1, 0.99, true, 1); /* without parameters */
  add_f32(opt, 0, data[0], grads[0], 4);
  for (uint64_t step = 1; step < 12; step++) {
    check_report(opt, step, 0.99, true, 1);
    OK(opt, radam_step(opt));
  }
  add_f32(opt, 0, data[1], grads[1], 4);
  check_report(opt, 12, 0.99, true, 1); /* that of the parameter with the most steps */
  OK(opt, SET_OPTION(opt, 0, decouple_wd, RADAM_ON));
  check_report(opt, 12, 0.99, true, 1 - 0.01 * 0.1);
  OK(opt, SET_OPTION(opt, 0, max_lr, 0.04));
  OK(opt, SET_OPTION(opt, 0, decouple_lr, RADAM_ON));
  check_report(opt, 12, 0.99, true, 1 - 0.01 / 0.04 * 0.1);
  OK(opt, radam_set_step_count(opt, 1, 999));
  OK(opt, SET_OPTION(opt, 0, beta2, 0.999));
  check_report(opt, 1000, 0.999, true, 1 - 0.01 / 0.04 * 0.1);
  OK(opt, SET_OPTION(opt, 0, rectify, RADAM_OFF));
  check_report(opt, 1000, 0.999, false, 1 - 0.01 / 0.04 * 0.1);
  OK(opt, radam_remove_param(opt, 1));
  check_report(opt, 12, 0.999, false, 1 - 0.01 / 0.04 * 0.1);
  OK(opt, radam_free(opt));
}

/* radam_update is what an optimizer does. */
static void steps_without_an_optimizer(void) {
  static world w;
  make_world(&w, create(2));
  char *copies[TENSORS];
  void *states[TENSORS][3];
  for (uint32_t i = 0; i < TENSORS; i++) {
    copies[i] = array_of(w.tensors[i].dtype, w.tensors[i].len);
    memcpy(copies[i], w.tensors[i].data, w.tensors[i].len * size_of(w.tensors[i].dtype));
    for (int j = 0; j < 3; j++) states[i][j] = array_of(RADAM_DTYPE_F64, w.tensors[i].len);
  }
  for (uint64_t step = 1; step <= 8; step++) {
    fill_gradients(&w, (uint32_t)step);
    OK(w.opt, radam_step(w.opt));
    for (uint32_t i = 0; i < TENSORS; i++) {
      const uint32_t kind = i / LENGTHS;
      const tensor *t = &w.tensors[i];
      if (kinds[kind].stochastic_rounding == RADAM_ON) continue; /* its random numbers depend on the id */
      radam_group_options options = group_options();
      options.decouple_wd = kind % 2 ? RADAM_ON : RADAM_OFF;
      options.master_remainder = kinds[kind].master_remainder;
      OK(NULL, radam_update(t->dtype, kinds[kind].grad_dtype, kinds[kind].state_dtype, copies[i], t->grad,
                            states[i][0], states[i][1],
                            states[i][2], t->len, &options, step));
      CHECK(memcmp(copies[i], t->data, t->len * size_of(t->dtype)) == 0,
            "step %llu: tensor %u has other bits than parameter %u",
            (unsigned long long)step, i, i);
      for (radam_state which = 1; which <= STATES; which++) {
        void *state;
        radam_dtype dtype;
        OK(w.opt, radam_param_state(w.opt, i, which, &state, &dtype));
        CHECK(state == NULL || memcmp(state, states[i][which < 3 ? which - 1 : 2], t->len * size_of(dtype)) == 0,
              "step %llu: state %d of tensor %u has other bits", (unsigned long long)step, which, i);
      }
    }
  }
  for (uint32_t i = 0; i < TENSORS; i++) {
    free(copies[i]);
    for (int j = 0; j < 3; j++) free(states[i][j]);
  }
  end_world(&w);
}

/* With stochastic rounding, a tensor is parameter 0. */
static void stochastic_steps_without_an_optimizer(void) {
  enum { LEN = 3000 };
  static uint16_t data[LEN], expected[LEN], grad[LEN], exp_avg[LEN], exp_avg_sq[LEN];
  uint32_t id;
  radam_group_options options = group_options();
  options.stochastic_rounding = RADAM_ON;
  options.seed = 99;
  fill_array(data, RADAM_DTYPE_BF16, LEN, 1);
  fill_array(expected, RADAM_DTYPE_BF16, LEN, 1);
  fill_array(grad, RADAM_DTYPE_BF16, LEN, 2);
  radam_optimizer *opt = create(1);
  OK(opt, radam_add_param(opt, add_group(opt, &options), RADAM_DTYPE_BF16, 0, expected, grad, LEN, NULL, &id));
  for (uint64_t step = 1; step <= 8; step++) {
    OK(opt, radam_step(opt));
    OK(NULL, radam_update(RADAM_DTYPE_BF16, 0, 0, data, grad, exp_avg, exp_avg_sq, NULL, LEN, &options, step));
    CHECK(memcmp(data, expected, sizeof data) == 0, "step %llu: other bits", (unsigned long long)step);
  }
  OK(opt, radam_free(opt));
}

int main(void) {
  added_later_is_added();
  frozen_is_without_gradient();
  frozen_is_not_released();
  removed_is_gone();
  reset_begins_anew();
  the_next_step_is_told();
  steps_without_an_optimizer();
  stochastic_steps_without_an_optimizer();
  return 0;
}
