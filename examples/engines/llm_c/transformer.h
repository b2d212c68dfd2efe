// A small transformer over characters: its tensors, forward pass and backward pass, for one thread or OpenMP's. In
// plain C, which compiles as C++ too.
//
// Whoever includes this has defined its size: CONTEXT (tokens in a sequence), CHANNELS (a multiple of 16), LAYERS and
// BATCH (sequences in a step).
//
// SPDX: MIT OR Apache-2.0
#ifndef TRANSFORMER_H
#define TRANSFORMER_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// ---- The model -----------------------------------------------------------------------------------

enum {
  VOCAB = 128,  // a token is an ASCII character
  HEAD_SIZE = 16,
  HEADS = CHANNELS / HEAD_SIZE,
  HIDDEN = 4 * CHANNELS,
  ROWS = BATCH * CONTEXT,
};

// The tensors, each for all layers. Weights are stored as [input][output].
typedef struct {
  float *token, *position;                // [VOCAB][CHANNELS], [CONTEXT][CHANNELS]
  float *norm1, *qkv, *out;               // of each layer: [CHANNELS], [CHANNELS][3 * CHANNELS], [CHANNELS][CHANNELS]
  float *norm2, *up, *down;               // of each layer: [CHANNELS], [CHANNELS][HIDDEN], [HIDDEN][CHANNELS]
  float *norm3, *logits;                  // [CHANNELS], [CHANNELS][VOCAB]
} Parameters;

// What the forward pass computes, or the gradients of that; a row is a token of a sequence.
typedef struct {
  float *input;                           // [LAYERS + 1][ROWS][CHANNELS]: of each layer, and the last one's output
  float *norm1, *qkv, *heads;             // of each layer: [ROWS][CHANNELS], [ROWS][3 * CHANNELS], [ROWS][CHANNELS]
  float *attention;                       // of each layer: [BATCH][HEADS][CONTEXT][CONTEXT]
  float *middle, *norm2, *hidden;         // of each layer: [ROWS][CHANNELS], [ROWS][CHANNELS], [ROWS][HIDDEN]
  float *norm3, *logits;                  // [ROWS][CHANNELS], [ROWS][VOCAB]
} Activations;

static const size_t parameter_sizes[] = {
    VOCAB * CHANNELS, CONTEXT * CHANNELS,
    LAYERS * CHANNELS, LAYERS * CHANNELS * 3 * CHANNELS, LAYERS * CHANNELS * CHANNELS,
    LAYERS * CHANNELS, LAYERS * CHANNELS * HIDDEN, LAYERS * HIDDEN * CHANNELS,
    CHANNELS, CHANNELS * VOCAB,
};
static const size_t activation_sizes[] = {
    (LAYERS + 1) * ROWS * CHANNELS,
    LAYERS * ROWS * CHANNELS, LAYERS * ROWS * 3 * CHANNELS, LAYERS * ROWS * CHANNELS,
    LAYERS * BATCH * HEADS * CONTEXT * CONTEXT,
    LAYERS * ROWS * CHANNELS, LAYERS * ROWS * CHANNELS, LAYERS * ROWS * HIDDEN,
    ROWS * CHANNELS, ROWS * VOCAB,
};
enum { TENSORS = sizeof parameter_sizes / sizeof *parameter_sizes };

static size_t sum(const size_t *sizes) {
  size_t total = 0;
  for (int i = 0; i < TENSORS; i++) total += sizes[i];
  return total;
}

// Sets the pointers of a Parameters or Activations, which has nothing else, into one block.
static void divide(float *block, const size_t *sizes, void *tensors) {
  float *pointers[TENSORS];
  for (int i = 0; i < TENSORS; block += sizes[i++]) pointers[i] = block;
  memcpy(tensors, pointers, sizeof pointers);
}

// The same numbers on every machine: xorshift64*, whose state is not 0.
static float random_unit(uint64_t *random) {
  *random ^= *random >> 12;
  *random ^= *random << 25;
  *random ^= *random >> 27;
  return (float)(*random * 0x2545F4914F6CDD1Du >> 40) / 16777216.0f;
}

