//! Training runs that began in PyTorch continue here as they would have there, and the tools in `examples/interop` and
//! `docs/checkpoint.md` read and write the same files as the library.
//!
//! `interop/generate.py` generated the checkpoints. These tests need no PyTorch; `make interop` runs those that do.

#[path = "interop/coded.rs"]
mod coded;
mod common;
mod driver;
#[path = "interop/tools.rs"]
mod tools;

use common::{Link, build_cpp, has_program, read, repository, scratch_dir, skip, succeed, text};
use driver::optimizer::Optimizer;
use driver::param::Param;
use driver::tensor::{Tensor, number};
use driver::{call, filled};
use half::bf16;
use radam::ffi::*;
use safetensors::SafeTensors;
use std::ffi::CString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Those of the optimizer of PyTorch between the two weights of a case.
const STEPS: u64 = 30;

/// A training run that began in PyTorch.
struct Case {
    name: String,
    dtype: radam_dtype,
    optimizer: String,
    tensors: Vec<(String, Vec<f64>, Vec<f64>)>, // names, and the weights before and after
}

impl Case {
    fn checkpoint(&self) -> PathBuf {
        repository().join(format!("tests/interop/{}.safetensors", self.name))
    }

    /// How far weights may be from those of PyTorch, relative to the largest of them.
    fn largest_error(&self) -> f64 {
        match self.dtype {
            RADAM_DTYPE_F64 => 1e-14,
            RADAM_DTYPE_F32 => 1e-6,
            _ => 8e-3, // optimi rounds after every operation, and the library once
        }
    }

    /// `pull * (weight - target)`, in the arithmetic of `examples/interop/hand_over.py`.
    fn gradient(&self, weight: f64, pull: f64, target: f64) -> f64 {
        let single = pull as f32 * (weight as f32 - target as f32);
        match self.dtype {
            RADAM_DTYPE_F64 => pull * (weight - target),
            RADAM_DTYPE_F32 => single.into(),
            _ => bf16::from_f32(single).into(),
        }
    }

    /// Its `eps` is applied before bias correction, so here it differs from step to step.
    fn has_eps_of_torch_radam(&self) -> bool {
        self.optimizer == "torch.optim.RAdam"
    }
}

fn cases() -> Vec<Case> {
    let expected = read("tests/interop/expected.txt");
    let lines: Vec<Vec<&str>> = expected.lines().map(|line| line.split(' ').collect()).collect();
    let cases = lines.chunks(5).map(|lines| {
        let [title, weight, bias, weight_after, bias_after] = lines else {
            panic!("expected.txt ends within a case");
        };
        let dtype = match title[1] {
            "f64" => RADAM_DTYPE_F64,
            "f32" => RADAM_DTYPE_F32,
            _ => RADAM_DTYPE_BF16,
        };
        let value = |word: &&str| number(dtype, u64::from_str_radix(word, 16).unwrap());
        let values = |line: &[&str]| -> Vec<f64> { line[2..].iter().map(value).collect() };
        Case {
            name: title[0].into(),
            dtype,
            optimizer: title[2].into(),
            tensors: vec![
                (weight[0].into(), values(weight), values(weight_after)),
                (bias[0].into(), values(bias), values(bias_after)),
            ],
        }
    });
    let cases: Vec<Case> = cases.collect();
    assert_eq!(cases.len(), 9);
    cases
}

/// The problem of the examples: each tensor in a group of its own, each weight pulled towards a target.
struct Training<'a> {
    case: &'a Case,
    optimizer: Optimizer,
}

impl<'a> Training<'a> {
    /// With the weights of a case, and options that loading has to replace.
    fn new(case: &'a Case) -> Self {
        let names: Vec<&str> = case.tensors.iter().map(|(name, ..)| name.as_str()).collect();
        Self::named(case, &names)
    }

    fn named(case: &'a Case, names: &[&str]) -> Self {
        let mut optimizer = Optimizer::new();
        let mut options = filled(radam_group_options_init);
        options.lr = 123.0;
        for ((_, before, _), name) in case.tensors.iter().zip(names) {
            let param = Param {
                grad: Some(Tensor::new(case.dtype, before.len())),
                name: Some(CString::new(*name).unwrap()),
                ..Param::new(Tensor::of(case.dtype, before))
            };
            optimizer.add_group(&options, [param]);
        }
        Self { case, optimizer }
    }

