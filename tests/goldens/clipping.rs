//! Steps with scaled and clipped gradients, compared with training loops of torch: its gradient scaler, clipping and
//! RAdam.

use std::array::from_fn;

use radam::ffi::*;

use crate::cases::{DTYPES, Decay, Dtype, LEN, Set, Trajectory, read, set};
use crate::distance;
use crate::driver::optimizer::Optimizer;
use crate::driver::{STATES, step_options, toggle};
use crate::run::{Run, UNWRITTEN};

/// The groups of every loop: one of each kind of decay.
const GROUPS: [(&str, Decay); 4] = [
    ("defaults", Decay::Decoupled),
    ("lr_3e-2", Decay::None),
    ("beta1_0.99", Decay::L2),
    ("maximize", Decay::FullyDecoupled),
];

/// Each group has two tensors, of the elements before and from here on.
const SPLIT_AT: usize = 2;

/// A block of `clipping.txt`: what a loop does, and what torch made of it.
struct Loop {
    dtype: Dtype,
    name: String,
    max_norm: f64,
    max_value: f64,
    grad_exponent: i32,
    /// One of about so many gradient values is; 0: none.
    infinite: u64,
    nan: u64,
    scaler: bool,
    steps: Vec<Step>,
    /// Of all groups, one after another.
    params: Trajectory,
}

struct Step {
    loss_scale: f64,
    norm: f64,
    coefficient: f64,
    nonfinite: u64,
    skipped: bool,
}

impl Loop {
    fn parse(line: &str) -> Loop {
        let column: Vec<&str> = line.split(' ').collect();
        assert_eq!(column.len(), 8, "{line}");
        Loop {
            dtype: DTYPES.into_iter().find(|dtype| dtype.name() == column[0]).unwrap(),
            name: column[1].into(),
            max_norm: column[2].parse().unwrap(),
            max_value: column[3].parse().unwrap(),
            grad_exponent: column[4].parse().unwrap(),
            infinite: column[5].parse().unwrap(),
            nan: column[6].parse().unwrap(),
            scaler: column[7] == "on",
            steps: Vec::new(),
            params: Trajectory::new(),
        }
    }

    fn add_step(&mut self, line: &str) {
        let column: Vec<&str> = line.split(' ').collect();
        let bits = |word: &str| u64::from_str_radix(word, 16).unwrap();
        self.steps.push(Step {
            loss_scale: column[1].parse().unwrap(),
            norm: f64::from_bits(bits(column[2])),
            coefficient: f64::from_bits(bits(column[3])),
            nonfinite: column[4].parse().unwrap(),
            skipped: column[5] == "skipped",
        });
        assert_eq!(column[0].parse(), Ok(self.steps.len()), "{line}");
        if column.len() > 6 {
            let params = column[6..].iter().map(|word| self.dtype.value(bits(word))).collect();
            self.params.insert(self.steps.len() as u64, params);
        }
    }

    /// The set's gradients, some of them not finite, under the loss scale.
    fn grads(&self, set: &Set, step: u64) -> Vec<f64> {
        let loss_scale = self.steps[step as usize - 1].loss_scale;
        let mut grads = set.grads(step);
        for (element, grad) in grads.iter_mut().enumerate() {
            let bits = set.draw(3, step, element);
            if self.infinite > 0 && bits.is_multiple_of(self.infinite) {
                *grad = if bits >> 40 & 1 == 1 { -f64::INFINITY } else { f64::INFINITY };
            }
            if self.nan > 0 && bits % self.nan == 1 {
                *grad = f64::NAN;
            }
            *grad *= 2f64.powi(self.grad_exponent) * loss_scale;
        }
        grads
    }

    fn options(&self, step: &Step) -> radam_step_options {
        radam_step_options {
            grad_scale: 1.0 / step.loss_scale,
            max_grad_norm: self.max_norm,
            max_grad_value: self.max_value,
            skip_nonfinite: toggle(self.scaler),
            ..step_options()
        }
    }

