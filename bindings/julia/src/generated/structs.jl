# Generated from radam_api.json by bindings/generate; `make bindings` writes it anew. SPDX: MIT OR Apache-2.0
"An optimizer. A pointer to it is a handle: a token that is never dereferenced."
struct radam_optimizer end

"The outcome of a call: RADAM_OK (0) or one of the RADAM_ERROR_... constants."
const radam_status = Int32

"Where an optimizer and its arrays are: one of the RADAM_DEVICE_... constants. A later version may add constants."
const radam_device = Int32

"A switch with a default: RADAM_OFF (0, false), RADAM_ON (1, true) or RADAM_AUTO (2, the default of the option). The init functions set RADAM_AUTO, so a switch in a zeroed struct is off."
const radam_toggle = Int32

"The type of the elements of an array: one of the RADAM_DTYPE_... constants, or 0 for the default of the field or argument. A later version may add constants."
const radam_dtype = Int32

"An array of a parameter's state: one of the RADAM_STATE_... constants. A later version may add constants."
const radam_state = Int32

"""
The caller's allocator for the optimizer's state.

- `allocate`: Returns size bytes aligned to alignment, or NULL if there is no memory: then the call returns RADAM_ERROR_OUT_OF_MEMORY. alignment is a power of two and size a multiple of it, as aligned_alloc requires. The memory need not be zeroed. If the pointer is not aligned, it is released again and the call returns RADAM_ERROR_INVALID_ARGUMENT. NULL, the default: the system's allocator.
- `release`: Frees memory that allocate returned, given the same size and alignment; pointer is never NULL. Must be set if and only if allocate is.
- `user`: Passed to both functions; the library never dereferences it.
"""
struct radam_allocator
    allocate::Ptr{Cvoid}
    release::Ptr{Cvoid}
    user::Ptr{Cvoid}
end

"""
The caller's threads, as a parallel loop that runs on them.

- `parallel_for`: Calls body(index, body_data) once for each index from 0 to count - 1, on any threads and in any order, and returns when all these calls have returned. NULL, the default: the library runs threads of its own.
- `user`: Passed to parallel_for; the library never dereferences it.
"""
struct radam_executor
    parallel_for::Ptr{Cvoid}
    user::Ptr{Cvoid}
end

"""
Options of an optimizer. Call radam_options_init first.

- `struct_size`: sizeof(radam_options); set by radam_options_init.
- `num_threads`: The maximum number of threads that work on a step, including the calling one; at most 1024. The library's threads start with the first step that is large enough to gain from them. 0, the default: one per available core. 1: the library never starts a thread, and everything runs on the calling one.
- `allocator`: Allocates the optimizer's state. Default: the system's allocator.
- `executor`: Runs parallel work on the caller's threads. With it, the library never starts a thread, and the executor decides how many take part; num_threads 1 still keeps all work on the calling thread. Default: the library's own threads.
- `parallel_from`: The number of elements from which a step runs on several threads; of measuring gradients it takes 4 times as many, since it is less work. 0, the default: chosen by the library, for threads that sleep between steps and have to be woken up. With an executor whose threads are already awake when a step begins, about 65536 pays off.
- `device`: Where the optimizer is: one of the RADAM_DEVICE_... constants. With RADAM_DEVICE_CUDA, data, grad, copy and state arrays are device pointers, an allocator returns device memory, and calls enqueue their work on a stream; docs/gpu.md describes it. num_threads, executor, parallel_from and steps in slices are for the CPU. Default: the CPU.
- `cuda_device`: The number of the GPU, whose primary context is used, as the CUDA runtime does. 0, the default, on the CPU.
- `cuda_stream`: The CUstream or cudaStream_t that work is enqueued on; radam_set_stream changes it. It must exist until the optimizer is freed or has moved to another stream. NULL, the default: the legacy default stream, or none on the CPU.
"""
struct radam_options
    struct_size::UInt32
    num_threads::UInt32
    allocator::radam_allocator
    executor::radam_executor
    parallel_from::UInt64
    device::radam_device
    cuda_device::Int32
    cuda_stream::Ptr{Cvoid}
end

