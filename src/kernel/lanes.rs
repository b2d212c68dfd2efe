//! Several elements at a time: what a loop over arrays needs of a register.

use super::element::Element;
use crate::math::Arithmetic;
use half::bf16;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A few neighbouring elements of a tensor, in the type that is computed in.
///
/// Arithmetic goes lane by lane, each lane rounded as the type itself is, so that it does not matter
/// how many lanes there are.
pub(super) trait Lanes: Arithmetic {
    const COUNT: usize;
    /// Whether any of the lanes is NaN.
    fn any_nan(self) -> bool;
}

/// Lanes that come from elements of type E and go back to them.
pub(super) trait Stored<E>: Lanes {
    /// `COUNT` elements in registers, as they are in memory.
    type Packed: Copy;

    /// Whether `pack` is for numbers only, and NaN needs `pack_any`.
    const NUMBERS_ONLY: bool;

    /// # Safety
    /// `COUNT` elements are there.
    unsafe fn read(from: *const E) -> Self::Packed;

    /// # Safety
    /// `COUNT` elements are there, and nothing else reads or writes them.
    unsafe fn write(packed: Self::Packed, to: *mut E);

    /// The values of the elements, exactly.
    fn unpack(packed: Self::Packed) -> Self;

    /// The elements nearest to the values, ties to even. With `NUMBERS_ONLY`, the only NaN that it
    /// takes is the one without a payload that arithmetic on numbers and infinities makes.
    fn pack(self) -> Self::Packed;

    /// As `pack`, for any values, slowly.
    #[inline(always)]
    fn pack_any(self) -> Self::Packed {
        self.pack()
    }

    /// # Safety
    /// As for `read`.
    #[inline(always)]
    unsafe fn load(from: *const E) -> Self {
        // SAFETY: the caller's promise.
        Self::unpack(unsafe { Self::read(from) })
    }

    /// `pack` or, where some value is NaN, `pack_any`.
    #[inline(always)]
    fn pack_if(self, nan: bool) -> Self::Packed {
        if Self::NUMBERS_ONLY && nan { self.pack_any() } else { self.pack() }
    }

    /// # Safety
    /// As for `write`.
    #[inline(always)]
    unsafe fn store(self, nan: bool, to: *mut E) {
        // SAFETY: the caller's promise.
        unsafe { Self::write(self.pack_if(nan), to) };
    }
}

/// Elements that are not there, for an array that a loop does without.
pub(super) struct Nothing;

impl<V: Lanes> Stored<Nothing> for V {
    type Packed = ();
    const NUMBERS_ONLY: bool = false;

    #[inline(always)]
    unsafe fn read(_: *const Nothing) {}

    #[inline(always)]
    unsafe fn write((): (), _: *mut Nothing) {}

    #[inline(always)]
    fn unpack((): ()) -> Self {
        Self::from_f64(0.0)
    }

    #[inline(always)]
    fn pack(self) {}
}

/// bfloat16 in whatever order of lanes is cheapest: its neighbours in memory, which share 32 bits,
/// need not be neighbours in registers. Only for loops in which every array is of this type, so that any
/// NaN has zeros in its lower half and rounding cannot carry it away.
#[repr(transparent)]
pub(super) struct EvenOdd {
    _bits: u16,
}

/// The bf16 nearest to each value, NaN being any.
#[cold]
#[inline(never)]
pub(super) fn each_to_bf16<const N: usize>(values: [f32; N]) -> [u16; N] {
    values.map(|value| bf16::store(value).to_bits())
}

/// What makes the smallest f32 a normal number, and what its square root is then too large by.
#[cfg(target_arch = "x86_64")]
pub(super) const SCALE: f32 = (1u64 << 32) as f32;
#[cfg(target_arch = "x86_64")]
pub(super) const ROOT_SCALE: f32 = 1.0 / (1 << 16) as f32;

/// Two registers as one: work for the second hides how long the first takes.
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

/// The operators and the square root of a register, each an intrinsic of the instruction set.
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
                // SAFETY: only kernels of this instruction set make registers.
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
                // SAFETY: as above. Of NaN in `self` and a number, both take NaN.
                Self(unsafe { $max(lowest.0, $min(limit.0, self.0)) })
            }
            #[inline(always)]
            fn from_f64($value: f64) -> Self {
                // SAFETY: as above.
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
                // SAFETY: only kernels of this instruction set make registers.
                Self(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    };
}
pub(super) use register_operator;

/// `stored_as_computed!([generics] register, element, constructor, load, store)`: a block of two registers of
/// elements that are computed in as they are in memory.
macro_rules! stored_as_computed {
    ([$($generics:tt)*] $register:ty, $element:ty, $make:expr, $load:ident, $store:ident) => {
        impl<$($generics)*> $crate::kernel::lanes::Stored<$element>
            for $crate::kernel::lanes::Pair<$register>
        {
            type Packed = Self;
            const NUMBERS_ONLY: bool = false;

            #[inline(always)]
            unsafe fn read(from: *const $element) -> Self::Packed {
                // SAFETY: the caller's promise.
                unsafe { Self($make($load(from)), $make($load(from.add(Self::COUNT / 2)))) }
            }

            #[inline(always)]
            unsafe fn write(packed: Self::Packed, to: *mut $element) {
                // SAFETY: the caller's promise.
                unsafe {
                    $store(to, packed.0.0);
                    $store(to.add(Self::COUNT / 2), packed.1.0);
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
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use stored_as_computed;
