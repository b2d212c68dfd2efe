//! The pieces of a job, and which thread takes which.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    pub fn new(threads: usize) -> Option<Self> {
        let mut shares = Vec::new();
        shares.try_reserve_exact(threads).ok()?;
        shares
            .resize_with(threads, || Share { next: AtomicUsize::new(0), end: AtomicUsize::new(0) });
        Some(Self { shares, in_use: AtomicUsize::new(0) })
    }

    /// Divides `count` pieces among the first `threads`.
    pub fn fill(&self, count: usize, threads: usize) {
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

/// What every thread that takes part in a job calls once, to work on the pieces that it takes.
pub(crate) type Job<'a> = &'a (dyn Fn(Pieces) + Sync);

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
