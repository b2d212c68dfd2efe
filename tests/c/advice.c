/* What is legal but known to fail is told, each thing for its setup, and nothing where nothing is known; and parameters
   are found by their names. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <unistd.h>

enum { LEN = 4 };

static double data[8][LEN];

static const char *advice_on(const radam_optimizer *opt) {
  static char text[8192];
  memset(text, '#', sizeof text);
  const uint64_t bytes = radam_advice(opt, text, sizeof text);
  CHECK(bytes <= sizeof text && strlen(text) + 1 == bytes, "the advice has %llu bytes and takes %zu", (unsigned long long)bytes,
        strlen(text) + 1);
  return text;
}

static radam_optimizer *optimizer_of(const radam_group_options *options, radam_dtype dtype) {
  radam_optimizer *opt = create(1);
  add_group(opt, options);
  OK(opt, radam_add_param(opt, 0, dtype, 0, data[0], NULL, LEN, NULL, NULL));
  return opt;
}

static int lines_of(const char *text) {
  int lines = 0;
  for (; *text != 0; text++) lines += *text == '\n';
  return lines;
}

/* Options without anything to be told about them. */
static radam_group_options plain_options(void) {
  radam_group_options options = group_options();
  options.lr = options.max_lr = 1e-3;
  options.weight_decay = 0;
  return options;
}

/* There must be one sentence with all the words, which stand between bars; or none, for no words. */
static void check_advice(radam_dtype dtype, const radam_group_options *options, const char *words, int line) {
  radam_optimizer *opt = optimizer_of(options, dtype);
  const char *text = advice_on(opt);
  CHECK(lines_of(text) == (*words != 0), "line %d: %d lines of advice: %s", line, lines_of(text), text);
  CHECK(*words == 0 || (strncmp(text, "group 0: ", 9) == 0 && strcmp(text + strlen(text) - 2, ".\n") == 0),
        "line %d: the advice is no sentence on a group: %s", line, text);
  for (const char *end; *words != 0; words = *end != 0 ? end + 1 : end) {
    char word[64] = "";
    end = words + strcspn(words, "|");
    memcpy(word, words, (size_t)(end - words));
    CHECK(strstr(text, word) != NULL, "line %d: the advice does not name '%s': %s", line, word, text);
  }
  OK(opt, radam_free(opt));
}

