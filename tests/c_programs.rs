//! Builds the C programs in `tests/c` as a user would, and runs them: linked with the shared library, linked with the
//! static one, and under valgrind.

mod common;

use common::{Link, build_c, has_program, scratch_dir, skip, succeed, text};
use std::process::Command;

/// The programs print only errors, so any output is a failure, also if it is the library's.
fn run_silently(command: &mut Command) {
    let output = succeed(command);
    assert!(text(&output).is_empty(), "{command:?} printed:\n{}", text(&output));
}

fn run(name: &str, link: Link) {
    run_silently(&mut Command::new(build_c(&format!("tests/c/{name}.c"), link)));
}

/// Each that the library has a name for, whether this machine has it or not.
fn run_with_each_instruction_set(name: &str) {
    let program = build_c(&format!("tests/c/{name}.c"), Link::Shared);
    for instruction_set in ["portable", "avx2", "avx512", "neon"] {
        run_silently(Command::new(&program).env("RADAM_ISA", instruction_set));
    }
}

/// Memory that was lost is an error as much as memory used wrongly, but for a child that was forked off: what its
/// parent's threads use is not its to free. `fair-sched` lets threads in turn, since valgrind runs one at a time.
fn run_under_valgrind(name: &str) {
    if !has_program("valgrind") {
        return skip(&format!("tests/c/{name}.c under valgrind, which is not installed"));
    }
    let log = scratch_dir("valgrind").join(name);
    let mut valgrind = Command::new("valgrind");
    let leak_check = if name == "fork" { "no" } else { "full" };
    valgrind.args(["--quiet", "--error-exitcode=99", "--fair-sched=yes"]);
    valgrind.arg(format!("--leak-check={leak_check}"));
    valgrind
        .args(["--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite,indirect"]);
    valgrind.arg(format!("--log-file={}", log.display()));
    valgrind.arg(build_c(&format!("tests/c/{name}.c"), Link::Shared));
    let output = valgrind.env_remove("LD_LIBRARY_PATH").output().unwrap();
    let log = std::fs::read_to_string(log).unwrap_or_default();
    assert!(output.status.success(), "{}\n{}\n{log}", output.status, text(&output));
    assert!(text(&output).is_empty(), "printed:\n{}", text(&output));
}

macro_rules! programs {
    ($($name:ident: $($way:ident),*;)*) => {
        $(mod $name { $(programs!(@$way $name);)* })*
    };
    (@shared $name:ident) => {
        #[test]
        fn shared() {
            super::run(stringify!($name), super::Link::Shared);
        }
    };
    (@statically $name:ident) => {
        #[test]
        fn statically() {
            super::run(stringify!($name), super::Link::Static);
        }
    };
    (@with_each_instruction_set $name:ident) => {
        #[test]
        fn with_each_instruction_set() {
            super::run_with_each_instruction_set(stringify!($name));
        }
    };
    (@valgrind $name:ident) => {
        #[test]
        fn valgrind() {
            super::run_under_valgrind(stringify!($name));
        }
    };
}

// Valgrind replaces the allocator and the limits that `allocations`, `out_of_memory`, `io_without_memory` and `soak` set up,
// and it crashes if a process sends itself a signal that all its threads block, as `no_surprises` does. `many_params`
// measures times.
programs! {
    lifecycle: shared, statically, valgrind;
    misuse: shared, statically, valgrind;
    misuse_step: shared, statically, valgrind;
    misuse_given: shared, statically, valgrind;
    misuse_tensors: shared, statically, valgrind;
    misuse_sums: shared, statically, valgrind;
    handles: shared, statically, valgrind;
    group_options: shared, statically, valgrind;
    advice: shared, statically, valgrind;
    report: shared, statically, valgrind;
    report_threads: shared, statically, valgrind;
    rectification: shared, statically, valgrind;
    plan: shared, statically, valgrind;
    unbound: shared, statically, valgrind;
    descriptions: shared, valgrind;
    step_tensor: shared, statically, valgrind;
    q8: shared, statically, valgrind;
    step_tensor_threads: shared, statically, valgrind;
    set_tensors: shared, statically, valgrind;
    grad_sums: shared, statically, valgrind;
    many_params: shared, statically;
    getters: shared, statically, valgrind;
    threads: shared, statically, valgrind;
    storm: shared, statically, valgrind;
    slices: shared, statically, valgrind;
    executor: shared, statically, valgrind;
    caller_memory: shared, statically, valgrind;
    rounding: shared, statically, valgrind;
    conversions: shared, statically, valgrind;
    nan: shared, statically, valgrind, with_each_instruction_set;
    surgery: shared, statically, valgrind;
    fork: shared, statically, valgrind;
    fork_first_step: shared, statically;
    environment: shared, statically;
    sentences: shared, statically, valgrind;
    float_modes: shared, statically;
    no_surprises: shared, statically;
    soak: shared, statically;
    unload: shared;
    checkpoint: shared, statically;
    saves_at_once: shared, statically;
    replacing: shared, statically;
    power_loss: shared, statically;
    cancellation: shared, statically;
    load_options: shared, statically, valgrind;
    misuse_checkpoint: shared, statically, valgrind;
    allocations: shared, statically;
    out_of_memory: shared, statically;
    io_without_memory: shared, statically;
}

// It sets the trap flag.
#[cfg(target_arch = "x86_64")]
programs! {
    fork_first_call: shared, statically;
}
