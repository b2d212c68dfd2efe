/* Random calls that change twins: creating and freeing them, adding and removing, addresses, options, and the state. */
#ifndef RADAM_TESTS_RANDOM_CHANGES_H
#define RADAM_TESTS_RANDOM_CHANGES_H

#include "random_arguments.h"

static radam_optimizer *freed[2];

/* --- optimizers --- */

static void *allocate_on_gpu(uint64_t size, uint64_t alignment, void *user) {
  CUdeviceptr memory;
  (void)alignment; /* the driver's memory has more than enough */
  ++*(int *)user;
  DRIVER(cuMemAlloc_v2, &memory, size);
  return (void *)(uintptr_t)memory;
}

static void release_on_gpu(void *memory, uint64_t size, uint64_t alignment, void *user) {
  (void)size, (void)alignment;
  --*(int *)user;
  DRIVER(cuMemFree_v2, device(memory));
}

static void free_twins(void) {
  if (CPU->opt == NULL) return;
  compare();
  note("radam_free");
  BOTH((freed[on == GPU] = on->opt, radam_free(on->opt)));
  BOTH(radam_free(on->opt)); /* refused */
  for (int i = 0; i < 2; i++) CHECK(w.sides[i].allocations == 0, "memory of the allocator is left");
}

static void create_twins(void) {
  free_twins();
  const bool has_allocator = one_in(3);
  const int fault = one_in(10) ? 1 + (int)below(3) : 0;
  const uint64_t stream = below(STREAMS);
  note("radam_create, allocator %d, fault %d, stream %d", has_allocator, fault, (int)stream);
  for (int attempt = fault != 0 ? 0 : 1; attempt < 2; attempt++) {
    radam_options options[2];
    for (int i = 0; i < 2; i++) {
      side *const on = &w.sides[i];
      OK(NULL, radam_options_init(&options[i], sizeof *options));
      options[i].device = i == 0 ? RADAM_DEVICE_CPU : RADAM_DEVICE_CUDA;
      if (i == 1) options[i].cuda_stream = w.streams[stream];
      if (has_allocator)
        options[i].allocator = i == 0 ? (radam_allocator){allocate_on_host, release_on_host, &on->allocations}
                                      : (radam_allocator){allocate_on_gpu, release_on_gpu, &on->allocations};
      if (attempt == 1) continue;
      if (fault == 1) options[i].struct_size = 2;
      if (fault == 2) options[i].num_threads = 5000;
      if (fault == 3) options[i].allocator.allocate = NULL, options[i].allocator.release = release_on_host;
    }
    BOTH(radam_create(&options[on == GPU], &on->opt));
    CHECK((w.status == RADAM_OK) == (attempt == 1), "radam_create gave %s", radam_status_string(w.status));
  }
  w.stream = w.streams[stream];
  w.groups = w.ids = 0;
  survey();
}

static void use_freed(void) {
  note("with handles that were freed");
  radam_optimizer *const opts[] = {CPU->opt, GPU->opt};
  for (int i = 0; i < 2; i++) w.sides[i].opt = one_in(2) ? NULL : freed[0] == NULL ? NULL : freed[i];
  BOTH(radam_step(on->opt));
  BOTH(radam_set_lr(on->opt, 0, 0.1));
  for (int i = 0; i < 2; i++) w.sides[i].opt = opts[i];
}

static void set_stream(void) {
  w.stream = w.streams[below(STREAMS)];
  note("radam_set_stream %p", (void *)w.stream);
  OK(GPU->opt, radam_set_stream(GPU->opt, w.stream));
}

/* --- what there is --- */

static uint32_t some_group(void) { return w.groups == 0 || one_in(30) ? w.groups : (uint32_t)below(w.groups); }
static uint32_t some_id(void) {
  if (w.count == 0 || one_in(30)) return (uint32_t)below(w.ids + 2);
  return w.members[below((uint64_t)w.count)].id;
}

/* The member of this id, or nothing. */
static const member *find(uint32_t id) {
  for (int i = 0; i < w.count; i++)
    if (w.members[i].id == id) return &w.members[i];
  return NULL;
}

static void note_param(const radam_param *p) {
  note("  a parameter of %llu elements, dtype %d, grad_dtype %d, copy_dtype %d, at %llu of %llu, %s: %d%d%d%d%d%d%d",
       (unsigned long long)p->len, p->dtype, p->grad_dtype, p->copy_dtype, (unsigned long long)p->tensor_offset,
       (unsigned long long)p->tensor_len, p->name == NULL ? "" : p->name, p->data != NULL, p->grad != NULL, p->copy != NULL,
       p->exp_avg != NULL, p->exp_avg_sq != NULL, p->kahan_comp != NULL, p->state_scale != NULL);
}

