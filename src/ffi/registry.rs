//! The registry of optimizers, and the handles that refer to its slots.
//!
//! A handle is a token, made of the number of a slot and a generation, so the handle of a freed optimizer does not
//! match a later one in the same slot. It is never dereferenced. Nothing here locks or waits, so that the registry
//! still works in a child that was forked at any moment.

use super::call_lock::CallLock;
use super::last_error::LastError;
use super::radam_optimizer;
use crate::error::{Result, error};
use crate::optimizer::Optimizer;
use crate::sync::atomic::AtomicU64;
use std::alloc::{Layout, alloc, dealloc};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

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

/// A slot, which holds one optimizer after another.
pub(super) struct Slot {
    /// The upper half is the generation. The lower half is LIVE while handles find the optimizer, CLAIMED while it is
    /// being created or dropped, neither while the slot is vacant; plus the number of calls inside.
    state: AtomicU64,
    optimizer: UnsafeCell<MaybeUninit<CallLock<Optimizer>>>,
    pub last_error: LastError,
    number: usize,
}

// SAFETY: the optimizer is written only by the thread that made the slot CLAIMED, and dropped by the last call to
// leave. In between it is shared as a CallLock, by calls that are counted inside.
unsafe impl Sync for Slot {}

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
    pub fn vacant(number: usize) -> Self {
        Self {
            state: AtomicU64::new(state(1, 0)),
            optimizer: UnsafeCell::new(MaybeUninit::uninit()),
            last_error: LastError::new(),
            number,
        }
    }

    /// Reserves the slot for a new optimizer and returns its generation, if it is vacant.
    pub fn claim(&self) -> Option<u32> {
        self.state
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, |state| {
                (state & (LIVE | CLAIMED | INSIDE) == 0).then_some(state | CLAIMED)
            })
            .ok()
            .map(generation)
    }

    /// Puts the optimizer into the slot for which `claim` gave this generation, and returns its handle.
    pub fn fill(&self, generation: u32, optimizer: Optimizer) -> *mut radam_optimizer {
        // SAFETY: this thread has claimed the slot, so no other accesses the optimizer.
        unsafe { (*self.optimizer.get()).write(CallLock::new(optimizer)) };
        self.state.store(state(generation, LIVE), Ordering::Release);
        token(self.number, generation)
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
    fn leave(&self) {
        let before = self.state.fetch_sub(1, Ordering::AcqRel);
        if before & LIVE != 0 || before & INSIDE != 1 {
            return;
        }
        // SAFETY: the optimizer was written, and no call is inside or can enter.
        unsafe { (*self.optimizer.get()).assume_init_drop() };
        self.last_error.keep(String::new());
        // A slot whose generations are used up stays CLAIMED.
        if generation(before) < LAST_GENERATION {
            self.state.store(state(generation(before) + 1, 0), Ordering::Release);
            LIKELY_VACANT.fetch_min(self.number, Ordering::Relaxed);
        }
    }
}

/// A call that is counted in. The optimizer lives at least as long as this.
pub(super) struct Inside(&'static Slot);

impl Inside {
    pub fn slot(&self) -> &Slot {
        self.0
    }

    pub fn optimizer(&self) -> &CallLock<Optimizer> {
        // SAFETY: the optimizer was written before the slot became LIVE, and is dropped only when no call is inside.
        unsafe { (*self.0.optimizer.get()).assume_init_ref() }
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

/// Slots are in pages that double in size and are never freed, so looking one up needs no lock.
const FIRST_PAGE: usize = 32;
const PAGES: usize = (NUMBER_BITS - FIRST_PAGE.ilog2()) as usize;
static PAGE: [AtomicPtr<Slot>; PAGES] = [const { AtomicPtr::new(ptr::null_mut()) }; PAGES];
/// A hint: vacant slots with lower numbers are unlikely.
static LIKELY_VACANT: AtomicUsize = AtomicUsize::new(0);

fn page_size(page: usize) -> usize {
    FIRST_PAGE << page
}

/// The slot with this number, if its page exists.
fn slot(number: usize) -> Option<&'static Slot> {
    let page = (number / FIRST_PAGE + 1).ilog2() as usize;
    let index = number + FIRST_PAGE - page_size(page);
    let slots = PAGE.get(page)?.load(Ordering::Acquire);
    // SAFETY: a published page has a slot for every number that maps to it, and is never freed.
    (!slots.is_null()).then(|| unsafe { &*slots.add(index) })
}

/// Adds the next page, unless another thread is faster.
fn add_page() -> Result<()> {
    let full = || error!(OutOfMemory, "there is not enough memory for another optimizer");
    let page = PAGE.iter().position(|page| page.load(Ordering::Acquire).is_null());
    let page = page.ok_or_else(full)?;
    let layout = Layout::array::<Slot>(page_size(page)).map_err(|_| full())?;
    // SAFETY: the layout is not of 0 bytes; every slot is written before the page is published; and a page that was
    // not published is freed by the only thread that knows it.
    unsafe {
        let slots = alloc(layout).cast::<Slot>();
        if slots.is_null() {
            return Err(full());
        }
        for index in 0..page_size(page) {
            slots.add(index).write(Slot::vacant(page_size(page) - FIRST_PAGE + index));
        }
        let none = ptr::null_mut();
        if PAGE[page].compare_exchange(none, slots, Ordering::Release, Ordering::Relaxed).is_err() {
            dealloc(slots.cast(), layout);
        }
    }
    Ok(())
}

/// Puts an optimizer into a vacant slot.
pub(super) fn insert(optimizer: Optimizer) -> Result<*mut radam_optimizer> {
    let (slot, generation) = claim_slot()?;
    Ok(slot.fill(generation, optimizer))
}

fn claim_slot() -> Result<(&'static Slot, u32)> {
    loop {
        let start = LIKELY_VACANT.load(Ordering::Relaxed);
        let mut number = start;
        while let Some(slot) = slot(number) {
            if let Some(generation) = slot.claim() {
                let _ = LIKELY_VACANT.compare_exchange(
                    start,
                    number + 1,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                return Ok((slot, generation));
            }
            number += 1;
        }
        // Slots with lower numbers may have become vacant; look there before adding a page.
        if start == 0 {
            add_page()?;
        } else {
            LIKELY_VACANT.store(0, Ordering::Relaxed);
        }
    }
}

/// Enters the optimizer of a handle.
pub(super) fn enter(handle: *const radam_optimizer) -> Option<Inside> {
    let (number, generation) = parse(handle)?;
    slot(number)?.enter(generation)
}
