//! Versions, statuses and error sentences.

use super::guard::keeping_errno;
use super::last_error::copy_of_thread;
use super::{radam_optimizer, registry};
use crate::error::Status;
use std::ffi::c_char;

/// What a call came to: RADAM_OK, which is 0, or one of the RADAM_ERROR_… constants.
///
/// Later versions may have more of them.
pub type radam_status = i32;

/// The values of radam_status.
#[repr(C)]
pub enum radam_status_values {
    /// The call did what its description says.
    RADAM_OK = 0,
    /// An argument is NULL that must point to something.
    RADAM_ERROR_NULL_POINTER = 1,
    /// The optimizer handle is NULL, was freed, or never came from radam_create.
    RADAM_ERROR_INVALID_HANDLE = 2,
    /// An argument has a value that it must not have.
    RADAM_ERROR_INVALID_ARGUMENT = 3,
    /// Another thread is inside the same optimizer, or the same parameter; try again later.
    RADAM_ERROR_BUSY = 4,
    /// The call does not fit what the optimizer is set up for.
    RADAM_ERROR_INVALID_STATE = 5,
    /// There is no memory for it.
    RADAM_ERROR_OUT_OF_MEMORY = 6,
    /// A file could not be read or written.
    RADAM_ERROR_IO = 7,
    /// A checkpoint is damaged.
    RADAM_ERROR_CORRUPT = 8,
    /// A checkpoint does not fit the optimizer.
    RADAM_ERROR_MISMATCH = 9,
    /// The library has a bug; the optimizer can only be freed.
    RADAM_ERROR_PANIC = 10,
}

/// The values of radam_status, for Rust.
pub use status_constants::*;

/// cbindgen:ignore
#[allow(missing_docs)] // described at radam_status_values
mod status_constants {
    use super::{radam_status, radam_status_values as values};

    pub const RADAM_OK: radam_status = values::RADAM_OK as i32;
    pub const RADAM_ERROR_NULL_POINTER: radam_status = values::RADAM_ERROR_NULL_POINTER as i32;
    pub const RADAM_ERROR_INVALID_HANDLE: radam_status = values::RADAM_ERROR_INVALID_HANDLE as i32;
    pub const RADAM_ERROR_INVALID_ARGUMENT: radam_status =
        values::RADAM_ERROR_INVALID_ARGUMENT as i32;
    pub const RADAM_ERROR_BUSY: radam_status = values::RADAM_ERROR_BUSY as i32;
    pub const RADAM_ERROR_INVALID_STATE: radam_status = values::RADAM_ERROR_INVALID_STATE as i32;
    pub const RADAM_ERROR_OUT_OF_MEMORY: radam_status = values::RADAM_ERROR_OUT_OF_MEMORY as i32;
    pub const RADAM_ERROR_IO: radam_status = values::RADAM_ERROR_IO as i32;
    pub const RADAM_ERROR_CORRUPT: radam_status = values::RADAM_ERROR_CORRUPT as i32;
    pub const RADAM_ERROR_MISMATCH: radam_status = values::RADAM_ERROR_MISMATCH as i32;
    pub const RADAM_ERROR_PANIC: radam_status = values::RADAM_ERROR_PANIC as i32;
}

pub(super) fn status_of(status: Status) -> radam_status {
    match status {
        Status::NullPointer => RADAM_ERROR_NULL_POINTER,
        Status::InvalidHandle => RADAM_ERROR_INVALID_HANDLE,
        Status::InvalidArgument => RADAM_ERROR_INVALID_ARGUMENT,
        Status::Busy => RADAM_ERROR_BUSY,
        Status::InvalidState => RADAM_ERROR_INVALID_STATE,
        Status::OutOfMemory => RADAM_ERROR_OUT_OF_MEMORY,
        Status::Io => RADAM_ERROR_IO,
        Status::Corrupt => RADAM_ERROR_CORRUPT,
        Status::Mismatch => RADAM_ERROR_MISMATCH,
        Status::Panic => RADAM_ERROR_PANIC,
    }
}

/// The most that is used of a buffer: a program that gives a nonsensical cap gets its text all the same.
const TEXT_MAX: usize = 1 << 20;

/// Returns the version of the library that is loaded: major * 1000000 + minor * 1000 + patch, as RADAM_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn radam_version() -> u32 {
    let number = |text: &str| text.bytes().fold(0, |n, digit| 10 * n + (digit - b'0') as u32);
    number(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
        + number(env!("CARGO_PKG_VERSION_MINOR")) * 1_000
        + number(env!("CARGO_PKG_VERSION_PATCH"))
}

/// Returns the version of the library as a string such as "1.2.3", which is not to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn radam_version_string() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Returns the name of a status, such as "RADAM_ERROR_BUSY", which is not to be freed.
///
/// A number that is no status gives "unknown radam_status".
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
        _ => c"unknown radam_status",
    };
    name.as_ptr()
}

/// Copies the sentence of the last failed call: what was wrong with which argument, its value, and
/// what would be right.
///
/// Each optimizer keeps the sentence of its last failed call, on whatever thread that was, so that
/// runtimes which move between threads get the right one; RADAM_ERROR_BUSY does not replace it. opt NULL,
/// or any other value that is not a handle, stands for the calling thread's last failure of any kind, on
/// any optimizer or none (of which it keeps 2048 bytes). A call that succeeds leaves both as they are.
///
/// buf takes up to cap bytes of it, cut between characters if need be, and always ends in NUL unless
/// cap is 0. It is UTF-8. buf may be NULL, to ask for the size only.
///
/// Returns the bytes that the whole sentence takes, its NUL included: 1 where nothing has failed.
///
/// Threads: may be called from any, at any time.
///
/// # Safety
/// buf is NULL or has cap writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_last_error(
    opt: *const radam_optimizer,
    buf: *mut c_char,
    cap: u64,
) -> u64 {
    // SAFETY: the caller's promise.
    let buffer = unsafe { text_buffer(buf, cap) };
    keeping_errno(|| match registry::enter(opt) {
        Some(inside) => inside.slot().last_error.copy(buffer),
        None => copy_of_thread(buffer),
    })
}

/// The caller's room for a text.
///
/// # Safety
/// `buf` is null or has `cap` writable bytes, which nobody else uses for the lifetime that is chosen.
pub(super) unsafe fn text_buffer<'a>(buf: *mut c_char, cap: u64) -> &'a mut [u8] {
    if buf.is_null() || cap == 0 {
        return &mut [];
    }
    let cap = usize::try_from(cap).unwrap_or(usize::MAX).min(TEXT_MAX);
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(buf.cast(), cap) }
}