static void each_sentence_has_its_setup(void) {
  radam_group_options o;
#define ADVICE(of, words, ...)             \
  o = plain_options();                     \
  __VA_ARGS__;                             \
  check_advice(RADAM_DTYPE_##of, &o, words, __LINE__)
#define NO_ADVICE(of, ...) ADVICE(of, "", __VA_ARGS__)
  NO_ADVICE(F32, o.lr = 1e-3);
  NO_ADVICE(F64, o.lr = 1e-3);
  NO_ADVICE(BF16, o.lr = 1e-3);
  NO_ADVICE(F32, o.beta2 = 0.999999);

  ADVICE(F32, "eps is 0|NaN|1e-6", o.eps = 0);
  ADVICE(F32, "eps is 1e-50|counts as 0", o.eps = 1e-50);
  NO_ADVICE(F64, o.eps = 1e-50);

  ADVICE(F32, "beta2 is 0.5|never exceeds 3|momentum|0.6667", o.beta2 = 0.5);
  ADVICE(F32, "never exceeds 3|the parameters never move", o.beta2 = 0.5; o.unrectified = RADAM_OFF);
  ADVICE(F32, "beta2 is 0.65|rectify_threshold of 5|0.6667", o.beta2 = 0.65);
  NO_ADVICE(F32, o.beta2 = 0.65; o.rectify_threshold = 4.5);
  NO_ADVICE(F32, o.beta2 = 0.5; o.rectify = RADAM_OFF);

  ADVICE(F16, "exp_avg_sq is stored as f16|256|2.4e-4|state_dtype to f32", o.lr = 1e-3);
  NO_ADVICE(F16, o.state_dtype = RADAM_DTYPE_F32);

  ADVICE(BF16, "exp_avg_sq is stored as bf16|1.0e-3|0.9922|state_dtype to f32", o.beta2 = 0.999);
  NO_ADVICE(BF16, o.beta2 = 0.9921875);
  NO_ADVICE(BF16, o.beta2 = 0.999; o.state_dtype = RADAM_DTYPE_F32);

  ADVICE(BF16, "bf16 without Kahan summation|lr is 1e-3|5.1e-1|master_remainder", o.kahan_sum = RADAM_OFF);
  ADVICE(F16, "f16 without Kahan summation|lr is 1e-4|4.1e-1",
         o.state_dtype = RADAM_DTYPE_F32; o.kahan_sum = RADAM_OFF; o.lr = 1e-4);
  NO_ADVICE(BF16, o.kahan_sum = RADAM_OFF; o.lr = 0.01);
  NO_ADVICE(BF16, o.kahan_sum = RADAM_OFF; o.lr = 0);
  NO_ADVICE(BF16, o.master_remainder = RADAM_ON);
  NO_ADVICE(BF16, o.stochastic_rounding = RADAM_ON);

#define SMALL_DECAY o.decouple_wd = RADAM_ON; o.lr = 3e-4; o.weight_decay = 1e-2
  ADVICE(BF16, "decays parameters by 3.0e-6|7.6e-6|kahan_comp|state_dtype to f32", SMALL_DECAY);
  ADVICE(BF16, "decays parameters by 1.0e-6|bf16 kahan_comp", o.decouple_lr = RADAM_ON; o.weight_decay = 1e-6);
  NO_ADVICE(BF16, SMALL_DECAY; o.state_dtype = RADAM_DTYPE_F32);
  NO_ADVICE(BF16, SMALL_DECAY; o.master_remainder = RADAM_ON);
  NO_ADVICE(BF16, SMALL_DECAY; o.decouple_wd = RADAM_OFF);
  ADVICE(BF16, "decays parameters by 7.5e-6", SMALL_DECAY; o.weight_decay = 0.025);
  NO_ADVICE(BF16, SMALL_DECAY; o.weight_decay = 0.026);
  NO_ADVICE(F32, SMALL_DECAY; o.weight_decay = 1e-9);
}

/* It goes by what is there now: groups, options that were set, parameters that came and went. */
static void it_goes_by_what_is_there(void) {
  radam_group_options options = group_options();
  radam_optimizer *opt = optimizer_of(&options, RADAM_DTYPE_F32);
  CHECK(*advice_on(opt) == 0, "there is advice on the defaults: %s", advice_on(opt));
  OK(opt, SET_OPTION(opt, 0, eps, 0));
  CHECK(strncmp(advice_on(opt), "group 0: eps", 12) == 0, "an option that was set is not looked at: %s", advice_on(opt));
  add_group(opt, &options);
  CHECK(lines_of(advice_on(opt)) == 1, "there is advice on a group without parameters: %s", advice_on(opt));
  uint32_t id;
  OK(opt, radam_add_param(opt, 1, RADAM_DTYPE_F16, 0, data[1], NULL, LEN, NULL, &id));
  CHECK(lines_of(advice_on(opt)) == 2 && strstr(advice_on(opt), "\ngroup 1: exp_avg_sq is stored as f16") != NULL,
        "two groups get: %s", advice_on(opt));
  OK(opt, SET_OPTION(opt, 1, kahan_sum, RADAM_OFF));
  OK(opt, radam_set_lr(opt, 1, 1e-5));
  CHECK(lines_of(advice_on(opt)) == 3, "two things in one group get: %s", advice_on(opt));
  OK(opt, radam_remove_param(opt, id));
  OK(opt, SET_OPTION(opt, 0, eps, 1e-6));
  CHECK(*advice_on(opt) == 0, "there is advice on what is gone: %s", advice_on(opt));
  OK(opt, radam_free(opt));
}

/* What does not fit is cut, ends in NUL, and its length is told. */
static void it_fits(void) {
  radam_group_options options = group_options();
  options.eps = 0;
  radam_optimizer *opt = optimizer_of(&options, RADAM_DTYPE_F16);
  char whole[4096], cut[4096];
  const uint64_t bytes = radam_advice(opt, whole, sizeof whole);
  CHECK(radam_advice(opt, NULL, 0) == bytes && radam_advice(opt, NULL, 100) == bytes && bytes > 100, "asking for the size gave another");
  for (uint64_t cap = 0; cap <= bytes + 1; cap++) {
    memset(cut, '#', sizeof cut);
    CHECK(radam_advice(opt, cut, cap) == bytes && cut[cap] == '#', "the advice in %llu bytes", (unsigned long long)cap);
    CHECK(cap == 0 || (strlen(cut) == (cap < bytes ? cap : bytes) - 1 && memcmp(cut, whole, strlen(cut)) == 0),
          "the advice in %llu bytes is '%s'", (unsigned long long)cap, cut);
  }
  OK(opt, radam_free(opt));
  char left[8] = "left";
  CHECK(radam_advice(opt, left, sizeof left) == 1 && *left == 0, "a freed handle gets the advice '%s'", left);
  check_message(NULL, "opt", "advice on a freed handle");
}

static void check_id(const radam_optimizer *opt, const char *name, uint32_t expected) {
  uint32_t id = 77;
  OK(opt, radam_param_id(opt, name, &id));
  CHECK(id == expected, "%s is %u, not %u", name, id, expected);
}

static void check_unknown(const radam_optimizer *opt, const char *name) {
  uint32_t id = 77;
  CHECK(radam_param_id(opt, name, &id) == RADAM_ERROR_INVALID_ARGUMENT && id == 77, "%s is %u", name, id);
  check_message(opt, name, "a name that no parameter has");
}

/* Names that were given, those by default, and those of parameters that are gone. */
static void names_are_found(void) {
  static const char *const names[] = {"weight", NULL, "\xce\xbb \"quoted\"", NULL, "param.99", "Weight"};
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1);
  check_unknown(opt, "param.0");
  add_group(opt, &options);
  for (uint32_t i = 0; i < 6; i++) OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data[i], NULL, LEN, names[i], NULL));
  for (uint32_t i = 0; i < 6; i++)
    if (names[i] != NULL) check_id(opt, names[i], i);
  check_id(opt, "param.1", 1);
  check_id(opt, "param.3", 3);
  check_unknown(opt, "param.0"); /* it has another name */
  check_unknown(opt, "param.6");
  check_unknown(opt, "param.01");
  check_unknown(opt, "weigh");
  OK(opt, radam_remove_param(opt, 0));
  OK(opt, radam_remove_param(opt, 1));
  check_unknown(opt, "weight");
  check_unknown(opt, "param.1");
  OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data[0], NULL, LEN, "weight", NULL));
  check_id(opt, "weight", 6);
  OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, data[1], NULL, LEN, "param.1", NULL));
  check_id(opt, "param.1", 7);
  OK(opt, radam_free(opt));
}

/* As many names as a large model has, some of which are gone again. */
static void many_names_are_found(void) {
  enum { COUNT = 20000 };
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1);
  char name[32];
  add_group(opt, &options);
  for (uint32_t i = 0; i < COUNT; i++) {
    snprintf(name, sizeof name, "layer.%u.weight", i);
    OK(opt, radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, NULL, NULL, LEN, i % 3 == 0 ? NULL : name, NULL));
  }
  for (uint32_t i = 0; i < COUNT; i += 5) OK(opt, radam_remove_param(opt, i));
  for (uint32_t i = 0; i < COUNT; i++) {
    snprintf(name, sizeof name, i % 3 == 0 ? "param.%u" : "layer.%u.weight", i);
    if (i % 5 == 0) check_unknown(opt, name);
    else check_id(opt, name, i);
  }
  OK(opt, radam_free(opt));
}

int main(void) {
  alarm(300); /* ends what hangs */
  each_sentence_has_its_setup();
  it_goes_by_what_is_there();
  it_fits();
  names_are_found();
  many_names_are_found();
  return 0;
}
