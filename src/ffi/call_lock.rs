//! Which calls may be inside an optimizer at the same time.
//!
//! - *Exclusive* calls keep out each other and concurrent calls. The second one is refused; it does not wait.
//! - *Concurrent* calls (radam_step_param, radam_step_chunk, ...) may overlap one another.
//! - *Getters* may overlap all of these. They wait only while an exclusive call changes what they read, which no
//!   call does while it steps.
//!
//! After a fork, calls of other threads that were inside in the parent stay counted in the child. Waiting for them
//! ends after [`PATIENCE`].

use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use crate::sync::{hint, thread, thread_local};
use crate::system::now;
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::time::Duration;

/// A value, and which calls are inside it.
pub(super) struct CallLock<T> {
    /// The flags and the two counts below.
    state: AtomicU32,
    /// Which thread is changing the value, by [`this_thread`]; 0 if none is.
    changing_thread: AtomicUsize,
    value: UnsafeCell<T>,
}

/// An exclusive call is inside.
const EXCLUSIVE: u32 = 1 << 31;
/// It is changing the value, and no getter may be inside.
const CHANGING: u32 = 1 << 30;
/// A call has panicked inside; the value may only be dropped.
const BROKEN: u32 = 1 << 29;
/// One concurrent call, and the mask of their count.
const CONCURRENT: u32 = 1 << 16;
const ALL_CONCURRENT: u32 = BROKEN - CONCURRENT;
/// One getter, and the mask of their count.
const GETTER: u32 = 1;
const ALL_GETTERS: u32 = CONCURRENT - GETTER;

/// How long a getter waits for a change, and a change for getters, before it gives up. Both are short, unless large
/// state is converted; only calls that a fork left behind never end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a call was refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Busy,
    Broken,
}

// SAFETY: exclusive calls move access to the value from thread to thread, and the others share it.
unsafe impl<T: Send + Sync> Sync for CallLock<T> {}

impl<T> CallLock<T> {
    pub fn new(value: T) -> Self {
        Self {
            state: AtomicU32::new(0),
            changing_thread: AtomicUsize::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Lets a call in if the bits `others` of the state are clear, and adds `entry` to the state.
    fn enter(&self, others: u32, entry: u32) -> Result<Inside<'_, T>, Refusal> {
        let enter = |state: u32| {
            let is_full = |count| state & count == count;
            let has_room = !is_full(ALL_CONCURRENT) && !is_full(ALL_GETTERS);
            (state & (others | BROKEN) == 0 && has_room).then(|| state + entry)
        };
        match self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, enter) {
            Ok(_) => Ok(Inside { lock: self, entry }),
            Err(state) if state & BROKEN != 0 => Err(Refusal::Broken),
            Err(_) => Err(Refusal::Busy),
        }
    }

    /// Lets an exclusive call in. It shares the value with getters until it calls `change`.
    pub fn exclusive(&self) -> Result<Exclusive<'_, T>, Refusal> {
        self.enter(EXCLUSIVE | ALL_CONCURRENT, EXCLUSIVE).map(Exclusive)
    }

    /// Lets a concurrent call in.
    pub fn concurrent(&self) -> Result<Inside<'_, T>, Refusal> {
        self.enter(EXCLUSIVE, CONCURRENT)
    }

    /// Lets a getter in as soon as no call is changing the value. A getter in a callback of the changing call does
    /// not wait, since that call could not make progress meanwhile.
    pub fn getter(&self) -> Result<Inside<'_, T>, Refusal> {
        let mut entry = Err(Refusal::Busy);
        wait(|| {
            entry = self.enter(CHANGING, GETTER);
            !matches!(entry, Err(Refusal::Busy))
                || self.changing_thread.load(Ordering::Relaxed) == this_thread()
        });
        entry
    }

    /// Lets no call in any more if this one ends by a panic: before it is out, since others may be waiting.
    fn break_if_panicking(&self) {
        if thread::panicking() {
            self.state.fetch_or(BROKEN, Ordering::Relaxed);
        }
    }
}

/// A call that is inside and shares the value.
pub(super) struct Inside<'a, T> {
    lock: &'a CallLock<T>,
    /// What it added to the state.
    entry: u32,
}

impl<T> Deref for Inside<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the value changes only through a `Change`, which keeps out every call but the exclusive one that
        // has lent it its `Exclusive`.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> Drop for Inside<'_, T> {
    fn drop(&mut self) {
        self.lock.break_if_panicking();
        // Release: a call that is let in because this one has left must see what this one wrote.
        self.lock.state.fetch_sub(self.entry, Ordering::Release);
    }
}

/// An exclusive call that is inside.
pub(super) struct Exclusive<'a, T>(Inside<'a, T>);

