/* The library is loaded and unloaded again and again, as plugins are, and leaves nothing behind: no thread, no part of
   itself in memory, and nothing that it has allocated. What a program is linked with stays, so it is a copy beside the
   program. */
#define _GNU_SOURCE
#include "allocator.h"
#include "tasks.h"

/* LARGE is enough work for the optimizer's own threads to start, of which rayon keeps some memory. MANY optimizers are
   alive at once. */
enum { TIMES = 200, TIMES_WITH_THREADS = 20, KEPT_BY_RAYON = 12 * 1024, LARGE = 1 << 17, MANY = 200 };

static float *data, *grad;

static void copy_library(const char *path) {
  static char block[1 << 16];
  Dl_info library;
  const void *inside = NULL;
  radam_status (*create)(const radam_options *, radam_optimizer **) = radam_create;
  memcpy(&inside, &create, sizeof inside); /* C has no conversion from functions to objects */
  CHECK(dladdr(inside, &library) != 0, "where is the library?");
  FILE *from = fopen(library.dli_fname, "rb"), *to = fopen(path, "wb");
  CHECK(from != NULL && to != NULL, "%s cannot be copied to %s", library.dli_fname, path);
  for (size_t len; (len = fread(block, 1, sizeof block, from)) > 0;) CHECK(fwrite(block, 1, len, to) == len, "no room");
  CHECK(fclose(to) == 0, "no room");
  fclose(from);
}

static bool is_in_memory(const char *path) {
  char line[4096];
  bool is = false;
  FILE *maps = fopen("/proc/self/maps", "r");
  CHECK(maps != NULL, "/proc/self/maps cannot be read");
  while (fgets(line, sizeof line, maps) != NULL) is = is || strstr(line, path) != NULL;
  fclose(maps);
  return is;
}

#define FIND(function)                                                             \
  __typeof__(&function) function##_found;                                          \
  do {                                                                             \
    void *found = dlsym(library, #function);                                       \
    CHECK(found != NULL, "the library has no " #function);                         \
    memcpy(&function##_found, &found, sizeof found);                               \
  } while (0)

#define DO(function, ...) CHECK(function##_found(__VA_ARGS__) == RADAM_OK, #function " failed, time %d", time)

static void load_use_and_unload(const char *path, uint32_t num_threads, int time) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  CHECK(library != NULL, "time %d: %s", time, dlerror());
  CHECK(is_in_memory(path), "another library was loaded");
  FIND(radam_create);
  FIND(radam_options_init);
  FIND(radam_group_options_init);
  FIND(radam_add_param_group);
  FIND(radam_add_param);
  FIND(radam_step);
  FIND(radam_set_lr);
  FIND(radam_free);

  radam_optimizer *opt;
  radam_options options;
  radam_group_options group_options;
  DO(radam_options_init, &options, sizeof options);
  options.num_threads = num_threads;
  options.parallel_from = LARGE;
  DO(radam_create, &options, &opt);
  DO(radam_group_options_init, &group_options, sizeof group_options);
  group_options.lr = 0.01;
  DO(radam_add_param_group, opt, &group_options, NULL, 0, NULL);
  DO(radam_add_param, opt, 0, RADAM_DTYPE_F32, 0, data, grad, LARGE, NULL, NULL);
  DO(radam_step, opt);
  CHECK(num_threads == 1 || count_tasks() > 1, "a large step with three threads started none");
  CHECK(radam_set_lr_found(opt, 0, -1) == RADAM_ERROR_INVALID_ARGUMENT, "a negative lr was taken"); /* leaves a message */
  DO(radam_free, opt);
  radam_optimizer *many[MANY];
  for (int i = 0; i < MANY; i++) DO(radam_create, NULL, &many[i]);
  for (int i = 0; i < MANY; i++) CHECK(radam_set_lr_found(many[i], 0, 1) == RADAM_ERROR_INVALID_ARGUMENT, "there is no group");
  for (int i = 0; i < MANY; i++) DO(radam_free, many[i]);
  CHECK(dlclose(library) == 0, "time %d: %s", time, dlerror());
  CHECK(!is_in_memory(path), "the library stays in memory, time %d", time);
  wait_for_tasks(1, "after dlclose");
}

int main(int argc, char **argv) {
  char path[4096];
  alarm(300); /* ends what hangs */
  find_real_functions();
  CHECK(argc > 0 && snprintf(path, sizeof path, "%s.copy.so", argv[0]) < (int)sizeof path, "no name");
  data = filled(LARGE, 1);
  grad = filled(LARGE, 2);
  copy_library(path);
  /* The C library allocates thread-local variables, and frees those of one time in the next one. */
  for (int time = -1; time <= 0; time++) load_use_and_unload(path, 1, time);
  long before = bytes_in_use;
  for (int time = 1; time <= TIMES; time++) load_use_and_unload(path, 1, time);
  CHECK(bytes_in_use == before, "%ld bytes were lost in %d times", bytes_in_use - before, TIMES);
  load_use_and_unload(path, 3, 0);
  before = bytes_in_use;
  for (int time = 1; time <= TIMES_WITH_THREADS; time++) load_use_and_unload(path, 3, time);
  CHECK(bytes_in_use - before <= TIMES_WITH_THREADS * KEPT_BY_RAYON, "%ld bytes were lost in %d times with threads",
        bytes_in_use - before, TIMES_WITH_THREADS);
  CHECK(unlink(path) == 0, "the copy is gone");
  free(data);
  free(grad);
  return 0;
}
