/* After parameters went or came, or their group is stepped in another way, the next step works on what there is then:
   each element once. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <unistd.h>

/* Lengths of tensors that share chunks of work of 16384 elements with their neighbours, and that have several. */
enum { PARAMS = 9, LONGEST = 50000 };

static const uint64_t lengths[PARAMS] = {10000, 6000, 6000, LONGEST, 300, 16384, 0, 12000, 5000};

typedef struct run {
  radam_optimizer *opt;
  float data[PARAMS][LONGEST];
  bool removed[PARAMS];
} run;

static run changed, fresh;
static float grads[PARAMS][LONGEST];

/* Parameters of two groups, every third of the second. */
static uint32_t group_of(uint32_t param) {
  return param % 3 == 2;
}

static void make(run *r, const radam_group_options *options) {
  memset(r->removed, 0, sizeof r->removed);
  r->opt = create(1);
  add_group(r->opt, options);
  add_group(r->opt, options);
  for (uint32_t i = 0; i < PARAMS; i++) {
    fill(r->data[i], LONGEST, i);
    fill(grads[i], LONGEST, 10 + i);
    add_f32(r->opt, group_of(i), r->data[i], grads[i], lengths[i]);
  }
}

/* The parameters as they must be: each stepped by itself, as often as it should have been. */
static void check_steps(const run *r, const uint64_t *steps, const char *when) {
  for (uint32_t i = 0; i < PARAMS; i++) {
    static float expected[LONGEST];
    uint64_t counted = 0;
    radam_group_options options = group_options();
    radam_optimizer *alone = create(1);
    fill(expected, LONGEST, i);
    add_f32(alone, add_group(alone, &options), expected, grads[i], lengths[i]);
    for (uint64_t step = 0; step < steps[i]; step++) OK(alone, radam_step(alone));
    OK(alone, radam_free(alone));
    CHECK(memcmp(r->data[i], expected, sizeof expected) == 0, "%s: parameter %u is not as after %llu steps", when, i,
          (unsigned long long)steps[i]);
    if (r->removed[i]) continue;
    OK(r->opt, radam_step_count(r->opt, i, &counted));
    CHECK(counted == steps[i], "%s: parameter %u has made %llu steps", when, i, (unsigned long long)counted);
  }
}

static void step_all(run *r, uint64_t *steps) {
  OK(r->opt, radam_step(r->opt));
  for (uint32_t i = 0; i < PARAMS; i++) steps[i] += !r->removed[i];
}

/* Each parameter in its turn, and then another one, behind a step that has cut the work with them. */
static void removed_parameters_are_not_missed(void) {
  for (uint32_t first = 0; first < PARAMS; first++) {
    uint64_t steps[PARAMS] = {0};
    const radam_group_options options = group_options();
    make(&changed, &options);
    step_all(&changed, steps);
    for (uint32_t i = 0; i < 2; i++) {
      const uint32_t param = (first + 4 * i) % PARAMS;
      OK(changed.opt, radam_remove_param(changed.opt, param));
      changed.removed[param] = true;
      step_all(&changed, steps);
      step_all(&changed, steps);
      check_steps(&changed, steps, "after a parameter was removed");
    }
    OK(changed.opt, radam_free(changed.opt));
  }
}

/* Groups whose gradients are released are left to others, and come back. */
static void released_groups_come_and_go(void) {
  uint64_t steps[PARAMS] = {0};
  const radam_group_options options = group_options();
  make(&changed, &options);
  step_all(&changed, steps);
  for (uint32_t round = 0; round < 4; round++) {
    const uint32_t released = round % 2;
    OK(changed.opt, SET_OPTION(changed.opt, released, gradient_release, RADAM_ON));
    OK(changed.opt, radam_step(changed.opt));
    for (uint32_t i = 0; i < PARAMS; i++) {
      if (group_of(i) != released) steps[i]++;
      if (group_of(i) != released || i % 2) continue;
      OK(changed.opt, radam_step_param(changed.opt, i, grads[i]));
      steps[i]++;
    }
    check_steps(&changed, steps, "while a group is released");
    OK(changed.opt, SET_OPTION(changed.opt, released, gradient_release, RADAM_OFF));
    step_all(&changed, steps);
    check_steps(&changed, steps, "when a group is released no more");
  }
  OK(changed.opt, radam_free(changed.opt));
}

/* How many waves a step has, all of whose parameters have something to step. */
static int waves_of(radam_optimizer *opt) {
  uint64_t chunks = 1;
  int waves = 0;
  OK(opt, radam_step_begin(opt, NULL));
  for (;; waves++) {
    OK(opt, radam_step_wave(opt, &chunks));
    if (chunks == 0) break;
    for (uint64_t chunk = 0; chunk < chunks; chunk++) OK(opt, radam_step_chunk(opt, chunk));
  }
  OK(opt, radam_step_end(opt, NULL));
  return waves;
}

/* With for_each off, every tensor that has elements has a wave of its own. */
static void waves_follow_for_each(void) {
  uint64_t steps[PARAMS] = {0};
  const radam_group_options options = group_options();
  make(&changed, &options);
  const struct { uint32_t group; radam_toggle for_each; int waves; } changes[] = {
    {0, RADAM_ON, 1}, {1, RADAM_OFF, 4}, {0, RADAM_OFF, 8}, {1, RADAM_AUTO, 6}, {0, RADAM_AUTO, 1},
  };
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    OK(changed.opt, SET_OPTION(changed.opt, changes[i].group, for_each, changes[i].for_each));
    const int waves = waves_of(changed.opt);
    for (uint32_t param = 0; param < PARAMS; param++) steps[param]++;
    CHECK(waves == changes[i].waves, "change %zu: %d waves, not %d", i, waves, changes[i].waves);
    check_steps(&changed, steps, "with another for_each");
  }
  OK(changed.opt, radam_free(changed.opt));
}

/* Parameters that join late, each behind a step, are as those that were there. */
static void parameters_join(void) {
  uint64_t steps[PARAMS] = {0};
  const radam_group_options options = group_options();
  fresh.opt = create(1);
  memset(fresh.removed, 0, sizeof fresh.removed);
  add_group(fresh.opt, &options);
  add_group(fresh.opt, &options);
  for (uint32_t i = 0; i < PARAMS; i++) fill(fresh.data[i], LONGEST, i);
  for (uint32_t i = 0; i < PARAMS; i++) {
    add_f32(fresh.opt, group_of(i), fresh.data[i], grads[i], lengths[i]);
    OK(fresh.opt, radam_step(fresh.opt));
    for (uint32_t j = 0; j <= i; j++) steps[j]++;
  }
  check_steps(&fresh, steps, "where parameters join");
  OK(fresh.opt, radam_free(fresh.opt));
}

int main(void) {
  alarm(300); /* ends what hangs */
  removed_parameters_are_not_missed();
  released_groups_come_and_go();
  waves_follow_for_each();
  parameters_join();
  return 0;
}
