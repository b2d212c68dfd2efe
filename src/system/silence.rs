//! Panics print nothing while they are inside the library, on the caller's threads and on its own.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};
use std::sync::{Once, OnceLock};
use std::thread;

thread_local! {
    static INSIDE: Cell<u32> = const { Cell::new(0) };
}

type Hook = Box<dyn Fn(&PanicHookInfo) + Send + Sync>;

/// While this lives, panics of this thread print nothing.
pub(crate) struct Silence;

impl Silence {
    pub fn new() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            // Without captures, so that boxing the closure allocates nothing.
            static BEFORE: OnceLock<Hook> = OnceLock::new();
            if !thread::panicking() {
                let _ = BEFORE.set(panic::take_hook());
                panic::set_hook(Box::new(|info| {
                    if INSIDE.get() == 0
                        && let Some(before) = BEFORE.get()
                    {
                        before(info);
                    }
                }));
            }
        });
        INSIDE.set(INSIDE.get() + 1);
        Self
    }

    /// How many live on this thread: above 1 where a callback has called the library again.
    pub fn depth() -> u32 {
        INSIDE.get()
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        INSIDE.set(INSIDE.get() - 1);
    }
}
