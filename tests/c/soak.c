/* A long training run that goes on in one optimizer after another, each of which loads what the one before has saved.
   Parameters come and go. Memory stays what it was, no handle comes twice or finds what was freed, and every count and
   every bit of the weights is what plain arithmetic gives.

   `soak STEPS` makes as many steps, a multiple of 10,000. */
#define _GNU_SOURCE
#include "allocator.h"

#include <math.h>

/* A block of memory may have a few bytes more than another one of the same size, hence the slack. */
enum { LIFE = 10000, WEIGHTS = 3, DEFAULT_STEPS = 10 * LIFE, MOST_LIVES = 10000, SLACK = 400 };

static double weights[WEIGHTS], grads[WEIGHTS];
static uint16_t halves[50], half_grads[50];
static float passing[20], passing_grads[20];

/* What the weights should be, and their moments. */
static double expected[WEIGHTS], exp_avg[WEIGHTS], exp_avg_sq[WEIGHTS];

static radam_optimizer *lives[MOST_LIVES];
static char path[128];

enum { WEIGHT, HALF, PASSING };

static radam_optimizer *begin_life(void) {
  radam_optimizer *opt = create(1);
  radam_group_options options = group_options();
  options.decouple_wd = RADAM_ON;
  const uint32_t group = add_group(opt, &options);
  OK(opt, radam_add_param(opt, group, RADAM_DTYPE_F64, 0, weights, grads, WEIGHTS, "weight", NULL));
  OK(opt, radam_add_param(opt, group, RADAM_DTYPE_BF16, 0, halves, half_grads, 50, "half", NULL));
  return opt;
}

/* A few rises and falls over the whole run, as schedules have them. */
static double rate_of(uint64_t step) {
  return 1e-3 * (1 + cos((double)step * 1e-5));
}

/* The rule for one number, with the scalars of the step as the library reports them. */
static void expect_step(const radam_group_report *scalars, double lr, double weight_decay) {
  for (int i = 0; i < WEIGHTS; i++) {
    exp_avg[i] = scalars->beta1_hat * exp_avg[i] + (1 - scalars->beta1_hat) * grads[i];
    exp_avg_sq[i] = scalars->beta2_hat * exp_avg_sq[i] + (1 - scalars->beta2_hat) * grads[i] * grads[i];
    double change = scalars->effective_lr * exp_avg[i];
    if (scalars->rectified) change = change / (sqrt(exp_avg_sq[i]) + 1e-6);
    expected[i] = expected[i] - (lr * weight_decay * expected[i] + change);
  }
}

static void step_once(radam_optimizer *opt, uint64_t step) {
  const double lr = rate_of(step);
  radam_group_report scalars;
  OK(NULL, radam_group_report_init(&scalars, sizeof scalars));
  for (int i = 0; i < WEIGHTS; i++) grads[i] = weights[i] - i + sin((double)step);
  OK(opt, radam_set_lr(opt, 0, lr));
  OK(opt, radam_get_group_report(opt, 0, &scalars));
  CHECK(scalars.step == step, "step %llu is told as %llu", (unsigned long long)step, (unsigned long long)scalars.step);
  OK(opt, radam_step(opt));
  expect_step(&scalars, lr, 0.1);
  CHECK(memcmp(weights, expected, sizeof weights) == 0, "step %llu gives other bits", (unsigned long long)step);
}

/* The ids of parameters go on, and do not come again. */
static void come(radam_optimizer *opt, uint32_t times_before) {
  uint32_t id = 77;
  OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, passing, passing_grads, 20, "passing", &id));
  CHECK(id == PASSING + times_before, "parameter number %u has the id %u", PASSING + times_before, id);
}

static void go(radam_optimizer *opt, uint32_t times_before, uint64_t steps_made) {
  uint32_t id = 77;
  uint64_t steps = 77;
  OK(opt, radam_param_id(opt, "passing", &id));
  OK(opt, radam_step_count(opt, id, &steps));
  CHECK(id == PASSING + times_before && steps == steps_made, "parameter %u has made %llu steps", id, (unsigned long long)steps);
  OK(opt, radam_remove_param(opt, id));
  CHECK(radam_step_count(opt, id, &steps) == RADAM_ERROR_INVALID_ARGUMENT, "a removed parameter is still there");
}

static void live(radam_optimizer *opt, uint64_t steps_before) {
  enum { STAY = 500, VISITS = LIFE / (2 * STAY) };
  for (uint32_t visit = 0; visit < VISITS; visit++) {
    const uint64_t first = steps_before + visit * 2 * STAY + 1;
    come(opt, visit);
    for (uint64_t step = first; step < first + STAY; step++) step_once(opt, step);
    go(opt, visit, STAY);
    for (uint64_t step = first + STAY; step < first + 2 * STAY; step++) step_once(opt, step);
  }
}

static void check_counts(const radam_optimizer *opt, uint64_t expected_steps) {
  for (uint32_t i = WEIGHT; i <= HALF; i++) {
    uint64_t steps = 77;
    OK(opt, radam_step_count(opt, i, &steps));
    CHECK(steps == expected_steps, "parameter %u has made %llu steps, not %llu", i, (unsigned long long)steps,
          (unsigned long long)expected_steps);
  }
}

static void check_handles(uint32_t living) {
  double lr;
  for (uint32_t i = 0; i < living; i++) {
    CHECK(lives[i] != lives[living], "the optimizers %u and %u have the same handle", i, living);
    CHECK(radam_get_lr(lives[i], 0, &lr) == RADAM_ERROR_INVALID_HANDLE, "the handle of optimizer %u finds another one", i);
  }
}

static void soak(uint32_t count) {
  long bytes = 0;
  lives[0] = begin_life();
  for (uint32_t i = 0; i + 1 < count; i++) {
    live(lives[i], (uint64_t)i * LIFE);
    OK(lives[i], radam_save(lives[i], path));
    lives[i + 1] = begin_life();
    OK(lives[i + 1], radam_load(lives[i + 1], path));
    OK(lives[i], radam_free(lives[i]));
    check_handles(i + 1);
    check_counts(lives[i + 1], (uint64_t)(i + 1) * LIFE);
    if (i == 0) bytes = bytes_in_use;
    CHECK(labs(bytes_in_use - bytes) <= SLACK, "%ld bytes are in use after %u optimizers, not %ld", (long)bytes_in_use, i + 1, bytes);
  }
  live(lives[count - 1], (uint64_t)(count - 1) * LIFE);
  OK(lives[count - 1], radam_free(lives[count - 1]));
}

int main(int count, char **arguments) {
  const char *root = getenv("TMPDIR");
  const long steps = count > 1 ? atol(arguments[1]) : DEFAULT_STEPS;
  CHECK(steps > 0 && steps % LIFE == 0 && steps / LIFE <= MOST_LIVES, "%s steps", arguments[1]);
  snprintf(path, sizeof path, "%s/radam-soak-%ld", root != NULL && strlen(root) < 64 ? root : "/tmp", (long)getpid());
  find_real_functions();
  fill(passing, 20, 1);
  fill(passing_grads, 20, 2);
  for (int i = 0; i < 50; i++) halves[i] = half_grads[i] = (uint16_t)(0x3f80 + i);
  soak((uint32_t)(steps / LIFE));
  CHECK(steps == LIFE || remove(path) == 0, "%s is not there", path);
  return 0;
}
