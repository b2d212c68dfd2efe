//! Changing parameters while training: freezing, removing, resetting, and access to their state.

use super::arguments::{optional_output, output, state_array, state_dtype_value, toggle};
use super::call::{change, get, work};
use super::{radam_dtype, radam_optimizer, radam_state, radam_status, radam_toggle};
use std::ffi::c_void;

/// Freezes or unfreezes a parameter. Steps skip a frozen parameter as if it had no gradient, and its
/// step count does not change.
///
/// AUTO: off. radam_step_param and radam_step_tensor on a frozen parameter succeed and change
/// nothing (zero_grad still zeroes the gradient).
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param, or if
/// frozen is not a radam_toggle; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_frozen(
    opt: *mut radam_optimizer,
    param: u32,
    frozen: radam_toggle,
) -> radam_status {
    change(opt, |optimizer| {
        optimizer.param(param)?;
        optimizer.set_frozen(param, toggle("frozen", frozen)?.or(false))
    })
}

/// Gets whether a parameter is frozen: RADAM_ON or RADAM_OFF.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown param.
///
/// Threads: a getter; may be called at any time.
///
/// # Safety
/// frozen is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_frozen(
    opt: *const radam_optimizer,
    param: u32,
    frozen: *mut radam_toggle,
) -> radam_status {
    // SAFETY: `frozen` is NULL or writable.
    get(opt, |optimizer| unsafe { output("frozen", frozen, optimizer.is_frozen(param)?.into()) })
}

/// Removes a parameter, and frees the state that the library has for it.
///
/// Its arrays and its name can be used again. Its id is not reused, and the ids of other parameters
/// do not change.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param;
/// RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_remove_param(opt: *mut radam_optimizer, param: u32) -> radam_status {
    change(opt, |optimizer| optimizer.remove_param(param))
}

/// Resets the state of a parameter to that before the first step: zeros, and a step count of 0.
///
/// param is its id, or UINT32_MAX for all parameters.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param;
/// RADAM_ERROR_BUSY.
///
/// # Safety
/// State arrays of the caller are valid and not used by anyone else during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_reset_state(opt: *mut radam_optimizer, param: u32) -> radam_status {
    work(opt, |optimizer| optimizer.reset_state((param != u32::MAX).then_some(param)))
}

/// Sets the number of steps that a parameter has made, for callers who restore its state themselves.
/// The next step has the number steps + 1.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param;
/// RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_step_count(
    opt: *mut radam_optimizer,
    param: u32,
    steps: u64,
) -> radam_status {
    work(opt, |optimizer| optimizer.set_step_count(param, steps))
}

/// Gets the address of an array of a parameter's state, and its dtype.
///
/// which is one of the RADAM_STATE_... constants. *pointer receives the array, which has the
/// parameter's length, or one element for each block of it, and may be the caller's own; NULL if the
/// parameter has no such array or no elements. *dtype, if dtype is not NULL, receives its dtype, which
/// for exp_avg and exp_avg_sq may be RADAM_DTYPE_Q8; 0 for RADAM_STATE_MASTER_REMAINDER, which is
/// int16_t, and for RADAM_STATE_SCALE, which is uint32_t.
///
/// The array may be read and written between calls on the optimizer. It stays valid until the
/// parameter is removed, the optimizer is freed, or the dtype or kind of the state changes
/// (radam_set_group_options).
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown param or which.
///
/// Threads: a getter; may be called at any time.
///
/// # Safety
/// pointer and dtype are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_param_state(
    opt: *mut radam_optimizer,
    param: u32,
    which: radam_state,
    pointer: *mut *mut c_void,
    dtype: *mut radam_dtype,
) -> radam_status {
    get(opt, |optimizer| {
        let (array, its_dtype) = state_array(which, &optimizer.param(param)?.state)?;
        // SAFETY: `pointer` and `dtype` are NULL or writable.
        unsafe {
            output("pointer", pointer, array.cast())?;
            optional_output(dtype, state_dtype_value(its_dtype));
        }
        Ok(())
    })
}
