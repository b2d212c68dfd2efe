//! The slots that handles name.
//!
//! A handle is a token: the number of a slot and the generation of what is in it, so that the token
//! of a freed optimizer never fits the next one in its slot. It is never dereferenced. Nothing here
//! locks or waits, so a fork at any moment leaves the child a registry that works.

use super::call_lock::CallLock;
use super::last_error::LastError;
use super::radam_optimizer;
use crate::error::{Result, error};
use crate::optimizer::Optimizer;
use std::alloc::{Layout, alloc, dealloc};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// Half of a token's bits are the generation; the rest are the slot's number and a lowest bit of 1,
/// which no pointer to an object has.
const NUMBER_BITS: u32 = usize::BITS / 2 - 1;
const LAST_GENERATION: u32 = ((1u64 << (usize::BITS / 2)) - 1) as u32;

fn token(number: usize, generation: u32) -> *mut radam_optimizer {
    let bits = (generation as usize) << (NUMBER_BITS + 1) | number << 1 | 1;
    ptr::without_provenance_mut(bits)
}

/// The number and the generation that a handle could stand for.
fn parse(handle: *const radam_optimizer) -> Option<(usize, u32)> {
    let bits = handle.addr();
    let number = (bits >> 1) & ((1 << NUMBER_BITS) - 1);
    let generation = (bits >> (NUMBER_BITS + 1)) as u32;
    (bits & 1 == 1).then_some((number, generation))
}

/// A place for one optimizer after another.
pub(super) struct Slot {
    /// The generation in the upper half. In the lower half: LIVE while there is an optimizer to be
    /// found, CLAIMED while one is being made or ended, neither while it is vacant; and the number
    /// of calls that are inside.
    state: AtomicU64,
    optimizer: UnsafeCell<MaybeUninit<CallLock<Optimizer>>>,
    pub last_error: LastError,
    number: usize,
}

// SAFETY: the optimizer is written by the thread that made the slot CLAIMED, or that left it as the
// last, and is shared only as a CallLock, by calls that are counted inside.
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

fn is_vacant(state: u64) -> bool {
    state & (LIVE | CLAIMED | INSIDE) == 0
}

impl Slot {
    fn vacant(number: usize) -> Self {
        Self {
            state: AtomicU64::new(state(1, 0)),
            optimizer: UnsafeCell::new(MaybeUninit::uninit()),
            last_error: LastError::new(),
            number,
        }
    }

    /// Reserves the slot for a new optimizer and returns its generation, if it is vacant.
    fn claim(&self) -> Option<u32> {
        let before = self.state.load(Ordering::Relaxed);
        (is_vacant(before)
            && self
                .state
                .compare_exchange(before, before | CLAIMED, Ordering::Acquire, Ordering::Relaxed)
                .is_ok())
        .then(|| generation(before))
    }

    /// Counts a call in, if the optimizer of this generation is to be found.
    fn enter(&'static self, generation_wanted: u32) -> Option<Inside> {
        self.state
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, |state| {
                (generation(state) == generation_wanted && state & LIVE != 0).then_some(state + 1)
            })
            .is_ok()
            .then(|| Inside(self)) // not then_some: an Inside that is dropped counts itself out
    }

    /// Counts a call out. The last one out of an optimizer that was freed ends it.
    fn leave(&self) {
        let before = self.state.fetch_sub(1, Ordering::AcqRel);
        if before & LIVE != 0 || before & INSIDE != 1 {
            return;
        }
        // SAFETY: the optimizer was made, and no call is or comes inside.
        unsafe { (*self.optimizer.get()).assume_init_drop() };
        self.last_error.clear();
        // After its last generation, the slot stays CLAIMED.
        if generation(before) < LAST_GENERATION {
            self.state.store(state(generation(before) + 1, 0), Ordering::Release);
            LIKELY_VACANT.fetch_min(self.number, Ordering::Relaxed);
        }
    }
}

/// A call that is counted in: while this lives, the optimizer does.
pub(super) struct Inside(&'static Slot);

impl Inside {
    pub fn slot(&self) -> &Slot {
        self.0
    }

    pub fn optimizer(&self) -> &CallLock<Optimizer> {
        // SAFETY: the optimizer was made before the slot became LIVE, and ends only when no call is
        // inside.
        unsafe { (*self.0.optimizer.get()).assume_init_ref() }
    }

    /// Frees the optimizer, which nobody finds any more and which ends when the last call leaves.
    /// False if another call was first.
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

/// Slots live in pages that double in size and are never given back, so that whoever looks one up
/// needs no lock.
const FIRST_PAGE: usize = 32;
const PAGES: usize = (NUMBER_BITS - FIRST_PAGE.ilog2()) as usize;
static PAGE: [AtomicPtr<Slot>; PAGES] = [const { AtomicPtr::new(ptr::null_mut()) }; PAGES];
/// No vacant slot is likely to have a lower number.
static LIKELY_VACANT: AtomicUsize = AtomicUsize::new(0);

fn page_size(page: usize) -> usize {
    FIRST_PAGE << page
}

/// The slot of this number, if its page is there.
fn slot(number: usize) -> Option<&'static Slot> {
    let page = (number / FIRST_PAGE + 1).ilog2() as usize;
    let index = number + FIRST_PAGE - page_size(page);
    let slots = PAGE.get(page)?.load(Ordering::Acquire);
    // SAFETY: a page that is there has slots for all numbers that lead to it, and stays.
    (!slots.is_null()).then(|| unsafe { &*slots.add(index) })
}

/// Makes the next page, unless another thread was faster.
fn add_page() -> Result<()> {
    let full = || error!(OutOfMemory, "there is no memory for another optimizer");
    let page = PAGE.iter().position(|page| page.load(Ordering::Acquire).is_null());
    let page = page.ok_or_else(full)?;
    let layout = Layout::array::<Slot>(page_size(page)).map_err(|_| full())?;
    // SAFETY: the layout is not of 0 bytes; every slot is written before the page is published; a
    // page that was not published is ours to give back.
    unsafe {
        let slots = alloc(layout).cast::<Slot>();
        if slots.is_null() {
            return Err(full());
        }
        for index in 0..page_size(page) {
            slots.add(index).write(Slot::vacant(page_size(page) - FIRST_PAGE + index));
        }
        let nobody = ptr::null_mut();
        if PAGE[page].compare_exchange(nobody, slots, Ordering::Release, Ordering::Relaxed).is_err()
        {
            dealloc(slots.cast(), layout);
        }
    }
    Ok(())
}

/// Puts an optimizer into a vacant slot.
pub(super) fn insert(optimizer: Optimizer) -> Result<*mut radam_optimizer> {
    let (number, slot, generation) = claim_slot()?;
    // SAFETY: this thread claimed the slot, so nobody else looks at it.
    unsafe { (*slot.optimizer.get()).write(CallLock::new(optimizer)) };
    slot.state.store(state(generation, LIVE), Ordering::Release);
    Ok(token(number, generation))
}

fn claim_slot() -> Result<(usize, &'static Slot, u32)> {
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
                return Ok((number, slot, generation));
            }
            number += 1;
        }
        // Slots below that were left meanwhile come before a new page.
        if start == 0 {
            add_page()?;
        } else {
            LIKELY_VACANT.store(0, Ordering::Relaxed);
        }
    }
}

/// Enters the optimizer that a handle stands for.
pub(super) fn enter(handle: *const radam_optimizer) -> Option<Inside> {
    let (number, generation) = parse(handle)?;
    slot(number)?.enter(generation)
}
