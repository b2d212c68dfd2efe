//! The lock of an optimizer, and the slot that it is in.

#[path = "../../../src/ffi/call_lock.rs"]
mod call_lock;
#[path = "../../../src/ffi/last_error.rs"]
mod last_error;
#[path = "../../../src/ffi/slot.rs"]
mod slot;

mod registry {
    pub(super) fn note_vacant(_: &super::Slot) {}
}

use crate::model;
use crate::optimizer::{Memory, Optimizer};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use call_lock::{CallLock, Refusal};
use loom::thread;
use last_error::LastError;
use slot::{Entry, Slot};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicPtr;

#[allow(non_camel_case_types)]
pub(crate) struct radam_optimizer;

pub(crate) fn run() {
    model("an exclusive call sees what the one before changed", exclusive_calls);
    model("a getter sees a change as a whole", getters);
    model("concurrent calls keep exclusive ones out", concurrent_calls);
    model("an optimizer is handed on with its handle", handles);
    model(
        "the last call to leave a freed optimizer drops it, and a later one has another handle",
        frees,
    );
}

/// Adds 1, if no one else is inside.
fn increment(lock: &CallLock<Optimizer>) -> u32 {
    let Ok(mut exclusive) = lock.exclusive() else { return 0 };
    let change = exclusive.change();
    let Ok(value) = change else { panic!("there is no getter to wait for") };
    value.set(value.get() + 1);
    1
}

fn exclusive_calls() {
    let lock = Arc::new(CallLock::new(Optimizer::new(0)));
    let other = lock.clone();
    let other = thread::spawn(move || increment(&other) + increment(&other));
    let mine = increment(&lock);
    let all = mine + other.join().unwrap();
    assert!(all > 0);
    assert_eq!(lock.getter().ok().map(|value| value.get()), Some(all));
}

fn getters() {
    let lock = Arc::new(CallLock::new((Optimizer::new(0), Optimizer::new(0))));
    let other = lock.clone();
    let other = thread::spawn(move || {
        let value = other.getter();
        let Ok(value) = value else { panic!("a getter is refused") };
        assert_eq!(value.0.get(), value.1.get());
    });
    let mut exclusive = lock.exclusive().ok().unwrap();
    {
        let change = exclusive.change();
        let Ok(value) = change else { panic!("a getter stays") };
        value.0.set(1);
        value.1.set(1);
    }
    assert_eq!(exclusive.1.get(), 1);
    drop(exclusive);
    other.join().unwrap();
}

fn concurrent_calls() {
    let lock = Arc::new(CallLock::new((Optimizer::new(0), Optimizer::new(0))));
    let other = lock.clone();
    let other = thread::spawn(move || {
        let Ok(value) = other.concurrent() else { return 0 };
        value.1.set(1);
        1
    });
    let mine = lock.concurrent().map(|value| value.0.set(1)).is_ok() as u32;
    let all = match lock.exclusive() {
        Ok(value) => value.0.get() + value.1.get(),
        Err(refusal) => {
            assert_eq!(refusal, Refusal::Busy);
            mine
        }
    };
    let theirs = other.join().unwrap();
    assert!(mine == 1 && (mine..=mine + theirs).contains(&all));
}

/// A slot as the registry has it: for ever.
fn slot() -> &'static Slot {
    let (state, entry) = (AtomicU64::new(0), AtomicPtr::new(ptr::null_mut()));
    Box::leak(Box::new(Slot { state, entry }))
}

/// Puts an optimizer in the slot, if that is vacant.
fn put(slot: &Slot, memory: &Memory, value: u32) -> Option<u32> {
    let generation = slot.claim()?;
    let optimizer = CallLock::new(memory.optimizer(value));
    slot.fill(generation, Box::new(Entry { optimizer, last_error: LastError::new() }));
    Some(generation)
}

fn value(slot: &'static Slot, generation: u32) -> Option<u32> {
    let inside = slot.enter(generation)?;
    let value = inside.optimizer().getter();
    value.ok().map(|value| value.get())
}

/// The handle goes from thread to thread by means that hand on nothing else: it may find nothing yet, but nothing that
/// is not whole.
fn handles() {
    let slot = slot();
    let handle = Arc::new(AtomicU32::new(0));
    let theirs = handle.clone();
    let other = thread::spawn(move || {
        let found = value(slot, theirs.load(Ordering::Relaxed));
        assert!(found.is_none() || found == Some(7));
    });
    handle.store(put(slot, &Memory::new(), 7).unwrap(), Ordering::Relaxed);
    other.join().unwrap();
    assert!(slot.enter(handle.load(Ordering::Relaxed)).unwrap().free());
}

fn free(slot: &'static Slot, generation: u32) -> bool {
    slot.enter(generation).is_some_and(|inside| inside.free())
}

fn frees() {
    let (slot, memory) = (slot(), Memory::new());
    let first = put(slot, &memory, 7).unwrap();
    let other = thread::spawn(move || {
        let found = value(slot, first);
        assert!(found.is_none() || found == Some(7));
        free(slot, first)
    });
    let mine = free(slot, first);
    let second = put(slot, &memory, 8); // if the other thread has left
    let theirs = other.join().unwrap();
    assert!(mine != theirs, "one free of two succeeds");
    assert_eq!(value(slot, first), None);
    if let Some(second) = second {
        assert!(second != first && value(slot, second) == Some(8) && free(slot, second));
    }
    assert!(slot.claim().is_some(), "the slot is vacant again");
}
