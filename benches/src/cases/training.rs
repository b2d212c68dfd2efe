//! What training loops do around the step, done as part of it: how much it adds to a plain step, and how much it saves
//! compared with separate passes.

use crate::bench::Bench;
use crate::case::{Case, size, thread_count};
use crate::driver::step_options;
use crate::goal::{Goal, Quantity};
use crate::setup::Setup;
use radam::ffi::*;
use std::hint::black_box;

const M: usize = 1024 * 1024;
const ELEMENTS: usize = 32 * M;
/// Bytes that a plain step moves for an element.
const PLAIN: f64 = 28.0;
/// How much more than its memory traffic a feature may cost.
const TOLERANCE: f64 = 1.05;

pub fn run(bench: &mut Bench) {
    let plain = Setup::new(RADAM_DTYPE_F32, ELEMENTS);
    let defaults = step_options();
    let clip = radam_step_options { max_grad_norm: 1.0, ..defaults };
    let costs_nothing = Goal::AtMost(TOLERANCE);
    let bytes = |more: f64| Goal::AtMost(TOLERANCE * (PLAIN + more) / PLAIN);
    for threads in [2, 1] {
        for (what, options, goal) in [
            ("max_grad_norm", clip, Goal::AtMost(1.2)),
            ("grad_scale", radam_step_options { grad_scale: 0.5, ..defaults }, costs_nothing),
            (
                "max_grad_value",
                radam_step_options { max_grad_value: 0.05, ..defaults },
                costs_nothing,
            ),
            ("zero_grad", radam_step_options { zero_grad: RADAM_ON, ..defaults }, bytes(4.0)),
            ("report_norms", radam_step_options { report_norms: RADAM_ON, ..defaults }, Goal::None),
        ] {
            against_plain(bench, what, &plain, options, threads, goal);
        }
        let with_copy = Setup { copy: Some(RADAM_DTYPE_BF16), ..plain.clone() };
        against_plain(bench, "a copy in bf16", &with_copy, defaults, threads, bytes(2.0));
    }
    against_reading(bench, clip);
    against_passes(bench);
}

/// A step with something more, over the step alone.
fn against_plain(
    bench: &mut Bench,
    what: &str,
    setup: &Setup,
    options: radam_step_options,
    threads: usize,
    goal: Goal,
) {
    let title = format!("f32, {}, {what}, {}", size(ELEMENTS), thread_count(threads));
    let name = format!("training-{}-{threads}", what.replace(' ', "-"));
    let case = Case::new(name, title, ELEMENTS)
        .reports(Quantity::Times, "time over the step alone")
        .with_goal(goal);
    bench.compare(&case, |measure| {
        let setup = setup.clone().on_threads(threads as u32);
        let mut alone = Setup { copy: None, ..setup.clone() }.optimizer();
        let mut more = setup.optimizer();
        measure(&mut || alone.step(), &mut || more.step_with(&options));
    });
}

/// A step that measures the gradients, compared with a plain step and a loop that only reads them.
fn against_reading(bench: &mut Bench, clip: radam_step_options) {
    let title = format!("f32, {}, max_grad_norm, 1 thread", size(ELEMENTS));
    let case = Case::new("training-reading", title, ELEMENTS)
        .reports(Quantity::Times, "time over the step and reading gradients")
        .with_goal(Goal::AtMost(TOLERANCE));
    bench.compare(&case, |measure| {
        let setup = Setup::new(RADAM_DTYPE_F32, ELEMENTS);
        let mut alone = setup.optimizer();
        let mut clipping = setup.optimizer();
        measure(
            &mut || {
                read(alone.grads());
                alone.step();
            },
            &mut || clipping.step_with(&clip),
        );
    });
}

/// Reads all bits, in a loop that the compiler vectorizes.
fn read(grads: &[f32]) {
    let mut bits = [0u32; 64];
    for block in grads.chunks_exact(bits.len()) {
        for (bits, grad) in bits.iter_mut().zip(block) {
            *bits |= grad.to_bits();
        }
    }
    black_box(bits);
}

/// Unscaling, checking, clipping, stepping and zeroing as one call, over a pass for each.
fn against_passes(bench: &mut Bench) {
    let title = format!("f32, {}, unscale + check + clip + step + zero, 1 thread", size(ELEMENTS));
    let case = Case::new("training-passes", title, ELEMENTS)
        .reports(Quantity::Speedup, "speed over separate passes");
    let options = radam_step_options {
        grad_scale: 0.5,
        max_grad_norm: 1.0,
        skip_nonfinite: RADAM_ON,
        zero_grad: RADAM_ON,
        ..step_options()
    };
    bench.compare(&case, |measure| {
        let setup = Setup::new(RADAM_DTYPE_F32, ELEMENTS);
        let mut separate = setup.optimizer();
        let mut together = setup.optimizer();
        measure(
            &mut || {
                unscale_check_and_clip(separate.grads(), 0.5, 1.0);
                separate.step();
                separate.grads().fill(0.0);
            },
            &mut || together.step_with(&options),
        );
    });
}

/// What a training loop does by hand, in loops that the compiler vectorizes.
fn unscale_check_and_clip(grads: &mut [f32], scale: f32, max_norm: f64) {
    grads.iter_mut().for_each(|grad| *grad *= scale);
    let mut parts = [0f64; 32];
    for block in grads.chunks_exact(parts.len()) {
        for (part, grad) in parts.iter_mut().zip(block) {
            *part += *grad as f64 * *grad as f64;
        }
    }
    let norm = parts.iter().sum::<f64>().sqrt();
    assert!(norm.is_finite());
    let coefficient = (max_norm / (norm + 1e-6)).min(1.0) as f32;
    grads.iter_mut().for_each(|grad| *grad *= coefficient);
}
