//! The options of a parameter group.

use super::arguments::{dtype_or_default, not_null, toggle};
use super::call::without_handle;
use super::versioned::{Versioned, init, read};
use super::{RADAM_AUTO, radam_dtype, radam_status, radam_toggle};
use crate::error::Result;
use crate::optimizer::{Group, Place, Toggle};

/// Options of one parameter group; the names are those of the Python library optimi. Fill them by
/// radam_group_options_init first, and then set lr, which has no default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_group_options {
    /// sizeof(radam_group_options), as radam_group_options_init leaves it.
    pub struct_size: u32,
    /// Decoupled weight decay, as in AdamW: each step takes lr * weight_decay of the parameter.
    /// AUTO: off, so that weight decay is an L2 penalty on the gradient.
    pub decouple_wd: radam_toggle,
    /// Fully decoupled weight decay: each step takes lr / max_lr * weight_decay of the parameter, so
    /// that weight_decay does not depend on the choice of lr. It wins over decouple_wd. AUTO: off.
    pub decouple_lr: radam_toggle,
    /// Kahan summation: a compensation beside each parameter keeps what rounding loses, so that
    /// 16-bit parameters train without a copy in f32. AUTO: on for f16 and bf16, unless
    /// master_remainder or stochastic_rounding is on.
    pub kahan_sum: radam_toggle,
    /// Whether all tensors of the group are stepped as one parallel queue of work (AUTO and ON,
    /// optimi's foreach) or one after another (OFF). Same results.
    pub for_each: radam_toggle,
    /// Whether the group is stepped by radam_step_param from inside the backward pass. radam_step
    /// and radam_zero_grad then skip it. AUTO: off.
    pub gradient_release: radam_toggle,
    /// Steps up the gradient and not down. AUTO: off.
    pub maximize: radam_toggle,
    /// Rectification, the R of RAdam. OFF: every step is rectified by 1, which is Adam, or AdamW
    /// with decouple_wd. AUTO: on.
    pub rectify: radam_toggle,
    /// What exp_avg, exp_avg_sq and the compensation are stored in: 0 for each parameter's own
    /// dtype, or RADAM_DTYPE_F32, or the dtype that all parameters of the group have.
    pub state_dtype: radam_dtype,
    /// The learning rate; finite, at least 0. There is no default: radam_group_options_init sets
    /// NaN, which is refused.
    pub lr: f64,
    /// The decay rate of the average of gradients, in [0, 1). Default: 0.9.
    pub beta1: f64,
    /// The decay rate of the average of squared gradients, in [0, 1). Default: 0.99.
    pub beta2: f64,
    /// How strongly parameters decay; finite, at least 0. Default: 0.
    pub weight_decay: f64,
    /// Added to the root of exp_avg_sq; finite, at least 0. Default: 1e-6.
    pub eps: f64,
    /// The highest lr of the schedule, which decouple_lr divides by; finite, at least 0, and above 0
    /// with decouple_lr. NaN, the default: the lr that is given with it.
    pub max_lr: f64,
    /// Exact master weights in 16 bits: beside each bf16 parameter, in the place of Kahan summation, a
    /// signed 16-bit remainder makes an f32 master of it. The parameter is the master rounded to
    /// nearest (ties away from zero); the master's bits are the parameter's, shifted up by 16, plus the
    /// remainder. The results are bit for bit those of f32 parameters with the same state_dtype (f32, for
    /// f32 training). For groups of bf16 parameters only, and not with kahan_sum on. The remainders begin
    /// at 0. AUTO: off.
    pub master_remainder: radam_toggle,
    /// Stochastic rounding of bf16 parameters, in the place of Kahan summation: each is rounded up or
    /// down at random, so that it is right on average and takes no memory. The random numbers are a
    /// hash of seed, the parameter's id, the number of its step and that of the element, so the results
    /// are the same everywhere. For groups of bf16 parameters only, and not with kahan_sum or
    /// master_remainder on. AUTO: off.
    pub stochastic_rounding: radam_toggle,
    /// What the random numbers of stochastic_rounding begin with. Default: 0.
    pub seed: u64,
}

impl Versioned for radam_group_options {
    const NAME: &str = "radam_group_options";
    const EARLIER_SIZES: &[usize] = &[88];

    fn defaults() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            decouple_wd: RADAM_AUTO,
            decouple_lr: RADAM_AUTO,
            kahan_sum: RADAM_AUTO,
            for_each: RADAM_AUTO,
            gradient_release: RADAM_AUTO,
            maximize: RADAM_AUTO,
            rectify: RADAM_AUTO,
            state_dtype: 0,
            lr: f64::NAN,
            beta1: 0.9,
            beta2: 0.99,
            weight_decay: 0.0,
            eps: 1e-6,
            max_lr: f64::NAN,
            master_remainder: RADAM_AUTO,
            stochastic_rounding: RADAM_AUTO,
            seed: 0,
        }
    }
}

/// Fills the options of a parameter group with their defaults; lr has none and must be set.
///
/// struct_size is sizeof(radam_group_options).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
/// had.
///
/// # Safety
/// options is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_group_options_init(
    options: *mut radam_group_options,
    struct_size: u32,
) -> radam_status {
    // SAFETY: the caller's promise.
    without_handle(|| unsafe { init("options", options, struct_size) })
}

/// The options of a group; the optimizer checks their ranges.
///
/// # Safety
/// `options` is null or points to as many bytes as the `struct_size` there says.
pub(super) unsafe fn group(options: *const radam_group_options) -> Result<Group> {
    not_null("options", options, "a struct that radam_group_options_init has filled")?;
    // SAFETY: the caller's promise.
    let options = unsafe { read("options.", options) }?;
    Ok(Group {
        lr: options.lr,
        beta1: options.beta1,
        beta2: options.beta2,
        weight_decay: options.weight_decay,
        eps: options.eps,
        max_lr: options.max_lr,
        decouple_wd: toggle("decouple_wd", options.decouple_wd)?,
        decouple_lr: toggle("decouple_lr", options.decouple_lr)?,
        kahan_sum: toggle("kahan_sum", options.kahan_sum)?,
        for_each: toggle("for_each", options.for_each)?,
        gradient_release: toggle("gradient_release", options.gradient_release)?,
        maximize: toggle("maximize", options.maximize)?,
        rectify: toggle("rectify", options.rectify)?,
        unrectified: Toggle::Auto,
        rectify_threshold: 5.0,
        master_remainder: toggle("master_remainder", options.master_remainder)?,
        stochastic_rounding: toggle("stochastic_rounding", options.stochastic_rounding)?,
        seed: options.seed,
        state_dtype: dtype_or_default(Place(None), "state_dtype", options.state_dtype)?,
    })
}
