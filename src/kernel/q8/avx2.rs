//! Codes in registers of 256 bits.

use super::lanes::{CodeLanes, EncoderLanes, Packing, WEYL, each};
use crate::kernel::avx2::F32x8;
use crate::kernel::lanes::Pair;
use crate::kernel::stochastic::MIX_32;
use crate::math::q8::{BLOCK, Fractions};
use half::bf16;
use std::arch::x86_64::*;

type Lanes = Pair<F32x8<true>>;
type Words = Pair<__m256i>;

#[inline(always)]
fn bits(lanes: Lanes) -> Words {
    // SAFETY: registers exist, so the machine has their instructions. So below.
    each!(lanes in lanes => unsafe { _mm256_castps_si256(lanes.0) })
}

#[inline(always)]
fn max(a: Words, b: Words) -> Words {
    // SAFETY: as above.
    unsafe { Pair(_mm256_max_epu32(a.0, b.0), _mm256_max_epu32(a.1, b.1)) }
}

#[inline(always)]
fn add(a: Words, b: Words) -> Words {
    // SAFETY: as above.
    unsafe { Pair(_mm256_add_epi32(a.0, b.0), _mm256_add_epi32(a.1, b.1)) }
}

impl CodeLanes for Lanes {
    type Words = Words;

    #[inline(always)]
    fn splat(word: u32) -> Words {
        // SAFETY: only loops of the instruction set make lanes.
        let words = unsafe { _mm256_set1_epi32(word as i32) };
        Pair(words, words)
    }

    #[inline(always)]
    fn fractions(number: Words, index: usize) -> Words {
        debug_assert!(index + 16 <= BLOCK);
        let weyl = WEYL.0.as_ptr().wrapping_add(index).cast::<__m256i>();
        // SAFETY: the table has a multiple for each element of the block, and starts at a cache line.
        unsafe {
            let mask = _mm256_set1_epi32(Fractions::MASK as i32);
            let [low, high] = [_mm256_load_si256(weyl), _mm256_load_si256(weyl.add(1))];
            Pair(
                _mm256_and_si256(_mm256_add_epi32(number.0, low), mask),
                _mm256_and_si256(_mm256_add_epi32(number.1, high), mask),
            )
        }
    }

    #[inline(always)]
    unsafe fn directions(codes: *const i8) -> Self {
        // SAFETY: 16 codes are there.
        unsafe {
            each!(codes in Pair(codes, codes.add(8)) => {
                let codes = _mm256_cvtepi8_epi32(_mm_loadl_epi64(codes.cast()));
                F32x8(_mm256_cvtepi32_ps(codes))
            })
        }
    }

