/* What the programs about misuse share: two optimizers that have something of everything, one of which takes
   every misuse and must stay equal to the other. */
#ifndef MISUSE_H
#define MISUSE_H

#include "check.h"

enum { LEN = 8, GROUPS = 4, PARAMS = 6 };
enum { WEIGHT, BIAS, RELEASED, MASTER, PLACED, REMOVED };

/* Two f32 parameters; a bf16 one with gradient release; one with a master; one with a copy whose state is the
   caller's; and one that was removed. `hurt` takes every misuse; `twin` takes none and is what `hurt` must still
   equal. */
typedef struct world {
  radam_optimizer *opt;
  float weight[LEN], bias[LEN], weight_grad[LEN], bias_grad[LEN];
  uint16_t released[LEN], master[LEN], master_grad[LEN];
  float placed[LEN], placed_grad[LEN], exp_avg[LEN], exp_avg_sq[LEN], kahan_comp[LEN];
  uint16_t copy[LEN];
} world;

static world hurt, twin;

static inline void make(world *w) {
  fill(w->weight, LEN, 1);
  fill(w->bias, LEN, 2);
  fill(w->weight_grad, LEN, 3);
  fill(w->bias_grad, LEN, 4);
  fill(w->placed, LEN, 5);
  fill(w->placed_grad, LEN, 6);
  memset(w->released, 0x3f, sizeof w->released);
  memset(w->master, 0x3f, sizeof w->master);
  memset(w->master_grad, 0x3e, sizeof w->master_grad);
  memset(w->copy, 0x5a, sizeof w->copy);
  w->opt = create(1);
  radam_group_options options = group_options();
  uint32_t plain = add_group(w->opt, &options), id;
  OK(w->opt, radam_add_param(w->opt, plain, RADAM_DTYPE_F32, 0, w->weight, w->weight_grad, LEN, "weight", &id));
  OK(w->opt, radam_add_param(w->opt, plain, RADAM_DTYPE_F32, 0, w->bias, w->bias_grad, LEN, "bias", &id));
  options.gradient_release = RADAM_ON;
  uint32_t release = add_group(w->opt, &options);
  OK(w->opt, radam_add_param(w->opt, release, RADAM_DTYPE_BF16, 0, w->released, NULL, LEN, "released", &id));
  options = group_options();
  options.master_remainder = RADAM_ON;
  uint32_t masters = add_group(w->opt, &options);
  OK(w->opt, radam_add_param(w->opt, masters, RADAM_DTYPE_BF16, 0, w->master, w->master_grad, LEN, "master", &id));
  radam_param placed;
  OK(NULL, radam_param_init(&placed, sizeof placed));
  placed.dtype = RADAM_DTYPE_F32;
  placed.len = LEN;
  placed.data = w->placed;
  placed.grad = w->placed_grad;
  placed.name = "placed";
  placed.copy = w->copy;
  placed.exp_avg = w->exp_avg;
  placed.exp_avg_sq = w->exp_avg_sq;
  placed.kahan_comp = w->kahan_comp;
  options = group_options();
  options.kahan_sum = RADAM_ON;
  OK(w->opt, radam_add_param_group(w->opt, &options, &placed, 1, NULL));
  OK(w->opt, radam_add_param(w->opt, plain, RADAM_DTYPE_F32, 0, w->placed_grad, NULL, 0, "removed", &id));
  OK(w->opt, radam_remove_param(w->opt, REMOVED));
}

