//! Registers of 128 bits, for aarch64, which always has NEON.

use super::element::Element;
use super::lanes::{
    EvenOdd, Lanes, Pair, Stored, each_to_bf16, register_arithmetic, stored, stored_as_computed,
};
use half::{bf16, f16};
use std::arch::aarch64::*;
use std::arch::asm;
use std::mem::transmute;

/// Four f32.
#[derive(Clone, Copy)]
pub(super) struct F32x4(float32x4_t);

/// Two f64.
#[derive(Clone, Copy)]
pub(super) struct F64x2(float64x2_t);

register_arithmetic!(
    [] F32x4,
    value => vdupq_n_f32(value as f32),
    vaddq_f32,
    vsubq_f32,
    vmulq_f32,
    vdivq_f32,
    vsqrtq_f32,
    vminq_f32,
    vmaxq_f32,
    x => vnegq_f32(x)
);

register_arithmetic!(
    [] F64x2,
    value => vdupq_n_f64(value),
    vaddq_f64,
    vsubq_f64,
    vmulq_f64,
    vdivq_f64,
    vsqrtq_f64,
    vminq_f64,
    vmaxq_f64,
    x => vnegq_f64(x)
);

impl Lanes for Pair<F32x4> {
    const COUNT: usize = 8;

    #[inline(always)]
    fn any_nan(self) -> bool {
        // SAFETY: every aarch64 has NEON. The maximum of a NaN and numbers is NaN.
        unsafe { vmaxvq_f32(vmaxq_f32(self.0.0, self.1.0)).is_nan() }
    }
}

impl Lanes for Pair<F64x2> {
    const COUNT: usize = 4;

    #[inline(always)]
    fn any_nan(self) -> bool {
        // SAFETY: as above.
        unsafe { vmaxvq_f64(vmaxq_f64(self.0.0, self.1.0)).is_nan() }
    }
}

stored_as_computed!([] F32x4, f32, F32x4, vld1q_f32, vst1q_f32);
stored_as_computed!([] F64x2, f64, F64x2, vld1q_f64, vst1q_f64);

stored!(
    [] Pair<F64x2>, f32, float32x4_t;
    read(from) => vld1q_f32(from),
    write(packed, to) => vst1q_f32(to, packed),
    unpack(packed) => {
        Self(F64x2(vcvt_f64_f32(vget_low_f32(packed))), F64x2(vcvt_high_f64_f32(packed)))
    },
    pack(values) => vcvt_high_f32_f64(vcvt_f32_f64(values.0.0), values.1.0)
);

// In assembly, since the intrinsics of these conversions need Rust 1.94.
stored!(
    [] Pair<F32x4>, f16, uint16x8_t;
    read(from) => vld1q_u16(from.cast()),
    write(packed, to) => vst1q_u16(to.cast(), packed),
    unpack(packed) => {
        let (low, high);
        asm!(
            "fcvtl {low:v}.4s, {packed:v}.4h",
            "fcvtl2 {high:v}.4s, {packed:v}.8h",
            low = out(vreg) low,
            high = lateout(vreg) high,
            packed = in(vreg) packed,
            options(pure, nomem, nostack), // not preserves_flags: exception flags may be raised
        );
        Self(F32x4(low), F32x4(high))
    },
    pack(values) => {
        let packed;
        asm!(
            "fcvtn {packed:v}.4h, {low:v}.4s",
            "fcvtn2 {packed:v}.8h, {high:v}.4s",
            packed = out(vreg) packed,
            low = in(vreg) values.0.0,
            high = in(vreg) values.1.0,
            options(pure, nomem, nostack),
        );
        packed
    }
);

stored!(
    [] Pair<F32x4>, bf16, uint16x8_t;
    read(from) => vld1q_u16(from.cast()),
    write(packed, to) => vst1q_u16(to.cast(), packed),
    unpack(packed) => {
        let low = vshll_n_u16::<16>(vget_low_u16(packed));
        let high = vshll_high_n_u16::<16>(packed);
        Self(F32x4(vreinterpretq_f32_u32(low)), F32x4(vreinterpretq_f32_u32(high)))
    },
    pack(values) => {
        let (low, high) = (vreinterpretq_u32_f32(values.0.0), vreinterpretq_u32_f32(values.1.0));
        vrsubhn_high_u32(vrsubhn_u32(low, is_even(low)), high, is_even(high))
    },
    pack_any(values) => transmute::<[bf16; 8], _>(each_to_bf16(transmute::<Self, [f32; 8]>(values)))
);

