//! When work is worth the library's own threads.
//!
//! Rayon's threads look for work for some 10 microseconds before they sleep. One that still looks costs next to
//! nothing; to wake one takes longer than a step of 128K elements, and training loops pause between steps.
//!
//! The time of two threads in that of one, f32, medians, on a virtual machine with two Zen 5 cores:
//!
//! | elements                               | 128K | 256K | 512K | 1M   | 2M   | 4M   |
//! |----------------------------------------|------|------|------|------|------|------|
//! | step after step, the thread awake      | 0.52 | 0.51 | 0.50 | 0.50 | 0.50 | 0.75 |
//! | after 2 ms of other work on the caller | 1.30 | 1.04 | 0.86 | 0.63 | 0.57 | 0.80 |
//! | after 2 ms of sleep of all             |      |      | 1.06 | 1.05 | 1.04 | 1.00 |
//!
//! (The last one is what a virtual machine makes of it that wakes threads on the core of who wakes them, and moves
//! them to another one only later. Elsewhere it is like the one before.)

use super::host::now;
use std::time::{Duration, Instant};

/// From how many elements on work is shared with threads that have to be woken: from where on nothing is lost in the
/// worst of the cases above.
const WORTH_WAKING: usize = 1 << 20;

/// The same with threads that still look for work.
const WORTH_SHARING: usize = 1 << 17;

/// How many elements make one more thread worth having where some are; and if it has to be woken.
pub(super) const SHARE: usize = 1 << 15;
const SHARE_ASLEEP: usize = 1 << 17;

/// For how long after their last work threads look for more.
const AWAKE: Duration = Duration::from_micros(10);

/// The work that there was last, which tells whether threads are awake and whether they will be needed again.
#[derive(Default)]
pub(super) struct Pace {
    /// When the last work ended that was worth sharing.
    last_end: Option<Instant>,
    /// Whether threads took part in it.
    shared: bool,
    /// Otherwise, how many elements the calling thread has updated alone since there was a pause.
    alone: usize,
}

impl Pace {
    /// How many threads so many elements are worth. Looks at the clock only where that decides.
    pub fn worth(&mut self, elements: usize) -> usize {
        if elements >= WORTH_WAKING {
            return elements / SHARE_ASLEEP;
        }
        if elements < WORTH_SHARING {
            return 1;
        }
        if self.last_end.is_none_or(|end| end.elapsed() > AWAKE) {
            (self.shared, self.alone) = (false, 0);
        }
        // What goes on without a pause is worth waking threads for as soon as all of it together would have been:
        // so it never takes much longer than if its end had been known from the start.
        if self.shared || self.alone.saturating_add(elements) >= WORTH_WAKING {
            elements / SHARE
        } else {
            1
        }
    }

    /// Notes that so many elements are updated now, and whether threads took part.
    pub fn ended(&mut self, elements: usize, shared: bool) {
        if elements >= WORTH_SHARING {
            self.last_end = now();
            self.alone = if shared { 0 } else { self.alone.saturating_add(elements) };
            self.shared = shared;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn work_that_goes_on_without_a_pause_comes_to_be_shared() {
        let mut pace = Pace::default();
        for _ in 0..3 {
            let mut alone = 0;
            while pace.worth(WORTH_SHARING) == 1 {
                alone += WORTH_SHARING;
                pace.ended(WORTH_SHARING, false);
                assert!(alone < 100 * WORTH_WAKING, "each time there was a pause");
            }
            assert!(alone >= WORTH_WAKING - WORTH_SHARING);
            pace.ended(WORTH_SHARING, true);
            assert_eq!(pace.worth(WORTH_SHARING - 1), 1);
            thread::sleep(2 * AWAKE);
            assert_eq!(pace.worth(WORTH_WAKING - 1), 1, "threads are woken for too little");
            assert!(pace.worth(WORTH_WAKING) > 1);
        }
    }
}
