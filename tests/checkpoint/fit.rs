//! If a checkpoint does not fit, one message lists all mismatches, and nothing changes.

use std::path::PathBuf;
use std::{ptr, slice};

use radam::ffi::*;

use crate::driver::optimizer::Optimizer;
use crate::driver::{call, device};
use crate::folder;
use crate::training::{Spec, group_options};

fn f32_spec(name: &str, len: usize) -> Spec {
    Spec::new(name, RADAM_DTYPE_F32, len)
}

/// With gradients that have passed, so that no state is zeros.
fn trained(options: &radam_group_options, specs: &[Spec]) -> Optimizer {
    let mut optimizer = Optimizer::of(options, specs);
    optimizer.steps(1..4);
    optimizer
}

/// A checkpoint of `there` is refused by `here`.
fn misfits(there: &Optimizer, here: &mut Optimizer, words: &[&str]) {
    here.steps(4..6);
    here.refuses(&there.save(), RADAM_ERROR_MISMATCH, words);
}

fn misfit(there: &[Spec], here: &[Spec], words: &[&str]) {
    let options = group_options();
    misfits(&trained(&options, there), &mut trained(&options, here), words);
}

#[test]
fn missing_and_unexpected_parameters() {
    let named = |names: &str| -> Vec<_> {
        names.chars().map(|name| f32_spec(&name.to_string(), 3)).collect()
    };
    misfit(&named("a"), &named("ab"), &["the file lacks \"b\""]);
    misfit(&named("ab"), &named("a"), &["the file has \"b\""]);
    misfit(&named("ab"), &named("ac"), &["the file lacks \"c\"", "the file has \"b\""]);
}

#[test]
fn other_lengths() {
    misfit(&[f32_spec("a", 3)], &[f32_spec("a", 4)], &["\"a\" has 3 elements in the file and 4"]);
    misfit(&[f32_spec("a", 0)], &[f32_spec("a", 1)], &["\"a\" has 0 elements in the file and 1"]);
    misfit(&[f32_spec("a", 1)], &[f32_spec("a", 0)], &["\"a\" has 1 elements in the file and 0"]);
}

#[test]
fn other_dtypes() {
    let specs = |dtype| [Spec::new("a", dtype, 3)];
    let mut options = group_options();
    options.kahan_sum = RADAM_OFF;
    let names = [
        (RADAM_DTYPE_F32, "F32"),
        (RADAM_DTYPE_F64, "F64"),
        (RADAM_DTYPE_F16, "F16"),
        (RADAM_DTYPE_BF16, "BF16"),
    ];
    for (there, there_name) in names {
        for (here, here_name) in names.into_iter().filter(|(here, _)| *here != there) {
            let told = ["exp_avg", "exp_avg_sq"].map(|array| {
                format!(
                    "{array} of \"a\" is {there_name} in the file and {here_name} in the optimizer"
                )
            });
            let words = told.each_ref().map(String::as_str);
            let saved = trained(&options, &specs(there));
            misfits(&saved, &mut trained(&options, &specs(here)), &words);
        }
    }
}

#[test]
fn other_arrays() {
    let specs = [Spec::new("a", RADAM_DTYPE_BF16, 3)];
    let options = |change: fn(&mut radam_group_options)| {
        let mut options = group_options();
        change(&mut options);
        trained(&options, &specs)
    };
    let kahan = || options(|_| {});
    let none = || options(|options| options.kahan_sum = RADAM_OFF);
    let masters = || options(|options| options.master_remainder = RADAM_ON);
    let random = || options(|options| options.stochastic_rounding = RADAM_ON);
    let wide = || options(|options| options.state_dtype = RADAM_DTYPE_F32);
    let missing = "\"a\" has kahan_comp in the optimizer only";
    misfits(&none(), &mut kahan(), &[missing]);
    misfits(&kahan(), &mut none(), &["\"a\" has kahan_comp in the file only"]);
    misfits(&masters(), &mut kahan(), &[missing, "\"a\" has master_remainder in the file only"]);
    misfits(
        &random(),
        &mut none(),
        &["stochastic_rounding of group 0 is on in the file and off in"],
    );
    misfits(
        &none(),
        &mut random(),
        &["stochastic_rounding of group 0 is off in the file and on in"],
    );
    misfits(
        &wide(),
        &mut kahan(),
        &["kahan_comp of \"a\" is F32 in the file and BF16 in the optimizer"],
    );
}

