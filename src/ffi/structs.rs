//! The structs that callers fill.
//!
//! Each begins with its size, by which the library knows which version of it a caller was compiled
//! with. A struct only ever grows at its end, and only sizes that some version had are accepted.

use super::arguments::{dtype, dtype_or_default, name, not_null, toggle};
use super::call::without_handle;
use super::radam_status;
use crate::error::{Result, ensure};
use crate::optimizer::{Group, ParamSpec, Place};
use std::ffi::{c_char, c_void};

/// What a tensor's elements are: one of the RADAM_DTYPE_… constants, or 0 for the default of the
/// field that it is in.
pub type radam_dtype = i32;

/// The values of radam_dtype.
#[repr(C)]
pub enum radam_dtype_values {
    /// IEEE single precision, C's float.
    RADAM_DTYPE_F32 = 1,
    /// IEEE double precision, C's double.
    RADAM_DTYPE_F64 = 2,
    /// IEEE half precision.
    RADAM_DTYPE_F16 = 3,
    /// bfloat16, the upper half of a float.
    RADAM_DTYPE_BF16 = 4,
}

/// A choice: RADAM_ON, RADAM_OFF, or RADAM_AUTO, which is 0 and leaves it to the library.
pub type radam_toggle = i32;

/// The values of radam_toggle.
#[repr(C)]
pub enum radam_toggle_values {
    /// What the description of the option says.
    RADAM_AUTO = 0,
    /// Yes.
    RADAM_ON = 1,
    /// No.
    RADAM_OFF = 2,
}

pub use value_constants::*;

/// cbindgen:ignore
#[allow(missing_docs)] // described at radam_dtype_values and radam_toggle_values
mod value_constants {
    use super::*;

    pub const RADAM_DTYPE_F32: radam_dtype = radam_dtype_values::RADAM_DTYPE_F32 as i32;
    pub const RADAM_DTYPE_F64: radam_dtype = radam_dtype_values::RADAM_DTYPE_F64 as i32;
    pub const RADAM_DTYPE_F16: radam_dtype = radam_dtype_values::RADAM_DTYPE_F16 as i32;
    pub const RADAM_DTYPE_BF16: radam_dtype = radam_dtype_values::RADAM_DTYPE_BF16 as i32;
    pub const RADAM_AUTO: radam_toggle = radam_toggle_values::RADAM_AUTO as i32;
    pub const RADAM_ON: radam_toggle = radam_toggle_values::RADAM_ON as i32;
    pub const RADAM_OFF: radam_toggle = radam_toggle_values::RADAM_OFF as i32;
}

/// Options of a whole optimizer. Fill them by radam_options_init first.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_options {
    /// sizeof(radam_options), as radam_options_init leaves it.
    pub struct_size: u32,
    /// How many threads may work at once, the caller's among them, up to 1024. 0, the default: one
    /// per available core. They are started when work is first large enough to gain from them, one for
    /// every 128K elements. 1: the library never starts a thread.
    pub num_threads: u32,
}

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
    /// 16-bit parameters train without a copy in f32. AUTO: on for f16 and bf16.
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
}

/// One parameter: a tensor, flat and contiguous, that belongs to the caller. Fill it by
/// radam_param_init first.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_param {
    /// sizeof(radam_param), as radam_param_init leaves it. In an array of them it is the stride, and
    /// must be the same in all.
    pub struct_size: u32,
    /// What the elements of data are. There is no default.
    pub dtype: radam_dtype,
    /// What the elements of grad are. 0, the default: dtype.
    pub grad_dtype: radam_dtype,
    /// The number of elements; may be 0.
    pub len: u64,
    /// The elements, aligned to the size of one; they must not overlap another parameter or a
    /// gradient. NULL only where len is 0.
    pub data: *mut c_void,
    /// The gradient, len elements aligned to the size of one. NULL, the default: the parameter is
    /// skipped until it has one.
    pub grad: *mut c_void,
    /// A name that no other parameter of the optimizer has, UTF-8, copied; checkpoints find
    /// parameters by it. NULL, the default: "param." and its id.
    pub name: *const c_char,
}

const NUM_THREADS_MAX: u32 = 1024;

/// Fills options with their defaults.
///
/// struct_size is sizeof(radam_options).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
/// had.
///
/// # Safety
/// options is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_options_init(
    options: *mut radam_options,
    struct_size: u32,
) -> radam_status {
    let defaults = radam_options { struct_size, num_threads: 0 };
    // SAFETY: the caller's promise.
    without_handle(|| unsafe { init("options", options, struct_size, defaults) })
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
    let defaults = radam_group_options {
        struct_size,
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
    };
    // SAFETY: the caller's promise.
    without_handle(|| unsafe { init("options", options, struct_size, defaults) })
}

