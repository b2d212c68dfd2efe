//! Adding groups and parameters, setting the addresses of their arrays, and finding them.

use super::arguments::{name, not_null, optional_output, output};
use super::call::{change, get, get_text};
use super::group_options::group;
use super::param::{description, params, spec};
use super::status::text_buffer;
use super::versioned::{Versioned, write};
use super::{radam_dtype, radam_group_options, radam_optimizer, radam_param, radam_status};
use crate::error::{Result, ensure, error, try_format};
use crate::optimizer::{CallerArray, Place};
use std::ffi::{c_char, c_void};

/// Adds a group of parameters with common options: all of them or, on error, nothing.
///
/// params is an array of count parameters; it may be NULL if count is 0, and more parameters can be
/// added later. *group, if group is not NULL, receives the id of the group. Groups are numbered 0,
/// 1, 2, ... in the order of adding, and so are parameters, across all groups. Groups may be added
/// at any time, also between steps; the step count of a new parameter is 0.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER if options is NULL, or if params is
/// NULL and count is not 0; RADAM_ERROR_INVALID_ARGUMENT for an option out of range, an unknown
/// dtype or toggle, a len beyond the address space, a misaligned or overlapping array, a name that
/// is already taken or a wrong struct_size; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
///
/// # Safety
/// options and params are NULL or have as many bytes as struct_size and count say; data, grad and
/// the other arrays are valid for as long as they are registered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_add_param_group(
    opt: *mut radam_optimizer,
    options: *const radam_group_options,
    params: *const radam_param,
    count: u64,
    group: *mut u32,
) -> radam_status {
    change(opt, |optimizer| {
        // SAFETY: `options` is NULL or as long as its struct_size says, and so is what it points to.
        let (options, specs) = unsafe { (self::group(options)?, self::params(params, count)?) };
        let id = optimizer.add_group(options, &specs)?;
        // SAFETY: `group` is NULL or writable.
        unsafe { optional_output(group, id) };
        Ok(())
    })
}

/// Adds parameters to an existing group: all of them or, on error, nothing.
///
/// params is an array of count parameters. *first, if first is not NULL, receives the id of the
/// first one; the ids of the others follow.
///
/// Errors: as radam_add_param_group; RADAM_ERROR_INVALID_ARGUMENT for an unknown group.
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
        // SAFETY: `params` is NULL or has `count` structs of the size that the first one states.
        let specs = unsafe { self::params(params, count) }?;
        let id = optimizer.add_to_group(group, &specs)?;
        // SAFETY: `first` is NULL or writable.
        unsafe { optional_output(first, id) };
        Ok(())
    })
}

/// Adds one parameter to an existing group; a variant of radam_add_params without structs, for FFI.
///
/// data has len elements of dtype, and grad len elements of grad_dtype (0: dtype). data may be NULL
/// for an unbound parameter, and grad may be NULL (see radam_param). name is UTF-8, unique within
/// the optimizer and copied; NULL: "param." and the id. *param, if param is not NULL, receives the
/// id.
///
/// Errors: as radam_add_params.
///
/// # Safety
/// data and grad are valid for as long as they are registered; name is NULL or a NUL-terminated
/// string; param is NULL or writable.
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
    let tensor = radam_param { dtype, grad_dtype, len, data, grad, name, ..radam_param::DEFAULTS };
    change(opt, |optimizer| {
        // SAFETY: `tensor` was read from the caller, whose pointers are NULL or valid.
        let spec = unsafe { spec(&tensor, None) }?;
        let id = optimizer.add_to_group(group, std::slice::from_ref(&spec))?;
        // SAFETY: `param` is NULL or writable.
        unsafe { optional_output(param, id) };
        Ok(())
    })
}

/// Sets the address of a parameter's elements, for callers who have moved them.
///
/// data has the same length and dtype as before. The state stays with the parameter. NULL unbinds
/// the parameter: radam_step skips it until data is set again.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param, or if data
/// is misaligned or overlaps another array; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
///
/// # Safety
/// data is valid for as long as it is registered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_set_data(
    opt: *mut radam_optimizer,
    param: u32,
    data: *mut c_void,
) -> radam_status {
    // SAFETY: `data` is NULL or has the parameter's elements.
    change(opt, |optimizer| optimizer.set_data(param, unsafe { CallerArray::new(data) }))
}

/// Sets the address of a parameter's gradient.
///
/// grad has the length of the parameter and its grad_dtype. NULL: the parameter has no gradient;
/// steps skip it, and its step count does not change.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param, or if grad
/// is misaligned or overlaps an array other than a gradient; RADAM_ERROR_OUT_OF_MEMORY;
/// RADAM_ERROR_BUSY.
///
/// # Safety
/// grad is valid for as long as it is registered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_set_grad(
    opt: *mut radam_optimizer,
    param: u32,
    grad: *mut c_void,
) -> radam_status {
    // SAFETY: `grad` is NULL or has the parameter's elements.
    change(opt, |optimizer| optimizer.set_grad(param, unsafe { CallerArray::new(grad) }))
}