static void initialize(const Parameters *p, float *block, uint64_t *random) {
  for (size_t i = 0; i < sum(parameter_sizes); i++) block[i] = 0.2f * (random_unit(random) - 0.5f);
  for (int i = 0; i < LAYERS * CHANNELS; i++) p->norm1[i] = p->norm2[i] = 1.0f;
  for (int i = 0; i < CHANNELS; i++) p->norm3[i] = 1.0f;
}

// ---- Its parts, forward and backward -------------------------------------------------------------
//
// Gradients of weights are added to; din is written, or added to where the comment says so. The order of every sum is
// fixed, so that the results do not depend on the number of threads.

static void matmul(float *out, const float *in, const float *weight, int inputs, int outputs) {
#pragma omp parallel for
  for (int row = 0; row < ROWS; row++) {
    float *y = out + row * outputs;
    memset(y, 0, (size_t)outputs * sizeof *y);
    for (int i = 0; i < inputs; i++) {
      const float x = in[row * inputs + i];
      for (int o = 0; o < outputs; o++) y[o] += x * weight[i * outputs + o];
    }
  }
}

static void matmul_backward(float *din, float *dweight, const float *dout, const float *in, const float *weight,
                            int inputs, int outputs) {
#pragma omp parallel for
  for (int i = 0; i < inputs; i++) {
    for (int row = 0; row < ROWS; row++) {
      const float x = in[row * inputs + i];
      float grad = 0.0f;
#pragma omp simd reduction(+ : grad)
      for (int o = 0; o < outputs; o++) {
        grad += dout[row * outputs + o] * weight[i * outputs + o];
        dweight[i * outputs + o] += x * dout[row * outputs + o];
      }
      din[row * inputs + i] = grad;
    }
  }
}

static float inverse_rms(const float *x) {
  float squares = 0.0f;
  for (int c = 0; c < CHANNELS; c++) squares += x[c] * x[c];
  return 1.0f / sqrtf(squares / CHANNELS + 1e-5f);
}

static void norm(float *out, const float *in, const float *scale) {
  for (int row = 0; row < ROWS; row++, in += CHANNELS, out += CHANNELS) {
    const float factor = inverse_rms(in);
    for (int c = 0; c < CHANNELS; c++) out[c] = in[c] * factor * scale[c];
  }
}

// Adds to din, which already has what comes from the residual connection.
static void norm_backward(float *din, float *dscale, const float *dout, const float *in, const float *scale) {
  for (int row = 0; row < ROWS; row++, in += CHANNELS, dout += CHANNELS, din += CHANNELS) {
    const float factor = inverse_rms(in);
    float dot = 0.0f;
    for (int c = 0; c < CHANNELS; c++) dot += dout[c] * scale[c] * in[c];
    const float towards_in = dot * factor * factor * factor / CHANNELS;
    for (int c = 0; c < CHANNELS; c++) {
      din[c] += dout[c] * scale[c] * factor - in[c] * towards_in;
      dscale[c] += dout[c] * in[c] * factor;
    }
  }
}

// Returns the logarithm of the sum of exp over n logits, and turns them into probabilities.
static float softmax(float *logits, int n) {
  float highest = logits[0], total = 0.0f;
  for (int i = 1; i < n; i++) highest = fmaxf(highest, logits[i]);
  for (int i = 0; i < n; i++) total += expf(logits[i] - highest);
  const float log_sum = highest + logf(total);
  for (int i = 0; i < n; i++) logits[i] = expf(logits[i] - log_sum);
  return log_sum;
}

static const float attention_scale = 0.25f;  // 1 / sqrt(HEAD_SIZE)

static void attend(float *heads, float *attention, const float *qkv) {
#pragma omp parallel for
  for (int head = 0; head < BATCH * HEADS; head++) {
    const int first_row = head / HEADS * CONTEXT, channel = head % HEADS * HEAD_SIZE;
    const float *query = qkv + first_row * 3 * CHANNELS + channel, *key = query + CHANNELS, *value = key + CHANNELS;
    for (int t = 0; t < CONTEXT; t++) {
      float *weights = attention + (head * CONTEXT + t) * CONTEXT;
      float *out = heads + (first_row + t) * CHANNELS + channel;
      for (int s = 0; s <= t; s++) {
        float dot = 0.0f;
        for (int c = 0; c < HEAD_SIZE; c++) dot += query[t * 3 * CHANNELS + c] * key[s * 3 * CHANNELS + c];
        weights[s] = dot * attention_scale;
      }
      softmax(weights, t + 1);
      memset(out, 0, HEAD_SIZE * sizeof *out);
      for (int s = 0; s <= t; s++) {
        for (int c = 0; c < HEAD_SIZE; c++) out[c] += weights[s] * value[s * 3 * CHANNELS + c];
      }
    }
  }
}

