//! The values of options: named constants of C.

/// What a tensor's elements are: one of the RADAM_DTYPE_… constants, or 0 for the default of the
/// field that it is in.
pub type radam_dtype = i32;

/// The values of radam_dtype.
#[repr(C)]
pub enum radam_dtype_values {
    /// IEEE single precision, C's float.
    RADAM_DTYPE_F32 = 1,
    /// IEEE double precision, C's double.
    RADAM_DTYPE_F64 = 2,
    /// IEEE half precision.
    RADAM_DTYPE_F16 = 3,
    /// bfloat16, the upper half of a float.
    RADAM_DTYPE_BF16 = 4,
}

/// A choice: RADAM_OFF, which is C's false, RADAM_ON, which is true, or RADAM_AUTO, which leaves it to the
/// library.
pub type radam_toggle = i32;

/// The values of radam_toggle.
#[repr(C)]
pub enum radam_toggle_values {
    /// No.
    RADAM_OFF = 0,
    /// Yes.
    RADAM_ON = 1,
    /// What the description of the option says. The init functions set it.
    RADAM_AUTO = 2,
}

/// An array that belongs to a parameter's state: one of the RADAM_STATE_... constants.
pub type radam_state = i32;

/// The values of radam_state.
#[repr(C)]
pub enum radam_state_values {
    /// The average of gradients, debiased, in the dtype of the state.
    RADAM_STATE_EXP_AVG = 1,
    /// The average of squared gradients, debiased, in the dtype of the state.
    RADAM_STATE_EXP_AVG_SQ = 2,
    /// What Kahan summation keeps of the parameter, in the dtype of the state.
    RADAM_STATE_KAHAN_COMP = 3,
    /// What master_remainder keeps of the parameter: int16_t, which is no radam_dtype.
    RADAM_STATE_MASTER_REMAINDER = 4,
}

pub use value_constants::*;

/// cbindgen:ignore
#[allow(missing_docs)] // described at radam_dtype_values and radam_toggle_values
mod value_constants {
    use super::*;

    pub const RADAM_DTYPE_F32: radam_dtype = radam_dtype_values::RADAM_DTYPE_F32 as i32;
    pub const RADAM_DTYPE_F64: radam_dtype = radam_dtype_values::RADAM_DTYPE_F64 as i32;
    pub const RADAM_DTYPE_F16: radam_dtype = radam_dtype_values::RADAM_DTYPE_F16 as i32;
    pub const RADAM_DTYPE_BF16: radam_dtype = radam_dtype_values::RADAM_DTYPE_BF16 as i32;
    pub const RADAM_AUTO: radam_toggle = radam_toggle_values::RADAM_AUTO as i32;
    pub const RADAM_ON: radam_toggle = radam_toggle_values::RADAM_ON as i32;
    pub const RADAM_OFF: radam_toggle = radam_toggle_values::RADAM_OFF as i32;
    pub const RADAM_STATE_EXP_AVG: radam_state = radam_state_values::RADAM_STATE_EXP_AVG as i32;
    pub const RADAM_STATE_EXP_AVG_SQ: radam_state =
        radam_state_values::RADAM_STATE_EXP_AVG_SQ as i32;
    pub const RADAM_STATE_KAHAN_COMP: radam_state =
        radam_state_values::RADAM_STATE_KAHAN_COMP as i32;
    pub const RADAM_STATE_MASTER_REMAINDER: radam_state =
        radam_state_values::RADAM_STATE_MASTER_REMAINDER as i32;
}
