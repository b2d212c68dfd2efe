//! Registers of 512 bits, for x86-64 with AVX-512 F, BW, DQ and VL.
//!
//! Unsafe functions here are unsafe since the machine must have these instructions.

use super::lanes::{
    EvenOdd, Lanes, Pair, ROOT_SCALE, SCALE, each_to_bf16, register_arithmetic, stored,
    stored_as_computed,
};
use half::{bf16, f16};
use std::arch::x86_64::*;
use std::mem::transmute;

/// Sixteen f32, whose square root is fast for denormal numbers too if it is CAREFUL.
#[derive(Clone, Copy)]
pub(super) struct F32x16<const CAREFUL: bool>(pub(super) __m512);

/// Eight f64.
#[derive(Clone, Copy)]
pub(super) struct F64x8(__m512d);

register_arithmetic!(
    [const CAREFUL: bool] F32x16<CAREFUL>,
    value => _mm512_set1_ps(value as f32),
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    sqrt_ps::<CAREFUL>,
    _mm512_min_ps,
    _mm512_max_ps,
    x => _mm512_xor_ps(x, _mm512_set1_ps(-0.0))
);

register_arithmetic!(
    [] F64x8,
    value => _mm512_set1_pd(value),
    _mm512_add_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    _mm512_div_pd,
    _mm512_sqrt_pd,
    _mm512_min_pd,
    _mm512_max_pd,
    x => _mm512_xor_pd(x, _mm512_set1_pd(-0.0))
);

impl<const CAREFUL: bool> Lanes for Pair<F32x16<CAREFUL>> {
    const COUNT: usize = 32;

    #[inline(always)]
    fn any_nan(self) -> bool {
        // SAFETY: a register exists, so the machine has its instructions.
        unsafe { _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0.0, self.1.0) != 0 }
    }
}

impl Lanes for Pair<F64x8> {
    const COUNT: usize = 16;

    #[inline(always)]
    fn any_nan(self) -> bool {
        // SAFETY: as above.
        unsafe { _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(self.0.0, self.1.0) != 0 }
    }
}

stored_as_computed!([const CAREFUL: bool] F32x16<CAREFUL>, f32, F32x16, _mm512_loadu_ps, _mm512_storeu_ps);
stored_as_computed!([] F64x8, f64, F64x8, _mm512_loadu_pd, _mm512_storeu_pd);

stored!(
    [] Pair<F64x8>, f32, [__m256; 2];
    read(from) => [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))],
    write(packed, to) => {
        _mm256_storeu_ps(to, packed[0]);
        _mm256_storeu_ps(to.add(8), packed[1]);
    },
    unpack(packed) => Self(F64x8(_mm512_cvtps_pd(packed[0])), F64x8(_mm512_cvtps_pd(packed[1]))),
    pack(values) => [_mm512_cvtpd_ps(values.0.0), _mm512_cvtpd_ps(values.1.0)]
);

stored!(
    [const CAREFUL: bool] Pair<F32x16<CAREFUL>>, f16, [__m256i; 2];
    read(from) => [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(16).cast())],
    write(packed, to) => {
        _mm256_storeu_si256(to.cast(), packed[0]);
        _mm256_storeu_si256(to.add(16).cast(), packed[1]);
    },
    unpack(packed) => Self(F32x16(_mm512_cvtph_ps(packed[0])), F32x16(_mm512_cvtph_ps(packed[1]))),
    pack(values) => {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT;
        [_mm512_cvtps_ph::<NEAREST>(values.0.0), _mm512_cvtps_ph::<NEAREST>(values.1.0)]
    }
);

stored!(
    [const CAREFUL: bool] Pair<F32x16<CAREFUL>>, bf16, __m512i;
    read(from) => _mm512_loadu_si512(from.cast()),
    write(packed, to) => _mm512_storeu_si512(to.cast(), packed),
    unpack(packed) => {
        let low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(packed));
        let high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(packed));
        Self(upper_half(low), upper_half(high))
    },
    pack(values) => {
        let (low, high) = (_mm512_castps_si512(values.0.0), _mm512_castps_si512(values.1.0));
        let upper = _mm512_permutex2var_epi16(low, load(&UPPER_HALVES), high);
        let lower = _mm512_permutex2var_epi16(low, load(&LOWER_HALVES), high);
        rounded_halves(upper, lower)
    },
    pack_any(values) => transmute::<[bf16; 32], _>(each_to_bf16(transmute::<Self, [f32; 32]>(values)))
);

