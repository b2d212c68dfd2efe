//! A run that is saved and continued in another optimizer, created with other options, has the same bits as a run that
//! was not interrupted.

use std::path::Path;
use std::{env, fs};

use radam::ffi::*;

use crate::common::these_tests;
use crate::driver::optimizer::Optimizer;
use crate::folder;
use crate::picture::Picture;
use crate::training::{Spec, group_options};

const STEPS: u64 = 200;

/// How parameters are stored and rounded.
#[derive(Clone, Copy, Debug)]
struct Kind {
    dtype: radam_dtype,
    state_dtype: radam_dtype,
    kahan_sum: radam_toggle,
    master_remainder: radam_toggle,
    stochastic_rounding: radam_toggle,
}

/// decouple_wd and decouple_lr.
type Decay = [radam_toggle; 2];
const DECAYS: [Decay; 3] = [[RADAM_AUTO, RADAM_AUTO], [RADAM_ON, RADAM_OFF], [RADAM_OFF, RADAM_ON]];

fn kinds() -> Vec<Kind> {
    let plain = Kind {
        dtype: RADAM_DTYPE_BF16,
        state_dtype: 0,
        kahan_sum: RADAM_AUTO,
        master_remainder: RADAM_AUTO,
        stochastic_rounding: RADAM_AUTO,
    };
    let mut kinds = Vec::new();
    for kahan_sum in [RADAM_ON, RADAM_OFF] {
        for dtype in [RADAM_DTYPE_F32, RADAM_DTYPE_F64, RADAM_DTYPE_F16, RADAM_DTYPE_BF16] {
            kinds.push(Kind { dtype, kahan_sum, ..plain });
        }
        for dtype in [RADAM_DTYPE_F16, RADAM_DTYPE_BF16] {
            kinds.push(Kind { dtype, kahan_sum, state_dtype: RADAM_DTYPE_F32, ..plain });
        }
    }
    for state_dtype in [0, RADAM_DTYPE_F32] {
        kinds.push(Kind { state_dtype, master_remainder: RADAM_ON, ..plain });
        kinds.push(Kind { state_dtype, stochastic_rounding: RADAM_ON, ..plain });
    }
    kinds
}

/// Two groups, the second of which has one parameter.
fn optimizer(kind: &Kind, options: radam_group_options) -> Optimizer {
    let mut options = options;
    options.state_dtype = kind.state_dtype;
    options.kahan_sum = kind.kahan_sum;
    options.master_remainder = kind.master_remainder;
    options.stochastic_rounding = kind.stochastic_rounding;
    let spec = |name, len| Spec::new(name, kind.dtype, len);
    let mut optimizer =
        Optimizer::of(&options, &[spec("weight", 37), spec("bias", 5), spec("nothing", 0)]);
    options.seed += 1;
    optimizer.add_group(&options, &[spec("scale", 1)]);
    optimizer
}

fn started(kind: &Kind, decay: Decay) -> Optimizer {
    let mut options = group_options();
    [options.decouple_wd, options.decouple_lr] = decay;
    optimizer(kind, options)
}

/// With every option that a checkpoint has other than it is at any step of the run.
fn wrong(kind: &Kind) -> Optimizer {
    let mut options = group_options();
    options.lr = 0.5;
    options.beta1 = 0.5;
    options.beta2 = 0.6;
    options.weight_decay = 3.0;
    options.eps = 0.25;
    options.max_lr = 7.0;
    [options.decouple_wd, options.decouple_lr] = [RADAM_ON, RADAM_ON];
    options.maximize = RADAM_ON;
    options.rectify = RADAM_OFF;
    options.seed = 99;
    let mut optimizer = optimizer(kind, options);
    optimizer.steps(1..3);
    optimizer.set_accumulation(true);
    optimizer.set_frozen(0, true);
    optimizer
}

/// Steps on, from the step after `from`. The options change on the way, each at a few steps only, so that a
/// run that begins in between goes by what was saved.
fn go_on(optimizer: &mut Optimizer, from: u64, to: u64) {
    for step in from + 1..=to {
        match step {
            10 | 40 | 160 => optimizer.set_lr(0, 0.1 / step as f64),
            25 => optimizer.set_frozen(1, true),
            30 => optimizer.change_group(0, |options| options.weight_decay = 0.03),
            55 => optimizer.set_frozen(1, false),
            60 | 120 => optimizer.set_accumulation(true),
            64 | 123 => optimizer.set_accumulation(false),
            70 => optimizer.change_group(1, |options| options.beta2 = 0.999),
            75 => optimizer.change_group(0, |options| options.beta1 = 0.8),
            80 => optimizer.change_group(0, |options| options.eps = 1e-4),
            90 => optimizer.change_group(0, |options| options.max_lr = 0.3),
            100 => optimizer.change_group(1, |options| options.maximize = RADAM_ON),
            110 => optimizer.change_group(1, |options| options.maximize = RADAM_OFF),
            130 => optimizer.change_group(0, |options| options.rectify = RADAM_OFF),
            140 => optimizer.change_group(1, |options| options.decouple_wd = RADAM_ON),
            150 => optimizer.change_group(0, |options| options.seed = u64::MAX),
            _ => {}
        }
        optimizer.step_number(step);
    }
}