    /// The library's parameters at the checkpoints, and its report of every step.
    fn run(&self, dtype: Dtype, grad_dtype: Dtype) -> (Trajectory, Vec<radam_step_report>) {
        let sets = GROUPS.map(|(name, _)| set(name));
        let mut optimizer = Optimizer::new();
        for (set, (_, decay)) in sets.iter().zip(GROUPS) {
            let params = set.initial_params();
            let (first, second) = params.split_at(SPLIT_AT);
            let run = Run { grad_dtype, ..Run::new(set, decay, dtype) };
            optimizer.add_group(&run.group_options(), [first, second].map(|part| run.param(part)));
        }
        let (mut params, mut reports) = (Trajectory::new(), Vec::new());
        for (number, step) in (1..).zip(&self.steps) {
            for (id, set) in (0..).step_by(2).zip(&sets) {
                let grads = self.grads(set, number);
                optimizer.set_grads(id, &grads[..SPLIT_AT]);
                optimizer.set_grads(id + 1, &grads[SPLIT_AT..]);
            }
            reports.push(optimizer.step_with_report(&self.options(step)));
            if self.params.contains_key(&number) {
                let all = (0..2 * GROUPS.len()).flat_map(|id| optimizer.values(id));
                params.insert(number, all.collect());
            }
        }
        (params, reports)
    }
}

fn loops(dtype: Dtype) -> Vec<Loop> {
    let mut loops: Vec<Loop> = Vec::new();
    for line in read("clipping.txt").lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with(|first: char| first.is_ascii_digit()) {
            loops.last_mut().unwrap().add_step(line);
        } else {
            loops.push(Loop::parse(line));
        }
    }
    loops.retain(|of_loop| of_loop.dtype == dtype);
    assert_eq!(loops.len(), 11);
    loops
}

/// The relative difference; 0 where both are NaN, or the same infinity.
fn error(x: f64, expected: f64) -> f64 {
    if x.is_nan() && expected.is_nan() || x == expected {
        0.0
    } else {
        ((x - expected) / expected).abs()
    }
}

fn check_reports(of_loop: &Loop, reports: &[radam_step_report], limit: f64) {
    for (number, (report, step)) in (1..).zip(reports.iter().zip(&of_loop.steps)) {
        let place = format!("{:?} {} {number}: {report:?}", of_loop.dtype, of_loop.name);
        let Step { norm, coefficient, nonfinite, skipped, .. } = *step;
        assert!(error(report.grad_norm, norm) <= limit, "{place}, not a norm of {norm:e}");
        assert!(error(report.clip_coefficient, coefficient) <= limit, "{place}, not {coefficient}");
        assert_eq!((report.nonfinite, report.skipped), (nonfinite, skipped.into()), "{place}");
    }
}

/// torch's f64 is committed for the first elements of each group only.
fn committed(params: &[f64], theirs: &[f64]) -> Vec<f64> {
    let of_group = theirs.len() / GROUPS.len();
    params.chunks(LEN).flat_map(|group| &group[..of_group]).copied().collect()
}

#[test]
fn f64_is_torch() {
    let starts = GROUPS.map(|(name, _)| set(name).initial_params()).concat();
    let mut worst = 0f64;
    for of_loop in loops(Dtype::F64) {
        let (found, reports) = of_loop.run(Dtype::F64, Dtype::F64);
        check_reports(&of_loop, &reports, 1e-14);
        for (step, theirs) in &of_loop.params {
            let ours = committed(&found[step], theirs);
            let starts = committed(&starts, theirs);
            for ((x, expected), start) in ours.iter().zip(theirs).zip(starts) {
                let place = format!("{} {step}: {x:e}, torch {expected:e}", of_loop.name);
                assert_eq!(x.is_nan(), expected.is_nan(), "{place}");
                if !x.is_nan() {
                    let error = (x - expected).abs() / expected.abs().max(start.abs());
                    assert!(error <= 1e-13, "{place}: {error:e}");
                    worst = worst.max(error);
                }
            }
        }
    }
    println!("f64: {worst:.1e}");
}

