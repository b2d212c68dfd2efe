//! Steps without an optimizer.

use super::arguments::{dtype, dtype_or_default};
use super::call::without_handle;
use super::group_options::group;
use super::{radam_dtype, radam_group_options, radam_status};
use crate::error::ensure;
use crate::kernel::{Dtype, StateDtype};
use crate::optimizer::{CallerArray, LooseTensor, Place, update};
use std::ffi::c_void;

/// Performs one step of one tensor whose arrays are all the caller's, without an optimizer.
///
/// Each array has len elements, aligned to the element size, and overlaps none of the others:
///
/// - param, of dtype, is updated.
/// - grad, of grad_dtype (0: dtype), is only read.
/// - exp_avg and exp_avg_sq, of state_dtype (0: that of options, by default dtype), are updated;
///   they must hold zeros before the first step.
/// - kahan_comp is used only if kahan_sum is on, which by default it is for f16 and bf16, or
///   master_remainder; it is of state_dtype, or int16_t with master_remainder, and must hold zeros
///   before the first step.
///
/// options are those of a group; for_each and gradient_release have no effect. step is the number of
/// the step, starting at 1. The results have the same bits as those of an optimizer. With
/// stochastic_rounding, the tensor is taken to be a whole one named "param.0", so give each tensor
/// its own seed.
///
/// All work runs on the calling thread, and nothing is allocated.
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an option out of range, an
/// unknown dtype, a misaligned or overlapping array, a step of 0 or a wrong struct_size.
///
/// Threads: may be called at any time, also at the same time for different tensors or different
/// parts of one.
///
/// # Safety
/// The arrays are valid and not used by anyone else during the call; grad may be read. options is
/// NULL or points to as many bytes as its struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_update(
    dtype: radam_dtype,
    grad_dtype: radam_dtype,
    state_dtype: radam_dtype,
    param: *mut c_void,
    grad: *const c_void,
    exp_avg: *mut c_void,
    exp_avg_sq: *mut c_void,
    kahan_comp: *mut c_void,
    len: u64,
    options: *const radam_group_options,
    step: u64,
) -> radam_status {
    without_handle(|| {
        let own_dtype = self::dtype(Place(None), "dtype", dtype)?;
        let grad_dtype = dtype_or_default(Place(None), "grad_dtype", grad_dtype)?;
        let state_dtype = dtype_or_default(Place(None), "state_dtype", state_dtype)?;
        // SAFETY: `options` is NULL or as long as its struct_size says, and so is what it points to.
        let mut group = unsafe { group(options) }?;
        group.state_dtype = state_dtype.map(StateDtype::from).or(group.state_dtype);
        ensure!(
            group.state_dtype != Some(StateDtype::Q8),
            InvalidArgument,
            "state_dtype is RADAM_DTYPE_Q8; radam_update_q8 takes such state, and here it must be another"
        );
        // SAFETY: `pointer` is NULL or has the parameter's elements.
        let array = |pointer| unsafe { CallerArray::new(pointer) };
        let tensor = LooseTensor {
            dtype: own_dtype,
            grad_dtype: grad_dtype.unwrap_or(own_dtype),
            len,
            param: array(param),
            grad: array(grad.cast_mut()),
            exp_avg: array(exp_avg),
            exp_avg_sq: array(exp_avg_sq),
            state_scale: CallerArray::NONE,
            kahan_comp: array(kahan_comp),
        };
        update(group, &tensor, step)
    })
}

/// Performs one step of one tensor with 8-bit state, without an optimizer.
///
/// As radam_update, with these differences:
///
/// - exp_avg, of len int8_t, exp_avg_sq, of len uint8_t, and state_scale, of one uint32_t for each
///   block of 128 elements (the last of which may be shorter), are updated; they must hold zeros
///   before the first step. docs/q8.md describes them.
/// - kahan_comp is of dtype, which is RADAM_DTYPE_F32, RADAM_DTYPE_F16 or RADAM_DTYPE_BF16.
/// - Codes are rounded at random, in any tensor, so give each tensor its own seed. The results have
///   the same bits as those of an optimizer for a tensor named "param.0" of at least 4096 elements.
///
/// Errors: as radam_update.
///
/// Threads: may be called at any time, also at the same time for different tensors.
///
/// # Safety
/// As for radam_update.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_update_q8(
    dtype: radam_dtype,
    grad_dtype: radam_dtype,
    param: *mut c_void,
    grad: *const c_void,
    exp_avg: *mut i8,
    exp_avg_sq: *mut u8,
    state_scale: *mut u32,
    kahan_comp: *mut c_void,
    len: u64,
    options: *const radam_group_options,
    step: u64,
) -> radam_status {
    without_handle(|| {
        let own_dtype = self::dtype(Place(None), "dtype", dtype)?;
        ensure!(
            own_dtype != Dtype::F64,
            InvalidArgument,
            "dtype is RADAM_DTYPE_F64 (2), which has no 8-bit state; it must be RADAM_DTYPE_F32 (1), RADAM_DTYPE_F16 (3) \
             or RADAM_DTYPE_BF16 (4)"
        );
        let grad_dtype = dtype_or_default(Place(None), "grad_dtype", grad_dtype)?;
        // SAFETY: `options` is NULL or as long as its struct_size says, and so is what it points to.
        let mut group = unsafe { group(options) }?;
        group.state_dtype = Some(StateDtype::Q8);
        // SAFETY: `pointer` is NULL or has the elements that the tensor needs.
        let array = |pointer| unsafe { CallerArray::new(pointer) };
        let tensor = LooseTensor {
            dtype: own_dtype,
            grad_dtype: grad_dtype.unwrap_or(own_dtype),
            len,
            param: array(param),
            grad: array(grad.cast_mut()),
            exp_avg: array(exp_avg.cast()),
            exp_avg_sq: array(exp_avg_sq.cast()),
            state_scale: array(state_scale.cast()),
            kahan_comp: array(kahan_comp),
        };
        update(group, &tensor, step)
    })
}