#[test]
fn everything_at_once() {
    misfit(
        &[f32_spec("a", 3), f32_spec("b", 3), f32_spec("c", 3), Spec::new("d", RADAM_DTYPE_F64, 2)],
        &[f32_spec("a", 3), f32_spec("b", 4), f32_spec("d", 2), f32_spec("e", 1)],
        &[
            "\"b\" has 3",
            "\"d\" is F64",
            "the file lacks \"e\"",
            "the file has \"c\"",
            "nothing was changed",
        ],
    );
}

/// A message stays one that can be read.
#[test]
fn many_problems_are_counted() {
    let specs = |letter| (0..500).map(|i| f32_spec(&format!("{letter}{i}"), 1)).collect::<Vec<_>>();
    misfit(&specs("a"), &specs("b"), &["the file lacks \"b9\"; and 990 more; nothing was changed"]);
    let [five, other_five] = ["a", "b"].map(|letter| specs(letter)[..5].to_vec());
    misfit(&five, &other_five, &["optimizer: the file lacks \"b0\"; the file lacks \"b1\"; "]);
    misfit(&five, &other_five, &["the file has \"a4\", which the optimizer does not; nothing was"]);
}

/// Parameters of one group here that had different options there.
#[test]
fn groups_that_were_apart() {
    let [a, b] = ["a", "b"].map(|name| f32_spec(name, 3));
    let mut options = group_options();
    let mut apart = Optimizer::of(&options, slice::from_ref(&a));
    options.lr = 0.5;
    apart.add_group(&options, slice::from_ref(&b));
    apart.steps(1..4);
    let mut together = trained(&options, &[a, b]);
    misfits(&apart, &mut together, &["\"b\" has other options", "group 0"]);

    let path = saved(&apart, "groups_that_were_apart");
    together.load_with(&[&path], RADAM_ON, RADAM_OFF).unwrap();
    assert_eq!(states(&together, 1), states(&apart, 1));
}

/// What was one group there may be several here, and in another order.
#[test]
fn groups_that_were_together() {
    let [a, b] = ["a", "b"].map(|name| f32_spec(name, 3));
    let together = trained(&group_options(), &[a.clone(), b.clone()]);
    let mut options = group_options();
    options.lr = 0.5;
    let mut apart = Optimizer::of(&options, &[b]);
    apart.add_group(&options, &[a]);
    apart.load(&together.save()).unwrap();
    for group in 0..2 {
        assert_eq!(apart.group_options(group).lr, group_options().lr);
    }
    for (here, there) in [(0, 1), (1, 0)] {
        assert_eq!(states(&apart, here), states(&together, there));
        assert_eq!(apart.step_count(here), 3);
    }
}

fn saved(optimizer: &Optimizer, name: &str) -> PathBuf {
    let path = folder(name).join("checkpoint");
    optimizer.save_to(&path);
    path
}

fn states(optimizer: &Optimizer, param: usize) -> [Vec<u8>; 2] {
    [RADAM_STATE_EXP_AVG, RADAM_STATE_EXP_AVG_SQ].map(|which| optimizer.state(param, which).0)
}

#[test]
fn without_strict_the_common_part_is_loaded() {
    let [a, b, c] = ["a", "b", "c"].map(|name| f32_spec(name, 3));
    let there = trained(&group_options(), &[a, b.clone()]);
    let path = saved(&there, "strict");
    let mut here = Optimizer::of(&group_options(), &[c, b]);
    here.steps(4..9);
    let before = states(&here, 0);
    let picture = here.picture();
    for strict in [RADAM_AUTO, RADAM_ON] {
        let outcome = here.load_with(&[&path], strict, RADAM_AUTO);
        here.check_refusal(outcome, &picture, RADAM_ERROR_MISMATCH, &["\"c\"", "\"a\""]);
    }
    here.load_with(&[&path], RADAM_OFF, RADAM_AUTO).unwrap();
    assert_eq!((states(&here, 0), here.step_count(0)), (before, 5), "what the file lacks changed");
    assert_eq!((states(&here, 1), here.step_count(1)), (states(&there, 1), 3));
}

#[test]
fn without_strict_what_is_in_both_must_fit() {
    let there = trained(&group_options(), &[f32_spec("a", 3), f32_spec("b", 3)]);
    let path = saved(&there, "strict_in_both");
    let mut here = trained(&group_options(), &[f32_spec("b", 4), f32_spec("c", 1)]);
    let before = here.picture();
    let outcome = here.load_with(&[&path], RADAM_OFF, RADAM_AUTO);
    here.check_refusal(
        outcome,
        &before,
        RADAM_ERROR_MISMATCH,
        &["\"b\" has 3 elements in the file"],
    );
}

