//! The floating-point mode of a thread.

/// While this lives, this thread rounds to nearest even and keeps denormals, and no arithmetic
/// traps. Engines often run in another mode, which would change the results.
///
/// Code of the caller's that runs meanwhile may set another mode and leave it: see [`call_out`].
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

/// Calls a function of the caller's from inside the library, and puts the default mode back in force
/// when it returns: the function may have set another one, and what the library computes next must not
/// depend on it. The mode in which the caller called the library comes back when that call returns.
pub(crate) fn call_out<R>(function: impl FnOnce() -> R) -> R {
    let result = function();
    register::set_if_other(register::get(), register::DEFAULT);
    result
}

#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
mod register {
    use std::arch::asm;

    pub(super) type Mode = u32;
    /// All exceptions masked, their flags down, round to nearest, denormals kept.
    pub(super) const DEFAULT: Mode = 0x1f80;
    /// Rounds up, and flushes denormals.
    #[cfg(test)]
    pub(super) const OTHER: Mode = DEFAULT | 1 << 15 | 2 << 13;

    pub(super) fn get() -> Mode {
        let mut mode = 0u32;
        // SAFETY: writes the 4 bytes of MXCSR to `mode`, and changes nothing else.
        unsafe { asm!("stmxcsr [{}]", in(reg) &mut mode, options(nostack, preserves_flags)) };
        mode
    }

    pub(super) fn set_if_other(present: Mode, mode: Mode) {
        if present != mode {
            // SAFETY: `mode` is a value that MXCSR had or its default, so no reserved bit is set, which
            // would fault. A mode in which exceptions trap is the caller's own, and comes back only when
            // the library computes no more.
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
    /// Rounds up, and flushes denormals.
    #[cfg(test)]
    pub(super) const OTHER: Mode = 1 << 24 | 1 << 22;

    pub(super) fn get() -> Mode {
        let (mode, flags): (Mode, Mode);
        // SAFETY: reads two registers that every thread may read, and changes nothing.
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
            // SAFETY: FPCR gets a value that it had or its default. It changes how this thread
            // computes, and nothing else.
            unsafe { asm!("msr fpcr, {}", in(reg) mode, options(nostack, preserves_flags)) };
        }
        if differing >> 32 != 0 {
            let flags = mode >> 32;
            // SAFETY: FPSR gets flags that it had, or none.
            unsafe { asm!("msr fpsr, {}", in(reg) flags, options(nostack)) };
        }
    }
}

#[cfg(target_arch = "s390x")]
mod register {
    use std::arch::asm;

    /// The register FPC, with the flags of exceptions.
    pub(super) type Mode = u32;
    /// No traps, round to nearest, the flags down. Denormals are always kept.
    pub(super) const DEFAULT: Mode = 0;
    /// Rounds up.
    #[cfg(test)]
    pub(super) const OTHER: Mode = 2;

    pub(super) fn get() -> Mode {
        let mode;
        // SAFETY: reads a register that every thread may read, and changes nothing.
        unsafe { asm!("efpc {}", out(reg) mode, options(nomem, nostack, preserves_flags)) };
        mode
    }

    pub(super) fn set_if_other(present: Mode, mode: Mode) {
        if present != mode {
            // SAFETY: FPC gets a value that it had or its default. It changes how this thread computes, and
            // nothing else.
            unsafe { asm!("sfpc {}", in(reg) mode, options(nostack, preserves_flags)) };
        }
    }
}

/// WebAssembly has one mode only, and so does Miri on the machine that the Makefile lets it be.
#[cfg(any(target_family = "wasm", all(miri, target_arch = "riscv64")))]
mod register {
    pub(super) type Mode = ();
    pub(super) const DEFAULT: Mode = ();

    pub(super) fn get() -> Mode {}

    pub(super) fn set_if_other((): Mode, (): Mode) {}
}

#[cfg(all(test, not(any(target_family = "wasm", target_arch = "riscv64"))))]
mod tests {
    use super::*;
    use std::hint::black_box;

    /// Whether this thread rounds to nearest and keeps denormals.
    fn is_default() -> bool {
        let tiny = black_box(black_box(f32::MIN_POSITIVE) * black_box(0.5));
        let rounded = black_box(black_box(1.0f64) + black_box(1e-30));
        tiny > 0.0 && rounded == 1.0
    }

    #[test]
    fn the_float_mode_is_the_default_inside_and_the_callers_outside() {
        let before = register::get();
        register::set_if_other(before, register::OTHER);
        let outside = is_default();
        let inside;
        {
            let _mode = DefaultFloatMode::new();
            inside = is_default();
        }
        let after = (is_default(), register::get());
        register::set_if_other(register::get(), before);
        assert!(inside && !outside);
        assert!(!after.0 && after.1 & register::OTHER == register::OTHER);
    }

    #[test]
    fn a_mode_that_the_callers_code_leaves_behind_is_not_computed_in() {
        let before = register::get();
        let inside;
        {
            let _mode = DefaultFloatMode::new();
            call_out(|| register::set_if_other(register::get(), register::OTHER));
            inside = is_default();
        }
        let after = register::get();
        assert!(inside);
        assert_eq!(after, before);
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
