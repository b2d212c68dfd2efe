# Generated from radam_api.json by bindings/generate; `make bindings` writes it anew. SPDX: MIT OR Apache-2.0
const FUNCTIONS = (
    :radam_version,
    :radam_version_string,
    :radam_status_string,
    :radam_last_error,
    :radam_options_init,
    :radam_group_options_init,
    :radam_get_group_options,
    :radam_set_group_options,
    :radam_set_lr,
    :radam_get_lr,
    :radam_set_weight_decay,
    :radam_get_weight_decay,
    :radam_param_init,
    :radam_grad_sums_init,
    :radam_measure,
    :radam_measure_tensor,
    :radam_grad_sums_value,
    :radam_step_options_init,
    :radam_step_report_init,
    :radam_group_report_init,
    :radam_get_group_report,
    :radam_create,
    :radam_free,
    :radam_set_stream,
    :radam_add_param_group,
    :radam_add_params,
    :radam_add_param,
    :radam_set_data,
    :radam_set_grad,
    :radam_set_tensors,
    :radam_param_id,
    :radam_get_param,
    :radam_param_name,
    :radam_step_count,
    :radam_step,
    :radam_step_with,
    :radam_step_param,
    :radam_step_tensor,
    :radam_set_optimizer_accumulation,
    :radam_get_optimizer_accumulation,
    :radam_zero_grad,
    :radam_step_begin,
    :radam_step_wave,
    :radam_step_chunk,
    :radam_step_for,
    :radam_step_end,
    :radam_step_abort,
    :radam_set_frozen,
    :radam_get_frozen,
    :radam_remove_param,
    :radam_reset_state,
    :radam_set_step_count,
    :radam_param_state,
    :radam_advice,
    :radam_update,
    :radam_update_q8,
    :radam_save_options_init,
    :radam_load_options_init,
    :radam_save,
    :radam_save_with,
    :radam_save_to_buffer,
    :radam_load,
    :radam_load_with,
    :radam_load_shards,
    :radam_load_from_buffer,
)

# Where the loaded library has them, in the same order.
const POINTERS = fill(C_NULL, length(FUNCTIONS))

"Returns the version of the loaded library: major * 1000000 + minor * 1000 + patch. Compare it with RADAM_VERSION, the version of this header."
radam_version() =
    ccall(POINTERS[1], UInt32, ())

"Returns the version of the loaded library as a string, such as \"1.2.3\". The string is static."
radam_version_string() =
    ccall(POINTERS[2], Cstring, ())

"Returns the name of a status, such as \"RADAM_ERROR_BUSY\". The string is static."
radam_status_string(status) =
    ccall(POINTERS[3], Cstring, (radam_status,), status)

"Copies the error message of the last failed call: one sentence that names the argument, its value and what is allowed."
radam_last_error(opt, buf, cap) =
    ccall(POINTERS[4], UInt64, (Ptr{radam_optimizer}, Ptr{UInt8}, UInt64,), opt, buf, cap)

"Fills options with the default values."
radam_options_init(options, struct_size) =
    ccall(POINTERS[5], radam_status, (Ptr{radam_options}, UInt32,), options, struct_size)

"Fills options with the default values; lr has none and must be set."
radam_group_options_init(options, struct_size) =
    ccall(POINTERS[6], radam_status, (Ptr{radam_group_options}, UInt32,), options, struct_size)

"Gets all options of a group as they were set. A max_lr that was never set is the lr that the group was added with."
radam_get_group_options(opt, group, options) =
    ccall(POINTERS[7], radam_status, (Ptr{radam_optimizer}, UInt32, Ptr{radam_group_options},), opt, group, options)

"Sets all options of a group: all of them or, on error, none."
radam_set_group_options(opt, group, options) =
    ccall(POINTERS[8], radam_status, (Ptr{radam_optimizer}, UInt32, Ptr{radam_group_options},), opt, group, options)

"Sets the learning rate of a group, as a schedule does before each step. max_lr does not change."
radam_set_lr(opt, group, lr) =
    ccall(POINTERS[9], radam_status, (Ptr{radam_optimizer}, UInt32, Float64,), opt, group, lr)

