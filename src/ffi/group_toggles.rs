//! Getting and setting the choices among a group's options, also between steps.

use super::arguments::{dtype_or_default, dtype_value, toggle, toggle_value};
use super::group_access::{get, set};
use super::{radam_dtype, radam_optimizer, radam_status, radam_toggle};
use crate::optimizer::Place;

/// Sets whether weight decay is decoupled from the gradient, as in AdamW, for a group.
///
/// radam_group_options tells what RADAM_AUTO means.
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_decouple_wd(
    opt: *mut radam_optimizer,
    group: u32,
    value: radam_toggle,
) -> radam_status {
    set(opt, group, toggle("decouple_wd", value), |options, value| options.decouple_wd = value)
}

/// Gets whether weight decay is decoupled from the gradient, as in AdamW, of a group.
///
/// *value is what was set, also where that was RADAM_AUTO.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_decouple_wd(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut radam_toggle,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| toggle_value(options.decouple_wd)) }
}

/// Sets whether weight decay is decoupled from the learning rate too, for a group.
///
/// RADAM_ON is refused while max_lr is 0. radam_group_options tells what RADAM_AUTO means.
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_decouple_lr(
    opt: *mut radam_optimizer,
    group: u32,
    value: radam_toggle,
) -> radam_status {
    set(opt, group, toggle("decouple_lr", value), |options, value| options.decouple_lr = value)
}

/// Gets whether weight decay is decoupled from the learning rate too, of a group.
///
/// *value is what was set, also where that was RADAM_AUTO.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_decouple_lr(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut radam_toggle,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| toggle_value(options.decouple_lr)) }
}

/// Sets whether parameters are updated by Kahan summation, for a group.
///
/// Switched on, the compensation begins at 0; switched off, it is dropped. radam_group_options
/// tells what RADAM_AUTO means.
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_kahan_sum(
    opt: *mut radam_optimizer,
    group: u32,
    value: radam_toggle,
) -> radam_status {
    set(opt, group, toggle("kahan_sum", value), |options, value| options.kahan_sum = value)
}

/// Gets whether parameters are updated by Kahan summation, of a group.
///
/// *value is what was set, also where that was RADAM_AUTO.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_kahan_sum(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut radam_toggle,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| toggle_value(options.kahan_sum)) }
}

/// Sets whether all tensors are stepped as one parallel queue of work, for a group.
///
/// The results are the same either way. radam_group_options tells what RADAM_AUTO means.
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_for_each(
    opt: *mut radam_optimizer,
    group: u32,
    value: radam_toggle,
) -> radam_status {
    set(opt, group, toggle("for_each", value), |options, value| options.for_each = value)
}

/// Gets whether all tensors are stepped as one parallel queue of work, of a group.
///
/// *value is what was set, also where that was RADAM_AUTO.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_for_each(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut radam_toggle,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| toggle_value(options.for_each)) }
}

/// Sets whether radam_step_param steps the parameters, and not radam_step, for a group.
///
/// radam_group_options tells what RADAM_AUTO means.
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_gradient_release(
    opt: *mut radam_optimizer,
    group: u32,
    value: radam_toggle,
) -> radam_status {
    set(opt, group, toggle("gradient_release", value), |options, value| {
        options.gradient_release = value
    })
}

/// Gets whether radam_step_param steps the parameters, and not radam_step, of a group.
///
/// *value is what was set, also where that was RADAM_AUTO.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_gradient_release(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut radam_toggle,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| toggle_value(options.gradient_release)) }
}

/// Sets whether steps go up the gradient, for a group.
///
/// radam_group_options tells what RADAM_AUTO means.
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_maximize(
    opt: *mut radam_optimizer,
    group: u32,
    value: radam_toggle,
) -> radam_status {
    set(opt, group, toggle("maximize", value), |options, value| options.maximize = value)
}

/// Gets whether steps go up the gradient, of a group.
///
/// *value is what was set, also where that was RADAM_AUTO.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_maximize(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut radam_toggle,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| toggle_value(options.maximize)) }
}

/// Sets whether steps are rectified, for a group.
///
/// radam_group_options tells what RADAM_AUTO means.
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_rectify(
    opt: *mut radam_optimizer,
    group: u32,
    value: radam_toggle,
) -> radam_status {
    set(opt, group, toggle("rectify", value), |options, value| options.rectify = value)
}

/// Gets whether steps are rectified, of a group.
///
/// *value is what was set, also where that was RADAM_AUTO.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_rectify(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut radam_toggle,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| toggle_value(options.rectify)) }
}

/// Sets the dtype that exp_avg, exp_avg_sq and kahan_comp are stored in, for a group.
///
/// value is 0 for each parameter's own dtype, RADAM_DTYPE_F32, or the dtype that all parameters of
/// the group have. The state that there is gets converted, rounded to nearest even.
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_INVALID_STATE where the caller keeps state of another dtype;
/// RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_state_dtype(
    opt: *mut radam_optimizer,
    group: u32,
    value: radam_dtype,
) -> radam_status {
    set(opt, group, dtype_or_default(Place(None), "state_dtype", value), |options, value| {
        options.state_dtype = value
    })
}

/// Gets the dtype that exp_avg, exp_avg_sq and kahan_comp are stored in, of a group.
///
/// *value is what was set, also where that was 0.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_state_dtype(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut radam_dtype,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| dtype_value(options.state_dtype)) }
}

/// Sets whether bf16 parameters are kept with a remainder, as exact f32 masters, for a group.
///
/// Switched on, the remainders begin at 0; switched off, they are dropped. radam_group_options
/// tells what RADAM_AUTO means.
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_master_remainder(
    opt: *mut radam_optimizer,
    group: u32,
    value: radam_toggle,
) -> radam_status {
    set(opt, group, toggle("master_remainder", value), |options, value| {
        options.master_remainder = value
    })
}

/// Gets whether bf16 parameters are kept with a remainder, as exact f32 masters, of a group.
///
/// *value is what was set, also where that was RADAM_AUTO.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_master_remainder(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut radam_toggle,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| toggle_value(options.master_remainder)) }
}

/// Sets whether bf16 parameters are rounded at random, for a group.
///
/// radam_group_options tells what RADAM_AUTO means.
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_stochastic_rounding(
    opt: *mut radam_optimizer,
    group: u32,
    value: radam_toggle,
) -> radam_status {
    set(opt, group, toggle("stochastic_rounding", value), |options, value| {
        options.stochastic_rounding = value
    })
}

/// Gets whether bf16 parameters are rounded at random, of a group.
///
/// *value is what was set, also where that was RADAM_AUTO.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_stochastic_rounding(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut radam_toggle,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| toggle_value(options.stochastic_rounding)) }
}