/// Fills a parameter with its defaults; dtype, len and data have none and must be set.
///
/// struct_size is sizeof(radam_param).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
/// had.
///
/// # Safety
/// param is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_param_init(
    param: *mut radam_param,
    struct_size: u32,
) -> radam_status {
    let defaults = radam_param {
        struct_size,
        dtype: 0,
        grad_dtype: 0,
        len: 0,
        data: std::ptr::null_mut(),
        grad: std::ptr::null_mut(),
        name: std::ptr::null(),
    };
    // SAFETY: the caller's promise.
    without_handle(|| unsafe { init("param", param, struct_size, defaults) })
}

/// # Safety
/// `target` is null or has `struct_size` writable bytes.
unsafe fn init<T: Versioned>(
    name: &str,
    target: *mut T,
    struct_size: u32,
    defaults: T,
) -> Result<()> {
    not_null(name, target, "the struct to fill")?;
    check_size::<T>("struct_size", struct_size)?;
    // SAFETY: it has the bytes, as its size is the struct's; it may be misaligned.
    unsafe { target.write_unaligned(defaults) };
    Ok(())
}

/// A struct that begins with its size.
trait Versioned: Copy {
    const NAME: &str;
}

impl Versioned for radam_options {
    const NAME: &str = "radam_options";
}
impl Versioned for radam_group_options {
    const NAME: &str = "radam_group_options";
}
impl Versioned for radam_param {
    const NAME: &str = "radam_param";
}

fn check_size<T: Versioned>(name: impl std::fmt::Display, struct_size: u32) -> Result<()> {
    ensure!(
        struct_size as usize == size_of::<T>(),
        InvalidArgument,
        "{name} is {struct_size}, which no version had; it must be sizeof({struct_name}), {} bytes",
        size_of::<T>(),
        struct_name = T::NAME
    );
    Ok(())
}

/// Copies a struct of the caller's, after a look at its size. `place` is how its fields are named.
///
/// # Safety
/// `source` points to as many bytes as the `struct_size` there says.
unsafe fn read<T: Versioned>(place: impl std::fmt::Display, source: *const T) -> Result<T> {
    // SAFETY: every struct begins with its size.
    let struct_size = unsafe { source.cast::<u32>().read_unaligned() };
    check_size::<T>(format_args!("{place}struct_size"), struct_size)?;
    // SAFETY: the size is that of the struct.
    Ok(unsafe { source.read_unaligned() })
}

/// How many threads the options ask for; those of NULL are the defaults.
///
/// # Safety
/// `options` is null or points to as many bytes as the `struct_size` there says.
pub(super) unsafe fn num_threads(options: *const radam_options) -> Result<usize> {
    if options.is_null() {
        return Ok(0);
    }
    // SAFETY: the caller's promise.
    let num_threads = unsafe { read("options.", options) }?.num_threads;
    ensure!(
        num_threads <= NUM_THREADS_MAX,
        InvalidArgument,
        "num_threads is {num_threads}; it must be at most {NUM_THREADS_MAX}, or 0 for one per core"
    );
    Ok(num_threads as usize)
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
        state_dtype: dtype_or_default(Place(None), "state_dtype", options.state_dtype)?,
    })
}

/// The tensors of an array of `count`; the optimizer checks whether they can be.
///
/// # Safety
/// `params` is null or points to `count` structs of the size that the first says, whose names are
/// null or end in NUL and stay as they are for the lifetime that is chosen.
pub(super) unsafe fn params<'a>(
    params: *const radam_param,
    count: u64,
) -> Result<Vec<ParamSpec<'a>>> {
    let mut specs = Vec::new();
    if count == 0 {
        return Ok(specs);
    }
    not_null("params", params, "count structs that radam_param_init has filled")?;
    ensure!(
        count <= u32::MAX as u64,
        InvalidArgument,
        "count is {count}, but an optimizer can have no more than {} parameters",
        u32::MAX
    );
    crate::error::reserve(&mut specs, count as usize, "parameters")?;
    for index in 0..count {
        // SAFETY: the stride is the size of this version, which `read` finds in each or refuses.
        let param = unsafe { params.byte_add(index as usize * size_of::<radam_param>()) };
        // SAFETY: the caller's promise.
        let spec =
            unsafe { read(Place(Some(index)), param).and_then(|param| spec(&param, Some(index)))? };
        specs.push(spec);
    }
    Ok(specs)
}

/// # Safety
/// The name is null or ends in NUL and stays as it is for the lifetime that is chosen.
pub(super) unsafe fn spec<'a>(param: &radam_param, index: Option<u64>) -> Result<ParamSpec<'a>> {
    let place = Place(index);
    let own_dtype = dtype(place, "dtype", param.dtype)?;
    let grad_dtype = dtype_or_default(place, "grad_dtype", param.grad_dtype)?;
    Ok(ParamSpec {
        dtype: own_dtype,
        grad_dtype: grad_dtype.unwrap_or(own_dtype),
        len: param.len,
        data: param.data.cast(),
        grad: param.grad.cast(),
        // SAFETY: the caller's promise.
        name: unsafe { name(place, param.name) }?,
        place,
    })
}