/// With what is NaN in the oracle made 0, there and here, where it must be NaN too.
fn distance_without_nan(found: &Trajectory, oracle: &Trajectory, place: &str) -> f64 {
    let mut pair = [found.clone(), oracle.clone()];
    for step in oracle.keys() {
        let [found, oracle] = pair.each_mut().map(|params| params.get_mut(step).unwrap());
        for (x, expected) in found.iter_mut().zip(oracle) {
            assert_eq!(x.is_nan(), expected.is_nan(), "{place} {step}: {x:e}, {expected:e}");
            if x.is_nan() {
                (*x, *expected) = (0.0, 0.0);
            }
        }
    }
    let [found, mut oracle] = pair;
    oracle.retain(|_, params| params.iter().any(|x| *x != 0.0)); // or there is nothing to compare
    let found = found.into_iter().filter(|(step, _)| oracle.contains_key(step)).collect();
    distance(&found, &oracle)
}

#[test]
fn f32_is_as_close_to_f64_as_torch() {
    for (of_loop, exact) in loops(Dtype::F32).iter().zip(loops(Dtype::F64)) {
        let (name, oracle) = (&of_loop.name, exact.run(Dtype::F64, Dtype::F64).0);
        let (found, reports) = of_loop.run(Dtype::F32, Dtype::F32);
        check_reports(of_loop, &reports, 1e-6);
        check_reports(&exact, &reports, 1e-13); // since norms are taken in f64
        let ours = distance_without_nan(&found, &oracle, name);
        let theirs = distance_without_nan(&of_loop.params, &oracle, name);
        println!("f32 {name}: {ours:.2e} / {theirs:.2e} = {:.3}", ours / theirs);
        assert!(ours <= 2.0 * theirs, "{name}: ours {ours:e}, torch {theirs:e}");
    }
}

/// Under a loss scale that is a power of two, all gradients are exact in bf16.
#[test]
fn the_dtype_of_exact_gradients_does_not_matter_to_clipping() {
    for of_loop in loops(Dtype::F32).iter().filter(|of_loop| of_loop.scaler) {
        let (same, same_reports) = of_loop.run(Dtype::F32, Dtype::F32);
        for grad_dtype in [Dtype::F64, Dtype::Bf16] {
            let (found, reports) = of_loop.run(Dtype::F32, grad_dtype);
            assert_eq!(found, same, "{} with {grad_dtype:?} gradients", of_loop.name);
            for (report, same) in reports.iter().zip(&same_reports) {
                assert_eq!(format!("{report:?}"), format!("{same:?}"), "{}", of_loop.name);
            }
        }
    }
}

/// Everything that a step may write.
#[derive(Debug, PartialEq)]
struct Everything {
    params: Vec<f64>,
    copy: Option<Vec<f64>>,
    state: [Vec<u8>; STATES.len()],
    steps: u64,
}

impl Everything {
    fn of(optimizer: &Optimizer, param: usize, run: &Run) -> Everything {
        Everything {
            params: optimizer.values(param),
            copy: run.copy.map(|_| optimizer.copy(param)),
            state: STATES.map(|(which, _)| optimizer.state(param, which).0),
            steps: optimizer.step_count(param),
        }
    }
}

