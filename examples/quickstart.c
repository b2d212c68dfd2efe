#include "radam.h"
#include <stdio.h>
#include <stdlib.h>

static void check(radam_status status) {
  char message[512];
  if (status == RADAM_OK) return;
  radam_last_error(NULL, message, sizeof message);
  fprintf(stderr, "%s: %s\n", radam_status_string(status), message);
  exit(1);
}

int main(void) {
  float weight[3] = {0, 0, 0}, grad[3];
  const float target[3] = {1, -2, 3};
  radam_optimizer *opt;
  radam_group_options options;
  radam_param param;
  check(radam_create(NULL, &opt));
  check(radam_group_options_init(&options, sizeof options));
  options.lr = 0.05;
  check(radam_param_init(&param, sizeof param));
  param.dtype = RADAM_DTYPE_F32;
  param.len = 3;
  param.data = weight;
  param.grad = grad;
  check(radam_add_param_group(opt, &options, &param, 1, NULL));
  for (int step = 1; step <= 200; step++) {
    float loss = 0;
    for (int i = 0; i < 3; i++) {
      float error = weight[i] - target[i];
      loss += error * error;
      grad[i] = 2 * error;
    }
    check(radam_step(opt));
    if (step % 40 == 0) printf("step %3d  loss %9.6f\n", step, (double)loss);
  }
  printf("weight %.3f %.3f %.3f\n", (double)weight[0], (double)weight[1], (double)weight[2]);
  check(radam_free(opt));
}
