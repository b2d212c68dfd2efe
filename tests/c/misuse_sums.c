/* Bad input to everything that takes sums of gradients: the right status, a message that names the argument, and
   nothing changed. */
#define _POSIX_C_SOURCE 200809L
#include "misuse.h"

#include <math.h>

static _Alignas(8) char bytes[8 * LEN + 8];

static radam_grad_sums some_sums(void) {
  radam_grad_sums sums;
  OK(NULL, radam_grad_sums_init(&sums, sizeof sums));
  OK(NULL, radam_measure_tensor(RADAM_DTYPE_F32, hurt.weight_grad, LEN, &sums));
  return sums;
}

/* One bad struct, given to all that take one, none of which writes to it or to an output. */
static void refuse_sums(radam_optimizer *opt, const char *word, radam_grad_sums bad, int line) {
  const radam_grad_sums before = bad;
  radam_step_options options;
  radam_step_report report;
  double norm = 77;
  uint64_t nonfinite = 77;
  char at_arrow[64], in_options[64];
  OK(NULL, radam_step_options_init(&options, sizeof options));
  OK(NULL, radam_step_report_init(&report, sizeof report));
  options.zero_grad = RADAM_ON;
  options.grad_sums = &bad;
  snprintf(at_arrow, sizeof at_arrow, "sums->%s", word);
  snprintf(in_options, sizeof in_options, "options.grad_sums->%s", word);
#define SUMS(opt, word, call) refused(opt, call, RADAM_ERROR_INVALID_ARGUMENT, word, #call, line)
  SUMS(NULL, at_arrow, radam_grad_sums_value(&bad, &norm, &nonfinite));
  SUMS(NULL, at_arrow, radam_measure_tensor(RADAM_DTYPE_F32, hurt.weight_grad, LEN, &bad));
  SUMS(opt, at_arrow, radam_measure(opt, &bad));
  SUMS(opt, in_options, radam_step_with(opt, &options, &report));
  SUMS(opt, in_options, radam_step_begin(opt, &options));
  SUMS(opt, in_options, radam_step_tensor(opt, RELEASED, NULL, bytes, &options, &report));
  CHECK(radam_step_abort(opt) == RADAM_ERROR_INVALID_STATE, "line %d: a refused step is open", line);
  CHECK(memcmp(&bad, &before, sizeof bad) == 0, "line %d: a refused call wrote sums", line);
  CHECK(norm == 77 && nonfinite == 77 && report.params_stepped == 0, "line %d: a refused call wrote an output", line);
}

