/* Large models: adding parameters one by one and moving them one by one takes a time that grows about as their number,
   in whatever order their addresses come. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <time.h>
#include <unistd.h>

/* Four times as much work may take up to MOST times as long, and what grows as the square takes 16 times. */
enum { ADDED = 80000, MOVED = 16000, LEN = 4, MOST = 11, ATTEMPTS = 8 };

typedef enum order { UPWARDS, DOWNWARDS, SCATTERED, ORDERS } order;

static float *memory[2], *grads;

/* The place of a parameter among `count`, of which no other one has the same. */
static size_t place_of(size_t i, size_t count, order order) {
  return order == UPWARDS ? i : order == DOWNWARDS ? count - 1 - i : i * 7919 % count; /* a prime */
}

/* Of this process, which nothing else on the machine adds to. */
static double cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static radam_optimizer *with_params(size_t count, order order) {
  radam_group_options options = group_options();
  radam_optimizer *opt = create(1);
  add_group(opt, &options);
  for (size_t i = 0; i < count; i++) {
    const size_t place = place_of(i, count, order) * LEN;
    add_f32(opt, 0, memory[0] + place, grads + place, LEN);
  }
  return opt;
}

static double seconds_to_add(size_t count, order order) {
  const double start = cpu_seconds();
  radam_optimizer *opt = with_params(count, order);
  const double seconds = cpu_seconds() - start;
  OK(opt, radam_free(opt));
  return seconds;
}

/* To other memory and back, with a step between that needs to know where they are. */
static double seconds_to_move(size_t count, order order) {
  radam_optimizer *opt = with_params(count, SCATTERED);
  const double start = cpu_seconds();
  for (int round = 1; round <= 2; round++) {
    for (size_t i = 0; i < count; i++) {
      float *data = memory[round % 2] + place_of(i, count, order) * LEN;
      OK(opt, radam_set_data(opt, (uint32_t)i, data));
      OK(opt, radam_set_grad(opt, (uint32_t)i, round % 2 ? NULL : grads + place_of(i, count, order) * LEN));
    }
    OK(opt, radam_step(opt));
  }
  const double seconds = cpu_seconds() - start;
  OK(opt, radam_free(opt));
  return seconds;
}

/* The best of several attempts, since caches and interrupts are not what is measured. */
static void check_growth(double (*seconds_for)(size_t count, order order), size_t most, order order, const char *what) {
  double ratio = 0;
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    const double few = seconds_for(most / 4, order), many = seconds_for(most, order);
    if (attempt == 0 || many / few < ratio) ratio = many / few;
    if (ratio < MOST) return;
  }
  CHECK(false, "%s %zu parameters, order %d, takes %.1f times the time of a quarter of them", what, most, order, ratio);
}

int main(void) {
  alarm(600); /* ends what hangs */
  for (int i = 0; i < 2; i++) memory[i] = filled((size_t)ADDED * LEN, 1);
  grads = filled((size_t)ADDED * LEN, 2);
  for (order order = UPWARDS; order < ORDERS; order++) {
    check_growth(seconds_to_add, ADDED, order, "adding");
    check_growth(seconds_to_move, MOVED, order, "moving");
  }
  for (int i = 0; i < 2; i++) free(memory[i]);
  free(grads);
  return 0;
}
