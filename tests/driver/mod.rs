//! A safe wrapper of the C API, which the tests and the benchmarks share.
// Each of these programs compiles this module for itself and uses a part of it.
#![allow(dead_code)]

pub mod device;
pub mod group;
pub mod optimizer;
pub mod param;
pub mod tensor;

use std::mem;
use std::ptr;

use radam::ffi::*;

/// Calls a function whose first argument is the optimizer, and must not fail; if it does, the panic has
/// the library's message.
macro_rules! call {
    ($function:ident($handle:expr $(, $argument:expr)*)) => {{
        let handle = $handle;
        #[allow(unused_unsafe)] // some functions are safe
        // SAFETY: tensors are as long as the library is told, and `Optimizer` keeps them; other pointers
        // are to variables, or null.
        let status = unsafe { $function(handle $(, $argument)*) };
        $crate::driver::outcome(status, handle).unwrap();
    }};
}
pub(crate) use call;

/// A call that failed.
#[derive(Debug)]
pub struct Refusal {
    pub status: radam_status,
    pub message: String,
}

/// What a call came to, of which the optimizer has the message; null: a call without one.
pub fn outcome(status: radam_status, handle: *const radam_optimizer) -> Result<(), Refusal> {
    if status == RADAM_OK {
        return Ok(());
    }
    // That another call is inside is no failure of the optimizer's, but of this thread's call.
    let handle = if status == RADAM_ERROR_BUSY { ptr::null() } else { handle };
    // SAFETY: it may be asked for the size only, and then writes no more than the buffer holds.
    let message = unsafe {
        let mut message = vec![0u8; radam_last_error(handle, ptr::null_mut(), 0) as usize];
        radam_last_error(handle, message.as_mut_ptr().cast(), message.len() as u64);
        message
    };
    let message = String::from_utf8_lossy(&message).trim_end_matches('\0').into();
    Err(Refusal { status, message })
}

/// A struct of the library's with its defaults.
pub fn filled<T>(init: unsafe extern "C" fn(*mut T, u32) -> radam_status) -> T {
    // SAFETY: these structs are made of numbers and pointers, so they may be zeros, and init writes
    // no more than the size that it is told.
    unsafe {
        let mut filled: T = mem::zeroed();
        outcome(init(&mut filled, size_of::<T>() as u32), ptr::null()).unwrap();
        filled
    }
}

/// The options of a step that does nothing more than update.
pub fn step_options() -> radam_step_options {
    filled(radam_step_options_init)
}

/// Elements of this size as they are in files, or back: the same on every machine.
pub fn little_endian(mut bytes: Vec<u8>, element_size: usize) -> Vec<u8> {
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(element_size).for_each(<[u8]>::reverse);
    }
    bytes
}

pub fn toggle(on: bool) -> radam_toggle {
    if on { RADAM_ON } else { RADAM_OFF }
}

/// The arrays of a state, as their names in files end.
pub const STATES: [(radam_state, &str); 5] = [
    (RADAM_STATE_EXP_AVG, "exp_avg"),
    (RADAM_STATE_EXP_AVG_SQ, "exp_avg_sq"),
    (RADAM_STATE_KAHAN_COMP, "kahan_comp"),
    (RADAM_STATE_MASTER_REMAINDER, "master_remainder"),
    (RADAM_STATE_SCALE, "state_scale"),
];
