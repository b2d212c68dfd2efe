/* no_device WORD: where no GPU can be used, there is no optimizer on one, and a sentence with this word says why. */
#include "../c/check.h"

int main(int argc, char **argv) {
  CHECK(argc == 2, "usage: no_device WORD");
  radam_options options;
  radam_optimizer *opt = NULL;
  OK(NULL, radam_options_init(&options, sizeof options));
  options.device = RADAM_DEVICE_CUDA;
  const radam_status status = radam_create(&options, &opt);
  CHECK(status == RADAM_ERROR_DEVICE && opt == NULL, "radam_create gave %s", radam_status_string(status));
  check_message(NULL, argv[1], "radam_create");
  puts("there is no optimizer");
  return 0;
}
