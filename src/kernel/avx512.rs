//! Registers of 512 bits, for x86-64 with AVX-512 F, BW, DQ and VL.

use super::lanes::{EvenOdd, Lanes, Pair, Stored, register_arithmetic};
use crate::number::{Bf16, F16};
use std::arch::x86_64::*;

/// Sixteen f32.
#[derive(Clone, Copy)]
pub(super) struct F32x16(__m512);

/// Eight f64.
#[derive(Clone, Copy)]
pub(super) struct F64x8(__m512d);

register_arithmetic!(
    F32x16,
    value => _mm512_set1_ps(value as f32),
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_sqrt_ps,
    x => _mm512_xor_ps(x, _mm512_set1_ps(-0.0))
);

register_arithmetic!(
    F64x8,
    value => _mm512_set1_pd(value),
    _mm512_add_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    _mm512_div_pd,
    _mm512_sqrt_pd,
    x => _mm512_xor_pd(x, _mm512_set1_pd(-0.0))
);

impl Lanes for Pair<F32x16> {
    const COUNT: usize = 32;

    #[inline(always)]
    fn any_nan(self) -> bool {
        // SAFETY: only kernels of this instruction set make registers.
        unsafe { _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0.0, self.1.0) != 0 }
    }
}

impl Lanes for Pair<F64x8> {
    const COUNT: usize = 16;

    #[inline(always)]
    fn any_nan(self) -> bool {
        // SAFETY: only kernels of this instruction set make registers.
        unsafe { _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(self.0.0, self.1.0) != 0 }
    }
}

impl Stored<f32> for Pair<F32x16> {
    type Packed = Self;
    const NUMBERS_ONLY: bool = false;

    #[inline(always)]
    unsafe fn read(from: *const f32) -> Self::Packed {
        // SAFETY: the caller's promise.
        unsafe { Self(F32x16(_mm512_loadu_ps(from)), F32x16(_mm512_loadu_ps(from.add(16)))) }
    }

    #[inline(always)]
    unsafe fn write(packed: Self::Packed, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe {
            _mm512_storeu_ps(to, packed.0.0);
            _mm512_storeu_ps(to.add(16), packed.1.0);
        }
    }

    #[inline(always)]
    fn unpack(packed: Self::Packed) -> Self {
        packed
    }

    #[inline(always)]
    fn pack(self) -> Self::Packed {
        self
    }
}

impl Stored<f64> for Pair<F64x8> {
    type Packed = Self;
    const NUMBERS_ONLY: bool = false;

    #[inline(always)]
    unsafe fn read(from: *const f64) -> Self::Packed {
        // SAFETY: the caller's promise.
        unsafe { Self(F64x8(_mm512_loadu_pd(from)), F64x8(_mm512_loadu_pd(from.add(8)))) }
    }

    #[inline(always)]
    unsafe fn write(packed: Self::Packed, to: *mut f64) {
        // SAFETY: the caller's promise.
        unsafe {
            _mm512_storeu_pd(to, packed.0.0);
            _mm512_storeu_pd(to.add(8), packed.1.0);
        }
    }

    #[inline(always)]
    fn unpack(packed: Self::Packed) -> Self {
        packed
    }

    #[inline(always)]
    fn pack(self) -> Self::Packed {
        self
    }
}

impl Stored<f32> for Pair<F64x8> {
    type Packed = [__m256; 2];
    const NUMBERS_ONLY: bool = false;

    #[inline(always)]
    unsafe fn read(from: *const f32) -> Self::Packed {
        // SAFETY: the caller's promise.
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }

    #[inline(always)]
    unsafe fn write(packed: Self::Packed, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe {
            _mm256_storeu_ps(to, packed[0]);
            _mm256_storeu_ps(to.add(8), packed[1]);
        }
    }

    #[inline(always)]
    fn unpack(packed: Self::Packed) -> Self {
        // SAFETY: only kernels of this instruction set make registers.
        unsafe { Self(F64x8(_mm512_cvtps_pd(packed[0])), F64x8(_mm512_cvtps_pd(packed[1]))) }
    }

    #[inline(always)]
    fn pack(self) -> Self::Packed {
        // SAFETY: only kernels of this instruction set make registers.
        unsafe { [_mm512_cvtpd_ps(self.0.0), _mm512_cvtpd_ps(self.1.0)] }
    }
}

impl Stored<F16> for Pair<F32x16> {
    type Packed = [__m256i; 2];
    const NUMBERS_ONLY: bool = false;

