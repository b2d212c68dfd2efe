//! The scalars of a group's next step.

use super::arguments::not_null;
use super::call::{get, without_handle};
use super::versioned::{Versioned, init, write};
use super::{radam_optimizer, radam_status};

/// The scalars of a group's next step, for training loops that log them. Call
/// radam_group_report_init first.
///
/// Source: Liu et al. 2019, arXiv 1908.03265, with bias correction as in the Python library optimi.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_group_report {
    /// sizeof(radam_group_report); set by radam_group_report_init.
    pub struct_size: u32,
    /// 1 if the step will be rectified (always, with rectify off), else 0: then it moves parameters by
    /// lr * exp_avg, without a square root, or not at all with unrectified off.
    pub rectified: i32,
    /// The number t of the step, starting at 1, of the parameter that has made the most steps.
    /// Parameters that joined late or were paused have lower ones.
    pub step: u64,
    /// The length of the approximated simple moving average. A step is rectified if it exceeds
    /// rectify_threshold.
    pub rho: f64,
    /// The limit of rho: 2 / (1 - beta2) - 1.
    pub rho_inf: f64,
    /// The rectification term, in [0, 1]; 0 in unrectified steps, 1 with rectify off.
    pub r: f64,
    /// The factor of exp_avg: lr * r in rectified steps; otherwise lr, or 0 with unrectified off.
    pub effective_lr: f64,
    /// The debiased beta1: (beta1^t - beta1) / (beta1^t - 1).
    pub beta1_hat: f64,
    /// The debiased beta2: (beta2^t - beta2) / (beta2^t - 1).
    pub beta2_hat: f64,
    /// The factor by which weight decay multiplies each parameter: 1 - lr * weight_decay with
    /// decouple_wd, 1 - lr / max_lr * weight_decay with decouple_lr, else 1.
    pub decay_factor: f64,
}

impl Versioned for radam_group_report {
    const NAME: &str = "radam_group_report";
    const DEFAULTS: Self = Self {
        struct_size: size_of::<Self>() as u32,
        rectified: 0,
        step: 0,
        rho: f64::NAN,
        rho_inf: f64::NAN,
        r: f64::NAN,
        effective_lr: f64::NAN,
        beta1_hat: f64::NAN,
        beta2_hat: f64::NAN,
        decay_factor: f64::NAN,
    };
}

/// Fills report with initial values, which radam_get_group_report overwrites.
///
/// struct_size is sizeof(radam_group_report).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
///
/// # Safety
/// report is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_group_report_init(
    report: *mut radam_group_report,
    struct_size: u32,
) -> radam_status {
    // SAFETY: `report` is NULL or has `struct_size` writable bytes.
    without_handle(|| unsafe { init("report", report, struct_size) })
}

/// Gets the scalars of a group's next step, as its present options give them.
///
/// Set report->struct_size first, which radam_group_report_init does.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown group or a wrong struct_size.
///
/// Threads: a getter; may be called at any time.
///
/// # Safety
/// report is NULL or points to as many writable bytes as its struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_group_report(
    opt: *const radam_optimizer,
    group: u32,
    report: *mut radam_group_report,
) -> radam_status {
    get(opt, |optimizer| {
        let scalars = optimizer.next_scalars(group)?;
        not_null("report", report, "a struct that radam_group_report_init has filled")?;
        let found = radam_group_report {
            struct_size: 0, // is not written
            rectified: scalars.rectification.is_some().into(),
            step: scalars.step,
            rho: scalars.rho,
            rho_inf: scalars.rho_inf,
            r: scalars.rectification.unwrap_or(0.0),
            effective_lr: scalars.step_size,
            beta1_hat: scalars.beta1_hat,
            beta2_hat: scalars.beta2_hat,
            decay_factor: 1.0 - scalars.decay,
        };
        // SAFETY: `report` is not NULL, so it is as long as its struct_size says.
        unsafe { write("report.", &found, report) }
    })
}
