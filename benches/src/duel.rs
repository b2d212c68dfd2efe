//! Two things that take turns, so that whatever else the machine does affects both.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long a turn lasts at least: long beside reading the clock, and beside the cache misses by
/// which a turn finds its data again after the other's.
const TURN: Duration = Duration::from_millis(1);

/// What the library is compared with, and the library.
pub struct Duel<'a> {
    reference: Side<'a>,
    ours: Side<'a>,
    ours_first: bool,
}

/// The seconds that one call took, on average over a round.
#[derive(Clone, Copy)]
pub struct Round {
    pub reference: f64,
    pub ours: f64,
}

impl<'a> Duel<'a> {
    /// `pause` is how long the calling thread does something else before each call.
    pub fn new(
        reference: &'a mut dyn FnMut(),
        ours: &'a mut dyn FnMut(),
        pause: Option<Duration>,
    ) -> Self {
        Self {
            reference: Side::new(reference, pause),
            ours: Side::new(ours, pause),
            ours_first: false,
        }
    }

    /// Lets each have `turns` turns, alternating who goes first.
    pub fn round(&mut self, turns: u64) -> Round {
        let mut round = Round { reference: 0.0, ours: 0.0 };
        for _ in 0..turns {
            if self.ours_first {
                round.ours += self.ours.turn();
                round.reference += self.reference.turn();
            } else {
                round.reference += self.reference.turn();
                round.ours += self.ours.turn();
            }
            self.ours_first = !self.ours_first;
        }
        round.reference /= turns as f64;
        round.ours /= turns as f64;
        round
    }
}

struct Side<'a> {
    call: &'a mut dyn FnMut(),
    calls: u32,
    pause: Option<Duration>,
}

impl<'a> Side<'a> {
    /// Finds out how many calls fill a turn.
    fn new(call: &'a mut dyn FnMut(), pause: Option<Duration>) -> Self {
        let mut side = Self { call, calls: 1, pause };
        side.turn();
        while side.turn() * f64::from(side.calls) < TURN.as_secs_f64() {
            side.calls *= 2;
        }
        side
    }

    /// The seconds that one call takes.
    fn turn(&mut self) -> f64 {
        let mut total = Duration::ZERO;
        match self.pause {
            None => {
                let start = Instant::now();
                for _ in 0..self.calls {
                    (self.call)();
                }
                total = start.elapsed();
            }
            Some(pause) => {
                for _ in 0..self.calls {
                    be_busy(pause);
                    let start = Instant::now();
                    (self.call)();
                    total += start.elapsed();
                }
            }
        }
        total.as_secs_f64() / f64::from(self.calls)
    }
}

/// Stands for the forward and backward pass of a training loop.
fn be_busy(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        black_box(0);
    }
}
