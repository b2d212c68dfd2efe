//! Who does the work of a step: the calling thread alone, or together with the library's or the caller's threads.

use super::claims::Claims;
use super::crew::Crew;
use super::executor::Executor;
use super::gate::OwnedGate;
use super::host::process_id;
use super::memory::has_memory;
use super::pace::{Pace, SHARE};
use crate::error::Result;
use std::cell::Cell;
use std::mem;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// What every thread that takes part in a job calls once, to work on the pieces that it gets. (For an executor,
/// once for each piece.)
pub(crate) type Job<'a> = &'a (dyn Fn(Pieces) + Sync);

/// The threads of one optimizer.
///
/// None is started before there is work that is large enough. Then they stay: asleep between steps, joined when
/// this is dropped. A process that was forked off starts its own.
pub(crate) struct Threads {
    /// How many may work at once, the calling thread among them; 0: as many as there are cores, which are
    /// counted when it first matters.
    limit: usize,
    /// From how many elements on work is shared; 0: as measured.
    parallel_from: u64,
    /// The caller's threads, in the place of a crew.
    executor: Option<Executor>,
    /// Goes before the gate, which its threads know.
    crew: Option<Crew>,
    gate: OwnedGate,
    claims: Claims,
    pace: Pace,
    /// Whose threads the crew's are.
    process_id: u32,
}

impl Threads {
    pub fn new(limit: usize, parallel_from: u64, executor: Option<Executor>) -> Result<Self> {
        Ok(Self {
            limit,
            parallel_from,
            executor,
            crew: None,
            gate: OwnedGate::new()?,
            claims: Claims::default(),
            pace: Pace::default(),
            process_id: process_id(),
        })
    }

    /// Makes room for so many more pieces in a job. A job of more pieces than there is room for is done by the
    /// calling thread alone.
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        self.claims.reserve(additional)
    }

    /// Does a job of `pieces` pieces that is as much work as updating so many elements, and returns how many
    /// threads took part in it.
    pub fn run(&mut self, elements: usize, pieces: usize, job: Job) -> usize {
        let threads = self.worth(elements).min(pieces);
        let took_part = if threads > 1 { self.run_together(threads, pieces, job) } else { None };
        if took_part.is_none() {
            job(Pieces::All(0..pieces));
        }
        self.pace.ended(elements, took_part.is_some());
        took_part.unwrap_or(1)
    }

    /// `None` if there is no other thread, and nothing was done.
    fn run_together(&mut self, threads: usize, pieces: usize, job: Job) -> Option<usize> {
        self.forget_threads_of_another_process();
        let threads = if self.executor.is_some() { threads } else { self.crew_of(threads) };
        if threads < 2 || !self.claims.begin(pieces) {
            return None;
        }
        let party = Party::new(&self.claims);
        // SAFETY: the crew's threads are joined before the gate is dropped, or forgotten where they do not
        // exist; and callers promise that executors call no bodies once the optimizer is freed.
        let gate = unsafe { self.gate.lend() };
        let every_piece = Range { start: 0, end: pieces };
        let of_index = |index| {
            if let Ok(piece) = usize::try_from(index)
                && party.claim(piece)
            {
                job(Pieces::All(piece..piece + 1));
            }
        };
        let share = |number: u64| {
            let first = pieces * (number as usize % threads) / threads;
            job(party.pieces(first..pieces, 0..first));
        };
        let task: &(dyn Fn(u64) + Sync) = if self.executor.is_some() { &of_index } else { &share };
        let host = || {
            match (&self.executor, &self.crew) {
                // SAFETY: as above.
                (Some(executor), _) => unsafe { executor.call(pieces, gate) },
                (None, Some(crew)) => crew.call(threads - 1, gate),
                (None, None) => {}
            }
            job(party.pieces(every_piece, 0..0)); // what the others have left
        };
        // SAFETY: `&mut self` keeps others from opening the gate.
        unsafe { gate.open_during(task, host) };
        Some(party.size.into_inner())
    }

    /// Has the crew grow to so many threads, with the calling one, and returns how many there are.
    fn crew_of(&mut self, threads: usize) -> usize {
        if self.crew.is_none() {
            self.crew = Crew::new(self.limit - 1);
        }
        1 + self.crew.as_mut().map_or(0, |crew| crew.grow_to(threads - 1))
    }

    /// Threads that were left behind in the process that this one was forked from cannot be joined, and what
    /// they share is in whatever state the fork found it in.
    fn forget_threads_of_another_process(&mut self) {
        let process_id = process_id();
        if self.process_id != process_id {
            self.process_id = process_id;
            mem::forget(self.crew.take());
            self.gate.forget_threads();
        }
    }

    /// How many threads so many elements are worth, the calling one among them.
    fn worth(&mut self, elements: usize) -> usize {
        if self.limit == 1 {
            return 1;
        }
        let worth = if self.parallel_from > 0 {
            if elements as u64 >= self.parallel_from { (elements / SHARE).max(2) } else { 1 }
        } else if self.executor.is_some() {
            elements / SHARE_OF_AN_EXECUTOR
        } else {
            self.pace.worth(elements)
        };
        if worth < 2 || self.executor.is_some() {
            return worth;
        }
        if self.limit == 0 {
            if !has_memory(BYTES_TO_COUNT_CORES) {
                return 1;
            }
            self.limit = available_parallelism().map_or(1, |cores| cores.get());
        }
        worth.min(self.limit)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.forget_threads_of_another_process();
    }
}

