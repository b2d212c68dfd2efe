// All kernels, each with its arguments.
#define RADAM_KERNELS(KERNEL)                               \
  KERNEL(radam_prepare, PrepareArgs)                        \
  KERNEL(radam_set_group, SetGroupArgs)                     \
  KERNEL(radam_step_small, SmallArgs)                       \
  KERNEL(radam_update_f32, UpdateArgs, PrepareArgs)         \
  KERNEL(radam_update_f64, UpdateArgs, PrepareArgs)         \
  KERNEL(radam_update_f16, UpdateArgs, PrepareArgs)         \
  KERNEL(radam_update_bf16, UpdateArgs, PrepareArgs)        \
  KERNEL(radam_update_bf16_in_f32, UpdateArgs, PrepareArgs) \
  KERNEL(radam_update_f32_by_bf16, UpdateArgs, PrepareArgs) \
  KERNEL(radam_update_f32_to_bf16, UpdateArgs, PrepareArgs) \
  KERNEL(radam_update_any, UpdateArgs, PrepareArgs)         \
  KERNEL(radam_update_any_in_f64, UpdateArgs, PrepareArgs)  \
  KERNEL(radam_update_q8_f32, UpdateArgs, PrepareArgs)      \
  KERNEL(radam_update_q8_bf16, UpdateArgs, PrepareArgs)     \
  KERNEL(radam_update_q8_any, UpdateArgs, PrepareArgs)      \
  KERNEL(radam_update_measured, UpdateArgs)                 \
  KERNEL(radam_measure, MeasureArgs)                        \
  KERNEL(radam_zero, ZeroArgs)                              \
  KERNEL(radam_convert, ConvertArgs)                        \
  KERNEL(radam_encode, RecodeArgs)                          \
  KERNEL(radam_decode, RecodeArgs)