    #[inline(always)]
    unsafe fn roots(codes: *const u8, base: Words, shift: Words) -> Self {
        // SAFETY: 16 codes are there.
        unsafe {
            each!(codes in Pair(codes, codes.add(8)) => {
                let codes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(codes.cast()));
                let root = _mm256_add_epi32(base.0, _mm256_sllv_epi32(codes, shift.0));
                let is_none = _mm256_cmpeq_epi32(codes, _mm256_setzero_si256());
                F32x8(_mm256_castsi256_ps(_mm256_andnot_si256(is_none, root)))
            })
        }
    }

    #[inline(always)]
    fn max_bits(self, words: Words) -> Words {
        max(bits(self), words)
    }

    #[inline(always)]
    fn max_bits_of_abs(self, words: Words) -> Words {
        // SAFETY: as above.
        let abs = each!(bits in bits(self) => unsafe {
            _mm256_and_si256(bits, _mm256_set1_epi32(0x7fff_ffff))
        });
        max(abs, words)
    }

    #[inline(always)]
    fn largest(roots: Words, directions: Words) -> [u32; 2] {
        // SAFETY: as above.
        unsafe {
            let Pair(roots, directions) =
                each!(words in Pair(roots, directions) => _mm256_max_epu32(words.0, words.1));
            largest(roots, directions)
        }
    }

    #[inline(always)]
    fn encode(
        scaled: Self,
        root: Self,
        encoder: &EncoderLanes<Self>,
        fractions: Words,
    ) -> [Words; 2] {
        // SAFETY: as above.
        unsafe {
            let scaled = each!(scaled in scaled => _mm256_cvttps_epi32(scaled.0));
            let steps = each!(bits in bits(root) => {
                let above = _mm256_add_epi32(encoder.minus_base.0, bits);
                let above = _mm256_max_epi32(above, _mm256_setzero_si256());
                _mm256_sllv_epi32(above, encoder.shift.0)
            });
            [add(scaled, fractions), add(steps, fractions)]
        }
    }

    #[inline(always)]
    unsafe fn least_code_less_1(codes: *const u8) -> u8 {
        // SAFETY: 128 codes are there.
        unsafe {
            let one = _mm256_set1_epi8(1);
            let codes = codes.cast::<__m256i>();
            let Pair(low, high) = each!(codes in Pair(codes, codes.add(2)) => {
                let codes = Pair(_mm256_loadu_si256(codes), _mm256_loadu_si256(codes.add(1)));
                let less_1 = each!(codes in codes => _mm256_sub_epi8(codes, one));
                _mm256_min_epu8(less_1.0, less_1.1)
            });
            least(_mm256_min_epu8(low, high))
        }
    }

    #[inline(always)]
    unsafe fn join(param: *const bf16, remainder: *const i16) -> Self {
        // SAFETY: 16 elements are there.
        unsafe {
            let Pair(param, remainder) = each!(halves in Pair(param.cast::<__m256i>(), remainder.cast()) => {
                _mm256_permute4x64_epi64::<IN_TURN>(_mm256_loadu_si256(halves))
            });
            // A remainder below 0 borrows.
            let upper = _mm256_add_epi16(param, _mm256_srai_epi16::<15>(remainder));
            let [low, high] =
                [_mm256_unpacklo_epi16(remainder, upper), _mm256_unpackhi_epi16(remainder, upper)];
            each!(master in Pair(low, high) => F32x8(_mm256_castsi256_ps(master)))
        }
    }

    #[inline(always)]
    unsafe fn split(self, param: *mut bf16, remainder: *mut i16) {
        let master = bits(self);
        // SAFETY: there is room for 16 elements.
        unsafe {
            let lower = each!(bits in master => _mm256_and_si256(bits, _mm256_set1_epi32(0xffff)));
            let nearest = each!(bits in master => {
                _mm256_srli_epi32::<16>(_mm256_add_epi32(bits, _mm256_set1_epi32(0x8000)))
            });
            store_halves(lower, remainder.cast());
            store_halves(nearest, param.cast());
        }
    }

    #[inline(always)]
    unsafe fn round_at_random(self, keys: [u32; 2], lower: u32, to: *mut bf16) {
        // SAFETY: there is room for 16 elements.
        unsafe {
            let first = lower.wrapping_add(keys[0]) as i32;
            let places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let random = each!(first in Pair(first, first.wrapping_add(8)) => {
                let place = _mm256_add_epi32(_mm256_set1_epi32(first), places);
                _mm256_srli_epi32::<16>(random(place, keys[1]))
            });
            let sums = add(bits(self), random);
            store_halves(each!(sum in sums => _mm256_srli_epi32::<16>(sum)), to.cast());
        }
    }
}

/// Packing and unpacking work within 128-bit halves, where the quarters have to be in the order 0, 2, 1, 3.
const IN_TURN: i32 = 0b11_01_10_00;

/// Stores the lower halves of words whose upper ones are 0.
///
/// # Safety
/// There is room for 16 halves, which nothing else uses, and the machine has AVX2.
#[inline(always)]
unsafe fn store_halves(words: Words, to: *mut __m256i) {
    // SAFETY: there is room.
    unsafe {
        let packed = _mm256_packus_epi32(words.0, words.1);
        _mm256_storeu_si256(to, _mm256_permute4x64_epi64::<IN_TURN>(packed));
    }
}

