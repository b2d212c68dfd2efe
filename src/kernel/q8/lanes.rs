//! What the pipelined loop needs of registers, besides arithmetic: codes of several elements at a time.

use crate::kernel::lanes::{Lanes, Stored};
use crate::kernel::tensor_view::prefetch_line;
use crate::math::q8::{BLOCK, Encoder, Fractions};
use half::{bf16, f16};

/// `each!(x in pair => expression)`: the expression for both of a pair. Closures, and so `map` of an array, may be compiled
/// as functions of their own, without the instructions of the loop, and called with registers in memory.
macro_rules! each {
    ($one:ident in $pair:expr => $value:expr) => {{
        let Pair(low, high) = $pair;
        let low = {
            let $one = low;
            $value
        };
        let high = {
            let $one = high;
            $value
        };
        Pair(low, high)
    }};
}
pub(super) use each;

/// Lanes of f32 that are read from codes and become codes.
pub(in crate::kernel) trait CodeLanes:
    Stored<f32> + Stored<f16> + Stored<bf16>
{
    /// As many u32 as there are lanes.
    type Words: Copy;

    fn splat(word: u32) -> Self::Words;

    /// What a block adds to its random number for each of these elements of it.
    fn fractions(number: Self::Words, index: usize) -> Self::Words;

    /// Old directions, as numbers of their unit.
    ///
    /// # Safety
    /// `COUNT` codes are there.
    unsafe fn directions(codes: *const i8) -> Self;

    /// Old roots.
    ///
    /// # Safety
    /// `COUNT` codes are there.
    unsafe fn roots(codes: *const u8, base: Self::Words, shift: Self::Words) -> Self;

    /// The larger of the bits of each lane and the word, as unsigned numbers.
    fn max_bits(self, words: Self::Words) -> Self::Words;

    /// As `max_bits`, without the signs of the lanes.
    fn max_bits_of_abs(self, words: Self::Words) -> Self::Words;

    /// The largest word of each.
    fn largest(roots: Self::Words, directions: Self::Words) -> [u32; 2];

    /// New codes in the upper bytes of words: of `scaled` directions, and of roots.
    fn encode(
        scaled: Self,
        root: Self,
        encoder: &EncoderLanes<Self>,
        fractions: Self::Words,
    ) -> [Self::Words; 2];

    /// The least of the codes of a block, less 1 and wrapping around.
    ///
    /// # Safety
    /// `BLOCK` codes are there.
    unsafe fn least_code_less_1(codes: *const u8) -> u8;

    /// Masters, put together from bf16 and remainders.
    ///
    /// # Safety
    /// `COUNT` elements are there.
    unsafe fn join(param: *const bf16, remainder: *const i16) -> Self;

    /// Splits masters, of which none is NaN, into the nearest bf16, ties away from zero, and remainders.
    ///
    /// # Safety
    /// There is room for `COUNT` elements, which nothing else uses.
    unsafe fn split(self, param: *mut bf16, remainder: *mut i16);

    /// Rounds numbers, of which none is NaN, to one of the two bf16 around them, as `stochastic.rs` does.
    ///
    /// # Safety
    /// As for `split`.
    unsafe fn round_at_random(self, keys: [u32; 2], lower: u32, to: *mut bf16);
}

/// How a block is encoded, in all lanes.
#[derive(Clone, Copy)]
pub(in crate::kernel) struct EncoderLanes<V: CodeLanes> {
    pub inverse: V,
    /// The base, negated.
    pub minus_base: V::Words,
    /// By how much roots are shifted to the left, so that their codes are in the upper bytes.
    pub shift: V::Words,
    /// The random number of the block.
    pub number: V::Words,
}

impl<V: CodeLanes> EncoderLanes<V> {
    #[inline(always)]
    pub fn of((encoder, fractions): &(Encoder, Fractions)) -> Self {
        Self {
            inverse: V::from_f64(encoder.inverse.into()),
            minus_base: V::splat(encoder.base.wrapping_neg()),
            shift: V::splat(encoder.left_shift() % 32), // which the compiler has to know
            number: V::splat(fractions.0),
        }
    }
}

/// How codes are brought together from the upper bytes of words.
pub(in crate::kernel) trait Packing<V: CodeLanes> {
    /// Stores codes; the root of an element whose direction is not 0 gets code 1 at least.
    ///
    /// # Safety
    /// There is room for `COUNT` codes of each, which nothing else uses.
    unsafe fn store(codes: [V::Words; 2], directions: *mut i8, roots: *mut u8);
}

/// The multiples of `WEYL` that elements of a block add to its random number.
pub(super) static WEYL: Aligned<u32> = Aligned({
    let mut multiples = [0; BLOCK];
    let mut i = 0;
    while i < BLOCK {
        multiples[i] = (i as u32).wrapping_mul(Fractions::WEYL);
        i += 1;
    }
    multiples
});

/// An array of the elements of a block that starts at a cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Aligned<T>(pub [T; BLOCK]);

/// Prefetches elements of `size` bytes, as many as there are lanes and this many ahead: these take so many instructions that
/// out-of-order execution alone does not reach far enough.
#[inline(always)]
pub(super) fn prefetch<V: Lanes>(elements: *const i8, size: usize) {
    const AHEAD: usize = 1024;
    const LINE: usize = 64;
    for line in (0..V::COUNT * size).step_by(LINE) {
        prefetch_line(elements.wrapping_add(AHEAD * size + line));
    }
}