impl<T> Deref for Exclusive<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Exclusive<'_, T> {
    /// Keeps getters out until the returned value is dropped.
    pub fn change(&mut self) -> Result<Change<'_, T>, Refusal> {
        let state = &self.0.lock.state;
        self.0.lock.changing_thread.store(this_thread(), Ordering::Relaxed);
        state.fetch_or(CHANGING, Ordering::Relaxed);
        let change = Change { lock: self.0.lock };
        let alone = wait(|| state.load(Ordering::Acquire) & ALL_GETTERS == 0);
        if alone { Ok(change) } else { Err(Refusal::Busy) }
    }
}

/// Exclusive access to the value.
pub(super) struct Change<'a, T> {
    lock: &'a CallLock<T>,
}

impl<T> Deref for Change<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: as for `deref_mut`.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Change<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: there is one exclusive call, which has lent itself to this; and no getter is inside or let in.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Change<'_, T> {
    fn drop(&mut self) {
        self.lock.break_if_panicking();
        self.lock.changing_thread.store(0, Ordering::Relaxed);
        self.lock.state.fetch_and(!CHANGING, Ordering::Release);
    }
}

/// A number of this thread that is not 0 and that no other one has at the same time.
fn this_thread() -> usize {
    thread_local!(static PLACE: u8 = const { 0 });
    PLACE.with(|place| ptr::from_ref(place).addr())
}

/// Waits until a condition holds, and returns whether it does.
fn wait(mut condition: impl FnMut() -> bool) -> bool {
    let mut start = None;
    for attempt in 0u32.. {
        if condition() {
            return true;
        }
        match attempt {
            ..100 => hint::spin_loop(),
            _ if start.get_or_insert_with(now).is_some_and(|start| start.elapsed() < PATIENCE) => {
                thread::yield_now()
            }
            _ => break,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::Silence;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Instant;

    fn is_busy<G>(entry: Result<G, Refusal>) -> bool {
        matches!(entry, Err(Refusal::Busy))
    }

    #[test]
    fn exclusive_calls_keep_out_all_but_getters() {
        let lock = CallLock::new(1);
        let exclusive = lock.exclusive().ok().unwrap();
        assert!(is_busy(lock.exclusive()) && is_busy(lock.concurrent()));
        assert_eq!(*lock.getter().ok().unwrap(), 1);
        drop(exclusive);
        let concurrent = (lock.concurrent().ok().unwrap(), lock.concurrent().ok().unwrap());
        assert!(is_busy(lock.exclusive()) && lock.getter().is_ok());
        drop(concurrent);
        assert!(lock.exclusive().is_ok());
    }

    #[test]
    fn getters_see_a_change_as_a_whole() {
        const CHANGES: u32 = if cfg!(miri) { 100 } else { 10_000 };
        let lock = CallLock::new((0, 0));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut last = 0;
                    while last < CHANGES {
                        let (a, b) = *lock.getter().ok().unwrap();
                        assert!(a == b && a >= last, "{a} {b} after {last}");
                        last = a;
                    }
                });
            }
            for number in 1..=CHANGES {
                let mut exclusive = lock.exclusive().ok().unwrap();
                let mut value = exclusive.change().ok().unwrap();
                *value = (number, number);
            }
        });
    }

    /// As it does within a callback of another optimizer, too.
    #[test]
    fn a_change_waits_for_getters() {
        let lock = CallLock::new(1);
        let (_outer, _inner) = (Silence::new(), Silence::new());
        let getter = lock.getter().ok().unwrap();
        thread::scope(|scope| {
            let change = scope.spawn(|| {
                lock.exclusive().ok().unwrap().change().map(|mut value| *value = 2).is_ok()
            });
            thread::sleep(Duration::from_millis(20));
            assert_eq!(*getter, 1);
            drop(getter);
            assert!(change.join().unwrap());
        });
        assert_eq!(*lock.getter().ok().unwrap(), 2);
    }

    #[test]
    fn a_getter_does_not_wait_for_a_change_of_its_own_thread() {
        let lock = CallLock::new(0);
        let mut exclusive = lock.exclusive().ok().unwrap();
        let change = exclusive.change().ok().unwrap();
        let start = Instant::now();
        assert!(is_busy(lock.getter()));
        assert!(start.elapsed() < PATIENCE / 2);
        drop(change);
    }

    #[test]
    fn a_value_that_a_panic_left_half_changed_lets_nobody_in() {
        let lock = CallLock::new(0);
        let _silence = Silence::new();
        let change = || {
            let mut exclusive = lock.exclusive().ok().unwrap();
            let _change = exclusive.change().ok().unwrap();
            panic!("on purpose");
        };
        assert!(catch_unwind(AssertUnwindSafe(change)).is_err());
        assert!(matches!(lock.getter(), Err(Refusal::Broken)));
        assert!(matches!(lock.exclusive(), Err(Refusal::Broken)));
    }
}
