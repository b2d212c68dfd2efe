//! Threads for the roof: as many as the library has, started once, each with its own part of the arrays.

use crate::roof::{BLOCK, Roof, Traffic};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Elements that a thread takes at a time.
const CHUNK: usize = 16 * 1024;

/// Calls `body` with a function that goes over all elements once, on `threads` threads of which the
/// calling one is the first.
pub fn with_roof(
    traffic: Traffic,
    elements: usize,
    threads: usize,
    body: impl FnOnce(&mut dyn FnMut()),
) {
    assert_eq!(elements % (BLOCK * threads), 0, "the parts of the threads are whole blocks");
    let roof = Roof::new(traffic, elements);
    let parts: Vec<Part> =
        (0..threads).map(|number| Part::new(number, elements / threads)).collect();
    let (barrier, ending) = (Barrier::new(threads), AtomicBool::new(false));
    let meet = || {
        // Alone there is nobody to wait for, and a barrier is not free.
        if threads > 1 {
            barrier.wait();
        }
    };
    let work = |number: usize| {
        // Each begins with its own part, and then helps those that were held up.
        for part in parts[number..].iter().chain(&parts[..number]) {
            part.finish(&roof);
        }
    };
    thread::scope(|scope| {
        let (meet, ending, work) = (&meet, &ending, &work);
        for number in 1..threads {
            scope.spawn(move || {
                loop {
                    meet();
                    if ending.load(Ordering::Relaxed) {
                        break;
                    }
                    work(number);
                    meet();
                }
            });
        }
        let _dismissal = Dismissal { meet, ending };
        body(&mut || {
            parts.iter().for_each(Part::begin);
            meet();
            work(0);
            meet();
        });
    });
}

/// Lets the threads go, also where a panic ends the body.
struct Dismissal<'a> {
    meet: &'a dyn Fn(),
    ending: &'a AtomicBool,
}

impl Drop for Dismissal<'_> {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        (self.meet)();
    }
}

/// A run of elements, taken chunk by chunk.
struct Part {
    first: usize,
    len: usize,
    taken: AtomicUsize,
}

impl Part {
    fn new(number: usize, len: usize) -> Self {
        Self { first: number * len, len, taken: AtomicUsize::new(0) }
    }

    fn begin(&self) {
        self.taken.store(0, Ordering::Relaxed);
    }

    /// Works on chunks until all are taken.
    fn finish(&self, roof: &Roof) {
        loop {
            let start = self.taken.fetch_add(CHUNK, Ordering::Relaxed);
            if start >= self.len {
                return;
            }
            let end = self.len.min(start + CHUNK);
            // SAFETY: the elements are the roof's, and nobody else took these.
            unsafe { roof.pass(self.first + start..self.first + end) };
        }
    }
}
