//! What a step does apart from its arithmetic: which gradients it reads, which parameters it moves, which steps it
//! counts.

use radam::ffi::RADAM_DTYPE_F32;

use crate::cases::{CHECKPOINTS, DECAYS, DTYPES, Decay, Dtype, LEN, STEPS, Trajectory, set};
use crate::driver::toggle;
use crate::run::Run;
use crate::{distance, oracle};

/// Every kind of decay in every dtype.
fn kinds() -> impl Iterator<Item = (Decay, Dtype)> {
    DECAYS.into_iter().flat_map(|decay| DTYPES.map(|dtype| (decay, dtype)))
}

#[test]
fn kahan_summation_is_the_default_in_sixteen_bits_only() {
    let set = set("defaults");
    for dtype in DTYPES {
        let kahan_sum = toggle(matches!(dtype, Dtype::F16 | Dtype::Bf16));
        let automatic = Run::new(&set, Decay::Decoupled, dtype);
        let chosen = Run { kahan_sum, ..automatic.clone() };
        assert_eq!(automatic.trajectory(), chosen.trajectory(), "{dtype:?}");
    }
}

/// Without gradients only the decay is left, and a halved learning rate halves it.
#[test]
fn max_lr_is_the_first_lr_unless_set() {
    let set = set("defaults");
    let run = Run { weight_decay: 0.25, ..Run::new(&set, Decay::FullyDecoupled, Dtype::F64) };
    let mut optimizer = run.optimizer();
    let param = optimizer.add_param(0, run.param(&[1.0; LEN]));
    optimizer.set_grads(param, &[0.0; LEN]);
    optimizer.step();
    assert_eq!(optimizer.values(param), [0.75; LEN]);
    optimizer.set_lr(0, set.max_lr / 2.0);
    optimizer.step();
    assert_eq!(optimizer.values(param), [0.75 * 0.875; LEN]);
}

/// All gradients here are exact in every dtype, so it must not matter in which of them they come.
#[test]
fn the_dtype_of_exact_gradients_does_not_matter() {
    let set = set("defaults");
    for (decay, dtype) in kinds() {
        let same = Run::new(&set, decay, dtype);
        for grad_dtype in DTYPES {
            let other = Run { grad_dtype, ..same.clone() };
            assert_eq!(
                other.trajectory(),
                same.trajectory(),
                "{dtype:?} with {grad_dtype:?} gradients, {decay:?}"
            );
        }
    }
}

/// Gradients of 1e-9 would be zeros in f16.
#[test]
fn wide_gradients_are_not_narrowed_to_the_parameter() {
    let set = set("grads_1e-9");
    for grad_dtype in [Dtype::F64, Dtype::F32, Dtype::Bf16] {
        let run = Run {
            grad_dtype,
            state_dtype: RADAM_DTYPE_F32,
            ..Run::new(&set, Decay::None, Dtype::F16)
        };
        let distance = distance(&run.trajectory(), &oracle::trajectory(&set, Decay::None));
        assert!(distance <= Dtype::F16.rounding_error(), "{grad_dtype:?}: {distance:e}");
    }
}

#[test]
fn gradients_are_never_written() {
    let set = set("maximize");
    for (decay, dtype) in kinds() {
        let run = Run::new(&set, decay, dtype);
        let mut optimizer = run.optimizer();
        let param = optimizer.add_param(0, run.param(&set.initial_params()));
        optimizer.set_grads(param, &set.grads(1));
        for _ in 0..10 {
            optimizer.step();
        }
        assert_eq!(optimizer.grads(param), set.grads(1), "{decay:?} {dtype:?}");
    }
}

#[test]
fn gradient_release_gives_the_same_values_as_a_step() {
    for name in ["defaults", "schedule", "accumulate"] {
        let set = set(name);
        for (decay, dtype) in kinds() {
            let step = Run::new(&set, decay, dtype);
            let release = Run { gradient_release: true, ..step.clone() };
            assert_eq!(release.trajectory(), step.trajectory(), "{name} {decay:?} {dtype:?}");
        }
    }
}

/// The set `accumulate` compares the values with optimi; this tests that parameters do not change at all.
#[test]
fn accumulation_moves_only_the_state() {
    let set = set("defaults");
    for (decay, dtype) in kinds() {
        let run = Run::new(&set, decay, dtype);
        let mut optimizer = run.optimizer();
        let param = optimizer.add_param(0, run.param(&set.initial_params()));
        optimizer.set_accumulation(true);
        for step in 1..=20 {
            optimizer.set_grads(param, &set.grads(step));
            optimizer.step();
            assert_eq!(optimizer.values(param), set.initial_params(), "{decay:?} {dtype:?}");
            assert_eq!(optimizer.step_count(param), step);
        }
    }
}

/// A parameter that joins at step 11 and pauses from 31 to 40 moves as if those steps did not exist.
#[test]
fn every_parameter_counts_its_own_steps() {
    let set = set("beta2_0.999");
    for (decay, dtype) in kinds() {
        let run = Run::new(&set, decay, dtype);
        let mut optimizer = run.optimizer();
        let always = optimizer.add_param(0, run.param(&set.initial_params()));
        let sometimes = optimizer.add_param(0, run.param(&set.initial_params()));
        let (mut steps, mut found) = ([0; 2], [Trajectory::new(), Trajectory::new()]);
        for step in 1..=STEPS + 20 {
            let pauses = step <= 10 || (31..=40).contains(&step);
            for param in [always, sometimes] {
                if param == sometimes && pauses {
                    optimizer.set_grad(param, None);
                } else {
                    steps[param] += 1;
                    optimizer.set_grads(param, &set.grads(steps[param]));
                }
            }
            optimizer.step();
            for param in [always, sometimes] {
                assert_eq!(optimizer.step_count(param), steps[param]);
                if CHECKPOINTS.contains(&steps[param]) {
                    found[param].insert(steps[param], optimizer.values(param));
                }
            }
        }
        assert_eq!(found, [run.trajectory(), run.trajectory()], "{decay:?} {dtype:?}");
    }
}