"""
Options of a parameter group. Call radam_group_options_init first, then set lr, which has no default. A struct that was zeroed instead is rejected, because beta1, beta2 and eps are all 0. The names are those of the Python library optimi.

- `struct_size`: sizeof(radam_group_options); set by radam_group_options_init.
- `decouple_wd`: Decoupled weight decay, as in AdamW: each step multiplies the parameter by 1 - lr * weight_decay. AUTO: off, which makes weight_decay an L2 penalty added to the gradient.
- `decouple_lr`: Fully decoupled weight decay: each step multiplies the parameter by 1 - lr / max_lr * weight_decay, so the best weight_decay does not depend on lr. Takes precedence over decouple_wd. AUTO: off.
- `kahan_sum`: Kahan summation: a compensation array beside each parameter keeps what rounding loses, so 16-bit parameters train without an f32 copy. AUTO: on for f16 and bf16, unless master_remainder or stochastic_rounding is on. Turning it on starts with a compensation of 0; turning it off discards the compensation.
- `for_each`: AUTO and ON (optimi's foreach): a step runs over all tensors of the group in one parallel loop. OFF: one tensor after another. The results are the same.
- `gradient_release`: The group is stepped one parameter at a time with radam_step_param or radam_step_tensor, for example from inside the backward pass; radam_step, radam_step_with, radam_measure and radam_zero_grad skip it. AUTO: off.
- `maximize`: Maximizes: the gradient is negated before anything else. AUTO: off.
- `rectify`: Rectification, the R of RAdam. OFF: every step uses r = 1, which makes this Adam, or AdamW with decouple_wd. AUTO: on.
- `state_dtype`: The dtype of exp_avg, exp_avg_sq and kahan_comp. 0: that of each parameter. Otherwise RADAM_DTYPE_F32, the dtype of all parameters of the group, or RADAM_DTYPE_Q8. Changing it converts the state, rounding to nearest even.
- `master_remainder`: Exact f32 master weights at 16 bits per parameter, instead of Kahan summation: for each bf16 parameter, a signed 16-bit remainder holds the rest of its f32 master. The bits of the master are those of the parameter, shifted left by 16, plus the remainder; the parameter is the master rounded to nearest, ties away from zero. Results are bit for bit those of f32 parameters with the same state_dtype (set it to f32 for f32 training). For groups of bf16 parameters only; cannot be combined with kahan_sum or stochastic_rounding. Turning it on starts with remainders of 0; turning it off discards them. AUTO: off.
- `stochastic_rounding`: Stochastic rounding of bf16 parameters, instead of Kahan summation: each new value is rounded up or down at random, with probabilities that make it right on average. It needs no memory. The random number of an element is a hash of seed, the parameter's name, its step number and the element's index in the whole tensor (radam_param.tensor_offset included), so results do not depend on the machine, the order in which parameters were added, or how a tensor is sharded. For groups of bf16 parameters only; cannot be combined with kahan_sum or master_remainder. AUTO: off.
- `unrectified`: What to do in unrectified steps, the first ones, while rho does not exceed rectify_threshold. AUTO and ON: parameters move by lr * exp_avg, as in the paper, optimi and PyTorch. OFF: only exp_avg and exp_avg_sq are updated, by the gradient without an L2 penalty, and weight decay of any kind waits too, as the paper's authors recommend if the first steps diverge.
- `lr`: The learning rate; finite, at least 0. Required: radam_group_options_init sets NaN, which is rejected.
- `beta1`: The decay rate of exp_avg, in [0, 1). Default: 0.9.
- `beta2`: The decay rate of exp_avg_sq, in [0, 1). Default: 0.99.
- `weight_decay`: The weight decay; finite, at least 0. Default: 0.
- `eps`: Added to the square root of exp_avg_sq in the denominator; finite, at least 0. Default: 1e-6.
- `max_lr`: The highest lr of the schedule, by which decouple_lr divides; finite, at least 0, and above 0 if decouple_lr is on. NaN, the default: the value of lr in the same struct.
- `rectify_threshold`: A step is rectified if rho, the length of the approximated simple moving average, exceeds this; finite, at least 4, since r does not exist below. Default: 5, as in optimi and PyTorch; the paper has 4.
- `seed`: The seed of stochastic_rounding and of 8-bit state. Default: 0.
"""
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

