//! Trainings that began in PyTorch go on here as they would have there, and the tools in
//! `examples/interop` and `docs/checkpoint.md` read and write what the library does.
//!
//! `interop/generate.py` made the checkpoints and says how. These tests need no PyTorch; `make interop`
//! runs those that do.

mod common;

use common::{Link, build_cpp, has_program, read, repository, scratch_dir, skip, succeed, text};
use half::bf16;
use radam::ffi::*;
use safetensors::SafeTensors;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, mem, ptr};

/// Those of the optimizer of PyTorch between the two weights of a case.
const STEPS: u64 = 30;

/// What a tensor's elements are.
trait Scalar: Copy {
    const DTYPE: radam_dtype;
    /// How far weights may be from those of PyTorch, relative to the largest of them.
    const LARGEST_ERROR: f64;
    fn from_bits(bits: u64) -> Self;
    fn value(self) -> f64;
    /// `pull * (self - target)`, in the arithmetic of `examples/interop/hand_over.py`.
    fn gradient(self, pull: f64, target: f64) -> Self;
}

impl Scalar for f64 {
    const DTYPE: radam_dtype = RADAM_DTYPE_F64;
    const LARGEST_ERROR: f64 = 1e-14;

    fn from_bits(bits: u64) -> Self {
        f64::from_bits(bits)
    }

    fn value(self) -> f64 {
        self
    }

    fn gradient(self, pull: f64, target: f64) -> Self {
        pull * (self - target)
    }
}

impl Scalar for f32 {
    const DTYPE: radam_dtype = RADAM_DTYPE_F32;
    const LARGEST_ERROR: f64 = 1e-6;

    fn from_bits(bits: u64) -> Self {
        f32::from_bits(bits as u32)
    }

    fn value(self) -> f64 {
        self.into()
    }

    fn gradient(self, pull: f64, target: f64) -> Self {
        pull as f32 * (self - target as f32)
    }
}

impl Scalar for bf16 {
    const DTYPE: radam_dtype = RADAM_DTYPE_BF16;
    /// optimi rounds after every operation, and the library once.
    const LARGEST_ERROR: f64 = 8e-3;

    fn from_bits(bits: u64) -> Self {
        bf16::from_bits(bits as u16)
    }

    fn value(self) -> f64 {
        self.into()
    }

    fn gradient(self, pull: f64, target: f64) -> Self {
        bf16::from_f32(self.to_f32().gradient(pull, target))
    }
}

/// A training that PyTorch began.
struct Case {
    name: String,
    dtype: String,
    optimizer: String,
    tensors: Vec<(String, Vec<u64>, Vec<u64>)>, // names, and the bits of the weights before and after
}

impl Case {
    fn checkpoint(&self) -> PathBuf {
        repository().join(format!("tests/interop/{}.safetensors", self.name))
    }

    /// Its `eps` acts before debiasing, so that it is another here at every step.
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
        let bits = |line: &[&str]| -> Vec<u64> {
            line[2..].iter().map(|word| u64::from_str_radix(word, 16).unwrap()).collect()
        };
        Case {
            name: title[0].into(),
            dtype: title[1].into(),
            optimizer: title[2].into(),
            tensors: vec![
                (weight[0].into(), bits(weight), bits(weight_after)),
                (bias[0].into(), bits(bias), bits(bias_after)),
            ],
        }
    });
    let cases: Vec<Case> = cases.collect();
    assert_eq!(cases.len(), 9);
    cases
}

/// Calls a function whose first argument is the optimizer; if it fails, so does the test, with the
/// library's sentence.
macro_rules! call {
    ($function:ident($handle:expr $(, $argument:expr)*)) => {{
        #[allow(unused_unsafe)] // some functions are safe
        // SAFETY: tensors are as long as the library is told, and `Training` keeps them.
        let status = unsafe { $function($handle $(, $argument)*) };
        assert_eq!(status, RADAM_OK, "{}", last_error($handle));
    }};
}

/// The problem of the examples: each tensor in a group of its own, each weight pulled to a target.
struct Training<S> {
    handle: *mut radam_optimizer,
    weights: Vec<Vec<S>>,
    grads: Vec<Vec<S>>,
}

