//! The options of a parameter group, when it is added and while it trains.

use super::arguments::{dtype_or_default, dtype_value, not_null, output, toggle, toggle_value};
use super::call::{change, get, without_handle};
use super::versioned::{Versioned, init, read, size_at, write};
use super::{RADAM_AUTO, radam_dtype, radam_optimizer, radam_status, radam_toggle};
use crate::error::Result;
use crate::optimizer::{Group, Place};

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
    /// master_remainder or stochastic_rounding is on. When it is switched on, the compensation begins at
    /// 0; when it is switched off, the compensation is dropped.
    pub kahan_sum: radam_toggle,
    /// Whether all tensors of the group are stepped as one parallel queue of work (AUTO and ON,
    /// optimi's foreach) or one after another (OFF). Same results.
    pub for_each: radam_toggle,
    /// Whether the group is stepped tensor by tensor, by radam_step_param or radam_step_tensor, for example
    /// from inside the backward pass. radam_step and radam_zero_grad then skip it. AUTO: off.
    pub gradient_release: radam_toggle,
    /// Steps up the gradient instead of down. AUTO: off.
    pub maximize: radam_toggle,
    /// Rectification, the R of RAdam. OFF: every step is rectified by 1, which is Adam, or AdamW
    /// with decouple_wd. AUTO: on.
    pub rectify: radam_toggle,
    /// What exp_avg, exp_avg_sq and kahan_comp are stored in: 0 for each parameter's own dtype, or
    /// RADAM_DTYPE_F32, or the dtype that all parameters of the group have. When it changes, the state is
    /// converted, rounded to nearest even.
    pub state_dtype: radam_dtype,
    /// Exact master weights in 16 bits: beside each bf16 parameter, in the place of Kahan summation, a
    /// signed 16-bit remainder makes an f32 master of it. The parameter is the master rounded to
    /// nearest (ties away from zero); the master's bits are the parameter's, shifted up by 16, plus the
    /// remainder. The results are bit for bit those of f32 parameters with the same state_dtype (f32, for
    /// f32 training). For groups of bf16 parameters only, and not with kahan_sum on. The remainders begin
    /// at 0, and are dropped when it is switched off. AUTO: off.
    pub master_remainder: radam_toggle,
    /// Stochastic rounding of bf16 parameters, in the place of Kahan summation: each is rounded up or
    /// down at random, so that it is right on average and takes no memory. The random numbers are a
    /// hash of seed, the parameter's name, the number of its step and the place of the element in the whole
    /// tensor (tensor_offset included), so the results are the same on every machine, in any order of
    /// adding and however a tensor is cut into shards. For groups of bf16 parameters only, and not with
    /// kahan_sum or master_remainder on. AUTO: off.
    pub stochastic_rounding: radam_toggle,
    /// What happens in the steps that are not rectified, while rho is not above rectify_threshold. AUTO and
    /// ON: parameters move by lr * exp_avg, as in the paper, optimi and torch. OFF: only exp_avg and
    /// exp_avg_sq move, and parameters wait, as the paper's authors advise where the first steps explode.
    pub unrectified: radam_toggle,
    /// The learning rate; finite, at least 0. There is no default: radam_group_options_init sets
    /// NaN, which is refused.
    pub lr: f64,
    /// The decay rate of exp_avg, the average of gradients, in [0, 1). Default: 0.9.
    pub beta1: f64,
    /// The decay rate of exp_avg_sq, the average of squared gradients, in [0, 1). Default: 0.99.
    pub beta2: f64,
    /// How strongly parameters decay; finite, at least 0. Default: 0.
    pub weight_decay: f64,
    /// Added to the square root of exp_avg_sq; finite, at least 0. Default: 1e-6.
    pub eps: f64,
    /// The highest lr of the schedule, which decouple_lr divides by; finite, at least 0, and above 0
    /// with decouple_lr. NaN, the default: the lr that is given with it.
    pub max_lr: f64,
    /// What rho, the length of the approximated simple moving average, must exceed for a step to be
    /// rectified; finite, at least 4, below which r does not exist. Default: 5, as in optimi and torch. The
    /// text of the paper has 4.
    pub rectify_threshold: f64,
    /// What the random numbers of stochastic_rounding begin with. Default: 0.
    pub seed: u64,
}

