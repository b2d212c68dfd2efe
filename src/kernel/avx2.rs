//! Registers of 256 bits, for x86-64 with AVX2 and F16C.
//!
//! Unsafe functions here are unsafe since the machine must have these instructions.

use super::lanes::{
    EvenOdd, Lanes, Pair, ROOT_SCALE, SCALE, each_to_bf16, register_arithmetic, stored,
    stored_as_computed,
};
use half::{bf16, f16};
use std::arch::x86_64::*;
use std::mem::transmute;

/// Eight f32, whose square root is fast for denormal numbers too if it is CAREFUL.
#[derive(Clone, Copy)]
pub(super) struct F32x8<const CAREFUL: bool>(pub(super) __m256);

/// Four f64.
#[derive(Clone, Copy)]
pub(super) struct F64x4(__m256d);

register_arithmetic!(
    [const CAREFUL: bool] F32x8<CAREFUL>,
    value => _mm256_set1_ps(value as f32),
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    sqrt_ps::<CAREFUL>,
    _mm256_min_ps,
    _mm256_max_ps,
    x => _mm256_xor_ps(x, _mm256_set1_ps(-0.0))
);

register_arithmetic!(
    [] F64x4,
    value => _mm256_set1_pd(value),
    _mm256_add_pd,
    _mm256_sub_pd,
    _mm256_mul_pd,
    _mm256_div_pd,
    _mm256_sqrt_pd,
    _mm256_min_pd,
    _mm256_max_pd,
    x => _mm256_xor_pd(x, _mm256_set1_pd(-0.0))
);

impl<const CAREFUL: bool> Lanes for Pair<F32x8<CAREFUL>> {
    const COUNT: usize = 16;

    #[inline(always)]
    fn any_nan(self) -> bool {
        // SAFETY: a register exists, so the machine has its instructions.
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_UNORD_Q>(self.0.0, self.1.0)) != 0 }
    }
}

impl Lanes for Pair<F64x4> {
    const COUNT: usize = 8;

    #[inline(always)]
    fn any_nan(self) -> bool {
        // SAFETY: as above.
        unsafe { _mm256_movemask_pd(_mm256_cmp_pd::<_CMP_UNORD_Q>(self.0.0, self.1.0)) != 0 }
    }
}

stored_as_computed!([const CAREFUL: bool] F32x8<CAREFUL>, f32, F32x8, _mm256_loadu_ps, _mm256_storeu_ps);
stored_as_computed!([] F64x4, f64, F64x4, _mm256_loadu_pd, _mm256_storeu_pd);

stored!(
    [] Pair<F64x4>, f32, [__m128; 2];
    read(from) => [_mm_loadu_ps(from), _mm_loadu_ps(from.add(4))],
    write(packed, to) => {
        _mm_storeu_ps(to, packed[0]);
        _mm_storeu_ps(to.add(4), packed[1]);
    },
    unpack(packed) => Self(F64x4(_mm256_cvtps_pd(packed[0])), F64x4(_mm256_cvtps_pd(packed[1]))),
    pack(values) => [_mm256_cvtpd_ps(values.0.0), _mm256_cvtpd_ps(values.1.0)]
);

stored!(
    [const CAREFUL: bool] Pair<F32x8<CAREFUL>>, f16, [__m128i; 2];
    read(from) => [_mm_loadu_si128(from.cast()), _mm_loadu_si128(from.add(8).cast())],
    write(packed, to) => {
        _mm_storeu_si128(to.cast(), packed[0]);
        _mm_storeu_si128(to.add(8).cast(), packed[1]);
    },
    unpack(packed) => Self(F32x8(_mm256_cvtph_ps(packed[0])), F32x8(_mm256_cvtph_ps(packed[1]))),
    pack(values) => {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT;
        [_mm256_cvtps_ph::<NEAREST>(values.0.0), _mm256_cvtps_ph::<NEAREST>(values.1.0)]
    }
);