"Gets the learning rate of a group."
radam_get_lr(opt, group, lr) =
    ccall(POINTERS[10], radam_status, (Ptr{radam_optimizer}, UInt32, Ptr{Float64},), opt, group, lr)

"Sets the weight decay of a group. decouple_wd and decouple_lr decide how it is applied."
radam_set_weight_decay(opt, group, weight_decay) =
    ccall(POINTERS[11], radam_status, (Ptr{radam_optimizer}, UInt32, Float64,), opt, group, weight_decay)

"Gets the weight decay of a group."
radam_get_weight_decay(opt, group, weight_decay) =
    ccall(POINTERS[12], radam_status, (Ptr{radam_optimizer}, UInt32, Ptr{Float64},), opt, group, weight_decay)

"Fills param with the default values; dtype has none and must be set."
radam_param_init(param, struct_size) =
    ccall(POINTERS[13], radam_status, (Ptr{radam_param}, UInt32,), param, struct_size)

"Sets sums to the sum of no gradients."
radam_grad_sums_init(sums, struct_size) =
    ccall(POINTERS[14], radam_status, (Ptr{radam_grad_sums}, UInt32,), sums, struct_size)

"Adds to sums the gradients that radam_step would use: those of all parameters with data and a gradient that are not frozen, except in groups with gradient_release."
radam_measure(opt, sums) =
    ccall(POINTERS[15], radam_status, (Ptr{radam_optimizer}, Ptr{radam_grad_sums},), opt, sums)

"Adds to sums the gradient of one tensor, without an optimizer."
radam_measure_tensor(grad_dtype, grad, len, sums) =
    ccall(POINTERS[16], radam_status, (radam_dtype, Ptr{Cvoid}, UInt64, Ptr{radam_grad_sums},), grad_dtype, grad, len, sums)

"Gets the L2 norm of the gradients in sums, and how many elements are infinite or NaN."
radam_grad_sums_value(sums, norm, nonfinite) =
    ccall(POINTERS[17], radam_status, (Ptr{radam_grad_sums}, Ptr{Float64}, Ptr{UInt64},), sums, norm, nonfinite)

"Fills options with the default values: a plain update."
radam_step_options_init(options, struct_size) =
    ccall(POINTERS[18], radam_status, (Ptr{radam_step_options}, UInt32,), options, struct_size)

"Fills report with initial values, which steps overwrite."
radam_step_report_init(report, struct_size) =
    ccall(POINTERS[19], radam_status, (Ptr{radam_step_report}, UInt32,), report, struct_size)

"Fills report with initial values, which radam_get_group_report overwrites."
radam_group_report_init(report, struct_size) =
    ccall(POINTERS[20], radam_status, (Ptr{radam_group_report}, UInt32,), report, struct_size)

"Gets the scalars of a group's next step, as its present options give them."
radam_get_group_report(opt, group, report) =
    ccall(POINTERS[21], radam_status, (Ptr{radam_optimizer}, UInt32, Ptr{radam_group_report},), opt, group, report)

"Creates an optimizer without parameters."
radam_create(options, opt) =
    ccall(POINTERS[22], radam_status, (Ptr{radam_options}, Ptr{Ptr{radam_optimizer}},), options, opt)

"Frees an optimizer and its state, and joins the library's threads. Parameters, gradients and other arrays of the caller are left as they are."
radam_free(opt) =
    ccall(POINTERS[23], radam_status, (Ptr{radam_optimizer},), opt)

"Enqueues the work of an optimizer on another CUDA stream from now on."
radam_set_stream(opt, stream) =
    ccall(POINTERS[24], radam_status, (Ptr{radam_optimizer}, Ptr{Cvoid},), opt, stream)

"Adds a group of parameters with common options: all of them or, on error, nothing."
radam_add_param_group(opt, options, params, count, group) =
    ccall(POINTERS[25], radam_status, (Ptr{radam_optimizer}, Ptr{radam_group_options}, Ptr{radam_param}, UInt64, Ptr{UInt32},), opt, options, params, count, group)

"Adds parameters to an existing group: all of them or, on error, nothing."
radam_add_params(opt, group, params, count, first) =
    ccall(POINTERS[26], radam_status, (Ptr{radam_optimizer}, UInt32, Ptr{radam_param}, UInt64, Ptr{UInt32},), opt, group, params, count, first)

