/* Many arrays that move in one call: in any way that leaves them apart at its end, all of them or none. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "world.h"

#include <unistd.h>

/* Two parameters change places, which one after the other would overlap on the way. */
static void places_are_swapped(void) {
  enum { LEN = 5000 };
  static float data[2][LEN], expected[2][LEN], grads[2][LEN], kept[LEN];
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1), *twin = create(1);
  add_group(opt, &options);
  add_group(twin, &options);
  for (uint32_t i = 0; i < 2; i++) {
    fill(data[i], LEN, i);
    fill(expected[i], LEN, i);
    fill(grads[i], LEN, 10 + i);
    add_f32(opt, 0, data[i], grads[i], LEN);
    add_f32(twin, 0, expected[i], grads[i], LEN);
  }
  for (int step = 0; step < 8; step++) {
    OK(opt, radam_step(opt));
    OK(twin, radam_step(twin));
    const int now = step % 2; /* which of the places is parameter 0's */
    CHECK(memcmp(data[now], expected[0], sizeof data[0]) == 0 && memcmp(data[1 - now], expected[1], sizeof data[0]) == 0,
          "step %d: other bits after a swap", step);
    memcpy(kept, data[0], sizeof kept);
    memcpy(data[0], data[1], sizeof kept);
    memcpy(data[1], kept, sizeof kept);
    void *const places[] = {data[1 - now], data[now]};
    OK(opt, radam_set_tensors(opt, 0, 2, places, NULL));
  }
  OK(opt, radam_free(opt));
  OK(twin, radam_free(twin));
}

/* What were the elements of one becomes the gradient of another, and back. */
static void roles_are_swapped(void) {
  enum { LEN = 100 };
  static float memory[3][LEN], expected[LEN], grad[LEN];
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1), *twin = create(1);
  fill(memory[0], LEN, 1);
  fill(expected, LEN, 1);
  add_f32(twin, add_group(twin, &options), expected, grad, LEN);
  add_f32(opt, add_group(opt, &options), memory[0], memory[1], LEN);
  for (int step = 0; step < 9; step++) {
    float *data = memory[step % 3], *now = memory[(step + 1) % 3], *next = memory[(step + 1) % 3];
    fill(grad, LEN, 10 + (uint32_t)step);
    memcpy(now, grad, sizeof grad);
    OK(opt, radam_step(opt));
    OK(twin, radam_step(twin));
    CHECK(memcmp(data, expected, sizeof expected) == 0, "step %d: other bits where roles change", step);
    memcpy(next, data, sizeof expected);
    void *const places[] = {next}, *const grads[] = {memory[(step + 2) % 3]};
    OK(opt, radam_set_tensors(opt, 0, 1, places, grads));
  }
  OK(opt, radam_free(opt));
  OK(twin, radam_free(twin));
}

/* Of a part of the parameters, of their elements or gradients only, or of nothing. NULL for one unbinds it. */
static void parts_stay_as_they_are(void) {
  static world here, expected;
  void *places[TENSORS], *grads[TENSORS];
  make_world(&here, create(2));
  make_world(&expected, create(1));
  for (uint32_t step = 0; step < 12; step++) {
    const uint32_t first = step * 3, count = TENSORS - first - step / 2;
    world *both[] = {&here, &expected};
    for (int i = 0; i < 2; i++) fill_gradients(both[i], step);
    for (uint32_t i = 0; i < TENSORS; i++) {
      tensor *t = &here.tensors[i];
      if (i < first || i >= first + count) continue;
      const bool moves_data = step % 3 != 1, moves_grad = step % 3 != 2, has_grad = !moves_grad || (step + i) % 4 != 0;
      void **arrays[] = {&t->data, &t->grad};
      const radam_dtype dtypes[] = {t->dtype, t->grad_dtype};
      for (int j = 0; j < 2; j++) {
        if (j == 0 ? !moves_data : !moves_grad) continue;
        void *elsewhere = array_of(dtypes[j], t->len);
        memcpy(elsewhere, *arrays[j], t->len * size_of(dtypes[j]));
        free(*arrays[j]);
        *arrays[j] = elsewhere;
      }
      places[i] = t->data;
      grads[i] = has_grad ? t->grad : NULL;
      if (moves_grad) OK(expected.opt, radam_set_grad(expected.opt, i, has_grad ? expected.tensors[i].grad : NULL));
    }
    OK(here.opt, radam_set_tensors(here.opt, first, count, step % 3 != 1 ? places + first : NULL, step % 3 != 2 ? grads + first : NULL));
    OK(here.opt, radam_set_tensors(here.opt, first, count, NULL, NULL));
    OK(here.opt, radam_set_tensors(here.opt, TENSORS, 0, NULL, NULL));
    OK(here.opt, radam_set_tensors(here.opt, 0, 0, places, grads));
    OK(here.opt, radam_step(here.opt));
    OK(expected.opt, radam_step(expected.opt));
    check_equal(&here, &expected, "arrays that move");
  }
  for (uint32_t i = 0; i < TENSORS; i++) {
    places[i] = i % 2 ? here.tensors[i].data : NULL;
    grads[i] = i % 2 ? here.tensors[i].grad : NULL;
    if (i % 2) OK(expected.opt, radam_set_grad(expected.opt, i, expected.tensors[i].grad));
    else OK(expected.opt, radam_set_grad(expected.opt, i, NULL));
  }
  OK(here.opt, radam_set_tensors(here.opt, 0, TENSORS, places, grads));
  OK(here.opt, radam_step(here.opt));
  OK(expected.opt, radam_step(expected.opt));
  check_equal(&here, &expected, "where every second parameter is unbound");
  end_world(&here);
  end_world(&expected);
}

