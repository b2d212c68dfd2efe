//! Several elements at a time: what a loop over arrays needs from a register.
//!
//! Registers are created only in the loops that `dispatch` compiles for their instruction set and that run only
//! on machines which have it. So wherever there is a register, its intrinsics may be used.

use super::element::Element;
use crate::math::Arithmetic;
use half::bf16;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A few neighbouring elements of a tensor, in the type that is computed in.
///
/// Arithmetic is lane by lane and rounds each lane as the scalar type does, so results do not depend on the
/// number of lanes.
pub(super) trait Lanes: Arithmetic {
    const COUNT: usize;
    /// Whether any of the lanes is NaN.
    fn any_nan(self) -> bool;
}

/// Lanes that are loaded from elements of type E and stored to them.
pub(super) trait Stored<E>: Lanes {
    /// `COUNT` elements in registers, in their stored form.
    type Packed: Copy;

    /// Whether `pack` is for numbers only, so that NaN needs `pack_any`.
    const NUMBERS_ONLY: bool;

    /// # Safety
    /// `COUNT` elements are there.
    unsafe fn read(from: *const E) -> Self::Packed;

    /// # Safety
    /// `COUNT` elements are there, and nothing else reads or writes them.
    unsafe fn write(packed: Self::Packed, to: *mut E);

    /// The values of the elements, exactly.
    fn unpack(packed: Self::Packed) -> Self;

    /// The values rounded to the nearest elements, ties to even. With `NUMBERS_ONLY`, the only NaN it takes is
    /// the default one, without a payload, that arithmetic on numbers and infinities produces.
    fn pack(self) -> Self::Packed;

    /// As `pack`, for any values; slow.
    #[inline(always)]
    fn pack_any(self) -> Self::Packed {
        self.pack()
    }

    /// # Safety
    /// As for `read`.
    #[inline(always)]
    unsafe fn load(from: *const E) -> Self {
        // SAFETY: the precondition is the same.
        Self::unpack(unsafe { Self::read(from) })
    }

    /// `pack` or, if a value is NaN, `pack_any`.
    #[inline(always)]
    fn pack_if(self, nan: bool) -> Self::Packed {
        if Self::NUMBERS_ONLY && nan { self.pack_any() } else { self.pack() }
    }

    /// # Safety
    /// As for `write`.
    #[inline(always)]
    unsafe fn store(self, nan: bool, to: *mut E) {
        // SAFETY: the precondition is the same.
        unsafe { Self::write(self.pack_if(nan), to) };
    }
}

/// The element type of an array that a loop does not have.
pub(super) struct Absent;

impl<V: Lanes> Stored<Absent> for V {
    type Packed = ();
    const NUMBERS_ONLY: bool = false;

    #[inline(always)]
    unsafe fn read(_: *const Absent) {}

    #[inline(always)]
    unsafe fn write((): (), _: *mut Absent) {}

    #[inline(always)]
    fn unpack((): ()) -> Self {
        Self::from_f64(0.0)
    }

    #[inline(always)]
    fn pack(self) {}
}

/// bf16 in whatever order of lanes is cheapest: two that share 32 bits in memory need not be neighbours in
/// registers.
///
/// Only for loops in which every array is of this type and no coefficient is a NaN with a payload: then the
/// lower half of every NaN is zero, and rounding it as a number leaves it a NaN.
#[repr(transparent)]
pub(super) struct EvenOdd {
    _element: bf16,
}

/// Each value rounded to the nearest bf16, whatever NaN it may be.
#[cold]
#[inline(never)]
pub(super) fn each_to_bf16<const N: usize>(values: [f32; N]) -> [bf16; N] {
    values.map(bf16::store)
}

/// What scales the smallest denormal f32 to a normal number, and the inverse of its square root.
#[cfg(target_arch = "x86_64")]
pub(super) const SCALE: f32 = (1u64 << 32) as f32;
#[cfg(target_arch = "x86_64")]
pub(super) const ROOT_SCALE: f32 = 1.0 / (1 << 16) as f32;

/// Two registers as one: the work on one hides the latency of the other.
#[derive(Clone, Copy)]
pub(super) struct Pair<V>(pub V, pub V);

macro_rules! pair_operator {
    ($operator:ident, $function:ident) => {
        impl<V: $operator<Output = V>> $operator for Pair<V> {
            type Output = Self;
            #[inline(always)]
            fn $function(self, other: Self) -> Self {
                Self(self.0.$function(other.0), self.1.$function(other.1))
            }
        }
    };
}
pair_operator!(Add, add);
pair_operator!(Sub, sub);
pair_operator!(Mul, mul);
pair_operator!(Div, div);

impl<V: Neg<Output = V>> Neg for Pair<V> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(-self.0, -self.1)
    }
}

