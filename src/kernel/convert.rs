//! Arrays of one dtype as another.

use super::detect::compiled_loop;
use super::dtype::Dtype;
use super::element::Element;
use half::{bf16, f16};

compiled_loop! {
    /// Converts `len` elements, rounding to nearest even. Between equal dtypes every bit is copied, those of
    /// NaN too.
    ///
    /// # Safety
    /// The arrays have `len` elements of their dtypes and are aligned for them. Nothing else writes the
    /// source nor reads or writes the target meanwhile, and they do not overlap.
    convert_array(from: Dtype, source: *const u8, to: Dtype, target: *mut u8, len: usize) -> ()
        = plain_convert
}

/// # Safety
/// As for [`convert_array`].
#[inline(always)]
unsafe fn plain_convert(from: Dtype, source: *const u8, to: Dtype, target: *mut u8, len: usize) {
    // SAFETY: the arrays are as the caller says, and the types those of the dtypes.
    unsafe {
        match to {
            _ if to == from => target.copy_from_nonoverlapping(source, len * from.size()),
            Dtype::F32 => convert_to::<f32>(from, source, target, len),
            Dtype::F64 => convert_to::<f64>(from, source, target, len),
            Dtype::F16 => convert_to::<f16>(from, source, target, len),
            Dtype::Bf16 => convert_to::<bf16>(from, source, target, len),
        }
    }
}

/// # Safety
/// As for [`convert_array`], of a target of To.
#[inline(always)]
unsafe fn convert_to<To: Element>(from: Dtype, source: *const u8, target: *mut u8, len: usize) {
    // SAFETY: as above.
    unsafe {
        match from {
            Dtype::F32 => convert::<f32, To>(source, target, len),
            Dtype::F64 => convert::<f64, To>(source, target, len),
            Dtype::F16 => convert::<f16, To>(source, target, len),
            Dtype::Bf16 => convert::<bf16, To>(source, target, len),
        }
    }
}

/// # Safety
/// As for [`convert_array`], of a source of From and a target of To.
#[inline(always)]
unsafe fn convert<From: Element, To: Element>(source: *const u8, target: *mut u8, len: usize) {
    let (source, target) = (source.cast::<From>(), target.cast::<To>());
    debug_assert!(source.is_aligned() && target.is_aligned());
    // SAFETY: both have `len` elements, and only this function uses the target.
    let (source, target) = unsafe {
        (std::slice::from_raw_parts(source, len), std::slice::from_raw_parts_mut(target, len))
    };
    for (target, source) in target.iter_mut().zip(source) {
        *target = To::store_any(source.load());
    }
}
