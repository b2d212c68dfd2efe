//! The examples do what they are meant to show, and the code in the README compiles.

mod common;

use common::{
    Compiler, Link, build_c, build_cpp, read, repository, scratch_dir, succeed, target_dir, text,
};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

#[test]
fn quickstart_is_the_readmes_and_finds_its_target() {
    let quickstart = read("examples/quickstart.c");
    assert!(
        read("README.md").contains(&format!("```c\n{quickstart}```")),
        "the README has another version of examples/quickstart.c"
    );
    for link in [Link::Shared, Link::Static] {
        finds_its_target(build_c("examples/quickstart.c", link));
    }
}

#[test]
fn quickstart_finds_its_target_in_cpp_too() {
    let quickstart = read("examples/quickstart.cpp");
    assert!(
        read("README.md").contains(&format!("```cpp\n{quickstart}```")),
        "the README has another version of examples/quickstart.cpp"
    );
    for link in [Link::Shared, Link::Static] {
        finds_its_target(build_cpp(&["examples/quickstart.cpp"], link));
    }
}

/// The example of the crate's documentation runs as a test, and the README has the same.
#[test]
fn rust_in_the_readme_is_that_of_the_documentation() {
    let readme = read("README.md");
    let snippet = readme.split_once("```rust\n").unwrap().1.split_once("```").unwrap().0;
    let documentation: String = read("src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! ").or(line.strip_prefix("//!")))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(documentation.contains(&format!("```\n{snippet}#")), "{snippet}");
}

fn finds_its_target(quickstart: PathBuf) {
    let output = text(&succeed(&mut Command::new(quickstart)));
    assert_eq!(output.lines().count(), 6, "{output}");
    assert!(output.ends_with("weight 1.000 -2.000 2.999\n"), "{output}");
}

/// What the snippets of the README use and do not declare.
const SNIPPETS_PRELUDE: &str = r#"
#include "radam.h"
#include <stdio.h>
enum { MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD };
#define MPI_IN_PLACE ((void *)-1)
int MPI_Allreduce(const void *from, void *to, int count, int type, int operation, int communicator);
int forward_and_backward(const float *weight, float *grad);
extern radam_optimizer *opt, *on_the_cpu;
extern void *stream;
extern radam_group_options options;
extern radam_step_options step;
extern radam_step_report report;
extern float *weight, *grad;
extern void *const *data, *const *grads;
extern uint64_t len, count;
extern double loss_scale;
"#;

/// The snippets are parts of functions, except for those that begin with a function.
#[test]
fn snippets_of_the_documents_compile() {
    let documents = read("README.md") + &read("docs/gpu.md");
    let snippets = documents.split("```c\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let mut compiled = 0;
    for (number, snippet) in snippets.filter(|snippet| !snippet.contains("int main")).enumerate() {
        let source = if snippet.starts_with("static ") {
            format!("{SNIPPETS_PRELUDE}{snippet}")
        } else {
            format!("{SNIPPETS_PRELUDE}void snippet(void);\nvoid snippet(void) {{\n{snippet}}}\n")
        };
        let path = scratch_dir("examples").join(format!("snippet{number}.c"));
        fs::write(&path, source).unwrap();
        let mut compile = Compiler::c().command();
        compile.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-unused"]);
        compile.args(["-Wno-unknown-pragmas", "-Iinclude", "-fsyntax-only"]);
        succeed(compile.arg(path));
        compiled += 1;
    }
    assert!(compiled >= 9, "only {compiled} snippets");
}

/// Those in C++, the quickstart excepted, are parts of a function that returns what `fail` does.
#[test]
fn snippets_in_cpp_compile() {
    let documents = read("README.md") + &read("docs/gpu.md");
    let snippets =
        documents.split("```cpp\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let snippets: Vec<_> = snippets.filter(|snippet| !snippet.contains("int main")).collect();
    assert!(!snippets.is_empty());
    for (number, snippet) in snippets.iter().enumerate() {
        let source = format!(
            "#include \"radam.hpp\"\nint fail(const char* message);\nint snippet(const radam::GroupOptions& options, \
             float* weight, float* grad, std::uint64_t n, void* stream);\n\
             int snippet(const radam::GroupOptions& options, float* weight, float* grad, std::uint64_t n, \
             [[maybe_unused]] void* stream) {{\n{snippet}  return 0;\n}}\n"
        );
        let path = scratch_dir("examples").join(format!("snippet{number}.cpp"));
        fs::write(&path, source).unwrap();
        let mut compile = Compiler::cpp().command();
        compile.args(["-std=c++17", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra", "-Werror"]);
        succeed(compile.args(["-Iinclude", "-fsyntax-only"]).arg(path));
    }
}

/// `make run` prints the same on every machine.
#[test]
fn train_digits_reaches_97_percent_with_the_same_numbers_everywhere() {
    let program = build_cpp(&["examples/train_digits.cpp"], Link::Shared);
    for instruction_set in [None, Some("portable")] {
        let picture = scratch_dir("examples").join("digits.svg");
        let mut train = Command::new(&program);
        train.current_dir(repository()).arg("examples/data/digits.csv").arg(&picture);
        match instruction_set {
            Some(name) => train.env("RADAM_ISA", name),
            None => train.env_remove("RADAM_ISA"),
        };
        let output = text(&succeed(&mut train));
        for line in ["f32", "bf16"].map(|dtype| final_line(&output, dtype)) {
            let percent = line.split_whitespace().nth(3).unwrap().parse::<f64>().unwrap();
            assert!(percent >= 97.0, "{line}");
            assert!(
                line.ends_with("test accuracy 98.61 % (354 of 359) after 1350 steps"),
                "{line}"
            );
        }
        let drawn = fs::read_to_string(&picture).unwrap();
        assert!(
            drawn == read("docs/digits.svg"),
            "{} differs from docs/digits.svg, the picture in the README",
            picture.display()
        );
    }
}

fn final_line<'a>(output: &'a str, dtype: &str) -> &'a str {
    let is_final = |line: &&str| line.starts_with(dtype) && line.contains("steps");
    output.lines().find(is_final).unwrap_or_else(|| panic!("no result for {dtype} in:\n{output}"))
}

/// The example reports its own errors as the library does, in a message.
#[test]
fn train_digits_says_what_is_wrong() {
    let program = build_cpp(&["examples/train_digits.cpp"], Link::Static);
    let mut train = Command::new(program);
    let output = train.current_dir(scratch_dir("examples")).arg("no such file").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output), "train_digits: cannot open no such file\n");
}