impl Lanes for Pair<Pair<F32x4>> {
    const COUNT: usize = 16;

    #[inline(always)]
    fn any_nan(self) -> bool {
        let Pair(Pair(a, b), Pair(c, d)) = self;
        // SAFETY: as above.
        unsafe { Pair(F32x4(vmaxq_f32(a.0, b.0)), F32x4(vmaxq_f32(c.0, d.0))).any_nan() }
    }
}

impl Lanes for Pair<Pair<F64x2>> {
    const COUNT: usize = 8;

    #[inline(always)]
    fn any_nan(self) -> bool {
        let Pair(Pair(a, b), Pair(c, d)) = self;
        // SAFETY: as above.
        unsafe { Pair(F64x2(vmaxq_f64(a.0, b.0)), F64x2(vmaxq_f64(c.0, d.0))).any_nan() }
    }
}

/// Four registers to a block: there are enough of them, and it halves the number of branches.
impl<V, E: Element> Stored<E> for Pair<Pair<V>>
where
    Self: Lanes,
    Pair<V>: Stored<E>,
{
    type Packed = [<Pair<V> as Stored<E>>::Packed; 2];
    const NUMBERS_ONLY: bool = <Pair<V> as Stored<E>>::NUMBERS_ONLY;

    #[inline(always)]
    unsafe fn read(from: *const E) -> Self::Packed {
        // SAFETY: there are twice as many elements.
        unsafe { [<Pair<V>>::read(from), <Pair<V>>::read(from.add(<Pair<V>>::COUNT))] }
    }

    #[inline(always)]
    unsafe fn write(packed: Self::Packed, to: *mut E) {
        let [first, second] = packed;
        // SAFETY: there are twice as many elements, and nothing else uses them.
        unsafe {
            <Pair<V>>::write(first, to);
            <Pair<V>>::write(second, to.add(<Pair<V>>::COUNT));
        }
    }

    #[inline(always)]
    fn unpack(packed: Self::Packed) -> Self {
        Self(<Pair<V>>::unpack(packed[0]), <Pair<V>>::unpack(packed[1]))
    }

    #[inline(always)]
    fn pack(self) -> Self::Packed {
        [self.0.pack(), self.1.pack()]
    }

    #[inline(always)]
    fn pack_any(self) -> Self::Packed {
        [self.0.pack_any(), self.1.pack_any()]
    }
}

/// In memory order, which is as cheap as any other here.
impl Stored<EvenOdd> for Pair<Pair<F32x4>> {
    type Packed = <Self as Stored<bf16>>::Packed;
    const NUMBERS_ONLY: bool = false;

    #[inline(always)]
    unsafe fn read(from: *const EvenOdd) -> Self::Packed {
        // SAFETY: the elements are bf16.
        unsafe { <Self as Stored<bf16>>::read(from.cast()) }
    }

    #[inline(always)]
    unsafe fn write(packed: Self::Packed, to: *mut EvenOdd) {
        // SAFETY: the elements are bf16.
        unsafe { <Self as Stored<bf16>>::write(packed, to.cast()) };
    }

    #[inline(always)]
    fn unpack(packed: Self::Packed) -> Self {
        <Self as Stored<bf16>>::unpack(packed)
    }

    #[inline(always)]
    fn pack(self) -> Self::Packed {
        <Self as Stored<bf16>>::pack(self)
    }
}

/// 1 where the upper 16 bits are even: subtracted, it keeps ties from being rounded up.
///
/// # Safety
/// The machine has the instructions.
#[inline(always)]
unsafe fn is_even(bits: uint32x4_t) -> uint32x4_t {
    // SAFETY: the machine has the instructions.
    unsafe { vbicq_u32(vdupq_n_u32(1), vshrq_n_u32::<16>(bits)) }
}
