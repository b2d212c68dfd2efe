//! The Julia package, with an installed library: its own tests, its example, and what its README says.

use crate::common::{has_program, read, repository, scratch_dir, skip, succeed, target_dir, text};
use crate::prefix;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The one that `make deps` makes ready, or else one that is on the path.
fn julia() -> Option<PathBuf> {
    let candidates = [target_dir().join("engines/julia/julia"), PathBuf::from("julia")];
    let found = candidates.into_iter().find(|julia| has_program(&julia.to_string_lossy()));
    if found.is_none() {
        skip("the Julia package, which needs julia");
    }
    found
}

/// Julia in the repository, with the package and this library. Compiling takes longer than everything that these
/// programs do, so it is not to optimize.
fn command(julia: &Path, library: &Path) -> Command {
    let mut command = Command::new(julia);
    command.current_dir(repository()).env("LIBRADAM", library).env("JULIA_NUM_THREADS", "2");
    command.env("JULIA_DEPOT_PATH", scratch_dir("julia-depot"));
    command.args(["-O0", "--startup-file=no", "--project=bindings/julia"]);
    command
}

#[test]
fn julia_package() {
    let Some(julia) = julia() else { return };
    let library = prefix::install("julia").join("lib/libradam.so");
    let run = |arguments: &[&str]| {
        let output = text(&succeed(command(&julia, &library).args(arguments)));
        println!("julia {}\n{output}", arguments.join(" ")); // for `-- --nocapture`
        output
    };
    let tests = run(&["bindings/julia/test/runtests.jl"]);
    assert!(tests.contains("Test Summary:"), "{tests}");

    let example = "bindings/julia/examples/train_digits.jl";
    let output = run(&[example, "examples/data/digits.csv"]);
    let accuracy = output.strip_prefix("accuracy ").and_then(|rest| rest.split(' ').next());
    let accuracy: f64 = accuracy.and_then(|number| number.parse().ok()).expect(&output);
    assert!(accuracy >= 95.0, "{output}");

    let readme = scratch_dir("bindings").join("readme.jl");
    fs::write(&readme, julia_in(&read("bindings/julia/README.md"))).unwrap();
    let output = run(&[readme.to_str().unwrap()]);
    assert!(
        output.starts_with("gradient norm ") && output.contains("3 arrays stepped"),
        "{output}"
    );
}

/// The Julia code of a page.
fn julia_in(page: &str) -> String {
    let blocks = page.split("```julia\n").skip(1).map(|after| after.split("```").next().unwrap());
    let blocks: Vec<_> = blocks.collect();
    assert!(blocks.len() >= 4, "{} blocks of code", blocks.len());
    blocks.concat()
}
