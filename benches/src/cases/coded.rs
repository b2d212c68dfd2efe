//! State of 8 bits, beside that of f32 and its own roof.

use crate::bench::Bench;
use crate::case::{Case, size, thread_count};
use crate::goal::{Goal, Quantity};
use crate::limit::Cycles;
use crate::machine::instruction_set_in_use;
use crate::roof::Traffic;
use crate::setup::Setup;
use crate::team::with_roof;
use radam::ffi::*;

const ELEMENTS: usize = 32 * 1024 * 1024;
const IN_CACHE: usize = 64 * 1024;

pub fn run(bench: &mut Bench) {
    let f32 = Setup::new(RADAM_DTYPE_F32, ELEMENTS);
    let bf16 = Setup::new(RADAM_DTYPE_BF16, ELEMENTS);
    let remainder = Setup { master_remainder: RADAM_ON, ..bf16.clone() };
    for threads in [2, 1] {
        // From fast memory, f32 gains less.
        for (kind, setup, traffic, with_two_threads) in [
            ("f32", &f32, Traffic::CODED, Goal::AtLeast(1.15)),
            ("bf16, Kahan", &bf16, Traffic::CODED_16_BIT, Goal::None),
            ("bf16, master_remainder", &remainder, Traffic::CODED_16_BIT, Goal::AtLeast(1.3)),
        ] {
            let goal = if threads == 2 { with_two_threads } else { Goal::None };
            let title = format!("{kind}, q8, {}, {}", size(ELEMENTS), thread_count(threads));
            let name = kind.replace(", ", "-").replace(' ', "-");
            let with_state =
                |state_dtype| Setup { state_dtype, ..setup.clone() }.on_threads(threads as u32);
            let coded = with_state(RADAM_DTYPE_Q8);

            let case = Case::new(format!("coded-{name}-{threads}"), title.clone(), ELEMENTS)
                .reports(Quantity::Speedup, "speed over f32 state")
                .with_goal(goal);
            against_f32(bench, &case, &with_state(RADAM_DTYPE_F32), &coded);

            let meaning = format!("share of the {}-byte roof", traffic.bytes());
            let case = Case::new(format!("coded-{name}-roof-{threads}"), title, ELEMENTS)
                .reports(Quantity::Share, meaning);
            bench.compare(&case, |measure| {
                let mut optimizer = coded.optimizer();
                with_roof(traffic, ELEMENTS, threads, |pass| {
                    measure(pass, &mut || optimizer.step());
                });
            });
        }
    }
    let case = Case::new("coded-cache", "f32, q8, 64K, 1 thread", IN_CACHE)
        .reports(Quantity::Times, "time over f32 state");
    let f32 = Setup { lens: vec![IN_CACHE], ..f32 };
    let coded = Setup { state_dtype: RADAM_DTYPE_Q8, ..f32.clone() };
    against_f32(bench, &case, &f32, &coded);

    let most = if instruction_set_in_use() == "avx512" { 0.42 } else { 0.65 };
    let case = Case::new("coded-cache-cycles", "f32, q8, 64K, 1 thread", IN_CACHE)
        .reports(Quantity::NanosecondsAt3600MHz, "ns per element at 3.6 GHz")
        .with_goal(Goal::AtMost(most));
    bench.compare(&case, |measure| {
        let cycles = Cycles(IN_CACHE);
        let mut optimizer = coded.optimizer();
        measure(&mut || cycles.run(), &mut || optimizer.step());
    });
}

fn against_f32(bench: &mut Bench, case: &Case, f32: &Setup, coded: &Setup) {
    bench.compare(case, |measure| {
        let (mut f32, mut coded) = (f32.optimizer(), coded.optimizer());
        measure(&mut || f32.step(), &mut || coded.step());
    });
}
