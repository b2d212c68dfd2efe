//! What a step does besides updating parameters, and what it reports.

use super::arguments::toggle;
use super::call::without_handle;
use super::grad_sums::{grad_sums, radam_grad_sums};
use super::versioned::{Versioned, init, read, size_at, write};
use super::{RADAM_AUTO, radam_status, radam_toggle};
use crate::error::Result;
use crate::optimizer::{Measured, StepOptions, StepReport};
use std::ptr;

/// Options of one step. Fill them by radam_step_options_init first.
///
/// All of it is folded into the step, which reads the gradients once more where all of them have to be
/// known first (max_grad_norm, skip_nonfinite, a report), and never writes them unless zero_grad is on.
/// Gradients of groups with gradient_release take no part in radam_step_with, nor do those of frozen
/// parameters, which only zero_grad zeroes too.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_step_options {
    /// sizeof(radam_step_options), as radam_step_options_init leaves it.
    pub struct_size: u32,
    /// Whether a step in which any gradient value is infinite or NaN is skipped: parameters, state and
    /// step counts stay bit for bit as they were. It is no error; the report says so. AUTO: off.
    pub skip_nonfinite: radam_toggle,
    /// Whether the gradients are filled with zeros once they are not needed any more, as by
    /// radam_zero_grad, also if the step is skipped. AUTO: off.
    pub zero_grad: radam_toggle,
    /// Whether update_norm and param_norm are measured for the report, on the way: about as much work as
    /// the update itself. AUTO: off.
    pub report_norms: radam_toggle,
    /// Every gradient is multiplied by it, before anything else; finite, above 0. With loss scaling it
    /// is 1 / loss scale. Default: 1.
    pub grad_scale: f64,
    /// The largest L2 norm of all gradients together, after grad_scale; finite, at least 0. All gradients
    /// are multiplied by max_grad_norm / (norm + 1e-6) where that is below 1, as
    /// torch.nn.utils.clip_grad_norm_ does it; so a norm that is infinite makes them 0 (and infinite
    /// ones NaN), and one that is NaN makes them NaN. 0, the default: no limit.
    pub max_grad_norm: f64,
    /// The largest size of a gradient value, after grad_scale and max_grad_norm: values outside of
    /// [-max_grad_value, max_grad_value] become its ends, and NaN stays NaN. Finite, at least 0. 0, the
    /// default: no limit.
    pub max_grad_value: f64,
    /// What is known of all gradients already, for example those of several processes or of many tensors
    /// that are stepped one by one: max_grad_norm and skip_nonfinite go by these sums, and the step does not
    /// measure. grad_scale applies to them as it does to the gradients. NULL, the default: the step
    /// measures its own gradients, if it needs to.
    pub grad_sums: *const radam_grad_sums,
}

impl Versioned for radam_step_options {
    const NAME: &str = "radam_step_options";
    const EARLIER_SIZES: &[usize] = &[];

    fn defaults() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            skip_nonfinite: RADAM_AUTO,
            zero_grad: RADAM_AUTO,
            report_norms: RADAM_AUTO,
            grad_scale: 1.0,
            max_grad_norm: 0.0,
            max_grad_value: 0.0,
            grad_sums: ptr::null(),
        }
    }
}

/// What became of a step. Fill it by radam_step_report_init before it is first used.
///
/// The norms are L2 norms over everything that stepped, the same bits on every machine, for any number
/// of threads and any order of parameters.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_step_report {
    /// sizeof(radam_step_report), as radam_step_report_init leaves it.
    pub struct_size: u32,
    /// 1 if the step was skipped by skip_nonfinite, else 0.
    pub skipped: i32,
    /// How many gradient values are infinite or NaN.
    pub nonfinite: u64,
    /// The norm of the gradients after grad_scale and before clipping; 0 if there are none.
    pub grad_norm: f64,
    /// What max_grad_norm multiplied the gradients by: 1 if they were not too long.
    pub clip_coefficient: f64,
    /// The norm of the change of the parameters, as they are stored. NaN unless report_norms is on; 0 if
    /// the step was skipped.
    pub update_norm: f64,
    /// The norm of the parameters after the step, as they are stored. NaN unless report_norms is on, or
    /// if the step was skipped.
    pub param_norm: f64,
    /// How many parameters were stepped: 0 if none has a gradient, or if the step was skipped.
    pub params_stepped: u64,
    /// How many threads worked on the step, the caller's among them; 0 for a step in slices, which its
    /// caller divides among threads.
    pub threads: u32,
    /// 0.
    pub reserved: u32,
}