impl Versioned for radam_group_options {
    const NAME: &str = "radam_group_options";
    const EARLIER_SIZES: &[usize] = &[];

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
            master_remainder: RADAM_AUTO,
            stochastic_rounding: RADAM_AUTO,
            unrectified: RADAM_AUTO,
            lr: f64::NAN,
            beta1: 0.9,
            beta2: 0.99,
            weight_decay: 0.0,
            eps: 1e-6,
            max_lr: f64::NAN,
            rectify_threshold: 5.0,
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

/// Gets all options of a group, as they were set; max_lr is the lr that the group was added with where it was
/// never given.
///
/// options is filled in the version that its struct_size says: call radam_group_options_init on it first.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an unknown
/// group or a struct_size that no version had.
///
/// Threads: may be called at any time.
///
/// # Safety
/// options is NULL or points to as many writable bytes as its struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_group_options(
    opt: *const radam_optimizer,
    group: u32,
    options: *mut radam_group_options,
) -> radam_status {
    get(opt, |optimizer| {
        let found = of_group(optimizer.group(group)?);
        not_null("options", options, "a struct that radam_group_options_init has filled")?;
        // SAFETY: the caller's promise; the size is one that some version had.
        unsafe {
            size_at("options.", options)?;
            write(&found, options);
        }
        Ok(())
    })
}

/// Sets all options of a group at once: all of them or, on an error, none.
///
/// Get them first, change some, and set them. Later steps go by the new values; what is stored is brought into
/// the form that state_dtype, kahan_sum, master_remainder and stochastic_rounding ask for.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an unknown
/// group, an option out of its range or a struct_size that no version had; RADAM_ERROR_INVALID_STATE where
/// the caller keeps state of another dtype; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
///
/// # Safety
/// options is NULL or points to as many bytes as its struct_size says; state of the caller's is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_set_group_options(
    opt: *mut radam_optimizer,
    group: u32,
    options: *const radam_group_options,
) -> radam_status {
    change(opt, |optimizer| {
        // SAFETY: the caller's promise.
        let options = unsafe { self::group(options) }?;
        optimizer.set_options(group, options)
    })
}

/// Sets the learning rate of a group, as a schedule does before each step.
///
/// lr is finite and at least 0. max_lr stays as it is.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or an lr that is
/// refused; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_lr(opt: *mut radam_optimizer, group: u32, lr: f64) -> radam_status {
    change(opt, |optimizer| {
        let options = optimizer.group(group)?;
        optimizer.set_options(group, Group { lr, ..options.clone() })
    })
}

/// Gets the learning rate of a group.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an unknown
/// group.
///
/// Threads: may be called at any time.
///
/// # Safety
/// lr is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_lr(
    opt: *const radam_optimizer,
    group: u32,
    lr: *mut f64,
) -> radam_status {
    get(opt, |optimizer| {
        let value = optimizer.group(group)?.lr;
        // SAFETY: the caller's promise.
        unsafe { output("lr", lr, value) }
    })
}

/// Sets the weight decay of a group.
///
/// weight_decay is finite and at least 0; decouple_wd and decouple_lr say what it does.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a weight_decay
/// that is refused; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_weight_decay(
    opt: *mut radam_optimizer,
    group: u32,
    weight_decay: f64,
) -> radam_status {
    change(opt, |optimizer| {
        let options = optimizer.group(group)?;
        optimizer.set_options(group, Group { weight_decay, ..options.clone() })
    })
}

/// Gets the weight decay of a group.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an unknown
/// group.
///
/// Threads: may be called at any time.
///
/// # Safety
/// weight_decay is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_weight_decay(
    opt: *const radam_optimizer,
    group: u32,
    weight_decay: *mut f64,
) -> radam_status {
    get(opt, |optimizer| {
        let value = optimizer.group(group)?.weight_decay;
        // SAFETY: the caller's promise.
        unsafe { output("weight_decay", weight_decay, value) }
    })
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
        master_remainder: toggle("master_remainder", options.master_remainder)?,
        stochastic_rounding: toggle("stochastic_rounding", options.stochastic_rounding)?,
        unrectified: toggle("unrectified", options.unrectified)?,
        rectify_threshold: options.rectify_threshold,
        seed: options.seed,
        state_dtype: dtype_or_default(Place(None), "state_dtype", options.state_dtype)?,
    })
}

/// The options of a group as the caller sees them.
fn of_group(group: &Group) -> radam_group_options {
    radam_group_options {
        struct_size: 0, // stays what it is
        decouple_wd: toggle_value(group.decouple_wd),
        decouple_lr: toggle_value(group.decouple_lr),
        kahan_sum: toggle_value(group.kahan_sum),
        for_each: toggle_value(group.for_each),
        gradient_release: toggle_value(group.gradient_release),
        maximize: toggle_value(group.maximize),
        rectify: toggle_value(group.rectify),
        state_dtype: dtype_value(group.state_dtype),
        master_remainder: toggle_value(group.master_remainder),
        stochastic_rounding: toggle_value(group.stochastic_rounding),
        unrectified: toggle_value(group.unrectified),
        lr: group.lr,
        beta1: group.beta1,
        beta2: group.beta2,
        weight_decay: group.weight_decay,
        eps: group.eps,
        max_lr: group.max_lr,
        rectify_threshold: group.rectify_threshold,
        seed: group.seed,
    }
}
