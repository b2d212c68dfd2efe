//! What the library reports: the norms of a step, and the scalars of the next one.

use radam::ffi::*;

use crate::cases::{DTYPES, Decay, Dtype, set};
use crate::driver::optimizer::Optimizer;
use crate::driver::step_options;
use crate::run::Run;
use crate::{cases, norm, oracle};

/// Around the lengths of blocks and chunks. The last two parameters do not step.
const LENS: [usize; 6] = [5, 1024, 1500, 40_000, 300, 700];
const WITHOUT_GRADIENT: usize = 4;
const FROZEN: usize = 5;

fn values(seed: usize, len: usize) -> Vec<f64> {
    (0..len).map(|i| ((i * 37 + seed * 101) % 509) as f64 / 128.0 - 2.0).collect()
}

/// Two groups, of every second parameter.
fn optimizer(run: &Run) -> Optimizer {
    let tensors = LENS.map(|len| values(len, len));
    let mut optimizer = Optimizer::new();
    for half in tensors.chunks(LENS.len() / 2) {
        optimizer.add_group(&run.group_options(), half.iter().map(|values| run.param(values)));
    }
    optimizer
}

fn relative(x: f64, expected: f64) -> f64 {
    (x - expected).abs() / expected
}

#[test]
fn norms_are_those_of_what_stepped() {
    let set = set("lr_3e-2");
    let mut runs = DTYPES.map(|dtype| Run::new(&set, Decay::L2, dtype)).to_vec();
    runs.push(Run { master_remainder: true, ..runs[3].clone() });
    runs.push(Run { stochastic_rounding: true, ..runs[3].clone() });
    runs.push(Run { copy: Some(Dtype::Bf16), ..runs[1].clone() });
    for run in &runs {
        let place = format!("{:?}, remainder {}", run.dtype, run.master_remainder);
        let mut optimizer = optimizer(run);
        for step in 1..=8 {
            for (id, len) in (0..).zip(LENS).filter(|(id, _)| *id != WITHOUT_GRADIENT) {
                optimizer.set_grads(id, &values(len + step, len));
            }
            optimizer.set_frozen(FROZEN, true);
            optimizer.set_accumulation(step == 4);
            let stepping = 0..WITHOUT_GRADIENT;
            let all = |optimizer: &Optimizer| {
                stepping.clone().flat_map(|id| optimizer.values(id)).collect::<Vec<f64>>()
            };
            let (before, grad_scale) = (all(&optimizer), 0.7);
            let grads = stepping.clone().flat_map(|id| optimizer.grads(id));
            let grad_norm = grad_scale * norm(grads);
            let report = optimizer.step_with_report(&radam_step_options {
                grad_scale,
                max_grad_norm: 30.0,
                report_norms: RADAM_ON,
                ..step_options()
            });
            let after = all(&optimizer);
            let update_norm = norm(after.iter().zip(&before).map(|(x, y)| x - y));
            let error = relative(report.grad_norm, grad_norm);
            assert!(error <= 1e-13, "{place} {step}: {report:?}, not {grad_norm:e}");
            let error = relative(report.param_norm, norm(after.iter().copied()));
            assert!(error <= 1e-13, "{place} {step}: {report:?}, off by {error:e}");
            if step == 4 {
                assert_eq!(report.update_norm, 0.0, "{place}: accumulation moves nothing");
            } else {
                let error = relative(report.update_norm, update_norm);
                assert!(error <= 1e-13, "{place} {step}: {report:?}, not {update_norm:e}");
            }
        }
    }
}

/// Measuring must not change what is measured.
#[test]
fn a_step_that_reports_norms_is_the_same() {
    let set = set("lr_3e-2");
    for (dtype, remainder, random) in DTYPES
        .map(|dtype| (dtype, false, false))
        .into_iter()
        .chain([(Dtype::Bf16, true, false), (Dtype::Bf16, false, true)])
    {
        let run = Run {
            master_remainder: remainder,
            stochastic_rounding: random,
            ..Run::new(&set, Decay::Decoupled, dtype)
        };
        let found = [RADAM_OFF, RADAM_ON].map(|report_norms| {
            let mut optimizer = optimizer(&run);
            for step in 1..=8 {
                for (id, len) in (0..).zip(LENS) {
                    optimizer.set_grads(id, &values(len + step, len));
                }
                let report = optimizer
                    .step_with_report(&radam_step_options { report_norms, ..step_options() });
                let measured = report_norms == RADAM_ON;
                assert_eq!(report.update_norm.is_nan(), !measured, "{report:?}");
                assert_eq!(report.param_norm.is_nan(), !measured, "{report:?}");
            }
            (0..LENS.len()).map(|id| optimizer.values(id)).collect::<Vec<_>>()
        });
        assert!(found[0] == found[1], "{dtype:?}, remainder {remainder}, random {random}");
    }
}

