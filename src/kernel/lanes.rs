//! Several elements at a time: what a loop over arrays needs of a register.
//!
//! Registers are made in the loops that `dispatch` compiles for their instruction set, and nowhere else. That
//! is what makes the intrinsics behind them safe to use.

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
        // SAFETY: the precondition is the same.
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
        // SAFETY: the precondition is the same.
        unsafe { Self::write(self.pack_if(nan), to) };
    }
}

/// Elements that are not there, for an array that a loop does without.
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

/// bfloat16 in whatever order of lanes is cheapest: its neighbours in memory, which share 32 bits,
/// need not be neighbours in registers.
///
/// Only for loops in which every array is of this type and no coefficient is a NaN with a payload: then every
/// NaN has zeros in its lower half, and is still one when rounded as a number is.
#[repr(transparent)]
pub(super) struct EvenOdd {
    _element: bf16,
}

/// The bf16 nearest to each value, NaN being any.
#[cold]
#[inline(never)]
pub(super) fn each_to_bf16<const N: usize>(values: [f32; N]) -> [bf16; N] {
    values.map(bf16::store)
}

/// What makes the smallest f32 a normal number, and what its square root is then too large by.
#[cfg(target_arch = "x86_64")]
pub(super) const SCALE: f32 = (1u64 << 32) as f32;
#[cfg(target_arch = "x86_64")]
pub(super) const ROOT_SCALE: f32 = 1.0 / (1 << 16) as f32;

/// Two registers as one: work for the second hides the latency of the first.
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
                // SAFETY: the machine has the instructions of a register that was made.
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
                // SAFETY: as above. Of a NaN in `self` and a number, both take the NaN.
                Self(unsafe { $max(lowest.0, $min(limit.0, self.0)) })
            }
            #[inline(always)]
            fn from_f64($value: f64) -> Self {
                // SAFETY: only loops of the instruction set make registers.
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
                // SAFETY: the machine has the instructions of a register that was made.
                Self(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    };
}
pub(super) use register_operator;

/// `stored!([generics] lanes, element, packed; read(from) => …, write(packed, to) => …, unpack(packed) => …,
/// pack(lanes) => …)` makes lanes that come from such elements, by expressions of intrinsics. With
/// `pack_any(lanes) => …`, `pack` is for numbers only.
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
        #[allow(unused_unsafe)] // where there is nothing to unpack
        impl<$($generics)*> $crate::kernel::lanes::Stored<$element> for $lanes {
            type Packed = $packed;
            const NUMBERS_ONLY: bool = !<[&str]>::is_empty(&[$(stringify!($any))?]);

            #[inline(always)]
            unsafe fn read($from: *const $element) -> Self::Packed {
                // SAFETY: the caller has the elements, and only loops of the instruction set read them.
                unsafe { $read }
            }

            #[inline(always)]
            unsafe fn write($written: Self::Packed, $to: *mut $element) {
                // SAFETY: as above; and nothing else uses the elements.
                unsafe { $write }
            }

            #[inline(always)]
            fn unpack($read_packed: Self::Packed) -> Self {
                // SAFETY: the machine has the instructions of registers that were made.
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
                    // SAFETY: a block of registers is as many numbers as it has lanes, and a packed one as
                    // many elements.
                    unsafe { $pack_any }
                }
            )?
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use stored;

/// Lanes of two registers whose elements are computed in as they are in memory.
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
