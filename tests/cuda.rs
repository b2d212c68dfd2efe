//! Optimizers on a GPU, with what stands for the driver where none is: every call of the driver failing, misuse, what waits
//! and what does not, and the bits of the CPU. Goldens, checkpoints and determinism run themselves there too.

mod common;

use common::{Link, build_c, repository, scratch_dir, stand_in, succeed, text, with_libraries};
use std::process::Command;

/// Runs a program, which ends with this line. The host may touch device memory, which saves time.
fn run(program: &str, variables: &[(&str, &str)], end: &str) {
    let Some(stand_in) = stand_in(program) else { return };
    let built = build_c(&format!("tests/{program}.c"), Link::Shared);
    let mut command = with_libraries(stand_in, &built);
    let output = text(&succeed(command.env("RADAM_STAND_IN_OPEN", "1").envs(variables.iter().copied())));
    assert!(output.ends_with(&format!("{end}\n")), "{output}");
}

/// As `run`, with device memory that the host must not touch.
fn run_protected(program: &str, end: &str) {
    let Some(stand_in) = stand_in(program) else { return };
    let built = build_c(&format!("tests/{program}.c"), Link::Shared);
    let output = text(&succeed(&mut with_libraries(stand_in, &built)));
    assert!(output.ends_with(&format!("{end}\n")), "{output}");
}