impl Versioned for radam_step_report {
    const NAME: &str = "radam_step_report";
    const EARLIER_SIZES: &[usize] = &[];

    fn defaults() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            skipped: 0,
            nonfinite: 0,
            grad_norm: f64::NAN,
            clip_coefficient: 1.0,
            update_norm: f64::NAN,
            param_norm: f64::NAN,
            params_stepped: 0,
            threads: 0,
            reserved: 0,
        }
    }
}

/// Fills the options of a step with their defaults: an update and nothing else.
///
/// struct_size is sizeof(radam_step_options).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
/// had.
///
/// # Safety
/// options is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_options_init(
    options: *mut radam_step_options,
    struct_size: u32,
) -> radam_status {
    // SAFETY: the caller's promise.
    without_handle(|| unsafe { init("options", options, struct_size) })
}

/// Fills a report, which steps then overwrite.
///
/// struct_size is sizeof(radam_step_report).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
/// had.
///
/// # Safety
/// report is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_report_init(
    report: *mut radam_step_report,
    struct_size: u32,
) -> radam_status {
    // SAFETY: the caller's promise.
    without_handle(|| unsafe { init("report", report, struct_size) })
}

/// The options of a step; those of NULL are the defaults.
///
/// # Safety
/// `options` is null or points to as many bytes as the `struct_size` there says, and so does its `grad_sums`.
pub(super) unsafe fn step_options(options: *const radam_step_options) -> Result<StepOptions> {
    if options.is_null() {
        return Ok(StepOptions::PLAIN);
    }
    // SAFETY: the caller's promise.
    let options = unsafe { read("options.", options) }?;
    let measured = if options.grad_sums.is_null() {
        None
    } else {
        // SAFETY: the caller's promise.
        Some(Measured::of(&unsafe { grad_sums("options.grad_sums->", options.grad_sums) }?))
    };
    StepOptions {
        grad_scale: options.grad_scale,
        max_grad_norm: options.max_grad_norm,
        max_grad_value: options.max_grad_value,
        skip_nonfinite: toggle("skip_nonfinite", options.skip_nonfinite)?.or(false),
        zero_grad: toggle("zero_grad", options.zero_grad)?.or(false),
        measured,
        measure_grads: false,
        measure_params: toggle("report_norms", options.report_norms)?.or(false),
    }
    .checked()
}

/// Refuses a report that is of no version; it may be null.
///
/// # Safety
/// `report` is null or points to as many bytes as the `struct_size` there says.
pub(super) unsafe fn check_report(report: *const radam_step_report) -> Result<()> {
    if !report.is_null() {
        // SAFETY: the caller's promise.
        unsafe { size_at("report.", report) }?;
    }
    Ok(())
}

/// # Safety
/// `report` is null, or `check_report` has accepted it and it is writable.
pub(super) unsafe fn write_report(found: &StepReport, report: *mut radam_step_report) {
    if report.is_null() {
        return;
    }
    let found = radam_step_report {
        struct_size: 0, // stays what it is
        skipped: found.skipped.into(),
        nonfinite: found.nonfinite,
        grad_norm: found.grad_norm,
        clip_coefficient: found.clip_coefficient,
        update_norm: found.update_norm,
        param_norm: found.param_norm,
        params_stepped: found.params_stepped,
        threads: found.threads as u32,
        reserved: 0,
    };
    // SAFETY: the caller's promise.
    unsafe { write(&found, report) };
}
