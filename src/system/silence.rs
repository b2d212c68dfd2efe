//! Panics print nothing while they are inside the library, on the caller's threads and on its own.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

thread_local! {
    static INSIDE: Cell<u32> = const { Cell::new(0) };
}

type Hook = Box<dyn Fn(&PanicHookInfo) + Send + Sync>;

/// While this lives, panics of this thread print nothing.
pub(crate) struct Silence;

impl Silence {
    #[inline]
    pub fn new() -> Self {
        if !IS_HOOKED.load(Ordering::Relaxed) {
            hook();
        }
        INSIDE.set(INSIDE.get() + 1);
        Self
    }
}

/// Not a `Once`: in a child that was forked while another thread was in it, everyone would wait for ever.
static IS_HOOKED: AtomicBool = AtomicBool::new(false);

#[cold]
fn hook() {
    // Without captures, so that boxing the closure allocates nothing.
    static BEFORE: OnceLock<Hook> = OnceLock::new();
    if thread::panicking() || IS_HOOKED.swap(true, Ordering::Relaxed) {
        return;
    }
    let _ = BEFORE.set(panic::take_hook());
    panic::set_hook(Box::new(|info| {
        if INSIDE.get() == 0
            && let Some(before) = BEFORE.get()
        {
            before(info);
        }
    }));
}

impl Drop for Silence {
    fn drop(&mut self) {
        INSIDE.set(INSIDE.get() - 1);
    }
}