static void attend_backward(float *dqkv, const float *dheads, const float *attention, const float *qkv) {
  memset(dqkv, 0, ROWS * 3 * CHANNELS * sizeof *dqkv);
#pragma omp parallel for
  for (int head = 0; head < BATCH * HEADS; head++) {
    const int first_row = head / HEADS * CONTEXT, channel = head % HEADS * HEAD_SIZE;
    const size_t start = (size_t)(first_row * 3 * CHANNELS + channel);
    const float *query = qkv + start, *key = query + CHANNELS, *value = key + CHANNELS;
    float *dquery = dqkv + start, *dkey = dquery + CHANNELS, *dvalue = dkey + CHANNELS;
    for (int t = 0; t < CONTEXT; t++) {
      const float *weights = attention + (head * CONTEXT + t) * CONTEXT;
      const float *dout = dheads + (first_row + t) * CHANNELS + channel;
      float dweights[CONTEXT], mean = 0.0f;
      for (int s = 0; s <= t; s++) {
        dweights[s] = 0.0f;
        for (int c = 0; c < HEAD_SIZE; c++) {
          dweights[s] += dout[c] * value[s * 3 * CHANNELS + c];
          dvalue[s * 3 * CHANNELS + c] += dout[c] * weights[s];
        }
        mean += dweights[s] * weights[s];
      }
      for (int s = 0; s <= t; s++) {
        const float ddot = weights[s] * (dweights[s] - mean) * attention_scale;
        for (int c = 0; c < HEAD_SIZE; c++) {
          dquery[t * 3 * CHANNELS + c] += ddot * key[s * 3 * CHANNELS + c];
          dkey[s * 3 * CHANNELS + c] += ddot * query[t * 3 * CHANNELS + c];
        }
      }
    }
  }
}

static void add(float *out, const float *a, const float *b) {
  for (int i = 0; i < ROWS * CHANNELS; i++) out[i] = a[i] + b[i];
}

// ---- The whole model -----------------------------------------------------------------------------

// The pointers at one layer.
static Parameters parameters_of(Parameters p, int layer) {
  p.norm1 += layer * CHANNELS, p.qkv += layer * CHANNELS * 3 * CHANNELS, p.out += layer * CHANNELS * CHANNELS;
  p.norm2 += layer * CHANNELS, p.up += layer * CHANNELS * HIDDEN, p.down += layer * HIDDEN * CHANNELS;
  return p;
}
static Activations activations_of(Activations a, int layer) {
  a.input += layer * ROWS * CHANNELS, a.norm1 += layer * ROWS * CHANNELS, a.qkv += layer * ROWS * 3 * CHANNELS;
  a.heads += layer * ROWS * CHANNELS, a.attention += layer * BATCH * HEADS * CONTEXT * CONTEXT;
  a.middle += layer * ROWS * CHANNELS, a.norm2 += layer * ROWS * CHANNELS, a.hidden += layer * ROWS * HIDDEN;
  return a;
}

// Computes the logits of all rows.
static void forward(Parameters params, Activations acts, const unsigned char *tokens) {
  for (int row = 0; row < ROWS; row++) {
    for (int c = 0; c < CHANNELS; c++) {
      acts.input[row * CHANNELS + c] =
          params.token[tokens[row] * CHANNELS + c] + params.position[row % CONTEXT * CHANNELS + c];
    }
  }
  for (int layer = 0; layer < LAYERS; layer++) {
    const Parameters p = parameters_of(params, layer);
    const Activations a = activations_of(acts, layer);
    float *output = a.input + ROWS * CHANNELS;
    norm(a.norm1, a.input, p.norm1);
    matmul(a.qkv, a.norm1, p.qkv, CHANNELS, 3 * CHANNELS);
    attend(a.heads, a.attention, a.qkv);
    matmul(a.middle, a.heads, p.out, CHANNELS, CHANNELS);
    add(a.middle, a.middle, a.input);
    norm(a.norm2, a.middle, p.norm2);
    matmul(a.hidden, a.norm2, p.up, CHANNELS, HIDDEN);
    for (int i = 0; i < ROWS * HIDDEN; i++) a.hidden[i] = fmaxf(a.hidden[i], 0.0f);
    matmul(output, a.hidden, p.down, HIDDEN, CHANNELS);
    add(output, output, a.middle);
  }
  norm(acts.norm3, acts.input + LAYERS * ROWS * CHANNELS, params.norm3);
  matmul(acts.logits, acts.norm3, params.logits, CHANNELS, VOCAB);
}

