//! The description of a parameter that is to be added.

use super::arguments::{copy_dtype, dtype, dtype_or_default, dtype_value, name, not_null};
use super::call::without_handle;
use super::versioned::{Versioned, init, read, size_at};
use super::{radam_dtype, radam_status};
use crate::error::{Result, ensure, reserve};
use crate::kernel::Dtype;
use crate::optimizer::{CallerArray, Given, Param, ParamSpec, Place};
use std::ffi::{c_char, c_void};
use std::mem::offset_of;
use std::ptr;

/// One parameter: a flat, contiguous tensor owned by the caller. Call radam_param_init first.
///
/// All arrays have len elements, aligned to the element size, and must not overlap one another or
/// the arrays of another parameter; only gradients may overlap gradients.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_param {
    /// sizeof(radam_param); set by radam_param_init. In an array of structs it is the stride, and must
    /// be the same in all of them.
    pub struct_size: u32,
    /// The dtype of data. Required.
    pub dtype: radam_dtype,
    /// The dtype of grad. 0, the default: dtype.
    pub grad_dtype: radam_dtype,
    /// The dtype of copy: RADAM_DTYPE_BF16, RADAM_DTYPE_F16 or RADAM_DTYPE_F32. 0, the default:
    /// RADAM_DTYPE_BF16.
    pub copy_dtype: radam_dtype,
    /// The number of elements, which may be 0.
    pub len: u64,
    /// The elements. NULL, the default: the parameter is unbound; radam_step skips it, radam_set_data
    /// and radam_set_tensors bind it, and radam_step_tensor steps it in arrays passed to the call. It
    /// must not have a registered gradient when it is stepped: radam_step then returns
    /// RADAM_ERROR_INVALID_STATE.
    pub data: *mut c_void,
    /// The gradient. NULL, the default: steps skip the parameter, and its step count does not change.
    pub grad: *mut c_void,
    /// The parameter's name: UTF-8, unique within the optimizer, copied. Checkpoints identify
    /// parameters by name. NULL, the default: "param." and its id.
    pub name: *const c_char,
    /// For f32 and f64 parameters, a second array that receives the new values, rounded to nearest
    /// even to copy_dtype, in the same pass: f32 master weights get their bf16 working copy this way.
    /// It is written only by steps that change the parameter, so not before the first step, during
    /// optimizer accumulation, or in unrectified steps with unrectified off. NULL, the default: no
    /// copy.
    pub copy: *mut c_void,
    /// The state, for callers who allocate it themselves: an array in the dtype of the group's state.
    /// NULL, the default: the library allocates it.
    ///
    /// The array must hold zeros before the first step, or the state of an earlier run (see
    /// radam_set_step_count). The optimizer uses it until the parameter is removed or the optimizer is
    /// freed. The caller still owns it and may read it between steps.
    pub exp_avg: *mut c_void,
    /// As exp_avg.
    pub exp_avg_sq: *mut c_void,
    /// As exp_avg; with 8-bit state, in the dtype of data. Must be NULL unless kahan_sum is on for this
    /// dtype, or master_remainder, in which case it is an array of int16_t.
    pub kahan_comp: *mut c_void,
    /// For data-parallel sharding: the parameter is the slice of len elements that begins at element
    /// tensor_offset of a larger tensor, which has this name in all processes and tensor_len elements
    /// in all. Checkpoints of several processes can then be loaded by processes with other shards
    /// (radam_load_shards); stochastic rounding gives each element the same random numbers as in the
    /// whole tensor; and shards cut at multiples of 16384 elements give the same norms, bit for bit,
    /// as the whole tensor (radam_grad_sums). With 8-bit state, cut at multiples of 128:
    /// tensor_offset must be one. Default: 0.
    pub tensor_offset: u64,
    /// The number of elements of the whole tensor. 0, the default: the parameter is the whole tensor.
    pub tensor_len: u64,
    /// As exp_avg, for 8-bit state, of which exp_avg is then an array of int8_t and exp_avg_sq one of
    /// uint8_t: an array of uint32_t, one for each block of 128 elements, the last of which may be
    /// shorter. Must be NULL unless state_dtype is RADAM_DTYPE_Q8 and the whole tensor has at least
    /// 4096 elements. Since 0.2.
    pub state_scale: *mut c_void,
}

