// The C side of callbacks. SPDX: MIT OR Apache-2.0
#include "_cgo_export.h"
#include "shim.h"

static void parallel_for(uint64_t count, radam_go_body body, void *body_data, void *user) {
  radamGoParallelFor(count, body, body_data, (uintptr_t)user);
}

static int32_t progress_of(uint64_t bytes_done, uint64_t bytes_total, void *user) {
  return radamGoProgress(bytes_done, bytes_total, (uintptr_t)user);
}

radam_status radam_go_create(const radam_options *options, uintptr_t executor, radam_optimizer **opt) {
  radam_options copy = *options;
  if (executor != 0) {
    copy.executor.parallel_for = parallel_for;
    copy.executor.user = (void *)executor;
  }
  return radam_create(&copy, opt);
}

radam_status radam_go_save(radam_optimizer *opt, const char *path, uintptr_t progress) {
  radam_save_options options;
  const radam_status status = radam_save_options_init(&options, sizeof options);
  if (status != RADAM_OK || progress == 0) return status != RADAM_OK ? status : radam_save(opt, path);
  options.progress = progress_of;
  options.user = (void *)progress;
  return radam_save_with(opt, path, &options);
}

static radam_load_options with_progress(const radam_load_options *options, uintptr_t progress) {
  radam_load_options copy = *options;
  if (progress != 0) {
    copy.progress = progress_of;
    copy.user = (void *)progress;
  }
  return copy;
}

radam_status radam_go_load(radam_optimizer *opt, const char *const *paths, uint64_t count,
                           const radam_load_options *options, uintptr_t progress) {
  const radam_load_options copy = with_progress(options, progress);
  return count == 1 ? radam_load_with(opt, paths[0], &copy) : radam_load_shards(opt, paths, count, &copy);
}

radam_status radam_go_load_from_buffer(radam_optimizer *opt, const uint8_t *buffer, uint64_t size,
                                       const radam_load_options *options, uintptr_t progress) {
  const radam_load_options copy = with_progress(options, progress);
  return radam_load_from_buffer(opt, buffer, size, &copy);
}
