/* The header of the first release of 0.2, without its comments, as programs were compiled against it. It does not change;
   with the next minor version, another one takes its place. */
#ifndef RADAM_H
#define RADAM_H

#include <stdint.h>

typedef enum radam_version_values {
  RADAM_VERSION_MAJOR = 0,
  RADAM_VERSION_MINOR = 2,
  RADAM_VERSION_PATCH = 0,
  RADAM_VERSION = 2000,
} radam_version_values;

typedef enum radam_status_values {
  RADAM_OK = 0,
  RADAM_ERROR_NULL_POINTER = 1,
  RADAM_ERROR_INVALID_HANDLE = 2,
  RADAM_ERROR_INVALID_ARGUMENT = 3,
  RADAM_ERROR_BUSY = 4,
  RADAM_ERROR_INVALID_STATE = 5,
  RADAM_ERROR_OUT_OF_MEMORY = 6,
  RADAM_ERROR_IO = 7,
  RADAM_ERROR_CORRUPT = 8,
  RADAM_ERROR_MISMATCH = 9,
  RADAM_ERROR_PANIC = 10,
} radam_status_values;

typedef enum radam_dtype_values {
  RADAM_DTYPE_F32 = 1,
  RADAM_DTYPE_F64 = 2,
  RADAM_DTYPE_F16 = 3,
  RADAM_DTYPE_BF16 = 4,
} radam_dtype_values;

typedef enum radam_toggle_values {
  RADAM_OFF = 0,
  RADAM_ON = 1,
  RADAM_AUTO = 2,
} radam_toggle_values;

typedef enum radam_state_values {
  RADAM_STATE_EXP_AVG = 1,
  RADAM_STATE_EXP_AVG_SQ = 2,
  RADAM_STATE_KAHAN_COMP = 3,
  RADAM_STATE_MASTER_REMAINDER = 4,
} radam_state_values;

typedef struct radam_optimizer radam_optimizer;

typedef int32_t radam_status;

typedef struct radam_allocator {
  void *(*allocate)(uint64_t size, uint64_t alignment, void *user);
  void (*release)(void *pointer, uint64_t size, uint64_t alignment, void *user);
  void *user;
} radam_allocator;

typedef struct radam_executor {
  void (*parallel_for)(uint64_t count,
                       void (*body)(uint64_t index, void *body_data),
                       void *body_data,
                       void *user);
  void *user;
} radam_executor;

typedef struct radam_options {
  uint32_t struct_size;
  uint32_t num_threads;
  radam_allocator allocator;
  radam_executor executor;
  uint64_t parallel_from;
} radam_options;

typedef int32_t radam_toggle;

typedef int32_t radam_dtype;

typedef struct radam_group_options {
  uint32_t struct_size;
  radam_toggle decouple_wd;
  radam_toggle decouple_lr;
  radam_toggle kahan_sum;
  radam_toggle for_each;
  radam_toggle gradient_release;
  radam_toggle maximize;
  radam_toggle rectify;
  radam_dtype state_dtype;
  radam_toggle master_remainder;
  radam_toggle stochastic_rounding;
  radam_toggle unrectified;
  double lr;
  double beta1;
  double beta2;
  double weight_decay;
  double eps;
  double max_lr;
  double rectify_threshold;
  uint64_t seed;
} radam_group_options;

typedef struct radam_param {
  uint32_t struct_size;
  radam_dtype dtype;
  radam_dtype grad_dtype;
  radam_dtype copy_dtype;
  uint64_t len;
  void *data;
  void *grad;
  const char *name;
  void *copy;
  void *exp_avg;
  void *exp_avg_sq;
  void *kahan_comp;
  uint64_t tensor_offset;
  uint64_t tensor_len;
} radam_param;

typedef struct radam_grad_sums {
  uint32_t struct_size;
  uint32_t reserved;
  int64_t words[72];
} radam_grad_sums;

typedef struct radam_step_options {
  uint32_t struct_size;
  radam_toggle skip_nonfinite;
  radam_toggle zero_grad;
  radam_toggle report_norms;
  const radam_grad_sums *grad_sums;
  double grad_scale;
  double max_grad_norm;
  double max_grad_value;
} radam_step_options;