// Turns logits into probabilities, and returns the mean loss.
static float mean_loss(Activations acts, const unsigned char *targets) {
  float loss = 0.0f;
  for (int row = 0; row < ROWS; row++) {
    const float target = acts.logits[row * VOCAB + targets[row]];
    loss += softmax(acts.logits + row * VOCAB, VOCAB) - target;
  }
  return loss / ROWS;
}

// Adds the gradients of the mean loss to grads.
static void backward(Parameters params, Parameters grads, Activations acts, Activations dacts,
                     const unsigned char *tokens, const unsigned char *targets) {
  float *dinput = dacts.input + LAYERS * ROWS * CHANNELS;
  for (int i = 0; i < ROWS * VOCAB; i++) {
    dacts.logits[i] = (acts.logits[i] - (i % VOCAB == targets[i / VOCAB] ? 1.0f : 0.0f)) / ROWS;
  }
  matmul_backward(dacts.norm3, grads.logits, dacts.logits, acts.norm3, params.logits, CHANNELS, VOCAB);
  memset(dinput, 0, ROWS * CHANNELS * sizeof *dinput);
  norm_backward(dinput, grads.norm3, dacts.norm3, acts.input + LAYERS * ROWS * CHANNELS, params.norm3);
  for (int layer = LAYERS - 1; layer >= 0; layer--) {
    const Parameters p = parameters_of(params, layer), g = parameters_of(grads, layer);
    const Activations a = activations_of(acts, layer), d = activations_of(dacts, layer);
    float *doutput = d.input + ROWS * CHANNELS;
    matmul_backward(d.hidden, g.down, doutput, a.hidden, p.down, HIDDEN, CHANNELS);
    for (int i = 0; i < ROWS * HIDDEN; i++) d.hidden[i] = a.hidden[i] > 0.0f ? d.hidden[i] : 0.0f;
    matmul_backward(d.norm2, g.up, d.hidden, a.norm2, p.up, CHANNELS, HIDDEN);
    memcpy(d.middle, doutput, ROWS * CHANNELS * sizeof *doutput);
    norm_backward(d.middle, g.norm2, d.norm2, a.middle, p.norm2);
    matmul_backward(d.heads, g.out, d.middle, a.heads, p.out, CHANNELS, CHANNELS);
    attend_backward(d.qkv, d.heads, a.attention, a.qkv);
    matmul_backward(d.norm1, g.qkv, d.qkv, a.norm1, p.qkv, CHANNELS, 3 * CHANNELS);
    memcpy(d.input, d.middle, ROWS * CHANNELS * sizeof *d.input);
    norm_backward(d.input, g.norm1, d.norm1, a.input, p.norm1);
  }
  for (int i = 0; i < ROWS * CHANNELS; i++) {
    const int row = i / CHANNELS, c = i % CHANNELS;
    grads.token[tokens[row] * CHANNELS + c] += dacts.input[i];
    grads.position[row % CONTEXT * CHANNELS + c] += dacts.input[i];
  }
}

// Fills a batch with sequences from random places of the text; targets are the characters that follow.
static inline void load_batch(const unsigned char *text, size_t size, uint64_t *random, unsigned char *tokens,
                              unsigned char *targets) {
  for (int row = 0; row < ROWS; row += CONTEXT) {
    const size_t at = (size_t)(random_unit(random) * (float)(size - CONTEXT - 1));
    memcpy(tokens + row, text + at, CONTEXT);
    memcpy(targets + row, text + at + 1, CONTEXT);
  }
}

#endif  // TRANSFORMER_H