/// What is kept of a run after each step: the checkpoint, and what the caller keeps.
struct Saved {
    checkpoint: Vec<u8>,
    data: Vec<Vec<u8>>,
}

fn uninterrupted(kind: &Kind, decay: Decay) -> (Vec<Saved>, Picture) {
    let mut run = started(kind, decay);
    let mut saved = Vec::new();
    for step in 0..=STEPS {
        go_on(&mut run, step.saturating_sub(1), step);
        saved.push(Saved { checkpoint: run.save(), data: run.all_data() });
    }
    (saved, run.picture())
}

fn resumes_anywhere(decay: Decay) {
    for kind in kinds() {
        let (saved, expected) = uninterrupted(&kind, decay);
        for (split, saved) in (0..).zip(&saved) {
            let mut run = wrong(&kind);
            run.copy_data(&saved.data);
            run.load(&saved.checkpoint).unwrap();
            assert!(run.save() == saved.checkpoint, "{kind:?}: saved again, step {split} differs");
            go_on(&mut run, split, STEPS);
            assert!(run.picture() == expected, "{kind:?}: other bits after a pause at {split}");
        }
    }
}

#[test]
fn with_an_l2_penalty() {
    resumes_anywhere(DECAYS[0]);
}

#[test]
fn with_decoupled_decay() {
    resumes_anywhere(DECAYS[1]);
}

#[test]
fn with_fully_decoupled_decay() {
    resumes_anywhere(DECAYS[2]);
}

#[test]
fn through_files() {
    let folder = folder("through_files");
    let path = folder.join("läuft weiter.safetensors");
    let (kind, decay) = (kinds()[3], DECAYS[2]);
    let (saved, expected) = uninterrupted(&kind, decay);
    let mut saving = started(&kind, decay);
    for split in 0..=STEPS {
        go_on(&mut saving, split.saturating_sub(1), split);
        saving.save_to(&path);
        let saved = &saved[split as usize];
        assert!(fs::read(&path).unwrap() == saved.checkpoint, "file and buffer differ at {split}");
        let mut run = wrong(&kind);
        run.copy_data(&saved.data);
        run.load_from(&[&path]).unwrap();
        go_on(&mut run, split, STEPS);
        assert!(run.picture() == expected, "other bits after a pause at {split}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "something is left beside the file");
}

const FOLDER: &str = "RADAM_TEST_CHECKPOINTS";
const SPLITS: [u64; 4] = [1, 62, 121, 199];

fn files(folder: &Path, number: usize, split: u64) -> [std::path::PathBuf; 2] {
    ["checkpoint", "data"].map(|what| folder.join(format!("{what}-{number}-{split}")))
}

/// The test is its own new process, which finds the folder of the checkpoints in the environment.
#[test]
fn in_a_new_process() {
    if let Ok(folder) = env::var(FOLDER) {
        return go_on_from_files(Path::new(&folder));
    }
    let folder = folder("in_a_new_process");
    for (number, kind) in kinds().iter().enumerate() {
        let (saved, expected) = uninterrupted(kind, DECAYS[1]);
        for split in SPLITS {
            let Saved { checkpoint, data } = &saved[split as usize];
            let [path, data_path] = files(&folder, number, split);
            fs::write(path, checkpoint).unwrap();
            fs::write(data_path, data.concat()).unwrap();
        }
        fs::write(folder.join(format!("expected-{number}")), format!("{expected:?}")).unwrap();
    }
    let mut child = these_tests();
    child.args(["--exact", "resume::in_a_new_process"]).env(FOLDER, &folder);
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{text}");
}

fn go_on_from_files(folder: &Path) {
    for (number, kind) in kinds().iter().enumerate() {
        let expected = fs::read_to_string(folder.join(format!("expected-{number}"))).unwrap();
        for split in SPLITS {
            let [path, data_path] = files(folder, number, split);
            let data = fs::read(data_path).unwrap();
            let mut run = wrong(kind);
            let mut rest = data.as_slice();
            let mut parts = run.all_data();
            for part in &mut parts {
                let (bytes, after) = rest.split_at(part.len());
                part.copy_from_slice(bytes);
                rest = after;
            }
            run.copy_data(&parts);
            run.load_from(&[&path]).unwrap();
            go_on(&mut run, split, STEPS);
            let found = format!("{:?}", run.picture());
            assert!(found == expected, "{kind:?}: other bits after a pause at {split}");
        }
    }
}
