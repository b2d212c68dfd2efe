//! What stands around every call that comes from C: no panic leaves it, nothing is printed, errno (on
//! Windows, GetLastError) stays as it was, and the arithmetic inside is IEEE's whatever mode the
//! caller's thread is in.

use super::radam_status;
use crate::error::{Error, Result, error};
use crate::system::DefaultFloatMode;
use crate::system::Silence;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a call from C.
pub(super) fn guard(body: impl FnOnce() -> radam_status) -> radam_status {
    keeping_errno(|| {
        let _silence = Silence::new();
        let _mode = DefaultFloatMode::new();
        body()
    })
}

/// Around all the rest of a call: on Windows, to look at a thread-local variable is enough to change it.
pub(super) fn keeping_errno<R>(body: impl FnOnce() -> R) -> R {
    let before = errno::errno();
    let result = body();
    errno::set_errno(before);
    result
}

/// Turns a panic into an error.
pub(super) fn catch(body: impl FnOnce() -> Result<()>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        // To drop it might panic again, for the last time.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(panic);
        }
        Err(bug())
    })
}

/// What calls on an optimizer give when one has panicked inside of it.
pub(super) fn bug() -> Error {
    error!(
        Panic,
        "a call on this optimizer ended halfway because of a bug in radam; the optimizer can only \
         be freed, and a report of the bug would be welcome"
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