impl Versioned for radam_param {
    const NAME: &str = "radam_param";
    const EARLIER_SIZES: &[usize] = &[offset_of!(Self, state_scale)];
    const DEFAULTS: Self = Self {
        struct_size: size_of::<Self>() as u32,
        dtype: 0,
        grad_dtype: 0,
        copy_dtype: 0,
        len: 0,
        data: ptr::null_mut(),
        grad: ptr::null_mut(),
        name: ptr::null(),
        copy: ptr::null_mut(),
        exp_avg: ptr::null_mut(),
        exp_avg_sq: ptr::null_mut(),
        kahan_comp: ptr::null_mut(),
        tensor_offset: 0,
        tensor_len: 0,
        state_scale: ptr::null_mut(),
    };
}

/// Fills param with the default values; dtype has none and must be set.
///
/// struct_size is sizeof(radam_param).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
///
/// # Safety
/// param is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_param_init(
    param: *mut radam_param,
    struct_size: u32,
) -> radam_status {
    // SAFETY: `param` is NULL or has `struct_size` writable bytes.
    without_handle(|| unsafe { init("param", param, struct_size) })
}

/// An array of `count` parameters; the optimizer checks the rest.
///
/// # Safety
/// `params` is null or points to `count` structs of the size that the first one says, each as [`spec`] requires.
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
    reserve(&mut specs, count as usize, "parameters")?;
    // SAFETY: `params` is not NULL, so its first struct begins with its size.
    let stride = unsafe { size_at(Place(Some(0)), params) }?;
    for index in 0..count {
        let param = params.wrapping_byte_add(index as usize * stride);
        // SAFETY: `param` is as long as its struct_size says.
        let param = unsafe { read(Place(Some(index)), param) }?;
        ensure!(
            param.struct_size as usize == stride,
            InvalidArgument,
            "params[{index}].struct_size is {}, but params[0].struct_size is {stride}; it must be the same in all of them",
            param.struct_size
        );
        // SAFETY: `param` was read from the caller, whose pointers are NULL or valid.
        specs.push(unsafe { spec(&param, Some(index)) }?);
    }
    Ok(specs)
}

/// # Safety
/// The name is null or a NUL-terminated string that does not change during the lifetime `'a`; the arrays are as
/// [`CallerArray::new`] requires.
pub(super) unsafe fn spec<'a>(param: &radam_param, index: Option<u64>) -> Result<ParamSpec<'a>> {
    let place = Place(index);
    let own_dtype = dtype(place, "dtype", param.dtype)?;
    let grad_dtype = dtype_or_default(place, "grad_dtype", param.grad_dtype)?;
    let copy_dtype = copy_dtype(place, param.copy_dtype)?;
    // SAFETY: `pointer` is NULL or has the parameter's elements.
    let array = |pointer| unsafe { CallerArray::new(pointer) };
    Ok(ParamSpec {
        dtype: own_dtype,
        grad_dtype: grad_dtype.unwrap_or(own_dtype),
        len: param.len,
        data: array(param.data),
        grad: array(param.grad),
        // SAFETY: `param.name` is NULL or ends with a NUL.
        name: unsafe { name(place, param.name) }?,
        given: Given {
            copy: array(param.copy),
            copy_dtype: copy_dtype.unwrap_or(Dtype::Bf16),
            state: [param.exp_avg, param.exp_avg_sq, param.kahan_comp, param.state_scale]
                .map(array),
            slice: (param.tensor_offset != 0 || param.tensor_len != 0)
                .then_some((param.tensor_offset, param.tensor_len)),
        },
        place,
    })
}

/// What would add the parameter as it is now, except for its name.
pub(super) fn description(param: &Param) -> radam_param {
    let given = param.state.given();
    let [exp_avg, exp_avg_sq, kahan_comp, state_scale] =
        given.state.map(|array| array.pointer().cast());
    let (tensor_offset, tensor_len) = given.slice.unwrap_or((0, 0));
    radam_param {
        dtype: dtype_value(Some(param.dtype)),
        grad_dtype: dtype_value(Some(param.grad_dtype)),
        copy_dtype: dtype_value(Some(given.copy_dtype)),
        len: param.len() as u64,
        data: param.data.pointer().cast(),
        grad: param.grad.pointer().cast(),
        copy: given.copy.pointer().cast(),
        exp_avg,
        exp_avg_sq,
        kahan_comp,
        tensor_offset,
        tensor_len,
        state_scale,
        ..radam_param::DEFAULTS
    }
}
