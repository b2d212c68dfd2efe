//! The registry of optimizers, and the handles that refer to its slots.
//!
//! A handle is a token, made of the number of a slot and a generation, so the handle of a freed optimizer does not
//! match a later one in the same slot. It is never dereferenced. Nothing here locks or waits, so that the registry
//! still works in a child that was forked at any moment. Its memory is a part of the library, which goes with it when
//! it is unloaded; pages that were never used cost nothing.

use super::call_lock::CallLock;
use super::last_error::LastError;
use super::radam_optimizer;
use crate::error::{Result, error};
use crate::optimizer::Optimizer;
use crate::system::try_box;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// How many optimizers there can be at a time.
const SLOTS: usize = if usize::BITS == 64 { 1 << 16 } else { 1 << 12 };
static SLOT: [Slot; SLOTS] = [const { Slot::vacant() }; SLOTS];
/// A hint: vacant slots with lower numbers are unlikely.
static LIKELY_VACANT: AtomicUsize = AtomicUsize::new(0);

/// The upper half of a token is the generation. The lower half is the number of the slot, and a lowest bit of 1,
/// which no pointer to an aligned object has.
const NUMBER_BITS: u32 = usize::BITS / 2 - 1;
const LAST_GENERATION: u32 = ((1u64 << (usize::BITS / 2)) - 1) as u32;

fn token(number: usize, generation: u32) -> *mut radam_optimizer {
    let bits = (generation as usize) << (NUMBER_BITS + 1) | number << 1 | 1;
    ptr::without_provenance_mut(bits)
}

/// The slot number and generation of a handle, if it can be one.
fn parse(handle: *const radam_optimizer) -> Option<(usize, u32)> {
    let bits = handle.addr();
    let number = (bits >> 1) & ((1 << NUMBER_BITS) - 1);
    let generation = (bits >> (NUMBER_BITS + 1)) as u32;
    (bits & 1 == 1).then_some((number, generation))
}

/// A slot, which holds one optimizer after another. In a cache line of its own, as threads write to it.
#[repr(align(64))]
struct Slot {
    /// The upper half is the generation of the last optimizer. The lower half is LIVE while handles find it, CLAIMED
    /// while it is being created or dropped, neither while the slot is vacant; plus the number of calls inside.
    state: AtomicU64,
    /// A box, which is written only by the thread that made the slot CLAIMED, and dropped by the last call to leave.
    entry: AtomicPtr<Entry>,
}

/// An optimizer, and what is kept beside it.
struct Entry {
    optimizer: CallLock<Optimizer>,
    last_error: LastError,
}

const LIVE: u64 = 1 << 31;
const CLAIMED: u64 = 1 << 30;
const INSIDE: u64 = CLAIMED - 1;

fn state(generation: u32, flags: u64) -> u64 {
    (generation as u64) << 32 | flags
}

fn generation(state: u64) -> u32 {
    (state >> 32) as u32
}

impl Slot {
    /// All zeros, so that the registry takes no room in the file of the library.
    const fn vacant() -> Self {
        Self { state: AtomicU64::new(0), entry: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Reserves the slot for a new optimizer and returns its generation, if it is vacant.
    fn claim(&self) -> Option<u32> {
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

    /// Counts a call in, if the slot holds a live optimizer of this generation.
    fn enter(&'static self, generation_wanted: u32) -> Option<Inside> {
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
        // SAFETY: `insert` leaked the box, and no call is inside or can enter.
        drop(unsafe { Box::from_raw(self.entry.load(Ordering::Relaxed)) });
        self.state.store(state(generation(before), 0), Ordering::Release);
        LIKELY_VACANT.fetch_min(self.number(), Ordering::Relaxed);
    }

    fn number(&'static self) -> usize {
        (ptr::from_ref(self).addr() - SLOT.as_ptr().addr()) / size_of::<Self>()
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

/// Puts an optimizer into a vacant slot.
pub(super) fn insert(optimizer: Optimizer) -> Result<*mut radam_optimizer> {
    let entry = Entry { optimizer: CallLock::new(optimizer), last_error: LastError::new() };
    let entry = try_box(entry)?;
    let (number, generation) = claim_slot().ok_or_else(|| {
        error!(
            OutOfMemory,
            "there are {SLOTS} optimizers, as many as there can be at a time; free one before creating another"
        )
    })?;
    SLOT[number].entry.store(Box::into_raw(entry), Ordering::Relaxed);
    SLOT[number].state.store(state(generation, LIVE), Ordering::Release);
    Ok(token(number, generation))
}

/// Claims a slot and returns its number and generation, if one is vacant.
fn claim_slot() -> Option<(usize, u32)> {
    let start = LIKELY_VACANT.load(Ordering::Relaxed);
    // Slots with lower numbers may have become vacant, too.
    (start..SLOTS).chain(0..start).find_map(|number| {
        let generation = SLOT[number].claim()?;
        let next = (number + 1) % SLOTS;
        let _ = LIKELY_VACANT.compare_exchange(start, next, Ordering::Relaxed, Ordering::Relaxed);
        Some((number, generation))
    })
}

/// Enters the optimizer of a handle.
pub(super) fn enter(handle: *const radam_optimizer) -> Option<Inside> {
    let (number, generation) = parse(handle)?;
    SLOT.get(number)?.enter(generation)
}