stored!(
    [const CAREFUL: bool] Pair<F32x8<CAREFUL>>, bf16, __m256i;
    read(from) => _mm256_loadu_si256(from.cast()),
    write(packed, to) => _mm256_storeu_si256(to.cast(), packed),
    unpack(packed) => {
        let low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(packed));
        let high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256::<1>(packed));
        Self(upper_half(low), upper_half(high))
    },
    pack(values) => {
        let low = _mm256_srli_epi32::<16>(rounded_to_bf16(values.0));
        let high = _mm256_srli_epi32::<16>(rounded_to_bf16(values.1));
        // Packing works within 128-bit halves, which leaves the quarters in the order 0, 2, 1, 3.
        _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(low, high))
    },
    pack_any(values) => transmute::<[bf16; 16], _>(each_to_bf16(transmute::<Self, [f32; 16]>(values)))
);

stored!(
    [const CAREFUL: bool] Pair<F32x8<CAREFUL>>, EvenOdd, __m256i;
    read(from) => _mm256_loadu_si256(from.cast()),
    write(packed, to) => _mm256_storeu_si256(to.cast(), packed),
    unpack(packed) => {
        let odd = _mm256_and_si256(packed, _mm256_set1_epi32(!0xffff));
        Self(upper_half(packed), F32x8(_mm256_castsi256_ps(odd)))
    },
    pack(values) => {
        let even = _mm256_srli_epi32::<16>(rounded_to_bf16(values.0));
        _mm256_blend_epi16::<0b1010_1010>(even, rounded_to_bf16(values.1))
    }
);

/// The square root. Processors are slow at denormal numbers: if CAREFUL, these are first scaled by a power
/// of four, which does not change the rounding.
#[inline(always)]
unsafe fn sqrt_ps<const CAREFUL: bool>(x: __m256) -> __m256 {
    // SAFETY: the machine has the instructions.
    unsafe {
        let bits = _mm256_castps_si256(x);
        // x is a positive denormal if its bits less 1, as an unsigned integer, are below those of the smallest
        // normal number less 1; of +0 they wrap around.
        let below = _mm256_xor_si256(
            _mm256_sub_epi32(bits, _mm256_set1_epi32(1)),
            _mm256_set1_epi32(i32::MIN),
        );
        let denormal = _mm256_cmpgt_epi32(_mm256_set1_epi32(0x007f_ffff ^ i32::MIN), below);
        if !CAREFUL || _mm256_testz_si256(denormal, denormal) != 0 {
            return _mm256_sqrt_ps(x);
        }
        let denormal = _mm256_castsi256_ps(denormal);
        let scaled = _mm256_mul_ps(x, _mm256_set1_ps(SCALE));
        let root = _mm256_sqrt_ps(_mm256_blendv_ps(x, scaled, denormal));
        _mm256_blendv_ps(root, _mm256_mul_ps(root, _mm256_set1_ps(ROOT_SCALE)), denormal)
    }
}

/// The values of the bf16 in the lower halves of the lanes.
#[inline(always)]
unsafe fn upper_half<const CAREFUL: bool>(lanes: __m256i) -> F32x8<CAREFUL> {
    // SAFETY: the machine has the instructions.
    unsafe { F32x8(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(lanes))) }
}

/// Lanes whose upper halves are the nearest bf16, ties to even, and whose lower halves are to be ignored.
/// Not for NaN with a payload in the lower half, which may overflow.
#[inline(always)]
unsafe fn rounded_to_bf16<const CAREFUL: bool>(numbers: F32x8<CAREFUL>) -> __m256i {
    // SAFETY: the machine has the instructions.
    unsafe {
        let bits = _mm256_castps_si256(numbers.0);
        let last = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
        let half = _mm256_add_epi32(last, _mm256_set1_epi32(0x7fff));
        _mm256_add_epi32(bits, half)
    }
}
