//! What every system has, and WebAssembly without one has not (`wasm.rs`, which takes the place of this file there).

use std::process;
use std::time::Instant;

/// The time, or `None` where there is no clock.
pub(crate) fn now() -> Option<Instant> {
    Some(Instant::now())
}

/// Which process this is: a fork is another one.
pub(crate) fn process_id() -> u32 {
    process::id()
}

/// Preserves errno. It must be the outermost part of a call: on Windows, accessing a thread-local variable is enough
/// to change GetLastError.
pub(crate) fn keeping_errno<R>(body: impl FnOnce() -> R) -> R {
    let before = errno::errno();
    let result = body();
    errno::set_errno(before);
    result
}
