//! The caller's threads, by a function of the caller's that runs a loop on them.

use super::float_mode::call_out;
use super::gate::Gate;
use std::ffi::c_void;
use std::ptr;

/// What the executor calls for each index of its loop.
pub(crate) type Body = unsafe extern "C" fn(index: u64, body_data: *mut c_void);

/// The caller's function, called only from inside calls to the library and on their threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Executor {
    pub parallel_for:
        unsafe extern "C" fn(count: u64, body: Body, body_data: *mut c_void, user: *mut c_void),
    pub user: *mut c_void,
}

// SAFETY: the header requires a function that can be called on any thread. `user` is only passed to it.
unsafe impl Send for Executor {}
// SAFETY: as above, also at the same time on several threads.
unsafe impl Sync for Executor {}

impl Executor {
    /// Has the caller's threads enter the gate with the numbers below `count`, or some of them, or others, at
    /// once or later: nothing that an executor does with its loop is relied on.
    ///
    /// # Safety
    /// The gate is there until the caller promises to call no more bodies: until the optimizer is freed.
    pub(super) unsafe fn call(&self, count: usize, gate: &'static Gate) {
        let body_data = ptr::from_ref(gate).cast_mut().cast();
        call_out(|| {
            // SAFETY: whoever set the executor promised that its function can be called like this from any
            // thread that calls the library.
            unsafe { (self.parallel_for)(count as u64, body, body_data, self.user) }
        });
    }
}

unsafe extern "C" fn body(index: u64, body_data: *mut c_void) {
    // SAFETY: the executor passes on what it was given, the address of a gate that is there until the optimizer
    // is freed; or NULL.
    if let Some(gate) = unsafe { body_data.cast_const().cast::<Gate>().as_ref() } {
        gate.enter(index);
    }
}
