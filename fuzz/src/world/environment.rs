//! The allocator and the executor that an optimizer gets: the caller's side, which may misbehave.

use super::thread_state::disturb;
use crate::scarce::with_plenty;
use radam::ffi::*;
use std::alloc::{Layout, alloc, dealloc};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::c_void;
use std::{ptr, thread};

#[derive(Default)]
pub struct Environment {
    /// How many more allocations succeed; `None`: all.
    pub allocations_left: Cell<Option<u8>>,
    pub allocation_failed: Cell<bool>,
    /// Whether what is returned is not aligned.
    pub misaligned: Cell<bool>,
    allocated: RefCell<HashMap<usize, (u64, u64)>>,
    pub executor: Cell<Executor>,
    pub handle: Cell<*mut radam_optimizer>,
    late: Cell<Option<(Body, *mut c_void)>>,
    /// What went wrong in a callback, where nothing can panic.
    problem: Cell<Option<&'static str>>,
}

type Body = unsafe extern "C" fn(u64, *mut c_void);

/// How an executor behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Executor {
    #[default]
    InOrder,
    Backwards,
    Nothing,
    EverySecond,
    Twice,
    OnThreads,
    /// Calls the library meanwhile.
    Curious,
    /// Indices that there are not, too.
    TooMany,
}

impl Executor {
    pub const ALL: [Self; 8] = [
        Self::InOrder,
        Self::Backwards,
        Self::Nothing,
        Self::EverySecond,
        Self::Twice,
        Self::OnThreads,
        Self::Curious,
        Self::TooMany,
    ];
}

impl Environment {
    pub fn allocator(&self) -> radam_allocator {
        radam_allocator { allocate: Some(allocate), release: Some(release), user: self.user() }
    }

    pub fn executor(&self) -> radam_executor {
        radam_executor { parallel_for: Some(parallel_for), user: self.user() }
    }

    fn user(&self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// Calls the body of the last parallel loop again, long after it has ended, which must do nothing.
    pub fn call_late(&self) {
        if let Some((body, data)) = self.late.get() {
            // SAFETY: executors may do this until the optimizer is freed.
            unsafe { body(0, data) };
        }
    }

    pub fn problem(&self) -> Option<&'static str> {
        self.problem.take()
    }

    /// Whether everything was released.
    pub fn is_clean(&self) -> bool {
        self.allocated.borrow().is_empty()
    }
}

/// # Safety
/// `user` is an environment, and nobody else uses it.
unsafe fn environment<'a>(user: *mut c_void) -> &'a Environment {
    // SAFETY: as above.
    unsafe { &*user.cast() }
}

unsafe extern "C" fn allocate(size: u64, alignment: u64, user: *mut c_void) -> *mut c_void {
    // SAFETY: `user` is what `allocator` has given.
    let environment = unsafe { environment(user) };
    disturb();
    let left = environment.allocations_left.get();
    environment.allocations_left.set(left.map(|left| left.saturating_sub(1)));
    if left == Some(0) {
        environment.allocation_failed.set(true);
        return ptr::null_mut();
    }
    let more = if environment.misaligned.get() { 4 } else { 0 };
    let Ok(layout) = Layout::from_size_align((size + more) as usize, alignment as usize) else {
        environment.problem.set(Some("the allocator was asked for an impossible layout"));
        return ptr::null_mut();
    };
    // SAFETY: the library asks for at least a byte.
    let memory = with_plenty(|| unsafe { alloc(layout) });
    if memory.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: it has so many bytes, and need not be zeroed.
    unsafe { memory.write_bytes(0xff, layout.size()) };
    let given = memory.wrapping_add(more as usize);
    with_plenty(|| environment.allocated.borrow_mut().insert(given.addr(), (size, alignment)));
    given.cast()
}

unsafe extern "C" fn release(pointer: *mut c_void, size: u64, alignment: u64, user: *mut c_void) {
    // SAFETY: `user` is what `allocator` has given.
    let environment = unsafe { environment(user) };
    disturb();
    if environment.allocated.borrow_mut().remove(&pointer.addr()) != Some((size, alignment)) {
        environment.problem.set(Some("something was released that was not allocated like this"));
        return;
    }
    let more = pointer.addr() % alignment as usize;
    let layout = Layout::from_size_align(size as usize + more, alignment as usize).unwrap();
    // SAFETY: it was allocated with this layout.
    unsafe { dealloc(pointer.cast::<u8>().wrapping_sub(more), layout) };
}

#[derive(Clone, Copy)]
struct Loop(Body, *mut c_void);

// SAFETY: bodies may be called on any thread.
unsafe impl Send for Loop {}

impl Loop {
    fn call(self, index: u64) {
        // SAFETY: it is called with its own data.
        unsafe { (self.0)(index, self.1) };
    }
}

unsafe extern "C" fn parallel_for(count: u64, body: Body, data: *mut c_void, user: *mut c_void) {
    // SAFETY: `user` is what `executor` has given.
    let environment = unsafe { environment(user) };
    environment.late.set(Some((body, data)));
    let work = Loop(body, data);
    match environment.executor.get() {
        Executor::InOrder => (0..count).for_each(|index| work.call(index)),
        Executor::Backwards => (0..count).rev().for_each(|index| work.call(index)),
        Executor::Nothing => {}
        Executor::EverySecond => (0..count).step_by(2).for_each(|index| work.call(index)),
        Executor::Twice => (0..count).chain(0..count).for_each(|index| work.call(index)),
        Executor::OnThreads => {
            let threads = [0, 1, 2].map(|first| {
                thread::spawn(move || {
                    (first..count).step_by(3).chain(first..count).for_each(|index| {
                        work.call(index);
                    });
                })
            });
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
        Executor::Curious => {
            let handle = environment.handle.get();
            (0..count).for_each(|index| work.call(index));
            let mut accumulates = 0;
            // SAFETY: getters may be called at any time, and others are refused.
            let statuses = unsafe {
                (radam_step(handle), radam_get_optimizer_accumulation(handle, &mut accumulates))
            };
            if statuses != (RADAM_ERROR_BUSY, RADAM_OK) {
                environment.problem.set(Some("a call inside of a step had another status"));
            }
        }
        Executor::TooMany => {
            (0..2 * count).chain([u64::MAX]).for_each(|index| work.call(index));
        }
    }
    disturb();
}
