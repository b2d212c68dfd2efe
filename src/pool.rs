//! A private pool of threads for one optimizer.
//!
//! It starts no thread before the first work that is large enough, allocates nothing after that,
//! joins its threads when dropped and survives a fork: the child forgets threads that it does not
//! have and starts its own. (A general-purpose pool does none of the four.)

use crate::cores::available_cores;
use crate::thread::{Thread, Work};
use std::alloc::{Layout, alloc, dealloc};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Hands out the numbers 0, 1, 2, … of the pieces of a job, each to one thread.
pub(crate) struct Queue {
    next: AtomicUsize,
    count: AtomicUsize,
}

impl Queue {
    pub fn new(count: usize) -> Self {
        Self { next: AtomicUsize::new(0), count: AtomicUsize::new(count) }
    }

    /// The next piece that no thread has taken yet.
    pub fn take(&self) -> Option<usize> {
        let piece = self.next.fetch_add(1, Ordering::Relaxed);
        (piece < self.count.load(Ordering::Relaxed)).then_some(piece)
    }
}

/// What every thread that takes part in a job calls once, to work on the pieces that it takes.
type Job<'a> = &'a (dyn Fn(&Queue) + Sync);

/// The threads of one optimizer, or none yet.
pub(crate) struct Pool {
    /// How many threads may work at once, the caller's among them; 0 for one per available core.
    num_threads: usize,
    crew: Option<Crew>,
}

impl Pool {
    pub fn new(num_threads: usize) -> Self {
        Self { num_threads, crew: None }
    }

    /// Does a job of `count` pieces on this thread and the pool's, and returns when it is done.
    /// Threads that the system does not give are done without.
    pub fn run(&mut self, count: usize, job: Job) {
        match self.crew(count) {
            Some(crew) => crew.run(count, job),
            None => job(&Queue::new(count)),
        }
    }

    /// Enough threads for `count` pieces, or `None` where the caller is to work alone.
    fn crew(&mut self, count: usize) -> Option<&Crew> {
        if self.num_threads == 1 || count < 2 {
            return None;
        }
        if let Some(crew) = self.crew.take_if(|crew| crew.is_of_another_process()) {
            crew.abandon();
        }
        if self.num_threads == 0 {
            self.num_threads = available_cores();
        }
        if self.crew.is_none() {
            self.crew = Crew::new();
        }
        let crew = self.crew.as_mut()?;
        crew.grow_to(self.num_threads.min(count) - 1);
        (!crew.threads.is_empty()).then_some(crew)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(crew) = self.crew.take() {
            if crew.is_of_another_process() {
                crew.abandon();
            } else {
                crew.end();
            }
        }
    }
}

/// Threads that wait for jobs.
struct Crew {
    /// Owned; allocated by hand because boxes abort where there is no memory.
    shared: NonNull<Shared>,
    threads: Vec<Thread>,
    /// The system gave no thread the last time, so steps do not ask for one again.
    no_more: bool,
    process_id: u32,
}

// SAFETY: what the pointer leads to is owned, and is Sync.
unsafe impl Send for Crew {}
// SAFETY: as above.
unsafe impl Sync for Crew {}

struct Shared {
    state: Mutex<State>,
    /// Wakes the threads: there is a job, or they shall end.
    wake: Condvar,
    /// Wakes the caller: the last thread has left the job.
    left: Condvar,
    queue: Queue,
    panicked: AtomicBool,
}

struct State {
    /// Counts the jobs, so that a thread takes part in each only once.
    number: u64,
    /// The lifetime is not the job's: `Crew::run` clears it and waits for every thread inside
    /// before it returns.
    job: Option<Job<'static>>,
    inside: usize,
    ending: bool,
}

impl Shared {
    fn new() -> Self {
        Self {
            state: Mutex::new(State { number: 0, job: None, inside: 0, ending: false }),
            wake: Condvar::new(),
            left: Condvar::new(),
            queue: Queue::new(0),
            panicked: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work for Shared {
    fn work(&self) {
        let mut last = 0;
        let mut state = self.lock();
        while !state.ending {
            match state.job {
                Some(job) if state.number != last => {
                    last = state.number;
                    state.inside += 1;
                    drop(state);
                    if catch_unwind(AssertUnwindSafe(|| job(&self.queue))).is_err() {
                        self.panicked.store(true, Ordering::Relaxed);
                    }
                    state = self.lock();
                    state.inside -= 1;
                    if state.inside == 0 {
                        self.left.notify_one();
                    }
                }
                _ => state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Crew {
    /// `None` where there is no memory for one.
    fn new() -> Option<Self> {
        // SAFETY: `Shared` has a size, and is written whole before anyone reads it.
        let shared = unsafe {
            let shared = NonNull::new(alloc(Layout::new::<Shared>()).cast::<Shared>())?;
            shared.write(Shared::new());
            shared
        };
        Some(Self { shared, threads: Vec::new(), no_more: false, process_id: process::id() })
    }

    fn shared(&self) -> &Shared {
        // SAFETY: it lives until `end`, which takes self.
        unsafe { self.shared.as_ref() }
    }

    fn grow_to(&mut self, count: usize) {
        while self.threads.len() < count && !self.no_more {
            match self.start_thread() {
                Some(thread) => self.threads.push(thread),
                None => self.no_more = true,
            }
        }
    }

    fn start_thread(&mut self) -> Option<Thread> {
        self.threads.try_reserve(1).ok()?;
        // SAFETY: `end` joins the thread before it frees what the thread works on.
        unsafe { Thread::start(self.shared.as_ptr().cast_const()) }
    }

    fn run(&self, count: usize, job: Job) {
        let shared = self.shared();
        shared.queue.next.store(0, Ordering::Relaxed);
        shared.queue.count.store(count, Ordering::Relaxed);
        // SAFETY: only the lifetime changes. The job is cleared and no thread is left inside it
        // when this function ends, by returning or by unwinding.
        let job_without_lifetime = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) };
        let mut state = shared.lock();
        state.number += 1;
        state.job = Some(job_without_lifetime);
        drop(state);
        for _ in 1..count.min(self.threads.len() + 1) {
            shared.wake.notify_one();
        }

        let outcome = catch_unwind(AssertUnwindSafe(|| job(&shared.queue)));

        let mut state = shared.lock();
        state.job = None;
        while state.inside > 0 {
            state = shared.left.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
        assert!(!shared.panicked.swap(false, Ordering::Relaxed), "a thread of the pool panicked");
    }

    /// Whether the threads are those of the process that this one was forked from.
    fn is_of_another_process(&self) -> bool {
        self.process_id != process::id()
    }

    /// Ends and joins the threads.
    fn end(self) {
        self.shared().lock().ending = true;
        self.shared().wake.notify_all();
        for thread in self.threads {
            thread.join();
        }
        // SAFETY: `new` made it, and no thread is left that knows of it.
        unsafe {
            self.shared.drop_in_place();
            dealloc(self.shared.as_ptr().cast(), Layout::new::<Shared>());
        }
    }

    /// Forgets threads that are not this process's. What they share is in whatever state the fork
    /// found it in, so its memory is given back as it is.
    fn abandon(self) {
        // SAFETY: `new` allocated it, and no thread of this process knows of it.
        unsafe { dealloc(self.shared.as_ptr().cast(), Layout::new::<Shared>()) };
    }
}