/// What the standard library allocates to read the quotas of control groups, with room to spare.
const BYTES_TO_COUNT_CORES: usize = 16 * 1024;

/// How many elements make a thread of the caller's worth having. Engines that bring their threads mostly step right
/// after computing gradients on them, when they still spin: two that do take 0.72 of the time of one at 64K elements
/// and 0.53 at 256K. Asleep, they cost as much to wake as ours (see `pace.rs`). This is between the two, and
/// `parallel_from` is there for those who know better.
const SHARE_OF_AN_EXECUTOR: usize = 1 << 17;

/// Those who work on one job.
pub(crate) struct Party<'a> {
    claims: &'a Claims,
    /// No other job of this process has it.
    number: u64,
    /// How many threads have done a piece.
    size: AtomicUsize,
}

impl<'a> Party<'a> {
    fn new(claims: &'a Claims) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // Relaxed: that numbers differ is all.
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        Self { claims, number, size: AtomicUsize::new(0) }
    }

    /// Claims a piece for this thread, if it is free.
    fn claim(&self, piece: usize) -> bool {
        let claimed = self.claims.claim(piece);
        if claimed {
            self.count_me();
        }
        claimed
    }

    /// These pieces, as far as they are free when their turn comes.
    fn pieces(&self, first: Range<usize>, then: Range<usize>) -> Pieces<'_> {
        Pieces::Free { party: self, first, then }
    }

    fn count_me(&self) {
        thread_local!(static LAST: Cell<u64> = const { Cell::new(0) });
        if LAST.replace(self.number) != self.number {
            // Relaxed: read when the gate is closed, which has handed it on.
            self.size.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The pieces that a thread gets of a job, one at a time.
pub(crate) enum Pieces<'a> {
    /// These, since nobody else wants them.
    All(Range<usize>),
    /// Those that nobody else has claimed. A thread begins with the same ones at every step, so that it finds
    /// in its caches, and in memory near it, what it left there, and then helps the others.
    Free { party: &'a Party<'a>, first: Range<usize>, then: Range<usize> },
}

impl Iterator for Pieces<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Self::All(range) => range.next(),
            Self::Free { party, first, then } => loop {
                if let Some(piece) = party.claims.claim_first(first.clone()) {
                    first.start = piece + 1;
                    party.count_me();
                    return Some(piece);
                }
                if then.start >= then.end {
                    return None;
                }
                *first = mem::take(then);
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::Silence;
    use std::ffi::c_void;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::ptr;
    use std::sync::Barrier;
    use std::thread;

    const MANY: usize = 1 << 30; // elements that are worth any number of threads

    fn threads(limit: usize, executor: Option<Executor>) -> Threads {
        let mut threads = Threads::new(limit, 0, executor).unwrap();
        threads.reserve(1000).unwrap();
        threads
    }

    /// Checks that every piece is done once.
    fn check(threads: &mut Threads, pieces: usize) -> usize {
        let done: Vec<_> = (0..pieces).map(|_| AtomicUsize::new(0)).collect();
        let took_part = threads.run(MANY, pieces, &|pieces| {
            pieces.for_each(|piece| {
                done[piece].fetch_add(1, Ordering::Relaxed);
            });
        });
        assert!(done.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{pieces} pieces");
        took_part
    }

    #[test]
    fn every_piece_is_done_once() {
        for limit in [0, 1, 2, 3, 8] {
            let mut threads = threads(limit, None);
            for pieces in [0, 1, 2, 3, 7, 8, 1000, 1001] {
                let took_part = check(&mut threads, pieces);
                assert!((1..=pieces.max(1)).contains(&took_part));
                assert!(limit == 0 || took_part <= limit);
                assert!(pieces <= 1000 || took_part == 1, "there is room for 1000 pieces");
            }
        }
    }

    #[test]
    fn a_thread_begins_with_its_own_share_every_time() {
        let mut threads = threads(2, None);
        let everyone_is_here = Barrier::new(2);
        let me = thread::current().id();
        for _ in 0..20 {
            let firsts = [const { AtomicUsize::new(usize::MAX) }; 2];
            let took_part = threads.run(MANY, 100, &|mut pieces: Pieces| {
                everyone_is_here.wait();
                let who = (thread::current().id() != me) as usize;
                firsts[who].store(pieces.next().unwrap(), Ordering::Relaxed);
                everyone_is_here.wait();
                pieces.for_each(drop);
            });
            assert_eq!(firsts.map(AtomicUsize::into_inner), [0, 50]);
            assert_eq!(took_part, 2);
        }
    }

    #[test]
    fn a_panic_on_any_thread_reaches_the_caller_and_the_threads_go_on() {
        let _silence = Silence::new();
        let mut threads = threads(3, None);
        for _ in 0..20 {
            let panics = |pieces: Pieces| {
                pieces.for_each(|piece| assert_ne!(piece, 17, "on purpose"));
            };
            let run = || threads.run(MANY, 64, &panics);
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
            check(&mut threads, 64);
        }
    }

    /// Deals the indices to so many new threads, and does none on the calling one.
    unsafe extern "C" fn on_new_threads(
        count: u64,
        body: super::super::executor::Body,
        body_data: *mut c_void,
        user: *mut c_void,
    ) {
        let (body_data, threads) = (body_data.expose_provenance(), user.addr() as u64);
        thread::scope(|scope| {
            for number in 0..threads {
                scope.spawn(move || {
                    for index in (number..count).step_by(threads as usize) {
                        // SAFETY: the loop is not over.
                        unsafe { body(index, ptr::with_exposed_provenance_mut(body_data)) };
                    }
                });
            }
        });
    }

    #[test]
    fn a_body_does_the_piece_of_its_index_and_each_thread_counts_once() {
        for count in [1, 3] {
            let user = ptr::without_provenance_mut(count);
            let mut threads = threads(2, Some(Executor { parallel_for: on_new_threads, user }));
            assert_eq!(check(&mut threads, 100), count);
            let by_whom: Vec<_> = (0..100).map(|_| AtomicU64::new(0)).collect();
            thread_local!(static NUMBER: Cell<u64> = const { Cell::new(0) });
            let last = AtomicU64::new(0);
            threads.run(MANY, 100, &|pieces| {
                pieces.for_each(|piece| {
                    if NUMBER.get() == 0 {
                        NUMBER.set(1 + last.fetch_add(1, Ordering::Relaxed));
                    }
                    by_whom[piece].store(NUMBER.get(), Ordering::Relaxed);
                });
            });
            let by_whom = |piece: usize| by_whom[piece].load(Ordering::Relaxed);
            assert!((count..100).all(|piece| by_whom(piece) == by_whom(piece - count)));
        }
    }

    #[test]
    fn parallel_from_is_where_work_begins_to_be_shared() {
        let executor = Executor { parallel_for: on_new_threads, user: ptr::null_mut() };
        for executor in [None, Some(executor)] {
            for (parallel_from, limit, elements, expected) in [
                (1 << 16, 8, (1 << 16) - 1, 1),
                (1 << 16, 8, 1 << 16, 2),
                (1 << 16, 8, 1 << 17, 4),
                (1, 8, 1, 2),
                (1, 1, MANY, 1),
                (u64::MAX, 8, MANY, 1),
            ] {
                let mut threads = Threads::new(limit, parallel_from, executor).unwrap();
                assert_eq!(threads.worth(elements), expected, "{elements} from {parallel_from} on");
            }
        }
    }
}
