//! Codes in registers of 512 bits.

use super::lanes::{CodeLanes, EncoderLanes, Packing, WEYL, each};
use crate::kernel::avx512::{F32x16, LOWER_HALVES, UPPER_HALVES};
use crate::kernel::lanes::Pair;
use crate::kernel::stochastic::MIX_32;
use crate::math::q8::{BLOCK, Fractions};
use half::bf16;
use std::arch::x86_64::*;

type Lanes = Pair<F32x16<true>>;
type Words = Pair<__m512i>;

#[inline(always)]
fn bits(lanes: Lanes) -> Words {
    // SAFETY: registers exist, so the machine has their instructions. So below.
    each!(lanes in lanes => unsafe { _mm512_castps_si512(lanes.0) })
}

#[inline(always)]
fn max(a: Words, b: Words) -> Words {
    // SAFETY: as above.
    unsafe { Pair(_mm512_max_epu32(a.0, b.0), _mm512_max_epu32(a.1, b.1)) }
}

#[inline(always)]
fn add(a: Words, b: Words) -> Words {
    // SAFETY: as above.
    unsafe { Pair(_mm512_add_epi32(a.0, b.0), _mm512_add_epi32(a.1, b.1)) }
}

impl CodeLanes for Lanes {
    type Words = Words;

    #[inline(always)]
    fn splat(word: u32) -> Words {
        // SAFETY: only loops of the instruction set make lanes.
        let words = unsafe { _mm512_set1_epi32(word as i32) };
        Pair(words, words)
    }

    #[inline(always)]
    fn fractions(number: Words, index: usize) -> Words {
        debug_assert!(index + 32 <= BLOCK);
        let weyl = WEYL.0.as_ptr().wrapping_add(index).cast::<__m512i>();
        // SAFETY: the table has a multiple for each element of the block, and starts at a cache line.
        unsafe {
            let mask = _mm512_set1_epi32(Fractions::MASK as i32);
            let [low, high] = [_mm512_load_si512(weyl), _mm512_load_si512(weyl.add(1))];
            Pair(
                _mm512_and_si512(_mm512_add_epi32(number.0, low), mask),
                _mm512_and_si512(_mm512_add_epi32(number.1, high), mask),
            )
        }
    }

    #[inline(always)]
    unsafe fn directions(codes: *const i8) -> Self {
        // SAFETY: 32 codes are there.
        unsafe {
            let [low, high] = [codes.cast::<__m128i>(), codes.cast::<__m128i>().add(1)];
            each!(codes in Pair(low, high) => {
                F32x16(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(codes))))
            })
        }
    }

    #[inline(always)]
    unsafe fn roots(codes: *const u8, base: Words, shift: Words) -> Self {
        // SAFETY: 32 codes are there.
        unsafe {
            let [low, high] = [codes.cast::<__m128i>(), codes.cast::<__m128i>().add(1)];
            each!(codes in Pair(low, high) => {
                let codes = _mm512_cvtepu8_epi32(_mm_loadu_si128(codes));
                let steps = _mm512_sllv_epi32(codes, shift.0);
                let is_there = _mm512_test_epi32_mask(codes, codes);
                F32x16(_mm512_castsi512_ps(_mm512_maskz_add_epi32(is_there, base.0, steps)))
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
            _mm512_and_si512(bits, _mm512_set1_epi32(0x7fff_ffff))
        });
        max(abs, words)
    }

    #[inline(always)]
    fn largest(roots: Words, directions: Words) -> [u32; 2] {
        // SAFETY: as above.
        unsafe {
            let Pair(roots, directions) = each!(words in Pair(roots, directions) => {
                let words = _mm512_max_epu32(words.0, words.1);
                let half = _mm512_extracti64x4_epi64::<1>(words);
                _mm256_max_epu32(_mm512_castsi512_si256(words), half)
            });
            super::avx2::largest(roots, directions)
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
            let scaled = each!(scaled in scaled => _mm512_cvttps_epi32(scaled.0));
            let steps = each!(bits in bits(root) => {
                let above = _mm512_add_epi32(encoder.minus_base.0, bits);
                let above = _mm512_max_epi32(above, _mm512_setzero_si512());
                _mm512_sllv_epi32(above, encoder.shift.0)
            });
            [add(scaled, fractions), add(steps, fractions)]
        }
    }

    #[inline(always)]
    unsafe fn least_code_less_1(codes: *const u8) -> u8 {
        // SAFETY: 128 codes are there.
        unsafe {
            let one = _mm512_set1_epi8(1);
            let codes = codes.cast::<__m512i>();
            let Pair(low, high) = each!(codes in Pair(codes, codes.add(1)) => {
                _mm512_sub_epi8(_mm512_loadu_si512(codes), one)
            });
            let least = _mm512_min_epu8(low, high);
            let half = _mm512_extracti64x4_epi64::<1>(least);
            super::avx2::least(_mm256_min_epu8(_mm512_castsi512_si256(least), half))
        }
    }

    #[inline(always)]
    unsafe fn join(param: *const bf16, remainder: *const i16) -> Self {
        // SAFETY: 32 elements are there.
        unsafe {
            let param = _mm512_loadu_si512(param.cast());
            let remainder = _mm512_loadu_si512(remainder.cast());
            // A remainder below 0 borrows.
            let upper = _mm512_add_epi16(param, _mm512_srai_epi16::<15>(remainder));
            each!(places in Pair(&INTERLEAVED[0], &INTERLEAVED[1]) => {
                let places = _mm512_loadu_si512(places.as_ptr().cast());
                let master = _mm512_permutex2var_epi16(remainder, places, upper);
                F32x16(_mm512_castsi512_ps(master))
            })
        }
    }

    #[inline(always)]
    unsafe fn split(self, param: *mut bf16, remainder: *mut i16) {
        let master = bits(self);
        // SAFETY: there is room for 32 elements.
        unsafe {
            let (lower, upper) = (halves(master, &LOWER_HALVES), halves(master, &UPPER_HALVES));
            // Half and more rounds away from zero.
            let nearest = _mm512_sub_epi16(upper, _mm512_srai_epi16::<15>(lower));
            _mm512_storeu_si512(remainder.cast(), lower);
            _mm512_storeu_si512(param.cast(), nearest);
        }
    }

    #[inline(always)]
    unsafe fn round_at_random(self, keys: [u32; 2], lower: u32, to: *mut bf16) {
        // SAFETY: there is room for 32 elements.
        unsafe {
            let first = _mm512_set1_epi32(lower.wrapping_add(keys[0]) as i32);
            let random = each!(places in Pair(&PLACES[0], &PLACES[1]) => {
                let place = _mm512_add_epi32(first, _mm512_loadu_si512(places.as_ptr().cast()));
                _mm512_srli_epi32::<16>(random(place, keys[1]))
            });
            let sums = add(bits(self), random);
            _mm512_storeu_si512(to.cast(), halves(sums, &UPPER_HALVES));
        }
    }
}

