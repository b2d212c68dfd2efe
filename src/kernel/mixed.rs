//! bf16 parameters that are computed with as if they were f32.
//!
//! It goes block by block, so that what one loop writes the next one finds in the first-level cache. The
//! steps themselves are those of f32 parameters.

use super::arrays::{Arrays, Dtypes};
use super::dtype::Dtype;
use super::element::Element;
use super::instruction_set::{InstructionSet, compiled_loop};
use super::{Kernel, convert_array};
use crate::math::{Rule, Step};
use half::bf16;

/// Elements at a time. A multiple of it divides every piece that a parameter is cut into.
const BLOCK: usize = 1024;

/// What makes f32 of bf16 and the other way round. Pointers and numbers are those of the elements that
/// are stepped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mixed {
    /// bf16, and for each the 16 bits that make an f32 of it.
    WithRemainder { remainder: *mut i16 },
    /// bf16, rounded up or down at random. `first` is the number of the first element.
    Stochastic { noise: Noise, first: usize },
}

/// What the random numbers of one step of one parameter begin with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise(u64);

impl Noise {
    pub fn new(seed: u64, param: u32, step: u64) -> Self {
        Self(mix_64(mix_64(mix_64(seed) ^ param as u64) ^ step))
    }

    /// The keys of the elements whose number has these upper 32 bits.
    fn keys(self, upper: u32) -> [u32; 2] {
        let key = mix_64(self.0 ^ upper as u64);
        [key as u32, (key >> 32) as u32]
    }
}

