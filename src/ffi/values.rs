//! The constants of C: dtypes, toggles and arrays of the state.

/// The type of the elements of an array: one of the RADAM_DTYPE_... constants, or 0 for the default
/// of the field or argument. A later version may add constants.
pub type radam_dtype = i32;

/// The values of radam_dtype.
#[repr(C)]
pub enum radam_dtype_values {
    /// IEEE 754 single precision: float.
    RADAM_DTYPE_F32 = 1,
    /// IEEE 754 double precision: double.
    RADAM_DTYPE_F64 = 2,
    /// IEEE 754 half precision.
    RADAM_DTYPE_F16 = 3,
    /// bfloat16: the upper 16 bits of a float.
    RADAM_DTYPE_BF16 = 4,
    /// For state_dtype only: exp_avg and exp_avg_sq in 8 bits each.
    RADAM_DTYPE_Q8 = 5,
}

/// A switch with a default: RADAM_OFF (0, false), RADAM_ON (1, true) or RADAM_AUTO (2, the default
/// of the option). The init functions set RADAM_AUTO, so a switch in a zeroed struct is off.
pub type radam_toggle = i32;

/// The values of radam_toggle.
#[repr(C)]
pub enum radam_toggle_values {
    /// Off.
    RADAM_OFF = 0,
    /// On.
    RADAM_ON = 1,
    /// The default, which the description of each option states.
    RADAM_AUTO = 2,
}

/// Where an optimizer and its arrays are: one of the RADAM_DEVICE_... constants. A later version may
/// add constants.
pub type radam_device = i32;

/// The values of radam_device.
#[repr(C)]
pub enum radam_device_values {
    /// Memory of the process, stepped by its processors.
    RADAM_DEVICE_CPU = 0,
    /// Memory of an NVIDIA GPU, stepped there.
    RADAM_DEVICE_CUDA = 1,
}

/// An array of a parameter's state: one of the RADAM_STATE_... constants. A later version may add
/// constants.
pub type radam_state = i32;

/// The values of radam_state.
#[repr(C)]
pub enum radam_state_values {
    /// The exponential moving average of gradients, debiased; in the dtype of the state. With 8-bit
    /// state (RADAM_DTYPE_Q8), int8_t codes.
    RADAM_STATE_EXP_AVG = 1,
    /// The exponential moving average of squared gradients, debiased; in the dtype of the state. With
    /// 8-bit state, uint8_t codes.
    RADAM_STATE_EXP_AVG_SQ = 2,
    /// The compensation of Kahan summation (kahan_sum); in the dtype of the state. With 8-bit state, in
    /// the dtype of the parameter.
    RADAM_STATE_KAHAN_COMP = 3,
    /// The lower parts of the master weights (master_remainder); int16_t, for which there is no
    /// radam_dtype.
    RADAM_STATE_MASTER_REMAINDER = 4,
    /// What the codes of 8-bit state stand for: a uint32_t for each block of 128 elements;
    /// docs/q8.md describes it. There is no radam_dtype for it.
    RADAM_STATE_SCALE = 5,
}

/// `constants!(type = values: name, ...)`: the enumerators of C as constants of the type that C passes them as.
macro_rules! constants {
    ($type:ident = $values:ident: $($name:ident),+ $(,)?) => {
        $(
            #[allow(missing_docs)] // described at the enum
            pub const $name: $type = $values::$name as $type;
        )+
    };
}
pub(super) use constants;

constants!(radam_dtype = radam_dtype_values:
    RADAM_DTYPE_F32, RADAM_DTYPE_F64, RADAM_DTYPE_F16, RADAM_DTYPE_BF16, RADAM_DTYPE_Q8);
constants!(radam_toggle = radam_toggle_values: RADAM_OFF, RADAM_ON, RADAM_AUTO);
constants!(radam_device = radam_device_values: RADAM_DEVICE_CPU, RADAM_DEVICE_CUDA);
constants!(radam_state = radam_state_values:
    RADAM_STATE_EXP_AVG, RADAM_STATE_EXP_AVG_SQ, RADAM_STATE_KAHAN_COMP, RADAM_STATE_MASTER_REMAINDER,
    RADAM_STATE_SCALE);
