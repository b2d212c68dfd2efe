/* Parameters without a place: steps skip them, a gradient that could not go anywhere is refused, and their state
   is theirs all the while. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "world.h"

#include <unistd.h>

static void check_refused(const radam_optimizer *opt, radam_status status, const char *call) {
  CHECK(status == RADAM_ERROR_INVALID_STATE, "%s with a gradient and no data gave %s", call, radam_status_string(status));
  check_message(opt, "has a gradient and no data", call);
  check_message(opt, "\"lost\"", call);
}

/* Among parameters that have a place, one that has none changes nothing for them. */
static void steps_skip_them(void) {
  enum { LEN = 20000 };
  static float data[2][LEN], expected[2][LEN], late[LEN], expected_late[LEN], grads[3][LEN];
  radam_group_options options = group_options();
  radam_optimizer *opt = create(2), *twin = create(1);
  radam_step_report report;
  uint64_t steps = 77;
  void *state;
  add_group(opt, &options);
  add_group(twin, &options);
  for (uint32_t i = 0; i < 2; i++) {
    fill(data[i], LEN, i);
    fill(expected[i], LEN, i);
    add_f32(twin, 0, expected[i], grads[i], LEN);
  }
  fill(late, LEN, 2);
  fill(expected_late, LEN, 2);
  for (uint32_t i = 0; i < 3; i++) fill(grads[i], LEN, 10 + i);
  add_f32(opt, 0, data[0], grads[0], LEN);
  add_f32(opt, 0, NULL, NULL, LEN);
  add_f32(opt, 0, data[1], grads[1], LEN);
  for (int step = 0; step < 7; step++) {
    OK(NULL, radam_step_report_init(&report, sizeof report));
    OK(opt, radam_step_with(opt, NULL, &report));
    OK(twin, radam_step(twin));
    CHECK(report.params_stepped == 2, "%llu of two parameters with data stepped", (unsigned long long)report.params_stepped);
  }
  CHECK(memcmp(data, expected, sizeof data) == 0, "others get other bits beside a parameter without data");
  OK(opt, radam_step_count(opt, 1, &steps));
  CHECK(steps == 0, "a parameter without data has made %llu steps", (unsigned long long)steps);
  OK(opt, radam_param_state(opt, 1, RADAM_STATE_EXP_AVG, &state, NULL));
  for (size_t i = 0; i < LEN; i++) CHECK(((float *)state)[i] == 0, "the state of a parameter without data has changed");

  /* It begins when it gets a place. */
  OK(opt, radam_set_data(opt, 1, late));
  OK(opt, radam_set_grad(opt, 1, grads[2]));
  add_f32(twin, 0, expected_late, grads[2], LEN);
  for (int step = 0; step < 7; step++) {
    OK(opt, radam_step(opt));
    OK(twin, radam_step(twin));
  }
  CHECK(memcmp(late, expected_late, sizeof late) == 0, "a parameter that got its place late steps otherwise");
  OK(opt, radam_free(opt));
  OK(twin, radam_free(twin));
}

