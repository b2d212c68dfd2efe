/* Random calls, right ones and wrong ones, of all that can be called on an optimizer on a GPU, and the same on one on the CPU:
   each must have the same outcome, message and output on both, and after every few of them, and each that is refused, all
   arrays and the checkpoints must be the same bits. Nothing waits for the GPU in between but what has to.

   usage: random_calls [CALLS [SEED [EVERY]]], comparing after so many calls */
#define _POSIX_C_SOURCE 200809L
#include "random_changes.h"

#include <unistd.h>

static radam_grad_sums measured;  /* of some step before */
static char kept[CHECKPOINT_MAX]; /* a checkpoint of some time before */
static uint64_t kept_size;

/* --- steps --- */

/* NaN has other bits on a GPU, so what is not finite any more begins anew. */
static void settle(void) {
  survey();
  for (int i = 0; i < w.count; i++) {
    const uint32_t id = w.members[i].id;
    const radam_param *const p = &w.members[i].param;
    bool finite = p->data == NULL || are_finite(p->dtype, p->data, p->len);
    for (radam_state which = RADAM_STATE_EXP_AVG; which <= RADAM_STATE_KAHAN_COMP; which++) {
      void *array;
      radam_dtype dtype;
      OK(CPU->opt, radam_param_state(CPU->opt, id, which, &array, &dtype));
      if (array != NULL && dtype != RADAM_DTYPE_Q8) finite = finite && are_finite(dtype, array, p->len);
    }
    if (finite) continue;
    note("  param %u begins anew", id);
    BOTH(radam_reset_state(on->opt, id));
    if (p->data != NULL) copy_numbers(p->dtype, p->data, at(GPU, p->data), p->len);
    if (p->copy != NULL) copy_numbers(p->copy_dtype, p->copy, at(GPU, p->copy), p->len);
  }
}

static void note_step(const char *call, const radam_step_options *o, bool reports) {
  note("%s: scale %g, norm %g, value %g, skip %d, zero %d, norms %d, sums %d, report %d", call, o->grad_scale, o->max_grad_norm,
       o->max_grad_value, o->skip_nonfinite, o->zero_grad, o->report_norms, o->grad_sums != NULL, reports);
}

static void redraw_grads(void) {
  note("other gradients");
  for (int i = 0; i < w.count; i++) {
    const radam_param *const p = &w.members[i].param;
    if (p->grad != NULL && one_in(2)) copy_numbers(p->grad_dtype, p->grad, at(GPU, p->grad), p->len);
  }
}

/* As in training: several steps, perhaps by a schedule of learning rates. */
static void step(void) {
  const uint32_t group = w.groups > 0 ? (uint32_t)below(w.groups) : 0;
  const bool has_schedule = w.groups > 0 && one_in(2);
  for (int steps = (int)below(4); steps >= 0; steps--) {
    note("radam_step");
    BOTH(radam_step(on->opt));
    if (w.status != RADAM_OK) break;
    settle();
    if (has_schedule && steps > 0) BOTH(radam_set_lr(on->opt, group, 0.01 / (1 + steps)));
  }
}

static void zero_grad(void) {
  note("radam_zero_grad");
  BOTH(radam_zero_grad(on->opt));
}

/* Makes an element infinite, until the step is over. */
static bool spoil_grad(const radam_param *p) {
  if (p->grad == NULL || p->len == 0) return false;
  char *const element = (char *)p->grad + below(p->len) * BYTES[p->grad_dtype];
  const char *const infinity = infinity_of(p->grad_dtype);
  memcpy(element, infinity, BYTES[p->grad_dtype]);
  DRIVER(cuMemcpyDtoDAsync_v2, device(at(GPU, element)), device(at(GPU, infinity)), BYTES[p->grad_dtype], w.stream);
  return true;
}

static void new_reports(radam_step_report reports[2]) {
  const bool wrong = one_in(40);
  for (int i = 0; i < 2; i++) {
    OK(NULL, radam_step_report_init(&reports[i], sizeof *reports));
    if (wrong) reports[i].struct_size = 1;
  }
}

