//! The caller's threads, through a function of the caller's that runs a loop on them.

use super::float_mode::{DefaultFloatMode, call_out};
use super::memory::try_box;
use super::queue::{Job, Pieces};
use super::silence::Silence;
use crate::error::Result;
use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// What `parallel_for` calls for each index of its loop.
pub(crate) type Body = unsafe extern "C" fn(index: u64, body_data: *mut c_void);

/// The caller's function, which is called on threads that call the library.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Executor {
    pub parallel_for:
        unsafe extern "C" fn(count: u64, body: Body, body_data: *mut c_void, user: *mut c_void),
    pub user: *mut c_void,
}

/// Runs jobs by an executor, whatever it makes of its task. A body that is called too often, or after
/// the job, finds nothing to do; pieces that it is not called for are done by the calling thread.
pub(crate) struct Delegate {
    executor: Executor,
    loops: Box<Loop>,
}

/// What the bodies see. It lives as long as the optimizer, so that it is there for a late one too.
struct Loop {
    /// The lifetime is not the job's: while it is over, `open` is false.
    job: Cell<Option<Job<'static>>>,
    open: AtomicBool,
    /// Bodies that are looking at the job.
    inside: AtomicUsize,
    next: AtomicUsize,
    count: AtomicUsize,
    panicked: AtomicBool,
}

// SAFETY: the caller promises a function that any thread may call.
unsafe impl Send for Delegate {}
// SAFETY: as above. `job` changes only while the loop is not open and nobody is inside.
unsafe impl Sync for Delegate {}

impl Delegate {
    pub fn new(executor: Executor) -> Result<Self> {
        let loops = try_box(Loop {
            job: Cell::new(None),
            open: AtomicBool::new(false),
            inside: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            count: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
        })?;
        Ok(Self { executor, loops })
    }

    /// Does a job of `count` pieces, and returns when it is done. The pool makes sure that only one
    /// thread is here at a time.
    pub fn run(&mut self, count: usize, job: Job) {
        let loops = &*self.loops;
        // SAFETY: only the lifetime changes. `close` takes the job away, and waits until no body looks
        // at it any more, before this function ends.
        let job = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) };
        loops.job.set(Some(job));
        loops.next.store(0, Ordering::Relaxed);
        loops.count.store(count, Ordering::Relaxed);
        loops.open.store(true, Ordering::SeqCst);
        let (body_data, user) = (ptr::from_ref(loops).cast_mut().cast(), self.executor.user);
        call_out(|| {
            // SAFETY: whoever set the executor promised that its function can be called like this from any
            // thread that calls the library; and a body may be called with `body_data` at any time while
            // the optimizer lives.
            unsafe { (self.executor.parallel_for)(count as u64, body, body_data, user) }
        });
        while loops.run_next() {}
        loops.close();
        assert!(!loops.panicked.swap(false, Ordering::Relaxed), "a body of the loop panicked");
    }
}

impl Loop {
    /// Does the next piece. False if there is none.
    fn run_next(&self) -> bool {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (true, Some(job)) = (number < self.count.load(Ordering::Relaxed), self.job.get())
        else {
            return false;
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| job(Pieces::All(number..number + 1))));
        if outcome.is_err() {
            self.panicked.store(true, Ordering::Relaxed);
        }
        true
    }

    /// Lets no more bodies in, and waits until all have left.
    fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
        while self.inside.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
        self.job.set(None);
    }
}

/// Does one piece, whatever the index says: so none is done twice or left out.
unsafe extern "C" fn body(_index: u64, body_data: *mut c_void) {
    if body_data.is_null() {
        return;
    }
    // SAFETY: the executor gives back what it was given, the address of a `Loop`.
    let loops = unsafe { &*body_data.cast_const().cast::<Loop>() };
    // Counted in before it looks, as `close` looks after it has closed: one of the two sees the other.
    loops.inside.fetch_add(1, Ordering::SeqCst);
    if loops.open.load(Ordering::SeqCst) {
        let _silence = Silence::new();
        let _mode = DefaultFloatMode::new();
        loops.run_next();
    }
    loops.inside.fetch_sub(1, Ordering::SeqCst);
}