    /// With its checkpoint loaded.
    fn resumed(case: &'a Case) -> Self {
        let mut training = Self::new(case);
        training.optimizer.load_file(&case.checkpoint()).unwrap();
        training
    }

    fn step_counts(&self) -> Vec<u64> {
        let params = 0..self.optimizer.params.len();
        params.map(|param| self.optimizer.step_count(param)).collect()
    }

    fn run(&mut self, steps: u64, has_eps_of_torch_radam: bool) {
        let optimizer = &mut self.optimizer;
        let groups = 0..optimizer.groups;
        let eps = groups.clone().map(|group| optimizer.group_options(group).eps);
        let torch_eps: Vec<f64> = eps.collect();
        for _ in 0..steps {
            for Param { data, grad, .. } in &optimizer.params {
                let gradient = |i| {
                    let (pull, target) = ((i % 5 + 1) as f64 / 4.0, (i * 7 % 11) as f64 - 5.0);
                    self.case.gradient(data.get(i), pull, target / 4.0)
                };
                grad.as_ref().unwrap().fill((0..data.len).map(gradient));
            }
            if has_eps_of_torch_radam {
                for (group, eps) in groups.clone().zip(&torch_eps) {
                    let shrunk = eps / root_of_bias(optimizer, group);
                    optimizer.change_group(group, |options| options.eps = shrunk);
                }
            }
            optimizer.step();
        }
    }

    fn weights(&self) -> Vec<f64> {
        self.optimizer.params.iter().flat_map(|param| param.data.values()).collect()
    }

    /// How far the weights are from those of PyTorch, relative to the largest of them.
    fn error(&self) -> f64 {
        largest_error(&self.weights(), self.case)
    }
}

/// The square root of 1 − β2^t, at the next step.
fn root_of_bias(optimizer: &Optimizer, group: u32) -> f64 {
    let (step, beta2) = (optimizer.group_report(group).step, optimizer.group_options(group).beta2);
    (1.0 - beta2.powi(step as i32)).sqrt()
}

fn largest_error(found: &[f64], case: &Case) -> f64 {
    let expected: Vec<f64> = case.tensors.iter().flat_map(|(.., after)| after).copied().collect();
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let errors = found.iter().zip(&expected).map(|(found, expected)| (found - expected).abs());
    errors.fold(0.0, f64::max) / largest
}

#[test]
fn trainings_of_pytorch_go_on_as_they_would_have_there() {
    for case in &cases() {
        let mut training = Training::resumed(case);
        let bias = if case.optimizer.starts_with("optimi") { 10 } else { 7 }; // torch counts for each
        assert_eq!(training.step_counts(), [10, bias], "{}", case.name);
        training.run(STEPS, case.has_eps_of_torch_radam());
        let error = training.error();
        assert!(error <= case.largest_error(), "{}: {error:e}", case.name);
        // The state matters: the same options without it lead elsewhere.
        let mut anew = Training::resumed(case);
        call!(radam_reset_state(anew.optimizer.handle, u32::MAX));
        anew.run(STEPS, case.has_eps_of_torch_radam());
        let error_without = anew.error();
        println!("{}: {error:.1e}, and {error_without:.1e} without its state", case.name);
        assert!(error_without > 4.0 * case.largest_error(), "{}: {error_without:e}", case.name);
    }
}

/// Debiased moments and compensations are not changed by loading or saving.
#[test]
fn debiased_state_is_the_same_bits_in_every_file() {
    let cases = cases();
    for case in cases.iter().filter(|case| !case.name.ends_with("_biased")) {
        let training = Training::resumed(case);
        let (given, saved) = (fs::read(case.checkpoint()).unwrap(), training.optimizer.save());
        let given = SafeTensors::deserialize(&given).unwrap();
        let saved = SafeTensors::deserialize(&saved).unwrap();
        assert_eq!(given.len(), saved.len(), "{}", case.name);
        for (name, tensor) in given.tensors() {
            let other = saved.tensor(&name).unwrap();
            assert_eq!(tensor.dtype(), other.dtype(), "{} {name}", case.name);
            assert_eq!(tensor.data(), other.data(), "{} {name}", case.name);
        }
    }
}

