/* Every function, given a handle that is not one: an error with a message, never a crash, and the
   optimizers that do exist go on as if nothing had happened. */
#include "check.h"

static void invalid(radam_status status, const char *call, const char *kind, int line) {
  char message[512] = "";
  CHECK(status == RADAM_ERROR_INVALID_HANDLE, "line %d: %s on %s gave %s", line, call, kind, radam_status_string(status));
  uint64_t bytes = radam_last_error(NULL, message, sizeof message);
  CHECK(bytes == strlen(message) + 1 && strstr(message, "opt") != NULL,
        "line %d: %s on %s said '%s' (%llu bytes)", line, call, kind, message, (unsigned long long)bytes);
}

#define INVALID(call) invalid(call, #call, kind, __LINE__)

static void every_function_refuses(radam_optimizer *bad, const char *kind) {
  float data[4] = {1, 2, 3, 4}, grad[4] = {5, 6, 7, 8};
  const float data_before[4] = {1, 2, 3, 4}, grad_before[4] = {5, 6, 7, 8};
  radam_group_options options = group_options();
  double number = 123;
  uint32_t id = 123;
  int32_t integer = 123;
  uint64_t steps = 123;
  char advice[8] = "kept";
  void *state = data, *const tensors[] = {data};
  const char *path = "nowhere/file";
  radam_step_report report;
  radam_group_report group_report;
  radam_grad_sums sums;
  radam_param param;
  OK(NULL, radam_grad_sums_init(&sums, sizeof sums));
  OK(NULL, radam_step_report_init(&report, sizeof report));
  OK(NULL, radam_group_report_init(&group_report, sizeof group_report));
  const radam_step_report report_before = report;
  const radam_group_report group_report_before = group_report;
  const radam_group_options options_before = options;
  const radam_grad_sums sums_before = sums;
  INVALID(radam_add_param_group(bad, &options, NULL, 0, &id));
  INVALID(radam_add_params(bad, 0, NULL, 0, &id));
  INVALID(radam_add_param(bad, 0, RADAM_DTYPE_F32, 0, data, grad, 4, NULL, &id));
  INVALID(radam_set_data(bad, 0, data));
  INVALID(radam_set_grad(bad, 0, grad));
  INVALID(radam_set_tensors(bad, 0, 1, tensors, tensors));
  INVALID(radam_param_id(bad, "param.0", &id));
  INVALID(radam_get_param(bad, 0, &id, &param));
  INVALID(radam_get_group_options(bad, 0, &options));
  INVALID(radam_set_group_options(bad, 0, &options));
  INVALID(radam_get_lr(bad, 0, &number));
  INVALID(radam_set_lr(bad, 0, 0.5));
  INVALID(radam_get_weight_decay(bad, 0, &number));
  INVALID(radam_set_weight_decay(bad, 0, 0.5));
  INVALID(radam_measure(bad, &sums));
  INVALID(radam_step(bad));
  INVALID(radam_step_param(bad, 0, grad));
  INVALID(radam_step_tensor(bad, 0, data, grad, NULL, &report));
  INVALID(radam_set_optimizer_accumulation(bad, RADAM_ON));
  INVALID(radam_get_optimizer_accumulation(bad, &integer));
  INVALID(radam_zero_grad(bad));
  INVALID(radam_step_count(bad, 0, &steps));
  INVALID(radam_step_with(bad, NULL, &report));
  INVALID(radam_step_begin(bad, NULL));
  INVALID(radam_step_wave(bad, &steps));
  INVALID(radam_step_chunk(bad, 0));
  INVALID(radam_step_for(bad, 1000, &steps));
  INVALID(radam_step_end(bad, &report));
  INVALID(radam_step_abort(bad));
  INVALID(radam_set_frozen(bad, 0, RADAM_ON));
  INVALID(radam_get_frozen(bad, 0, &integer));
  INVALID(radam_remove_param(bad, 0));
  INVALID(radam_reset_state(bad, 0));
  INVALID(radam_reset_state(bad, UINT32_MAX));
  INVALID(radam_set_step_count(bad, 0, 5));
  INVALID(radam_param_state(bad, 0, RADAM_STATE_EXP_AVG, &state, &integer));
  INVALID(radam_get_group_report(bad, 0, &group_report));
  INVALID(radam_save(bad, path));
  INVALID(radam_save_with(bad, path, NULL));
  INVALID(radam_save_to_buffer(bad, data, sizeof data, &steps));
  INVALID(radam_load(bad, path));
  INVALID(radam_load_with(bad, path, NULL));
  INVALID(radam_load_shards(bad, &path, 1, NULL));
  INVALID(radam_load_from_buffer(bad, data, sizeof data, NULL));
  INVALID(radam_free(bad));
  radam_last_error(bad, NULL, 0);
  CHECK(radam_advice(bad, advice, sizeof advice) == 1 && advice[0] == 0, "%s: there is advice on what is no optimizer", kind);
  CHECK(id == 123 && number == 123 && integer == 123 && steps == 123, "%s: a refused call wrote an output", kind);
  CHECK(state == data && memcmp(&report, &report_before, sizeof report) == 0 &&
        memcmp(&group_report, &group_report_before, sizeof group_report) == 0, "%s: a refused call wrote a report", kind);
  CHECK(memcmp(&options, &options_before, sizeof options) == 0 && memcmp(&sums, &sums_before, sizeof sums) == 0,
        "%s: a refused call wrote a struct", kind);
  CHECK(memcmp(data, data_before, sizeof data) == 0 && memcmp(grad, grad_before, sizeof grad) == 0,
        "%s: a refused call wrote a buffer", kind);
}

