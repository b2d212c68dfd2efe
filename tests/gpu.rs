//! The programs of `make gpu` that need the driver alone (tests/gpu), with what stands for it where no GPU is.

mod common;

use common::{Link, build_c, has_program, repository, scratch_dir, skip, succeed, text};
use std::path::PathBuf;
use std::process::Command;

/// The folder of a `libcuda.so.1` that runs the kernels on the CPU.
fn stand_in() -> Option<PathBuf> {
    if !has_program("make") || !has_program("g++") {
        skip("the stand-in for the CUDA driver, which needs make and g++");
        return None;
    }
    let folder = scratch_dir("gpu").join("stand_in");
    let mut make = Command::new("make");
    make.args(["-f", "tests/cuda/stand_in/Makefile", "library"]);
    make.arg(format!("OUT={}", folder.display())).current_dir(repository());
    succeed(&mut make);
    Some(folder)
}

#[test]
fn programs_have_the_bits_of_the_cpu() {
    let Some(stand_in) = stand_in() else { return };
    for program in ["small_steps", "graphs"] {
        let built = build_c(&format!("tests/gpu/{program}.c"), Link::Shared);
        // `succeed` runs programs without LD_LIBRARY_PATH.
        let mut run = Command::new("env");
        run.arg(format!("LD_LIBRARY_PATH={}", stand_in.display())).arg(built);
        let output = text(&succeed(&mut run));
        assert!(output.ends_with("have the bits of the CPU\n"), "{program}: {output}");
    }
}
