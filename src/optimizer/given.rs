//! What a caller can bring for a parameter besides its elements and its gradient.

use crate::kernel::Dtype;
use std::ptr;

/// Arrays that the caller brings for a parameter; null: none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    /// A copy of the parameter in another dtype.
    pub out: *mut u8,
    pub out_dtype: Dtype,
    /// `exp_avg`, `exp_avg_sq`, and the compensation.
    pub state: [*mut u8; 3],
    /// That the parameter is part of a larger tensor: from which element on, and of how many.
    pub slice: Option<(u64, u64)>,
}

impl Given {
    pub const NOTHING: Self = Self {
        out: ptr::null_mut(),
        out_dtype: Dtype::Bf16,
        state: [ptr::null_mut(); 3],
        slice: None,
    };

    pub fn is_nothing(&self) -> bool {
        self.slice.is_none() && self.out.is_null() && self.state.iter().all(|array| array.is_null())
    }

    /// Where an array is; null if it was not given. A parameter's own elements are not here.
    pub fn array(&self, kind: ArrayKind) -> *mut u8 {
        match kind {
            ArrayKind::Data => ptr::null_mut(),
            ArrayKind::Out => self.out,
            ArrayKind::State(number) => self.state[number],
        }
    }
}

/// An array that steps write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArrayKind {
    Data,
    Out,
    /// `exp_avg`, `exp_avg_sq` or the compensation.
    State(usize),
}

impl ArrayKind {
    pub const GIVEN: [Self; 4] = [Self::Out, Self::State(0), Self::State(1), Self::State(2)];

    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Out => "out",
            Self::State(0) => "exp_avg",
            Self::State(1) => "exp_avg_sq",
            Self::State(_) => "kahan_comp",
        }
    }
}