"Adds one parameter to an existing group; a variant of radam_add_params without structs, for FFI."
radam_add_param(opt, group, dtype, grad_dtype, data, grad, len, name, param) =
    ccall(POINTERS[27], radam_status, (Ptr{radam_optimizer}, UInt32, radam_dtype, radam_dtype, Ptr{Cvoid}, Ptr{Cvoid}, UInt64, Cstring, Ptr{UInt32},), opt, group, dtype, grad_dtype, data, grad, len, name, param)

"Sets the address of a parameter's elements, for callers who have moved them."
radam_set_data(opt, param, data) =
    ccall(POINTERS[28], radam_status, (Ptr{radam_optimizer}, UInt32, Ptr{Cvoid},), opt, param, data)

"Sets the address of a parameter's gradient."
radam_set_grad(opt, param, grad) =
    ccall(POINTERS[29], radam_status, (Ptr{radam_optimizer}, UInt32, Ptr{Cvoid},), opt, param, grad)

"Sets the addresses of the elements and gradients of many parameters: all of them or, on error, none. Buffers can be swapped this way, which would overlap if set one by one."
radam_set_tensors(opt, first_param, count, data, grads) =
    ccall(POINTERS[30], radam_status, (Ptr{radam_optimizer}, UInt32, UInt64, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}},), opt, first_param, count, data, grads)

"Finds a parameter by its name, which may be a default one, such as \"param.0\"."
radam_param_id(opt, name, param) =
    ccall(POINTERS[31], radam_status, (Ptr{radam_optimizer}, Cstring, Ptr{UInt32},), opt, name, param)

"Gets what is registered of a parameter, in the form in which it was added."
radam_get_param(opt, param, group, description) =
    ccall(POINTERS[32], radam_status, (Ptr{radam_optimizer}, UInt32, Ptr{UInt32}, Ptr{radam_param},), opt, param, group, description)

"Copies the name of a parameter: the one it was added with, or its default one, such as \"param.0\"."
radam_param_name(opt, param, buf, cap) =
    ccall(POINTERS[33], UInt64, (Ptr{radam_optimizer}, UInt32, Ptr{UInt8}, UInt64,), opt, param, buf, cap)

"Gets the number of steps that a parameter has made."
radam_step_count(opt, param, steps) =
    ccall(POINTERS[34], radam_status, (Ptr{radam_optimizer}, UInt32, Ptr{UInt64},), opt, param, steps)

"Updates every parameter that has a gradient, and increments its step count."
radam_step(opt) =
    ccall(POINTERS[35], radam_status, (Ptr{radam_optimizer},), opt)

"Updates parameters as radam_step does, with gradient scaling, clipping, skipping and zeroing, and reports what happened."
radam_step_with(opt, options, report) =
    ccall(POINTERS[36], radam_status, (Ptr{radam_optimizer}, Ptr{radam_step_options}, Ptr{radam_step_report},), opt, options, report)

"Updates one parameter of a group with gradient_release, for example from inside the backward pass."
radam_step_param(opt, param, grad) =
    ccall(POINTERS[37], radam_status, (Ptr{radam_optimizer}, UInt32, Ptr{Cvoid},), opt, param, grad)

"Updates one parameter of a group with gradient_release in arrays passed to the call, of which it keeps no pointer: for languages whose memory moves, and for engines with new gradient buffers in every step."
radam_step_tensor(opt, param, data, grad, options, report) =
    ccall(POINTERS[38], radam_status, (Ptr{radam_optimizer}, UInt32, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{radam_step_options}, Ptr{radam_step_report},), opt, param, data, grad, options, report)

"Turns optimizer accumulation on or off. While it is on, steps update exp_avg, exp_avg_sq and the step counts, but not the parameters."
radam_set_optimizer_accumulation(opt, on) =
    ccall(POINTERS[39], radam_status, (Ptr{radam_optimizer}, radam_toggle,), opt, on)

