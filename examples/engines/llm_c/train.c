// Trains a small transformer to write Shakespeare, one character at a time, in plain C.
//
// It is written as trainers in C often are: all parameters are one array, all gradients are another, forward and
// backward pass (transformer.h) are loops, and the optimizer, AdamW, is a loop over these arrays. radam.patch, beside
// this file, exchanges AdamW for radam. README.md says how to build both.
//
// usage: train [text file] [steps]
//
// SPDX: MIT OR Apache-2.0

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- The model -----------------------------------------------------------------------------------

enum {
  CONTEXT = 48,
  CHANNELS = 64,
  LAYERS = 2,
  BATCH = 8,
};
#include "transformer.h"

// ---- The optimizer -------------------------------------------------------------------------------

static void adamw(float *params, const float *grads, float *m, float *v, size_t len, int step, float lr) {
  const float beta1 = 0.9f, beta2 = 0.99f, eps = 1e-6f, weight_decay = 0.1f;
  const float correction1 = 1.0f - powf(beta1, (float)step), correction2 = 1.0f - powf(beta2, (float)step);
#pragma omp parallel for
  for (size_t i = 0; i < len; i++) {
    m[i] = beta1 * m[i] + (1.0f - beta1) * grads[i];
    v[i] = beta2 * v[i] + (1.0f - beta2) * grads[i] * grads[i];
    const float update = m[i] / correction1 / (sqrtf(v[i] / correction2) + eps);
    params[i] -= lr * (update + weight_decay * params[i]);
  }
}

// ---- Training ------------------------------------------------------------------------------------

static unsigned char *read_text(const char *path, size_t *size) {
  static unsigned char text[1 << 20];
  FILE *file = fopen(path, "rb");
  if (!file) {
    fprintf(stderr, "train: cannot open %s\n", path);
    exit(1);
  }
  *size = fread(text, 1, sizeof text, file);
  fclose(file);
  for (size_t i = 0; i < *size; i++) text[i] &= VOCAB - 1;
  if (*size >= 20 * CONTEXT) return text;
  fprintf(stderr, "train: %s is shorter than %d characters\n", path, 20 * CONTEXT);
  exit(1);
}

static float *zeros(size_t len) {
  float *block = calloc(len, sizeof *block);
  if (!block) {
    fputs("train: out of memory\n", stderr);
    exit(1);
  }
  return block;
}

int main(int argc, char **argv) {
  const int steps = argc > 2 ? atoi(argv[2]) : 600;
  size_t size;
  const unsigned char *text = read_text(argc > 1 ? argv[1] : "examples/data/as_you_like_it.txt", &size);
  const size_t training = size / 10 * 9, len = sum(parameter_sizes);
  float *params = zeros(len), *grads = zeros(len);
  float *acts = zeros(sum(activation_sizes)), *dacts = zeros(sum(activation_sizes));
  float *m = zeros(len), *v = zeros(len);
  Parameters p, g;
  Activations a, d;
  unsigned char tokens[ROWS], targets[ROWS];
  uint64_t random = 1;
  divide(params, parameter_sizes, &p);
  divide(grads, parameter_sizes, &g);
  divide(acts, activation_sizes, &a);
  divide(dacts, activation_sizes, &d);
  initialize(&p, params, &random);
  printf("%zu parameters, %zu characters\n", len, size);
  float recent = 0.0f;
  for (int step = 1; step <= steps; step++) {
    load_batch(text, training, &random, tokens, targets);
    forward(p, a, tokens);
    recent += mean_loss(a, targets);
    memset(grads, 0, len * sizeof *grads);
    backward(p, g, a, d, tokens, targets);
    adamw(params, grads, m, v, len, step, 3e-3f);
    if (step % 100 == 0) {
      printf("step %4d  loss %.6f\n", step, (double)recent / 100);
      recent = 0.0f;
    }
  }
  float held_out = 0.0f;
  for (int i = 0; i < 20; i++) {
    load_batch(text + training, size - training, &random, tokens, targets);
    forward(p, a, tokens);
    held_out += mean_loss(a, targets) / 20;
  }
  printf("text not trained on: %.6f\n", (double)held_out);
  free(params), free(grads), free(acts), free(dacts), free(m), free(v);
}
