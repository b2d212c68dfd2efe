//! Parameters that are kept in two precisions, held to runs of f32.

use half::bf16;
use radam::ffi::*;

use crate::cases::{
    CHECKPOINTS, DECAYS, Decay, Dtype, LEN, STEPS, Set, Trajectory, Vectors, set, sets,
};
use crate::driver::optimizer::Optimizer;
use crate::driver::step_options;
use crate::run::{Run, UNWRITTEN};
use crate::{cases, distance, oracle};

/// The f32 whose bits are those of each bf16, shifted up, plus its remainder.
fn masters(optimizer: &Optimizer, param: usize) -> Vec<f32> {
    let (remainders, _) = optimizer.state(param, RADAM_STATE_MASTER_REMAINDER);
    let (remainders, rest) = remainders.as_chunks::<2>();
    assert_eq!((remainders.len(), rest.len()), (LEN, 0));
    let upper = optimizer.values(param).into_iter().map(|x| bf16::from_f64(x).to_bits());
    let whole = |(upper, remainder): (u16, &[u8; 2])| {
        let bits = ((upper as i64) << 16) + i64::from(i16::from_le_bytes(*remainder));
        f32::from_bits(bits as u32)
    };
    upper.zip(remainders).map(whole).collect()
}

/// The nearest bf16, as a real number; ties go away from zero.
fn nearest(master: f32) -> f64 {
    let below = f32::from_bits(master.to_bits() & 0xffff_0000);
    let above = f32::from_bits((master.to_bits() & 0xffff_0000) + 0x1_0000);
    let (down, up) = ((master - below).abs(), (above - master).abs());
    f64::from(if up <= down { above } else { below })
}

/// With state in f32, every step is that of an f32 parameter, bit for bit.
#[test]
fn bf16_with_remainders_are_f32() {
    for (set, decay) in cases() {
        let single = Run { grad_dtype: Dtype::Bf16, ..Run::new(&set, decay, Dtype::F32) };
        let halves = Run {
            master_remainder: true,
            state_dtype: RADAM_DTYPE_F32,
            ..Run::new(&set, decay, Dtype::Bf16)
        };
        let [mut single, mut halves] = [single, halves].map(|run| {
            let mut optimizer = run.optimizer();
            assert_eq!(optimizer.add_param(0, run.param(&set.initial_params())), 0);
            optimizer
        });
        for step in 1..=STEPS {
            for optimizer in [&mut single, &mut halves] {
                optimizer.set_lr(0, set.lr_at(step));
                optimizer.set_accumulation(!set.updates_at(step));
                optimizer.set_grads(0, &set.grads(step));
                optimizer.step();
            }
            let masters = masters(&halves, 0);
            let place = format!("{} {decay:?} {step}", set.name);
            assert_eq!(
                masters.iter().map(|&x| x.into()).collect::<Vec<f64>>(),
                single.values(0),
                "{place}"
            );
            assert_eq!(
                halves.values(0),
                masters.into_iter().map(nearest).collect::<Vec<f64>>(),
                "{place}"
            );
            for which in [RADAM_STATE_EXP_AVG, RADAM_STATE_EXP_AVG_SQ] {
                assert_eq!(halves.state(0, which), single.state(0, which), "{place}");
            }
        }
    }
}

/// Trajectory of the masters under `run`, whose copies are checked at every step.
fn copied(run: &Run, copy: Dtype) -> Trajectory {
    let run = Run { copy: Some(copy), ..run.clone() };
    let mut optimizer = run.optimizer_of(&[&run.set.initial_params()]);
    let mut found = Trajectory::new();
    for step in 1..=STEPS {
        let waits = !run.set.unrectified && oracle::rectification(run.set, step).is_none();
        let updates = run.set.updates_at(step);
        let before = optimizer.copy(0);
        optimizer.set_lr(0, run.set.lr_at(step));
        optimizer.set_accumulation(!updates);
        optimizer.set_grads(0, &run.set.grads(step));
        optimizer.step();
        let params = optimizer.values(0);
        let rounded = if updates && !waits {
            params.iter().map(|&x| copy.round(x)).collect()
        } else {
            before
        };
        assert_eq!(optimizer.copy(0), rounded, "{} {:?} {step}", run.set.name, run.decay);
        if CHECKPOINTS.contains(&step) {
            found.insert(step, params);
        }
    }
    found
}

#[test]
fn copies_are_the_parameters_rounded() {
    for (set, decay) in cases() {
        for dtype in [Dtype::F32, Dtype::F64] {
            let run = Run::new(&set, decay, dtype);
            let plain = run.trajectory();
            for copy in [Dtype::Bf16, Dtype::F16, Dtype::F32] {
                let place = format!("{dtype:?} to {copy:?}, {} {decay:?}", set.name);
                assert_eq!(copied(&run, copy), plain, "{place}");
            }
        }
    }
}

#[test]
fn copies_are_not_written_before_the_first_step() {
    let set = set("defaults");
    let run = Run { copy: Some(Dtype::Bf16), ..Run::new(&set, Decay::None, Dtype::F32) };
    let mut optimizer = run.optimizer_of(&[&set.initial_params()]);
    optimizer.step(); // without a gradient it is none
    assert_eq!(optimizer.copy(0), [UNWRITTEN; LEN]);
}

/// f32 masters, bf16 gradients under a loss scale, and bf16 working weights.
fn master_trajectory(set: &Set, decay: Decay) -> Trajectory {
    let loss_scale = 2f64.powi(9);
    let run = Run {
        grad_dtype: Dtype::Bf16,
        copy: Some(Dtype::Bf16),
        ..Run::new(set, decay, Dtype::F32)
    };
    let mut optimizer = run.optimizer_of(&[&set.initial_params()]);
    let options = radam_step_options { grad_scale: 1.0 / loss_scale, ..step_options() };
    let mut found = Trajectory::new();
    for step in 1..=STEPS {
        let grads = set.grads(step).into_iter().map(|grad| grad * loss_scale);
        optimizer.set_lr(0, set.lr_at(step));
        optimizer.set_accumulation(!set.updates_at(step));
        optimizer.set_grads(0, &grads.collect::<Vec<f64>>());
        optimizer.step_with_report(&options);
        if CHECKPOINTS.contains(&step) {
            found.insert(step, optimizer.values(0));
            if set.updates_at(step) {
                let rounded = optimizer.values(0).into_iter().map(|x| Dtype::Bf16.round(x));
                assert_eq!(optimizer.copy(0), rounded.collect::<Vec<f64>>());
            }
        }
    }
    found
}

#[test]
fn masters_of_bf16_are_as_close_to_the_oracle_as_optimi_in_f32() {
    let vectors = Vectors::read("optimi.txt");
    for set in sets().into_iter().filter(Set::is_usual) {
        for decay in DECAYS {
            let oracle = oracle::trajectory(&set, decay);
            let ours = distance(&master_trajectory(&set, decay), &oracle);
            let theirs = distance(vectors.get(Dtype::F32, false, &set, decay).unwrap(), &oracle);
            let theirs = theirs.max(Dtype::F32.rounding_error());
            assert!(
                ours <= 2.0 * theirs,
                "{} {decay:?}: ours {ours:e}, optimi {theirs:e}",
                set.name
            );
        }
    }
}
