//! A step without an optimizer.

use super::arguments::{dtype, dtype_or_default};
use super::call::without_handle;
use super::group_options::group;
use super::{radam_dtype, radam_group_options, radam_status};
use crate::optimizer::{CallerArray, LooseTensor, Place, update};
use std::ffi::c_void;

/// Makes one step of one tensor, all of whose arrays the caller keeps: for engines that need no
/// optimizer.
///
/// The arrays have len elements each, aligned to the size of one, apart from each other: param of dtype,
/// grad of grad_dtype (0: dtype), exp_avg and exp_avg_sq of state_dtype (0: what options say, which by
/// default is dtype). kahan_comp is of state_dtype too, or int16_t with master_remainder; it is looked
/// at only where options ask for one of these, as they do by default for f16 and bf16 (kahan_sum). All
/// but param and grad are zeros before the first step. step is the number of the step, the first being
/// 1.
///
/// options are those of a group; for_each and gradient_release mean nothing here. With
/// stochastic_rounding the tensor counts as a whole one with the name "param.0": give each tensor a seed of
/// its own. The results are the same bits as those of an optimizer. Everything happens on the calling thread;
/// nothing is allocated. (The environment variable RADAM_ISA, see radam_create, is read in the first call only.)
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an option out of its range, an
/// unknown dtype, misaligned or overlapping arrays, or a step of 0. The sentence is at
/// radam_last_error(NULL, ...).
///
/// Threads: may be called from any, also at once on different tensors or different parts of one.
///
/// # Safety
/// The arrays are valid, and nobody else writes them during the call, nor reads what is written; options
/// is NULL or points to as many bytes as its struct_size says.
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
        // SAFETY: the caller's promise.
        let mut group = unsafe { group(options) }?;
        group.state_dtype = state_dtype.or(group.state_dtype);
        // SAFETY: the caller's promise; the gradient is only read.
        let array = |pointer| unsafe { CallerArray::new(pointer) };
        let tensor = LooseTensor {
            dtype: own_dtype,
            grad_dtype: grad_dtype.unwrap_or(own_dtype),
            len,
            param: array(param),
            grad: array(grad.cast_mut()),
            exp_avg: array(exp_avg),
            exp_avg_sq: array(exp_avg_sq),
            kahan_comp: array(kahan_comp),
        };
        update(group, &tensor, step)
    })
}