"Gets whether optimizer accumulation is on, as it was set; initially RADAM_OFF."
radam_get_optimizer_accumulation(opt, on) =
    ccall(POINTERS[40], radam_status, (Ptr{radam_optimizer}, Ptr{radam_toggle},), opt, on)

"Fills all registered gradients with zeros, except in groups with gradient_release."
radam_zero_grad(opt) =
    ccall(POINTERS[41], radam_status, (Ptr{radam_optimizer},), opt)

"Opens a step that the caller runs in slices: chunk by chunk on any threads (radam_step_wave, radam_step_chunk), for a limited time now and then (radam_step_for), or both."
radam_step_begin(opt, options) =
    ccall(POINTERS[42], radam_status, (Ptr{radam_optimizer}, Ptr{radam_step_options},), opt, options)

"Starts the next wave of the open step: a set of chunks that may run in any order and in parallel."
radam_step_wave(opt, chunks) =
    ccall(POINTERS[43], radam_status, (Ptr{radam_optimizer}, Ptr{UInt64},), opt, chunks)

"Steps one chunk of the current wave, on the calling thread."
radam_step_chunk(opt, chunk) =
    ccall(POINTERS[44], radam_status, (Ptr{radam_optimizer}, UInt64,), opt, chunk)

"Runs the open step for a limited time, on the calling thread: what is left of the current wave, then the waves after it."
radam_step_for(opt, budget_ns, chunks_left) =
    ccall(POINTERS[45], radam_status, (Ptr{radam_optimizer}, UInt64, Ptr{UInt64},), opt, budget_ns, chunks_left)

"Ends the open step, all of whose chunks have been stepped, and increments step counts."
radam_step_end(opt, report) =
    ccall(POINTERS[46], radam_status, (Ptr{radam_optimizer}, Ptr{radam_step_report},), opt, report)

"Cancels the open step as if it had never begun. This is possible until the first chunk that changes anything: before and during the measuring of gradients."
radam_step_abort(opt) =
    ccall(POINTERS[47], radam_status, (Ptr{radam_optimizer},), opt)

"Freezes or unfreezes a parameter. Steps skip a frozen parameter as if it had no gradient, and its step count does not change."
radam_set_frozen(opt, param, frozen) =
    ccall(POINTERS[48], radam_status, (Ptr{radam_optimizer}, UInt32, radam_toggle,), opt, param, frozen)

"Gets whether a parameter is frozen: RADAM_ON or RADAM_OFF."
radam_get_frozen(opt, param, frozen) =
    ccall(POINTERS[49], radam_status, (Ptr{radam_optimizer}, UInt32, Ptr{radam_toggle},), opt, param, frozen)

"Removes a parameter, and frees the state that the library has for it."
radam_remove_param(opt, param) =
    ccall(POINTERS[50], radam_status, (Ptr{radam_optimizer}, UInt32,), opt, param)

"Resets the state of a parameter to that before the first step: zeros, and a step count of 0."
radam_reset_state(opt, param) =
    ccall(POINTERS[51], radam_status, (Ptr{radam_optimizer}, UInt32,), opt, param)

"Sets the number of steps that a parameter has made, for callers who restore its state themselves. The next step has the number steps + 1."
radam_set_step_count(opt, param, steps) =
    ccall(POINTERS[52], radam_status, (Ptr{radam_optimizer}, UInt32, UInt64,), opt, param, steps)

"Gets the address of an array of a parameter's state, and its dtype."
radam_param_state(opt, param, which, pointer, dtype) =
    ccall(POINTERS[53], radam_status, (Ptr{radam_optimizer}, UInt32, radam_state, Ptr{Ptr{Cvoid}}, Ptr{radam_dtype},), opt, param, which, pointer, dtype)

"Copies advice on settings that are allowed but known to make training fail: one sentence per line, with the number in question and a remedy. Empty if there is nothing to report."
radam_advice(opt, buf, cap) =
    ccall(POINTERS[54], UInt64, (Ptr{radam_optimizer}, Ptr{UInt8}, UInt64,), opt, buf, cap)

