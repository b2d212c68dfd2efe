//! Converts C arguments to Rust types, or says what is wrong with them.

use super::{
    RADAM_AUTO, RADAM_DTYPE_BF16, RADAM_DTYPE_F16, RADAM_DTYPE_F32, RADAM_DTYPE_F64,
    RADAM_DTYPE_Q8, RADAM_OFF, RADAM_ON, RADAM_STATE_EXP_AVG, RADAM_STATE_EXP_AVG_SQ,
    RADAM_STATE_KAHAN_COMP, RADAM_STATE_MASTER_REMAINDER, RADAM_STATE_SCALE, radam_dtype,
    radam_state, radam_toggle,
};
use crate::error::{Result, ensure, error};
use crate::kernel::{Dtype, StateDtype};
use crate::optimizer::{Place, State, Toggle};
use std::ffi::{CStr, c_char};
use std::fmt;

pub(super) fn toggle(name: &str, value: radam_toggle) -> Result<Toggle> {
    match value {
        RADAM_OFF => Ok(Toggle::Off),
        RADAM_ON => Ok(Toggle::On),
        RADAM_AUTO => Ok(Toggle::Auto),
        _ => Err(error!(
            InvalidArgument,
            "{name} is {value}; it must be RADAM_OFF (0), RADAM_ON (1) or RADAM_AUTO (2)"
        )),
    }
}

pub(super) const fn toggle_value(toggle: Toggle) -> radam_toggle {
    match toggle {
        Toggle::Off => RADAM_OFF,
        Toggle::On => RADAM_ON,
        Toggle::Auto => RADAM_AUTO,
    }
}

/// A dtype that has no default.
#[inline(never)]
pub(super) fn dtype(place: Place, name: &str, value: radam_dtype) -> Result<Dtype> {
    known(value).ok_or_else(|| {
        error!(
            InvalidArgument,
            "{place}{name} is {value}; it must be RADAM_DTYPE_F32 (1), RADAM_DTYPE_F64 (2), \
             RADAM_DTYPE_F16 (3) or RADAM_DTYPE_BF16 (4)"
        )
    })
}

/// A dtype, or `None` for 0, the default of the field.
pub(super) fn dtype_or_default(
    place: Place,
    name: &str,
    value: radam_dtype,
) -> Result<Option<Dtype>> {
    optional(place, name, value, "RADAM_DTYPE_F64 (2), RADAM_DTYPE_F16 (3), RADAM_DTYPE_BF16 (4)")
}

/// The dtype of a copy, or `None` for 0.
pub(super) fn copy_dtype(place: Place, value: radam_dtype) -> Result<Option<Dtype>> {
    optional(place, "copy_dtype", value, "RADAM_DTYPE_F16 (3), RADAM_DTYPE_BF16 (4)")
}

/// The dtype of a group's state, or `None` for 0.
pub(super) fn state_dtype(place: Place, value: radam_dtype) -> Result<Option<StateDtype>> {
    if value == RADAM_DTYPE_Q8 {
        return Ok(Some(StateDtype::Q8));
    }
    let others =
        "RADAM_DTYPE_F64 (2), RADAM_DTYPE_F16 (3), RADAM_DTYPE_BF16 (4), RADAM_DTYPE_Q8 (5)";
    Ok(optional(place, "state_dtype", value, others)?.map(StateDtype::from))
}

/// A dtype, or `None` for 0. `others` are those that may be given besides f32.
#[inline(never)]
fn optional(place: Place, name: &str, value: radam_dtype, others: &str) -> Result<Option<Dtype>> {
    ensure!(
        value == 0 || known(value).is_some(),
        InvalidArgument,
        "{place}{name} is {value}; it must be RADAM_DTYPE_F32 (1), {others}, or 0 for the default"
    );
    Ok(known(value))
}

fn known(value: radam_dtype) -> Option<Dtype> {
    match value {
        RADAM_DTYPE_F32 => Some(Dtype::F32),
        RADAM_DTYPE_F64 => Some(Dtype::F64),
        RADAM_DTYPE_F16 => Some(Dtype::F16),
        RADAM_DTYPE_BF16 => Some(Dtype::Bf16),
        _ => None,
    }
}

