//! Stochastic rounding of f32 to bf16, whose expected value is the f32.
//!
//! The random numbers depend on the seed, the parameter's name, the step, and the element's place in the whole
//! tensor; not on threads, chunks, shards, or the order in which parameters were added.

use super::detect::compiled_loop;
use super::element::Element;
use crate::math::q8::Fractions;
use half::bf16;
use std::fmt::{self, Write};

/// The 64-bit FNV-1a hash of a name's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameHash(pub u64);

impl NameHash {
    pub fn of(name: impl fmt::Display) -> Self {
        let mut hash = Self(0xcbf2_9ce4_8422_2325);
        let _ = write!(hash, "{name}"); // hashing never fails
        hash
    }
}

impl Write for NameHash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}

/// The key to the random numbers of one step of one parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise(u64);

impl Noise {
    /// For layouts without random numbers.
    pub const NONE: Self = Self(0);

    pub fn new(seed: u64, name: NameHash, step: u64) -> Self {
        Self(mix_64(mix_64(mix_64(seed) ^ name.0) ^ step))
    }

    /// Of a block of 8-bit state, by its number in the whole tensor. They are others than those that round parameters.
    pub(super) fn fractions(self, block: u64) -> Fractions {
        const OF_STATE: u64 = 0x7138_5f73_7461_7465;
        Fractions((mix_64(self.0 ^ OF_STATE ^ block) >> 32) as u32)
    }

    /// The keys of the elements whose places in the tensor have these upper 32 bits.
    pub(super) fn keys(self, upper: u32) -> [u32; 2] {
        let key = mix_64(self.0 ^ u64::from(upper));
        [key as u32, (key >> 32) as u32]
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
fn mix_64(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A bijection in which every bit of the result depends on every bit of `x`.
#[inline(always)]
fn mix_32(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(MIX_32[0]);
    let x = (x ^ (x >> 15)).wrapping_mul(MIX_32[1]);
    x ^ (x >> 16)
}

/// The factors of `mix_32`.
pub(super) const MIX_32: [u32; 2] = [0x7feb_352d, 0x846c_a68b];

/// The random number of the element whose place in the tensor has these lower 32 bits.
#[inline(always)]
pub(super) fn random(keys: [u32; 2], lower: u32) -> u32 {
    mix_32(mix_32(lower.wrapping_add(keys[0])) ^ keys[1])
}

compiled_loop! {
    /// Rounds each f32 to one of the two bf16 around it, with the probabilities that make the expected value
    /// exact. `lower` is the lower half of the first element's place, and `keys` belong to its upper half.
    ///
    /// # Safety
    /// Both arrays have `len` elements, are aligned and do not overlap; nothing else uses them meanwhile.
    pub(super) fn round_at_random(
        values: *const f32,
        to: *mut bf16,
        keys: [u32; 2],
        lower: u32,
        len: usize,
    ) {
        for i in 0..len {
            let random = random(keys, lower.wrapping_add(i as u32));
            // SAFETY: both arrays have an element `i`.
            unsafe { *to.add(i) = rounded_at_random(*values.add(i), random >> 16) };
        }
    }
}

/// Rounded away from zero if the lower 16 bits plus `random`, of 16 bits too, carry; else towards zero.
#[inline(always)]
pub(super) fn rounded_at_random(value: f32, random: u32) -> bf16 {
    if value.is_nan() {
        bf16::store(value)
    } else {
        bf16::from_bits(((value.to_bits() + random) >> 16) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::super::InstructionSet;
    use super::*;

    /// A quarter of the way from one bf16 to the next, a quarter is rounded up, and so on.
    #[test]
    fn rounding_at_random_is_right_on_average() {
        const LEN: usize = 1 << 16;
        for (part, share) in [(0, 0.0), (0x4000, 0.25), (0x8000, 0.5), (0xc000, 0.75)] {
            let values = vec![f32::from_bits(1.0f32.to_bits() | part); LEN];
            let mut rounded = vec![bf16::ZERO; LEN];
            let keys = Noise::new(1, NameHash::of("weight"), 3).keys(0);
            // SAFETY: both have `LEN` elements.
            unsafe {
                let (set, to) = (InstructionSet::PORTABLE, rounded.as_mut_ptr());
                round_at_random(set, values.as_ptr(), to, keys, 0, LEN);
            }
            let up = rounded.iter().filter(|x| x.load() > 1.0).count() as f64 / LEN as f64;
            assert!((up - share).abs() < 0.01, "{up} of those at {share} are rounded up");
        }
    }

    #[test]
    fn random_numbers_differ_by_seed_name_step_and_place() {
        let random = |seed, name, step, upper, lower| {
            random(Noise::new(seed, NameHash::of(name), step).keys(upper), lower)
        };
        let all = [
            random(0, "a", 1, 0, 0),
            random(1, "a", 1, 0, 0),
            random(0, "b", 1, 0, 0),
            random(0, "a", 2, 0, 0),
            random(0, "a", 1, 1, 0),
            random(0, "a", 1, 0, 1),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(!all[..i].contains(one), "{all:x?}");
        }
    }

    /// The expected values are those of the reference implementation.
    #[test]
    fn names_are_hashed_as_fnv_1a_has_it() {
        assert_eq!(NameHash::of(""), NameHash(0xcbf2_9ce4_8422_2325));
        assert_eq!(NameHash::of("a"), NameHash(0xaf63_dc4c_8601_ec8c));
        assert_eq!(NameHash::of("foobar"), NameHash(0x8594_4171_f739_67e8));
        assert_eq!(NameHash::of(format_args!("foo{}", "bar")), NameHash::of("foobar"));
    }

    #[test]
    fn infinity_stays_infinite_and_nan_stays_nan() {
        for random in [0, 1, 0x7fff, 0xffff] {
            assert_eq!(rounded_at_random(f32::INFINITY, random).load(), f32::INFINITY);
            assert_eq!(rounded_at_random(f32::NEG_INFINITY, random).load(), f32::NEG_INFINITY);
            assert_eq!(rounded_at_random(-0.0, random).to_bits(), 0x8000);
            assert!(rounded_at_random(f32::from_bits(0x7fff_ffff), random).load().is_nan());
        }
    }
}
