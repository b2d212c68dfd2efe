-- Generated from include/radam.h; `make bindings` writes it anew. SPDX: MIT OR Apache-2.0

local cdef = {}

-- The version of the header, and radam_version() of a library that it fits: the same in major and minor.
cdef.version = "0.2.0"
cdef.version_number = 2000

cdef.dtypes = {f32 = 1, f64 = 2, f16 = 3, bf16 = 4, q8 = 5}

cdef.states = {exp_avg = 1, exp_avg_sq = 2, kahan_comp = 3, master_remainder = 4, state_scale = 5}

-- Sizes in bytes, and fields in their order: name, type ("" if it is not a scalar), offset in bytes.
cdef.structs = {
  radam_allocator = {
    size = 24,
    {"allocate", "", 0},
    {"release", "", 8},
    {"user", "", 16},
  },
  radam_executor = {
    size = 16,
    {"parallel_for", "", 0},
    {"user", "", 8},
  },
  radam_options = {
    size = 72,
    {"struct_size", "uint32_t", 0},
    {"num_threads", "uint32_t", 4},
    {"allocator", "radam_allocator", 8},
    {"executor", "radam_executor", 32},
    {"parallel_from", "uint64_t", 48},
    {"device", "radam_device", 56},
    {"cuda_device", "int32_t", 60},
    {"cuda_stream", "", 64},
  },
  radam_group_options = {
    size = 112,
    {"struct_size", "uint32_t", 0},
    {"decouple_wd", "radam_toggle", 4},
    {"decouple_lr", "radam_toggle", 8},
    {"kahan_sum", "radam_toggle", 12},
    {"for_each", "radam_toggle", 16},
    {"gradient_release", "radam_toggle", 20},
    {"maximize", "radam_toggle", 24},
    {"rectify", "radam_toggle", 28},
    {"state_dtype", "radam_dtype", 32},
    {"master_remainder", "radam_toggle", 36},
    {"stochastic_rounding", "radam_toggle", 40},
    {"unrectified", "radam_toggle", 44},
    {"lr", "double", 48},
    {"beta1", "double", 56},
    {"beta2", "double", 64},
    {"weight_decay", "double", 72},
    {"eps", "double", 80},
    {"max_lr", "double", 88},
    {"rectify_threshold", "double", 96},
    {"seed", "uint64_t", 104},
  },
  radam_param = {
    size = 104,
    {"struct_size", "uint32_t", 0},
    {"dtype", "radam_dtype", 4},
    {"grad_dtype", "radam_dtype", 8},
    {"copy_dtype", "radam_dtype", 12},
    {"len", "uint64_t", 16},
    {"data", "", 24},
    {"grad", "", 32},
    {"name", "", 40},
    {"copy", "", 48},
    {"exp_avg", "", 56},
    {"exp_avg_sq", "", 64},
    {"kahan_comp", "", 72},
    {"tensor_offset", "uint64_t", 80},
    {"tensor_len", "uint64_t", 88},
    {"state_scale", "", 96},
  },
  radam_grad_sums = {
    size = 584,
    {"struct_size", "uint32_t", 0},
    {"reserved", "uint32_t", 4},
    {"words", "", 8},
  },
  radam_step_options = {
    size = 48,
    {"struct_size", "uint32_t", 0},
    {"skip_nonfinite", "radam_toggle", 4},
    {"zero_grad", "radam_toggle", 8},
    {"report_norms", "radam_toggle", 12},
    {"grad_sums", "", 16},
    {"grad_scale", "double", 24},
    {"max_grad_norm", "double", 32},
    {"max_grad_value", "double", 40},
  },
  radam_step_report = {
    size = 64,
    {"struct_size", "uint32_t", 0},
    {"skipped", "int32_t", 4},
    {"nonfinite", "uint64_t", 8},
    {"grad_norm", "double", 16},
    {"clip_coefficient", "double", 24},
    {"update_norm", "double", 32},
    {"param_norm", "double", 40},
    {"params_stepped", "uint64_t", 48},
    {"threads", "uint32_t", 56},
    {"reserved", "uint32_t", 60},
  },
  radam_group_report = {
    size = 72,
    {"struct_size", "uint32_t", 0},
    {"rectified", "int32_t", 4},
    {"step", "uint64_t", 8},
    {"rho", "double", 16},
    {"rho_inf", "double", 24},
    {"r", "double", 32},
    {"effective_lr", "double", 40},
    {"beta1_hat", "double", 48},
    {"beta2_hat", "double", 56},
    {"decay_factor", "double", 64},
  },
  radam_save_options = {
    size = 24,
    {"struct_size", "uint32_t", 0},
    {"reserved", "uint32_t", 4},
    {"progress", "", 8},
    {"user", "", 16},
  },
  radam_load_options = {
    size = 32,
    {"struct_size", "uint32_t", 0},
    {"strict", "radam_toggle", 4},
    {"hyperparameters", "radam_toggle", 8},
    {"convert_state", "radam_toggle", 12},
    {"progress", "", 16},
    {"user", "", 24},
  },
}

