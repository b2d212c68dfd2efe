//! The dtypes of tensors, as values.

use std::fmt;

/// The type of a tensor's elements. `Display` gives its name: `f32`, `f64`, `f16` or `bf16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dtype {
    /// IEEE 754 single precision: [`prim@f32`].
    F32,
    /// IEEE 754 double precision: [`prim@f64`].
    F64,
    /// IEEE 754 half precision: [`half::f16`].
    F16,
    /// bfloat16, the upper 16 bits of an `f32`: [`half::bf16`].
    Bf16,
}

impl Dtype {
    /// The size of an element in bytes, which is also the alignment that a tensor must have.
    pub(crate) fn size(self) -> usize {
        match self {
            Dtype::F64 => 8,
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::Bf16 => 2,
        }
    }

    /// Whether Kahan summation is on unless the caller says otherwise.
    pub(crate) fn is_16_bit(self) -> bool {
        self.size() == 2
    }
}

/// How the state of a parameter is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateDtype {
    /// As elements of a dtype: that of the parameter, or f32.
    Elements(Dtype),
    /// In 8 bits, with an exponent and a scale for each block of 128 elements: 2.03 bytes an element for `exp_avg` and
    /// `exp_avg_sq` together.
    Q8,
}

impl From<Dtype> for StateDtype {
    fn from(dtype: Dtype) -> Self {
        Self::Elements(dtype)
    }
}

impl fmt::Display for StateDtype {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Elements(dtype) => dtype.fmt(formatter),
            Self::Q8 => formatter.write_str("q8"),
        }
    }
}

/// `with_element!(dtype, E => expression)`: the expression with the type of the dtype's elements as E.
macro_rules! with_element {
    ($dtype:expr, $element:ident => $expression:expr) => {
        match $dtype {
            $crate::kernel::Dtype::F32 => {
                type $element = f32;
                $expression
            }
            $crate::kernel::Dtype::F64 => {
                type $element = f64;
                $expression
            }
            $crate::kernel::Dtype::F16 => {
                type $element = half::f16;
                $expression
            }
            $crate::kernel::Dtype::Bf16 => {
                type $element = half::bf16;
                $expression
            }
        }
    };
}
pub(super) use with_element;

impl fmt::Display for Dtype {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Dtype::F32 => "f32",
            Dtype::F64 => "f64",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
        })
    }
}
