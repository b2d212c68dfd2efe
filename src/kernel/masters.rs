//! f32 masters in two halves: the nearest bf16, which is the parameter, and a 16-bit remainder.

use super::detect::compiled_loop;
use half::bf16;

compiled_loop! {
    /// Puts masters together from bf16 and remainders.
    ///
    /// # Safety
    /// The arrays have `len` elements, are aligned and do not overlap; nothing else uses them meanwhile.
    pub(super) fn join(param: *const bf16, remainder: *const i16, master: *mut f32, len: usize) {
        for i in 0..len {
            // SAFETY: every array has an element `i`.
            unsafe { *master.add(i) = joined(*param.add(i), *remainder.add(i)) };
        }
    }
}

compiled_loop! {
    /// Splits masters into the nearest bf16, ties away from zero, and remainders.
    ///
    /// # Safety
    /// As for [`join`].
    pub(super) fn split(master: *const f32, param: *mut bf16, remainder: *mut i16, len: usize) {
        for i in 0..len {
            // SAFETY: every array has an element `i`.
            unsafe { (*param.add(i), *remainder.add(i)) = halves(*master.add(i)) };
        }
    }
}

/// The f32 whose bits are those of the bf16 plus the remainder.
#[inline(always)]
pub(super) fn joined(param: bf16, remainder: i16) -> f32 {
    f32::from_bits((u32::from(param.to_bits()) << 16).wrapping_add_signed(i32::from(remainder)))
}

/// The inverse of `joined`.
#[inline(always)]
pub(super) fn halves(master: f32) -> (bf16, i16) {
    let bits = master.to_bits();
    let nearest = bits.wrapping_add(0x8000) >> 16;
    // Rounding could carry a NaN's payload through to a number.
    let upper = if master.is_nan() { (bits >> 16) | 0x0040 } else { nearest };
    let lower = if master.is_nan() { 0 } else { bits.wrapping_sub(nearest << 16) };
    (bf16::from_bits(upper as u16), lower as u16 as i16)
}

#[cfg(test)]
mod tests {
    use super::super::element::Element;
    use super::*;

    fn f32_samples() -> impl Iterator<Item = f32> {
        let near_ties = (0..=0xffff_u32).flat_map(|upper| {
            [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff].map(|lower| upper << 16 | lower)
        });
        near_ties.chain((0..u32::MAX).step_by(65_521)).map(f32::from_bits)
    }

    #[test]
    fn masters_come_back_from_their_halves() {
        for master in f32_samples() {
            let (param, remainder) = halves(master);
            let back = joined(param, remainder);
            assert!(back.to_bits() == master.to_bits() || back.is_nan() && master.is_nan());
            assert_eq!(param.load().is_nan(), master.is_nan());
        }
    }

    #[test]
    fn parameters_are_nearest_to_their_masters() {
        for master in f32_samples().filter(|master| master.abs() < 3.3e38) {
            let (param, _) = halves(master);
            let (toward_zero, away) = (master.to_bits() >> 16, (master.to_bits() >> 16) + 1);
            let value = |bits: u32| f32::from_bits(bits << 16) as f64;
            let error = |bits| (value(bits) - master as f64).abs();
            let nearest = if error(toward_zero) < error(away) { toward_zero } else { away };
            assert_eq!(u32::from(param.to_bits()), nearest, "{master:e}");
        }
    }
}
