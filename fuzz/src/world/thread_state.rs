//! What a call must leave alone: errno and the floating-point mode of the thread.

use errno::{Errno, set_errno};

/// Sets both to something, calls, and says what has changed.
pub fn keeping<R>(number: u64, call: impl FnOnce() -> R) -> (R, Option<String>) {
    let mode = MODES[number as usize % MODES.len()];
    let errno = (number % 130) as i32 + 1;
    set_errno(Errno(errno));
    let usual = mode::swap(mode);
    let result = call();
    let left = mode::swap(usual);
    let errno_left = errno::errno().0;
    let problem = if left != mode {
        Some(format!(
            "the floating-point mode was {mode:#x} before the call and {left:#x} after it"
        ))
    } else if errno_left != errno {
        Some(format!("errno was {errno} before the call and {errno_left} after it"))
    } else {
        None
    };
    (result, problem)
}

/// Of MXCSR: the default, flags raised, denormals flushed, rounded up, down and towards zero, and exceptions that trap.
const MODES: [u32; 8] = [0x1f80, 0x1fbf, 0x9fc0, 0x5f80, 0x3f80, 0x7fa1, 0x1c80, 0xffc0 & !0x0200];

/// As a callback of the caller's may leave the thread.
pub fn disturb() {
    set_errno(Errno(77));
    mode::swap(0xffc0);
}

#[cfg(target_arch = "x86_64")]
mod mode {
    use std::arch::asm;

    /// Sets the mode, and returns what it was.
    pub fn swap(new: u32) -> u32 {
        let mut old = 0;
        // SAFETY: no reserved bit is set, and no arithmetic follows in modes that trap.
        unsafe {
            asm!("stmxcsr [{}]", in(reg) &mut old, options(nostack));
            asm!("ldmxcsr [{}]", in(reg) &new, options(nostack));
        }
        old
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod mode {
    pub fn swap(new: u32) -> u32 {
        new
    }
}