/* Every call that would step by it refuses the gradient, and changes nothing; others go on without it. */
static void gradients_need_data(void) {
  enum { LEN = 100 };
  float data[LEN], before[LEN], grad[LEN], kept_grad[LEN], place[LEN];
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1);
  radam_step_options zeroing;
  radam_step_report report;
  radam_grad_sums sums;
  uint32_t lost;
  uint64_t steps = 77, chunks;
  fill(data, LEN, 1);
  fill(grad, LEN, 2);
  fill(place, LEN, 3);
  memcpy(before, data, sizeof data);
  memcpy(kept_grad, grad, sizeof grad);
  OK(NULL, radam_step_options_init(&zeroing, sizeof zeroing));
  OK(NULL, radam_step_report_init(&report, sizeof report));
  OK(NULL, radam_grad_sums_init(&sums, sizeof sums));
  zeroing.zero_grad = RADAM_ON;
  const radam_step_report report_before = report;
  const radam_grad_sums sums_before = sums;
  add_f32(opt, add_group(opt, &options), data, grad, LEN);
  OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, NULL, grad, LEN, "lost", &lost));
  for (int round = 0; round < 2; round++) {
    check_refused(opt, radam_step(opt), "radam_step");
    check_refused(opt, radam_step_with(opt, &zeroing, &report), "radam_step_with");
    check_refused(opt, radam_step_begin(opt, &zeroing), "radam_step_begin");
    check_refused(opt, radam_measure(opt, &sums), "radam_measure");
    CHECK(radam_step_wave(opt, &chunks) == RADAM_ERROR_INVALID_STATE, "a refused radam_step_begin has begun");
    CHECK(memcmp(data, before, sizeof data) == 0 && memcmp(grad, kept_grad, sizeof grad) == 0, "a refused step stepped");
    CHECK(memcmp(&report, &report_before, sizeof report) == 0 && memcmp(&sums, &sums_before, sizeof sums) == 0,
          "a refused call wrote its output");
    OK(opt, radam_step_count(opt, 0, &steps));
    CHECK(steps == 0, "a refused step is counted");
    /* The same after data was there and went. */
    OK(opt, radam_set_data(opt, lost, place));
    OK(opt, radam_set_data(opt, lost, NULL));
  }

  /* A frozen one would not be stepped, and one of a group with gradient_release is not. */
  OK(opt, radam_set_frozen(opt, lost, RADAM_ON));
  OK(opt, radam_step_with(opt, NULL, &report));
  CHECK(report.params_stepped == 1, "%llu parameters stepped beside a frozen one", (unsigned long long)report.params_stepped);
  OK(opt, radam_measure(opt, &sums));
  OK(opt, radam_set_frozen(opt, lost, RADAM_OFF));
  check_refused(opt, radam_step(opt), "radam_step, thawed");
  OK(opt, SET_OPTION(opt, 0, gradient_release, RADAM_ON));
  OK(opt, radam_step_with(opt, &zeroing, &report));
  CHECK(report.params_stepped == 0 && grad[0] == kept_grad[0], "a released group is stepped or zeroed");
  OK(opt, SET_OPTION(opt, 0, gradient_release, RADAM_OFF));
  check_refused(opt, radam_step(opt), "radam_step, no longer released");
  OK(opt, radam_set_grad(opt, lost, NULL));
  OK(opt, radam_step(opt));
  OK(opt, radam_free(opt));
}

/* Without elements there is nothing that could be without a place. */
static void no_elements_need_no_data(void) {
  float grad[1] = {1};
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1);
  uint64_t steps = 77;
  add_f32(opt, add_group(opt, &options), NULL, grad, 0);
  OK(opt, radam_step(opt));
  OK(opt, radam_step_count(opt, 0, &steps));
  CHECK(steps == 1, "a parameter without elements has made %llu steps", (unsigned long long)steps);
  OK(opt, radam_free(opt));
}

/* Memory that a parameter has left is neither read nor written any more, and free for others. */
static void memory_is_left(void) {
  enum { LEN = 1000 };
  float data[LEN], kept[LEN], grad[LEN];
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1);
  fill(data, LEN, 1);
  fill(grad, LEN, 2);
  add_f32(opt, add_group(opt, &options), data, grad, LEN);
  OK(opt, radam_step(opt));
  memcpy(kept, data, sizeof data);
  OK(opt, radam_set_data(opt, 0, NULL));
  OK(opt, radam_set_data(opt, 0, NULL));
  OK(opt, radam_set_grad(opt, 0, NULL));
  OK(opt, radam_step(opt));
  CHECK(memcmp(data, kept, sizeof data) == 0, "memory that a parameter has left is written");
  CHECK(add_f32(opt, 0, data, grad, LEN) == 1, "another id");
  CHECK(radam_set_data(opt, 0, data) == RADAM_ERROR_INVALID_ARGUMENT, "two parameters have one place");
  check_message(opt, "overlap", "two parameters in one place");
  OK(opt, radam_step(opt));
  CHECK(memcmp(data, kept, sizeof data) != 0, "the next parameter in that memory does not step");
  OK(opt, radam_free(opt));
}

static void unbind_all(world *w) {
  for (uint32_t i = 0; i < TENSORS; i++) {
    OK(w->opt, radam_set_data(w->opt, i, NULL));
    OK(w->opt, radam_set_grad(w->opt, i, NULL));
  }
}

