//! A slot of the registry: whether there is an optimizer, and how many calls are inside. The model checker has this file too
//! (`tests/loom`).

use super::call_lock::CallLock;
use super::last_error::LastError;
use super::registry::note_vacant;
use crate::optimizer::Optimizer;
use crate::sync::atomic::{AtomicU64, Ordering};
use std::sync::atomic::AtomicPtr;

/// A slot, which holds one optimizer after another; vacant, all zeros. In a cache line of its own, as threads write to it.
#[repr(align(64))]
pub(super) struct Slot {
    /// The upper half is the generation of the last optimizer. The lower half is LIVE while handles find it, CLAIMED
    /// while it is being created or dropped, neither while the slot is vacant; plus the number of calls inside.
    pub state: AtomicU64,
    /// A box, which is written only by the thread that made the slot CLAIMED, and dropped by the last call to leave.
    pub entry: AtomicPtr<Entry>,
}

/// An optimizer, and what is kept beside it.
pub(super) struct Entry {
    pub optimizer: CallLock<Optimizer>,
    pub last_error: LastError,
}

const LIVE: u64 = 1 << 31;
const CLAIMED: u64 = 1 << 30;
const INSIDE: u64 = CLAIMED - 1;

/// With which a slot is used up. Half of a handle has room for it.
const LAST_GENERATION: u32 = ((1u64 << (usize::BITS / 2)) - 1) as u32;

fn state(generation: u32, flags: u64) -> u64 {
    (generation as u64) << 32 | flags
}

fn generation(state: u64) -> u32 {
    (state >> 32) as u32
}

impl Slot {
    /// Reserves the slot for a new optimizer and returns its generation, if it is vacant.
    pub fn claim(&self) -> Option<u32> {
        self.state
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, |before| {
                // A slot whose generations are used up stays vacant.
                let is_usable =
                    before & (LIVE | CLAIMED | INSIDE) == 0 && generation(before) < LAST_GENERATION;
                is_usable.then(|| state(generation(before) + 1, CLAIMED))
            })
            .ok()
            .map(|before| generation(before) + 1)
    }

    /// Puts an optimizer into the slot, for which `claim` gave this generation.
    pub fn fill(&self, generation: u32, entry: Box<Entry>) {
        self.entry.store(Box::into_raw(entry), Ordering::Relaxed);
        self.state.store(state(generation, LIVE), Ordering::Release);
    }

    /// Counts a call in, if the slot holds a live optimizer of this generation.
    pub fn enter(&'static self, generation_wanted: u32) -> Option<Inside> {
        self.state
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, |state| {
                (generation(state) == generation_wanted && state & LIVE != 0).then_some(state + 1)
            })
            .is_ok()
            .then(|| Inside(self)) // not then_some, which would drop an Inside, and so count it out, on failure
    }

    /// Counts a call out. The last call to leave a freed optimizer drops it.
    fn leave(&'static self) {
        let before = self.state.fetch_sub(1, Ordering::AcqRel);
        if before & LIVE != 0 || before & INSIDE != 1 {
            return;
        }
        // SAFETY: `fill` leaked the box, and no call is inside or can enter.
        drop(unsafe { Box::from_raw(self.entry.load(Ordering::Relaxed)) });
        self.state.store(state(generation(before), 0), Ordering::Release);
        note_vacant(self);
    }
}

/// A call that is counted in. The optimizer lives at least as long as this.
pub(super) struct Inside(&'static Slot);

impl Inside {
    fn entry(&self) -> &Entry {
        // SAFETY: the box was there before the slot became LIVE, and is dropped only when no call is inside.
        unsafe { &*self.0.entry.load(Ordering::Relaxed) }
    }

    pub fn optimizer(&self) -> &CallLock<Optimizer> {
        &self.entry().optimizer
    }

    pub fn last_error(&self) -> &LastError {
        &self.entry().last_error
    }

    /// Frees the optimizer: handles no longer find it, and it is dropped when the last call leaves. False if another
    /// call has already freed it.
    pub fn free(&self) -> bool {
        self.0
            .state
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
                (state & LIVE != 0).then_some(state & !LIVE | CLAIMED)
            })
            .is_ok()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.leave();
    }
}
