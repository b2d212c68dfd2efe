//! The options of a parameter group, and getting and setting them.

use super::arguments::{not_null, output, state_dtype, state_dtype_value, toggle, toggle_value};
use super::call::{change, get, without_handle};
use super::versioned::{Versioned, init, read, write};
use super::{radam_dtype, radam_optimizer, radam_status, radam_toggle};
use crate::error::{Result, ensure};
use crate::optimizer::{Group, Place};

/// Options of a parameter group. Call radam_group_options_init first, then set lr, which has no
/// default. A struct that was zeroed instead is rejected, because beta1, beta2 and eps are all 0.
/// The names are those of the Python library optimi.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_group_options {
    /// sizeof(radam_group_options); set by radam_group_options_init.
    pub struct_size: u32,
    /// Decoupled weight decay, as in AdamW: each step multiplies the parameter by
    /// 1 - lr * weight_decay. AUTO: off, which makes weight_decay an L2 penalty added to the gradient.
    pub decouple_wd: radam_toggle,
    /// Fully decoupled weight decay: each step multiplies the parameter by 1 - lr /
    /// max_lr * weight_decay, so the best weight_decay does not depend on lr. Takes precedence over
    /// decouple_wd. AUTO: off.
    pub decouple_lr: radam_toggle,
    /// Kahan summation: a compensation array beside each parameter keeps what rounding loses, so
    /// 16-bit parameters train without an f32 copy. AUTO: on for f16 and bf16, unless master_remainder
    /// or stochastic_rounding is on. Turning it on starts with a compensation of 0; turning it off
    /// discards the compensation.
    pub kahan_sum: radam_toggle,
    /// AUTO and ON (optimi's foreach): a step runs over all tensors of the group in one parallel loop.
    /// OFF: one tensor after another. The results are the same.
    pub for_each: radam_toggle,
    /// The group is stepped one parameter at a time with radam_step_param or radam_step_tensor, for
    /// example from inside the backward pass; radam_step, radam_step_with, radam_measure and
    /// radam_zero_grad skip it. AUTO: off.
    pub gradient_release: radam_toggle,
    /// Maximizes: the gradient is negated before anything else. AUTO: off.
    pub maximize: radam_toggle,
    /// Rectification, the R of RAdam. OFF: every step uses r = 1, which makes this Adam, or AdamW with
    /// decouple_wd. AUTO: on.
    pub rectify: radam_toggle,
    /// The dtype of exp_avg, exp_avg_sq and kahan_comp. 0: that of each parameter. Otherwise
    /// RADAM_DTYPE_F32, the dtype of all parameters of the group, or RADAM_DTYPE_Q8. Changing it
    /// converts the state, rounding to nearest even.
    ///
    /// RADAM_DTYPE_Q8, for f32, f16 and bf16 parameters, keeps exp_avg and exp_avg_sq in 2.03 bytes an
    /// element together, and trains as well as f32: the ratio exp_avg / (sqrt(exp_avg_sq) + eps) and
    /// the root are coded in 8 bits each, rounded at random, with a scale for each block of 128
    /// elements. Results have the same bits on every machine; the random numbers depend on seed, as
    /// those of stochastic_rounding do. kahan_comp has the dtype of the parameter. Tensors of fewer than
    /// 4096 elements (of the whole tensor) keep f32 state. docs/q8.md describes the format.
    pub state_dtype: radam_dtype,
    /// Exact f32 master weights at 16 bits per parameter, instead of Kahan summation: for each bf16
    /// parameter, a signed 16-bit remainder holds the rest of its f32 master. The bits of the master
    /// are those of the parameter, shifted left by 16, plus the remainder; the parameter is the master
    /// rounded to nearest, ties away from zero. Results are bit for bit those of f32 parameters with
    /// the same state_dtype (set it to f32 for f32 training). For groups of bf16 parameters only;
    /// cannot be combined with kahan_sum or stochastic_rounding. Turning it on starts with remainders
    /// of 0; turning it off discards them. AUTO: off.
    pub master_remainder: radam_toggle,
    /// Stochastic rounding of bf16 parameters, instead of Kahan summation: each new value is rounded
    /// up or down at random, with probabilities that make it right on average. It needs no memory. The
    /// random number of an element is a hash of seed, the parameter's name, its step number and the
    /// element's index in the whole tensor (radam_param.tensor_offset included), so results do not
    /// depend on the machine, the order in which parameters were added, or how a tensor is sharded.
    /// For groups of bf16 parameters only; cannot be combined with kahan_sum or master_remainder.
    /// AUTO: off.
    pub stochastic_rounding: radam_toggle,
    /// What to do in unrectified steps, the first ones, while rho does not exceed rectify_threshold.
    /// AUTO and ON: parameters move by lr * exp_avg, as in the paper, optimi and PyTorch. OFF: only
    /// exp_avg and exp_avg_sq are updated, by the gradient without an L2 penalty, and weight decay of
    /// any kind waits too, as the paper's authors recommend if the first steps diverge.
    pub unrectified: radam_toggle,
    /// The learning rate; finite, at least 0. Required: radam_group_options_init sets NaN, which is
    /// rejected.
    pub lr: f64,
    /// The decay rate of exp_avg, in [0, 1). Default: 0.9.
    pub beta1: f64,
    /// The decay rate of exp_avg_sq, in [0, 1). Default: 0.99.
    pub beta2: f64,
    /// The weight decay; finite, at least 0. Default: 0.
    pub weight_decay: f64,
    /// Added to the square root of exp_avg_sq in the denominator; finite, at least 0. Default: 1e-6.
    pub eps: f64,
    /// The highest lr of the schedule, by which decouple_lr divides; finite, at least 0, and above 0
    /// if decouple_lr is on. NaN, the default: the value of lr in the same struct.
    pub max_lr: f64,
    /// A step is rectified if rho, the length of the approximated simple moving average, exceeds this;
    /// finite, at least 4, since r does not exist below. Default: 5, as in optimi and PyTorch; the
    /// paper has 4.
    pub rectify_threshold: f64,
    /// The seed of stochastic_rounding and of 8-bit state. Default: 0.
    pub seed: u64,
}

