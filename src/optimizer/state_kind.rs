//! What the state of a parameter consists of.

use super::arrays::{ElementType, StateArray};
use crate::kernel::{Dtype, StateDtype};
use crate::math::q8;
use std::fmt;

/// Elements of a whole tensor from which on a group of 8-bit state codes it. Smaller ones keep f32, which is faster in a
/// cache, and gain nothing.
pub(crate) const Q8_FROM: u64 = 4096;

/// How the rounding of a parameter is compensated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compensation {
    None,
    /// By what rounding has lost so far.
    Kahan,
    /// By the lower half of the f32 whose upper half the parameter is, as an i16.
    Remainder,
}

impl fmt::Display for Compensation {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "no compensation",
            Self::Kahan => "kahan_comp",
            Self::Remainder => "master_remainder",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateKind {
    /// Of `kahan_comp` and, unless they are coded, of `exp_avg` and `exp_avg_sq`.
    pub dtype: Dtype,
    /// Whether `exp_avg` and `exp_avg_sq` are codes of 8 bits.
    pub q8: bool,
    pub compensation: Compensation,
}

impl StateKind {
    /// How `exp_avg` and `exp_avg_sq` are stored.
    pub fn moments(self) -> StateDtype {
        if self.q8 { StateDtype::Q8 } else { self.dtype.into() }
    }

    /// Whether the state has this array.
    pub fn has(self, array: StateArray) -> bool {
        match array {
            StateArray::ExpAvg | StateArray::ExpAvgSq => true,
            StateArray::Compensation => self.compensation != Compensation::None,
            StateArray::Scale => self.q8,
        }
    }

    pub fn element_of(self, array: StateArray) -> ElementType {
        match array {
            StateArray::ExpAvg if self.q8 => ElementType::I8,
            StateArray::ExpAvgSq if self.q8 => ElementType::U8,
            StateArray::Compensation if self.compensation == Compensation::Remainder => {
                ElementType::I16
            }
            StateArray::Scale => ElementType::U32,
            _ => ElementType::Float(self.dtype),
        }
    }

    /// Elements of an array, of a parameter that has `len`.
    pub fn len_of(self, array: StateArray, len: u64) -> u64 {
        if array == StateArray::Scale { len.div_ceil(q8::BLOCK as u64) } else { len }
    }

    /// As the array is called in checkpoints.
    pub fn name_of(self, array: StateArray) -> &'static str {
        match array {
            StateArray::ExpAvg => "exp_avg",
            StateArray::ExpAvgSq => "exp_avg_sq",
            StateArray::Compensation if self.compensation == Compensation::Remainder => {
                "master_remainder"
            }
            StateArray::Compensation => "kahan_comp",
            StateArray::Scale => "state_scale",
        }
    }
}