typedef struct radam_step_report {
  uint32_t struct_size;
  int32_t skipped;
  uint64_t nonfinite;
  double grad_norm;
  double clip_coefficient;
  double update_norm;
  double param_norm;
  uint64_t params_stepped;
  uint32_t threads;
  uint32_t reserved;
} radam_step_report;

typedef struct radam_group_report {
  uint32_t struct_size;
  int32_t rectified;
  uint64_t step;
  double rho;
  double rho_inf;
  double r;
  double effective_lr;
  double beta1_hat;
  double beta2_hat;
  double decay_factor;
} radam_group_report;

typedef int32_t radam_state;

typedef struct radam_save_options {
  uint32_t struct_size;
  uint32_t reserved;
  int32_t (*progress)(uint64_t bytes_done, uint64_t bytes_total, void *user);
  void *user;
} radam_save_options;

typedef struct radam_load_options {
  uint32_t struct_size;
  radam_toggle strict;
  radam_toggle hyperparameters;
  uint32_t reserved;
  int32_t (*progress)(uint64_t bytes_done, uint64_t bytes_total, void *user);
  void *user;
} radam_load_options;

#ifdef __cplusplus
extern "C" {
#endif

uint32_t radam_version(void);

const char *radam_version_string(void);

const char *radam_status_string(radam_status status);

uint64_t radam_last_error(const radam_optimizer *opt, char *buf, uint64_t cap);

radam_status radam_options_init(radam_options *options, uint32_t struct_size);

radam_status radam_group_options_init(radam_group_options *options, uint32_t struct_size);

radam_status radam_get_group_options(const radam_optimizer *opt,
                                     uint32_t group,
                                     radam_group_options *options);

radam_status radam_set_group_options(radam_optimizer *opt,
                                     uint32_t group,
                                     const radam_group_options *options);

radam_status radam_set_lr(radam_optimizer *opt, uint32_t group, double lr);

radam_status radam_get_lr(const radam_optimizer *opt, uint32_t group, double *lr);

radam_status radam_set_weight_decay(radam_optimizer *opt,
                                    uint32_t group,
                                    double weight_decay);

radam_status radam_get_weight_decay(const radam_optimizer *opt,
                                    uint32_t group,
                                    double *weight_decay);

radam_status radam_param_init(radam_param *param, uint32_t struct_size);

radam_status radam_grad_sums_init(radam_grad_sums *sums, uint32_t struct_size);

radam_status radam_measure(radam_optimizer *opt, radam_grad_sums *sums);

radam_status radam_measure_tensor(radam_dtype grad_dtype,
                                  const void *grad,
                                  uint64_t len,
                                  radam_grad_sums *sums);

radam_status radam_grad_sums_value(const radam_grad_sums *sums,
                                   double *norm,
                                   uint64_t *nonfinite);

radam_status radam_step_options_init(radam_step_options *options, uint32_t struct_size);

radam_status radam_step_report_init(radam_step_report *report, uint32_t struct_size);

radam_status radam_group_report_init(radam_group_report *report, uint32_t struct_size);

radam_status radam_get_group_report(const radam_optimizer *opt,
                                    uint32_t group,
                                    radam_group_report *report);

radam_status radam_create(const radam_options *options, radam_optimizer **opt);

radam_status radam_free(radam_optimizer *opt);

radam_status radam_add_param_group(radam_optimizer *opt,
                                   const radam_group_options *options,
                                   const radam_param *params,
                                   uint64_t count,
                                   uint32_t *group);

radam_status radam_add_params(radam_optimizer *opt,
                              uint32_t group,
                              const radam_param *params,
                              uint64_t count,
                              uint32_t *first);

radam_status radam_add_param(radam_optimizer *opt,
                             uint32_t group,
                             radam_dtype dtype,
                             radam_dtype grad_dtype,
                             void *data,
                             void *grad,
                             uint64_t len,
                             const char *name,
                             uint32_t *param);

radam_status radam_set_data(radam_optimizer *opt, uint32_t param, void *data);

radam_status radam_set_grad(radam_optimizer *opt, uint32_t param, void *grad);

radam_status radam_set_tensors(radam_optimizer *opt,
                               uint32_t first_param,
                               uint64_t count,
                               void *const *data,
                               void *const *grads);

radam_status radam_param_id(const radam_optimizer *opt, const char *name, uint32_t *param);

radam_status radam_get_param(const radam_optimizer *opt,
                             uint32_t param,
                             uint32_t *group,
                             radam_param *description);

uint64_t radam_param_name(const radam_optimizer *opt,
                          uint32_t param,
                          char *buf,
                          uint64_t cap);

radam_status radam_step_count(const radam_optimizer *opt, uint32_t param, uint64_t *steps);

radam_status radam_step(radam_optimizer *opt);

radam_status radam_step_with(radam_optimizer *opt,
                             const radam_step_options *options,
                             radam_step_report *report);

radam_status radam_step_param(radam_optimizer *opt, uint32_t param, const void *grad);

radam_status radam_step_tensor(radam_optimizer *opt,
                               uint32_t param,
                               void *data,
                               void *grad,
                               const radam_step_options *options,
                               radam_step_report *report);

radam_status radam_set_optimizer_accumulation(radam_optimizer *opt, radam_toggle on);

radam_status radam_get_optimizer_accumulation(const radam_optimizer *opt, radam_toggle *on);

radam_status radam_zero_grad(radam_optimizer *opt);

radam_status radam_step_begin(radam_optimizer *opt,
                              const radam_step_options *options);

radam_status radam_step_wave(radam_optimizer *opt,
                             uint64_t *chunks);

radam_status radam_step_chunk(radam_optimizer *opt, uint64_t chunk);

radam_status radam_step_for(radam_optimizer *opt, uint64_t budget_ns, uint64_t *chunks_left);

radam_status radam_step_end(radam_optimizer *opt, radam_step_report *report);

radam_status radam_step_abort(radam_optimizer *opt);

radam_status radam_set_frozen(radam_optimizer *opt, uint32_t param, radam_toggle frozen);

radam_status radam_get_frozen(const radam_optimizer *opt,
                              uint32_t param,
                              radam_toggle *frozen);

radam_status radam_remove_param(radam_optimizer *opt, uint32_t param);

radam_status radam_reset_state(radam_optimizer *opt, uint32_t param);

radam_status radam_set_step_count(radam_optimizer *opt, uint32_t param, uint64_t steps);

radam_status radam_param_state(radam_optimizer *opt,
                               uint32_t param,
                               radam_state which,
                               void **pointer,
                               radam_dtype *dtype);

uint64_t radam_advice(const radam_optimizer *opt, char *buf, uint64_t cap);

radam_status radam_update(radam_dtype dtype,
                          radam_dtype grad_dtype,
                          radam_dtype state_dtype,
                          void *param,
                          const void *grad,
                          void *exp_avg,
                          void *exp_avg_sq,
                          void *kahan_comp,
                          uint64_t len,
                          const radam_group_options *options,
                          uint64_t step);

radam_status radam_save_options_init(radam_save_options *options, uint32_t struct_size);

radam_status radam_load_options_init(radam_load_options *options, uint32_t struct_size);

radam_status radam_save(radam_optimizer *opt, const char *path);

radam_status radam_save_with(radam_optimizer *opt,
                             const char *path,
                             const radam_save_options *options);

radam_status radam_save_to_buffer(radam_optimizer *opt,
                                  void *buffer,
                                  uint64_t capacity,
                                  uint64_t *size);

radam_status radam_load(radam_optimizer *opt, const char *path);

radam_status radam_load_with(radam_optimizer *opt,
                             const char *path,
                             const radam_load_options *options);

radam_status radam_load_shards(radam_optimizer *opt,
                               const char *const *paths,
                               uint64_t count,
                               const radam_load_options *options);

radam_status radam_load_from_buffer(radam_optimizer *opt,
                                    const void *buffer,
                                    uint64_t size,
                                    const radam_load_options *options);

#ifdef __cplusplus
}
#endif

#endif
