// A program that has another version of radam, and loads a plugin that has its own.
#include <dlfcn.h>
#include <radam.h>
#include <stdio.h>

uint32_t radam_version(void) { return 7; }

int main(int argc, char **argv) {
  void *plugin = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (!plugin) return 1;
  uint32_t (*version)(void) = NULL;
  *(void **)&version = dlsym(plugin, "plugin_radam_version");
  printf("%u %u\n", (unsigned)radam_version(), (unsigned)version());
}
