//! Tensors larger than the caches, where memory traffic is the limit.

use crate::bench::Bench;
use crate::case::{Case, size, thread_count};
use crate::goal::{Goal, Quantity};
use crate::roof::Traffic;
use crate::setup::Setup;
use crate::team::with_roof;
use radam::ffi::*;

const M: usize = 1024 * 1024;

pub fn run(bench: &mut Bench) {
    for elements in [16 * M, 64 * M] {
        for threads in [1, 2] {
            let setup = Setup::new(RADAM_DTYPE_F32, elements);
            against_roof(bench, "f32", setup, Traffic::F32, threads, Goal::AtLeast(0.95));
        }
    }
    for threads in [2, 1] {
        let goal = if threads == 2 { Goal::AtLeast(0.9) } else { Goal::None };
        let new = |dtype| Setup::new(dtype, 32 * M);
        for (kind, setup, traffic) in [
            ("bf16, Kahan", new(RADAM_DTYPE_BF16), Traffic::ALL_16_BIT_KAHAN),
            ("f16, Kahan", new(RADAM_DTYPE_F16), Traffic::ALL_16_BIT_KAHAN),
            (
                "bf16, f32 state, Kahan",
                Setup { state_dtype: RADAM_DTYPE_F32, ..new(RADAM_DTYPE_BF16) },
                Traffic::F32_STATE_KAHAN,
            ),
            (
                "bf16, f32 state",
                Setup {
                    state_dtype: RADAM_DTYPE_F32,
                    kahan_sum: RADAM_OFF,
                    ..new(RADAM_DTYPE_BF16)
                },
                Traffic::F32_STATE,
            ),
            (
                "f32, bf16 gradients",
                Setup { grad_dtype: RADAM_DTYPE_BF16, ..new(RADAM_DTYPE_F32) },
                Traffic::F32_WITH_16_BIT_GRADIENTS,
            ),
        ] {
            against_roof(bench, kind, setup, traffic, threads, goal);
        }
    }
}

fn against_roof(
    bench: &mut Bench,
    kind: &str,
    setup: Setup,
    traffic: Traffic,
    threads: usize,
    goal: Goal,
) {
    let elements = setup.lens.iter().sum();
    let name = format!(
        "memory-{}-{}-{threads}",
        kind.replace(", ", "-").replace(' ', "-"),
        size(elements)
    );
    let title = format!("{kind}, {}, {}", size(elements), thread_count(threads));
    let case = Case::new(name, title, elements)
        .reports(Quantity::Share, format!("share of the {}-byte roof", traffic.bytes()))
        .with_goal(goal);
    bench.compare(&case, |measure| {
        let mut optimizer = setup.on_threads(threads as u32).optimizer();
        with_roof(traffic, elements, threads, |pass| measure(pass, &mut || optimizer.step()));
    });
}
