//! The curves of the plot.

use crate::bench::Bench;
use crate::case::{Case, Outcome, size};
use crate::limit::SquareRootAndDivision;
use crate::plot::{Curve, Curves};
use crate::roof::Traffic;
use crate::setup::Setup;
use crate::team::with_roof;
use radam::ffi::*;

const SIZES: [usize; 9] = {
    let mut sizes = [1024; 9]; // to 64M
    let mut index = 1;
    while index < sizes.len() {
        sizes[index] = 4 * sizes[index - 1];
        index += 1;
    }
    sizes
};

/// Below this size, waking a second thread takes longer than the whole step.
const ROOF_ON_TWO_THREADS_FROM: usize = 256 * 1024;

pub fn run(bench: &mut Bench) -> Option<Curves> {
    let [mut one, mut two, mut bf16, mut roof_one, mut roof_two, mut limit] =
        [const { Curve::new() }; 6];
    for elements in SIZES {
        let f32 = Setup::new(RADAM_DTYPE_F32, elements);
        let outcome = against_roof(bench, "f32-1", &f32, 1)?;
        one.add(elements, outcome.median.ours);
        roof_one.add(elements, outcome.median.reference);

        let threads = if elements < ROOF_ON_TWO_THREADS_FROM { 1 } else { 2 };
        let outcome = against_roof(bench, "f32-2", &f32.on_threads(2), threads)?;
        two.add(elements, outcome.median.ours);
        if threads == 2 {
            roof_two.add(elements, outcome.median.reference);
        }

        let outcome = against_limit(bench, &Setup::new(RADAM_DTYPE_BF16, elements))?;
        bf16.add(elements, outcome.median.ours);
        limit.add(elements, outcome.median.reference);
    }
    Some(Curves { one, two, bf16, roof_one, roof_two, limit })
}

fn case(kind: &str, setup: &Setup) -> Case {
    let elements = setup.lens[0];
    Case::new(format!("curve-{kind}-{}", size(elements)), "", elements)
}

fn against_roof(bench: &mut Bench, kind: &str, setup: &Setup, threads: usize) -> Option<Outcome> {
    let case = case(kind, setup);
    bench.run(&case, |measure| {
        let mut optimizer = setup.optimizer();
        with_roof(Traffic::F32, case.elements, threads, |pass| {
            measure(pass, &mut || optimizer.step());
        });
    })
}

fn against_limit(bench: &mut Bench, setup: &Setup) -> Option<Outcome> {
    let case = case("bf16-1", setup);
    bench.run(&case, |measure| {
        let mut optimizer = setup.optimizer();
        let mut limit = SquareRootAndDivision::new(case.elements);
        measure(&mut || limit.run(), &mut || optimizer.step());
    })
}
