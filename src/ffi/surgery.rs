//! Changing and looking at parameters while training.

use super::arguments::{dtype_value, optional_output, output, state_array, toggle};
use super::call::{change, get, work};
use super::{
    RADAM_OFF, RADAM_ON, radam_dtype, radam_optimizer, radam_state, radam_status, radam_toggle,
};
use std::ffi::c_void;

/// Freezes a parameter, or lets it go on: while it is frozen, steps skip it as if it had no gradient,
/// and its step count stands still.
///
/// AUTO means off. radam_step_param on a frozen parameter does nothing and succeeds.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param or a value that
/// is no radam_toggle; RADAM_ERROR_BUSY.
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
/// Threads: may be called at any time.
///
/// # Safety
/// frozen is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_frozen(
    opt: *const radam_optimizer,
    param: u32,
    frozen: *mut radam_toggle,
) -> radam_status {
    get(opt, |optimizer| {
        let frozen_now = if optimizer.is_frozen(param)? { RADAM_ON } else { RADAM_OFF };
        // SAFETY: the caller's promise.
        unsafe { output("frozen", frozen, frozen_now) }
    })
}

/// Takes a parameter away, with the state that the library keeps for it.
///
/// Its memory, its name and any state of the caller's are free for other use. Its id is not given
/// again, and the ids of the other parameters stay.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param;
/// RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_remove_param(opt: *mut radam_optimizer, param: u32) -> radam_status {
    change(opt, |optimizer| optimizer.remove_param(param))
}

/// Makes the state of a parameter what it was before the first step: zeros, and a step count of 0.
///
/// param is its id, or UINT32_MAX for all parameters.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param;
/// RADAM_ERROR_BUSY.
///
/// # Safety
/// State that the caller keeps is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_reset_state(opt: *mut radam_optimizer, param: u32) -> radam_status {
    work(opt, |optimizer| optimizer.reset_state((param != u32::MAX).then_some(param)))
}

/// Sets how many steps a parameter has made, for a caller who brings its state from elsewhere: the next
/// step is number steps + 1.
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

/// Tells where an array of a parameter's state is, and what its elements are.
///
/// which is one of the RADAM_STATE_... constants. *pointer is the array, of the parameter's length, the
/// caller's own where it was given; NULL if the parameter has none of that kind, or no elements. *dtype,
/// where dtype is not NULL, is the dtype of the state, or 0 for RADAM_STATE_MASTER_REMAINDER. The array
/// may be read and written between calls on the optimizer, until the parameter is removed, the optimizer
/// freed, or an option changed that changes the state's dtype or kind.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown param or which.
///
/// Threads: may be called at any time.
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
        let param = optimizer.param(param)?;
        let array = state_array(which, &param.state)?;
        // SAFETY: the caller's promise.
        unsafe {
            output("pointer", pointer, array.0.cast())?;
            optional_output(dtype, dtype_value(array.1));
        }
        Ok(())
    })
}
