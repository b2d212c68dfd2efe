//! Programs that were compiled against the first release of 0.2 work with the library of today. `v0.2/radam.h` is the
//! header that they had.

use super::common::{
    Compiler, Link, build_c_with, has_program, read, repository, scratch_dir, skip, succeed, text,
};
use super::declarations;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const OLDER: &str = "tests/abi/v0.2/radam.h";

#[test]
fn an_older_program_works() {
    let program = build_c_with("tests/abi/v0.2", "tests/abi/older.c", Link::Shared);
    let output = succeed(Command::new(program).current_dir(scratch_dir("abi")));
    assert!(text(&output).is_empty(), "it printed:\n{}", text(&output));
}

#[test]
fn functions_and_types_are_those_of_the_older_header() {
    assert_eq!(changes("now", &read("include/radam.h")), "", "an older program is broken");
}

#[test]
fn what_breaks_an_older_program_is_found() {
    let older = read(OLDER);
    let changed = |from: &str, to: &str| {
        assert!(older.contains(from), "{from}");
        changes("changed", &older.replacen(from, to, 1))
    };
    if !has_program("abidiff") {
        return; // the test above says so
    }
    for (from, to) in [
        ("uint32_t radam_version(void);\n", ""),
        ("uint32_t group,\n", "uint64_t group,\n"),
        ("  uint64_t seed;\n", "  double seed;\n"),
        ("  uint64_t seed;\n", "  uint64_t other;\n  uint64_t seed;\n"),
        ("RADAM_DTYPE_F16 = 3", "RADAM_DTYPE_F16 = 5"),
    ] {
        assert_ne!(changed(from, to), "", "{to} in the place of {from}");
    }
    for (from, to) in [
        ("RADAM_DTYPE_BF16 = 4,\n", "RADAM_DTYPE_BF16 = 4,\n  RADAM_DTYPE_F8 = 5,\n"),
        (
            "uint32_t radam_version(void);\n",
            "uint32_t radam_version(void);\n\nint radam_new(void);\n",
        ),
    ] {
        assert_eq!(changed(from, to), "", "{to} in the place of {from}");
    }
}

/// What abidiff finds in a header that breaks programs compiled against the older one.
fn changes(name: &str, header: &str) -> String {
    if !has_program("abidiff") {
        skip("whether older programs are broken, since abidiff is not installed");
        return String::new();
    }
    let dir = scratch_dir("abi").join(name);
    let (older, newer) = (described(&dir, "older", &read(OLDER)), described(&dir, "newer", header));
    let mut abidiff = Command::new("abidiff");
    abidiff.args(["--no-added-syms", "--suppressions"]);
    abidiff.arg(repository().join("tests/abi/grown.abignore"));
    let output = abidiff.args([older, newer]).output().unwrap();
    if output.status.success() { String::new() } else { text(&output) }
}

/// A library with the functions and types of a header, and what a debugger wants to know of them.
fn described(dir: &Path, name: &str, header: &str) -> PathBuf {
    let dir = dir.join(name);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("radam.h"), header).unwrap();
    let declarations = declarations(header);
    let (types, functions) = declarations.split_once("extern \"C\" {").unwrap();
    let mut source = String::from("#include \"radam.h\"\n");
    for function in functions.split(';').filter(|function| function.ends_with(')')) {
        source += function.rsplit("\n\n").next().unwrap();
        source += " { __builtin_trap(); }\n";
    }
    for rest in types.split("typedef enum ").skip(1) {
        let name = rest.split(' ').next().unwrap();
        if name != "radam_version_values" {
            source += &format!("{name} one_of_{name};\n");
        }
    }
    let (source_file, library) = (dir.join("described.c"), dir.join("described.so"));
    fs::write(&source_file, source).unwrap();
    let mut compile = Compiler::c().command();
    compile.args(["-std=c11", "-g", "-shared", "-fPIC", "-I"]).arg(&dir);
    succeed(compile.arg(source_file).arg("-o").arg(&library));
    library
}
