//! The loops of `arrays.rs` compiled for each instruction set, and which ones this machine has.
//!
//! To add an instruction set: a variant of [`InstructionSet`], an `instruction_set!` line with the
//! target features, and an arm in `Kernel::new`.

use super::arrays::{self, Arrays};
use crate::error::{Result, error};
use crate::number::{Element, Real};
use crate::update::Coefficients;
use std::fmt;

/// Which of the compiled loops run. All of them give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstructionSet {
    /// What every machine of the architecture has: SSE2 on x86-64, NEON on aarch64.
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl InstructionSet {
    /// From the least to the most capable.
    const ALL: &[Self] = &[
        Self::Portable,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
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

    fn available() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|set| set.is_available())
    }

    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
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

pub(super) type UpdateLoop = unsafe fn(&Coefficients<f64>, &Arrays);
pub(super) type ConvertLoop = unsafe fn(*const u8, *mut u8, usize);

/// The loops of `arrays.rs` for one instruction set.
///
/// All are unsafe as the loops are, and because the machine must have the instruction set.
pub(super) trait Compiled {
    unsafe fn update<P, G, S, const RECTIFIED: bool, const DECAY: bool, const KAHAN: bool>(
        coefficients: &Coefficients<f64>,
        arrays: &Arrays,
    ) where
        P: Element,
        G: Element,
        S: Element;

    unsafe fn accumulate<R: Real, G: Element, S: Element>(
        coefficients: &Coefficients<f64>,
        arrays: &Arrays,
    );

    unsafe fn convert_array<From: Element, To: Element>(
        source: *const u8,
        target: *mut u8,
        len: usize,
    );
}

macro_rules! instruction_set {
    ($(#[$attribute:meta])* $name:ident $(, $target_feature:meta)?) => {
        $(#[$attribute])*
        pub(super) enum $name {}

        $(#[$attribute])*
        impl Compiled for $name {
            $(#[$target_feature])?
            unsafe fn update<P, G, S, const RECTIFIED: bool, const DECAY: bool, const KAHAN: bool>(
                coefficients: &Coefficients<f64>,
                arrays: &Arrays,
            ) where
                P: Element,
                G: Element,
                S: Element,
            {
                // SAFETY: the caller's promise.
                unsafe {
                    arrays::update::<P, G, S, RECTIFIED, DECAY, KAHAN>(coefficients, arrays)
                }
            }

            $(#[$target_feature])?
            unsafe fn accumulate<R: Real, G: Element, S: Element>(
                coefficients: &Coefficients<f64>,
                arrays: &Arrays,
            ) {
                // SAFETY: the caller's promise.
                unsafe { arrays::accumulate::<R, G, S>(coefficients, arrays) }
            }

            $(#[$target_feature])?
            unsafe fn convert_array<From: Element, To: Element>(
                source: *const u8,
                target: *mut u8,
                len: usize,
            ) {
                // SAFETY: the caller's promise.
                unsafe { arrays::convert_array::<From, To>(source, target, len) }
            }
        }
    };
}

instruction_set!(Portable);
instruction_set!(
    #[cfg(target_arch = "x86_64")]
    Avx2,
    target_feature(enable = "avx2")
);
instruction_set!(
    #[cfg(target_arch = "x86_64")]
    Avx512,
    target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")
);
