//! The numerics, compared with optimi, torch, optax and an f64 oracle: every kind of weight decay, every dtype, every
//! set of hyperparameters.
//!
//! `goldens/generate.py` generated the reference values and describes them. The oracle here is a second implementation:
//! the first test compares it with all references, and the others compare the library with it.

#[path = "goldens/behaviour.rs"]
mod behaviour;
#[path = "goldens/cases.rs"]
mod cases;
#[path = "goldens/clipping.rs"]
mod clipping;
mod common;
mod driver;
#[path = "goldens/masters.rs"]
mod masters;
#[path = "goldens/oracle.rs"]
mod oracle;
#[path = "goldens/reports.rs"]
mod reports;
#[path = "goldens/run.rs"]
mod run;

use cases::{DECAYS, Decay, Dtype, LEN, Set, Trajectory, Vectors, set, sets};
use common::run_on_a_gpu;
use driver::toggle;
use radam::ffi::{RADAM_DTYPE_F32, RADAM_ON};
use run::Run;

/// Every set with every kind of decay.
fn cases() -> Vec<(Set, Decay)> {
    sets().into_iter().flat_map(|set| DECAYS.map(|decay| (set.clone(), decay))).collect()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// |x - oracle| / |oracle| over the elements, root mean square over the checkpoints.
fn distance(found: &Trajectory, oracle: &Trajectory) -> f64 {
    let relative = found.iter().map(|(step, values)| {
        let expected = &oracle[step];
        norm(values.iter().zip(expected).map(|(x, o)| x - o)) / norm(expected.iter().copied())
    });
    norm(relative) / (found.len() as f64).sqrt()
}

/// The largest difference of an element, relative to what it is or, if that was more, to what it
/// was at the beginning.
fn largest_error(found: &Trajectory, oracle: &Trajectory, set: &Set) -> f64 {
    let start = set.initial_params();
    let error = |step: &u64, i: usize, x: f64| {
        (x - oracle[step][i]).abs() / oracle[step][i].abs().max(start[i].abs())
    };
    found
        .iter()
        .flat_map(|(step, xs)| xs.iter().enumerate().map(move |(i, &x)| error(step, i, x)))
        .fold(0.0, f64::max)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn references_agree_with_the_oracle() {
    // torch and optax cannot accumulate in the state, optimi and torch have one threshold, and none of the three
    // can wait: so they lack some sets, each in four kinds of decay.
    for (file, sets_without) in
        [("oracle.txt", 0), ("optimi.txt", 5), ("torch.txt", 6), ("optax.txt", 3)]
    {
        let vectors = Vectors::read(file);
        let (mut seen, mut worst) = (0, 0f64);
        for (set, decay) in cases() {
            let Some(found) = vectors.get(Dtype::F64, false, &set, decay) else {
                continue;
            };
            let error = largest_error(found, &oracle::trajectory(&set, decay), &set);
            assert!(error < 1e-13, "{file} {} {decay:?}: {error:e}", set.name);
            worst = worst.max(error);
            seen += 1;
        }
        assert_eq!(seen, cases().len() - 4 * sets_without, "{file}");
        println!("{file}: {worst:.1e}");
    }
}

#[test]
fn f64_is_the_oracle() {
    let mut worst = 0f64;
    for (set, decay) in cases() {
        let found = Run::new(&set, decay, Dtype::F64).trajectory();
        let error = largest_error(&found, &oracle::trajectory(&set, decay), &set);
        assert!(error <= 1e-13, "{} {decay:?}: {error:e}", set.name);
        worst = worst.max(error);
    }
    println!("f64: {worst:.1e}");
}

#[test]
fn f32_is_as_close_to_the_oracle_as_its_peers() {
    for file in ["optimi.txt", "torch.txt"] {
        let vectors = Vectors::read(file);
        let mut ratios = Vec::new();
        for (set, decay) in cases() {
            let Some(theirs) = vectors.get(Dtype::F32, false, &set, decay) else {
                continue;
            };
            let oracle = oracle::trajectory(&set, decay);
            let ours = distance(&Run::new(&set, decay, Dtype::F32).trajectory(), &oracle);
            let theirs = distance(theirs, &oracle).max(Dtype::F32.rounding_error());
            assert!(
                ours <= 2.0 * theirs,
                "{} {decay:?}: ours {ours:e}, {file} {theirs:e}",
                set.name
            );
            ratios.push(ours / theirs);
        }
        let largest = ratios.iter().copied().fold(0.0, f64::max);
        println!(
            "f32 / {file}: mean {:.3}, largest {largest:.3} of {}",
            mean(&ratios),
            ratios.len()
        );
    }
}

/// Mean distances to the oracle over all sets that fit the dtype: ours and optimi's.
fn mean_distances(dtype: Dtype, decay: Decay, kahan: bool) -> (f64, f64) {
    let vectors = Vectors::read("optimi.txt");
    let pair = |set: Set| {
        let oracle = oracle::trajectory(&set, decay);
        let ours = Run { kahan_sum: toggle(kahan), ..Run::new(&set, decay, dtype) }.trajectory();
        let theirs = vectors.get(dtype, kahan, &set, decay).unwrap();
        (distance(&ours, &oracle), distance(theirs, &oracle))
    };
    let (ours, theirs): (Vec<f64>, Vec<f64>) =
        sets().into_iter().filter(|set| set.fits(dtype) && set.is_usual()).map(pair).unzip();
    let (ours, theirs) = (mean(&ours), mean(&theirs));
    println!(
        "{dtype:?} {decay:?}, Kahan {kahan}: {ours:.2e} / {theirs:.2e} = {:.3}",
        ours / theirs
    );
    (ours, theirs)
}

#[test]
fn sixteen_bits_with_kahan_are_no_farther_from_the_oracle_than_optimi() {
    for dtype in [Dtype::F16, Dtype::Bf16] {
        for decay in [Decay::None, Decay::L2] {
            let (ours, theirs) = mean_distances(dtype, decay, true);
            assert!(ours <= 1.01 * theirs, "{dtype:?} {decay:?}: ours {ours:e}, optimi {theirs:e}");
        }
    }
}

#[test]
fn sixteen_bits_with_kahan_decay_where_optimi_stalls() {
    for dtype in [Dtype::F16, Dtype::Bf16] {
        for decay in [Decay::Decoupled, Decay::FullyDecoupled] {
            let (ours, theirs) = mean_distances(dtype, decay, true);
            assert!(ours <= 0.1 * theirs, "{dtype:?} {decay:?}: ours {ours:e}, optimi {theirs:e}");
        }
    }
}

#[test]
fn sixteen_bits_without_kahan_are_no_farther_from_the_oracle_than_optimi() {
    for dtype in [Dtype::F16, Dtype::Bf16] {
        for decay in DECAYS {
            let (ours, theirs) = mean_distances(dtype, decay, false);
            assert!(ours <= 1.01 * theirs, "{dtype:?} {decay:?}: ours {ours:e}, optimi {theirs:e}");
        }
    }
}

/// Computing in f32 hardly ever changes which 16 bits a value is rounded to: in one parameter of 270 after 50 steps.
/// Rounding twice, or rounding the moments or the compensated change before they are used, changes many more.
#[test]
fn sixteen_bits_are_rounded_when_stored_and_only_then() {
    for dtype in [Dtype::F16, Dtype::Bf16] {
        for kahan in [false, true] {
            let (mut same, mut of) = (0, 0);
            for (set, decay) in cases().into_iter().filter(|(set, _)| set.fits(dtype)) {
                let ours =
                    Run { kahan_sum: toggle(kahan), ..Run::new(&set, decay, dtype) }.trajectory();
                let model = oracle::stored_trajectory(&set, decay, dtype, kahan);
                same += ours[&50].iter().zip(&model[&50]).filter(|(x, y)| x == y).count();
                of += LEN;
            }
            println!("{dtype:?}, Kahan {kahan}: {same} of {of} are the same after 50 steps");
            assert!(same * 200 >= of * 199, "{dtype:?}, Kahan {kahan}: {same} of {of}");
        }
    }
}

/// A tenth of the decay is lost because the compensation is bf16 too. With optimi, the weights stay 1 for ever.
#[test]
fn small_decay_reaches_bf16_weights() {
    let set = set("defaults"); // lr 1e-3
    let run = Run { weight_decay: 1e-2, ..Run::new(&set, Decay::Decoupled, Dtype::Bf16) };
    let mut optimizer = run.optimizer();
    let param = optimizer.add_param(0, run.param(&[1.0; LEN]));
    optimizer.set_grads(param, &[0.0; LEN]);
    for _ in 0..10_000 {
        optimizer.step();
    }
    for weight in optimizer.values(param) {
        assert!((weight - 0.914).abs() < 0.004, "{weight} is not about 0.914 (exact: 0.905)");
    }
}

/// With everything but the parameter itself in f32, little more is lost than in the last rounding, which is half of its
/// limit on average. In f32, steps and moments are rounded as well.
#[test]
fn kahan_with_f32_state_leaves_only_the_rounding_of_the_parameter() {
    for (dtype, limit) in [(Dtype::F32, 2.5), (Dtype::F16, 0.6), (Dtype::Bf16, 0.6)] {
        let mut worst = 0f64;
        for (set, decay) in cases().into_iter().filter(|(set, _)| set.fits(dtype)) {
            let run = Run {
                kahan_sum: RADAM_ON,
                state_dtype: RADAM_DTYPE_F32,
                ..Run::new(&set, decay, dtype)
            };
            let distance = distance(&run.trajectory(), &oracle::trajectory(&set, decay))
                / dtype.rounding_error();
            assert!(
                distance <= limit,
                "{dtype:?} {} {decay:?}: {distance} of half a unit in the last place",
                set.name
            );
            worst = worst.max(distance);
        }
        println!(
            "{dtype:?} with state in f32: at most {worst:.3} of half a unit in the last place"
        );
    }
}

#[test]
fn kahan_in_f64_is_the_oracle() {
    for (set, decay) in cases() {
        let run = Run { kahan_sum: RADAM_ON, ..Run::new(&set, decay, Dtype::F64) };
        let error = largest_error(&run.trajectory(), &oracle::trajectory(&set, decay), &set);
        assert!(error <= 1e-13, "{} {decay:?}: {error:e}", set.name);
    }
}

#[test]
fn on_a_gpu() {
    // What it leaves out, for its time, tests/gpu/small_steps.c compares with the CPU.
    run_on_a_gpu(&["--skip", "copies_are_the_parameters_rounded"]);
}