/// The halves of words at these places.
///
/// # Safety
/// The machine has AVX-512.
#[inline(always)]
unsafe fn halves(words: Words, places: &[u16; 32]) -> __m512i {
    // SAFETY: the machine has the instructions.
    unsafe {
        let places = _mm512_loadu_si512(places.as_ptr().cast());
        _mm512_permutex2var_epi16(words.0, places, words.1)
    }
}

/// The random numbers of `stochastic.rs`.
///
/// # Safety
/// The machine has AVX-512. So below.
#[inline(always)]
unsafe fn random(place: __m512i, key: u32) -> __m512i {
    // SAFETY: the machine has the instructions.
    unsafe { mix_32(_mm512_xor_si512(mix_32(place), _mm512_set1_epi32(key as i32))) }
}

/// # Safety
/// As above.
#[inline(always)]
unsafe fn mix_32(x: __m512i) -> __m512i {
    // SAFETY: the machine has the instructions.
    unsafe {
        let [first, second] = MIX_32;
        let x = _mm512_xor_si512(x, _mm512_srli_epi32::<16>(x));
        let x = _mm512_mullo_epi32(x, _mm512_set1_epi32(first as i32));
        let x = _mm512_xor_si512(x, _mm512_srli_epi32::<15>(x));
        let x = _mm512_mullo_epi32(x, _mm512_set1_epi32(second as i32));
        _mm512_xor_si512(x, _mm512_srli_epi32::<16>(x))
    }
}

/// Packing for AVX-512 with VBMI: a permutation of bytes.
pub(in crate::kernel) enum ByBytes {}

impl Packing<Lanes> for ByBytes {
    #[inline(always)]
    unsafe fn store(codes: [Words; 2], directions: *mut i8, roots: *mut u8) {
        // SAFETY: only loops for machines with VBMI pack so; there is room for the codes.
        unsafe {
            let upper_bytes = _mm512_loadu_si512(UPPER_BYTES.as_ptr().cast());
            let Pair(direction, root) = each!(codes in Pair(codes[0], codes[1]) => {
                _mm512_castsi512_si256(_mm512_permutex2var_epi8(codes.0, upper_bytes, codes.1))
            });
            store(direction, root, directions, roots);
        }
    }
}

/// Packing for AVX-512 without VBMI.
pub(in crate::kernel) enum ByShifts {}

impl Packing<Lanes> for ByShifts {
    #[inline(always)]
    unsafe fn store(codes: [Words; 2], directions: *mut i8, roots: *mut u8) {
        // SAFETY: as above.
        unsafe {
            let Pair(direction, root) = each!(codes in Pair(codes[0], codes[1]) => {
                let codes = each!(codes in codes => _mm512_srli_epi32::<24>(codes));
                _mm512_packus_epi32(codes.0, codes.1)
            });
            // In each 128 bits there are four codes of each of the registers.
            let order = _mm512_loadu_si512(IN_TURN.as_ptr().cast());
            let packed = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(direction, root));
            let direction = _mm512_castsi512_si256(packed);
            store(direction, _mm512_extracti64x4_epi64::<1>(packed), directions, roots);
        }
    }
}

/// # Safety
/// There is room for 32 codes of each, which nothing else uses.
#[inline(always)]
unsafe fn store(direction: __m256i, root: __m256i, directions: *mut i8, roots: *mut u8) {
    // SAFETY: there is room for the codes.
    unsafe {
        let at_least = _mm256_min_epu8(direction, _mm256_set1_epi8(1));
        _mm256_storeu_si256(directions.cast(), direction);
        _mm256_storeu_si256(roots.cast(), _mm256_max_epu8(root, at_least));
    }
}

/// The places of the upper bytes of 32 words in two registers.
static UPPER_BYTES: [u8; 64] = {
    let mut places = [0; 64];
    let mut i = 0;
    while i < 32 {
        places[i] = 4 * i as u8 + 3;
        i += 1;
    }
    places
};

/// The places of 32 elements.
static PLACES: [[u32; 16]; 2] = {
    let mut places = [[0; 16]; 2];
    let mut i = 0;
    while i < 32 {
        places[i / 16][i % 16] = i as u32;
        i += 1;
    }
    places
};

/// The places of halves of two registers, one of each in turn.
static INTERLEAVED: [[u16; 32]; 2] = {
    let mut places = [[0; 32]; 2];
    let mut i = 0;
    while i < 64 {
        places[i / 32][i % 32] = (i / 2 + i % 2 * 32) as u16;
        i += 1;
    }
    places
};

static IN_TURN: [u32; 16] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];