/// Sets the addresses of the elements and gradients of many parameters: all of them or, on error,
/// none. Buffers can be swapped this way, which would overlap if set one by one.
///
/// data and grads are arrays of count pointers, for the parameters first_param, first_param + 1,
/// ...; each pointer is as for radam_set_data and radam_set_grad. If data or grads itself is NULL,
/// those addresses do not change.
///
/// The time of a call depends on how many parameters the optimizer has, not on count, so set all
/// that move in one call. It is shortest if the arrays stay in the order of their addresses.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT if any of the parameters does
/// not exist or was removed, or if an array is misaligned or overlaps another;
/// RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
///
/// # Safety
/// data and grads are NULL or have count pointers; the arrays they point to are valid for as long as
/// they are registered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_set_tensors(
    opt: *mut radam_optimizer,
    first_param: u32,
    count: u64,
    data: *const *mut c_void,
    grads: *const *mut c_void,
) -> radam_status {
    change(opt, |optimizer| {
        // SAFETY: `data` and `grads` are NULL or have `count` pointers.
        let (data, grads) = unsafe { (pointers(data, count)?, pointers(grads, count)?) };
        optimizer.set_tensors(first_param, count, data, grads)
    })
}

/// Finds a parameter by its name, which may be a default one, such as "param.0".
///
/// *param receives the id.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT if no
/// parameter has this name.
///
/// Threads: a getter; may be called at any time.
///
/// # Safety
/// name is NULL or a NUL-terminated string; param is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_param_id(
    opt: *const radam_optimizer,
    name: *const c_char,
    param: *mut u32,
) -> radam_status {
    get(opt, |optimizer| {
        not_null("name", name, "the name of a parameter")?;
        // SAFETY: `name` is NULL or ends with a NUL; `param` is NULL or writable.
        unsafe {
            let name = self::name(Place(None), name)?.unwrap_or_default();
            output("param", param, optimizer.param_named(name)?)
        }
    })
}

/// Gets what is registered of a parameter, in the form in which it was added.
///
/// *group, if group is not NULL, receives the id of its group. In *description, dtypes are those in
/// use, never 0; data and grad are the registered addresses; copy, exp_avg, exp_avg_sq and
/// kahan_comp are the caller's own arrays, NULL if there are none (radam_param_state gets those of
/// the library); and name is NULL, since radam_param_name copies it. Wrappers in typed languages can
/// compare dtypes and len before they pass arrays to a call, which cannot.
///
/// Set description->struct_size first, which radam_param_init does.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown param or a wrong struct_size.
///
/// Threads: a getter; may be called at any time.
///
/// # Safety
/// group is NULL or writable; description is NULL or points to as many writable bytes as its
/// struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_param(
    opt: *const radam_optimizer,
    param: u32,
    group: *mut u32,
    description: *mut radam_param,
) -> radam_status {
    get(opt, |optimizer| {
        let param = optimizer.param(param)?;
        not_null("description", description, "a struct that radam_param_init has filled")?;
        // SAFETY: `description` is not NULL, so it is as long as its struct_size says; `group` is NULL or writable.
        unsafe {
            write("description.", &self::description(param), description)?;
            optional_output(group, param.group);
        }
        Ok(())
    })
}

/// Copies the name of a parameter: the one it was added with, or its default one, such as "param.0".
///
/// buf receives up to cap bytes of UTF-8, always ending in NUL unless cap is 0. A longer name is cut
/// at a character boundary. buf may be NULL to query the size.
///
/// Returns the size of the whole name in bytes, including the NUL. It returns 1 if opt is not a
/// valid handle, the parameter does not exist or there is no memory; radam_last_error(NULL, ...)
/// then has the message.
///
/// Threads: a getter; may be called at any time.
///
/// # Safety
/// buf is NULL or has cap writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_param_name(
    opt: *const radam_optimizer,
    param: u32,
    buf: *mut c_char,
    cap: u64,
) -> u64 {
    // SAFETY: `buf` has `cap` writable bytes.
    let buffer = unsafe { text_buffer(buf, cap) };
    get_text(opt, buffer, |optimizer| {
        let name = optimizer.param(param)?.name(param);
        try_format(format_args!("{name}")).ok_or_else(|| {
            error!(OutOfMemory, "there is no memory to copy the name of parameter {param}")
        })
    })
}

/// Gets the number of steps that a parameter has made.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown param.
///
/// Threads: a getter; may be called at any time.
///
/// # Safety
/// steps is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_count(
    opt: *const radam_optimizer,
    param: u32,
    steps: *mut u64,
) -> radam_status {
    // SAFETY: `steps` is NULL or writable.
    get(opt, |optimizer| unsafe { output("steps", steps, optimizer.steps(param)?) })
}

/// An array of pointers, unless it is NULL.
///
/// # Safety
/// `array` is null or has `count` pointers, which are as [`CallerArray::new`] requires and do not change during the
/// lifetime `'a`.
unsafe fn pointers<'a>(array: *const *mut c_void, count: u64) -> Result<Option<&'a [CallerArray]>> {
    if array.is_null() || count == 0 {
        return Ok(None);
    }
    ensure!(
        array.is_aligned() && count <= u32::MAX as u64,
        InvalidArgument,
        "count is {count} and the array of pointers is at {array:p}; count must be at most {}, and the array must be \
         aligned like a pointer",
        u32::MAX
    );
    // SAFETY: `array` has `count` elements, which nothing else changes during the call.
    Ok(Some(unsafe { std::slice::from_raw_parts(array.cast(), count as usize) }))
}