static void structs(radam_optimizer *opt) {
  radam_grad_sums bad = some_sums();
#define BAD_SUMS(word, ...)          \
  bad = some_sums();                 \
  __VA_ARGS__;                       \
  refuse_sums(opt, word, bad, __LINE__)
  const uint32_t wrong_sizes[] = {0, 1, 8, sizeof bad - 8, sizeof bad + 8, UINT32_MAX};
  for (int i = 0; i < 6; i++) {
    memset(&bad, 0x5a, sizeof bad);
    REFUSED_WITHOUT(INVALID_ARGUMENT, "struct_size", radam_grad_sums_init(&bad, wrong_sizes[i]));
    for (size_t byte = 0; byte < sizeof bad; byte++) CHECK(((char *)&bad)[byte] == 0x5a, "a refused init wrote byte %zu", byte);
    BAD_SUMS("struct_size", bad.struct_size = wrong_sizes[i]);
  }
  BAD_SUMS("reserved is 1", bad.reserved = 1);
  BAD_SUMS("reserved is 4294967295", bad.reserved = UINT32_MAX);
  BAD_SUMS("words[71] is 1", bad.words[71] = 1);
  for (int word = 0; word < 72; word++) {
    char name[32];
    snprintf(name, sizeof name, "words[%d] is -", word);
    BAD_SUMS(name, bad.words[word] = -1);
    BAD_SUMS(name, bad.words[word] = INT64_MIN);
  }
  BAD_SUMS("words are not a possible sum", bad.words[67] = INT64_MAX);
  BAD_SUMS("words are not a possible sum", bad.words[67] = 1 << 18);
  BAD_SUMS("words are not a possible sum", for (int word = 0; word < 68; word++) bad.words[word] = INT64_MAX);

  /* What is as large as sums can be is taken, and grows no further than that. */
  const double largest[] = {1e153, 1e153};
  double norm = 0;
  radam_grad_sums full = some_sums();
  for (int word = 0; word < 67; word++) full.words[word] = UINT32_MAX;
  full.words[67] = (1 << 18) - 1;
  for (int word = 68; word < 71; word++) full.words[word] = INT64_MAX;
  for (int round = 0; round < 2; round++) {
    const radam_status status = radam_measure_tensor(RADAM_DTYPE_F64, largest, 2, &full);
    CHECK(status == (round == 0 ? RADAM_OK : RADAM_ERROR_INVALID_ARGUMENT), "sums that are full gave %s", radam_status_string(status));
  }
  full = some_sums();
  for (int word = 0; word < 68; word++) full.words[word] = word < 67 ? UINT32_MAX : (1 << 18) - 1;
  OK(NULL, radam_grad_sums_value(&full, &norm, NULL));
  CHECK(isinf(norm), "the norm of sums beyond f64 is %g", norm);
}

static void arguments(radam_optimizer *opt) {
  radam_grad_sums sums = some_sums();
  const radam_grad_sums before = sums;
  double norm = 77;
  uint64_t nonfinite = 77;
  REFUSED_WITHOUT(NULL_POINTER, "sums", radam_grad_sums_init(NULL, sizeof sums));
  REFUSED_WITHOUT(NULL_POINTER, "sums", radam_grad_sums_value(NULL, &norm, &nonfinite));
  REFUSED_WITHOUT(NULL_POINTER, "sums", radam_measure_tensor(RADAM_DTYPE_F32, bytes, LEN, NULL));
  REFUSED(NULL_POINTER, "sums", radam_measure(opt, NULL));
  const radam_dtype bad_dtypes[] = {0, -1, 5, INT32_MAX};
  for (int i = 0; i < 4; i++) REFUSED_WITHOUT(INVALID_ARGUMENT, "grad_dtype", radam_measure_tensor(bad_dtypes[i], bytes, LEN, &sums));
  REFUSED_WITHOUT(NULL_POINTER, "grad", radam_measure_tensor(RADAM_DTYPE_F32, NULL, LEN, &sums));
  REFUSED_WITHOUT(INVALID_ARGUMENT, "grad", radam_measure_tensor(RADAM_DTYPE_BF16, bytes + 1, LEN, &sums));
  REFUSED_WITHOUT(INVALID_ARGUMENT, "grad", radam_measure_tensor(RADAM_DTYPE_F32, bytes + 2, LEN, &sums));
  REFUSED_WITHOUT(INVALID_ARGUMENT, "grad", radam_measure_tensor(RADAM_DTYPE_F64, bytes + 4, LEN, &sums));
  REFUSED_WITHOUT(INVALID_ARGUMENT, "len", radam_measure_tensor(RADAM_DTYPE_F32, bytes, UINT64_MAX, &sums));
  REFUSED_WITHOUT(INVALID_ARGUMENT, "len", radam_measure_tensor(RADAM_DTYPE_F32, bytes, UINT64_MAX / 4, &sums));
  CHECK(memcmp(&sums, &before, sizeof sums) == 0 && norm == 77 && nonfinite == 77, "a refused call wrote an output");
}

int main(void) {
  make(&hurt);
  make(&twin);
  for (int round = 0; round < 2; round++) {
    structs(hurt.opt);
    arguments(hurt.opt);
    step_both();
  }
  end_both();
  return 0;
}
