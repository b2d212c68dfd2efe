//! The library's own threads: a rayon pool of each optimizer's.

use super::gate::Gate;
use super::memory::has_memory;
use super::thread::Thread;
use rayon::{ThreadBuilder, ThreadPool, ThreadPoolBuilder, current_thread_index};
use std::sync::atomic::{AtomicU8, Ordering};

/// Threads that wait for work. The fields are dropped in this order: the pool, which tells its threads to end;
/// those that were never started; and the others, which are joined.
pub(super) struct Crew {
    pool: ThreadPool,
    waiting: Vec<ThreadBuilder>,
    threads: Vec<Thread>,
}

impl Crew {
    /// Of up to so many threads, none of which is started yet. Rayon does not mind: a job waits for whichever
    /// thread comes first. (Only `broadcast` would wait for every one of them.)
    ///
    /// `None` where there is no memory for them, or where they would wait for ever.
    pub fn new(threads: usize) -> Option<Self> {
        if !has_memory(threads * BYTES_OF_A_THREAD) || !is_crossbeam_ready() {
            return None;
        }
        let mut waiting = Vec::new();
        let keep = |thread| {
            waiting.push(thread);
            Ok(())
        };
        let pool =
            ThreadPoolBuilder::new().num_threads(threads).spawn_handler(keep).build().ok()?;
        waiting.reverse();
        Some(Self { pool, waiting, threads: Vec::new() })
    }

    /// Starts threads until there are so many, or as many as the system gives, and returns how many of the
    /// wanted ones there are.
    pub fn grow_to(&mut self, wanted: usize) -> usize {
        while self.threads.len() < wanted
            && let Some(next) = self.waiting.pop()
        {
            match Thread::start(|| next.run()) {
                Some(thread) => self.threads.push(thread),
                None => self.waiting.clear(), // so that not every step asks again
            }
        }
        self.threads.len().min(wanted)
    }

    /// Has so many threads enter the gate, each with a number of its own, from 1 on. Those that were called
    /// before and have not come yet, because other programs have the cores, are among them. None is called where
    /// there is no memory.
    pub fn call(&self, threads: usize, gate: &'static Gate) {
        if has_memory(threads * BYTES_OF_A_JOB + BYTES_OF_A_BLOCK_OF_JOBS) {
            while gate.call(threads) {
                // It does not unwind, which would end the process.
                self.pool.spawn(|| gate.answer(1 + current_thread_index().unwrap_or(0) as u64));
            }
        }
    }
}

/// Rayon's threads take work from one another by crossbeam, which initializes itself when the first thread of a process
/// does. In a child that was forked meanwhile this would never end, and neither would threads that wait for it. So it is
/// done here, where it is known whether it has only begun.
fn is_crossbeam_ready() -> bool {
    const UNTOUCHED: u8 = 0;
    const BEGUN: u8 = 1;
    const READY: u8 = 2;
    static STATE: AtomicU8 = AtomicU8::new(UNTOUCHED);
    match STATE.compare_exchange(UNTOUCHED, BEGUN, Ordering::Relaxed, Ordering::Acquire) {
        Ok(_) => {
            crossbeam_epoch::default_collector();
            STATE.store(READY, Ordering::Release);
            true
        }
        Err(state) => state == READY,
    }
}

// What rayon allocates, with room to spare. Where this much is not there, work is done by the calling thread alone.
// That memory runs out between the question and the answer cannot be excluded, as the header says.
const BYTES_OF_A_THREAD: usize = 16 * 1024;
const BYTES_OF_A_JOB: usize = 64;
const BYTES_OF_A_BLOCK_OF_JOBS: usize = 2048;
