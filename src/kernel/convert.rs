//! Arrays of one dtype as another.

use crate::dtype::Dtype;
use crate::number::{Bf16, Element, F16, Real};

/// Converts `len` elements, rounding to nearest even.
///
/// # Safety
/// The arrays have `len` elements of their dtypes and are aligned for them. Nothing else writes the
/// source nor reads or writes the target meanwhile, and they do not overlap.
pub(crate) unsafe fn convert_array(
    from: Dtype,
    source: *const u8,
    to: Dtype,
    target: *mut u8,
    len: usize,
) {
    let convert = match to {
        Dtype::F32 => from_dtype::<f32>(from),
        Dtype::F64 => from_dtype::<f64>(from),
        Dtype::F16 => from_dtype::<F16>(from),
        Dtype::Bf16 => from_dtype::<Bf16>(from),
    };
    // SAFETY: the caller's promise.
    unsafe { convert(source, target, len) };
}

type ConvertLoop = unsafe fn(*const u8, *mut u8, usize);

fn from_dtype<To: Element>(from: Dtype) -> ConvertLoop {
    match from {
        Dtype::F32 => convert::<f32, To>,
        Dtype::F64 => convert::<f64, To>,
        Dtype::F16 => convert::<F16, To>,
        Dtype::Bf16 => convert::<Bf16, To>,
    }
}

/// # Safety
/// As for [`convert_array`].
unsafe fn convert<From: Element, To: Element>(source: *const u8, target: *mut u8, len: usize) {
    let (source, target) = (source.cast::<From>(), target.cast::<To>());
    debug_assert!(source.is_aligned() && target.is_aligned());
    // SAFETY: the caller's promise.
    let (source, target) = unsafe {
        (std::slice::from_raw_parts(source, len), std::slice::from_raw_parts_mut(target, len))
    };
    for (target, source) in target.iter_mut().zip(source) {
        *target = To::store(source.load().convert());
    }
}
