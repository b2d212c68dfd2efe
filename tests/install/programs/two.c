// A program with two Rust libraries.
#include <radam.h>
#include <stdbool.h>
#include <stdio.h>

extern uint32_t other_sum(void);
extern bool other_catches(void);

int main(void) {
  float weight[3] = {1, 2, 3}, grad[3] = {1, 1, 1};
  radam_optimizer *opt;
  radam_group_options options;
  if (radam_create(NULL, &opt) != RADAM_OK) return 1;
  radam_group_options_init(&options, sizeof options);
  options.lr = 1;
  if (radam_add_param_group(opt, &options, NULL, 0, NULL) != RADAM_OK) return 2;
  if (radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, weight, grad, 3, "weight", NULL) != RADAM_OK) return 3;
  if (other_sum() != 500500) return 4;
  if (radam_step(opt) != RADAM_OK || weight[0] != 0) return 5;
  if (!other_catches()) return 6;
  if (radam_step(NULL) != RADAM_ERROR_INVALID_HANDLE) return 7;
  return radam_free(opt) == RADAM_OK ? 0 : 8;
}
