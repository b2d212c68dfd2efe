//! The step.

use super::arguments::{not_null, toggle, toggle_value};
use super::call::{exclusive, shared};
use super::step_options::{check_report, step_options, write_report};
use super::{radam_optimizer, radam_status, radam_step_options, radam_step_report, radam_toggle};
use crate::optimizer::StepOptions;
use std::ffi::c_void;

/// Updates every parameter that has a gradient, and counts a step for each.
///
/// Groups with gradient_release are skipped. Large work runs on up to num_threads threads; small
/// work runs on the caller's, allocates nothing and waits for nothing.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_BUSY.
///
/// Source: Liu et al. 2019, arXiv 1908.03265, algorithm 2, with moments that are stored debiased and
/// the other options of the Python library optimi.
///
/// # Safety
/// All parameters and gradients that the optimizer has are valid, and nobody else uses them during
/// the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step(opt: *mut radam_optimizer) -> radam_status {
    exclusive(opt, |optimizer| {
        optimizer.step(StepOptions::PLAIN);
        Ok(())
    })
}

/// Steps as radam_step does, on scaled and clipped gradients, skipping a step that has values which are
/// not finite, zeroing the gradients on the way; and reports what happened.
///
/// options may be NULL, for those of radam_step. report may be NULL; otherwise the gradients are measured
/// for it, whatever the options. Norm and clipping are over all groups that step.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an option out of its range or a
/// struct_size that no version had; RADAM_ERROR_BUSY.
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
    exclusive(opt, |optimizer| {
        // SAFETY: the caller's promise.
        let options = unsafe {
            check_report(report)?;
            StepOptions { measure_grads: !report.is_null(), ..step_options(options)? }
        };
        let found = optimizer.step(options);
        // SAFETY: the caller's promise; the report was checked.
        unsafe { write_report(&found, report) };
        Ok(())
    })
}

/// Updates one parameter of a group with gradient_release, from inside the caller's backward pass.
///
/// grad is its gradient, of its length and grad_dtype, only read; when the call returns, the memory
/// is the caller's to reuse. It does not become the registered gradient. It must not be NULL unless
/// the length is 0. There are no step options here: whoever scales or clips gradients does it before.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown param, misaligned memory or an overlap with a parameter; RADAM_ERROR_INVALID_STATE where
/// gradient_release is off; RADAM_ERROR_BUSY.
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
    grad: *mut c_void,
) -> radam_status {
    shared(opt, |optimizer| optimizer.step_param(param, grad.cast()))
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
    exclusive(opt, |optimizer| {
        optimizer.set_accumulation(toggle("on", on)?);
        Ok(())
    })
}

/// Gets whether optimizer accumulation is on: what was set, RADAM_OFF at first.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_BUSY.
///
/// # Safety
/// on is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_optimizer_accumulation(
    opt: *const radam_optimizer,
    on: *mut radam_toggle,
) -> radam_status {
    shared(opt, |optimizer| {
        not_null("on", on, "where the radam_toggle is to be written")?;
        // SAFETY: the caller's promise.
        unsafe { on.write_unaligned(toggle_value(optimizer.accumulation())) };
        Ok(())
    })
}

/// Fills all registered gradients with zeros, those of groups with gradient_release excepted.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_BUSY.
///
/// # Safety
/// All gradients that the optimizer has are valid, and nobody else uses them during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_zero_grad(opt: *mut radam_optimizer) -> radam_status {
    exclusive(opt, |optimizer| {
        optimizer.zero_grad();
        Ok(())
    })
}
