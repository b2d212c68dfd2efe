//! Two threads compared with one: the size from which they are faster, and that they are never slower.

use crate::bench::Bench;
use crate::case::{Case, Outcome, size};
use crate::goal::{Goal, Quantity};
use crate::setup::Setup;
use radam::ffi::*;
use std::time::Duration;

/// The tolerance for noise.
const NOISE: f64 = 0.03;
/// How long the caller does something else between steps; the second thread falls asleep meanwhile.
const PAUSE: Duration = Duration::from_micros(300);
const K: usize = 1024;

pub fn run(bench: &mut Bench) {
    let sizes = |exponents: std::ops::RangeInclusive<u32>| exponents.map(|exponent| K << exponent);
    let outcomes = sizes(2..=12).filter_map(|elements| {
        let case = case("back-to-back", "2 threads", elements);
        Some((elements, two_against_one(bench, &case)?))
    });
    let outcomes: Vec<_> = outcomes.collect();
    note(bench, "step after step", &outcomes);

    let outcomes = sizes(6..=12).filter_map(|elements| {
        let case = case("paused", "2 threads, after a pause", elements).after_a_pause(PAUSE);
        Some((elements, two_against_one(bench, &case)?))
    });
    let outcomes: Vec<_> = outcomes.collect();
    note(bench, "with other work between steps", &outcomes);
}

fn case(name: &str, kind: &str, elements: usize) -> Case {
    let size = size(elements);
    Case::new(format!("threads-{name}-{size}"), format!("f32, {size}, {kind}"), elements)
        .reports(Quantity::Times, "time over 1 thread")
        .with_goal(Goal::AtMost(1.0 + NOISE))
}

fn two_against_one(bench: &mut Bench, case: &Case) -> Option<Outcome> {
    bench.compare(case, |measure| {
        let setup = Setup::new(RADAM_DTYPE_F32, case.elements);
        let mut one = setup.optimizer();
        let mut two = setup.on_threads(2).optimizer();
        measure(&mut || one.step(), &mut || two.step());
    })
}

fn note(bench: &mut Bench, when: &str, outcomes: &[(usize, Outcome)]) {
    if outcomes.is_empty() {
        return;
    }
    let gains = |(_, outcome): &&(usize, Outcome)| outcome.ratio < 1.0 - NOISE;
    let from = match outcomes.iter().find(gains) {
        Some((elements, _)) => format!("from {} elements on", size(*elements)),
        None => "at none of these sizes".to_owned(),
    };
    let never_slower = outcomes.iter().all(|(_, outcome)| outcome.ratio <= 1.0 + NOISE);
    bench.report.note(
        format!(
            "2 threads, {when}: faster than 1 {from}; never slower, up to {:.0} % of noise:",
            NOISE * 100.0
        ),
        Some(never_slower),
    );
}
