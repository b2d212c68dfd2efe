//! The element types of tensors, and their conversion to and from the types that are computed in.
//!
//! The 16-bit types are `half`'s. Their conversions are our own branchless integer arithmetic, which the
//! compiler vectorizes and which gives the same bits on every instruction set; those of `half` branch on every
//! element, and round an f64 by its upper 32 bits alone.

use crate::math::Arithmetic;
use half::{bf16, f16};

/// A type that the update rule computes in: f32 or f64.
pub(crate) trait Real: Arithmetic + Element<Real = Self> {
    /// Exact.
    fn to_f64(self) -> f64;

    /// The number rounded to odd, as an f32: if inexact, to the neighbour whose last bit is 1. That is on no
    /// rounding boundary of a 16-bit type, so it is rounded to 16 bits as the number itself is.
    fn to_odd_f32(self) -> f32;

    /// The number as another type, rounded to nearest even. Between equal types the compiler sees that this is
    /// the identity.
    #[inline(always)]
    fn convert<To: Real>(self) -> To {
        To::from_f64(self.to_f64())
    }
}

/// A type of tensor elements.
pub(crate) trait Element: Copy + Send + Sync + 'static {
    /// What parameters of this type are computed in.
    type Real: Real;
    /// The stored value, exactly.
    fn load(self) -> Self::Real;
    /// `value` rounded to nearest even.
    fn store(value: Self::Real) -> Self;
    /// Any number rounded to nearest even, once.
    fn store_any<R: Real>(value: R) -> Self;
}

macro_rules! real {
    ($real:ty, $value:ident => $to_odd:expr) => {
        impl Arithmetic for $real {
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $real
            }
            #[inline(always)]
            fn limited_to(self, limit: Self) -> Self {
                let below = if self > limit { limit } else { self };
                if below < -limit { -limit } else { below }
            }
        }

        impl Real for $real {
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            fn to_odd_f32(self) -> f32 {
                let $value = self;
                $to_odd
            }
        }

        impl Element for $real {
            type Real = $real;
            #[inline(always)]
            fn load(self) -> $real {
                self
            }
            #[inline(always)]
            fn store(value: $real) -> Self {
                value
            }
            #[inline(always)]
            fn store_any<R: Real>(value: R) -> Self {
                value.convert()
            }
        }
    };
}
real!(f32, value => value);
real!(f64, value => to_odd(value));

#[inline(always)]
fn to_odd(value: f64) -> f32 {
    let nearest = value as f32;
    let bits = nearest.to_bits();
    let other = if (nearest as f64).abs() > value.abs() {
        bits.wrapping_sub(1)
    } else {
        bits.wrapping_add(1)
    };
    let settled = nearest as f64 == value || value.is_nan() || bits & 1 == 1;
    f32::from_bits(if settled { bits } else { other })
}

impl Element for bf16 {
    type Real = f32;

    #[inline(always)]
    fn load(self) -> f32 {
        f32::from_bits((self.to_bits() as u32) << 16)
    }

    #[inline(always)]
    fn store(value: f32) -> Self {
        let bits = value.to_bits();
        let to_nearest_even = 0x7fff + ((bits >> 16) & 1);
        let rounded = bits.wrapping_add(to_nearest_even) >> 16;
        let quiet_nan = (bits >> 16) | 0x0040;
        let is_nan = (bits & 0x7fff_ffff) > 0x7f80_0000;
        bf16::from_bits(if is_nan { quiet_nan } else { rounded } as u16)
    }

    #[inline(always)]
    fn store_any<R: Real>(value: R) -> Self {
        Self::store(value.to_odd_f32())
    }
}

/// The difference of the biases of f32 and f16, at the place of an f32's exponent.
const F16_REBIAS: u32 = (127 - 15) << 23;
/// 2^-14, the smallest normal f16, as f32 bits.
const F16_MIN_NORMAL: u32 = (127 - 14) << 23;

impl Element for f16 {
    type Real = f32;

    #[inline(always)]
    fn load(self) -> f32 {
        let half = self.to_bits() as u32;
        let sign = (half & 0x8000) << 16;
        let magnitude = (half & 0x7fff) << 13;
        let normal = magnitude + F16_REBIAS;
        let quiet = if magnitude > 0x0f80_0000 { 0x0040_0000 } else { 0 };
        let inf_or_nan = (magnitude + 2 * F16_REBIAS) | quiet;
        // A denormal has no implicit leading one: add one, then subtract it, which is exact.
        let denormal = f32::from_bits(magnitude + F16_MIN_NORMAL) - f32::from_bits(F16_MIN_NORMAL);
        let converted = if magnitude >= 0x0f80_0000 {
            inf_or_nan
        } else if magnitude < 0x0080_0000 {
            denormal.to_bits()
        } else {
            normal
        };
        f32::from_bits(sign | converted)
    }

