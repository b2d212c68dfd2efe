/* Steps one tensor of each kind under callgrind, which counts the instructions between the requests
   here. Without callgrind, the requests do nothing. */
#include "check.h"

#include <valgrind/callgrind.h>

enum { LEN = 4096, FEW = 8, WARM_UP = 6, STEPS = 4 };

static _Alignas(64) double data[LEN], grad[LEN];

typedef struct kind {
  const char *name;
  radam_dtype dtype, grad_dtype, state_dtype;
  double beta2, weight_decay;
  radam_toggle decouple_wd, accumulation;
  uint64_t len;
  radam_toggle master_remainder;
} kind;

static const kind kinds[] = {
  {"f32", RADAM_DTYPE_F32, 0, 0, 0.99, 0, RADAM_OFF, RADAM_OFF, LEN, RADAM_OFF},
  {"f32 L2", RADAM_DTYPE_F32, 0, 0, 0.99, 0.1, RADAM_OFF, RADAM_OFF, LEN, RADAM_OFF},
  {"f32 decoupled", RADAM_DTYPE_F32, 0, 0, 0.99, 0.1, RADAM_ON, RADAM_OFF, LEN, RADAM_OFF},
  {"f32 unrectified", RADAM_DTYPE_F32, 0, 0, 0.5, 0, RADAM_OFF, RADAM_OFF, LEN, RADAM_OFF},
  {"f32 accumulation", RADAM_DTYPE_F32, 0, 0, 0.99, 0, RADAM_OFF, RADAM_ON, LEN, RADAM_OFF},
  {"f32, bf16 gradients", RADAM_DTYPE_F32, RADAM_DTYPE_BF16, 0, 0.99, 0, RADAM_OFF, RADAM_OFF, LEN, RADAM_OFF},
  {"f64", RADAM_DTYPE_F64, 0, 0, 0.99, 0, RADAM_OFF, RADAM_OFF, LEN, RADAM_OFF},
  {"f16", RADAM_DTYPE_F16, 0, 0, 0.99, 0, RADAM_OFF, RADAM_OFF, LEN, RADAM_OFF},
  {"f16, f32 state", RADAM_DTYPE_F16, 0, RADAM_DTYPE_F32, 0.99, 0, RADAM_OFF, RADAM_OFF, LEN, RADAM_OFF},
  {"bf16", RADAM_DTYPE_BF16, 0, 0, 0.99, 0, RADAM_OFF, RADAM_OFF, LEN, RADAM_OFF},
  {"bf16, f32 state", RADAM_DTYPE_BF16, 0, RADAM_DTYPE_F32, 0.99, 0, RADAM_OFF, RADAM_OFF, LEN, RADAM_OFF},
  {"f32, q8", RADAM_DTYPE_F32, 0, RADAM_DTYPE_Q8, 0.99, 0, RADAM_OFF, RADAM_OFF, LEN, RADAM_OFF},
  {"bf16, q8", RADAM_DTYPE_BF16, 0, RADAM_DTYPE_Q8, 0.99, 0, RADAM_OFF, RADAM_OFF, LEN, RADAM_OFF},
  {"bf16, remainder, q8", RADAM_DTYPE_BF16, 0, RADAM_DTYPE_Q8, 0.99, 0, RADAM_OFF, RADAM_OFF, LEN, RADAM_ON},
  {"f32 of 8 elements", RADAM_DTYPE_F32, 0, 0, 0.99, 0, RADAM_OFF, RADAM_OFF, FEW, RADAM_OFF}, /* nearly all is the call */
};

/* Instructions do not depend on the numbers, as long as no NaN is among them. */
static void count(const kind *k) {
  memset(data, 0x3c, sizeof data);
  memset(grad, 0x3b, sizeof grad);
  radam_optimizer *opt = create(1);
  radam_group_options options = group_options();
  options.lr = 1e-4;
  options.state_dtype = k->state_dtype;
  options.master_remainder = k->master_remainder;
  options.beta2 = k->beta2;
  options.weight_decay = k->weight_decay;
  options.decouple_wd = k->decouple_wd;
  add_group(opt, &options);
  uint32_t id;
  OK(opt, radam_add_param(opt, 0, k->dtype, k->grad_dtype, data, grad, k->len, NULL, &id));
  OK(opt, radam_set_optimizer_accumulation(opt, k->accumulation));
  for (int step = 0; step < WARM_UP; step++) OK(opt, radam_step(opt));
  CALLGRIND_ZERO_STATS;
  for (int step = 0; step < STEPS; step++) OK(opt, radam_step(opt));
  CALLGRIND_DUMP_STATS_AT(k->name);
  OK(opt, radam_free(opt));
}

int main(void) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) count(&kinds[i]);
  return 0;
}