/// Where β is near 1, the formulas lose digits: 1 − β^t all that β^t has more than it, and ρ as many
/// once more.
#[test]
fn a_group_report_has_the_scalars_of_the_next_step() {
    for (set, decay) in crate::cases() {
        let run = Run::new(&set, decay, Dtype::F32);
        let mut optimizer = run.optimizer();
        let param = optimizer.add_param(0, run.param(&set.initial_params()));
        let rho_inf = oracle::rho_inf(set.beta2);
        let lost = |beta: f64| 1e-15 / (1.0 - beta);
        for step in 1..=cases::STEPS {
            let lr = set.lr_at(step);
            optimizer.set_lr(0, lr);
            let report = optimizer.group_report(0);
            let place = format!("{} {decay:?}: {report:?}", set.name);
            let rho = oracle::rho(set.beta2, step);
            let rectification =
                if set.rectify { oracle::rectification(&set, step) } else { Some(1.0) };
            let near = |x: f64, expected: f64, limit: f64| {
                let error = (x - expected).abs() / expected.abs().max(1.0);
                assert!(error <= limit, "{place}, not {expected:e} but {error:e} off");
            };
            let r = rectification.unwrap_or(0.0);
            let waits = rectification.is_none() && !set.unrectified;
            let (rate, decayed) = if waits {
                (0.0, 0.0)
            } else {
                (rectification.unwrap_or(1.0), oracle::decayed(&set, decay, lr))
            };
            assert_eq!(report.step, step, "{place}");
            assert_eq!(report.rectified, i32::from(rectification.is_some()), "{place}");
            near(report.rho_inf, rho_inf, 1e-15);
            near(report.rho, rho, lost(set.beta2) * rho_inf);
            near(report.r, r, lost(set.beta2) * rho_inf);
            near(
                report.effective_lr / set.max_lr,
                lr / set.max_lr * rate,
                lost(set.beta2) * rho_inf,
            );
            near(report.beta1_hat, oracle::debiased(set.beta1, step), lost(set.beta1));
            near(report.beta2_hat, oracle::debiased(set.beta2, step), lost(set.beta2));
            near(report.decay_factor, 1.0 - decayed, 1e-16);
            optimizer.set_grads(param, &set.grads(step));
            optimizer.step();
        }
    }
}

/// Scalars of β near 1, and of steps up to 1e15. Up to 0.999, f64 as the formulas stand is what is pinned.
#[test]
fn a_group_report_is_that_of_arithmetic_with_120_digits() {
    let mut rows = 0;
    for row in cases::read("rectify.txt").lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<_> = row.split(' ').collect();
        let bits = |column: usize| u64::from_str_radix(columns[column], 16).unwrap();
        let value = |column| f64::from_bits(bits(column));
        let (beta, step): (f64, u64) = (value(0), columns[1].parse().unwrap());
        let mut set = set("defaults");
        (set.beta1, set.beta2) = (beta, beta);
        let run = Run::new(&set, Decay::None, Dtype::F32);
        let mut optimizer = run.optimizer();
        let param = optimizer.add_param(0, run.param(&set.initial_params()));
        optimizer.set_step_count(param, step - 1);
        let report = optimizer.group_report(0);
        let (limit, rho_limit) = if beta > 0.999 {
            (1e-15, 1e-15)
        } else {
            (1e-15 / (1.0 - beta), 1e-15 / (1.0 - beta) * report.rho_inf)
        };
        let near = |x: f64, expected: f64, limit: f64| {
            let same = x == expected || relative(x, expected) <= limit;
            assert!(same, "beta {beta}, step {step}: {x:e}, not {expected:e}");
        };
        let rectified = columns[3] != "-";
        let r = if rectified { value(3) } else { 0.0 };
        assert_eq!((report.step, report.rectified), (step, rectified.into()), "{beta} {step}");
        near(report.rho, value(2), rho_limit);
        near(report.r, r, rho_limit);
        near(report.effective_lr, set.max_lr * if rectified { r } else { 1.0 }, rho_limit);
        near(report.beta1_hat, value(4), limit);
        near(report.beta2_hat, value(4), limit);
        rows += 1;
    }
    assert_eq!(rows, 14 * 40);
}

#[test]
fn a_group_report_goes_by_the_parameter_with_the_most_steps() {
    let set = set("defaults");
    let run = Run::new(&set, Decay::None, Dtype::F32);
    let mut optimizer = run.optimizer();
    assert_eq!(optimizer.group_report(0).step, 1);
    let [few, many] = [3, 7].map(|steps| {
        let param = optimizer.add_param(0, run.param(&set.initial_params()));
        optimizer.set_grads(param, &set.grads(1));
        (0..steps).for_each(|_| optimizer.step());
        optimizer.set_grad(param, None);
        param
    });
    assert_eq!(optimizer.group_report(0).step, 8);
    assert_eq!([few, many].map(|param| optimizer.step_count(param)), [3, 7]);
    optimizer.set_grads(few, &set.grads(1));
    for _ in 0..5 {
        optimizer.step();
    }
    assert_eq!(optimizer.group_report(0).step, 9);
}