#[test]
fn the_example_in_cpp_goes_on_from_the_same_files() {
    let program = build_cpp(&["examples/interop/continue_training.cpp"], Link::Shared);
    for case in cases().iter().filter(|case| case.dtype == RADAM_DTYPE_F64) {
        let scratch = scratch_dir("interop");
        let weights = scratch.join(format!("{}.bin", case.name));
        let checkpoint = scratch.join(format!("{}.radam", case.name));
        let before = case.tensors.iter().flat_map(|(_, before, _)| before);
        let bytes: Vec<u8> = before.flat_map(|value| value.to_ne_bytes()).collect();
        fs::write(&weights, bytes).unwrap();
        fs::copy(case.checkpoint(), &checkpoint).unwrap();
        let mut command = Command::new(&program);
        command.args(["f64", &STEPS.to_string()]).arg(&weights).arg(&checkpoint);
        if case.has_eps_of_torch_radam() {
            command.arg("--eps-of-torch-radam");
        }
        succeed(&mut command);
        let bytes = fs::read(&weights).unwrap();
        let numbers = bytes.chunks(8).map(|bytes| f64::from_ne_bytes(bytes.try_into().unwrap()));
        let error = largest_error(&numbers.collect::<Vec<f64>>(), case);
        assert!(error <= case.largest_error(), "{}: {error:e}", case.name);
        let mut training = Training::new(case);
        training.optimizer.load_file(&checkpoint).unwrap();
        assert_eq!(training.step_counts()[0], 10 + STEPS, "{}", case.name);
        let eps = if case.optimizer.starts_with("optimi") { 1e-6 } else { 1e-8 };
        assert_eq!(training.optimizer.group_options(0).eps, eps, "{}", case.name);
    }
}

#[test]
fn the_example_in_cpp_says_what_is_wrong() {
    let program = build_cpp(&["examples/interop/continue_training.cpp"], Link::Static);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        let output = command.current_dir(scratch_dir("interop")).args(arguments).output().unwrap();
        (output.status.code(), text(&output))
    };
    let (code, said) = run(&["f32", "20"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.starts_with("usage: continue_training f32|f64"), "{said}");
    let (code, said) = run(&["f32", "20", "no weights", "no checkpoint"]);
    assert_eq!(code, Some(1), "{said}");
    let expected = "continue_training: no weights does not have the weights and nothing else\n";
    assert_eq!(said, expected);
}

/// `radam_checkpoint.py`, which needs no packages; `None` and a skip without Python.
fn python(script: &str) -> Option<Command> {
    if !has_program("python3") {
        skip("the Python tools of checkpoints, which need python3");
        return None;
    }
    let mut command = Command::new("python3");
    command.arg("-B").arg(script).current_dir(repository());
    Some(command)
}

#[test]
fn the_python_tool_shows_what_the_library_saves() {
    let Some(mut show) = python("examples/interop/radam_checkpoint.py") else { return };
    let cases = cases();
    let case = cases.iter().find(|case| case.name == "optimi_l2_bf16").unwrap();
    let mut training = Training::resumed(case);
    training.run(2, false);
    let path = scratch_dir("interop").join("shown.radam");
    fs::write(&path, training.optimizer.save()).unwrap();
    let shown = text(&succeed(show.arg("show").arg(&path)));
    for line in [
        concat!("format 2, by radam ", env!("CARGO_PKG_VERSION"), ", moments debiased"),
        "group 0: lr 0.01, beta1 0.9, beta2 0.99, weight_decay 0.1, eps 1e-06, max_lr 0.01, \
         rectify_threshold 5.0, decouple_wd off, decouple_lr off, maximize off, rectify on, unrectified on, \
         stochastic_rounding auto, seed 0",
        "layer.weight: group 0, 12 elements, step 12, exp_avg BF16, exp_avg_sq BF16, kahan_comp BF16",
        "layer.bias: group 1, 4 elements, step 12, exp_avg BF16, exp_avg_sq BF16, kahan_comp BF16",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "no {line:?} in:\n{shown}");
    }
}

