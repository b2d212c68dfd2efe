//! Adding groups and parameters, and moving a parameter's pointers.

use super::arguments::{name, not_null, optional_output, output};
use super::call::{change, get};
use super::group_options::group;
use super::param::{params, spec};
use super::versioned::Versioned;
use super::{radam_dtype, radam_group_options, radam_optimizer, radam_param, radam_status};
use crate::error::{Result, ensure};
use crate::optimizer::{CallerArray, Place};
use std::ffi::{c_char, c_void};

/// Adds a group of parameters that share options: all of it or, on an error, nothing.
///
/// params is an array of count parameters; it may be NULL where count is 0, and more can follow by
/// radam_add_param. group, which may be NULL, gets the id of the group. Groups and parameters are
/// numbered 0, 1, 2, ... in the order of adding, across all groups. Groups can be added at any time,
/// also between steps; the step count of a new parameter is 0.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER for options or params;
/// RADAM_ERROR_INVALID_ARGUMENT for an option out of its range, an unknown dtype
/// or toggle, a struct_size that no version had, a length that cannot be, misaligned memory, a
/// parameter that overlaps another or a gradient, or a name that is used twice;
/// RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
///
/// # Safety
/// options and params are NULL or as their struct_size and count say; data and grad stay valid while
/// the optimizer has them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_add_param_group(
    opt: *mut radam_optimizer,
    options: *const radam_group_options,
    params: *const radam_param,
    count: u64,
    group: *mut u32,
) -> radam_status {
    change(opt, |optimizer| {
        // SAFETY: the caller's promise.
        let (options, specs) = unsafe { (self::group(options)?, self::params(params, count)?) };
        let id = optimizer.add_group(options, &specs)?;
        // SAFETY: the caller's promise.
        unsafe { optional_output(group, id) };
        Ok(())
    })
}

/// Adds parameters to a group that is there: all of them or, on an error, nothing.
///
/// params is an array of count parameters. first, which may be NULL, gets the id of the first; the others
/// follow it.
///
/// Errors: those of radam_add_param_group, and RADAM_ERROR_INVALID_ARGUMENT for an unknown group.
///
/// # Safety
/// As for radam_add_param_group; first is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_add_params(
    opt: *mut radam_optimizer,
    group: u32,
    params: *const radam_param,
    count: u64,
    first: *mut u32,
) -> radam_status {
    change(opt, |optimizer| {
        // SAFETY: the caller's promise.
        let specs = unsafe { self::params(params, count) }?;
        let id = optimizer.add_to_group(group, &specs)?;
        // SAFETY: the caller's promise.
        unsafe { optional_output(first, id) };
        Ok(())
    })
}

/// Adds one parameter to a group; the same as radam_add_params without structs, for FFI.
///
/// dtype and grad_dtype (0: dtype) are those of the elements of data and grad, len is their number.
/// data may be NULL: the parameter has no place yet (see radam_param). grad may be NULL: the parameter is
/// skipped until it has one. name is UTF-8, copied, that no other
/// parameter has, or NULL for "param." and its id. param, which may be NULL, gets the id.
///
/// Errors: those of radam_add_param_group, and RADAM_ERROR_INVALID_ARGUMENT for an unknown group.
///
/// # Safety
/// data and grad stay valid while the optimizer has them; name is NULL or ends in NUL; param is NULL
/// or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_add_param(
    opt: *mut radam_optimizer,
    group: u32,
    dtype: radam_dtype,
    grad_dtype: radam_dtype,
    data: *mut c_void,
    grad: *mut c_void,
    len: u64,
    name: *const c_char,
    param: *mut u32,
) -> radam_status {
    let tensor =
        radam_param { dtype, grad_dtype, len, data, grad, name, ..radam_param::defaults() };
    change(opt, |optimizer| {
        // SAFETY: the caller's promise.
        let spec = unsafe { spec(&tensor, None) }?;
        let id = optimizer.add_to_group(group, std::slice::from_ref(&spec))?;
        // SAFETY: the caller's promise.
        unsafe { optional_output(param, id) };
        Ok(())
    })
}