pub(super) const fn state_dtype_value(dtype: Option<StateDtype>) -> radam_dtype {
    match dtype {
        None => 0,
        Some(StateDtype::Elements(dtype)) => dtype_value(Some(dtype)),
        Some(StateDtype::Q8) => RADAM_DTYPE_Q8,
    }
}

pub(super) const fn dtype_value(dtype: Option<Dtype>) -> radam_dtype {
    match dtype {
        None => 0,
        Some(Dtype::F32) => RADAM_DTYPE_F32,
        Some(Dtype::F64) => RADAM_DTYPE_F64,
        Some(Dtype::F16) => RADAM_DTYPE_F16,
        Some(Dtype::Bf16) => RADAM_DTYPE_BF16,
    }
}

/// An array of a state, null if there is none, and its dtype, if it has one.
pub(super) fn state_array(
    which: radam_state,
    state: &State,
) -> Result<(*mut u8, Option<StateDtype>)> {
    let moments = Some(state.kind.moments());
    match which {
        RADAM_STATE_EXP_AVG => Ok((state.exp_avg(), moments)),
        RADAM_STATE_EXP_AVG_SQ => Ok((state.exp_avg_sq(), moments)),
        RADAM_STATE_KAHAN_COMP => Ok((state.kahan_comp(), Some(state.kind.dtype.into()))),
        RADAM_STATE_MASTER_REMAINDER => Ok((state.master_remainder().cast(), None)),
        RADAM_STATE_SCALE => Ok((state.state_scale().cast(), None)),
        _ => Err(error!(
            InvalidArgument,
            "which is {which}; it must be RADAM_STATE_EXP_AVG (1), RADAM_STATE_EXP_AVG_SQ (2), \
             RADAM_STATE_KAHAN_COMP (3), RADAM_STATE_MASTER_REMAINDER (4) or RADAM_STATE_SCALE (5)"
        )),
    }
}

/// Rejects NULL.
pub(super) fn not_null<T>(name: &str, pointer: *const T, what: &str) -> Result<()> {
    ensure!(!pointer.is_null(), NullPointer, "{name} is NULL; it must point to {what}");
    Ok(())
}

/// Writes an output, which must not be NULL.
///
/// # Safety
/// `pointer` is null or writable, at any alignment.
pub(super) unsafe fn output<T>(name: &str, pointer: *mut T, value: T) -> Result<()> {
    not_null(name, pointer, "the variable that receives the result")?;
    // SAFETY: `pointer` is not NULL, so it is writable.
    unsafe { pointer.write_unaligned(value) };
    Ok(())
}

/// Writes an output unless it is NULL.
///
/// # Safety
/// As for [`output`].
pub(super) unsafe fn optional_output<T>(pointer: *mut T, value: T) {
    if !pointer.is_null() {
        // SAFETY: `pointer` is not NULL, so it is writable.
        unsafe { pointer.write_unaligned(value) };
    }
}

/// The text of a name, or `None` for NULL.
///
/// # Safety
/// `name` is null or a NUL-terminated string that does not change during the lifetime `'a`.
pub(super) unsafe fn name<'a>(place: Place, name: *const c_char) -> Result<Option<&'a str>> {
    if name.is_null() {
        return Ok(None);
    }
    // SAFETY: `name` is not NULL, so it ends with a NUL and does not change during the call.
    let text = unsafe { CStr::from_ptr(name) };
    utf8(format_args!("{place}name"), text).map(Some)
}

/// An argument as UTF-8.
pub(super) fn utf8<'a>(name: fmt::Arguments, text: &'a CStr) -> Result<&'a str> {
    text.to_str().map_err(|error| {
        error!(
            InvalidArgument,
            "{name} is not valid UTF-8 from byte {} on; it must be a NUL-terminated UTF-8 string",
            error.valid_up_to()
        )
    })
}
