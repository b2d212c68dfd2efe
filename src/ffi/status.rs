//! Versions, statuses and error messages.

use super::last_error::copy_of_thread;
use super::values::constants;
use super::{radam_optimizer, registry};
use crate::error::Status;
use crate::system::keeping_errno;
use std::ffi::c_char;

/// The outcome of a call: RADAM_OK (0) or one of the RADAM_ERROR_... constants.
///
/// A later version may add constants; treat an unknown one as a failure.
pub type radam_status = i32;

/// The values of radam_status.
#[repr(C)]
pub enum radam_status_values {
    /// The call succeeded.
    RADAM_OK = 0,
    /// A required pointer argument is NULL.
    RADAM_ERROR_NULL_POINTER = 1,
    /// The optimizer handle is NULL, has been freed, or did not come from radam_create.
    RADAM_ERROR_INVALID_HANDLE = 2,
    /// An argument has a value that is not allowed.
    RADAM_ERROR_INVALID_ARGUMENT = 3,
    /// Another call is using the optimizer or the parameter, or a step is open; try again later.
    RADAM_ERROR_BUSY = 4,
    /// The call does not apply to the optimizer in its present state.
    RADAM_ERROR_INVALID_STATE = 5,
    /// There is not enough memory.
    RADAM_ERROR_OUT_OF_MEMORY = 6,
    /// A file could not be read or written, or a progress callback cancelled the call.
    RADAM_ERROR_IO = 7,
    /// The checkpoint is damaged, or the file is not a checkpoint.
    RADAM_ERROR_CORRUPT = 8,
    /// The checkpoint does not fit the optimizer, or has a format of a later version.
    RADAM_ERROR_MISMATCH = 9,
    /// There is a bug in the library. From now on, the optimizer can only be freed.
    RADAM_ERROR_PANIC = 10,
    /// There is no GPU or no driver, or the driver reported a failure, perhaps of an earlier call.
    RADAM_ERROR_DEVICE = 11,
}

constants!(radam_status = radam_status_values:
    RADAM_OK, RADAM_ERROR_NULL_POINTER, RADAM_ERROR_INVALID_HANDLE, RADAM_ERROR_INVALID_ARGUMENT, RADAM_ERROR_BUSY,
    RADAM_ERROR_INVALID_STATE, RADAM_ERROR_OUT_OF_MEMORY, RADAM_ERROR_IO, RADAM_ERROR_CORRUPT, RADAM_ERROR_MISMATCH,
    RADAM_ERROR_PANIC, RADAM_ERROR_DEVICE);

pub(super) fn status_of(status: Status) -> radam_status {
    const { assert!(Status::NullPointer as radam_status == RADAM_ERROR_NULL_POINTER) };
    const { assert!(Status::Device as radam_status == RADAM_ERROR_DEVICE) };
    status as radam_status
}

/// The most bytes of a buffer that are used, so that a program which passes a wrong, huge cap gets its text anyway.
const TEXT_MAX: usize = 1 << 20;

/// Returns the version of the loaded library: major * 1000000 + minor * 1000 + patch. Compare it
/// with RADAM_VERSION, the version of this header.
#[unsafe(no_mangle)]
pub extern "C" fn radam_version() -> u32 {
    let number = |text: &str| text.bytes().fold(0, |n, digit| 10 * n + (digit - b'0') as u32);
    number(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
        + number(env!("CARGO_PKG_VERSION_MINOR")) * 1_000
        + number(env!("CARGO_PKG_VERSION_PATCH"))
}

/// Returns the version of the loaded library as a string, such as "1.2.3". The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn radam_version_string() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Returns the name of a status, such as "RADAM_ERROR_BUSY". The string is static.
///
/// An unknown status gives "unknown radam_status".
#[unsafe(no_mangle)]
pub extern "C" fn radam_status_string(status: radam_status) -> *const c_char {
    let name = match status {
        RADAM_OK => c"RADAM_OK",
        RADAM_ERROR_NULL_POINTER => c"RADAM_ERROR_NULL_POINTER",
        RADAM_ERROR_INVALID_HANDLE => c"RADAM_ERROR_INVALID_HANDLE",
        RADAM_ERROR_INVALID_ARGUMENT => c"RADAM_ERROR_INVALID_ARGUMENT",
        RADAM_ERROR_BUSY => c"RADAM_ERROR_BUSY",
        RADAM_ERROR_INVALID_STATE => c"RADAM_ERROR_INVALID_STATE",
        RADAM_ERROR_OUT_OF_MEMORY => c"RADAM_ERROR_OUT_OF_MEMORY",
        RADAM_ERROR_IO => c"RADAM_ERROR_IO",
        RADAM_ERROR_CORRUPT => c"RADAM_ERROR_CORRUPT",
        RADAM_ERROR_MISMATCH => c"RADAM_ERROR_MISMATCH",
        RADAM_ERROR_PANIC => c"RADAM_ERROR_PANIC",
        RADAM_ERROR_DEVICE => c"RADAM_ERROR_DEVICE",
        _ => c"unknown radam_status",
    };
    name.as_ptr()
}

/// Copies the error message of the last failed call: one sentence that names the argument, its value
/// and what is allowed.
///
/// If opt is NULL or not a valid handle, the message is that of the last call that failed on the
/// calling thread, for any reason and on any optimizer or none: after a call has failed, ask like
/// this. If opt is a handle, the message is that of the last call on this optimizer that failed, on
/// whatever thread, except with RADAM_ERROR_BUSY. Calls that succeed do not clear messages.
///
/// buf receives up to cap bytes of UTF-8, always ending in NUL unless cap is 0; 2048 bytes are always
/// enough. In a smaller buffer, the message is cut at a character boundary. buf may be NULL to query
/// the size.
///
/// Control characters in names and paths are escaped. A message that would be longer than 2047 bytes
/// has an ellipsis in the place of its middle.
///
/// Returns the size of the whole message in bytes, including the NUL: 1 if there is none.
///
/// Threads: a getter; may be called at any time.
///
/// # Safety
/// buf is NULL or has cap writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_last_error(
    opt: *const radam_optimizer,
    buf: *mut c_char,
    cap: u64,
) -> u64 {
    // SAFETY: `buf` has `cap` writable bytes.
    let buffer = unsafe { text_buffer(buf, cap) };
    keeping_errno(|| match registry::enter(opt) {
        Some(inside) => inside.last_error().copy(buffer),
        None => copy_of_thread(buffer),
    })
}

/// The caller's buffer for a text.
///
/// # Safety
/// `buf` is null or has `cap` writable bytes, which are used by nothing else during the lifetime `'a`.
pub(super) unsafe fn text_buffer<'a>(buf: *mut c_char, cap: u64) -> &'a mut [u8] {
    if buf.is_null() || cap == 0 {
        return &mut [];
    }
    let cap = usize::try_from(cap).unwrap_or(usize::MAX).min(TEXT_MAX);
    // SAFETY: `buf` has `cap` bytes, which nothing else changes during the call.
    unsafe { std::slice::from_raw_parts_mut(buf.cast(), cap) }
}
