/* The library is loaded and unloaded again and again, and leaves nothing behind. It is not linked: what is linked
   stays. */
#include "radam_threads.h"

/* LARGE is enough work for the optimizer's own threads to start. */
enum { TIMES = 100, LARGE = 1 << 21 };

static float data[LARGE], grad[LARGE];

#define FIND(function)                                                             \
  __typeof__(&function) function##_found;                                          \
  do {                                                                             \
    FARPROC found = GetProcAddress(library, #function);                            \
    CHECK(found != NULL, "radam.dll has no " #function);                           \
    memcpy(&function##_found, &found, sizeof found);                               \
  } while (0)

#define DO(function, ...) CHECK(function##_found(__VA_ARGS__) == RADAM_OK, #function " failed, time %d", time)

static void load_use_and_unload(int time) {
  HMODULE library = LoadLibraryW(L"radam.dll");
  CHECK(library != NULL, "radam.dll cannot be loaded, time %d: %lu", time, GetLastError());
  FIND(radam_create);
  FIND(radam_options_init);
  FIND(radam_group_options_init);
  FIND(radam_add_param_group);
  FIND(radam_add_param);
  FIND(radam_step);
  FIND(radam_free);

  radam_optimizer *opt;
  radam_options options;
  radam_group_options group_options;
  DO(radam_options_init, &options, sizeof options);
  options.num_threads = 3;
  DO(radam_create, &options, &opt);
  DO(radam_group_options_init, &group_options, sizeof group_options);
  group_options.lr = 0.01;
  DO(radam_add_param_group, opt, &group_options, NULL, 0, NULL);
  DO(radam_add_param, opt, 0, RADAM_DTYPE_F32, 0, data, grad, LARGE, NULL, NULL);
  DO(radam_step, opt);
  radam_threads threads = wait_for_threads(2, "num_threads 3");
  DO(radam_free, opt);
  CHECK(FreeLibrary(library), "radam.dll cannot be unloaded, time %d", time);
  CHECK(GetModuleHandleW(L"radam.dll") == NULL, "radam.dll stays loaded, time %d", time);
  check_ended(&threads, "FreeLibrary");
}

int main(void) {
  for (int time = 0; time < TIMES; time++) load_use_and_unload(time);
  return 0;
}