#[test]
fn hyperparameters_stay_on_request() {
    let specs = [f32_spec("a", 3)];
    let mut there = trained(&group_options(), &specs);
    there.set_frozen(0, true);
    there.set_accumulation(true);
    there.step_number(4);
    let path = saved(&there, "hyperparameters");
    let mut options = group_options();
    options.lr = 0.125;
    options.beta1 = 0.5;
    options.maximize = RADAM_ON;
    options.seed = 1;
    let mut here = Optimizer::of(&options, &specs);
    let mut expected = Optimizer::of(&options, &specs);
    here.load_with(&[&path], RADAM_AUTO, RADAM_OFF).unwrap();
    // The state comes over, and nothing else.
    for which in [RADAM_STATE_EXP_AVG, RADAM_STATE_EXP_AVG_SQ] {
        expected.set_state(0, which, &there.state(0, which).0);
    }
    call!(radam_set_step_count(expected.handle, 0, 3));
    assert!(here.picture() == expected.picture());
    here.load_with(&[&path], RADAM_AUTO, RADAM_ON).unwrap();
    assert!(here.frozen(0));
}

/// Rounding at random depends on the seed; a group that rounds otherwise may load without the options.
#[test]
fn another_rounding_is_no_misfit_without_hyperparameters() {
    let specs = [Spec::new("a", RADAM_DTYPE_BF16, 3)];
    let mut options = group_options();
    options.stochastic_rounding = RADAM_ON;
    let path = saved(&trained(&options, &specs), "rounding");
    options.stochastic_rounding = RADAM_OFF;
    options.kahan_sum = RADAM_OFF;
    let mut here = Optimizer::of(&options, &specs);
    let before = here.picture();
    let outcome = here.load_from(&[&path]);
    here.check_refusal(outcome, &before, RADAM_ERROR_MISMATCH, &["stochastic_rounding"]);
    here.load_with(&[&path], RADAM_ON, RADAM_OFF).unwrap();
    assert_eq!(here.step_count(0), 3);
}

/// A parameter that was removed is neither saved nor missed.
#[test]
fn removed_parameters_are_gone() {
    let specs = ["a", "b", "c"].map(|name| f32_spec(name, 3));
    let mut optimizer = trained(&group_options(), &specs);
    call!(radam_remove_param(optimizer.handle, 1));
    let bytes = optimizer.save();
    let mut fresh = Optimizer::of(&group_options(), &[specs[0].clone(), specs[2].clone()]);
    fresh.load(&bytes).unwrap();
    assert_eq!(states(&fresh, 1), states(&optimizer, 2));
    optimizer.load(&fresh.save()).unwrap();
}

/// While a step is open, the state is neither that before nor that after it.
#[test]
fn an_open_step_is_in_the_way() {
    if device::is_used() {
        return; // steps there have no slices, so that none is ever open
    }
    let mut optimizer = trained(&group_options(), &[f32_spec("a", 3)]);
    let bytes = optimizer.save();
    call!(radam_step_begin(optimizer.handle, ptr::null()));
    let before = optimizer.picture();
    let outcome = optimizer.load(&bytes);
    optimizer.check_refusal(outcome, &before, RADAM_ERROR_BUSY, &["step"]);
    let mut size = 77;
    // SAFETY: the size is there to be written.
    let status = unsafe { radam_save_to_buffer(optimizer.handle, ptr::null_mut(), 0, &mut size) };
    assert_eq!((status, size), (RADAM_ERROR_BUSY, 77));
    call!(radam_step_abort(optimizer.handle));
    optimizer.load(&bytes).unwrap();
}

/// A slice without elements has no arrays that could be others in the file.
#[test]
fn an_empty_slice_fits() {
    let there = trained(&group_options(), &[Spec::new("a", RADAM_DTYPE_BF16, 3)]);
    let mut options = group_options();
    options.kahan_sum = RADAM_OFF;
    for offset in [0, 1, 3] {
        let spec = Spec::slice("a", RADAM_DTYPE_BF16, 0, offset, 3);
        let mut here = Optimizer::of(&options, [&spec]);
        here.load(&there.save()).unwrap();
        assert_eq!(here.step_count(0), 3);
    }
}