impl Versioned for radam_group_options {
    const NAME: &str = "radam_group_options";
    const DEFAULTS: Self = of_group(&Group::DEFAULTS);
}

/// Fills options with the default values; lr has none and must be set.
///
/// struct_size is sizeof(radam_group_options).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
///
/// # Safety
/// options is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_group_options_init(
    options: *mut radam_group_options,
    struct_size: u32,
) -> radam_status {
    // SAFETY: `options` is NULL or has `struct_size` writable bytes.
    without_handle(|| unsafe { init("options", options, struct_size) })
}

/// Gets all options of a group as they were set. A max_lr that was never set is the lr that the
/// group was added with.
///
/// Set options->struct_size first, which radam_group_options_init does.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown group or a wrong struct_size.
///
/// Threads: a getter; may be called at any time.
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
        // SAFETY: `options` is not NULL, so it is as long as its struct_size says.
        unsafe { write("options.", &found, options) }
    })
}

/// Sets all options of a group: all of them or, on error, none.
///
/// To change some, get the options, modify them and set them again. They apply from the next step
/// on. Changes of state_dtype, kahan_sum, master_remainder and stochastic_rounding convert the state
/// at once; where 8-bit state comes or goes, with the eps that it had before the call.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown group, an option out of range or a wrong struct_size; RADAM_ERROR_INVALID_STATE if the
/// state would change its dtype but is in the caller's arrays (radam_param.exp_avg, ...);
/// RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
///
/// # Safety
/// options is NULL or points to as many bytes as its struct_size says; state arrays of the caller
/// are valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_set_group_options(
    opt: *mut radam_optimizer,
    group: u32,
    options: *const radam_group_options,
) -> radam_status {
    change(opt, |optimizer| {
        // SAFETY: `options` is NULL or as long as its struct_size says, and so is what it points to.
        let options = unsafe { self::group(options) }?;
        optimizer.set_options(group, options)
    })
}

/// Sets the learning rate of a group, as a schedule does before each step. max_lr does not change.
///
/// lr is finite and at least 0.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or an lr
/// out of range; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_lr(opt: *mut radam_optimizer, group: u32, lr: f64) -> radam_status {
    change(opt, |optimizer| optimizer.change_options(group, |options| options.lr = lr))
}

/// Gets the learning rate of a group.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown group.
///
/// Threads: a getter; may be called at any time.
///
/// # Safety
/// lr is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_get_lr(
    opt: *const radam_optimizer,
    group: u32,
    lr: *mut f64,
) -> radam_status {
    // SAFETY: `lr` is NULL or writable.
    get(opt, |optimizer| unsafe { output("lr", lr, optimizer.group(group)?.lr) })
}

/// Sets the weight decay of a group. decouple_wd and decouple_lr decide how it is applied.
///
/// weight_decay is finite and at least 0.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a
/// weight_decay out of range; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_set_weight_decay(
    opt: *mut radam_optimizer,
    group: u32,
    weight_decay: f64,
) -> radam_status {
    change(opt, |optimizer| {
        optimizer.change_options(group, |options| options.weight_decay = weight_decay)
    })
}

/// Gets the weight decay of a group.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
/// unknown group.
///
/// Threads: a getter; may be called at any time.
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
        // SAFETY: `weight_decay` is NULL or writable.
        unsafe { output("weight_decay", weight_decay, optimizer.group(group)?.weight_decay) }
    })
}

/// The options of a group; the optimizer checks their ranges.
///
/// # Safety
/// `options` is null or points to as many bytes as the `struct_size` there says.
pub(super) unsafe fn group(options: *const radam_group_options) -> Result<Group> {
    not_null("options", options, "a struct that radam_group_options_init has filled")?;
    // SAFETY: `options` is NULL or as long as its struct_size says.
    let options = unsafe { read("options.", options) }?;
    ensure!(
        options.beta1 != 0.0 || options.beta2 != 0.0 || options.eps != 0.0,
        InvalidArgument,
        "beta1, beta2 and eps are all 0, as in a struct that was zeroed instead of initialised; the defaults, which \
         radam_group_options_init fills in, are 0.9, 0.99 and 1e-6"
    );
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
        state_dtype: state_dtype(Place(None), options.state_dtype)?,
    })
}

/// The options of a group as a struct of the C API.
const fn of_group(group: &Group) -> radam_group_options {
    radam_group_options {
        struct_size: size_of::<radam_group_options>() as u32,
        decouple_wd: toggle_value(group.decouple_wd),
        decouple_lr: toggle_value(group.decouple_lr),
        kahan_sum: toggle_value(group.kahan_sum),
        for_each: toggle_value(group.for_each),
        gradient_release: toggle_value(group.gradient_release),
        maximize: toggle_value(group.maximize),
        rectify: toggle_value(group.rectify),
        state_dtype: state_dtype_value(group.state_dtype),
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