static void note_options(const radam_group_options *o) {
  note("  lr %g, beta %g %g, decay %g, eps %g, max_lr %g, state_dtype %d, kahan %d, remainder %d, stochastic %d, for_each %d, "
       "release %d, unrectified %d, decouple %d %d, threshold %g",
       o->lr, o->beta1, o->beta2, o->weight_decay, o->eps, o->max_lr, o->state_dtype, o->kahan_sum, o->master_remainder,
       o->stochastic_rounding, o->for_each, o->gradient_release, o->unrectified, o->decouple_wd, o->decouple_lr,
       o->rectify_threshold);
}

static void add(void) {
  enum { MOST = 3 };
  const bool is_new = w.groups < 2 || (w.groups < 6 && one_in(4)), one = !is_new && one_in(2);
  const int left = PARAMS_MAX - w.count, count = one ? 1 : (int)below(MOST + 1);
  if (count > left) return;
  const uint32_t group = some_group();
  const radam_group_options options = is_new ? some_group_options() : options_of_group(group);
  radam_param params[2][MOST];
  char names[MOST][16];
  uint32_t ids[2] = {0, 0};
  note("add: new group %d, group %u, count %d", is_new, group, count);
  note_options(&options);
  for (int i = 0; i < count; i++) {
    params[0][i] = some_param(&options, names[i]);
    note_param(&params[0][i]);
    params[1][i] = param_on(GPU, params[0][i]);
  }
  if (is_new) {
    const radam_group_options *const given = one_in(50) ? NULL : &options;
    BOTH(radam_add_param_group(on->opt, given, params[on == GPU], (uint64_t)count, &ids[on == GPU]));
    if (w.status == RADAM_OK) w.groups++;
  } else if (one) {
    const radam_param *const p = params[0];
    BOTH(radam_add_param(on->opt, group, p->dtype, p->grad_dtype, at(on, p->data), at(on, p->grad), p->len, p->name,
                         &ids[on == GPU]));
  } else {
    BOTH(radam_add_params(on->opt, group, params[on == GPU], (uint64_t)count, &ids[on == GPU]));
  }
  if (w.status == RADAM_OK) w.ids += (uint32_t)count;
  SAME(ids[0] == ids[1], "other ids: %u and %u", ids[0], ids[1]);
}

static void remove_param(void) {
  const uint32_t id = some_id();
  if (w.count < 4 && !one_in(4)) return;
  note("radam_remove_param %u", id);
  BOTH(radam_remove_param(on->opt, id));
}

/* --- addresses --- */

/* Of a gradient with these elements: another one, that of another parameter, none, or what it must not be. */
static void *some_grad(radam_dtype dtype, uint64_t len) {
  if (one_in(25)) return wrong_place(new_numbers(dtype, len));
  if (one_in(15)) return NULL;
  if (one_in(4))
    for (int i = 0; i < w.count; i++) {
      const radam_param *p = &w.members[i].param;
      if (p->grad != NULL && p->grad_dtype == dtype && p->len >= len && one_in(2)) return p->grad;
    }
  return new_numbers(dtype, len);
}

static void *some_data(radam_dtype dtype, uint64_t len) {
  if (one_in(25)) return wrong_place(new_numbers(dtype, len));
  return one_in(80) ? NULL : new_numbers(dtype, len);
}

static void set_grad(void) {
  const uint32_t id = some_id();
  const member *m = find(id);
  void *const grad = m == NULL ? NULL : some_grad(m->param.grad_dtype, m->param.len);
  note("radam_set_grad %u to %d", id, grad == NULL ? -1 : slot_of(grad));
  BOTH(radam_set_grad(on->opt, id, at(on, grad)));
}

static void set_data(void) {
  const uint32_t id = some_id();
  const member *m = find(id);
  void *const data = m == NULL ? NULL : some_data(m->param.dtype, m->param.len);
  note("radam_set_data %u to %d", id, data == NULL ? -1 : slot_of(data));
  BOTH(radam_set_data(on->opt, id, at(on, data)));
}