stored!(
    [const CAREFUL: bool] Pair<F32x16<CAREFUL>>, EvenOdd, __m512i;
    read(from) => _mm512_loadu_si512(from.cast()),
    write(packed, to) => _mm512_storeu_si512(to.cast(), packed),
    unpack(packed) => {
        let odd = _mm512_and_si512(packed, _mm512_set1_epi32(!0xffff));
        Self(upper_half(packed), F32x16(_mm512_castsi512_ps(odd)))
    },
    pack(values) => {
        let (even, odd) = (_mm512_castps_si512(values.0.0), _mm512_castps_si512(values.1.0));
        let upper = _mm512_permutex2var_epi16(even, load(&UPPER_HALVES_IN_TURN), odd);
        let lower = _mm512_permutex2var_epi16(even, load(&LOWER_HALVES_IN_TURN), odd);
        rounded_halves(upper, lower)
    }
);

/// The square root. Processors are slow at denormal numbers: if CAREFUL, these are first scaled by a power
/// of four, which does not change the rounding.
#[inline(always)]
unsafe fn sqrt_ps<const CAREFUL: bool>(x: __m512) -> __m512 {
    // SAFETY: the machine has the instructions.
    unsafe {
        // x is a positive denormal if its bits less 1, as an unsigned integer, are below those of the smallest
        // normal number less 1; of +0 they wrap around.
        let below = _mm512_sub_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(1));
        let denormal = _mm512_cmplt_epu32_mask(below, _mm512_set1_epi32(0x007f_ffff));
        if !CAREFUL || denormal == 0 {
            return _mm512_sqrt_ps(x);
        }
        let scaled = _mm512_mask_mul_ps(x, denormal, x, _mm512_set1_ps(SCALE));
        let root = _mm512_sqrt_ps(scaled);
        _mm512_mask_mul_ps(root, denormal, root, _mm512_set1_ps(ROOT_SCALE))
    }
}

/// The values of the bf16 in the lower halves of the lanes.
#[inline(always)]
unsafe fn upper_half<const CAREFUL: bool>(lanes: __m512i) -> F32x16<CAREFUL> {
    // SAFETY: the machine has the instructions.
    unsafe { F32x16(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(lanes))) }
}

/// The nearest bf16, ties to even, of 32 numbers given as their upper and lower halves. Not for NaN with a
/// payload in the lower half, which may overflow.
#[inline(always)]
unsafe fn rounded_halves(upper: __m512i, lower: __m512i) -> __m512i {
    // SAFETY: the machine has the instructions.
    unsafe {
        // Rounded up where lower + 0x7fff + (upper & 1) carries: where that sum less 1, which saturates, is
        // all ones.
        let addend = _mm512_ternarylogic_epi32::<A_AND_B_OR_C>(
            upper,
            _mm512_set1_epi16(1),
            _mm512_set1_epi16(0x7ffe),
        );
        let sum = _mm512_adds_epu16(lower, addend);
        let carry = _mm512_subs_epu16(sum, _mm512_set1_epi16(!1));
        _mm512_add_epi16(upper, carry)
    }
}

/// The truth table of (a & b) | c.
const A_AND_B_OR_C: i32 = 0b1110_1010;

#[inline(always)]
unsafe fn load(positions: &[u16; 32]) -> __m512i {
    // SAFETY: the machine has the instructions.
    unsafe { _mm512_loadu_si512(positions.as_ptr().cast()) }
}

// Positions of halves of f32 among the 64 halves of two registers: those of the first and then those of the
// second, or alternating.
pub(super) static UPPER_HALVES: [u16; 32] = positions(1, false);
pub(super) static LOWER_HALVES: [u16; 32] = positions(0, false);
static UPPER_HALVES_IN_TURN: [u16; 32] = positions(1, true);
static LOWER_HALVES_IN_TURN: [u16; 32] = positions(0, true);

const fn positions(half: u16, in_turn: bool) -> [u16; 32] {
    let mut positions = [0; 32];
    let mut i = 0;
    while i < 32 {
        let number = if in_turn { (i % 2) * 16 + i / 2 } else { i };
        positions[i as usize] = 2 * number + half;
        i += 1;
    }
    positions
}
