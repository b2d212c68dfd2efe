//! Which instruction sets this machine has, and the loop of `arrays.rs` compiled for each of them.
//!
//! To add one: a file with its registers, a variant of [`InstructionSet`] with its name and how it
//! is detected, a `compiled!` line with its target features, and an arm in `Kernel::new`.

use super::arrays::{self, Arrays};
use super::lanes::{EvenOdd, Stored};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512, lanes::Pair};
#[cfg(target_arch = "aarch64")]
use super::{lanes::Pair, neon};
use crate::error::{Result, error};
use crate::math::Step;
use half::{bf16, f16};
use std::fmt;

/// Which of the compiled loops run. All of them give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstructionSet {
    /// Plain loops, of which the compiler makes what every machine of the architecture has: SSE2 on
    /// x86-64, NEON on aarch64.
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl InstructionSet {
    /// From the least to the most capable.
    const ALL: &[Self] = &[
        Self::Portable,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "aarch64")]
        Self::Neon,
    ];

    /// The best that this machine has, or the one that the environment variable RADAM_ISA names.
    pub fn choose() -> Result<Self> {
        match std::env::var_os("RADAM_ISA") {
            None => Ok(Self::available().last().unwrap_or(Self::Portable)),
            Some(name) => Self::available().find(|set| name == set.name()).ok_or_else(|| {
                error!(
                    InvalidArgument,
                    "the environment variable RADAM_ISA is \"{}\", which is no instruction \
                         set of this machine; it must be one of {AvailableNames}, or not be set",
                    name.display()
                )
            }),
        }
    }

    pub(super) fn available() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|set| set.is_available())
    }

    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
        }
    }
}

struct AvailableNames;

impl fmt::Display for AvailableNames {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        for (index, set) in InstructionSet::available().enumerate() {
            write!(formatter, "{}{}", if index == 0 { "" } else { ", " }, set.name())?;
        }
        Ok(())
    }
}

/// The registers of an instruction set, and the loop of `arrays.rs` compiled for it.
pub(super) trait Compiled {
    /// For state in 16 bits, in which denormal numbers are rare in f32.
    type F32: Stored<f16> + Stored<bf16> + Stored<EvenOdd> + Stored<f32>;
    /// For state in f32, where tiny gradients make denormal moments.
    type CarefulF32: Stored<f32> + Stored<f16> + Stored<bf16>;
    type F64: Stored<f64> + Stored<f32>;

    /// # Safety
    /// As for [`arrays::step`].
    unsafe fn step<V, P, G, S, O, const CLIPS: bool>(step: &Step, arrays: &Arrays)
    where
        V: Stored<P> + Stored<G> + Stored<S> + Stored<O>;
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! compiled {
    ($name:ident, $f32:ty, $careful_f32:ty, $f64:ty, $target_feature:meta) => {
        pub(super) enum $name {}

        impl Compiled for $name {
            type F32 = $f32;
            type CarefulF32 = $careful_f32;
            type F64 = $f64;

            #[$target_feature]
            unsafe fn step<V, P, G, S, O, const CLIPS: bool>(step: &Step, arrays: &Arrays)
            where
                V: Stored<P> + Stored<G> + Stored<S> + Stored<O>,
            {
                // SAFETY: the caller's promise.
                unsafe { arrays::step::<Self, V, P, G, S, O, CLIPS>(step, arrays) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
compiled!(
    Avx2,
    Pair<avx2::F32x8<false>>,
    Pair<avx2::F32x8<true>>,
    Pair<avx2::F64x4>,
    target_feature(enable = "avx2,f16c")
);
#[cfg(target_arch = "x86_64")]
compiled!(
    Avx512,
    Pair<avx512::F32x16<false>>,
    Pair<avx512::F32x16<true>>,
    Pair<avx512::F64x8>,
    target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")
);
// The square root of a denormal number takes no longer here.
#[cfg(target_arch = "aarch64")]
compiled!(
    Neon,
    Pair<Pair<neon::F32x4>>,
    Pair<Pair<neon::F32x4>>,
    Pair<Pair<neon::F64x2>>,
    target_feature(enable = "neon")
);

/// Compiles a plain loop, which the compiler vectorizes, for registers of 256 bits too:
/// `compiled_loop!(name, (argument: Type, …) -> Type, the_loop)` makes a function of that name, whose
/// first argument says what the machine has. (Those of 512 bits would gain little for what they add to
/// the library.) On aarch64 it gets NEON without more.
///
/// The loop is `#[inline(always)]`, so that it gets the instructions of whatever it is compiled into.
macro_rules! compiled_loop {
    ($(#[$documentation:meta])* $name:ident($($argument:ident: $type:ty),*) -> $result:ty = $plain:path) => {
        $(#[$documentation])*
        pub(crate) unsafe fn $name(
            instruction_set: $crate::kernel::InstructionSet,
            $($argument: $type),*
        ) -> $result {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,f16c")]
            unsafe fn avx2($($argument: $type),*) -> $result {
                // SAFETY: the caller's promise.
                unsafe { $plain($($argument),*) }
            }
            // SAFETY: the caller's promise, to which belongs that the machine has the set.
            unsafe {
                match instruction_set {
                    $crate::kernel::InstructionSet::Portable => $plain($($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::kernel::InstructionSet::Avx2
                    | $crate::kernel::InstructionSet::Avx512 => avx2($($argument),*),
                    #[cfg(target_arch = "aarch64")]
                    $crate::kernel::InstructionSet::Neon => $plain($($argument),*),
                }
            }
        }
    };
}
pub(super) use compiled_loop;
