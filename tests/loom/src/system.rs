//! How other threads get into the work of a call and out of it, and which pieces of it they get.

#[path = "../../../src/system/claims.rs"]
mod claims;
#[path = "../../../src/system/gate.rs"]
mod gate;

use crate::model;
use crate::optimizer::Optimizer;
use claims::Claims;
use gate::{Gate, OwnedGate};
use loom::thread;
use std::time::Instant;

mod float_mode {
    pub(crate) struct DefaultFloatMode;

    impl DefaultFloatMode {
        pub fn new() -> Self {
            Self
        }
    }
}

mod silence {
    pub(crate) struct Silence;

    impl Silence {
        pub fn new() -> Self {
            Self
        }
    }
}

mod memory {
    pub(crate) fn try_box<T>(value: T) -> crate::error::Result<Box<T>> {
        Ok(Box::new(value))
    }
}

/// No clock: what waits then waits until it may go on.
pub(crate) fn now() -> Option<Instant> {
    Some(Instant::now())
}

pub(crate) fn run() {
    model("work is done once, and is over when the call returns", one_step);
    model("a thread that comes late works on a later task or on none", two_steps);
}

/// A step of two pieces, done by whoever comes.
fn step(gate: &Gate, claims: &Claims) {
    let pieces = [Optimizer::new(0), Optimizer::new(0)];
    let work = |_: u64| {
        while let Some(piece) = claims.claim_first(0..2) {
            pieces[piece].set(pieces[piece].get() + 1);
        }
    };
    // SAFETY: the models open a gate once at a time.
    unsafe { gate.open_during(&work, || work(0)) };
    assert_eq!(pieces.each_ref().map(Optimizer::get), [1, 1]);
}

fn new_claims() -> Claims {
    let mut claims = Claims::default();
    claims.reserve(2).unwrap();
    claims
}

fn one_step() {
    let (owned, mut claims) = (OwnedGate::new().unwrap(), new_claims());
    // SAFETY: the other thread is joined before the gate is dropped.
    let gate = unsafe { owned.lend() };
    let other = thread::spawn(move || gate.enter(1));
    assert!(claims.begin(2));
    step(gate, &claims);
    other.join().unwrap();
}

fn two_steps() {
    let (owned, mut claims) = (OwnedGate::new().unwrap(), new_claims());
    // SAFETY: as above.
    let gate = unsafe { owned.lend() };
    assert!(gate.call(1) && !gate.call(1));
    let other = thread::spawn(move || gate.answer(1));
    for _ in 0..2 {
        assert!(claims.begin(2));
        step(gate, &claims);
    }
    other.join().unwrap();
    assert!(gate.call(1), "it is no longer on its way");
}
