//! The examples do what they are there to show, and the README shows what they do.

mod common;

use common::{Link, build_c, build_cpp, read, repository, scratch_dir, succeed, text};
use std::fs;
use std::process::Command;

#[test]
fn quickstart_is_the_readmes_and_finds_its_target() {
    let quickstart = read("examples/quickstart.c");
    assert!(
        read("README.md").contains(&format!("```c\n{quickstart}```")),
        "the README has another"
    );
    for link in [Link::Shared, Link::Static] {
        let output = text(&succeed(&mut Command::new(build_c("examples/quickstart.c", link))));
        assert!(output.ends_with("weight 1.000 -2.000 2.999\n"), "{output}");
    }
}

/// What `make run` prints is the same on every machine.
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
            "{} is not the README's picture",
            picture.display()
        );
    }
}

fn final_line<'a>(output: &'a str, dtype: &str) -> &'a str {
    let is_final = |line: &&str| line.starts_with(dtype) && line.contains("steps");
    output.lines().find(is_final).unwrap_or_else(|| panic!("no result for {dtype} in:\n{output}"))
}

/// The library's mistakes are told as sentences, and so are the example's.
#[test]
fn train_digits_says_what_is_wrong() {
    let program = build_cpp(&["examples/train_digits.cpp"], Link::Static);
    let mut train = Command::new(program);
    let output = train.current_dir(scratch_dir("examples")).arg("no such file").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output), "train_digits: cannot open no such file\n");
}

/// Losses and weights are those of a training with all gradients in memory.
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

/// The loss scale goes up until gradients overflow, and what overflowed has left no trace.
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

/// Times are as noisy as the machine; what slicing must not change is the parameters.
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

/// What such an example prints is the same on every machine, as that of `train_digits`.
fn run_on_digits(source: &str) -> String {
    let mut program = Command::new(build_cpp(&[source], Link::Shared));
    text(&succeed(program.current_dir(repository()).arg("examples/data/digits.csv")))
}
