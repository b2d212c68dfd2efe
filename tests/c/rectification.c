/* The steps that are not rectified: what they move and what they leave, and where they end. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "world.h"

#include <math.h>
#include <unistd.h>

static radam_group_report report_of(const radam_optimizer *opt, uint32_t group) {
  radam_group_report report;
  OK(NULL, radam_group_report_init(&report, sizeof report));
  OK(opt, radam_get_group_report(opt, group, &report));
  return report;
}

static void *state_of(radam_optimizer *opt, uint32_t param, radam_state which, radam_dtype *dtype) {
  void *state = NULL;
  OK(opt, radam_param_state(opt, param, which, &state, dtype));
  return state;
}

/* Until steps are rectified, everything is as while gradients accumulate in the state: moments move, and parameters
   and decay of any kind wait. */
static void parameters_wait_and_moments_move(void) {
  static world waiting, accumulating;
  static char before[TENSORS][LONGEST * 8];
  world *both[] = {&waiting, &accumulating};
  make_world(&waiting, create(2));
  make_world(&accumulating, create(1));
  for (uint32_t group = 0; group < KINDS; group++) {
    OK(waiting.opt, SET_OPTION(waiting.opt, group, unrectified, RADAM_OFF));
    OK(accumulating.opt, SET_OPTION(accumulating.opt, group, unrectified, group % 2 ? RADAM_ON : RADAM_AUTO));
  }
  for (uint32_t i = 0; i < TENSORS; i++) memcpy(before[i], waiting.tensors[i].data, lengths[i % LENGTHS] * size_of(waiting.tensors[i].dtype));
  for (uint32_t step = 1; step <= 10; step++) {
    const bool rectified = step > 5;
    const radam_group_report report = report_of(waiting.opt, 0), usual = report_of(accumulating.opt, 0);
    CHECK(report.step == step && report.rectified == rectified && usual.rectified == rectified, "step %u: rectified is %d", step,
          report.rectified);
    CHECK(rectified ? report.effective_lr == usual.effective_lr && report.r > 0 : report.effective_lr == 0 && usual.effective_lr == 0.01,
          "step %u: effective_lr is %g, and usually %g", step, report.effective_lr, usual.effective_lr);
    OK(accumulating.opt, radam_set_optimizer_accumulation(accumulating.opt, rectified ? RADAM_OFF : RADAM_ON));
    radam_step_options options = step_options(step % 2 ? 2 : 6);
    for (int i = 0; i < 2; i++) {
      fill_gradients(both[i], step);
      OK(both[i]->opt, radam_step_with(both[i]->opt, &options, NULL));
    }
    check_equal(&waiting, &accumulating, "where steps that are not rectified wait");
    for (uint32_t i = 0; i < TENSORS; i++) {
      const tensor *t = &waiting.tensors[i];
      const bool stays = memcmp(before[i], t->data, t->len * size_of(t->dtype)) == 0;
      CHECK(rectified ? !stays || t->len < 64 : stays, "step %u: parameter %u %s", step, i, stays ? "stays" : "moves");
      radam_dtype dtype;
      const void *exp_avg = state_of(waiting.opt, i, RADAM_STATE_EXP_AVG, &dtype);
      static const char zeros[64];
      CHECK(t->len < 64 || memcmp(exp_avg, zeros, sizeof zeros) != 0, "step %u: exp_avg of parameter %u stands still", step, i);
      const char *compensation = state_of(waiting.opt, i, kinds[i / LENGTHS].master_remainder == RADAM_ON ? RADAM_STATE_MASTER_REMAINDER
                                          : RADAM_STATE_KAHAN_COMP, &dtype);
      for (uint64_t byte = 0; !rectified && compensation != NULL && byte < t->len * 2; byte++)
        CHECK(compensation[byte] == 0, "step %u: the compensation of parameter %u moves", step, i);
    }
  }
  end_world(&waiting);
  end_world(&accumulating);
}

/* Which step is the first that is rectified. */
static uint64_t first_rectified(double beta2, double threshold) {
  float data[1] = {1}, grad[1] = {1};
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1);
  options.beta2 = beta2;
  options.rectify_threshold = threshold;
  add_f32(opt, add_group(opt, &options), data, grad, 1);
  uint64_t step = 1;
  for (; !report_of(opt, 0).rectified; step++) {
    CHECK(step < 100 && report_of(opt, 0).r == 0, "no step is rectified, or r is %g before", report_of(opt, 0).r);
    OK(opt, radam_step(opt));
  }
  CHECK(report_of(opt, 0).rho > threshold, "step %llu is rectified with a rho of %g", (unsigned long long)step, report_of(opt, 0).rho);
  OK(opt, radam_free(opt));
  return step;
}

/* The steps of one number, by the formulas of the paper with moments that are stored debiased. */
static void threshold_4_steps_as_told(double beta2) {
  const double lr = 0.01, beta1 = 0.9, eps = 1e-6, rho_inf = 2 / (1 - beta2) - 1;
  double data[1] = {1}, grad[1], theta = 1, m = 0, v = 0;
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1);
  options.beta2 = beta2;
  options.weight_decay = 0;
  options.rectify_threshold = 4;
  add_group(opt, &options);
  OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F64, 0, data, grad, 1, NULL, NULL));
  for (int t = 1; t <= 30; t++) {
    const double power1 = pow(beta1, t), power2 = pow(beta2, t), g = 0.3 + 0.1 * (t % 7);
    const double hat1 = (power1 - beta1) / (power1 - 1), hat2 = (power2 - beta2) / (power2 - 1);
    const double rho = rho_inf - 2 * t * power2 / (1 - power2);
    grad[0] = g;
    m = hat1 * m + (1 - hat1) * g;
    v = hat2 * v + (1 - hat2) * g * g;
    const double r = rho > 4 ? sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) : 0;
    CHECK((rho > 4) == (t > 4), "step %d: rho is %g", t, rho);
    theta -= rho > 4 ? lr * r * m / (sqrt(v) + eps) : lr * m;
    CHECK(fabs(report_of(opt, 0).r - r) < 1e-9, "step %d: r is %.15g, not %.15g", t, report_of(opt, 0).r, r);
    OK(opt, radam_step(opt));
    CHECK(fabs(data[0] - theta) < 1e-12, "step %d: the parameter is %.17g, not %.17g", t, data[0], theta);
  }
  OK(opt, radam_free(opt));
}

int main(void) {
  alarm(300); /* ends what hangs */
  parameters_wait_and_moments_move();
  const double betas[] = {0.99, 0.999};
  for (int i = 0; i < 2; i++) {
    CHECK(first_rectified(betas[i], 5) == 6 && first_rectified(betas[i], 4) == 5, "beta2 %g: step %llu is the first to be rectified with a threshold of 5, "
          "and step %llu with 4", betas[i], (unsigned long long)first_rectified(betas[i], 5), (unsigned long long)first_rectified(betas[i], 4));
    threshold_4_steps_as_told(betas[i]);
  }
  return 0;
}