/* There can be so many optimizers at a time; then one more is refused until one is freed. */
static void as_many_as_there_can_be(void) {
  const size_t limit = sizeof(void *) == 8 ? 65536 : 4096;
  radam_optimizer **all = malloc(limit * sizeof *all), *one_more = NULL;
  CHECK(all != NULL, "no memory");
  for (size_t i = 0; i < limit; i++) OK(NULL, radam_create(NULL, &all[i]));
  CHECK(radam_create(NULL, &one_more) == RADAM_ERROR_OUT_OF_MEMORY && one_more == NULL, "there are more than %zu", limit);
  check_message(NULL, sizeof(void *) == 8 ? "65536" : "4096", "too many optimizers");
  OK(all[limit / 2], radam_free(all[limit / 2]));
  OK(NULL, radam_create(NULL, &all[limit / 2]));
  for (size_t i = 0; i < limit; i++) OK(all[i], radam_free(all[i]));
  free(all);
}

int main(void) {
  as_many_as_there_can_be();
  enum { LEN = 100, STEPS = 8 };
  float *data = filled(LEN, 1), *expected = filled(LEN, 1), *grad = filled(LEN, 2);
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1), *twin = create(1);
  add_f32(opt, add_group(opt, &options), data, grad, LEN);
  add_f32(twin, add_group(twin, &options), expected, grad, LEN);

  int on_the_stack = 0;
  void *on_the_heap = malloc(64);
  every_function_refuses(NULL, "NULL");
  every_function_refuses((radam_optimizer *)(void *)&on_the_stack, "a stack address");
  every_function_refuses(on_the_heap, "a heap address");
  every_function_refuses((radam_optimizer *)(uintptr_t)1, "the number 1");
  every_function_refuses((radam_optimizer *)UINTPTR_MAX, "the greatest address");
  for (unsigned bit = 0; bit < 8 * sizeof(uintptr_t); bit++) {
    radam_optimizer *flipped = (radam_optimizer *)((uintptr_t)opt ^ (uintptr_t)1 << bit);
    if (flipped != twin) every_function_refuses(flipped, "a handle with one bit flipped");
  }

  radam_optimizer *freed = create(1);
  OK(freed, radam_free(freed));
  every_function_refuses(freed, "a freed handle");
  radam_optimizer *next = create(1);
  CHECK(next != freed, "a new optimizer got a freed handle");
  every_function_refuses(freed, "a freed handle whose place is taken");
  OK(next, radam_free(next));

  radam_optimizer *many[300];
  for (int i = 0; i < 300; i++) many[i] = create(1);
  for (int i = 0; i < 300; i++) OK(many[i], radam_free(many[i]));
  for (int i = 0; i < 300; i++) every_function_refuses(many[i], "one of many freed handles");

  for (int step = 0; step < STEPS; step++) {
    OK(opt, radam_step(opt));
    OK(twin, radam_step(twin));
  }
  uint64_t steps;
  OK(opt, radam_step_count(opt, 0, &steps));
  CHECK(steps == STEPS && memcmp(data, expected, LEN * sizeof *data) == 0, "a call with a bad handle reached an optimizer");
  OK(opt, radam_free(opt));
  OK(twin, radam_free(twin));
  free(on_the_heap);
  free(data);
  free(expected);
  free(grad);
  return 0;
}