"""
One parameter: a flat, contiguous tensor owned by the caller. Call radam_param_init first.

- `struct_size`: sizeof(radam_param); set by radam_param_init. In an array of structs it is the stride, and must be the same in all of them.
- `dtype`: The dtype of data. Required.
- `grad_dtype`: The dtype of grad. 0, the default: dtype.
- `copy_dtype`: The dtype of copy: RADAM_DTYPE_BF16, RADAM_DTYPE_F16 or RADAM_DTYPE_F32. 0, the default: RADAM_DTYPE_BF16.
- `len`: The number of elements, which may be 0.
- `data`: The elements. NULL, the default: the parameter is unbound; radam_step skips it, radam_set_data and radam_set_tensors bind it, and radam_step_tensor steps it in arrays passed to the call. It must not have a registered gradient when it is stepped: radam_step then returns RADAM_ERROR_INVALID_STATE.
- `grad`: The gradient. NULL, the default: steps skip the parameter, and its step count does not change.
- `name`: The parameter's name: UTF-8, unique within the optimizer, copied. Checkpoints identify parameters by name. NULL, the default: \"param.\" and its id.
- `copy`: For f32 and f64 parameters, a second array that receives the new values, rounded to nearest even to copy_dtype, in the same pass: f32 master weights get their bf16 working copy this way. It is written only by steps that change the parameter, so not before the first step, during optimizer accumulation, or in unrectified steps with unrectified off. NULL, the default: no copy.
- `exp_avg`: The state, for callers who allocate it themselves: an array in the dtype of the group's state. NULL, the default: the library allocates it.
- `exp_avg_sq`: As exp_avg.
- `kahan_comp`: As exp_avg; with 8-bit state, in the dtype of data. Must be NULL unless kahan_sum is on for this dtype, or master_remainder, in which case it is an array of int16_t.
- `tensor_offset`: For data-parallel sharding: the parameter is the slice of len elements that begins at element tensor_offset of a larger tensor, which has this name in all processes and tensor_len elements in all. Checkpoints of several processes can then be loaded by processes with other shards (radam_load_shards); stochastic rounding gives each element the same random numbers as in the whole tensor; and shards cut at multiples of 16384 elements give the same norms, bit for bit, as the whole tensor (radam_grad_sums). With 8-bit state, cut at multiples of 128: tensor_offset must be one. Default: 0.
- `tensor_len`: The number of elements of the whole tensor. 0, the default: the parameter is the whole tensor.
- `state_scale`: As exp_avg, for 8-bit state, of which exp_avg is then an array of int8_t and exp_avg_sq one of uint8_t: an array of uint32_t, one for each block of 128 elements, the last of which may be shorter. Must be NULL unless state_dtype is RADAM_DTYPE_Q8 and the whole tensor has at least 4096 elements. Since 0.2.
"""
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
    state_scale::Ptr{Cvoid}
end

"""
The exact sum of squares of any number of gradient elements, and how many of them are infinite or NaN. Call radam_grad_sums_init first, which makes it the sum of nothing.

- `struct_size`: sizeof(radam_grad_sums); set by radam_grad_sums_init.
- `reserved`: Must be 0.
- `words`: None is negative. Words 0 to 67 are the digits of the sum of squares in base 2^32, least significant first: word i counts multiples of 2^(32 * i - 1074). Word 68 is the number of infinite elements, word 69 that of NaN elements, and word 70 that of partial sums of finite elements that overflowed. Word 71 is 0.
"""
struct radam_grad_sums
    struct_size::UInt32
    reserved::UInt32
    words::NTuple{72, Int64}
end

"""
Options of one step. Call radam_step_options_init first.

- `struct_size`: sizeof(radam_step_options); set by radam_step_options_init.
- `skip_nonfinite`: Skips the step if any gradient element is infinite or NaN: parameters, state and step counts keep their bits. The call still succeeds, and the report says so. AUTO: off.
- `zero_grad`: Zeroes each gradient once it is no longer needed, also if the step is skipped; the same as calling radam_zero_grad afterwards. AUTO: off.
- `report_norms`: Measures update_norm and param_norm for the report, which is about as much work as the update itself. AUTO: off.
- `grad_sums`: What is already known of all gradients, for example of several processes or of tensors that are stepped one by one: max_grad_norm and skip_nonfinite use these sums, and the step measures nothing. The sums are of gradients before grad_scale. NULL, the default: the step measures its own gradients if it needs to.
- `grad_scale`: Multiplies every gradient before anything else; finite, above 0. With loss scaling, it is 1 / loss scale. Default: 1.
- `max_grad_norm`: Clips gradients by their norm: the maximum L2 norm of all gradients together, after grad_scale; finite, at least 0. If max_grad_norm / (norm + 1e-6) is below 1, all gradients are multiplied by it, as torch.nn.utils.clip_grad_norm_ does. An infinite norm therefore turns finite gradients into 0 and infinite ones into NaN, and a NaN norm turns all of them into NaN. 0, the default: no limit.
- `max_grad_value`: Clips gradients by value, after grad_scale and max_grad_norm: each element is clamped to [-max_grad_value, max_grad_value], and NaN stays NaN. Finite, at least 0. 0, the default: no limit.
"""
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

"""
The outcome of a step. Call radam_step_report_init first.

- `struct_size`: sizeof(radam_step_report); set by radam_step_report_init.
- `skipped`: 1 if skip_nonfinite skipped the step, else 0.
- `nonfinite`: The number of gradient elements that are infinite or NaN.
- `grad_norm`: The norm of the gradients after grad_scale and before clipping; 0 if there are none.
- `clip_coefficient`: What max_grad_norm multiplied the gradients by; 1 if they were within the limit.
- `update_norm`: The norm of the change of the parameters, as stored; 0 if the step was skipped. NaN unless report_norms is on.
- `param_norm`: The norm of the parameters after the step, as stored. NaN if the step was skipped, and unless report_norms is on.
- `params_stepped`: The number of parameters that were stepped: 0 if none has a gradient, or if the step was skipped.
- `threads`: The number of threads that worked on the step, including the calling one; 0 for a step in slices, which the caller distributes. A thread of an executor that works for two optimizers in turns may be counted more than once.
- `reserved`: 0.
"""
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

