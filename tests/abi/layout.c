/* What programs that are already compiled rely on, on 64-bit machines: sizes, offsets, the values of
   constants, and what every function takes. It only has to compile. */
#include "radam.h"

#include <stddef.h>

#define VALUE(name, value) _Static_assert(name == (value), #name " is not " #value)
#define TYPE(name, type) _Static_assert(_Generic((name){0}, type: 1, default: 0), #name " is not " #type)
/* A struct has no padding behind its last field, in which a later one would not change its size. */
#define SIZE(struct_name, size, last_field)                                                                 \
  _Static_assert(sizeof(struct_name) == (size), #struct_name " is not " #size " bytes");                   \
  _Static_assert(offsetof(struct_name, last_field) + sizeof(((struct_name *)0)->last_field) == (size),     \
                 #struct_name " does not end with " #last_field)
#define FIELD(struct_name, field, offset, type)                                                       \
  _Static_assert(offsetof(struct_name, field) == (offset), #struct_name "." #field " is not at " #offset); \
  _Static_assert(_Generic(&((struct_name *)0)->field, type *: 1, default: 0), #struct_name "." #field " is not " #type)

VALUE(RADAM_VERSION, RADAM_VERSION_MAJOR * 1000000 + RADAM_VERSION_MINOR * 1000 + RADAM_VERSION_PATCH);

TYPE(radam_status, int32_t);
TYPE(radam_dtype, int32_t);
TYPE(radam_toggle, int32_t);
TYPE(radam_device, int32_t);
TYPE(radam_state, int32_t);

VALUE(RADAM_OK, 0);
VALUE(RADAM_ERROR_NULL_POINTER, 1);
VALUE(RADAM_ERROR_INVALID_HANDLE, 2);
VALUE(RADAM_ERROR_INVALID_ARGUMENT, 3);
VALUE(RADAM_ERROR_BUSY, 4);
VALUE(RADAM_ERROR_INVALID_STATE, 5);
VALUE(RADAM_ERROR_OUT_OF_MEMORY, 6);
VALUE(RADAM_ERROR_IO, 7);
VALUE(RADAM_ERROR_CORRUPT, 8);
VALUE(RADAM_ERROR_MISMATCH, 9);
VALUE(RADAM_ERROR_PANIC, 10);
VALUE(RADAM_ERROR_DEVICE, 11);

VALUE(RADAM_DTYPE_F32, 1);
VALUE(RADAM_DTYPE_F64, 2);
VALUE(RADAM_DTYPE_F16, 3);
VALUE(RADAM_DTYPE_BF16, 4);
VALUE(RADAM_DTYPE_Q8, 5);

VALUE(RADAM_OFF, 0);
VALUE(RADAM_ON, 1);
VALUE(RADAM_AUTO, 2);

VALUE(RADAM_DEVICE_CPU, 0);
VALUE(RADAM_DEVICE_CUDA, 1);

VALUE(RADAM_STATE_EXP_AVG, 1);
VALUE(RADAM_STATE_EXP_AVG_SQ, 2);
VALUE(RADAM_STATE_KAHAN_COMP, 3);
VALUE(RADAM_STATE_MASTER_REMAINDER, 4);
VALUE(RADAM_STATE_SCALE, 5);

typedef void *allocate_function(uint64_t, uint64_t, void *);
typedef void release_function(void *, uint64_t, uint64_t, void *);
typedef void body_function(uint64_t, void *);
typedef void parallel_for_function(uint64_t, body_function *, void *, void *);
typedef int32_t progress_function(uint64_t, uint64_t, void *);
typedef int64_t grad_sums_words[72];

SIZE(radam_allocator, 24, user);
FIELD(radam_allocator, allocate, 0, allocate_function *);
FIELD(radam_allocator, release, 8, release_function *);
FIELD(radam_allocator, user, 16, void *);

SIZE(radam_executor, 16, user);
FIELD(radam_executor, parallel_for, 0, parallel_for_function *);
FIELD(radam_executor, user, 8, void *);

SIZE(radam_options, 72, cuda_stream);
FIELD(radam_options, struct_size, 0, uint32_t);
FIELD(radam_options, num_threads, 4, uint32_t);
FIELD(radam_options, allocator, 8, radam_allocator);
FIELD(radam_options, executor, 32, radam_executor);
FIELD(radam_options, parallel_from, 48, uint64_t);
FIELD(radam_options, device, 56, radam_device);
FIELD(radam_options, cuda_device, 60, int32_t);
FIELD(radam_options, cuda_stream, 64, void *);

SIZE(radam_group_options, 112, seed);
FIELD(radam_group_options, struct_size, 0, uint32_t);
FIELD(radam_group_options, decouple_wd, 4, radam_toggle);
FIELD(radam_group_options, decouple_lr, 8, radam_toggle);
FIELD(radam_group_options, kahan_sum, 12, radam_toggle);
FIELD(radam_group_options, for_each, 16, radam_toggle);
FIELD(radam_group_options, gradient_release, 20, radam_toggle);
FIELD(radam_group_options, maximize, 24, radam_toggle);
FIELD(radam_group_options, rectify, 28, radam_toggle);
FIELD(radam_group_options, state_dtype, 32, radam_dtype);
FIELD(radam_group_options, master_remainder, 36, radam_toggle);
FIELD(radam_group_options, stochastic_rounding, 40, radam_toggle);
FIELD(radam_group_options, unrectified, 44, radam_toggle);
FIELD(radam_group_options, lr, 48, double);
FIELD(radam_group_options, beta1, 56, double);
FIELD(radam_group_options, beta2, 64, double);
FIELD(radam_group_options, weight_decay, 72, double);
FIELD(radam_group_options, eps, 80, double);
FIELD(radam_group_options, max_lr, 88, double);
FIELD(radam_group_options, rectify_threshold, 96, double);
FIELD(radam_group_options, seed, 104, uint64_t);

SIZE(radam_param, 104, state_scale);
FIELD(radam_param, struct_size, 0, uint32_t);
FIELD(radam_param, dtype, 4, radam_dtype);
FIELD(radam_param, grad_dtype, 8, radam_dtype);
FIELD(radam_param, copy_dtype, 12, radam_dtype);
FIELD(radam_param, len, 16, uint64_t);
FIELD(radam_param, data, 24, void *);
FIELD(radam_param, grad, 32, void *);
FIELD(radam_param, name, 40, const char *);
FIELD(radam_param, copy, 48, void *);
FIELD(radam_param, exp_avg, 56, void *);
FIELD(radam_param, exp_avg_sq, 64, void *);
FIELD(radam_param, kahan_comp, 72, void *);
FIELD(radam_param, tensor_offset, 80, uint64_t);
FIELD(radam_param, tensor_len, 88, uint64_t);
FIELD(radam_param, state_scale, 96, void *);

SIZE(radam_grad_sums, 584, words);
FIELD(radam_grad_sums, struct_size, 0, uint32_t);
FIELD(radam_grad_sums, reserved, 4, uint32_t);
FIELD(radam_grad_sums, words, 8, grad_sums_words);

SIZE(radam_step_options, 48, max_grad_value);
FIELD(radam_step_options, struct_size, 0, uint32_t);
FIELD(radam_step_options, skip_nonfinite, 4, radam_toggle);
FIELD(radam_step_options, zero_grad, 8, radam_toggle);
FIELD(radam_step_options, report_norms, 12, radam_toggle);
FIELD(radam_step_options, grad_sums, 16, const radam_grad_sums *);
FIELD(radam_step_options, grad_scale, 24, double);
FIELD(radam_step_options, max_grad_norm, 32, double);
FIELD(radam_step_options, max_grad_value, 40, double);

SIZE(radam_step_report, 64, reserved);
FIELD(radam_step_report, struct_size, 0, uint32_t);
FIELD(radam_step_report, skipped, 4, int32_t);
FIELD(radam_step_report, nonfinite, 8, uint64_t);
FIELD(radam_step_report, grad_norm, 16, double);
FIELD(radam_step_report, clip_coefficient, 24, double);
FIELD(radam_step_report, update_norm, 32, double);
FIELD(radam_step_report, param_norm, 40, double);
FIELD(radam_step_report, params_stepped, 48, uint64_t);
FIELD(radam_step_report, threads, 56, uint32_t);
FIELD(radam_step_report, reserved, 60, uint32_t);

SIZE(radam_group_report, 72, decay_factor);
FIELD(radam_group_report, struct_size, 0, uint32_t);
FIELD(radam_group_report, rectified, 4, int32_t);
FIELD(radam_group_report, step, 8, uint64_t);
FIELD(radam_group_report, rho, 16, double);
FIELD(radam_group_report, rho_inf, 24, double);
FIELD(radam_group_report, r, 32, double);
FIELD(radam_group_report, effective_lr, 40, double);
FIELD(radam_group_report, beta1_hat, 48, double);
FIELD(radam_group_report, beta2_hat, 56, double);
FIELD(radam_group_report, decay_factor, 64, double);

SIZE(radam_save_options, 24, user);
FIELD(radam_save_options, struct_size, 0, uint32_t);
FIELD(radam_save_options, reserved, 4, uint32_t);
FIELD(radam_save_options, progress, 8, progress_function *);
FIELD(radam_save_options, user, 16, void *);

SIZE(radam_load_options, 32, user);
FIELD(radam_load_options, struct_size, 0, uint32_t);
FIELD(radam_load_options, strict, 4, radam_toggle);
FIELD(radam_load_options, hyperparameters, 8, radam_toggle);
FIELD(radam_load_options, convert_state, 12, radam_toggle);
FIELD(radam_load_options, progress, 16, progress_function *);
FIELD(radam_load_options, user, 24, void *);

/* The functions, declared once more: a compiler refuses two declarations that differ. */
uint32_t radam_version(void);
const char *radam_version_string(void);
const char *radam_status_string(radam_status);
uint64_t radam_last_error(const radam_optimizer *, char *, uint64_t);
radam_status radam_options_init(radam_options *, uint32_t);
radam_status radam_group_options_init(radam_group_options *, uint32_t);
radam_status radam_get_group_options(const radam_optimizer *, uint32_t, radam_group_options *);
radam_status radam_set_group_options(radam_optimizer *, uint32_t, const radam_group_options *);
radam_status radam_set_lr(radam_optimizer *, uint32_t, double);
radam_status radam_get_lr(const radam_optimizer *, uint32_t, double *);
radam_status radam_set_weight_decay(radam_optimizer *, uint32_t, double);
radam_status radam_get_weight_decay(const radam_optimizer *, uint32_t, double *);
radam_status radam_param_init(radam_param *, uint32_t);
radam_status radam_grad_sums_init(radam_grad_sums *, uint32_t);
radam_status radam_measure(radam_optimizer *, radam_grad_sums *);
radam_status radam_measure_tensor(radam_dtype, const void *, uint64_t, radam_grad_sums *);
radam_status radam_grad_sums_value(const radam_grad_sums *, double *, uint64_t *);
radam_status radam_step_options_init(radam_step_options *, uint32_t);
radam_status radam_step_report_init(radam_step_report *, uint32_t);
radam_status radam_group_report_init(radam_group_report *, uint32_t);
radam_status radam_get_group_report(const radam_optimizer *, uint32_t, radam_group_report *);
radam_status radam_create(const radam_options *, radam_optimizer **);
radam_status radam_free(radam_optimizer *);
radam_status radam_set_stream(radam_optimizer *, void *);
radam_status radam_add_param_group(radam_optimizer *, const radam_group_options *, const radam_param *, uint64_t, uint32_t *);
radam_status radam_add_params(radam_optimizer *, uint32_t, const radam_param *, uint64_t, uint32_t *);
radam_status radam_add_param(radam_optimizer *, uint32_t, radam_dtype, radam_dtype, void *, void *, uint64_t, const char *, uint32_t *);
radam_status radam_set_data(radam_optimizer *, uint32_t, void *);
radam_status radam_set_grad(radam_optimizer *, uint32_t, void *);
radam_status radam_set_tensors(radam_optimizer *, uint32_t, uint64_t, void *const *, void *const *);
radam_status radam_get_param(const radam_optimizer *, uint32_t, uint32_t *, radam_param *);
uint64_t radam_param_name(const radam_optimizer *, uint32_t, char *, uint64_t);
radam_status radam_param_id(const radam_optimizer *, const char *, uint32_t *);
radam_status radam_step_count(const radam_optimizer *, uint32_t, uint64_t *);
radam_status radam_step(radam_optimizer *);
radam_status radam_step_with(radam_optimizer *, const radam_step_options *, radam_step_report *);
radam_status radam_step_param(radam_optimizer *, uint32_t, const void *);
radam_status radam_step_tensor(radam_optimizer *, uint32_t, void *, void *, const radam_step_options *, radam_step_report *);
radam_status radam_set_optimizer_accumulation(radam_optimizer *, radam_toggle);
radam_status radam_get_optimizer_accumulation(const radam_optimizer *, radam_toggle *);
radam_status radam_zero_grad(radam_optimizer *);
radam_status radam_step_begin(radam_optimizer *, const radam_step_options *);
radam_status radam_step_wave(radam_optimizer *, uint64_t *);
radam_status radam_step_chunk(radam_optimizer *, uint64_t);
radam_status radam_step_for(radam_optimizer *, uint64_t, uint64_t *);
radam_status radam_step_end(radam_optimizer *, radam_step_report *);
radam_status radam_step_abort(radam_optimizer *);
radam_status radam_set_frozen(radam_optimizer *, uint32_t, radam_toggle);
radam_status radam_get_frozen(const radam_optimizer *, uint32_t, radam_toggle *);
radam_status radam_remove_param(radam_optimizer *, uint32_t);
radam_status radam_reset_state(radam_optimizer *, uint32_t);
radam_status radam_set_step_count(radam_optimizer *, uint32_t, uint64_t);
radam_status radam_param_state(radam_optimizer *, uint32_t, radam_state, void **, radam_dtype *);
uint64_t radam_advice(const radam_optimizer *, char *, uint64_t);
radam_status radam_update(radam_dtype, radam_dtype, radam_dtype, void *, const void *, void *, void *, void *, uint64_t, const radam_group_options *, uint64_t);
radam_status radam_update_q8(radam_dtype, radam_dtype, void *, const void *, int8_t *, uint8_t *, uint32_t *, void *, uint64_t, const radam_group_options *, uint64_t);
radam_status radam_save_options_init(radam_save_options *, uint32_t);
radam_status radam_load_options_init(radam_load_options *, uint32_t);
radam_status radam_save(radam_optimizer *, const char *);
radam_status radam_save_with(radam_optimizer *, const char *, const radam_save_options *);
radam_status radam_save_to_buffer(radam_optimizer *, void *, uint64_t, uint64_t *);
radam_status radam_load(radam_optimizer *, const char *);
radam_status radam_load_with(radam_optimizer *, const char *, const radam_load_options *);
radam_status radam_load_shards(radam_optimizer *, const char *const *, uint64_t, const radam_load_options *);
radam_status radam_load_from_buffer(radam_optimizer *, const void *, uint64_t, const radam_load_options *);