    #[inline(always)]
    fn store(value: f32) -> Self {
        let bits = value.to_bits();
        let sign = (bits >> 16) & 0x8000;
        let magnitude = bits & 0x7fff_ffff;
        let to_nearest_even = 0x0fff + ((magnitude >> 13) & 1);
        // Wraps below the normal range, where it is not used.
        let normal = magnitude.wrapping_sub(F16_REBIAS).wrapping_add(to_nearest_even) >> 13;
        // The last bit of 0.5 + x has the weight of the last bit of an f16 denormal, so the addition itself
        // rounds to nearest even.
        let denormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
        let converted = if magnitude > 0x7f80_0000 {
            0x7e00 | ((magnitude >> 13) & 0x03ff)
        } else if magnitude >= 0x477f_f000 {
            0x7c00 // from 65520 on, the tie beyond the largest f16
        } else if magnitude < F16_MIN_NORMAL {
            denormal
        } else {
            normal
        };
        f16::from_bits((sign | converted) as u16)
    }

    #[inline(always)]
    fn store_any<R: Real>(value: R) -> Self {
        Self::store(value.to_odd_f32())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Floats around every rounding boundary of a 16-bit type, and a walk over all exponents.
    fn f32_samples() -> impl Iterator<Item = f32> {
        let walk = (0..u32::MAX).step_by(4099);
        let near_ties = (0..=0xffff_u32).flat_map(|high| {
            let tie_f16 = (high << 16) | 0x1000;
            let tie_bf16 = (high << 16) | 0x8000;
            [tie_f16, tie_bf16, tie_f16 | 0x2000, high << 16]
                .into_iter()
                .flat_map(|tie| [tie.wrapping_sub(1), tie, tie + 1])
        });
        walk.chain(near_ties).map(f32::from_bits)
    }

    /// Equal bits, or both NaN.
    fn same<E: Element>(ours: E, theirs: E) -> bool {
        let [ours, theirs] = [ours, theirs].map(|element| element.load().to_f64());
        ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan()
    }

    #[test]
    fn every_16_bit_value_loads_as_in_an_independent_implementation() {
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (f16::from_bits(bits).load(), f16::from_bits(bits).to_f32());
            assert!(ours.to_bits() == theirs.to_bits() || theirs.is_nan() && ours.is_nan());
            let (ours, theirs) = (bf16::from_bits(bits).load(), bf16::from_bits(bits).to_f32());
            assert!(ours.to_bits() == theirs.to_bits() || theirs.is_nan() && ours.is_nan());
        }
    }

    #[test]
    fn every_16_bit_value_comes_back_from_f32() {
        for bits in 0..=u16::MAX {
            let value = f16::from_bits(bits).load();
            assert!(same(f16::store(value), f16::from_bits(bits)), "f16 {bits:#x}");
            let value = bf16::from_bits(bits).load();
            assert!(same(bf16::store(value), bf16::from_bits(bits)), "bf16 {bits:#x}");
        }
    }

    #[test]
    fn f32_rounds_to_nearest_even_as_in_an_independent_implementation() {
        for value in f32_samples() {
            assert!(same(f16::store(value), f16::from_f32(value)), "f16 of {value:e}");
            assert!(same(bf16::store(value), bf16::from_f32(value)), "bf16 of {value:e}");
        }
    }

    /// Whether no neighbour of `stored` is nearer. Bit patterns of one sign are in the order of their values.
    fn is_nearest<E: Element>(stored: u16, value: f64, element: fn(u16) -> E) -> bool {
        let distance = |bits: u16| (element(bits).load().to_f64() - value).abs();
        let found = element(stored).load().to_f64();
        [stored.wrapping_sub(1), stored + 1].into_iter().all(|other| {
            let magnitude = element(other).load().to_f64();
            let beside =
                magnitude.is_finite() && magnitude.is_sign_positive() == found.is_sign_positive();
            let (ours, theirs) = (distance(stored), distance(other));
            !beside || ours < theirs || ours == theirs && stored.is_multiple_of(2)
        })
    }

    /// Beside a tie by less than the precision of f32: rounding to f32 first would lose it, as `half` does.
    #[test]
    fn f64_rounds_to_16_bits_once() {
        for value in f32_samples().filter(|value| value.is_finite()) {
            for beside in [-1e-12, 0.0, 1e-12] {
                let value = value as f64 * (1.0 + beside);
                if value.abs() < 65504.0 {
                    assert!(
                        is_nearest(f16::store_any(value).to_bits(), value, f16::from_bits),
                        "f16 of {value:e}"
                    );
                }
                if value.abs() < 3.38e38 {
                    assert!(
                        is_nearest(bf16::store_any(value).to_bits(), value, bf16::from_bits),
                        "bf16 of {value:e}"
                    );
                }
            }
        }
        assert_eq!(f16::store_any(65520.0f64).load(), f32::INFINITY);
        assert_eq!(f16::store_any(65520.0f64 * (1.0 - 1e-12)).load(), 65504.0);
        assert_eq!(bf16::store_any(1e300f64).load(), f32::INFINITY);
        assert_eq!(bf16::store_any(-1e-300f64).to_bits(), 0x8000);
        assert!(
            f16::store_any(f64::NAN).load().is_nan() && bf16::store_any(f64::NAN).load().is_nan()
        );
    }
}