static void step_with(void) {
  const member *const m = w.count > 0 && one_in(6) ? &w.members[below((uint64_t)w.count)] : NULL;
  const bool is_spoiled = m != NULL && spoil_grad(&m->param), has_report = one_in(3), has_options = is_spoiled || !one_in(20);
  radam_step_options options = some_step_options(&measured);
  radam_step_report reports[2];
  if (is_spoiled) options.skip_nonfinite = RADAM_ON;
  new_reports(reports);
  note_step(is_spoiled ? "radam_step_with, a gradient is infinite" : "radam_step_with", &options, has_report);
  BOTH(radam_step_with(on->opt, has_options ? &options : NULL, has_report ? &reports[on == GPU] : NULL));
  SAME(is_same_report(reports[0], reports[1]), "other reports");
  if (is_spoiled) copy_numbers(m->param.grad_dtype, m->param.grad, at(GPU, m->param.grad), m->param.len);
  settle();
}

static bool is_released(const member *m) { return options_of_group(m->group).gradient_release == RADAM_ON; }

static void step_one(void) {
  uint32_t id = some_id();
  for (int i = 0; i < w.count && !one_in(50); i++)
    if (one_in(2) && is_released(&w.members[i])) id = w.members[i].id;
  const member *const m = find(id);
  radam_param none = {0};
  const radam_param *const p = m == NULL ? &none : &m->param;
  void *const grad = m == NULL ? NULL : one_in(3) ? p->grad : some_grad(p->grad_dtype, p->len);
  void *const data = m == NULL || one_in(2) ? NULL : one_in(3) ? p->data : some_data(p->dtype, p->len);
  radam_step_options options = some_step_options(&measured);
  if (options.grad_sums == NULL && !one_in(10)) options.max_grad_norm = 0;
  radam_step_report reports[2];
  new_reports(reports);
  const bool is_plain = one_in(3), has_options = !one_in(4), has_report = one_in(3);
  note_step(is_plain ? "radam_step_param" : "radam_step_tensor", &options, has_report);
  note("  param %u, grad in slot %d, data in slot %d", id, grad == NULL ? -1 : slot_of(grad), data == NULL ? -1 : slot_of(data));
  BOTH(is_plain ? radam_step_param(on->opt, id, at(on, grad))
                : radam_step_tensor(on->opt, id, at(on, data), at(on, grad), has_options ? &options : NULL,
                                    has_report ? &reports[on == GPU] : NULL));
  SAME(is_same_report(reports[0], reports[1]), "other reports");
  settle();
}

static void measure(void) {
  radam_grad_sums sums[2];
  OK(NULL, radam_grad_sums_init(&sums[0], sizeof *sums));
  if (one_in(3)) sums[0] = measured;
  if (one_in(20)) sums[0].reserved = 1;
  sums[1] = sums[0];
  note("radam_measure");
  BOTH(radam_measure(on->opt, &sums[on == GPU]));
  SAME(memcmp(&sums[0], &sums[1], sizeof *sums) == 0, "other sums");
  measured = sums[0];
  if (one_in(10)) measured.words[68]++; /* infinite elements of another process */
}

/* A step that is captured in a graph, perhaps with another gradient, and replayed with other learning rates. */
static void replay(void) {
  if (w.stream == NULL) return;
  const radam_step_options options = some_step_options(&measured);
  note_step("captured", &options, false);
  BOTH(radam_step_with(on->opt, &options, NULL)); /* loads the kernels */
  if (w.status != RADAM_OK) return;
  settle();
  CUgraph graph;
  CUgraphExec exec;
  DRIVER(cuStreamBeginCapture_v2, w.stream, (CUstreamCaptureMode)below(3));
  const member *const m = w.count > 0 && one_in(2) ? &w.members[below((uint64_t)w.count)] : NULL;
  if (m != NULL && m->param.grad != NULL && m->param.data != NULL) BOTH(radam_set_grad(on->opt, m->id, at(on, m->param.grad)));
  OK(GPU->opt, radam_step_with(GPU->opt, &options, NULL));
  DRIVER(cuStreamEndCapture, w.stream, &graph);
  DRIVER(cuGraphInstantiateWithFlags, &exec, graph, 0);
  for (uint64_t times = below(4); times > 0; times--) {
    note("  replayed");
    if (one_in(2)) set_one_option();
    DRIVER(cuGraphLaunch, exec, w.stream);
    OK(CPU->opt, radam_step_with(CPU->opt, &options, NULL));
    settle();
  }
  DRIVER(cuStreamSynchronize, w.stream);
  DRIVER(cuGraphExecDestroy, exec);
  DRIVER(cuGraphDestroy, graph);
}

