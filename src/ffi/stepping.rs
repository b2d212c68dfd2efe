//! Steps.

use super::arguments::{output, toggle, toggle_value};
use super::call::{change, concurrent, get, work};
use super::step_options::{check_report, step_options, write_report};
use super::{radam_optimizer, radam_status, radam_step_options, radam_step_report, radam_toggle};
use crate::optimizer::{CallerArray, Optimizer, StepOptions};
use std::ffi::c_void;
use std::ptr;

/// Updates every parameter that has a gradient, and increments its step count.
///
/// Unbound and frozen parameters and groups with gradient_release are skipped. A step in which no
/// parameter has a gradient succeeds; radam_step_report.params_stepped tells. Large steps run on
/// several threads (radam_options); others run on the calling thread, allocate nothing and wait for
/// nothing.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_STATE if a parameter has a gradient but
/// no data; RADAM_ERROR_BUSY.
///
/// Source: Liu et al. 2019, arXiv 1908.03265, algorithm 2, with debiased moments and the options of
/// the Python library optimi.
///
/// # Safety
/// All registered arrays are valid and not used by anyone else during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step(opt: *mut radam_optimizer) -> radam_status {
    work(opt, |optimizer| optimizer.step(&StepOptions::PLAIN).map(drop))
}

/// Updates parameters as radam_step does, with gradient scaling, clipping, skipping and zeroing, and
/// reports what happened.
///
/// options may be NULL for those of radam_step. If report is not NULL, it is filled in, and the
/// gradients are measured for it unless options->grad_sums is set. The norm is that of all gradients
/// that take part in the step, over all groups.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an option out of range or a
/// wrong struct_size; RADAM_ERROR_INVALID_STATE if a parameter has a gradient but no data;
/// RADAM_ERROR_BUSY.
///
/// Source: clipping as in torch.nn.utils.clip_grad_norm_, skipping as in torch.amp.GradScaler.
///
/// # Safety
/// As for radam_step; options and report are NULL or point to as many bytes as their struct_size
/// says, those of report writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_with(
    opt: *mut radam_optimizer,
    options: *const radam_step_options,
    report: *mut radam_step_report,
) -> radam_status {
    work(opt, |optimizer| {
        // SAFETY: `options` and `report` are NULL or as long as struct_size says; the report is checked first.
        unsafe {
            check_report(report)?;
            let options =
                StepOptions { measure_grads: !report.is_null(), ..step_options(options)? };
            write_report(&optimizer.step(&options)?, report)
        }
    })
}

/// Updates one parameter of a group with gradient_release, for example from inside the backward
/// pass.
///
/// grad is its gradient, an array of the parameter's length and grad_dtype; it may be NULL only if
/// the length is 0. It is only read, does not become the registered gradient, and may be reused when
/// the call has returned. radam_step_tensor does the same with options.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown param, or if grad is misaligned or overlaps an array other than a gradient;
/// RADAM_ERROR_INVALID_STATE if gradient_release is off or the parameter has no data;
/// RADAM_ERROR_BUSY.
///
/// Threads: may be called at the same time for different parameters of an optimizer. If it is called
/// at the same time for the same parameter, one of the calls returns RADAM_ERROR_BUSY.
///
/// # Safety
/// The parameter and grad are valid and not used by anyone else during the call; grad may be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_param(
    opt: *mut radam_optimizer,
    param: u32,
    grad: *const c_void,
) -> radam_status {
    // SAFETY: as radam_step_tensor wants it; without zero_grad the gradient is only read.
    unsafe {
        radam_step_tensor(
            opt,
            param,
            ptr::null_mut(),
            grad.cast_mut(),
            ptr::null(),
            ptr::null_mut(),
        )
    }
}

/// Updates one parameter of a group with gradient_release in arrays passed to the call, of which it
/// keeps no pointer: for languages whose memory moves, and for engines with new gradient buffers in
/// every step.
///
/// data and grad are arrays of the parameter's length, dtype and grad_dtype. data NULL: the
/// registered elements. grad may be NULL only if the length is 0; it is only read, unless zero_grad
/// is on. options may be NULL for a plain update. max_grad_norm needs grad_sums: measure all
/// gradients first with radam_measure_tensor. If report is not NULL, it is filled in, and the
/// gradient is measured for it unless options->grad_sums is set. A frozen parameter is left as it
/// is, and the call succeeds.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown param, an option out of range, max_grad_norm without grad_sums, if an array is misaligned
/// or overlaps another, or for a wrong struct_size; RADAM_ERROR_INVALID_STATE if gradient_release is
/// off, or if data is NULL and none is registered; RADAM_ERROR_BUSY.
///
/// Threads: as for radam_step_param.
///
/// # Safety
/// data and grad are valid and not used by anyone else during the call; grad may be read. options
/// and report are NULL or point to as many bytes as their struct_size says, those of report
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_tensor(
    opt: *mut radam_optimizer,
    param: u32,
    data: *mut c_void,
    grad: *mut c_void,
    options: *const radam_step_options,
    report: *mut radam_step_report,
) -> radam_status {
    concurrent(opt, |optimizer| {
        // SAFETY: `options` and `report` are NULL or as long as struct_size says; the report is checked first.
        unsafe {
            check_report(report)?;
            let options =
                StepOptions { measure_grads: !report.is_null(), ..step_options(options)? };
            let (data, grad) = (CallerArray::new(data), CallerArray::new(grad));
            write_report(&optimizer.step_tensor(param, data, grad, &options)?, report)
        }
    })
}

/// Turns optimizer accumulation on or off. While it is on, steps update exp_avg, exp_avg_sq and the
/// step counts, but not the parameters.
///
/// Gradients thus accumulate in the optimizer's state instead of in memory of their own, as in
/// optimi. The first step after it is turned off moves the parameters again. Weight decay and Kahan
/// summation are not applied while it is on. AUTO: off.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT if on is not a radam_toggle;
/// RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_optimizer_accumulation(
    opt: *mut radam_optimizer,
    on: radam_toggle,
) -> radam_status {
    change(opt, |optimizer| {
        optimizer.set_accumulation(toggle("on", on)?);
        Ok(())
    })
}

/// Gets whether optimizer accumulation is on, as it was set; initially RADAM_OFF.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER.
///
/// Threads: a getter; may be called at any time.
///
/// # Safety
/// on is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_optimizer_accumulation(
    opt: *const radam_optimizer,
    on: *mut radam_toggle,
) -> radam_status {
    // SAFETY: `on` is NULL or writable.
    get(opt, |optimizer| unsafe { output("on", on, toggle_value(optimizer.accumulation())) })
}

/// Fills all registered gradients with zeros, except in groups with gradient_release.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_BUSY.
///
/// # Safety
/// All registered gradients are valid and not used by anyone else during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_zero_grad(opt: *mut radam_optimizer) -> radam_status {
    work(opt, Optimizer::zero_grad)
}
