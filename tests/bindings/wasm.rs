//! `bindings/wasm` in Node, as a package in a project: its tests, its example, and its README as written.

use crate::common::{
    has_program, read, repository, rustc, scratch_dir, skip, succeed, target_dir, text,
};
use crate::prefix;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the script that builds the package exits with where the standard library of the target cannot be had.
const NO_STANDARD_LIBRARY: i32 = 77;

/// A project in which the package is installed, with the files of these folders of the package's sources.
fn project() -> Option<PathBuf> {
    if !has_program("node") {
        skip("bindings/wasm, which needs node");
        return None;
    }
    let project = scratch_dir("wasm");
    let mut build = Command::new(repository().join("bindings/wasm/build.sh"));
    build.arg(project.join("node_modules/radam")).env_remove("LD_LIBRARY_PATH");
    build.env("CARGO", env!("CARGO")).env("RUSTC", rustc()).env("CARGO_TARGET_DIR", target_dir());
    let output = build.output().unwrap();
    if output.status.code() == Some(NO_STANDARD_LIBRARY) {
        skip(&format!("bindings/wasm: {}", text(&output)));
        return None;
    }
    assert!(output.status.success(), "{}", text(&output));
    Some(project)
}

/// Copies the files of a folder of bindings/wasm, and returns those that end so.
fn copy(folder: &str, project: &Path, ending: &str) -> Vec<PathBuf> {
    let target = project.join(folder);
    fs::create_dir_all(&target).unwrap();
    let files = fs::read_dir(repository().join("bindings/wasm").join(folder)).unwrap();
    let copy = |file: fs::DirEntry| {
        let copy = target.join(file.file_name());
        fs::copy(file.path(), &copy).unwrap();
        copy
    };
    let copies = files.map(|file| copy(file.unwrap()));
    copies.filter(|path| path.to_str().unwrap().ends_with(ending)).collect()
}

fn node(project: &Path) -> Command {
    let mut node = Command::new("node");
    node.current_dir(project);
    node
}

/// The number after a word in an output.
fn number(output: &str, word: &str) -> f64 {
    let after = output.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {output}")).1;
    after.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn node_runs_the_tests_the_example_and_the_readme() {
    let Some(project) = project() else { return };

    let tests = copy("test", &project, ".test.mjs");
    let mut run = node(&project);
    run.args(["--expose-gc", "--test", "--test-reporter=tap"]).args(tests);
    let output = text(&succeed(&mut run));
    assert!(number(&output, "# pass ") >= 30.0, "{output}");
    assert_eq!(number(&output, "# skipped "), 0.0, "{output}");

    let example = copy("examples", &project, "digits.mjs");
    let mut train = node(&project);
    let output =
        text(&succeed(train.args(example).arg(repository().join("examples/data/digits.csv"))));
    println!("{output}"); // for `-- --nocapture`
    let accuracies =
        ["arrays", "tensors"].map(|memory| number(&output, &format!("{memory}: test accuracy ")));
    assert!(accuracies[0] >= 95.0 && accuracies[0] == accuracies[1], "{output}");

    let readme = read("bindings/wasm/README.md");
    let programs = readme.split("```js\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let mut outputs = Vec::new();
    for program in programs {
        let file = project.join(format!("readme{}.mjs", outputs.len()));
        fs::write(&file, program).unwrap();
        outputs.push(text(&succeed(node(&project).arg(file))));
    }
    assert!(outputs.len() >= 3 && outputs[0] == prefix::TRAINED, "{outputs:?}");
}