"""
The scalars of a group's next step, for training loops that log them. Call radam_group_report_init first.

- `struct_size`: sizeof(radam_group_report); set by radam_group_report_init.
- `rectified`: 1 if the step will be rectified (always, with rectify off), else 0: then it moves parameters by lr * exp_avg, without a square root, or not at all with unrectified off.
- `step`: The number t of the step, starting at 1, of the parameter that has made the most steps. Parameters that joined late or were paused have lower ones.
- `rho`: The length of the approximated simple moving average. A step is rectified if it exceeds rectify_threshold.
- `rho_inf`: The limit of rho: 2 / (1 - beta2) - 1.
- `r`: The rectification term, in [0, 1]; 0 in unrectified steps, 1 with rectify off.
- `effective_lr`: The factor of exp_avg: lr * r in rectified steps; otherwise lr, or 0 with unrectified off.
- `beta1_hat`: The debiased beta1: (beta1^t - beta1) / (beta1^t - 1).
- `beta2_hat`: The debiased beta2: (beta2^t - beta2) / (beta2^t - 1).
- `decay_factor`: The factor by which weight decay multiplies each parameter: 1 - lr * weight_decay with decouple_wd, 1 - lr / max_lr * weight_decay with decouple_lr, else 1.
"""
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

"""
Options of saving. Call radam_save_options_init first.

- `struct_size`: sizeof(radam_save_options); set by radam_save_options_init.
- `reserved`: Must be 0.
- `progress`: Called on the calling thread after about every MiB, with the number of bytes done and the total. If it returns anything but 0, the call is cancelled: it returns RADAM_ERROR_IO, and the file stays as it was. It must return normally (no exception, no longjmp) and must not call the library for the same optimizer. NULL, the default: no progress is reported.
- `user`: Passed to progress; the library never dereferences it.
"""
struct radam_save_options
    struct_size::UInt32
    reserved::UInt32
    progress::Ptr{Cvoid}
    user::Ptr{Cvoid}
end

"""
Options of loading. Call radam_load_options_init first.

- `struct_size`: sizeof(radam_load_options); set by radam_load_options_init.
- `strict`: Requires that the checkpoint has exactly the parameters of the optimizer. OFF: parameters that are only in one of the two are left alone; those in both must still match. AUTO: on.
- `hyperparameters`: Restores options from the checkpoint too, so that the run continues exactly: lr, beta1, beta2, weight_decay, eps, max_lr, decouple_wd, decouple_lr, maximize, rectify, unrectified, rectify_threshold and seed of each group, whether each parameter is frozen, and whether optimizer accumulation is on. OFF: the optimizer keeps its own. AUTO: on.
- `convert_state`: Converts state that the optimizer has in another state_dtype, among them RADAM_DTYPE_Q8. For conversions to and from 8-bit state, the shards in the files must be cut at multiples of 128 elements. OFF and AUTO: such state does not fit.
- `progress`: As in radam_save_options, of the bytes that have been read and verified. A call that is cancelled changes nothing.
- `user`: Passed to progress; the library never dereferences it.
"""
struct radam_load_options
    struct_size::UInt32
    strict::radam_toggle
    hyperparameters::radam_toggle
    convert_state::radam_toggle
    progress::Ptr{Cvoid}
    user::Ptr{Cvoid}
end

# What the C compiler gives: each struct, its size, and the offsets of its fields.
const LAYOUTS = (
    (radam_allocator, 24, (0, 8, 16)),
    (radam_executor, 16, (0, 8)),
    (radam_options, 72, (0, 4, 8, 32, 48, 56, 60, 64)),
    (radam_group_options, 112, (0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 56, 64, 72, 80, 88, 96, 104)),
    (radam_param, 104, (0, 4, 8, 12, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96)),
    (radam_grad_sums, 584, (0, 4, 8)),
    (radam_step_options, 48, (0, 4, 8, 12, 16, 24, 32, 40)),
    (radam_step_report, 64, (0, 4, 8, 16, 24, 32, 40, 48, 56, 60)),
    (radam_group_report, 72, (0, 4, 8, 16, 24, 32, 40, 48, 56, 64)),
    (radam_save_options, 24, (0, 4, 8, 16)),
    (radam_load_options, 32, (0, 4, 8, 12, 16, 24)),
)
