//! The guard around every call from C: panics do not leave it, nothing is printed, errno (on Windows, GetLastError)
//! is preserved, and arithmetic runs in the default floating-point mode, whatever mode the caller's thread is in.

use super::radam_status;
use crate::error::{Error, Result, error};
use crate::system::{DefaultFloatMode, Silence, keeping_errno};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a call from C.
pub(super) fn guard(body: impl FnOnce() -> radam_status) -> radam_status {
    keeping_errno(|| {
        let _silence = Silence::new();
        let _mode = DefaultFloatMode::new();
        body()
    })
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