/// The last steps of SplitMix64 (Steele, Lea and Flood 2014).
fn mix_64(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Every bit of the result depends on every bit of `x`, and no two `x` give the same.
#[inline(always)]
fn mix_32(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    let x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

impl Mixed {
    /// Steps all elements.
    ///
    /// # Safety
    /// As for [`Kernel::run`], where the parameter is of bf16; and the arrays here are like the others.
    pub unsafe fn run(
        &self,
        instruction_set: InstructionSet,
        step: &Step,
        arrays: &Arrays,
        dtypes: Dtypes,
    ) {
        let of_step = Dtypes { param: Dtype::F32, ..dtypes };
        let kernel = Kernel::new(instruction_set, of_step, step.clips);
        for start in (0..arrays.len).step_by(BLOCK) {
            let len = BLOCK.min(arrays.len - start);
            // SAFETY: the caller's promise; the part lies within the arrays.
            unsafe {
                let part = arrays.part(start, len, dtypes);
                self.run_block(instruction_set, &kernel, step, &part, start);
            }
        }
    }

    /// # Safety
    /// As for [`Mixed::run`], of up to a block of elements, which are those from `start` on.
    #[inline(never)] // or its copies would be on the stack of every step
    unsafe fn run_block(
        &self,
        set: InstructionSet,
        kernel: &Kernel,
        step: &Step,
        arrays: &Arrays,
        start: usize,
    ) {
        let moves = step.rule != Rule::Accumulate;
        let (len, param) = (arrays.len, arrays.param.cast::<bf16>());
        debug_assert!(len <= BLOCK);
        let mut masters = [0f32; BLOCK];
        let master = masters.as_mut_ptr();
        // SAFETY: the caller's promise; the masters have room for a block.
        unsafe {
            match *self {
                Self::WithRemainder { remainder } => {
                    let remainder = remainder.add(start);
                    join(set, param, remainder, master, len);
                    kernel.run(step, &Arrays { param: master.cast(), ..*arrays });
                    if moves {
                        split(set, master, param, remainder, len);
                    }
                }
                Self::Stochastic { noise, first } => {
                    let first = (first + start) as u64;
                    let keys = noise.keys((first >> 32) as u32);
                    convert_array(set, Dtype::Bf16, arrays.param, Dtype::F32, master.cast(), len);
                    kernel.run(step, &Arrays { param: master.cast(), ..*arrays });
                    if moves {
                        round_at_random(set, master, param, keys, first as u32, len);
                    }
                }
            }
        }
    }
}

compiled_loop! {
    /// The f32 that bf16 and their remainders make up.
    ///
    /// # Safety
    /// The machine has the instruction set, and the arrays have `len` elements, aligned, and do not
    /// overlap.
    join(param: *const bf16, remainder: *const i16, master: *mut f32, len: usize) -> () = plain_join
}

compiled_loop! {
    /// The bf16 nearest to each f32, ties going away from zero, and what is left.
    ///
    /// # Safety
    /// As for [`join`].
    split(master: *const f32, param: *mut bf16, remainder: *mut i16, len: usize) -> () = plain_split
}

compiled_loop! {
    /// One of the two bf16 around each f32, the nearer the more probable, so that the mean is the
    /// f32. `keys` and `first` say which random numbers.
    ///
    /// # Safety
    /// As for [`join`].
    round_at_random(master: *const f32, param: *mut bf16, keys: [u32; 2], first: u32, len: usize) -> ()
        = plain_round_at_random
}

/// # Safety
/// As for [`join`].
#[inline(always)]
unsafe fn plain_join(param: *const bf16, remainder: *const i16, master: *mut f32, len: usize) {
    for i in 0..len {
        // SAFETY: the caller's promise.
        unsafe { *master.add(i) = joined(*param.add(i), *remainder.add(i)) };
    }
}

/// # Safety
/// As for [`split`].
#[inline(always)]
unsafe fn plain_split(master: *const f32, param: *mut bf16, remainder: *mut i16, len: usize) {
    for i in 0..len {
        // SAFETY: the caller's promise.
        unsafe { (*param.add(i), *remainder.add(i)) = halves(*master.add(i)) };
    }
}

/// # Safety
/// As for [`round_at_random`].
#[inline(always)]
unsafe fn plain_round_at_random(
    master: *const f32,
    param: *mut bf16,
    keys: [u32; 2],
    first: u32,
    len: usize,
) {
    for i in 0..len {
        let number = first.wrapping_add(i as u32);
        let random = mix_32(mix_32(number.wrapping_add(keys[0])) ^ keys[1]);
        // SAFETY: the caller's promise.
        unsafe { *param.add(i) = rounded_at_random(*master.add(i), random >> 16) };
    }
}

/// The f32 whose bits are those of the bf16 plus the remainder.
#[inline(always)]
fn joined(param: bf16, remainder: i16) -> f32 {
    f32::from_bits(((param.to_bits() as u32) << 16).wrapping_add_signed(remainder as i32))
}

/// What `joined` makes the f32 of again.
#[inline(always)]
fn halves(master: f32) -> (bf16, i16) {
    let bits = master.to_bits();
    let nearest = bits.wrapping_add(0x8000) >> 16;
    // A NaN could be rounded to something else.
    let upper = if master.is_nan() { (bits >> 16) | 0x0040 } else { nearest };
    let lower = if master.is_nan() { 0 } else { bits.wrapping_sub(nearest << 16) };
    (bf16::from_bits(upper as u16), lower as u16 as i16)
}

/// The bf16 above (in size) where the 16 bits that are cut off are more than 0xffff - `random`, else
/// the one below.
#[inline(always)]
fn rounded_at_random(master: f32, random: u32) -> bf16 {
    if master.is_nan() {
        bf16::store(master)
    } else {
        bf16::from_bits(((master.to_bits() + random) >> 16) as u16)
    }
}

#[cfg(test)]
mod tests {
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
            assert_eq!(param.to_bits() as u32, nearest, "{master:e}");
        }
    }

    /// What half the random numbers round up lies halfway.
    #[test]
    fn rounding_at_random_is_right_on_average() {
        const LEN: usize = 1 << 16;
        for (part, share) in [(0, 0.0), (0x4000, 0.25), (0x8000, 0.5), (0xc000, 0.75)] {
            let masters = vec![f32::from_bits(1.0f32.to_bits() | part); LEN];
            let mut params = vec![bf16::ZERO; LEN];
            let keys = Noise::new(1, 2, 3).keys(0);
            // SAFETY: both have `LEN` elements, and every machine can do this.
            unsafe {
                let (set, to) = (InstructionSet::Portable, params.as_mut_ptr());
                round_at_random(set, masters.as_ptr(), to, keys, 0, LEN);
            }
            let up = params.iter().filter(|param| param.load() > 1.0).count() as f64 / LEN as f64;
            assert!((up - share).abs() < 0.01, "{up} of those at {share} are rounded up");
        }
    }

    #[test]
    fn random_numbers_differ_by_seed_parameter_step_and_element() {
        let random = |seed, param, step, upper, lower: u32| {
            let keys = Noise::new(seed, param, step).keys(upper);
            mix_32(mix_32(lower.wrapping_add(keys[0])) ^ keys[1])
        };
        let one = random(0, 0, 1, 0, 0);
        let others = [
            random(1, 0, 1, 0, 0),
            random(0, 1, 1, 0, 0),
            random(0, 0, 2, 0, 0),
            random(0, 0, 1, 1, 0),
            random(0, 0, 1, 0, 1),
        ];
        assert!(others.iter().all(|other| *other != one));
    }

    #[test]
    fn infinite_masters_stay_infinite_and_nan_stays_nan() {
        for random in [0, 1, 0x7fff, 0xffff] {
            assert_eq!(rounded_at_random(f32::INFINITY, random).load(), f32::INFINITY);
            assert_eq!(rounded_at_random(f32::NEG_INFINITY, random).load(), f32::NEG_INFINITY);
            assert_eq!(rounded_at_random(-0.0, random).to_bits(), 0x8000);
            assert!(rounded_at_random(f32::from_bits(0x7fff_ffff), random).load().is_nan());
        }
    }
}