impl<S: Scalar> Training<S> {
    /// With the weights of a case, and options that loading has to replace.
    fn new(case: &Case) -> Self {
        let names: Vec<&str> = case.tensors.iter().map(|(name, ..)| name.as_str()).collect();
        Self::named(case, &names)
    }

    fn named(case: &Case, names: &[&str]) -> Self {
        let mut handle = ptr::null_mut();
        // SAFETY: options may be NULL, and `handle` is there to be written.
        assert_eq!(unsafe { radam_create(ptr::null(), &mut handle) }, RADAM_OK);
        let mut training = Self { handle, weights: Vec::new(), grads: Vec::new() };
        let mut options = filled(radam_group_options_init);
        options.lr = 123.0;
        for ((_, before, _), name) in case.tensors.iter().zip(names) {
            let mut weights: Vec<S> = before.iter().map(|&bits| S::from_bits(bits)).collect();
            let mut grads = weights.clone();
            let name = CString::new(*name).unwrap();
            let mut param = filled(radam_param_init);
            param.dtype = S::DTYPE;
            param.len = weights.len() as u64;
            param.data = weights.as_mut_ptr().cast();
            param.grad = grads.as_mut_ptr().cast();
            param.name = name.as_ptr();
            call!(radam_add_param_group(handle, &options, &param, 1, ptr::null_mut()));
            training.weights.push(weights);
            training.grads.push(grads);
        }
        training
    }

    fn load(&mut self, path: &Path) {
        let path = CString::new(path.to_str().unwrap()).unwrap();
        call!(radam_load(self.handle, path.as_ptr()));
    }

    fn load_status(&mut self, bytes: &[u8]) -> radam_status {
        // SAFETY: the bytes are there.
        unsafe { radam_load_from_buffer(self.handle, bytes.as_ptr().cast(), bytes.len() as u64) }
    }

    fn saved(&mut self) -> Vec<u8> {
        let mut size = 0;
        call!(radam_save_to_buffer(self.handle, ptr::null_mut(), 0, &mut size));
        let mut bytes = vec![0; size as usize];
        call!(radam_save_to_buffer(self.handle, bytes.as_mut_ptr().cast(), size, &mut size));
        bytes
    }

    fn step_counts(&self) -> Vec<u64> {
        let count = |param| {
            let mut steps = u64::MAX;
            call!(radam_step_count(self.handle, param, &mut steps));
            steps
        };
        (0..self.weights.len() as u32).map(count).collect()
    }

    fn run(&mut self, steps: u64, has_eps_of_torch_radam: bool) {
        let groups = 0..self.weights.len() as u32;
        let torch_eps: Vec<f64> = groups.clone().map(|group| self.eps(group)).collect();
        for _ in 0..steps {
            for (weights, grads) in self.weights.iter().zip(&mut self.grads) {
                for (i, (weight, grad)) in weights.iter().zip(grads).enumerate() {
                    let (pull, target) = ((i % 5 + 1) as f64 / 4.0, (i * 7 % 11) as f64 - 5.0);
                    *grad = weight.gradient(pull, target / 4.0);
                }
            }
            if has_eps_of_torch_radam {
                for (group, eps) in groups.clone().zip(&torch_eps) {
                    let shrunk = eps / self.root_of_bias(group);
                    call!(radam_set_eps(self.handle, group, shrunk));
                }
            }
            call!(radam_step(self.handle));
        }
    }

    fn eps(&self, group: u32) -> f64 {
        let mut eps = f64::NAN;
        call!(radam_get_eps(self.handle, group, &mut eps));
        eps
    }

    /// The square root of 1 − β2^t, at the next step.
    fn root_of_bias(&self, group: u32) -> f64 {
        let (mut report, mut beta2) = (filled(radam_group_report_init), f64::NAN);
        call!(radam_get_group_report(self.handle, group, &mut report));
        call!(radam_get_beta2(self.handle, group, &mut beta2));
        (1.0 - beta2.powi(report.step as i32)).sqrt()
    }

