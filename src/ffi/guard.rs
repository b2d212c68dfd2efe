//! What stands around every call that comes from C: no panic leaves it, nothing is printed, errno
//! stays as it was, and the arithmetic inside is IEEE's whatever mode the caller's thread is in.

use super::radam_status;
use crate::error::{Error, Result, error};
use crate::silence::Silence;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a call from C.
pub(super) fn guard(body: impl FnOnce() -> radam_status) -> radam_status {
    let _silence = Silence::new();
    let _mode = DefaultFloatMode::new();
    let errno_before = errno::errno();
    let status = body();
    errno::set_errno(errno_before);
    status
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

/// While this lives, this thread rounds to nearest even and keeps denormals, and no arithmetic
/// traps. Engines often run in another mode, which would change the results.
struct DefaultFloatMode {
    before: float_mode::Mode,
}

impl DefaultFloatMode {
    fn new() -> Self {
        let before = float_mode::get();
        float_mode::set_if_other(before, float_mode::DEFAULT);
        Self { before }
    }
}

impl Drop for DefaultFloatMode {
    fn drop(&mut self) {
        // The flags of exceptions that arithmetic raises come back as they were, too.
        float_mode::set_if_other(float_mode::get(), self.before);
    }
}

#[cfg(target_arch = "x86_64")]
mod float_mode {
    use std::arch::asm;

    pub(super) type Mode = u32;
    /// All exceptions masked, their flags down, round to nearest, denormals kept.
    pub(super) const DEFAULT: Mode = 0x1f80;

    pub(super) fn get() -> Mode {
        let mut mode = 0u32;
        // SAFETY: stores the register MXCSR.
        unsafe { asm!("stmxcsr [{}]", in(reg) &mut mode, options(nostack, preserves_flags)) };
        mode
    }

    pub(super) fn set_if_other(present: Mode, mode: Mode) {
        if present != mode {
            // SAFETY: loads the register MXCSR with what it had before or with its default.
            unsafe { asm!("ldmxcsr [{}]", in(reg) &mode, options(nostack, preserves_flags)) };
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod float_mode {
    use std::arch::asm;

    pub(super) type Mode = u64;
    /// No traps, round to nearest, denormals kept.
    pub(super) const DEFAULT: Mode = 0;

    pub(super) fn get() -> Mode {
        let mode;
        // SAFETY: reads the register FPCR.
        unsafe { asm!("mrs {}, fpcr", out(reg) mode, options(nomem, nostack, preserves_flags)) };
        mode
    }

    pub(super) fn set_if_other(present: Mode, mode: Mode) {
        if present != mode {
            // SAFETY: writes the register FPCR with what it had before or with its default.
            unsafe { asm!("msr fpcr, {}", in(reg) mode, options(nostack, preserves_flags)) };
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod float_mode {
    pub(super) type Mode = ();
    pub(super) const DEFAULT: Mode = ();

    pub(super) fn get() -> Mode {}

    pub(super) fn set_if_other((): Mode, (): Mode) {}
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

    #[test]
    fn the_float_mode_is_the_default_inside_and_the_callers_outside() {
        let tiny = || std::hint::black_box(f32::MIN_POSITIVE) * std::hint::black_box(0.5);
        let before = float_mode::get();
        let flush_to_zero = if cfg!(target_arch = "x86_64") { 1 << 15 } else { 1 << 24 };
        float_mode::set_if_other(before, before | flush_to_zero);
        let flushed = tiny();
        let mut kept = 0.0;
        guard(|| {
            kept = tiny();
            0
        });
        let after = tiny();
        float_mode::set_if_other(before | flush_to_zero, before);
        assert_eq!((flushed, after), (0.0, 0.0));
        assert!(kept > 0.0);
    }
}