#[test]
fn a_skipped_step_leaves_everything() {
    let set = set("defaults");
    let mut kinds = DTYPES.map(|dtype| Run::new(&set, Decay::Decoupled, dtype)).to_vec();
    kinds.push(Run { copy: Some(Dtype::Bf16), ..kinds[1].clone() });
    kinds.push(Run { master_remainder: true, ..kinds[3].clone() });
    for run in &kinds {
        let params = set.initial_params();
        let mut optimizer = run.optimizer_of(&[&params[..SPLIT_AT], &params[SPLIT_AT..]]);
        let options = radam_step_options {
            skip_nonfinite: RADAM_ON,
            report_norms: RADAM_ON,
            ..step_options()
        };
        for step in 1..=12 {
            let mut grads = set.grads(step);
            match step {
                1 | 8 => grads[0] = f64::INFINITY,
                4 => grads[LEN - 1] = f64::NAN,
                9 => (grads[SPLIT_AT], grads[LEN - 1]) = (f64::NAN, -f64::INFINITY),
                _ => {}
            }
            optimizer.set_grads(0, &grads[..SPLIT_AT]);
            optimizer.set_grads(1, &grads[SPLIT_AT..]);
            let before = [0, 1].map(|id| Everything::of(&optimizer, id, run));
            let report = optimizer.step_with_report(&options);
            let after = [0, 1].map(|id| Everything::of(&optimizer, id, run));
            let nonfinite = grads.iter().filter(|grad| !grad.is_finite()).count();
            assert_eq!(report.nonfinite, nonfinite as u64, "{:?} {step}", run.dtype);
            assert_eq!(report.skipped, i32::from(nonfinite > 0), "{:?} {step}", run.dtype);
            if nonfinite > 0 {
                assert_eq!(before, after, "{:?} {step}", run.dtype);
                assert_eq!(report.update_norm, 0.0, "{:?} {step}", run.dtype);
                assert!(report.param_norm.is_nan(), "{:?} {step}", run.dtype);
            } else {
                assert_ne!(before, after, "{:?} {step}", run.dtype);
            }
            if step == 1 && run.copy.is_some() {
                assert_eq!(after[1].copy, Some(vec![UNWRITTEN; LEN - SPLIT_AT]));
            }
        }
    }
}

/// Of 40,000 elements, so that some are in a chunk of their own. The second parameter takes its
/// gradients from the middle of the first one's memory, the third has its own.
#[test]
fn zeroed_gradients_are_used_first_also_where_parameters_share_them() {
    const LENS: [usize; 3] = [40_000, 20_000, 1000];
    let set = set("defaults");
    for dtype in DTYPES {
        for skips in [false, true] {
            let run = Run::new(&set, Decay::L2, dtype);
            let tensors = LENS.map(|len| vec![0.5; len]);
            let mut grads = LENS.map(|len| (0..len).map(|i| (i % 13) as f64 - 6.5).collect());
            if skips {
                grads[0] = vec![f64::INFINITY; LENS[0]];
            }
            let [zeroes, keeps]: [Optimizer; 2] = from_fn(|index| {
                let mut optimizer = run.optimizer_of(&tensors.each_ref().map(Vec::as_slice));
                for (id, grads) in grads.iter().enumerate() {
                    optimizer.set_grads(id, grads);
                }
                let shared = optimizer.params[0].grad.as_ref().unwrap();
                let shared = shared.part(LENS[0] - LENS[1]..LENS[0]);
                optimizer.set_grad(1, Some(shared));
                let report = optimizer.step_with_report(&radam_step_options {
                    zero_grad: toggle(index == 0),
                    skip_nonfinite: toggle(skips),
                    ..step_options()
                });
                assert_eq!(report.skipped, i32::from(skips));
                optimizer
            });
            for (id, len) in [0, 1, 2].into_iter().zip(LENS) {
                assert!(zeroes.values(id) == keeps.values(id), "{dtype:?}, skipped {skips}: {id}");
                assert_eq!(zeroes.values(id) == vec![0.5; len], skips, "{dtype:?}: {id}");
            }
            for id in [0, 2] {
                let (zeroed, kept) = (zeroes.grads(id), keeps.grads(id));
                assert!(zeroed.iter().all(|grad| *grad == 0.0), "{dtype:?}, skipped {skips}: {id}");
                assert!(kept == grads[id], "{dtype:?}, skipped {skips}: {id}");
            }
        }
    }
}