    /// How far the weights are from those of PyTorch, relative to the largest of them.
    fn error(&self, case: &Case) -> f64 {
        largest_error(&self.weights, case)
    }
}

impl<S> Drop for Training<S> {
    fn drop(&mut self) {
        assert_eq!(radam_free(self.handle), RADAM_OK);
    }
}

fn largest_error<S: Scalar>(weights: &[Vec<S>], case: &Case) -> f64 {
    let after = case.tensors.iter().flat_map(|(.., after)| after);
    let expected: Vec<f64> = after.map(|&bits| S::from_bits(bits).value()).collect();
    let found: Vec<f64> = weights.iter().flatten().map(|weight| weight.value()).collect();
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let errors = found.iter().zip(&expected).map(|(found, expected)| (found - expected).abs());
    errors.fold(0.0, f64::max) / largest
}

/// A struct of the library's with its defaults.
fn filled<T>(init: unsafe extern "C" fn(*mut T, u32) -> radam_status) -> T {
    // SAFETY: these structs are made of numbers and pointers, so they may be zeros, and init writes
    // no more than the size that it is told.
    unsafe {
        let mut options: T = mem::zeroed();
        assert_eq!(init(&mut options, size_of::<T>() as u32), RADAM_OK);
        options
    }
}

fn last_error(handle: *const radam_optimizer) -> String {
    let mut sentence = [0u8; 1024];
    // SAFETY: it writes no more than the buffer holds.
    unsafe { radam_last_error(handle, sentence.as_mut_ptr().cast(), sentence.len() as u64) };
    String::from_utf8_lossy(&sentence).trim_end_matches('\0').into()
}

#[test]
fn trainings_of_pytorch_go_on_as_they_would_have_there() {
    fn goes_on<S: Scalar>(case: &Case) {
        let mut training = Training::<S>::new(case);
        training.load(&case.checkpoint());
        let bias = if case.optimizer.starts_with("optimi") { 10 } else { 7 }; // torch counts for each
        assert_eq!(training.step_counts(), [10, bias], "{}", case.name);
        training.run(STEPS, case.has_eps_of_torch_radam());
        let error = training.error(case);
        assert!(error <= S::LARGEST_ERROR, "{}: {error:e}", case.name);
        // The state matters: the same options without it lead elsewhere.
        let mut anew = Training::<S>::new(case);
        anew.load(&case.checkpoint());
        call!(radam_reset_state(anew.handle, u32::MAX));
        anew.run(STEPS, case.has_eps_of_torch_radam());
        let error_without = anew.error(case);
        println!("{}: {error:.1e}, and {error_without:.1e} without its state", case.name);
        assert!(error_without > 4.0 * S::LARGEST_ERROR, "{}: {error_without:e}", case.name);
    }
    for case in cases() {
        match case.dtype.as_str() {
            "f64" => goes_on::<f64>(&case),
            "f32" => goes_on::<f32>(&case),
            _ => goes_on::<bf16>(&case),
        }
    }
}

/// Debiased moments and compensations are not touched on the way in, nor on the way out.
#[test]
fn debiased_state_is_the_same_bits_in_every_file() {
    fn is_the_same<S: Scalar>(case: &Case) {
        let mut training = Training::<S>::new(case);
        training.load(&case.checkpoint());
        let (given, saved) = (fs::read(case.checkpoint()).unwrap(), training.saved());
        let given = SafeTensors::deserialize(&given).unwrap();
        let saved = SafeTensors::deserialize(&saved).unwrap();
        assert_eq!(given.len(), saved.len(), "{}", case.name);
        for (name, tensor) in given.tensors() {
            let other = saved.tensor(&name).unwrap();
            assert_eq!(tensor.dtype(), other.dtype(), "{} {name}", case.name);
            assert_eq!(tensor.data(), other.data(), "{} {name}", case.name);
        }
    }
    let cases = cases();
    let debiased = cases.iter().filter(|case| !case.name.ends_with("_biased"));
    for case in debiased {
        match case.dtype.as_str() {
            "f64" => is_the_same::<f64>(case),
            "f32" => is_the_same::<f32>(case),
            _ => is_the_same::<bf16>(case),
        }
    }
}