"Performs one step of one tensor whose arrays are all the caller's, without an optimizer."
radam_update(dtype, grad_dtype, state_dtype, param, grad, exp_avg, exp_avg_sq, kahan_comp, len, options, step) =
    ccall(POINTERS[55], radam_status, (radam_dtype, radam_dtype, radam_dtype, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Cvoid}, UInt64, Ptr{radam_group_options}, UInt64,), dtype, grad_dtype, state_dtype, param, grad, exp_avg, exp_avg_sq, kahan_comp, len, options, step)

"Performs one step of one tensor with 8-bit state, without an optimizer."
radam_update_q8(dtype, grad_dtype, param, grad, exp_avg, exp_avg_sq, state_scale, kahan_comp, len, options, step) =
    ccall(POINTERS[56], radam_status, (radam_dtype, radam_dtype, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Int8}, Ptr{UInt8}, Ptr{UInt32}, Ptr{Cvoid}, UInt64, Ptr{radam_group_options}, UInt64,), dtype, grad_dtype, param, grad, exp_avg, exp_avg_sq, state_scale, kahan_comp, len, options, step)

"Fills options with the default values."
radam_save_options_init(options, struct_size) =
    ccall(POINTERS[57], radam_status, (Ptr{radam_save_options}, UInt32,), options, struct_size)

"Fills options with the default values."
radam_load_options_init(options, struct_size) =
    ccall(POINTERS[58], radam_status, (Ptr{radam_load_options}, UInt32,), options, struct_size)

"Saves the state, step counts and options of the optimizer to a file. The parameters themselves are the caller's to save. docs/checkpoint.md describes the format, a safetensors file with checksums."
radam_save(opt, path) =
    ccall(POINTERS[59], radam_status, (Ptr{radam_optimizer}, Cstring,), opt, path)

"Saves as radam_save does, and reports progress."
radam_save_with(opt, path, options) =
    ccall(POINTERS[60], radam_status, (Ptr{radam_optimizer}, Cstring, Ptr{radam_save_options},), opt, path, options)

"Saves to memory what radam_save saves to a file."
radam_save_to_buffer(opt, buffer, capacity, size) =
    ccall(POINTERS[61], radam_status, (Ptr{radam_optimizer}, Ptr{Cvoid}, UInt64, Ptr{UInt64},), opt, buffer, capacity, size)

"Loads a checkpoint into an optimizer that already has its groups and parameters."
radam_load(opt, path) =
    ccall(POINTERS[62], radam_status, (Ptr{radam_optimizer}, Cstring,), opt, path)

"Loads as radam_load does, with options."
radam_load_with(opt, path, options) =
    ccall(POINTERS[63], radam_status, (Ptr{radam_optimizer}, Cstring, Ptr{radam_load_options},), opt, path, options)

"Loads the checkpoints of several processes, each of which saved its own shards, into shards that may be cut differently or into whole parameters."
radam_load_shards(opt, paths, count, options) =
    ccall(POINTERS[64], radam_status, (Ptr{radam_optimizer}, Ptr{Cstring}, UInt64, Ptr{radam_load_options},), opt, paths, count, options)

"Loads a checkpoint from memory, as written by radam_save_to_buffer or radam_save."
radam_load_from_buffer(opt, buffer, size, options) =
    ccall(POINTERS[65], radam_status, (Ptr{radam_optimizer}, Ptr{Cvoid}, UInt64, Ptr{radam_load_options},), opt, buffer, size, options)

# The struct with its default values.
init!(value::Ref{radam_grad_sums}) = radam_grad_sums_init(value, sizeof(radam_grad_sums))
init!(value::Ref{radam_group_options}) = radam_group_options_init(value, sizeof(radam_group_options))
init!(value::Ref{radam_group_report}) = radam_group_report_init(value, sizeof(radam_group_report))
init!(value::Ref{radam_load_options}) = radam_load_options_init(value, sizeof(radam_load_options))
init!(value::Ref{radam_options}) = radam_options_init(value, sizeof(radam_options))
init!(value::Ref{radam_param}) = radam_param_init(value, sizeof(radam_param))
init!(value::Ref{radam_save_options}) = radam_save_options_init(value, sizeof(radam_save_options))
init!(value::Ref{radam_step_options}) = radam_step_options_init(value, sizeof(radam_step_options))
init!(value::Ref{radam_step_report}) = radam_step_report_init(value, sizeof(radam_step_report))
