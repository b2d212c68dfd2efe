//! Which instruction sets this machine has, and plain loops compiled for them.

use super::environment::wanted;
use crate::error::{Result, error};
use std::fmt;

/// An instruction set that this machine has: values exist only of detected ones, so functions that take one
/// may use its instructions. The loops of all instruction sets give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InstructionSet(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What every machine of the architecture has, as the compiler uses it for plain loops: SSE2 on x86-64,
    /// NEON on aarch64.
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// With VBMI, which packs bytes; only 8-bit state needs that.
    #[cfg(target_arch = "x86_64")]
    Avx512Vbmi,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl InstructionSet {
    pub const PORTABLE: Self = Self(Kind::Portable);

    /// From the least to the most capable.
    const ALL: &[Self] = &[
        Self::PORTABLE,
        #[cfg(target_arch = "x86_64")]
        Self(Kind::Avx2),
        #[cfg(target_arch = "x86_64")]
        Self(Kind::Avx512),
        #[cfg(target_arch = "x86_64")]
        Self(Kind::Avx512Vbmi),
        #[cfg(target_arch = "aarch64")]
        Self(Kind::Neon),
    ];

    /// The most capable one, or the one that the environment variable RADAM_ISA names.
    pub fn choose() -> Result<Self> {
        match wanted() {
            None => Ok(Self::available().last().unwrap_or(Self::PORTABLE)),
            Some(name) => Self::available().find(|set| name.is(set.name())).ok_or_else(|| {
                error!(
                    InvalidArgument,
                    "the environment variable RADAM_ISA was \"{name}\" when the library was loaded, which is no \
                     instruction set of this machine; it must be one of {AvailableNames}, or not be set"
                )
            }),
        }
    }

    pub(super) fn available() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|set| set.0.is_available())
    }

    pub(super) fn kind(self) -> Kind {
        self.0
    }

    fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vbmi => "avx512vbmi",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "neon",
        }
    }
}

impl Kind {
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
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vbmi => {
                Self::Avx512.is_available() && is_x86_feature_detected!("avx512vbmi")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
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

/// `compiled_loop! { fn name(argument: Type, …) -> Type { … } }` defines an unsafe function that runs a plain loop
/// compiled for the instruction set in its first argument: with AVX2, or for any machine. (AVX-512 would gain
/// little for what it adds to the size of the library; aarch64 always has NEON.)
///
/// What the loop calls must be `#[inline(always)]`, so that it is compiled with the target features of its caller.
macro_rules! compiled_loop {
    (
        $(#[$documentation:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block
    ) => {
        $(#[$documentation])*
        $visibility unsafe fn $name(
            instruction_set: $crate::kernel::InstructionSet,
            $($argument: $type),*
        ) $(-> $result)? {
            #[inline(always)]
            unsafe fn plain($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,f16c")]
            unsafe fn avx2($($argument: $type),*) $(-> $result)? {
                // SAFETY: the preconditions are the same.
                unsafe { plain($($argument),*) }
            }
            // SAFETY: the preconditions are the same, and the machine has the instruction set; one with
            // AVX-512 was checked for AVX2 too.
            unsafe {
                match instruction_set.kind() {
                    #[cfg(target_arch = "x86_64")]
                    $crate::kernel::detect::Kind::Avx2
                    | $crate::kernel::detect::Kind::Avx512
                    | $crate::kernel::detect::Kind::Avx512Vbmi => avx2($($argument),*),
                    _ => plain($($argument),*),
                }
            }
        }
    };
}
pub(super) use compiled_loop;