static void bind_all(world *w) {
  for (uint32_t i = 0; i < TENSORS; i++) {
    OK(w->opt, radam_set_grad(w->opt, i, w->tensors[i].grad));
    OK(w->opt, radam_set_data(w->opt, i, w->tensors[i].data));
  }
}

static void step_world(world *w, uint32_t first, uint32_t last) {
  for (uint32_t step = first; step <= last; step++) {
    fill_gradients(w, step);
    OK(w->opt, radam_step(w->opt));
  }
}

/* A run in which all places come, go and change, is saved without any, and goes on from the file. */
static void runs_go_on(void) {
  static world whole, here, there;
  make_world(&whole, create(1));
  make_world(&here, create(2));
  make_world(&there, create(2));
  uint64_t size, bound_size;
  step_world(&whole, 1, 7);
  step_world(&here, 1, 3);
  unbind_all(&here);
  OK(here.opt, radam_step(here.opt));
  for (uint32_t i = 0; i < TENSORS; i++) {
    tensor *t = &here.tensors[i];
    void *elsewhere = array_of(t->dtype, t->len);
    memcpy(elsewhere, t->data, t->len * size_of(t->dtype));
    free(t->data);
    t->data = elsewhere;
  }
  bind_all(&here);
  step_world(&here, 4, 7);
  check_equal(&here, &whole, "after data had no place for a time");

  OK(here.opt, radam_save_to_buffer(here.opt, NULL, 0, &bound_size));
  unbind_all(&here);
  OK(here.opt, radam_save_to_buffer(here.opt, NULL, 0, &size));
  unsigned char *bound = malloc(bound_size), *unbound = malloc(size);
  CHECK(bound != NULL && unbound != NULL && size == bound_size, "unbound, the checkpoint has %llu bytes", (unsigned long long)size);
  OK(here.opt, radam_save_to_buffer(here.opt, unbound, size, &size));
  bind_all(&here);
  OK(here.opt, radam_save_to_buffer(here.opt, bound, size, &size));
  CHECK(memcmp(bound, unbound, size) == 0, "a checkpoint depends on where the data are");

  unbind_all(&there);
  OK(there.opt, radam_load_from_buffer(there.opt, unbound, size, NULL));
  for (uint32_t i = 0; i < TENSORS; i++) {
    const tensor *from = &here.tensors[i], *to = &there.tensors[i];
    memcpy(to->data, from->data, to->len * size_of(to->dtype));
    if (to->copy != NULL) memcpy(to->copy, from->copy, to->len * size_of(to->copy_dtype));
  }
  bind_all(&there);
  step_world(&there, 8, 10);
  step_world(&whole, 8, 10);
  check_equal(&there, &whole, "after a checkpoint without data");
  free(bound);
  free(unbound);
  end_world(&whole);
  end_world(&here);
  end_world(&there);
}

/* The state changes its form without the data. */
static void state_is_converted(void) {
  static world bound, unbound;
  make_world(&bound, create(1));
  make_world(&unbound, create(1));
  step_world(&bound, 1, 7);
  step_world(&unbound, 1, 7);
  unbind_all(&unbound);
  world *both[] = {&bound, &unbound};
  for (int i = 0; i < 2; i++) {
    OK(both[i]->opt, SET_OPTION(both[i]->opt, 0, kahan_sum, RADAM_ON));
    OK(both[i]->opt, SET_OPTION(both[i]->opt, 3, state_dtype, RADAM_DTYPE_F32));
    OK(both[i]->opt, SET_OPTION(both[i]->opt, 4, master_remainder, RADAM_OFF));
  }
  bind_all(&unbound);
  for (int i = 0; i < 2; i++) step_world(both[i], 8, 10);
  check_equal(&unbound, &bound, "state that was converted without data");
  end_world(&bound);
  end_world(&unbound);
}

int main(void) {
  alarm(300); /* ends what hangs */
  steps_skip_them();
  gradients_need_data();
  no_elements_need_no_data();
  memory_is_left();
  runs_go_on();
  state_is_converted();
  return 0;
}
