//! The guard around every call from C: panics do not leave it, the thread is not cancelled inside it, nothing is printed,
//! errno (on Windows, GetLastError) is preserved, and arithmetic runs in the default floating-point mode, whatever mode
//! the caller's thread is in.

use super::radam_status;
use crate::error::{Error, Result, error};
use crate::system::{DefaultFloatMode, Silence, keeping_errno};
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a call from C.
pub(super) fn guard(body: impl FnOnce() -> radam_status) -> radam_status {
    keeping_errno(|| {
        let _uncancelled = NotCancelled::new();
        let _silence = Silence::new();
        let _mode = DefaultFloatMode::new();
        body()
    })
}

/// While this lives, `pthread_cancel` waits. It would unwind this thread from where it reads a file, waits for another
/// thread, or is in a function of the caller's, and Rust ends the process if its own functions are unwound by others.
struct NotCancelled {
    before: c_int,
}

impl NotCancelled {
    fn new() -> Self {
        Self { before: cancel_state::set(cancel_state::DISABLED) }
    }
}

impl Drop for NotCancelled {
    fn drop(&mut self) {
        cancel_state::set(self.before);
    }
}

#[cfg(all(unix, not(target_os = "android")))]
mod cancel_state {
    use std::ffi::c_int;

    unsafe extern "C" {
        // The crate libc has it for a few systems only.
        fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    }

    pub(super) const DISABLED: c_int = if cfg!(target_vendor = "apple") { 0 } else { 1 };

    /// Returns the state before.
    pub(super) fn set(state: c_int) -> c_int {
        let mut before = state;
        // SAFETY: it is a state of POSIX or one that this function returned, and `before` is there to be written.
        unsafe { pthread_setcancelstate(state, &mut before) };
        before
    }
}

/// There is no such thing.
#[cfg(not(all(unix, not(target_os = "android"))))]
mod cancel_state {
    use std::ffi::c_int;

    pub(super) const DISABLED: c_int = 0;

    pub(super) fn set(state: c_int) -> c_int {
        state
    }
}

/// Turns a panic into an error.
pub(super) fn catch(body: impl FnOnce() -> Result<()>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        // Dropping the payload may panic in its turn; the payload of that panic is leaked.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(panic);
        }
        Err(bug())
    })
}

/// The error of every call on an optimizer inside which a call has panicked.
pub(super) fn bug() -> Error {
    error!(
        Panic,
        "a call on this optimizer stopped halfway because of a bug in radam; the optimizer can only be freed; please \
         report the bug"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    #[test]
    fn a_panic_becomes_an_error() {
        let _silence = Silence::new();
        let error = catch(|| panic!("on purpose")).unwrap_err();
        assert_eq!(error.status, Status::Panic);
        assert!(catch(|| Ok(())).is_ok());
    }
}
