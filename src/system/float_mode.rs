//! The floating-point mode of a thread.

/// While this lives, this thread rounds to nearest even and keeps denormals, and no arithmetic
/// traps. Engines often run in another mode, which would change the results.
pub(crate) struct DefaultFloatMode {
    before: register::Mode,
}

impl DefaultFloatMode {
    pub fn new() -> Self {
        let before = register::get();
        register::set_if_other(before, register::DEFAULT);
        Self { before }
    }
}

impl Drop for DefaultFloatMode {
    fn drop(&mut self) {
        // The flags of exceptions that arithmetic raises come back as they were, too.
        register::set_if_other(register::get(), self.before);
    }
}

#[cfg(target_arch = "x86_64")]
mod register {
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
mod register {
    use std::arch::asm;

    /// The register FPCR and, in the upper half, FPSR, which has the flags of exceptions.
    pub(super) type Mode = u64;
    /// No traps, round to nearest, denormals kept, the flags down.
    pub(super) const DEFAULT: Mode = 0;

    pub(super) fn get() -> Mode {
        let (mode, flags): (Mode, Mode);
        // SAFETY: reads the registers.
        unsafe {
            asm!("mrs {}, fpcr", out(reg) mode, options(nomem, nostack, preserves_flags));
            asm!("mrs {}, fpsr", out(reg) flags, options(nomem, nostack, preserves_flags));
        }
        flags << 32 | mode
    }

    pub(super) fn set_if_other(present: Mode, mode: Mode) {
        const LOWER_HALF: Mode = (1 << 32) - 1;
        let differing = present ^ mode;
        if differing & LOWER_HALF != 0 {
            let mode = mode & LOWER_HALF;
            // SAFETY: writes the register FPCR with what it had before or with its default.
            unsafe { asm!("msr fpcr, {}", in(reg) mode, options(nostack, preserves_flags)) };
        }
        if differing >> 32 != 0 {
            let flags = mode >> 32;
            // SAFETY: the same with FPSR.
            unsafe { asm!("msr fpsr, {}", in(reg) flags, options(nostack)) };
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod register {
    pub(super) type Mode = ();
    pub(super) const DEFAULT: Mode = ();

    pub(super) fn get() -> Mode {}

    pub(super) fn set_if_other((): Mode, (): Mode) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn the_float_mode_is_the_default_inside_and_the_callers_outside() {
        let tiny = || black_box(black_box(f32::MIN_POSITIVE) * black_box(0.5));
        let before = register::get();
        let flush_to_zero = if cfg!(target_arch = "x86_64") { 1 << 15 } else { 1 << 24 };
        register::set_if_other(before, before | flush_to_zero);
        let flushed = tiny();
        let kept;
        {
            let _mode = DefaultFloatMode::new();
            kept = tiny();
        }
        let after = tiny();
        register::set_if_other(before | flush_to_zero, before);
        assert_eq!((flushed, after), (0.0, 0.0));
        assert!(kept > 0.0);
    }

    #[test]
    fn the_flags_of_exceptions_stay_as_they_were() {
        let before = register::get();
        register::set_if_other(before, register::DEFAULT);
        let raised;
        {
            let _mode = DefaultFloatMode::new();
            black_box(black_box(1.0f32) / black_box(3.0)); // inexact
            raised = register::get();
        }
        let after = register::get();
        register::set_if_other(after, before);
        assert_ne!(raised, register::DEFAULT);
        assert_eq!(after, register::DEFAULT);
    }
}
