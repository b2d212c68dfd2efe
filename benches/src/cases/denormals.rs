//! Denormal numbers, for which processors have slow paths.

use crate::bench::Bench;
use crate::case::Case;
use crate::goal::{Goal, Quantity};
use crate::setup::Setup;
use radam::ffi::*;

const ELEMENTS: usize = 64 * 1024;

pub fn run(bench: &mut Bench) {
    for (dtype, kind) in [(RADAM_DTYPE_F32, "f32"), (RADAM_DTYPE_BF16, "bf16, Kahan")] {
        for (gradient, name, what) in [
            (1e-19, "squares", "exp_avg_sq denormal"),
            (1e-39, "averages", "exp_avg and gradients denormal"),
        ] {
            let name = format!("denormal-{}-{name}", kind.replace(", ", "-"));
            let case = Case::new(name, format!("{kind}, 64K, {what}"), ELEMENTS)
                .reports(Quantity::Times, "time over ordinary numbers")
                .with_goal(Goal::AtMost(2.0));
            bench.compare(&case, |measure| {
                let setup = Setup::new(dtype, ELEMENTS);
                let mut ordinary = setup.optimizer();
                let mut denormal = Setup { gradient, ..setup }.optimizer();
                measure(&mut || ordinary.step(), &mut || denormal.step());
            });
        }
    }
}