/* Of parameters in a row: some arrays stay, some change places, some are others. */
static void set_tensors(void) {
  enum { MOST = 64 };
  if (w.count == 0) return;
  const int first = (int)below((uint64_t)w.count), most = w.count - first;
  int count = 1;
  while (count < most && w.members[first + count].id == w.members[first].id + (uint32_t)count && !one_in(5)) count++;
  void *data[2][MOST], *grads[2][MOST];
  for (int i = 0; i < count; i++) {
    const radam_param *const p = &w.members[first + i].param, *const before = &w.members[first + i - (i > 0)].param;
    data[0][i] = one_in(2) ? p->data : some_data(p->dtype, p->len);
    grads[0][i] = one_in(2) ? p->grad : some_grad(p->grad_dtype, p->len);
    if (i > 0 && before->dtype == p->dtype && before->len == p->len && one_in(2))
      data[0][i] = before->data, data[0][i - 1] = p->data;
  }
  for (int i = 0; i < count; i++) data[1][i] = at(GPU, data[0][i]), grads[1][i] = at(GPU, grads[0][i]);
  const bool has_data = one_in(2), has_grads = !has_data || one_in(2);
  const uint64_t more = one_in(30) ? MOST : 0;
  note("radam_set_tensors from %u, count %d, data %d, grads %d", w.members[first].id, count, has_data, has_grads);
  BOTH(radam_set_tensors(on->opt, w.members[first].id, (uint64_t)count + more, has_data ? data[on == GPU] : NULL,
                         has_grads ? grads[on == GPU] : NULL));
}

/* --- options and state --- */

static void set_group_options(void) {
  const uint32_t group = some_group();
  radam_group_options options = some_group_options(), before = options_of_group(group);
  if (one_in(3)) options = before, options.state_dtype = one_in(2) ? RADAM_DTYPE_Q8 : RADAM_DTYPE_F32;
  else if (one_in(2)) { /* so that the state stays what it is */
    options.state_dtype = before.state_dtype, options.kahan_sum = before.kahan_sum;
    options.master_remainder = before.master_remainder, options.stochastic_rounding = before.stochastic_rounding;
  }
  note("radam_set_group_options %u", group);
  note_options(&options);
  BOTH(radam_set_group_options(on->opt, group, &options));
}

static void set_one_option(void) {
  const uint32_t group = some_group();
  const double lr = some_lr(), weight_decay = some_weight_decay();
  const bool is_lr = !one_in(3);
  note("group %u: %s %g", group, is_lr ? "lr" : "weight_decay", is_lr ? lr : weight_decay);
  BOTH(is_lr ? radam_set_lr(on->opt, group, lr) : radam_set_weight_decay(on->opt, group, weight_decay));
}

static void set_standing(void) {
  const uint32_t id = some_id();
  const radam_toggle frozen = one_in(20) ? 9 : one_in(3);
  note("radam_set_frozen %u %d", id, frozen);
  BOTH(radam_set_frozen(on->opt, id, frozen));
}

static void set_accumulation(void) {
  const radam_toggle value = one_in(20) ? 9 : one_in(4);
  note("radam_set_optimizer_accumulation %d", value);
  BOTH(radam_set_optimizer_accumulation(on->opt, value));
}

static void set_step_count(void) {
  static const uint64_t counts[] = {0, 1, 4, 5, 6, 100, 1000000, UINT32_MAX, 1ull << 32, UINT64_MAX - 1, UINT64_MAX};
  const uint32_t id = some_id();
  const uint64_t count = ONE_OF(counts);
  note("radam_set_step_count %u %llu", id, (unsigned long long)count);
  BOTH(radam_set_step_count(on->opt, id, count));
}

static void reset_state(void) {
  const uint32_t id = one_in(8) ? UINT32_MAX : some_id();
  note("radam_reset_state %u", id);
  BOTH(radam_reset_state(on->opt, id));
}

/* An array of the state on both sides; nothing if there is none. */
static radam_dtype state_of(uint32_t id, radam_state which, void *places[2]) {
  radam_dtype dtypes[2] = {0, 0};
  BOTH(radam_param_state(on->opt, id, which, &places[on == GPU], &dtypes[on == GPU]));
  SAME(dtypes[0] == dtypes[1] && (places[0] == NULL) == (places[1] == NULL), "other arrays of the state of param %u", id);
  return dtypes[0];
}

/* Writes to the arrays of a state, as a caller may. */
static void write_state(void) {
  const uint32_t id = some_id();
  const member *m = find(id);
  if (m == NULL) return;
  void *places[2] = {NULL, NULL};
  note("the state of %u is written", id);
  const radam_dtype dtype = state_of(id, RADAM_STATE_EXP_AVG, places);
  if (places[0] == NULL) return;
  if (dtype == RADAM_DTYPE_Q8) set_bytes(places[0], places[1], (int)below(256), m->param.len);
  else copy_numbers(dtype, places[0], places[1], m->param.len);
  state_of(id, RADAM_STATE_EXP_AVG_SQ, places);
  /* A number above 0 in every dtype. */
  set_bytes(places[0], places[1], 0x3c, m->param.len * (dtype == RADAM_DTYPE_Q8 ? 1 : BYTES[dtype]));
}

#endif
