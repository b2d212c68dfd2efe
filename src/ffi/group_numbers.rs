//! Getting and setting the numbers among a group's options, also between steps.

use super::group_access::{get, set};
use super::{radam_optimizer, radam_status};

/// Sets the learning rate, for a group.
///
/// value is finite and at least 0. max_lr stays as it is.
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_lr(opt: *mut radam_optimizer, group: u32, value: f64) -> radam_status {
    set(opt, group, Ok(value), |options, value| options.lr = value)
}

/// Gets the learning rate, of a group.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_lr(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut f64,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| options.lr) }
}

/// Sets the decay rate of exp_avg, the running average of the gradients, for a group.
///
/// value is in [0, 1).
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_beta1(
    opt: *mut radam_optimizer,
    group: u32,
    value: f64,
) -> radam_status {
    set(opt, group, Ok(value), |options, value| options.beta1 = value)
}

/// Gets the decay rate of exp_avg, the running average of the gradients, of a group.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_beta1(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut f64,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| options.beta1) }
}

/// Sets the decay rate of exp_avg_sq, the running average of the squared gradients, for a group.
///
/// value is in [0, 1).
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_beta2(
    opt: *mut radam_optimizer,
    group: u32,
    value: f64,
) -> radam_status {
    set(opt, group, Ok(value), |options, value| options.beta2 = value)
}

/// Gets the decay rate of exp_avg_sq, the running average of the squared gradients, of a group.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_beta2(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut f64,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| options.beta2) }
}

/// Sets the weight decay, for a group.
///
/// value is finite and at least 0. decouple_wd and decouple_lr say what it does.
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_weight_decay(
    opt: *mut radam_optimizer,
    group: u32,
    value: f64,
) -> radam_status {
    set(opt, group, Ok(value), |options, value| options.weight_decay = value)
}

/// Gets the weight decay, of a group.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_weight_decay(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut f64,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| options.weight_decay) }
}

/// Sets eps, which is added to the square root of exp_avg_sq, for a group.
///
/// value is finite and at least 0.
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_eps(opt: *mut radam_optimizer, group: u32, value: f64) -> radam_status {
    set(opt, group, Ok(value), |options, value| options.eps = value)
}

/// Gets eps, which is added to the square root of exp_avg_sq, of a group.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_eps(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut f64,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| options.eps) }
}

/// Sets the highest learning rate of the schedule, by which decouple_lr divides, for a group.
///
/// value is finite and at least 0, and above 0 with decouple_lr; NaN stands for the group's present
/// lr.
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
/// that is refused; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_max_lr(
    opt: *mut radam_optimizer,
    group: u32,
    value: f64,
) -> radam_status {
    set(opt, group, Ok(value), |options, value| options.max_lr = value)
}

/// Gets the highest learning rate of the schedule, by which decouple_lr divides, of a group.
///
/// A max_lr that was never given is the lr that the group was added with.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_max_lr(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut f64,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| options.max_lr) }
}

/// Sets what the random numbers of stochastic_rounding begin with, for a group.
///
/// group is the id of the group. Later steps go by the new value.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group;
/// RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_seed(
    opt: *mut radam_optimizer,
    group: u32,
    value: u64,
) -> radam_status {
    set(opt, group, Ok(value), |options, value| options.seed = value)
}

/// Gets what the random numbers of stochastic_rounding begin with, of a group.
///
/// group is the id of the group; *value receives the option.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
/// an unknown group; RADAM_ERROR_BUSY.
///
/// # Safety
/// value is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_seed(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut u64,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { get(opt, group, value, |options| options.seed) }
}
