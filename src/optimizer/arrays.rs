//! The arrays that a caller brings for a parameter.

use crate::kernel::Dtype;
use std::ffi::c_void;
use std::fmt;
use std::ops::Range;
use std::ptr;

/// Where an array of the caller's is, or that there is none.
///
/// To make one is to promise what [`new`](Self::new) asks for. That is what SAFETY comments mean by "the array is
/// the caller's": it was checked to be aligned and apart from the others, and all the rest was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct CallerArray(*mut u8);

// SAFETY: it is an address; what is done with it on any thread is promised by whoever made it.
unsafe impl Send for CallerArray {}
// SAFETY: as above.
unsafe impl Sync for CallerArray {}

impl CallerArray {
    pub const NONE: Self = Self(ptr::null_mut());

    /// # Safety
    /// The pointer is null, or it has as many elements as the parameter or the call says, of the dtype that it
    /// says. They stay valid for as long as the optimizer has them: until the call returns, the array is
    /// replaced, or the parameter is removed. During calls that step or measure, nobody else writes them nor,
    /// unless they are a gradient, reads them.
    pub unsafe fn new(pointer: *mut c_void) -> Self {
        Self(pointer.cast())
    }

    pub fn is_none(self) -> bool {
        self.0.is_null()
    }

    pub fn pointer(self) -> *mut u8 {
        self.0
    }

    /// The addresses of so many bytes from there on; nowhere if there is no array.
    pub fn range(self, bytes: usize) -> Range<usize> {
        if self.is_none() { 0..0 } else { self.0.addr()..self.0.addr() + bytes }
    }
}

/// What the elements of an array are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ElementType {
    Float(Dtype),
    /// Of a code of 8-bit state.
    I8,
    U8,
    /// Of a master remainder.
    I16,
    /// Of the word of a block of 8-bit state.
    U32,
}

impl From<Dtype> for ElementType {
    fn from(dtype: Dtype) -> Self {
        Self::Float(dtype)
    }
}

impl ElementType {
    /// The size of an element in bytes, which is also its alignment.
    pub fn size(self) -> usize {
        match self {
            Self::Float(dtype) => dtype.size(),
            Self::I8 | Self::U8 => 1,
            Self::I16 => 2,
            Self::U32 => 4,
        }
    }

    /// The size of `len` elements in bytes, or `None` if there cannot be as many.
    pub fn byte_size(self, len: u64) -> Option<usize> {
        let bytes = usize::try_from(len).ok()?.checked_mul(self.size())?;
        isize::try_from(bytes).ok()?;
        Some(bytes)
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::Float(dtype) => return dtype.fmt(formatter),
            Self::I8 => "int8_t",
            Self::U8 => "uint8_t",
            Self::I16 => "int16_t",
            Self::U32 => "uint32_t",
        })
    }
}

/// An array of the caller's that knows its dtype and its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallerSlice {
    pub array: CallerArray,
    pub dtype: Dtype,
    pub len: usize,
}

/// What a caller brings for a parameter besides its elements and its gradient.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    /// Where the new values are copied to, in another dtype.
    pub copy: CallerArray,
    pub copy_dtype: Dtype,
    /// By [`StateArray`].
    pub state: [CallerArray; StateArray::ALL.len()],
    /// That the parameter is part of a larger tensor: from which element on, and of how many.
    pub slice: Option<(u64, u64)>,
}

impl Given {
    pub const NOTHING: Self = Self {
        copy: CallerArray::NONE,
        copy_dtype: Dtype::Bf16,
        state: [CallerArray::NONE; StateArray::ALL.len()],
        slice: None,
    };

    pub fn is_nothing(&self) -> bool {
        let has_default = self.copy_dtype == Self::NOTHING.copy_dtype;
        let brings_none = self.copy.is_none() && self.state.iter().all(|a| a.is_none());
        self.slice.is_none() && has_default && brings_none
    }
}

/// An array of a parameter's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StateArray {
    ExpAvg,
    ExpAvgSq,
    /// `kahan_comp` or `master_remainder`.
    Compensation,
    /// `state_scale`, of 8-bit state.
    Scale,
}

impl StateArray {
    pub const ALL: [Self; 4] = [Self::ExpAvg, Self::ExpAvgSq, Self::Compensation, Self::Scale];
}

/// An array of a parameter. Steps write all but the gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArrayKind {
    Grad,
    Data,
    Copy,
    State(StateArray),
}

impl ArrayKind {
    /// Those that a caller may bring or leave to the library.
    pub const GIVEN: [Self; 5] = [
        Self::Copy,
        Self::State(StateArray::ExpAvg),
        Self::State(StateArray::ExpAvgSq),
        Self::State(StateArray::Compensation),
        Self::State(StateArray::Scale),
    ];

    /// As `radam_param` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grad => "grad",
            Self::Data => "data",
            Self::Copy => "copy",
            Self::State(StateArray::ExpAvg) => "exp_avg",
            Self::State(StateArray::ExpAvgSq) => "exp_avg_sq",
            Self::State(StateArray::Compensation) => "kahan_comp",
            Self::State(StateArray::Scale) => "state_scale",
        }
    }
}
