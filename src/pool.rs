//! A private pool of threads for one optimizer.
//!
//! It starts no thread before the first work that is large enough, allocates nothing after that,
//! joins its threads when dropped and survives a fork: the child forgets threads that it does not
//! have and starts its own. (A general-purpose pool does none of the four.)

use crate::cores::available_cores;
use crate::silence::Silence;
use crate::thread::{Thread, Work};
use std::alloc::{Layout, alloc, dealloc};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Hands out the numbers of the pieces of a job, each to one thread.
///
/// Every thread begins with a share of its own, the same at every step, so that it finds in its
/// caches, and in memory near it, what it left there; then it helps the others.
pub(crate) struct Queue {
    shares: Vec<Share>,
    /// How many of them are in use.
    in_use: AtomicUsize,
}

/// Apart from the others in memory, so that threads do not wait for each other's counters.
#[repr(align(128))]
struct Share {
    next: AtomicUsize,
    end: AtomicUsize,
}

impl Queue {
    /// For up to so many threads. `None` where there is no memory.
    fn new(threads: usize) -> Option<Self> {
        let mut shares = Vec::new();
        shares.try_reserve_exact(threads).ok()?;
        shares
            .resize_with(threads, || Share { next: AtomicUsize::new(0), end: AtomicUsize::new(0) });
        Some(Self { shares, in_use: AtomicUsize::new(0) })
    }

    /// Divides `count` pieces among the first `threads`.
    fn fill(&self, count: usize, threads: usize) {
        for (number, share) in self.shares[..threads].iter().enumerate() {
            share.next.store(count * number / threads, Ordering::Relaxed);
            share.end.store(count * (number + 1) / threads, Ordering::Relaxed);
        }
        self.in_use.store(threads, Ordering::Relaxed);
    }

    /// The next piece for the thread of this number, its own ones first.
    fn take(&self, thread: usize) -> Option<usize> {
        let in_use = self.in_use.load(Ordering::Relaxed);
        let own_first = (thread..in_use).chain(0..thread.min(in_use));
        own_first.map(|number| &self.shares[number]).find_map(|share| {
            let end = share.end.load(Ordering::Relaxed);
            // Asked before it is counted up, so that it does not count up without end.
            (share.next.load(Ordering::Relaxed) < end)
                .then(|| share.next.fetch_add(1, Ordering::Relaxed))
                .filter(|piece| *piece < end)
        })
    }
}

/// The pieces of a job as one thread takes them.
pub(crate) enum Pieces<'a> {
    /// It works alone.
    All(Range<usize>),
    Of(&'a Queue, usize),
}

impl Iterator for Pieces<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Self::All(range) => range.next(),
            Self::Of(queue, thread) => queue.take(*thread),
        }
    }
}

/// What every thread that takes part in a job calls once, to work on the pieces that it takes.
type Job<'a> = &'a (dyn Fn(Pieces) + Sync);

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
            None => job(Pieces::All(0..count)),
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
            self.crew = Crew::new(self.num_threads);
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
    /// Threads that were started. The caller is number 0.
    started: usize,
    /// Counts the jobs, so that a thread takes part in each only once.
    number: u64,
    /// The lifetime is not the job's: `Crew::run` clears it and waits for every thread inside
    /// before it returns.
    job: Option<Job<'static>>,
    inside: usize,
    ending: bool,
}

impl Shared {
    fn new(queue: Queue) -> Self {
        let state = State { started: 0, number: 0, job: None, inside: 0, ending: false };
        Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
            left: Condvar::new(),
            queue,
            panicked: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work for Shared {
    fn work(&self) {
        let _silence = Silence::new();
        let mut last = 0;
        let mut state = self.lock();
        state.started += 1;
        let number = state.started;
        while !state.ending {
            match state.job {
                Some(job) if state.number != last => {
                    last = state.number;
                    state.inside += 1;
                    drop(state);
                    let pieces = Pieces::Of(&self.queue, number);
                    if catch_unwind(AssertUnwindSafe(|| job(pieces))).is_err() {
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
    /// Up to so many threads, the caller's among them. `None` where there is no memory.
    fn new(num_threads: usize) -> Option<Self> {
        let queue = Queue::new(num_threads)?;
        // SAFETY: `Shared` has a size, and is written whole before anyone reads it.
        let shared = unsafe {
            let shared = NonNull::new(alloc(Layout::new::<Shared>()).cast::<Shared>())?;
            shared.write(Shared::new(queue));
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
        let threads = count.min(self.threads.len() + 1);
        shared.queue.fill(count, threads);
        // SAFETY: only the lifetime changes. The job is cleared and no thread is left inside it
        // when this function ends, by returning or by unwinding.
        let job_without_lifetime = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) };
        let mut state = shared.lock();
        state.number += 1;
        state.job = Some(job_without_lifetime);
        drop(state);
        for _ in 1..threads {
            shared.wake.notify_one();
        }

        let outcome = catch_unwind(AssertUnwindSafe(|| job(Pieces::Of(&shared.queue, 0))));

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

    /// Forgets threads that are not this process's. Locks and queues of sleepers are in whatever
    /// state the fork found them in, so their memory is given back as it is.
    fn abandon(self) {
        // SAFETY: `new` made it, and no thread of this process knows of it.
        unsafe {
            (&raw mut (*self.shared.as_ptr()).queue).drop_in_place();
            dealloc(self.shared.as_ptr().cast(), Layout::new::<Shared>());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn every_piece_is_done_once() {
        for num_threads in [1, 2, 3, 8] {
            let mut pool = Pool::new(num_threads);
            for count in [0, 1, 2, 3, 7, 8, 1000] {
                let done: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                pool.run(count, &|pieces: Pieces| {
                    pieces.for_each(|piece| {
                        done[piece].fetch_add(1, Ordering::Relaxed);
                    });
                });
                assert!(done.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{count}");
            }
        }
    }

    #[test]
    fn a_thread_begins_with_its_own_share_every_time() {
        let mut pool = Pool::new(2);
        let everyone_is_here = Barrier::new(2);
        let first_pieces = |pool: &mut Pool| {
            let mine = std::thread::current().id();
            let firsts = [const { AtomicUsize::new(usize::MAX) }; 2];
            pool.run(100, &|mut pieces: Pieces| {
                everyone_is_here.wait();
                let who = (std::thread::current().id() != mine) as usize;
                firsts[who].store(pieces.next().unwrap(), Ordering::Relaxed);
                everyone_is_here.wait();
                pieces.for_each(drop);
            });
            firsts.map(AtomicUsize::into_inner)
        };
        for _ in 0..20 {
            assert_eq!(first_pieces(&mut pool), [0, 50]);
        }
    }

    #[test]
    fn a_panic_on_any_thread_reaches_the_caller_and_the_pool_goes_on() {
        let _silence = Silence::new();
        let mut pool = Pool::new(3);
        for _ in 0..20 {
            let panics = |pieces: Pieces| {
                pieces.for_each(|piece| assert_ne!(piece, 17, "on purpose"));
            };
            assert!(catch_unwind(AssertUnwindSafe(|| pool.run(64, &panics))).is_err());
            pool.run(64, &|pieces: Pieces| pieces.for_each(drop));
        }
    }
}