cdef.declarations = [[
typedef struct radam_optimizer radam_optimizer;
typedef int32_t radam_status;
typedef int32_t radam_device;
typedef int32_t radam_toggle;
typedef int32_t radam_dtype;
typedef int32_t radam_state;
typedef struct radam_allocator {
  void *(*allocate)(uint64_t size, uint64_t alignment, void *user);
  void (*release)(void *pointer, uint64_t size, uint64_t alignment, void *user);
  void *user;
} radam_allocator;
typedef struct radam_executor {
  void (*parallel_for)(uint64_t count, void (*body)(uint64_t index, void *body_data), void *body_data, void *user);
  void *user;
} radam_executor;
typedef struct radam_options {
  uint32_t struct_size;
  uint32_t num_threads;
  radam_allocator allocator;
  radam_executor executor;
  uint64_t parallel_from;
  radam_device device;
  int32_t cuda_device;
  void *cuda_stream;
} radam_options;
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
  void *state_scale;
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
  radam_toggle convert_state;
  int32_t (*progress)(uint64_t bytes_done, uint64_t bytes_total, void *user);
  void *user;
} radam_load_options;
uint32_t radam_version(void);
const char *radam_version_string(void);
const char *radam_status_string(radam_status status);
uint64_t radam_last_error(const radam_optimizer *opt, char *buf, uint64_t cap);
radam_status radam_options_init(radam_options *options, uint32_t struct_size);
radam_status radam_group_options_init(radam_group_options *options, uint32_t struct_size);
radam_status radam_get_group_options(const radam_optimizer *opt, uint32_t group, radam_group_options *options);
radam_status radam_set_group_options(radam_optimizer *opt, uint32_t group, const radam_group_options *options);
radam_status radam_set_lr(radam_optimizer *opt, uint32_t group, double lr);
radam_status radam_get_lr(const radam_optimizer *opt, uint32_t group, double *lr);
radam_status radam_set_weight_decay(radam_optimizer *opt, uint32_t group, double weight_decay);
radam_status radam_get_weight_decay(const radam_optimizer *opt, uint32_t group, double *weight_decay);
radam_status radam_param_init(radam_param *param, uint32_t struct_size);
radam_status radam_grad_sums_init(radam_grad_sums *sums, uint32_t struct_size);
radam_status radam_measure(radam_optimizer *opt, radam_grad_sums *sums);
radam_status radam_measure_tensor(radam_dtype grad_dtype, const void *grad, uint64_t len, radam_grad_sums *sums);
radam_status radam_grad_sums_value(const radam_grad_sums *sums, double *norm, uint64_t *nonfinite);
radam_status radam_step_options_init(radam_step_options *options, uint32_t struct_size);
radam_status radam_step_report_init(radam_step_report *report, uint32_t struct_size);
radam_status radam_group_report_init(radam_group_report *report, uint32_t struct_size);
radam_status radam_get_group_report(const radam_optimizer *opt, uint32_t group, radam_group_report *report);
radam_status radam_create(const radam_options *options, radam_optimizer **opt);
radam_status radam_free(radam_optimizer *opt);
radam_status radam_set_stream(radam_optimizer *opt, void *stream);
radam_status radam_add_param_group(radam_optimizer *opt, const radam_group_options *options, const radam_param *params, uint64_t count, uint32_t *group);
radam_status radam_add_params(radam_optimizer *opt, uint32_t group, const radam_param *params, uint64_t count, uint32_t *first);
radam_status radam_add_param(radam_optimizer *opt, uint32_t group, radam_dtype dtype, radam_dtype grad_dtype, void *data, void *grad, uint64_t len, const char *name, uint32_t *param);
radam_status radam_set_data(radam_optimizer *opt, uint32_t param, void *data);
radam_status radam_set_grad(radam_optimizer *opt, uint32_t param, void *grad);
radam_status radam_set_tensors(radam_optimizer *opt, uint32_t first_param, uint64_t count, void *const *data, void *const *grads);
radam_status radam_param_id(const radam_optimizer *opt, const char *name, uint32_t *param);
radam_status radam_get_param(const radam_optimizer *opt, uint32_t param, uint32_t *group, radam_param *description);
uint64_t radam_param_name(const radam_optimizer *opt, uint32_t param, char *buf, uint64_t cap);
radam_status radam_step_count(const radam_optimizer *opt, uint32_t param, uint64_t *steps);
radam_status radam_step(radam_optimizer *opt);
radam_status radam_step_with(radam_optimizer *opt, const radam_step_options *options, radam_step_report *report);
radam_status radam_step_param(radam_optimizer *opt, uint32_t param, const void *grad);
radam_status radam_step_tensor(radam_optimizer *opt, uint32_t param, void *data, void *grad, const radam_step_options *options, radam_step_report *report);
radam_status radam_set_optimizer_accumulation(radam_optimizer *opt, radam_toggle on);
radam_status radam_get_optimizer_accumulation(const radam_optimizer *opt, radam_toggle *on);
radam_status radam_zero_grad(radam_optimizer *opt);
radam_status radam_step_begin(radam_optimizer *opt, const radam_step_options *options);
radam_status radam_step_wave(radam_optimizer *opt, uint64_t *chunks);
radam_status radam_step_chunk(radam_optimizer *opt, uint64_t chunk);
radam_status radam_step_for(radam_optimizer *opt, uint64_t budget_ns, uint64_t *chunks_left);
radam_status radam_step_end(radam_optimizer *opt, radam_step_report *report);
radam_status radam_step_abort(radam_optimizer *opt);
radam_status radam_set_frozen(radam_optimizer *opt, uint32_t param, radam_toggle frozen);
radam_status radam_get_frozen(const radam_optimizer *opt, uint32_t param, radam_toggle *frozen);
radam_status radam_remove_param(radam_optimizer *opt, uint32_t param);
radam_status radam_reset_state(radam_optimizer *opt, uint32_t param);
radam_status radam_set_step_count(radam_optimizer *opt, uint32_t param, uint64_t steps);
radam_status radam_param_state(radam_optimizer *opt, uint32_t param, radam_state which, void **pointer, radam_dtype *dtype);
uint64_t radam_advice(const radam_optimizer *opt, char *buf, uint64_t cap);
radam_status radam_update(radam_dtype dtype, radam_dtype grad_dtype, radam_dtype state_dtype, void *param, const void *grad, void *exp_avg, void *exp_avg_sq, void *kahan_comp, uint64_t len, const radam_group_options *options, uint64_t step);
radam_status radam_update_q8(radam_dtype dtype, radam_dtype grad_dtype, void *param, const void *grad, int8_t *exp_avg, uint8_t *exp_avg_sq, uint32_t *state_scale, void *kahan_comp, uint64_t len, const radam_group_options *options, uint64_t step);
radam_status radam_save_options_init(radam_save_options *options, uint32_t struct_size);
radam_status radam_load_options_init(radam_load_options *options, uint32_t struct_size);
radam_status radam_save(radam_optimizer *opt, const char *path);
radam_status radam_save_with(radam_optimizer *opt, const char *path, const radam_save_options *options);
radam_status radam_save_to_buffer(radam_optimizer *opt, void *buffer, uint64_t capacity, uint64_t *size);
radam_status radam_load(radam_optimizer *opt, const char *path);
radam_status radam_load_with(radam_optimizer *opt, const char *path, const radam_load_options *options);
radam_status radam_load_shards(radam_optimizer *opt, const char *const *paths, uint64_t count, const radam_load_options *options);
radam_status radam_load_from_buffer(radam_optimizer *opt, const void *buffer, uint64_t size, const radam_load_options *options);
]]

return cdef
