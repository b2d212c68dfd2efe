// What cgo cannot do by itself. SPDX: MIT OR Apache-2.0
//
// Slices that are lent for a call are uint8_t * here: cgo then knows that they hold no pointers, and does not look for
// any in the objects that they are part of. Memory that stays with the library, which is of C or pinned, is uintptr_t
// for the same reason. Structs that hold a pointer to another Go object, or a handle where C has a pointer, exist only
// in C: Go's garbage collector must see neither.
#ifndef RADAM_GO_SHIM_H
#define RADAM_GO_SHIM_H

#include <radam.h>
#include <stdlib.h>

// In callbacks.c. The handles are those of runtime/cgo; 0 is none.
radam_status radam_go_create(const radam_options *options, uintptr_t executor, radam_optimizer **opt);
radam_status radam_go_save(radam_optimizer *opt, const char *path, uintptr_t progress);
radam_status radam_go_load(radam_optimizer *opt, const char *const *paths, uint64_t count,
                           const radam_load_options *options, uintptr_t progress);
radam_status radam_go_load_from_buffer(radam_optimizer *opt, const uint8_t *buffer, uint64_t size,
                                       const radam_load_options *options, uintptr_t progress);

typedef void (*radam_go_body)(uint64_t index, void *body_data);

static inline void radam_go_run(radam_go_body body, uint64_t index, void *body_data) { body(index, body_data); }

// arrays: data, grad, copy, exp_avg, exp_avg_sq, kahan_comp and state_scale.
static inline radam_status radam_go_add_param(radam_optimizer *opt, uint32_t group, const radam_param *options,
                                              const uintptr_t *arrays, uint32_t *param) {
  radam_param copy = *options;
  copy.data = (void *)arrays[0];
  copy.grad = (void *)arrays[1];
  copy.copy = (void *)arrays[2];
  copy.exp_avg = (void *)arrays[3];
  copy.exp_avg_sq = (void *)arrays[4];
  copy.kahan_comp = (void *)arrays[5];
  copy.state_scale = (void *)arrays[6];
  return radam_add_params(opt, group, &copy, 1, param);
}

static inline radam_status radam_go_set_data(radam_optimizer *opt, uint32_t param, uintptr_t data) {
  return radam_set_data(opt, param, (void *)data);
}

static inline radam_status radam_go_set_grad(radam_optimizer *opt, uint32_t param, uintptr_t grad) {
  return radam_set_grad(opt, param, (void *)grad);
}

static inline radam_status radam_go_set_tensors(radam_optimizer *opt, uint32_t first_param, uint64_t count,
                                                const uintptr_t *data, const uintptr_t *grads) {
  return radam_set_tensors(opt, first_param, count, (void *const *)data, (void *const *)grads);
}

static inline radam_step_options radam_go_with_sums(const radam_step_options *options, const radam_grad_sums *sums) {
  radam_step_options copy = *options;
  copy.grad_sums = sums;
  return copy;
}

static inline radam_status radam_go_step_with(radam_optimizer *opt, const radam_step_options *options,
                                              const radam_grad_sums *sums, radam_step_report *report) {
  const radam_step_options copy = radam_go_with_sums(options, sums);
  return radam_step_with(opt, &copy, report);
}

static inline radam_status radam_go_step_begin(radam_optimizer *opt, const radam_step_options *options,
                                               const radam_grad_sums *sums) {
  const radam_step_options copy = radam_go_with_sums(options, sums);
  return radam_step_begin(opt, &copy);
}

static inline radam_status radam_go_step_tensor(radam_optimizer *opt, uint32_t param, uint8_t *data, uint8_t *grad,
                                                const radam_step_options *options, const radam_grad_sums *sums,
                                                radam_step_report *report) {
  const radam_step_options copy = radam_go_with_sums(options, sums);
  return radam_step_tensor(opt, param, data, grad, &copy, report);
}

static inline radam_status radam_go_measure_tensor(radam_dtype grad_dtype, const uint8_t *grad, uint64_t len,
                                                   radam_grad_sums *sums) {
  return radam_measure_tensor(grad_dtype, grad, len, sums);
}

static inline radam_status radam_go_save_to_buffer(radam_optimizer *opt, uint8_t *buffer, uint64_t capacity,
                                                   uint64_t *size) {
  return radam_save_to_buffer(opt, buffer, capacity, size);
}

static inline radam_status radam_go_update(radam_dtype dtype, radam_dtype grad_dtype, radam_dtype state_dtype,
                                           uint8_t *param, const uint8_t *grad, uint8_t *exp_avg, uint8_t *exp_avg_sq,
                                           uint8_t *kahan_comp, uint64_t len, const radam_group_options *options,
                                           uint64_t step) {
  return radam_update(dtype, grad_dtype, state_dtype, param, grad, exp_avg, exp_avg_sq, kahan_comp, len, options,
                      step);
}

static inline radam_status radam_go_update_q8(radam_dtype dtype, radam_dtype grad_dtype, uint8_t *param,
                                              const uint8_t *grad, uint8_t *exp_avg, uint8_t *exp_avg_sq,
                                              uint8_t *state_scale, uint8_t *kahan_comp, uint64_t len,
                                              const radam_group_options *options, uint64_t step) {
  return radam_update_q8(dtype, grad_dtype, param, grad, (int8_t *)exp_avg, exp_avg_sq,
                         (uint32_t *)(void *)state_scale, kahan_comp, len, options, step);
}

#endif  // RADAM_GO_SHIM_H
