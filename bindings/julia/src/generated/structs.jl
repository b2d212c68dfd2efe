# Generated from radam_api.json by bindings/generate; `make bindings` writes it anew. SPDX: MIT OR Apache-2.0
"An optimizer. A pointer to it is a handle: a token that is never dereferenced."
struct radam_optimizer end

"The outcome of a call: RADAM_OK (0) or one of the RADAM_ERROR_... constants."
const radam_status = Int32

"A switch with a default: RADAM_OFF (0, false), RADAM_ON (1, true) or RADAM_AUTO (2, the default of the option). The init functions set RADAM_AUTO, so a switch in a zeroed struct is off."
const radam_toggle = Int32

"The type of the elements of an array: one of the RADAM_DTYPE_... constants, or 0 for the default of the field or argument. A later version may add constants."
const radam_dtype = Int32

"An array of a parameter's state: one of the RADAM_STATE_... constants. A later version may add constants."
const radam_state = Int32

"The caller's allocator for the optimizer's state."
struct radam_allocator
    allocate::Ptr{Cvoid}
    release::Ptr{Cvoid}
    user::Ptr{Cvoid}
end

"The caller's threads, as a parallel loop that runs on them."
struct radam_executor
    parallel_for::Ptr{Cvoid}
    user::Ptr{Cvoid}
end

"Options of an optimizer. Call radam_options_init first."
struct radam_options
    struct_size::UInt32
    num_threads::UInt32
    allocator::radam_allocator
    executor::radam_executor
    parallel_from::UInt64
end

"Options of a parameter group. Call radam_group_options_init first, then set lr, which has no default. A struct that was zeroed instead is rejected, because beta1, beta2 and eps are all 0. The names are those of the Python library optimi."
struct radam_group_options
    struct_size::UInt32
    decouple_wd::radam_toggle
    decouple_lr::radam_toggle
    kahan_sum::radam_toggle
    for_each::radam_toggle
    gradient_release::radam_toggle
    maximize::radam_toggle
    rectify::radam_toggle
    state_dtype::radam_dtype
    master_remainder::radam_toggle
    stochastic_rounding::radam_toggle
    unrectified::radam_toggle
    lr::Float64
    beta1::Float64
    beta2::Float64
    weight_decay::Float64
    eps::Float64
    max_lr::Float64
    rectify_threshold::Float64
    seed::UInt64
end

"One parameter: a flat, contiguous tensor owned by the caller. Call radam_param_init first."
struct radam_param
    struct_size::UInt32
    dtype::radam_dtype
    grad_dtype::radam_dtype
    copy_dtype::radam_dtype
    len::UInt64
    data::Ptr{Cvoid}
    grad::Ptr{Cvoid}
    name::Ptr{UInt8}
    copy::Ptr{Cvoid}
    exp_avg::Ptr{Cvoid}
    exp_avg_sq::Ptr{Cvoid}
    kahan_comp::Ptr{Cvoid}
    tensor_offset::UInt64
    tensor_len::UInt64
end

"The exact sum of squares of any number of gradient elements, and how many of them are infinite or NaN. Call radam_grad_sums_init first, which makes it the sum of nothing."
struct radam_grad_sums
    struct_size::UInt32
    reserved::UInt32
    words::NTuple{72, Int64}
end

"Options of one step. Call radam_step_options_init first."
struct radam_step_options
    struct_size::UInt32
    skip_nonfinite::radam_toggle
    zero_grad::radam_toggle
    report_norms::radam_toggle
    grad_sums::Ptr{radam_grad_sums}
    grad_scale::Float64
    max_grad_norm::Float64
    max_grad_value::Float64
end

"The outcome of a step. Call radam_step_report_init first."
struct radam_step_report
    struct_size::UInt32
    skipped::Int32
    nonfinite::UInt64
    grad_norm::Float64
    clip_coefficient::Float64
    update_norm::Float64
    param_norm::Float64
    params_stepped::UInt64
    threads::UInt32
    reserved::UInt32
end

"The scalars of a group's next step, for training loops that log them. Call radam_group_report_init first."
struct radam_group_report
    struct_size::UInt32
    rectified::Int32
    step::UInt64
    rho::Float64
    rho_inf::Float64
    r::Float64
    effective_lr::Float64
    beta1_hat::Float64
    beta2_hat::Float64
    decay_factor::Float64
end

"Options of saving. Call radam_save_options_init first."
struct radam_save_options
    struct_size::UInt32
    reserved::UInt32
    progress::Ptr{Cvoid}
    user::Ptr{Cvoid}
end

"Options of loading. Call radam_load_options_init first."
struct radam_load_options
    struct_size::UInt32
    strict::radam_toggle
    hyperparameters::radam_toggle
    reserved::UInt32
    progress::Ptr{Cvoid}
    user::Ptr{Cvoid}
end

# What the C compiler gives: each struct, its size, and the offsets of its fields.
const LAYOUTS = (
    (radam_allocator, 24, (0, 8, 16)),
    (radam_executor, 16, (0, 8)),
    (radam_options, 56, (0, 4, 8, 32, 48)),
    (radam_group_options, 112, (0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 56, 64, 72, 80, 88, 96, 104)),
    (radam_param, 96, (0, 4, 8, 12, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88)),
    (radam_grad_sums, 584, (0, 4, 8)),
    (radam_step_options, 48, (0, 4, 8, 12, 16, 24, 32, 40)),
    (radam_step_report, 64, (0, 4, 8, 16, 24, 32, 40, 48, 56, 60)),
    (radam_group_report, 72, (0, 4, 8, 16, 24, 32, 40, 48, 56, 64)),
    (radam_save_options, 24, (0, 4, 8, 16)),
    (radam_load_options, 32, (0, 4, 8, 12, 16, 24)),
)