/* Everything that the getters and the buffers show. */
static inline void check_unchanged(const char *call) {
  const world *a = &hurt, *b = &twin;
  CHECK(memcmp((const char *)a + sizeof a->opt, (const char *)b + sizeof b->opt, sizeof *a - sizeof a->opt) == 0,
        "%s was refused and yet wrote a buffer", call);
  for (uint32_t group = 0; group <= GROUPS; group++) {
    radam_group_options x = group_options(), y = group_options();
    CHECK(radam_get_group_options(a->opt, group, &x) == radam_get_group_options(b->opt, group, &y) &&
          memcmp(&x, &y, sizeof x) == 0, "%s was refused and yet changed options of group %u", call, group);
  }
  for (uint32_t param = 0; param <= PARAMS; param++) {
    uint64_t x = 0, y = 0;
    radam_toggle i = 0, j = 0;
    CHECK(radam_step_count(a->opt, param, &x) == radam_step_count(b->opt, param, &y) && x == y,
          "%s was refused and yet changed the step count of parameter %u", call, param);
    CHECK(radam_get_frozen(a->opt, param, &i) == radam_get_frozen(b->opt, param, &j) && i == j,
          "%s was refused and yet froze parameter %u", call, param);
    for (radam_state which = RADAM_STATE_EXP_AVG; which <= RADAM_STATE_MASTER_REMAINDER; which++) {
      void *state = NULL, *other = NULL;
      radam_dtype dtype = 0, other_dtype = 0;
      CHECK(radam_param_state(a->opt, param, which, &state, &dtype) == radam_param_state(b->opt, param, which, &other, &other_dtype) &&
            dtype == other_dtype && (state == NULL) == (other == NULL), "%s was refused and yet changed state %d of parameter %u", call, which, param);
      CHECK(state == NULL || memcmp(state, other, LEN * (dtype == RADAM_DTYPE_F32 ? 4 : 2)) == 0,
            "%s was refused and yet wrote state %d of parameter %u", call, which, param);
    }
  }
  radam_toggle on = 0;
  OK(a->opt, radam_get_optimizer_accumulation(a->opt, &on));
  CHECK(on == RADAM_OFF, "%s was refused and yet switched accumulation on", call);
}

static inline void refused(const radam_optimizer *opt, radam_status status, radam_status expected, const char *word, const char *call, int line) {
  char message[512] = "";
  uint64_t bytes = radam_last_error(opt, message, sizeof message);
  CHECK(status == expected, "line %d: %s gave %s, not %s: %s", line, call, radam_status_string(status), radam_status_string(expected), message);
  CHECK(bytes == strlen(message) + 1, "line %d: %s: the message takes %llu bytes: %s", line, call, (unsigned long long)bytes, message);
  CHECK(strstr(message, word) != NULL, "line %d: %s: the message does not name '%s': %s", line, call, word, message);
  check_unchanged(call);
}

/* A call on `hurt` that must be refused with a message that has `word` in it. */
#define REFUSED(expected, word, call) refused(opt, call, RADAM_ERROR_##expected, word, #call, __LINE__)
/* The same for a call on another optimizer. */
#define REFUSED_ON(opt, expected, word, call) refused(opt, call, RADAM_ERROR_##expected, word, #call, __LINE__)
/* The same for a call without an optimizer. */
#define REFUSED_WITHOUT(expected, word, call) refused(NULL, call, RADAM_ERROR_##expected, word, #call, __LINE__)

/* What was refused left no trace: ids, names and every later bit are as without it. */
static inline void step_both(void) {
  for (int step = 0; step < 8; step++) {
    OK(hurt.opt, radam_step(hurt.opt));
    OK(twin.opt, radam_step(twin.opt));
  }
  check_unchanged("a whole round");
}

static inline void end_both(void) {
  uint32_t id;
  float data[LEN];
  OK(hurt.opt, radam_add_param(hurt.opt, 0, RADAM_DTYPE_F32, 0, data, NULL, LEN, "good", &id));
  CHECK(id == PARAMS, "the next parameter is %u, not %d", id, PARAMS);
  OK(hurt.opt, radam_free(hurt.opt));
  OK(twin.opt, radam_free(twin.opt));
}

/* Memory for a parameter with everything that can come with it. */
typedef struct tensor_memory {
  _Alignas(8) float data[LEN];
  float grad[LEN], state[3][LEN];
  uint16_t copy[LEN];
  _Alignas(8) char bytes[8 * LEN + 8];
} tensor_memory;

#endif