/* What was refused has left the places of before, for steps and for who looks for overlaps. */
static void all_or_nothing(void) {
  enum { COUNT = 8, LEN = 300 };
  static float data[COUNT][LEN], expected[COUNT][LEN], grads[COUNT][LEN], elsewhere[COUNT][LEN], kept[COUNT][LEN];
  static float new_grads[COUNT][LEN];
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1), *twin = create(1);
  void *places[COUNT], *gradients[COUNT];
  uint32_t id = 77;
  add_group(opt, &options);
  add_group(twin, &options);
  for (uint32_t i = 0; i < COUNT; i++) {
    fill(data[i], LEN, i);
    fill(expected[i], LEN, i);
    fill(grads[i], LEN, 10 + i);
    fill(elsewhere[i], LEN, 20 + i);
    add_f32(opt, 0, data[i], grads[i], LEN);
    add_f32(twin, 0, expected[i], grads[i], LEN);
  }
  memcpy(kept, elsewhere, sizeof kept);
  for (int bad = 0; bad < COUNT; bad++)
    for (int way = 0; way < 6; way++) {
      /* In the order of before, or backwards: the search for overlaps is made anew, or not. */
      for (int i = 0; i < COUNT; i++) {
        places[i] = elsewhere[way % 2 ? COUNT - 1 - i : i];
        gradients[i] = new_grads[way % 2 ? COUNT - 1 - i : i];
      }
      const int other = (bad + 1 + way / 2) % COUNT;
      if (way / 2 == 0) places[bad] = (float *)places[other] + LEN / 2;
      if (way / 2 == 1) gradients[bad] = (float *)places[other] - 1;
      if (way / 2 == 2) places[bad] = NULL;
      if (way / 2 == 2) places[other] = (float *)gradients[bad] + 1;
      CHECK(radam_set_tensors(opt, 0, COUNT, places, gradients) == RADAM_ERROR_INVALID_ARGUMENT, "an overlap was taken");
      check_message(opt, "overlap", "arrays that overlap");
      /* Where arrays were is theirs, and where they would have been is nobody's. */
      CHECK(radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data[bad] + LEN - 1, NULL, 1, NULL, &id) == RADAM_ERROR_INVALID_ARGUMENT &&
            radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, grads[bad], NULL, 1, NULL, &id) == RADAM_ERROR_INVALID_ARGUMENT,
            "after what was refused, arrays are not where they were");
      OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, elsewhere, NULL, sizeof elsewhere / sizeof(float), NULL, &id));
      OK(opt, radam_set_data(opt, id, new_grads));
      OK(opt, radam_remove_param(opt, id));
      OK(opt, radam_step(opt));
      OK(twin, radam_step(twin));
      CHECK(memcmp(data, expected, sizeof data) == 0, "way %d, parameter %d: what was refused has changed the bits", way, bad);
    }
  CHECK(memcmp(elsewhere, kept, sizeof kept) == 0, "memory that was refused is written");
  OK(opt, radam_free(opt));
  OK(twin, radam_free(twin));
}

/* What steps know of the arrays from before: which parameters have a place, and whether gradients share memory, so that
   none is zeroed before all have been read. */
