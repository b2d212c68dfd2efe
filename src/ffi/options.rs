//! The options of a whole optimizer.

use super::call::without_handle;
use super::radam_status;
use super::versioned::{Versioned, init, read};
use crate::error::{Result, ensure};
use crate::optimizer::Options;
use crate::system::Allocator;
use crate::system::Executor;
use std::ffi::c_void;
use std::ptr;

/// The caller's functions for the memory of the optimizer's state.
///
/// They are called from inside radam_add_param_group, radam_add_params, radam_add_param, radam_remove_param,
/// radam_set_group_options and radam_free, on the thread that called these. They must not throw, nor call
/// the library for the same optimizer (that gives RADAM_ERROR_BUSY).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_allocator {
    /// Returns size bytes at a multiple of alignment, a power of two, or NULL where it has none: the library's
    /// call then gives RADAM_ERROR_OUT_OF_MEMORY and changes nothing. (A misaligned pointer is released
    /// again and gives RADAM_ERROR_INVALID_ARGUMENT.) The bytes need not be zero. NULL, the default: the
    /// program's own allocator is used.
    pub allocate:
        Option<unsafe extern "C" fn(size: u64, alignment: u64, user: *mut c_void) -> *mut c_void>,
    /// Takes back what allocate returned, with the size and alignment of then. It is never called with
    /// NULL. It must be set if allocate is.
    pub release: Option<
        unsafe extern "C" fn(pointer: *mut c_void, size: u64, alignment: u64, user: *mut c_void),
    >,
    /// Passed to both, and never dereferenced.
    pub user: *mut c_void,
}

/// The caller's threads: a function that runs the iterations of a loop on them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_executor {
    /// Calls body(index, body_data) once for each index from 0 to count - 1, on any threads and in any
    /// order, and returns when all of these calls have returned. An iteration takes about 10 microseconds
    /// or more, and does the piece of work that its index stands for: the same at every step, so that
    /// threads that get the same indices each time (static scheduling) find what they need in their caches
    /// and in memory near them.
    ///
    /// It is called from inside the functions that step, on the thread that called these, and only for
    /// work that is large enough (parallel_from). It must not throw. Iterations that it leaves out are
    /// done by that thread afterwards, and those that it runs twice or too late do nothing, as long as
    /// the optimizer exists; so the step is complete in any case. NULL, the default: the library uses
    /// threads of its own.
    pub parallel_for: Option<
        unsafe extern "C" fn(
            count: u64,
            body: unsafe extern "C" fn(index: u64, body_data: *mut c_void),
            body_data: *mut c_void,
            user: *mut c_void,
        ),
    >,
    /// Passed to parallel_for, and never dereferenced.
    pub user: *mut c_void,
}

/// Options of a whole optimizer. Fill them by radam_options_init first.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_options {
    /// sizeof(radam_options), as radam_options_init leaves it.
    pub struct_size: u32,
    /// How many threads may work at once, the caller's among them, up to 1024. 0, the default: one
    /// per available core. They are started with the first step that is large enough to gain from them.
    /// 1: everything happens on the calling thread, and the library never starts a thread.
    pub num_threads: u32,
    /// Where the optimizer's state comes from.
    pub allocator: radam_allocator,
    /// The caller's threads, in the place of the library's: with it, the library never starts one. It is
    /// not used with num_threads 1.
    pub executor: radam_executor,
    /// From how many elements on a step runs on several threads. 0, the default: the library's choice, which
    /// assumes threads that sleep between steps and have to be woken. Engines whose threads are busy or
    /// spinning when a step begins gain from about 65536 on.
    pub parallel_from: u64,
}

impl Versioned for radam_options {
    const NAME: &str = "radam_options";
    const EARLIER_SIZES: &[usize] = &[];

    fn defaults() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            num_threads: 0,
            allocator: radam_allocator { allocate: None, release: None, user: ptr::null_mut() },
            executor: radam_executor { parallel_for: None, user: ptr::null_mut() },
            parallel_from: 0,
        }
    }
}

const NUM_THREADS_MAX: u32 = 1024;

/// Fills options with their defaults.
///
/// struct_size is sizeof(radam_options).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
/// had.
///
/// # Safety
/// options is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_options_init(
    options: *mut radam_options,
    struct_size: u32,
) -> radam_status {
    // SAFETY: the caller's promise.
    without_handle(|| unsafe { init("options", options, struct_size) })
}

/// What the caller asks for; NULL asks for the defaults.
///
/// # Safety
/// `options` is null or points to as many bytes as the `struct_size` there says.
pub(super) unsafe fn options(options: *const radam_options) -> Result<Options> {
    let options = if options.is_null() {
        radam_options::defaults()
    } else {
        // SAFETY: the caller's promise.
        unsafe { read("options.", options) }?
    };
    let num_threads = options.num_threads;
    ensure!(
        num_threads <= NUM_THREADS_MAX,
        InvalidArgument,
        "num_threads is {num_threads}; it must be at most {NUM_THREADS_MAX}, or 0 for one per core"
    );
    Ok(Options {
        num_threads: num_threads as usize,
        allocator: options.allocator.checked()?,
        executor: options.executor.checked(),
        parallel_from: options.parallel_from,
    })
}

impl radam_allocator {
    fn checked(self) -> Result<Option<Allocator>> {
        match (self.allocate, self.release) {
            (None, None) => Ok(None),
            (Some(allocate), Some(release)) => {
                Ok(Some(Allocator { allocate, release, user: self.user }))
            }
            (allocate, _) => {
                let (set, unset) = if allocate.is_some() {
                    ("allocate", "release")
                } else {
                    ("release", "allocate")
                };
                Err(crate::error::error!(
                    NullPointer,
                    "allocator.{unset} is NULL, but allocator.{set} is not; both must be set, or none"
                ))
            }
        }
    }
}

impl radam_executor {
    fn checked(self) -> Option<Executor> {
        self.parallel_for.map(|parallel_for| Executor { parallel_for, user: self.user })
    }
}