impl<V: Arithmetic> Arithmetic for Pair<V> {
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(self.0.sqrt(), self.1.sqrt())
    }
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        Self(V::from_f64(value), V::from_f64(value))
    }
    #[inline(always)]
    fn limited_to(self, limit: Self) -> Self {
        Self(self.0.limited_to(limit.0), self.1.limited_to(limit.1))
    }
}

/// The arithmetic of a register, each operation an intrinsic of the instruction set.
macro_rules! register_arithmetic {
    ([$($generics:tt)*] $register:ty, $value:ident => $splat:expr, $add:ident, $sub:ident, $mul:ident, $div:ident, $sqrt:expr, $min:ident, $max:ident, $x:ident => $neg:expr) => {
        $crate::kernel::lanes::register_operator!([$($generics)*] $register, Add, add, $add);
        $crate::kernel::lanes::register_operator!([$($generics)*] $register, Sub, sub, $sub);
        $crate::kernel::lanes::register_operator!([$($generics)*] $register, Mul, mul, $mul);
        $crate::kernel::lanes::register_operator!([$($generics)*] $register, Div, div, $div);

        impl<$($generics)*> std::ops::Neg for $register {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                let $x = self.0;
                // SAFETY: a register exists, so the machine has its instructions.
                Self(unsafe { $neg })
            }
        }

        impl<$($generics)*> $crate::math::Arithmetic for $register {
            #[inline(always)]
            fn sqrt(self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $sqrt(self.0) })
            }
            #[inline(always)]
            fn limited_to(self, limit: Self) -> Self {
                let lowest = -limit;
                // SAFETY: as above. If `self` is NaN, both intrinsics return it.
                Self(unsafe { $max(lowest.0, $min(limit.0, self.0)) })
            }
            #[inline(always)]
            fn from_f64($value: f64) -> Self {
                // SAFETY: only loops of the instruction set create registers.
                Self(unsafe { $splat })
            }
        }
    };
}
pub(super) use register_arithmetic;

macro_rules! register_operator {
    ([$($generics:tt)*] $register:ty, $operator:ident, $function:ident, $intrinsic:ident) => {
        impl<$($generics)*> std::ops::$operator for $register {
            type Output = Self;
            #[inline(always)]
            fn $function(self, other: Self) -> Self {
                // SAFETY: a register exists, so the machine has its instructions.
                Self(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    };
}
pub(super) use register_operator;

/// `stored!([generics] lanes, element, packed; read(from) => …, write(packed, to) => …, unpack(packed) => …,
/// pack(lanes) => …)` implements [`Stored`] by expressions of intrinsics. With `pack_any(lanes) => …`, `pack` is
/// for numbers only.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! stored {
    (
        [$($generics:tt)*] $lanes:ty, $element:ty, $packed:ty;
        read($from:ident) => $read:expr,
        write($written:ident, $to:ident) => $write:expr,
        unpack($read_packed:ident) => $unpack:expr,
        pack($values:ident) => $pack:expr
        $(, pack_any($any:ident) => $pack_any:expr)?
    ) => {
        #[allow(unused_unsafe)] // if packed and unpacked are the same
        impl<$($generics)*> $crate::kernel::lanes::Stored<$element> for $lanes {
            type Packed = $packed;
            const NUMBERS_ONLY: bool = !<[&str]>::is_empty(&[$(stringify!($any))?]);

            #[inline(always)]
            unsafe fn read($from: *const $element) -> Self::Packed {
                // SAFETY: the elements are there, and only loops of the instruction set read them.
                unsafe { $read }
            }

            #[inline(always)]
            unsafe fn write($written: Self::Packed, $to: *mut $element) {
                // SAFETY: as above; and nothing else uses them.
                unsafe { $write }
            }

            #[inline(always)]
            fn unpack($read_packed: Self::Packed) -> Self {
                // SAFETY: registers exist, so the machine has their instructions.
                unsafe { $unpack }
            }

            #[inline(always)]
            fn pack(self) -> Self::Packed {
                let $values = self;
                // SAFETY: as above.
                unsafe { $pack }
            }

            $(
                #[inline(always)]
                fn pack_any(self) -> Self::Packed {
                    let $any = self;
                    // SAFETY: transmuted are lanes to an array of as many numbers, and an array of as many
                    // elements to the packed form.
                    unsafe { $pack_any }
                }
            )?
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use stored;

/// Implements [`Stored`] for two registers of elements whose stored form is the one that is computed in.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! stored_as_computed {
    ([$($generics:tt)*] $register:ty, $element:ty, $make:expr, $load:ident, $store:ident) => {
        $crate::kernel::lanes::stored!(
            [$($generics)*] $crate::kernel::lanes::Pair<$register>, $element, Self;
            read(from) => Self($make($load(from)), $make($load(from.add(Self::COUNT / 2)))),
            write(packed, to) => {
                $store(to, packed.0.0);
                $store(to.add(Self::COUNT / 2), packed.1.0);
            },
            unpack(packed) => packed,
            pack(values) => values
        );
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use stored_as_computed;
