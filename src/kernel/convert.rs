//! Conversion of arrays between dtypes.

use super::detect::compiled_loop;
use super::dtype::{Dtype, with_element};
use super::element::Element;

compiled_loop! {
    /// Converts `len` elements, rounding to nearest even. Between equal dtypes it copies every bit, also of NaN.
    ///
    /// # Safety
    /// The arrays have `len` elements of their dtypes and are aligned for them. Nothing else writes the
    /// source nor reads or writes the target meanwhile, and they do not overlap.
    pub(crate) fn convert_array(from: Dtype, source: *const u8, to: Dtype, target: *mut u8, len: usize) {
        // SAFETY: the arrays hold `len` elements of the types of their dtypes.
        unsafe {
            if to == from {
                target.copy_from_nonoverlapping(source, len * from.size());
            } else {
                with_element!(to, To => with_element!(from, From => {
                    convert::<From, To>(source.cast(), target.cast(), len);
                }));
            }
        }
    }
}

/// # Safety
/// As for [`convert_array`].
#[inline(always)]
unsafe fn convert<From: Element, To: Element>(source: *const From, target: *mut To, len: usize) {
    debug_assert!(source.is_aligned() && target.is_aligned());
    // SAFETY: both have `len` elements, and only this function uses the target.
    let (source, target) = unsafe {
        (std::slice::from_raw_parts(source, len), std::slice::from_raw_parts_mut(target, len))
    };
    for (target, source) in target.iter_mut().zip(source) {
        *target = To::store_any(source.load());
    }
}

/// Turns elements of this size from the byte order of the machine into little-endian, or back.
pub(crate) fn swap_unless_little_endian(bytes: &mut [u8], element_size: usize) {
    debug_assert!(bytes.len().is_multiple_of(element_size));
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(element_size).for_each(<[u8]>::reverse);
    }
}