#[test]
fn the_example_in_cpp_goes_on_from_the_same_files() {
    let program = build_cpp(&["examples/interop/continue_training.cpp"], Link::Shared);
    for case in cases().iter().filter(|case| case.dtype == "f64") {
        let scratch = scratch_dir("interop");
        let weights = scratch.join(format!("{}.bin", case.name));
        let checkpoint = scratch.join(format!("{}.radam", case.name));
        let before = case.tensors.iter().flat_map(|(_, before, _)| before);
        let bytes: Vec<u8> = before.flat_map(|bits| bits.to_ne_bytes()).collect();
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
        let error = largest_error(&[numbers.collect()], case);
        assert!(error <= f64::LARGEST_ERROR, "{}: {error:e}", case.name);
        let mut training = Training::<f64>::new(case);
        training.load(&checkpoint);
        assert_eq!(training.step_counts()[0], 10 + STEPS, "{}", case.name);
        let eps = if case.optimizer.starts_with("optimi") { 1e-6 } else { 1e-8 };
        assert_eq!(training.eps(0), eps, "{}", case.name);
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
    let mut training = Training::<bf16>::new(case);
    training.load(&case.checkpoint());
    training.run(2, false);
    let path = scratch_dir("interop").join("shown.radam");
    fs::write(&path, training.saved()).unwrap();
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

/// What the tool writes is read by the library, and the training goes on with the same bits.
#[test]
fn the_library_loads_what_the_python_tool_writes() {
    let Some(mut rename) = python("examples/interop/radam_checkpoint.py") else { return };
    let cases = cases();
    let case = cases.iter().find(|case| case.name == "radam_l2_f32_biased").unwrap();
    let mut training = Training::<f32>::new(case);
    training.load(&case.checkpoint());
    let (old, new) =
        (scratch_dir("interop").join("old.radam"), scratch_dir("interop").join("new.radam"));
    fs::write(&old, training.saved()).unwrap();
    let weight = "ünïcode \"weight\" \\ = 0"; // what JSON has to escape
    rename.args(["rename", old.to_str().unwrap(), new.to_str().unwrap()]);
    succeed(rename.arg(format!("layer.weight={weight}")));
    let mut renamed = Training::<f32>::named(case, &[weight, "layer.bias"]);
    renamed.load(&new);
    training.run(STEPS, false);
    renamed.run(STEPS, false);
    assert_eq!(training.weights, renamed.weights);
    assert_eq!(training.step_counts(), renamed.step_counts());
    // And an independent reader finds the name in what the library writes of it.
    let saved = renamed.saved();
    let saved = SafeTensors::deserialize(&saved).unwrap();
    assert_eq!(saved.tensor(&format!("{weight}.exp_avg")).unwrap().shape(), [12]);
}

/// Whichever byte of a file is another, both the tool and the library see it.
#[test]
fn damage_is_found_in_python_and_here() {
    let Some(mut find) = python("tests/interop/find_damage.py") else { return };
    let cases = cases();
    let case = cases.iter().find(|case| case.name == "adamw_f64").unwrap();
    let mut training = Training::<f64>::new(case);
    training.load(&case.checkpoint());
    let sound = training.saved();
    let path = scratch_dir("interop").join("sound.radam");
    fs::write(&path, &sound).unwrap();
    let found = text(&succeed(find.arg(&path)));
    assert_eq!(found, format!("all {} bytes, and every length: damage found\n", sound.len()));
    for at in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        let status = training.load_status(&damaged);
        assert!(status == RADAM_ERROR_CORRUPT, "byte {at}: {status}");
        assert_eq!(training.load_status(&sound[..at]), RADAM_ERROR_CORRUPT, "length {at}");
    }
    assert_eq!(training.saved(), sound, "what was refused has left a trace");
}

/// The programs in the description of the format work as they stand there.
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
    let mut training = Training::<f64>::new(case);
    training.load(&case.checkpoint());
    let scratch = scratch_dir("interop-docs");
    let mut saved = training.saved();
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