    #[inline(always)]
    unsafe fn read(from: *const F16) -> Self::Packed {
        // SAFETY: the caller's promise.
        unsafe { [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(16).cast())] }
    }

    #[inline(always)]
    unsafe fn write(packed: Self::Packed, to: *mut F16) {
        // SAFETY: the caller's promise.
        unsafe {
            _mm256_storeu_si256(to.cast(), packed[0]);
            _mm256_storeu_si256(to.add(16).cast(), packed[1]);
        }
    }

    #[inline(always)]
    fn unpack(packed: Self::Packed) -> Self {
        // SAFETY: only kernels of this instruction set make registers.
        unsafe { Self(F32x16(_mm512_cvtph_ps(packed[0])), F32x16(_mm512_cvtph_ps(packed[1]))) }
    }

    #[inline(always)]
    fn pack(self) -> Self::Packed {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT;
        // SAFETY: only kernels of this instruction set make registers.
        unsafe { [_mm512_cvtps_ph::<NEAREST>(self.0.0), _mm512_cvtps_ph::<NEAREST>(self.1.0)] }
    }
}

impl Stored<Bf16> for Pair<F32x16> {
    type Packed = __m512i;
    const NUMBERS_ONLY: bool = true;

    #[inline(always)]
    unsafe fn read(from: *const Bf16) -> Self::Packed {
        // SAFETY: the caller's promise.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn write(packed: Self::Packed, to: *mut Bf16) {
        // SAFETY: the caller's promise.
        unsafe {
            _mm512_storeu_si512(to.cast(), packed);
        }
    }

    #[inline(always)]
    fn unpack(packed: Self::Packed) -> Self {
        // SAFETY: only kernels of this instruction set make registers.
        unsafe {
            let low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(packed));
            let high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(packed));
            Self(upper_half(low), upper_half(high))
        }
    }

    #[inline(always)]
    fn pack(self) -> Self::Packed {
        // SAFETY: only kernels of this instruction set make registers.
        unsafe {
            let upper_halves = _mm512_loadu_si512(UPPER_HALVES.as_ptr().cast());
            let (low, high) = (rounded_to_bf16(self.0), rounded_to_bf16(self.1));
            _mm512_permutex2var_epi16(low, upper_halves, high)
        }
    }
}

impl Stored<EvenOdd> for Pair<F32x16> {
    type Packed = __m512i;
    const NUMBERS_ONLY: bool = true;

    #[inline(always)]
    unsafe fn read(from: *const EvenOdd) -> Self::Packed {
        // SAFETY: the caller's promise.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn write(packed: Self::Packed, to: *mut EvenOdd) {
        // SAFETY: the caller's promise.
        unsafe {
            _mm512_storeu_si512(to.cast(), packed);
        }
    }

    #[inline(always)]
    fn unpack(packed: Self::Packed) -> Self {
        // SAFETY: only kernels of this instruction set make registers.
        unsafe {
            let odd = _mm512_and_si512(packed, _mm512_set1_epi32(!0xffff));
            Self(upper_half(packed), F32x16(_mm512_castsi512_ps(odd)))
        }
    }

    #[inline(always)]
    fn pack(self) -> Self::Packed {
        // SAFETY: only kernels of this instruction set make registers.
        unsafe {
            let even = _mm512_srli_epi32::<16>(rounded_to_bf16(self.0));
            _mm512_mask_blend_epi16(ODD, even, rounded_to_bf16(self.1))
        }
    }
}

/// The bf16 in the lower half of each lane, which becomes the upper one.
///
/// # Safety
/// The machine has the instructions.
#[inline(always)]
unsafe fn upper_half(lanes: __m512i) -> F32x16 {
    // SAFETY: the caller's promise.
    unsafe { F32x16(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(lanes))) }
}

/// Numbers whose upper 16 bits are the nearest bf16, ties to even; the rest means nothing.
///
/// # Safety
/// The machine has the instructions.
#[inline(always)]
unsafe fn rounded_to_bf16(numbers: F32x16) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe {
        let bits = _mm512_castps_si512(numbers.0);
        let last = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let half = _mm512_add_epi32(last, _mm512_set1_epi32(0x7fff));
        _mm512_add_epi32(bits, half)
    }
}

/// The odd ones of 32 elements of 16 bits.
const ODD: __mmask32 = 0xaaaa_aaaa;

/// Where the upper halves of 32 f32 are, among the 16-bit halves of two registers.
static UPPER_HALVES: [u16; 32] = {
    let mut positions = [1; 32];
    let mut i = 1;
    while i < positions.len() {
        positions[i] = positions[i - 1] + 2;
        i += 1;
    }
    positions
};
