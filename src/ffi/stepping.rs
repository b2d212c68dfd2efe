//! The step.

use super::arguments::{output, toggle, toggle_value};
use super::call::{change, concurrent, get, work};
use super::step_options::{check_report, step_options, write_report};
use super::{radam_optimizer, radam_status, radam_step_options, radam_step_report, radam_toggle};
use crate::optimizer::{CallerArray, StepOptions};
use std::ffi::c_void;
use std::ptr;

/// Updates every parameter that has a gradient, and counts a step for each.
///
/// Groups with gradient_release are skipped. Large work runs on up to num_threads threads. Small work runs on
/// the caller's, allocates nothing and waits for nothing. A step in which no parameter has a gradient succeeds
/// too; radam_step_report.params_stepped tells how many were stepped.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_STATE for a parameter that has a gradient and no
/// data; RADAM_ERROR_BUSY.
///
/// Source: Liu et al. 2019, arXiv 1908.03265, algorithm 2, with moments that are stored debiased and
/// the other options of the Python library optimi.
///
/// # Safety
/// All parameters and gradients that the optimizer has are valid, and nobody else uses them during
/// the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step(opt: *mut radam_optimizer) -> radam_status {
    work(opt, |optimizer| optimizer.step(&StepOptions::PLAIN).map(drop))
}

/// Steps as radam_step does, on scaled and clipped gradients, skipping a step that has values which are
/// not finite, zeroing the gradients on the way; and reports what happened.
///
/// options may be NULL, for those of radam_step. report may be NULL; otherwise the gradients are measured
/// for it, unless options have grad_sums. Norm and clipping are over all groups that step.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an option out of its range or a
/// struct_size that no version had; RADAM_ERROR_INVALID_STATE for a parameter that has a gradient and no data;
/// RADAM_ERROR_BUSY.
///
/// Source: clipping as torch.nn.utils.clip_grad_norm_, skipping as torch.amp.GradScaler.
///
/// # Safety
/// As for radam_step; options and report are NULL or point to as many bytes as their struct_size says,
/// those of report writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_with(
    opt: *mut radam_optimizer,
    options: *const radam_step_options,
    report: *mut radam_step_report,
) -> radam_status {
    work(opt, |optimizer| {
        // SAFETY: the caller's promise; `write_report` gets a report that was checked.
        unsafe {
            check_report(report)?;
            let options =
                StepOptions { measure_grads: !report.is_null(), ..step_options(options)? };
            write_report(&optimizer.step(&options)?, report);
        }
        Ok(())
    })
}

/// Updates one parameter of a group with gradient_release, from inside the caller's backward pass.
///
/// grad is its gradient, of its length and grad_dtype, only read; when the call returns, the memory
/// is the caller's to reuse. It does not become the registered gradient. It must not be NULL unless
/// the length is 0. radam_step_tensor does the same with options.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown param, misaligned memory or an overlap with a parameter; RADAM_ERROR_INVALID_STATE where
/// gradient_release is off or the parameter has no data; RADAM_ERROR_BUSY.
///
/// Threads: may be called at once on different parameters of one optimizer; the same parameter at
/// once gives one of the callers RADAM_ERROR_BUSY.
///
/// # Safety
/// The parameter and grad are valid, and nobody else writes them during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_param(
    opt: *mut radam_optimizer,
    param: u32,
    grad: *const c_void,
) -> radam_status {
    // SAFETY: the caller's promise; without zero_grad the gradient is only read.
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

/// Updates one parameter of a group with gradient_release in arrays that are passed to the call, and keeps no
/// pointer to them: for languages whose memory moves, and for engines with new buffers at every step.
///
/// data and grad are the parameter's elements and gradient, of its length and dtypes. data NULL: the registered
/// elements. grad must not be NULL unless the length is 0; it is only read, unless zero_grad is on. options may
/// be NULL, for an update and nothing else. To clip by norm, measure all gradients first
/// (radam_measure_tensor) and pass grad_sums. report may be NULL; otherwise the gradient is measured for it,
/// unless options have grad_sums.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown param, misaligned memory, an overlap with another array, an option out of its range, or
/// max_grad_norm without grad_sums; RADAM_ERROR_INVALID_STATE where gradient_release is off, or data is NULL and
/// none is registered; RADAM_ERROR_BUSY.
///
/// Threads: may be called at once on different parameters of one optimizer; the same parameter at
/// once gives one of the callers RADAM_ERROR_BUSY.
///
/// # Safety
/// data and grad are valid, and nobody else uses data, nor writes grad, during the call; options and report are
/// NULL or point to as many bytes as their struct_size says, those of report writable.
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
        // SAFETY: the caller's promise; `write_report` gets a report that was checked.
        unsafe {
            check_report(report)?;
            let options =
                StepOptions { measure_grads: !report.is_null(), ..step_options(options)? };
            let (data, grad) = (CallerArray::new(data), CallerArray::new(grad));
            write_report(&optimizer.step_tensor(param, data, grad, &options)?, report);
        }
        Ok(())
    })
}

/// Switches optimizer accumulation on or off: while it is on, steps change only the optimizer's
/// state and step counts, and the parameters stay as they are.
///
/// So gradients accumulate in exp_avg and exp_avg_sq instead of in their own memory, as in optimi.
/// Without accumulation the next step moves the parameters again. AUTO means off. Weight decay of
/// any kind and Kahan summation take no part in accumulation.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for a value that is no
/// radam_toggle; RADAM_ERROR_BUSY.
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

/// Gets whether optimizer accumulation is on: what was set, RADAM_OFF at first.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER.
///
/// Threads: may be called at any time.
///
/// # Safety
/// on is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_optimizer_accumulation(
    opt: *const radam_optimizer,
    on: *mut radam_toggle,
) -> radam_status {
    // SAFETY: the caller's promise.
    get(opt, |optimizer| unsafe { output("on", on, toggle_value(optimizer.accumulation())) })
}

/// Fills all registered gradients with zeros, those of groups with gradient_release excepted.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_BUSY.
///
/// # Safety
/// All gradients that the optimizer has are valid, and nobody else uses them during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_zero_grad(opt: *mut radam_optimizer) -> radam_status {
    work(opt, |optimizer| {
        optimizer.zero_grad();
        Ok(())
    })
}
