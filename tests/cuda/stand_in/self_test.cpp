// Tests the stand-in for the CUDA driver itself. Each test is a process of its own, which succeeds or ends as expected.
// What tests print is shown if they fail, or are called by their names.
#include "self_test.hpp"

#include <cstring>
#include <sys/wait.h>
#include <unistd.h>

namespace {

// Whether the test ends as it should.
bool run(const Test &test, bool shows) {
  std::FILE *output = std::tmpfile();
  pid_t child = fork();
  if (child == 0) {
    dup2(fileno(output), STDERR_FILENO);
    test.run();
    std::_Exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  bool good = test.signal == 0 ? status == 0 : WIFSIGNALED(status) && WTERMSIG(status) == test.signal;
  std::rewind(output);
  for (int c; (shows || !good) && (c = std::fgetc(output)) != EOF;) std::fputc(c, stderr);
  std::fclose(output);
  return good;
}

}  // namespace

int main(int argc, char **argv) {
  int failed = 0, ran = 0;
  for (const std::vector<Test> *tests : {&KERNEL_TESTS, &DRIVER_TESTS, &FAULT_TESTS, &CAPTURE_TESTS}) {
    for (const Test &test : *tests) {
      if (argc > 1 && std::strcmp(argv[1], test.name) != 0) continue;
      ran++;
      if (run(test, argc > 1)) continue;
      failed++;
      std::fprintf(stderr, "%s failed\n", test.name);
    }
  }
  return failed != 0 || ran == 0;
}