static void the_next_step_knows(void) {
  enum { COUNT = 3, LEN = 100 };
  static float data[COUNT][LEN], expected[COUNT][LEN], grads[COUNT][LEN];
  radam_group_options group = group_options();
  radam_step_options options = step_options(5);
  radam_optimizer *opt = create(1), *twin = create(1);
  void *const shared[COUNT] = {grads[0], grads[0], grads[0]}, *const apart[COUNT] = {grads[0], grads[1], grads[2]};
  void *const lost[COUNT] = {data[0], NULL, data[2]}, *const all[COUNT] = {data[0], data[1], data[2]};
  add_group(opt, &group);
  add_group(twin, &group);
  for (uint32_t i = 0; i < COUNT; i++) {
    fill(data[i], LEN, i);
    fill(expected[i], LEN, i);
    add_f32(opt, 0, data[i], grads[i], LEN);
    add_f32(twin, 0, expected[i], grads[i], LEN);
  }
  for (uint32_t step = 0; step < 8; step++) {
    for (int i = 0; i < COUNT; i++) fill(grads[i], LEN, 10 + step);
    OK(twin, radam_step(twin));
    OK(opt, radam_set_tensors(opt, 0, COUNT, lost, step % 2 ? shared : apart));
    CHECK(radam_step(opt) == RADAM_ERROR_INVALID_STATE, "step %u: a gradient without data was taken", step);
    OK(opt, radam_set_tensors(opt, 0, COUNT, all, NULL));
    OK(opt, radam_step_with(opt, &options, NULL));
    CHECK(memcmp(data, expected, sizeof data) == 0, "step %u: other bits where gradients %s", step, step % 2 ? "share memory" : "are apart");
    CHECK(grads[0][0] == 0 && (grads[2][LEN - 1] == 0) == (step % 2 == 0), "step %u: gradients are not zeroed", step);
  }
  OK(opt, radam_free(opt));
  OK(twin, radam_free(twin));
}

/* As many as a large model has, in every order of addresses; what they leave is free. */
static void many_tensors_move(void) {
  enum { COUNT = 16000, LEN = 5, ROUNDS = 6 };
  float *memory = filled((size_t)COUNT * LEN * 3, 1), *expected = filled((size_t)COUNT * LEN, 1), *grads = filled((size_t)COUNT * LEN, 2);
  void **places = malloc(COUNT * sizeof *places), **gradients = malloc(COUNT * sizeof *gradients);
  radam_param *params = malloc(COUNT * sizeof *params);
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1), *twin = create(1);
  CHECK(places != NULL && gradients != NULL && params != NULL, "no memory");
  for (size_t i = 0; i < COUNT; i++) {
    OK(NULL, radam_param_init(&params[i], sizeof params[i]));
    params[i].dtype = RADAM_DTYPE_F32;
    params[i].len = LEN;
    params[i].data = expected + i * LEN;
    params[i].grad = grads + i * LEN;
  }
  OK(twin, radam_add_param_group(twin, &options, params, COUNT, NULL));
  for (size_t i = 0; i < COUNT; i++) params[i].data = places[i] = memory + i * LEN;
  for (size_t i = 0; i < COUNT; i++) params[i].grad = NULL;
  OK(opt, radam_add_param_group(opt, &options, params, COUNT, NULL));
  for (size_t round = 0; round < ROUNDS; round++) {
    for (size_t i = 0; i < COUNT; i++) {
      const size_t place = round / 2 % 2 ? COUNT - 1 - i : i * 7 % COUNT; /* every second time in the order of before */
      float *next = memory + (round % 3 * COUNT + place) * LEN;
      memmove(next, expected + i * LEN, LEN * sizeof *next);
      places[i] = next;
      gradients[i] = grads + i * LEN;
    }
    OK(opt, radam_set_tensors(opt, 0, COUNT, places, gradients));
    OK(opt, radam_step(opt));
    OK(twin, radam_step(twin));
    for (size_t i = 0; i < COUNT; i++)
      CHECK(memcmp(places[i], expected + i * LEN, LEN * sizeof(float)) == 0, "round %zu: tensor %zu has other bits", round, i);
  }
  OK(opt, radam_free(opt));
  OK(twin, radam_free(twin));
  free(memory);
  free(expected);
  free(grads);
  free(places);
  free(gradients);
  free(params);
}

int main(void) {
  alarm(300); /* ends what hangs */
  places_are_swapped();
  roles_are_swapped();
  parts_stay_as_they_are();
  all_or_nothing();
  the_next_step_knows();
  many_tensors_move();
  return 0;
}
