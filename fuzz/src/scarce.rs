//! The program's allocator, which can be told to run out of memory on this thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Scarce;

#[global_allocator]
static ALLOCATOR: Scarce = Scarce;

thread_local! {
    /// How many more allocations succeed; `None`: all.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    static FAILED: Cell<bool> = const { Cell::new(false) };
}

/// Runs something with memory for so many allocations of this thread, and tells whether one failed.
pub fn with_memory_for<R>(allocations: Option<u32>, body: impl FnOnce() -> R) -> (R, bool) {
    FAILED.set(false);
    LEFT.set(allocations);
    let result = body();
    LEFT.set(None);
    (result, FAILED.get())
}

/// Runs something of the caller's meanwhile that has all the memory it wants.
pub fn with_plenty<R>(body: impl FnOnce() -> R) -> R {
    let left = LEFT.take();
    let result = body();
    LEFT.set(left);
    result
}

fn is_out() -> bool {
    let is_out = LEFT.get() == Some(0);
    if is_out {
        FAILED.set(true);
    }
    LEFT.set(LEFT.get().map(|left| left.saturating_sub(1)));
    is_out
}

// SAFETY: all is the system's allocator, which may fail.
unsafe impl GlobalAlloc for Scarce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the contract is the same.
        if is_out() { std::ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        if is_out() { std::ptr::null_mut() } else { unsafe { System.alloc_zeroed(layout) } }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if is_out() {
            return std::ptr::null_mut();
        }
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}