/// Tells where the elements of a parameter are from now on, for a caller that has moved them.
///
/// data has the length and dtype of before; the optimizer's state goes on with it. NULL: the parameter has
/// no place for now, and radam_step skips it.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param, misaligned memory
/// or an overlap; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
///
/// # Safety
/// data stays valid while the optimizer has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_set_data(
    opt: *mut radam_optimizer,
    param: u32,
    data: *mut c_void,
) -> radam_status {
    // SAFETY: the caller's promise.
    change(opt, |optimizer| optimizer.set_data(param, unsafe { CallerArray::new(data) }))
}

/// Tells where the gradient of a parameter is from now on.
///
/// grad has the parameter's length and grad_dtype. NULL: the parameter has no gradient, so that
/// radam_step skips it and its step count stands still.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param, misaligned
/// memory or an overlap with a parameter (gradients may overlap each other); RADAM_ERROR_OUT_OF_MEMORY;
/// RADAM_ERROR_BUSY.
///
/// # Safety
/// grad stays valid while the optimizer has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_set_grad(
    opt: *mut radam_optimizer,
    param: u32,
    grad: *mut c_void,
) -> radam_status {
    // SAFETY: the caller's promise.
    change(opt, |optimizer| optimizer.set_grad(param, unsafe { CallerArray::new(grad) }))
}

/// Tells where the elements and gradients of many parameters are from now on: all of them or, on an error,
/// none. So buffers can be swapped, which one by one would overlap on the way.
///
/// data and grads are arrays of count pointers, for the parameters first_param, first_param + 1, ..., each
/// as for radam_set_data and radam_set_grad. data or grads may be NULL: those stay as they are.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for parameters that there are not or that
/// were removed, misaligned memory or an overlap; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
///
/// # Safety
/// data and grads are NULL or have count pointers; what these point to stays valid while the optimizer has
/// it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_set_tensors(
    opt: *mut radam_optimizer,
    first_param: u32,
    count: u64,
    data: *const *mut c_void,
    grads: *const *mut c_void,
) -> radam_status {
    change(opt, |optimizer| {
        // SAFETY: the caller's promise.
        let (data, grads) = unsafe { (pointers(data, count)?, pointers(grads, count)?) };
        optimizer.set_tensors(first_param, count, data, grads)
    })
}

/// Finds a parameter by its name, the default names included.
///
/// *param receives its id.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT where no parameter
/// has the name.
///
/// Threads: may be called at any time.
///
/// # Safety
/// name is NULL or ends in NUL; param is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_param_id(
    opt: *const radam_optimizer,
    name: *const c_char,
    param: *mut u32,
) -> radam_status {
    get(opt, |optimizer| {
        not_null("name", name, "the name of a parameter")?;
        // SAFETY: the caller's promise.
        unsafe {
            let name = self::name(Place(None), name)?.unwrap_or_default();
            output("param", param, optimizer.param_named(name)?)
        }
    })
}

/// Gets how many steps a parameter has made: those in which it had a gradient.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown param.
///
/// Threads: may be called at any time.
///
/// # Safety
/// steps is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_count(
    opt: *const radam_optimizer,
    param: u32,
    steps: *mut u64,
) -> radam_status {
    get(opt, |optimizer| {
        let count = optimizer.param(param)?.steps();
        // SAFETY: the caller's promise.
        unsafe { output("steps", steps, count) }
    })
}

/// The pointers of an array, if there is one.
///
/// # Safety
/// `array` is null or has `count` pointers, which are as [`CallerArray::new`] wants them and stay as they are
/// for the lifetime that is chosen.
unsafe fn pointers<'a>(array: *const *mut c_void, count: u64) -> Result<Option<&'a [CallerArray]>> {
    if array.is_null() || count == 0 {
        return Ok(None);
    }
    ensure!(
        array.is_aligned() && count <= u32::MAX as u64,
        InvalidArgument,
        "count is {count} and the pointers are at {array:p}; there can be at most {} parameters, and the \
         pointers must be aligned as pointers are",
        u32::MAX
    );
    // SAFETY: the caller's promise; a `CallerArray` is a pointer.
    Ok(Some(unsafe { std::slice::from_raw_parts(array.cast(), count as usize) }))
}
