//! Tensors in cache, where arithmetic is the limit.

use crate::bench::{Bench, Measure};
use crate::case::Case;
use crate::goal::{Goal, Quantity};
use crate::limit::SquareRootAndDivision;
use crate::setup::Setup;
use radam::ffi::*;

const ELEMENTS: usize = 64 * 1024;

pub fn run(bench: &mut Bench) {
    let f32 = Setup::new(RADAM_DTYPE_F32, ELEMENTS);
    let bf16 = Setup::new(RADAM_DTYPE_BF16, ELEMENTS);

    let case = Case::new("cache-f32", "f32, 64K, 1 thread", ELEMENTS)
        .reports(Quantity::Times, "time over square root + division")
        .with_goal(Goal::AtMost(1.1));
    against_limit(bench, &case, &f32);

    placements(bench, &f32);

    let case = Case::new("cache-bf16", "bf16, Kahan, 64K, 1 thread", ELEMENTS)
        .reports(Quantity::NanosecondsAt3600MHz, "ns per element at 3.6 GHz")
        .with_goal(Goal::AtMost(0.5));
    against_limit(bench, &case, &bf16);

    let case = Case::new("cache-unrectified", "f32, 64K, unrectified steps", ELEMENTS)
        .reports(Quantity::Speedup, "speed over rectified steps")
        .with_goal(Goal::AtLeast(1.3));
    // With a beta2 this small the variance of the average is never small enough to rectify.
    steps_against_steps(bench, &case, &f32, &Setup { beta2: 0.5, ..f32.clone() });

    let case = Case::new("cache-accumulation", "f32, 64K, accumulation only", ELEMENTS)
        .reports(Quantity::Speedup, "speed over rectified steps")
        .with_goal(Goal::AtLeast(1.3));
    steps_against_steps(bench, &case, &f32, &Setup { accumulate: true, ..f32.clone() });
}

/// The same with the caller's arrays at other places within a page; what is reported is the slowest.
fn placements(bench: &mut Bench, f32: &Setup) {
    let moves = [0, 1, 2, 3].into_iter().flat_map(|data| [0, 63].map(|grad| [data, grad]));
    let outcomes = moves.filter_map(|moved| {
        let case = Case::new(format!("cache-placed-{}-{}", moved[0], moved[1]), "", ELEMENTS);
        bench.run(&case, limit_and_steps(&Setup { moved, ..f32.clone() }))
    });
    let slowest = outcomes.max_by(|a, b| a.ratio.total_cmp(&b.ratio));
    if let Some(slowest) = slowest {
        let case =
            Case::new("", "f32, 64K, 1 thread, worst of 8 placements of the arrays", ELEMENTS)
                .reports(Quantity::Times, "time over square root + division");
        bench.report.add(&case, &slowest);
    }
}

fn against_limit(bench: &mut Bench, case: &Case, setup: &Setup) {
    bench.compare(case, limit_and_steps(setup));
}

fn limit_and_steps(setup: &Setup) -> impl FnOnce(Measure) {
    |measure| {
        let mut limit = SquareRootAndDivision::new(ELEMENTS);
        let mut optimizer = setup.optimizer();
        measure(&mut || limit.run(), &mut || optimizer.step());
    }
}

fn steps_against_steps(bench: &mut Bench, case: &Case, reference: &Setup, ours: &Setup) {
    bench.compare(case, |measure| {
        let mut reference = reference.optimizer();
        let mut ours = ours.optimizer();
        measure(&mut || reference.step(), &mut || ours.step());
    });
}