/// The library reads what the tool writes, and training continues with the same bits.
#[test]
fn the_library_loads_what_the_python_tool_writes() {
    let Some(mut rename) = python("examples/interop/radam_checkpoint.py") else { return };
    let cases = cases();
    let case = cases.iter().find(|case| case.name == "radam_l2_f32_biased").unwrap();
    let mut training = Training::resumed(case);
    let (old, new) =
        (scratch_dir("interop").join("old.radam"), scratch_dir("interop").join("new.radam"));
    fs::write(&old, training.optimizer.save()).unwrap();
    let weight = "ünïcode \"weight\" \\ = 0"; // what JSON has to escape
    rename.args(["rename", old.to_str().unwrap(), new.to_str().unwrap()]);
    succeed(rename.arg(format!("layer.weight={weight}")));
    let mut renamed = Training::named(case, &[weight, "layer.bias"]);
    renamed.optimizer.load_file(&new).unwrap();
    training.run(STEPS, false);
    renamed.run(STEPS, false);
    assert_eq!(training.weights(), renamed.weights());
    assert_eq!(training.step_counts(), renamed.step_counts());
    // And an independent reader finds the name in what the library writes of it.
    let saved = renamed.optimizer.save();
    let saved = SafeTensors::deserialize(&saved).unwrap();
    assert_eq!(saved.tensor(&format!("{weight}.exp_avg")).unwrap().shape(), [12]);
}

/// Both the tool and the library detect a change of any byte. The tool gets headers with wrong values, too.
#[test]
fn damage_is_found_in_python_and_here() {
    let Some(mut find) = python("tests/interop/find_damage.py") else { return };
    let cases = cases();
    let case = cases.iter().find(|case| case.name == "adamw_f64").unwrap();
    let mut training = Training::resumed(case);
    let sound = training.optimizer.save();
    let path = scratch_dir("interop").join("sound.radam");
    fs::write(&path, &sound).unwrap();
    let found = text(&succeed(find.arg(&path)));
    let expected = format!("all {} bytes, and every length: damage found\n", sound.len());
    assert!(found.starts_with(&expected), "{found}");
    for at in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        for (bytes, what) in [(&damaged[..], "byte"), (&sound[..at], "length")] {
            let refusal = training.optimizer.load(bytes).unwrap_err();
            assert_eq!(refusal.status, RADAM_ERROR_CORRUPT, "{what} {at}: {}", refusal.message);
        }
    }
    assert_eq!(training.optimizer.save(), sound, "what was refused has left a trace");
}

/// The programs in docs/checkpoint.md work as they are.
#[test]
fn the_description_of_the_format_has_programs_that_run() {
    let description = read("docs/checkpoint.md");
    let blocks: Vec<&str> = description
        .split("```python\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap())
        .collect();
    assert_eq!(blocks.len(), 2);
    let cases = cases();
    let case = cases.iter().find(|case| case.name == "adamw_f64").unwrap();
    let training = Training::resumed(case);
    let scratch = scratch_dir("interop-docs");
    let mut saved = training.optimizer.save();
    fs::write(scratch.join("run.radam"), &saved).unwrap();
    let run = |block: &str| {
        let script = scratch.join("snippet.py");
        fs::write(&script, block).unwrap();
        let mut command = python(script.to_str().unwrap())?;
        Some(command.current_dir(&scratch).output().unwrap())
    };
    let Some(output) = run(blocks[0]) else { return };
    assert_eq!(text(&output), "layer.weight 10\nlayer.bias 7\n");
    let output = run(blocks[1]).unwrap();
    assert_eq!(text(&output), "sound\n");
    for at in [8, 100, saved.len() - 1] {
        saved[at] ^= 1;
        fs::write(scratch.join("run.radam"), &saved).unwrap();
        assert!(!run(blocks[1]).unwrap().status.success(), "byte {at}");
        saved[at] ^= 1;
    }
}
