//! Optimizers on a GPU, with what stands for the driver where none is: every call of the driver failing, misuse, what waits
//! and what does not, and the bits of the CPU. Goldens, checkpoints and determinism run themselves there too.

mod common;

use common::{
    Link, build_c, repository, skip, stand_in, succeed, target_dir, text, with_libraries,
};
use std::path::{Path, PathBuf};
use std::process::Command;

fn built(program: &str) -> PathBuf {
    build_c(&format!("tests/{program}.c"), Link::Shared)
}

/// Runs a program, the output of which ends with this line. The host may touch device memory, which saves time.
fn run(program: &str, arguments: &[&str], end: &str) {
    let Some(stand_in) = stand_in(program) else { return };
    let mut command = with_libraries(stand_in, &built(program));
    check(command.args(arguments).env("RADAM_STAND_IN_OPEN", "1"), end);
}

fn check(command: &mut Command, end: &str) {
    let output = text(&succeed(command));
    assert!(output.ends_with(&format!("{end}\n")), "{output}");
}

#[test]
fn the_stand_in_does_what_a_driver_does() {
    let Some(stand_in) = stand_in("the stand-in's own tests") else { return };
    let mut make = Command::new("make");
    make.args(["-f", "tests/cuda/stand_in/Makefile", "self_test"]);
    succeed(make.arg(format!("OUT={}", stand_in.display())).current_dir(repository()));
}

#[test]
fn every_call_of_the_driver_fails_in_turn() {
    run("cuda/faults", &[], "calls of the driver have failed in turn");
}

#[test]
fn misuse_is_refused() {
    run("cuda/misuse", &[], "misuse is refused");
}

#[test]
fn without_a_device_there_is_a_sentence() {
    let Some(stand_in) = stand_in("a driver without a device") else { return };
    let program = built("cuda/no_device");
    let mut without_device = with_libraries(stand_in, &program);
    check(
        without_device.arg("CUDA_ERROR_NO_DEVICE").env("RADAM_STAND_IN_DEVICES", "0"),
        "there is no optimizer",
    );
    let driver = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib/wsl/lib"]
        .map(|folder| Path::new(folder).join("libcuda.so.1"));
    if driver.iter().any(|driver| driver.exists()) {
        return skip("a machine without a driver, since this one has one");
    }
    check(Command::new(program).arg("there is no libcuda.so.1"), "there is no optimizer");
}

#[test]
fn steps_wait_for_nothing() {
    run("cuda/asynchrony", &[], "steps are enqueued");
}

#[test]
fn a_step_prepares_the_next_one() {
    run("cuda/ahead", &[], "steps are prepared ahead");
}

#[test]
fn optimizers_share_the_kernels() {
    run("cuda/sharing", &[], "optimizers share the kernels");
}

#[test]
fn what_is_removed_or_frozen_is_left_alone() {
    run("cuda/surgery", &[], "what was removed or frozen is left alone");
}

#[test]
fn small_steps_have_the_bits_of_the_cpu() {
    // The device memory is protected, so that nothing but kernels and copies touches it.
    let Some(stand_in) = stand_in("small steps") else { return };
    check(&mut with_libraries(stand_in, &built("gpu/small_steps")), "have the bits of the CPU");
}

#[test]
fn large_steps_have_the_bits_of_the_cpu() {
    // Tensors of several tiles and pieces.
    run("gpu/small_steps", &["5", "16"], "have the bits of the CPU");
}

#[test]
fn random_calls_have_the_bits_of_the_cpu() {
    for seed in ["1", "2", "3"] {
        run("gpu/random_calls", &["3000", seed], "have the bits of the CPU");
    }
}

#[test]
fn graphs_have_the_bits_of_the_cpu() {
    run("gpu/graphs", &[], "have the bits of the CPU");
}

#[test]
fn the_kernels_are_compiled_from_their_sources() {
    let compiler = target_dir().join("nvrtc");
    if !compiler.join("installed").exists() {
        return skip(
            "whether the kernels are those of their sources: there is no NVRTC (make deps)",
        );
    }
    let mut python = Command::new("python3");
    python.arg("src/cuda/kernels/compile.py").arg(compiler).arg("--check");
    succeed(python.current_dir(repository()));
}