/// Losses and weights are those of training with all gradients in memory.
#[test]
fn gradient_release_trains_the_same_with_one_layers_gradients_in_memory() {
    let output = run_on_digits("examples/gradient_release.cpp");
    for line in [
        "losses of all 225 steps: the same bits",
        "weights at the end: the same bits",
        "peak memory for gradients: 5.8 times less",
    ] {
        assert!(output.lines().any(|printed| printed == line), "no {line:?} in:\n{output}");
    }
    assert_eq!(output.matches("  test accuracy 96.94 %").count(), 2, "{output}");
}

/// The loss scale rises until gradients overflow, and steps that overflowed leave no trace.
#[test]
fn mixed_precision_skips_what_overflows_and_is_as_accurate_as_f32() {
    let output = run_on_digits("examples/mixed_precision.cpp");
    for line in [
        "batch   1   loss scale 1048576 ->  524288   overflowed: 81; step skipped",
        "batch 105   loss scale  131072 ->  262144   100 good steps",
        "batch 109   loss scale  262144 ->  131072   overflowed: 3; step skipped",
        "892 steps, and 8 skipped",
        "test accuracy: 98.33 %, and 98.33 % in f32",
        "f32 masters, and those joined from bf16 weights and remainders: the same bits",
    ] {
        assert!(output.lines().any(|printed| printed == line), "no {line:?} in:\n{output}");
    }
}

/// The times depend on the machine; the parameters must not depend on the slicing.
#[test]
fn job_system_steps_in_slices_of_frames_to_the_same_bits() {
    let mut program = Command::new(build_cpp(&["examples/job_system.cpp"], Link::Shared));
    let output = text(&succeed(program.args(["--no-sleep", "60"])));
    let number = |line: &str, word: usize| -> usize {
        line.split_whitespace().nth(word).unwrap().parse().unwrap_or_else(|_| panic!("{line}"))
    };
    let runs: Vec<&str> = output.split_terminator("\n\n").collect();
    assert_eq!(runs.len(), 2, "{output}");
    for run in runs {
        let (title, counts) = run.lines().next().unwrap().split_once(": ").unwrap();
        let (frames, steps) = (number(counts, 0), number(counts, 2));
        assert!(frames >= 60 && steps >= 1, "{title}: {output}");
        let binned = run.lines().filter(|line| line.contains(" than "));
        assert_eq!(binned.map(|line| number(line, 4)).sum::<usize>(), frames, "{title}: {output}");
        assert!(run.contains(", clipped to 1.000\n"), "{title}: {output}");
        assert!(
            run.contains(&format!("  parameters after {steps} undivided steps of up to ")),
            "{title}: {output}"
        );
        assert!(run.ends_with(" ms: the same bits"), "{title}: {output}");
    }
}

/// Runs an example on the digits. It prints the same on every machine, as `train_digits` does.
fn run_on_digits(source: &str) -> String {
    let mut program = Command::new(build_cpp(&[source], Link::Shared));
    text(&succeed(program.current_dir(repository()).arg("examples/data/digits.csv")))
}

/// As users run it, but built as the tests are, which takes seconds and not a minute.
#[test]
fn rust_example_trains_on_the_digits() {
    let mut train = Command::new(env!("CARGO"));
    train.args(["run", "--quiet", "--profile", "test", "--example", "train_digits"]);
    train.current_dir(repository()).env("CARGO_TARGET_DIR", target_dir());
    let output = text(&succeed(&mut train));
    let accuracy = output.lines().find_map(|line| line.strip_prefix("test accuracy "));
    let percent: f64 = accuracy.unwrap().trim_end_matches(" %").parse().unwrap();
    assert!(percent >= 95.0, "{output}");
}
