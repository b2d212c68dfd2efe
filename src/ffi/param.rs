//! A parameter as its caller describes it.

use super::arguments::{dtype, dtype_or_default, name, not_null};
use super::call::without_handle;
use super::versioned::{Versioned, init, read, size_at};
use super::{radam_dtype, radam_status};
use crate::error::{Result, ensure, reserve};
use crate::kernel::Dtype;
use crate::optimizer::{CallerArray, Given, ParamSpec, Place};
use std::ffi::{c_char, c_void};
use std::ptr;

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
    /// What the elements of copy are: RADAM_DTYPE_BF16, RADAM_DTYPE_F16 or RADAM_DTYPE_F32. 0, the default:
    /// RADAM_DTYPE_BF16.
    pub copy_dtype: radam_dtype,
    /// The number of elements; may be 0.
    pub len: u64,
    /// The elements, aligned to the size of one; they must not overlap another parameter or a
    /// gradient. NULL, the default: the parameter has no place yet. radam_step skips it, radam_set_data
    /// gives it a place, and radam_step_tensor steps it in arrays that are passed to the call.
    pub data: *mut c_void,
    /// The gradient, len elements aligned to the size of one. NULL, the default: the parameter is
    /// skipped until it has one.
    pub grad: *mut c_void,
    /// A name that no other parameter of the optimizer has, UTF-8, copied; checkpoints find
    /// parameters by it. NULL, the default: "param." and its id.
    pub name: *const c_char,
    /// For f32 and f64: whenever a step changes the parameter, its new values are written here too,
    /// rounded to nearest even in copy_dtype; len elements aligned to the size of one, apart from all other
    /// arrays. So f32 masters get bf16 working weights in the same pass. It is not written before the
    /// first step, nor in steps that leave the parameter as it is (optimizer accumulation, unrectified off).
    /// NULL, the default: no copy.
    pub copy: *mut c_void,
    /// The state, for callers who place it themselves: each is NULL, the default, for the library to
    /// allocate it, or len elements in the dtype of the group's state, aligned to the size of one and
    /// apart from all other arrays, which the optimizer works on until the parameter is removed. They
    /// are used as they are: zeros before the first step, or what an earlier run left there (see
    /// radam_set_step_count). They stay the caller's, who may read them between steps.
    pub exp_avg: *mut c_void,
    /// As exp_avg.
    pub exp_avg_sq: *mut c_void,
    /// As exp_avg. It must be NULL unless the group has Kahan summation for the dtype, or
    /// master_remainder, whose int16_t it then holds.
    pub kahan_comp: *mut c_void,
    /// For data-parallel sharding: that the parameter is the elements from tensor_offset on, len of them,
    /// of the tensor of this name, which has tensor_len elements. Checkpoints that several processes have
    /// saved can then be loaded by any number of processes with other shards; stochastic rounding gives each
    /// element the random numbers that it has in the whole tensor; and norms of shards that are cut at
    /// multiples of 16384 elements are the same bits as those of the whole.
    pub tensor_offset: u64,
    /// 0, the default: the parameter is the whole tensor.
    pub tensor_len: u64,
}

impl Versioned for radam_param {
    const NAME: &str = "radam_param";
    const EARLIER_SIZES: &[usize] = &[];

    fn defaults() -> Self {
        let null = ptr::null_mut();
        Self {
            struct_size: size_of::<Self>() as u32,
            dtype: 0,
            grad_dtype: 0,
            copy_dtype: 0,
            len: 0,
            data: null,
            grad: null,
            name: ptr::null(),
            copy: null,
            exp_avg: null,
            exp_avg_sq: null,
            kahan_comp: null,
            tensor_offset: 0,
            tensor_len: 0,
        }
    }
}

/// Fills a parameter with its defaults; dtype has none and must be set.
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
    // SAFETY: the caller's promise.
    without_handle(|| unsafe { init("param", param, struct_size) })
}

/// The tensors of an array of `count`; the optimizer checks whether they can be.
///
/// # Safety
/// `params` is null or points to `count` structs of the size that the first says, whose names and arrays
/// are as [`spec`] wants them.
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
    // SAFETY: the caller's promise; there is a first one.
    let stride = unsafe { size_at(Place(Some(0)), params) }?;
    for index in 0..count {
        let param = params.wrapping_byte_add(index as usize * stride);
        // SAFETY: the caller's promise.
        let param = unsafe { read(Place(Some(index)), param) }?;
        ensure!(
            param.struct_size as usize == stride,
            InvalidArgument,
            "params[{index}].struct_size is {}, but params[0].struct_size is {stride}; it must be the \
             same in all",
            param.struct_size
        );
        // SAFETY: the caller's promise.
        specs.push(unsafe { spec(&param, Some(index)) }?);
    }
    Ok(specs)
}

/// # Safety
/// The name is null or ends in NUL and stays as it is for the lifetime that is chosen; the arrays are as
/// [`CallerArray::new`] wants them.
pub(super) unsafe fn spec<'a>(param: &radam_param, index: Option<u64>) -> Result<ParamSpec<'a>> {
    let place = Place(index);
    let own_dtype = dtype(place, "dtype", param.dtype)?;
    let grad_dtype = dtype_or_default(place, "grad_dtype", param.grad_dtype)?;
    let copy_dtype = dtype_or_default(place, "copy_dtype", param.copy_dtype)?;
    // SAFETY: the caller's promise.
    let array = |pointer| unsafe { CallerArray::new(pointer) };
    Ok(ParamSpec {
        dtype: own_dtype,
        grad_dtype: grad_dtype.unwrap_or(own_dtype),
        len: param.len,
        data: array(param.data),
        grad: array(param.grad),
        // SAFETY: the caller's promise.
        name: unsafe { name(place, param.name) }?,
        given: Given {
            copy: array(param.copy),
            copy_dtype: copy_dtype.unwrap_or(Dtype::Bf16),
            state: [param.exp_avg, param.exp_avg_sq, param.kahan_comp].map(array),
            slice: slice(place, param)?,
        },
        place,
    })
}

/// Which part of a tensor the parameter is, if it is not all of it.
fn slice(place: Place, param: &radam_param) -> Result<Option<(u64, u64)>> {
    let radam_param { tensor_offset, tensor_len, len, .. } = *param;
    if tensor_len == 0 && tensor_offset == 0 {
        return Ok(None);
    }
    ensure!(
        tensor_offset.checked_add(len).is_some_and(|end| end <= tensor_len),
        InvalidArgument,
        "{place}tensor_offset is {tensor_offset} and len is {len}, but {place}tensor_len is {tensor_len}; \
         the elements must lie within the tensor (tensor_len 0 and tensor_offset 0: they are all of it)"
    );
    Ok(Some((tensor_offset, tensor_len)))
}
