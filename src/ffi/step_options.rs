//! The options of a step, and its report.

use super::arguments::toggle;
use super::call::without_handle;
use super::grad_sums::{grad_sums, radam_grad_sums};
use super::versioned::{Versioned, init, read, size_at, write};
use super::{RADAM_AUTO, radam_status, radam_toggle};
use crate::error::Result;
use crate::optimizer::{Measured, StepOptions, StepReport};
use std::ptr;

/// Options of one step. Call radam_step_options_init first.
///
/// The step applies them as it goes: gradients are written only if zero_grad is on, and read a
/// second time only if all of them must be known before the first update (max_grad_norm,
/// skip_nonfinite, or a report, unless grad_sums is set). Groups with gradient_release take no part
/// in radam_step_with. Neither do frozen parameters, except that zero_grad zeroes their gradients
/// too.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_step_options {
    /// sizeof(radam_step_options); set by radam_step_options_init.
    pub struct_size: u32,
    /// Skips the step if any gradient element is infinite or NaN: parameters, state and step counts
    /// keep their bits. The call still succeeds, and the report says so. AUTO: off.
    pub skip_nonfinite: radam_toggle,
    /// Zeroes each gradient once it is no longer needed, also if the step is skipped; the same as
    /// calling radam_zero_grad afterwards. AUTO: off.
    pub zero_grad: radam_toggle,
    /// Measures update_norm and param_norm for the report, which is about as much work as the update
    /// itself. AUTO: off.
    pub report_norms: radam_toggle,
    /// What is already known of all gradients, for example of several processes or of tensors that are
    /// stepped one by one: max_grad_norm and skip_nonfinite use these sums, and the step measures
    /// nothing. The sums are of gradients before grad_scale. NULL, the default: the step measures its
    /// own gradients if it needs to.
    pub grad_sums: *const radam_grad_sums,
    /// Multiplies every gradient before anything else; finite, above 0. With loss scaling, it is 1 /
    /// loss scale. Default: 1.
    pub grad_scale: f64,
    /// Clips gradients by their norm: the maximum L2 norm of all gradients together, after grad_scale;
    /// finite, at least 0. If max_grad_norm / (norm + 1e-6) is below 1, all gradients are multiplied
    /// by it, as torch.nn.utils.clip_grad_norm_ does. An infinite norm therefore turns finite
    /// gradients into 0 and infinite ones into NaN, and a NaN norm turns all of them into NaN. 0, the
    /// default: no limit.
    pub max_grad_norm: f64,
    /// Clips gradients by value, after grad_scale and max_grad_norm: each element is clamped to
    /// [-max_grad_value, max_grad_value], and NaN stays NaN. Finite, at least 0. 0, the default: no
    /// limit.
    pub max_grad_value: f64,
}

impl Versioned for radam_step_options {
    const NAME: &str = "radam_step_options";
    const DEFAULTS: Self = Self {
        struct_size: size_of::<Self>() as u32,
        skip_nonfinite: RADAM_AUTO,
        zero_grad: RADAM_AUTO,
        report_norms: RADAM_AUTO,
        grad_scale: 1.0,
        max_grad_norm: 0.0,
        max_grad_value: 0.0,
        grad_sums: ptr::null(),
    };
}

/// The outcome of a step. Call radam_step_report_init first.
///
/// Norms are L2 norms over all parameters that were stepped. They have the same bits on every
/// machine, for any number of threads and any order of parameters.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_step_report {
    /// sizeof(radam_step_report); set by radam_step_report_init.
    pub struct_size: u32,
    /// 1 if skip_nonfinite skipped the step, else 0.
    pub skipped: i32,
    /// The number of gradient elements that are infinite or NaN.
    pub nonfinite: u64,
    /// The norm of the gradients after grad_scale and before clipping; 0 if there are none.
    pub grad_norm: f64,
    /// What max_grad_norm multiplied the gradients by; 1 if they were within the limit.
    pub clip_coefficient: f64,
    /// The norm of the change of the parameters, as stored; 0 if the step was skipped. NaN unless
    /// report_norms is on.
    pub update_norm: f64,
    /// The norm of the parameters after the step, as stored. NaN if the step was skipped, and unless
    /// report_norms is on.
    pub param_norm: f64,
    /// The number of parameters that were stepped: 0 if none has a gradient, or if the step was
    /// skipped.
    pub params_stepped: u64,
    /// The number of threads that worked on the step, including the calling one; 0 for a step in
    /// slices, which the caller distributes. A thread of an executor that works for two optimizers in
    /// turns may be counted more than once.
    pub threads: u32,
    /// 0.
    pub reserved: u32,
}

impl Versioned for radam_step_report {
    const NAME: &str = "radam_step_report";
    const DEFAULTS: Self = Self {
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
    };
}

/// Fills options with the default values: a plain update.
///
/// struct_size is sizeof(radam_step_options).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
///
/// # Safety
/// options is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_options_init(
    options: *mut radam_step_options,
    struct_size: u32,
) -> radam_status {
    // SAFETY: `options` is NULL or has `struct_size` writable bytes.
    without_handle(|| unsafe { init("options", options, struct_size) })
}

/// Fills report with initial values, which steps overwrite.
///
/// struct_size is sizeof(radam_step_report).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
///
/// # Safety
/// report is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_report_init(
    report: *mut radam_step_report,
    struct_size: u32,
) -> radam_status {
    // SAFETY: `report` is NULL or has `struct_size` writable bytes.
    without_handle(|| unsafe { init("report", report, struct_size) })
}

/// The options of a step; the defaults for NULL.
///
/// # Safety
/// `options` is null or points to as many bytes as the `struct_size` there says, and so does its `grad_sums`.
pub(super) unsafe fn step_options(options: *const radam_step_options) -> Result<StepOptions> {
    if options.is_null() {
        return Ok(StepOptions::PLAIN);
    }
    // SAFETY: `options` is NULL or as long as its struct_size says.
    let options = unsafe { read("options.", options) }?;
    let measured = if options.grad_sums.is_null() {
        None
    } else {
        // SAFETY: `grad_sums` is as long as its struct_size says.
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

/// Checks the size of a report, which may be null.
///
/// # Safety
/// `report` is null or points to as many bytes as the `struct_size` there says.
pub(super) unsafe fn check_report(report: *const radam_step_report) -> Result<()> {
    if !report.is_null() {
        // SAFETY: `report` is NULL or begins with its size.
        unsafe { size_at("report.", report) }?;
    }
    Ok(())
}

/// Writes a report, unless it is null.
///
/// # Safety
/// As for [`check_report`]; and the bytes are writable.
pub(super) unsafe fn write_report(
    found: &StepReport,
    report: *mut radam_step_report,
) -> Result<()> {
    if report.is_null() {
        return Ok(());
    }
    let found = radam_step_report {
        struct_size: 0, // is not written
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
    // SAFETY: `report` is not NULL, so it is as long as its struct_size says.
    unsafe { write("report.", &found, report) }
}
