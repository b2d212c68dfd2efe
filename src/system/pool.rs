//! A private pool of threads for one optimizer.
//!
//! It starts no thread before the first work that is large enough, allocates nothing after that,
//! joins its threads when dropped and survives a fork: the child forgets threads that it does not
//! have and starts its own. (A general-purpose pool does none of the four.) After a job, threads
//! stay awake for as long as waking them would take, and then sleep.

use super::cores::available_cores;
use super::executor::{Delegate, Executor};
use super::queue::{Job, Pieces, Queue};
use super::silence::Silence;
use super::thread::{Thread, Work};
use crate::error::Result;
use std::alloc::{Layout, alloc, dealloc};
use std::hint;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The threads of one optimizer, or none yet.
pub(crate) struct Pool {
    /// How many threads may work at once, the caller's among them; 0 for one per available core.
    num_threads: usize,
    crew: Option<Crew>,
    /// The caller's threads, in the place of a crew.
    delegate: Option<Delegate>,
}

impl Pool {
    pub fn new(num_threads: usize, executor: Option<Executor>) -> Result<Self> {
        let delegate = executor.map(Delegate::new).transpose()?;
        Ok(Self { num_threads, crew: None, delegate })
    }

    /// Whether threads are about that need not be woken, and so are worth less work.
    pub fn is_awake(&self) -> bool {
        self.crew.as_ref().is_some_and(|crew| {
            crew.shared().asleep.load(Ordering::Relaxed) < crew.threads.len()
                && !crew.is_of_another_process()
        })
    }

    /// Does a job of `count` pieces on up to so many threads, this one among them, and returns when
    /// it is done. Threads that the system does not give are done without.
    pub fn run(&mut self, threads: usize, count: usize, job: Job) {
        let threads = threads.min(count);
        if let (Some(delegate), true) = (&mut self.delegate, threads > 1 && self.num_threads != 1) {
            return delegate.run(count, job);
        }
        match self.crew(threads) {
            Some(crew) => crew.run(threads, count, job),
            None => job(Pieces::All(0..count)),
        }
    }

    /// Enough threads, or `None` where the caller is to work alone.
    fn crew(&mut self, threads: usize) -> Option<&Crew> {
        if self.num_threads == 1 || threads < 2 || self.delegate.is_some() {
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
        crew.grow_to(self.num_threads.min(threads) - 1);
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
    // The following change only while the state is locked, and can be watched without.
    /// The number of the last job.
    number: AtomicU64,
    /// Threads inside the job.
    inside: AtomicUsize,
    /// Threads that only `wake` wakes.
    asleep: AtomicUsize,
}

struct State {
    /// Threads that were started. The caller is number 0.
    started: usize,
    /// The lifetime is not the job's: `Crew::run` clears it and waits for every thread inside
    /// before it returns.
    job: Option<Job<'static>>,
    /// Whether the caller waits for `left`.
    caller_waits: bool,
    ending: bool,
}

/// How long a thread watches for the next job, and the caller for the end of one, before it lets the
/// system wake it: about as long as that takes.
const WATCH: Duration = Duration::from_micros(50);

/// Watches until a condition holds or too much time has passed, and says whether it held.
fn watch(condition: impl Fn() -> bool) -> bool {
    let mut start = None;
    loop {
        for _ in 0..32 {
            if condition() {
                return true;
            }
            hint::spin_loop();
        }
        if start.get_or_insert_with(Instant::now).elapsed() > WATCH {
            return false;
        }
    }
}

impl Shared {
    fn new(queue: Queue) -> Self {
        Self {
            state: Mutex::new(State { started: 0, job: None, caller_waits: false, ending: false }),
            wake: Condvar::new(),
            left: Condvar::new(),
            queue,
            panicked: AtomicBool::new(false),
            number: AtomicU64::new(0),
            inside: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a job after the one of this number and joins it, or `None` to end.
    fn join(&self, last: &mut u64) -> Option<Job<'static>> {
        let is_new = |last| self.number.load(Ordering::Acquire) != last;
        let mut state = self.lock();
        loop {
            if state.ending {
                return None;
            }
            let new = is_new(*last);
            *last = self.number.load(Ordering::Relaxed);
            if let (true, Some(job)) = (new, state.job) {
                self.inside.fetch_add(1, Ordering::Relaxed);
                return Some(job);
            }
            drop(state);
            watch(|| is_new(*last));
            state = self.lock();
            while !is_new(*last) && !state.ending {
                self.asleep.fetch_add(1, Ordering::Relaxed);
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                self.asleep.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    fn leave(&self) {
        let state = self.lock();
        // Hands the caller all that was written.
        if self.inside.fetch_sub(1, Ordering::Release) == 1 && state.caller_waits {
            self.left.notify_one();
        }
    }

    /// Lets no more threads in, and waits until all have left.
    fn finish(&self) {
        let everyone_left = || self.inside.load(Ordering::Acquire) == 0;
        self.lock().job = None;
        if watch(everyone_left) {
            return;
        }
        let mut state = self.lock();
        while !everyone_left() {
            state.caller_waits = true;
            state = self.left.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.caller_waits = false;
    }
}

impl Work for Shared {
    fn work(&self) {
        let _silence = Silence::new();
        let thread = {
            let mut state = self.lock();
            state.started += 1;
            state.started
        };
        let mut last = 0;
        while let Some(job) = self.join(&mut last) {
            let pieces = Pieces::Of(&self.queue, thread);
            if catch_unwind(AssertUnwindSafe(|| job(pieces))).is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
            self.leave();
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

    fn run(&self, threads: usize, count: usize, job: Job) {
        let shared = self.shared();
        let threads = threads.min(self.threads.len() + 1);
        shared.queue.fill(count, threads);
        // SAFETY: only the lifetime changes. The job is cleared and no thread is left inside it
        // when this function ends, by returning or by unwinding.
        let job_without_lifetime = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) };
        let asleep = {
            let mut state = shared.lock();
            state.job = Some(job_without_lifetime);
            shared.number.fetch_add(1, Ordering::Release);
            shared.asleep.load(Ordering::Relaxed)
        };
        let awake = self.threads.len() - asleep;
        for _ in awake..threads - 1 {
            shared.wake.notify_one();
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| job(Pieces::Of(&shared.queue, 0))));
        shared.finish();
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
            let mut pool = Pool::new(num_threads, None).unwrap();
            for count in [0, 1, 2, 3, 7, 8, 1000] {
                let done: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                pool.run(num_threads, count, &|pieces: Pieces| {
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
        let mut pool = Pool::new(2, None).unwrap();
        let everyone_is_here = Barrier::new(2);
        let first_pieces = |pool: &mut Pool| {
            let mine = std::thread::current().id();
            let firsts = [const { AtomicUsize::new(usize::MAX) }; 2];
            pool.run(2, 100, &|mut pieces: Pieces| {
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
        let mut pool = Pool::new(3, None).unwrap();
        for _ in 0..20 {
            let panics = |pieces: Pieces| {
                pieces.for_each(|piece| assert_ne!(piece, 17, "on purpose"));
            };
            assert!(catch_unwind(AssertUnwindSafe(|| pool.run(3, 64, &panics))).is_err());
            pool.run(3, 64, &|pieces: Pieces| pieces.for_each(drop));
        }
    }
}