/* --- getters --- */

static void get_of_group(void) {
  const uint32_t group = some_group();
  radam_group_options options[2];
  radam_group_report reports[2];
  double numbers[2][2] = {{0}};
  radam_toggle accumulation[2] = {0, 0};
  note("getters of group %u", group);
  for (int i = 0; i < 2; i++) {
    options[i] = group_options();
    OK(NULL, radam_group_report_init(&reports[i], sizeof *reports));
  }
  BOTH(radam_get_group_options(on->opt, group, &options[on == GPU]));
  BOTH(radam_get_group_report(on->opt, group, &reports[on == GPU]));
  BOTH(radam_get_lr(on->opt, group, &numbers[on == GPU][0]));
  BOTH(radam_get_weight_decay(on->opt, group, &numbers[on == GPU][1]));
  BOTH(radam_get_optimizer_accumulation(on->opt, &accumulation[on == GPU]));
  SAME(memcmp(&options[0], &options[1], sizeof *options) == 0, "other options of group %u", group);
  SAME(memcmp(&reports[0], &reports[1], sizeof *reports) == 0, "another report of group %u", group);
  SAME(memcmp(numbers[0], numbers[1], sizeof *numbers) == 0, "other numbers of group %u", group);
  SAME(accumulation[0] == accumulation[1], "accumulation is on and off");
}

static void get_of_param(void) {
  const uint32_t id = some_id();
  char names[2][64] = {"", ""}, advice[2][4096] = {"", ""};
  uint32_t ids[2] = {0, 0};
  uint64_t steps[2] = {0, 0};
  radam_toggle frozen[2] = {0, 0};
  void *places[2] = {NULL, NULL};
  note("getters of param %u", id);
  for (int i = 0; i < 2; i++) {
    radam_param_name(w.sides[i].opt, id, names[i], sizeof *names);
    radam_advice(w.sides[i].opt, advice[i], sizeof *advice);
  }
  BOTH(radam_param_id(on->opt, names[0], &ids[on == GPU]));
  BOTH(radam_step_count(on->opt, id, &steps[on == GPU]));
  BOTH(radam_get_frozen(on->opt, id, &frozen[on == GPU]));
  SAME(steps[0] == steps[1] && ids[0] == ids[1] && frozen[0] == frozen[1], "other numbers of param %u", id);
  SAME(strcmp(names[0], names[1]) == 0 && strcmp(advice[0], advice[1]) == 0, "another name of param %u, or other advice", id);
  for (radam_state which = 0; which <= RADAM_STATE_SCALE + 1; which++) state_of(id, which, places);
  const member *const m = find(id);
  radam_param param;
  OK(NULL, radam_param_init(&param, sizeof param));
  if (m == NULL) return;
  OK(GPU->opt, radam_get_param(GPU->opt, id, NULL, &param));
  const radam_param expected = param_on(GPU, m->param);
  SAME(memcmp(&param, &expected, sizeof param) == 0, "another description of param %u", id);
}

/* --- checkpoints --- */

static int32_t cancel(uint64_t done, uint64_t total, void *user) {
  (void)done, (void)total, (void)user;
  return 1;
}

static radam_load_options some_load_options(void) {
  radam_load_options options;
  OK(NULL, radam_load_options_init(&options, sizeof options));
  options.strict = some_toggle(), options.hyperparameters = some_toggle(), options.convert_state = some_toggle();
  if (one_in(20)) options.progress = cancel;
  return options;
}

