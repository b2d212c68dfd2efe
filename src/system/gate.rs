//! How other threads get into the work of a call, and are all out of it again when the call returns.

use super::float_mode::DefaultFloatMode;
use super::memory::try_box;
use super::silence::Silence;
use crate::error::Result;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{hint, thread};
use std::cell::Cell;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::time::Duration;

/// What a thread does that has come in, told the number that it came with.
pub(super) type Task<'a> = &'a (dyn Fn(u64) + Sync);

/// Lets other threads into a task while it is open, and never keeps its owner waiting for a thread that
/// has not come in: who comes late finds the gate closed, or works on a later task.
pub(super) struct Gate {
    /// The lifetime is a lie: the task may be looked at only by who is inside and has seen the gate open.
    task: Cell<Option<Task<'static>>>,
    is_open: AtomicBool,
    /// Threads that are inside, or looking whether they may be.
    inside: AtomicUsize,
    /// Threads that were called and have not come in yet.
    on_their_way: AtomicUsize,
    panicked: AtomicBool,
}

// SAFETY: all but `task` is atomic. `task` is written only by the one thread that opens and closes the gate,
// while it is closed and nobody is inside, and read by others only from inside and while it is open.
unsafe impl Sync for Gate {}

impl Gate {
    /// Has other threads work on a task while `host` runs. When this returns, or unwinds, every thread has
    /// left the task, and what they wrote can be read here.
    ///
    /// # Panics
    /// If `host` does, or the task on another thread.
    ///
    /// # Safety
    /// No other call of this function on this gate is in progress.
    pub unsafe fn open_during(&self, task: Task, host: impl FnOnce()) {
        debug_assert!(!self.is_open.load(Ordering::Relaxed));
        // SAFETY: only the lifetime changes. `Closing` ends every use of the task before this function ends.
        let task = unsafe { std::mem::transmute::<Task<'_>, Task<'static>>(task) };
        self.task.set(Some(task));
        // Release (as part of SeqCst): who sees it open sees the task, and what its owner wrote before.
        self.is_open.store(true, Ordering::SeqCst);
        let closing = Closing(self);
        host();
        drop(closing);
        // Relaxed: `Closing` has acquired what the other threads wrote.
        assert!(!self.panicked.swap(false, Ordering::Relaxed), "another thread panicked");
    }

    /// Works on the task if the gate is open.
    pub fn enter(&self, number: u64) {
        // Counted in before it looks, as the owner closes before it looks who is inside. In the one order that
        // all SeqCst operations have, either this thread sees the gate closed or the owner sees it inside.
        self.inside.fetch_add(1, Ordering::SeqCst);
        if self.is_open.load(Ordering::SeqCst)
            && let Some(task) = self.task.get()
        {
            let _silence = Silence::new();
            let _mode = DefaultFloatMode::new();
            if catch_unwind(AssertUnwindSafe(|| task(number))).is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
        }
        // Release: hands all that was written to the owner.
        self.inside.fetch_sub(1, Ordering::Release);
    }

    /// Counts a thread that is called, unless so many are on their way already.
    pub fn call(&self, wanted: usize) -> bool {
        // SeqCst, as in `enter`: a thread that is still counted here will find the gate open.
        let calls = self.on_their_way.load(Ordering::SeqCst) < wanted;
        if calls {
            self.on_their_way.fetch_add(1, Ordering::Relaxed);
        }
        calls
    }

    /// As `enter`, for a thread that was called.
    pub fn answer(&self, number: u64) {
        self.on_their_way.fetch_sub(1, Ordering::SeqCst);
        self.enter(number);
    }

    /// Forgets all threads, in a process that was forked off and does not have them.
    pub fn forget_threads(&self) {
        // Relaxed: no other thread of this process knows the gate.
        self.inside.store(0, Ordering::Relaxed);
        self.on_their_way.store(0, Ordering::Relaxed);
    }
}

/// A gate whose address other threads may know for as long as this lives. (A box must not be moved while they
/// do.)
pub(super) struct OwnedGate(NonNull<Gate>);

// SAFETY: it owns a `Gate`, which any thread may use.
unsafe impl Send for OwnedGate {}
// SAFETY: as above.
unsafe impl Sync for OwnedGate {}

impl OwnedGate {
    pub fn new() -> Result<Self> {
        let gate = try_box(Gate {
            task: Cell::new(None),
            is_open: AtomicBool::new(false),
            inside: AtomicUsize::new(0),
            on_their_way: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
        })?;
        Ok(Self(NonNull::from(Box::leak(gate))))
    }

    /// The gate, to be known to other threads.
    ///
    /// # Safety
    /// They forget it before this is dropped.
    pub unsafe fn lend(&self) -> &'static Gate {
        // SAFETY: it is there until `drop`, and was never borrowed mutably since it was leaked.
        unsafe { self.0.as_ref() }
    }
}

impl Deref for OwnedGate {
    type Target = Gate;

    fn deref(&self) -> &Gate {
        // SAFETY: as for `lend`, and the borrow ends before `drop`.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for OwnedGate {
    fn drop(&mut self) {
        // SAFETY: `new` leaked the box, and no thread knows the gate any more.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// Closes the gate when dropped, and waits until everyone has left.
struct Closing<'a>(&'a Gate);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let Self(gate) = self;
        gate.is_open.store(false, Ordering::SeqCst);
        // Acquire (as part of SeqCst): what was written inside can be read here.
        wait_until(|| gate.inside.load(Ordering::SeqCst) == 0);
        gate.task.set(None);
    }
}

/// Waits for something that takes another thread about the time of a piece. Spins, then lets others have the
/// core, and in the end sleeps, since a thread of lower priority that shares the core runs only then.
fn wait_until(condition: impl Fn() -> bool) {
    let mut rounds = 0u32;
    while !condition() {
        match rounds {
            0..100 => hint::spin_loop(),
            100..1000 => thread::yield_now(),
            _ => thread::sleep(Duration::from_micros(50)),
        }
        rounds = rounds.saturating_add(1);
    }
}
