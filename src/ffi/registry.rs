//! The registry of optimizers, and the handles that refer to its slots.
//!
//! A handle is a token, made of the number of a slot and a generation, so the handle of a freed optimizer does not
//! match a later one in the same slot (`slot.rs`). It is never dereferenced. Nothing here locks or waits, so that the registry
//! still works in a child that was forked at any moment. Its memory is a part of the library, which goes with it when
//! it is unloaded; pages that were never used cost nothing.

use super::call_lock::CallLock;
use super::last_error::LastError;
use super::radam_optimizer;
use super::slot::{Entry, Inside, Slot};
use crate::error::{Result, error};
use crate::optimizer::Optimizer;
use crate::system::try_box;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// How many optimizers there can be at a time.
const SLOTS: usize = if usize::BITS == 64 { 1 << 16 } else { 1 << 12 };
/// All zeros, so that the registry takes no room in the file of the library.
static SLOT: [Slot; SLOTS] =
    [const { Slot { state: AtomicU64::new(0), entry: AtomicPtr::new(ptr::null_mut()) } }; SLOTS];
/// A hint: vacant slots with lower numbers are unlikely.
static LIKELY_VACANT: AtomicUsize = AtomicUsize::new(0);

/// The upper half of a token is the generation. The lower half is the number of the slot, and a lowest bit of 1,
/// which no pointer to an aligned object has.
const NUMBER_BITS: u32 = usize::BITS / 2 - 1;

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
    SLOT[number].fill(generation, entry);
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

/// Notes that a slot can be used again.
pub(super) fn note_vacant(slot: &'static Slot) {
    let number = (ptr::from_ref(slot).addr() - SLOT.as_ptr().addr()) / size_of::<Slot>();
    LIKELY_VACANT.fetch_min(number, Ordering::Relaxed);
}