/* Each goes on from the checkpoint of the other, or both from an earlier one, which may be of others or damaged. */
static void load(void) {
  const radam_load_options options = some_load_options();
  const bool is_kept = kept_size > 0 && one_in(3);
  compare();
  note("radam_load_from_buffer, kept %d: strict %d, hyperparameters %d, convert %d", is_kept, options.strict,
       options.hyperparameters, options.convert_state);
  for (int i = 0; i < 2 && is_kept; i++) memcpy(w.sides[i].checkpoint, kept, w.sides[i].size = kept_size);
  if (one_in(10)) {
    const uint64_t byte = below(CPU->size);
    for (int i = 0; i < 2; i++) w.sides[i].checkpoint[byte] ^= 4;
  }
  const uint64_t size = one_in(20) ? below(CPU->size) : CPU->size;
  BOTH(radam_load_from_buffer(on->opt, (on == CPU ? GPU : CPU)->checkpoint, size, &options));
}

static void keep(void) {
  compare();
  memcpy(kept, CPU->checkpoint, kept_size = CPU->size);
}

/* The same by files. */
static void load_files(void) {
  char paths[2][64];
  for (int i = 0; i < 2; i++) snprintf(paths[i], sizeof *paths, "/tmp/random_calls.%d.0x%d", (int)getpid(), i);
  const radam_load_options options = some_load_options();
  const int way = (int)below(3);
  note("radam_save, and load in way %d: strict %d, hyperparameters %d, convert %d", way, options.strict, options.hyperparameters,
       options.convert_state);
  radam_save_options save_options;
  OK(NULL, radam_save_options_init(&save_options, sizeof save_options));
  if (one_in(6)) save_options.progress = cancel;
  BOTH(radam_save_with(on->opt, paths[on == GPU], &save_options));
  const bool is_gone = one_in(10);
  for (int i = 0; i < 2 && is_gone; i++) unlink(paths[i]);
  const char *const others[] = {paths[1], paths[0]};
  BOTH(way == 0   ? radam_load(on->opt, others[on == GPU])
       : way == 1 ? radam_load_with(on->opt, others[on == GPU], &options)
                  : radam_load_shards(on->opt, &others[on == GPU], 1, &options));
  for (int i = 0; i < 2; i++) unlink(paths[i]);
}

int main(int argc, char **argv) {
  static const struct {
    void (*make)(void);
    int weight;
  } actions[] = {
      {create_twins, 1},     {use_freed, 1},        {set_stream, 4},       {add, 25},           {remove_param, 6},
      {set_grad, 30},        {set_data, 12},        {set_tensors, 12},     {set_group_options, 15}, {set_one_option, 20},
      {set_standing, 8},     {set_accumulation, 4}, {set_step_count, 5},   {reset_state, 3},    {write_state, 6},
      {redraw_grads, 40},    {step, 60},            {step_with, 60},       {step_one, 30},      {measure, 10},
      {zero_grad, 6},        {replay, 12},          {get_of_group, 6},     {get_of_param, 8},   {load, 8},
      {keep, 2},             {load_files, 2},
  };
  const uint64_t calls = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000, every = argc > 3 ? strtoull(argv[3], NULL, 10) : 4;
  w.seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  random_state = w.seed * 0x9e3779b97f4a7c15 | 1;
  alarm(300); /* ends what hangs */
  open_device();
  open_blocks();
  OK(NULL, radam_grad_sums_init(&measured, sizeof measured));
  int all = 0;
  for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) all += actions[i].weight;
  for (create_twins(); w.calls < calls; w.number++) {
    int number = (int)below((uint64_t)all);
    size_t i = 0;
    while (number >= actions[i].weight) number -= actions[i++].weight;
    survey();
    actions[i].make();
    if (w.is_due || w.number % every == 0) compare();
  }
  free_twins();
  CHECK(w.refused > calls / 50 && w.refused < calls / 2, "%d of %d calls were refused", (int)w.refused, (int)w.calls);
  printf("%d calls, %d of which were refused, have the bits of the CPU\n", (int)w.calls, (int)w.refused);
  return 0;
}