/// The random numbers of `stochastic.rs`.
///
/// # Safety
/// The machine has AVX2. So below.
#[inline(always)]
unsafe fn random(place: __m256i, key: u32) -> __m256i {
    // SAFETY: the machine has the instructions.
    unsafe { mix_32(_mm256_xor_si256(mix_32(place), _mm256_set1_epi32(key as i32))) }
}

/// # Safety
/// As above.
#[inline(always)]
unsafe fn mix_32(x: __m256i) -> __m256i {
    // SAFETY: the machine has the instructions.
    unsafe {
        let [first, second] = MIX_32;
        let x = _mm256_xor_si256(x, _mm256_srli_epi32::<16>(x));
        let x = _mm256_mullo_epi32(x, _mm256_set1_epi32(first as i32));
        let x = _mm256_xor_si256(x, _mm256_srli_epi32::<15>(x));
        let x = _mm256_mullo_epi32(x, _mm256_set1_epi32(second as i32));
        _mm256_xor_si256(x, _mm256_srli_epi32::<16>(x))
    }
}

/// The largest word of each.
///
/// # Safety
/// The machine has AVX2.
#[inline(always)]
pub(super) unsafe fn largest(roots: __m256i, directions: __m256i) -> [u32; 2] {
    // SAFETY: the machine has the instructions.
    unsafe {
        let Pair(roots, directions) = each!(words in Pair(roots, directions) => {
            let half = _mm256_extracti128_si256::<1>(words);
            _mm_max_epu32(_mm256_castsi256_si128(words), half)
        });
        // Roots and directions in turn.
        let pairs = _mm_max_epu32(
            _mm_unpacklo_epi32(roots, directions),
            _mm_unpackhi_epi32(roots, directions),
        );
        let pair = _mm_max_epu32(pairs, _mm_unpackhi_epi64(pairs, pairs));
        let pair = _mm_cvtsi128_si64(pair) as u64;
        [pair as u32, (pair >> 32) as u32]
    }
}

/// The least byte.
///
/// # Safety
/// The machine has AVX2.
#[inline(always)]
pub(super) unsafe fn least(bytes: __m256i) -> u8 {
    // SAFETY: the machine has the instructions.
    unsafe {
        let half = _mm256_extracti128_si256::<1>(bytes);
        let bytes = _mm_min_epu8(_mm256_castsi256_si128(bytes), half);
        let bytes = _mm_min_epu8(bytes, _mm_srli_epi16::<8>(bytes));
        let least = _mm_minpos_epu16(_mm_and_si128(bytes, _mm_set1_epi16(0xff)));
        _mm_cvtsi128_si32(least) as u8
    }
}

/// Packing for AVX2.
pub(in crate::kernel) enum ByShifts {}

impl Packing<Lanes> for ByShifts {
    #[inline(always)]
    unsafe fn store(codes: [Words; 2], directions: *mut i8, roots: *mut u8) {
        // SAFETY: only loops of the instruction set make lanes; there is room for the codes.
        unsafe {
            let Pair(direction, root) = each!(codes in Pair(codes[0], codes[1]) => {
                let codes = each!(codes in codes => _mm256_srli_epi32::<24>(codes));
                _mm256_packus_epi32(codes.0, codes.1)
            });
            // In each 128 bits there are four codes of each of the registers.
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            let packed = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(direction, root), order);
            let direction = _mm256_castsi256_si128(packed);
            let root = _mm256_extracti128_si256::<1>(packed);
            let at_least = _mm_min_epu8(direction, _mm_set1_epi8(1));
            _mm_storeu_si128(directions.cast(), direction);
            _mm_storeu_si128(roots.cast(), _mm_max_epu8(root, at_least));
        }
    }
}
