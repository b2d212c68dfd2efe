// Trains on a GPU with radam: weights, gradients and state stay in its memory, and a training step is a CUDA graph.
//
//   nvcc -O2 -Iinclude examples/cuda/train.cu -o train -Ltarget/release -lradam -Xlinker -rpath=$PWD/target/release
//   ./train
//
// SPDX: MIT OR Apache-2.0
#include "radam.h"

#include <cuda_runtime.h>

#include <stdio.h>
#include <stdlib.h>

enum { WEIGHTS = 1 << 20, STEPS = 200 };

static void cuda(cudaError_t error) {
  if (error == cudaSuccess) return;
  fprintf(stderr, "%s: %s\n", cudaGetErrorName(error), cudaGetErrorString(error));
  exit(1);
}
static void check(radam_status status) {
  char message[512];
  if (status == RADAM_OK) return;
  radam_last_error(NULL, message, sizeof message);
  fprintf(stderr, "%s: %s\n", radam_status_string(status), message);
  exit(1);
}

// Each weight is to become the sine of its number; loss is the mean squared error.
__global__ void backward(const float *weight, float *grad, float *loss) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const float error = weight[i] - sinf(i);
  grad[i] = 2 * error;
  atomicAdd(loss, error * error / WEIGHTS);
}

int main(void) {
  float *weight, *grad, *loss;
  cuda(cudaMalloc((void **)&weight, WEIGHTS * sizeof *weight));
  cuda(cudaMalloc((void **)&grad, WEIGHTS * sizeof *grad));
  cuda(cudaMalloc((void **)&loss, sizeof *loss));
  cuda(cudaMemset(weight, 0, WEIGHTS * sizeof *weight));
  cudaStream_t stream;
  cuda(cudaStreamCreate(&stream));

  radam_options options;
  radam_group_options group;
  radam_optimizer *opt;
  check(radam_options_init(&options, sizeof options));
  options.device = RADAM_DEVICE_CUDA;
  options.cuda_stream = stream;
  check(radam_create(&options, &opt));
  check(radam_group_options_init(&group, sizeof group));
  group.lr = 0.05;
  check(radam_add_param_group(opt, &group, NULL, 0, NULL));
  check(radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, weight, grad, WEIGHTS, "weight", NULL));

  cudaGraph_t graph;
  cudaGraphExec_t training_step;
  for (int capture = 0; capture < 2; capture++) {  // the first step runs as it is, and loads the kernels
    if (capture) cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    cuda(cudaMemsetAsync(loss, 0, sizeof *loss, stream));
    backward<<<WEIGHTS / 256, 256, 0, stream>>>(weight, grad, loss);
    check(radam_step(opt));
  }
  cuda(cudaStreamEndCapture(stream, &graph));
  cuda(cudaGraphInstantiate(&training_step, graph, 0));

  for (int step = 2; step <= STEPS; step++) {
    check(radam_set_lr(opt, 0, 0.05 * (STEPS - step + 1) / STEPS));  // reaches the graph
    cuda(cudaGraphLaunch(training_step, stream));
    if (step % 50) continue;  // nothing waits for the GPU but the copy of the loss
    float value;
    cuda(cudaMemcpyAsync(&value, loss, sizeof value, cudaMemcpyDeviceToHost, stream));
    cuda(cudaStreamSynchronize(stream));
    printf("step %3d  loss %g\n", step, value);
  }
  uint64_t steps;
  check(radam_step_count(opt, 0, &steps));
  printf("%llu steps\n", (unsigned long long)steps);
  check(radam_free(opt));
  cuda(cudaGetLastError());
}
