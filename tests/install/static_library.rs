//! The installed static library keeps to itself all that is in it besides the C API, and still works.

use crate::common::{Compiler, has_program, read, repository, rustc, succeed, text};
use crate::prefix::{building, install, new_dir};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a program needs on Linux besides a static library of Rust.
const SYSTEM_LIBRARIES: [&str; 3] = ["-lpthread", "-ldl", "-lm"];

fn source(name: &str) -> PathBuf {
    repository().join("tests/install/programs").join(name)
}

/// Compiles a C program of tests/install/programs with the headers of a prefix.
fn compile(prefix: &Path, program: &str) -> Command {
    let mut compile = Compiler::c().command();
    compile.args(["-std=c11", "-O1", "-pthread", "-Wall", "-Wextra", "-Werror", "-I"]);
    compile.arg(prefix.join("include")).arg(source(program));
    compile
}

/// Compiles a library of tests/install/programs.
fn rust_library(output: &Path, program: &str, name: &str, flags: &[&str]) {
    let mut compile = building(rustc());
    compile.args(["--edition=2024", "-O", "--crate-name", name]).args(flags);
    succeed(compile.arg(source(program)).arg("-o").arg(output));
}

/// Names, bindings and visibilities of the symbols that a library or program gives to others.
fn symbols(table: &str, file: &Path) -> Vec<(String, String)> {
    let mut readelf = Command::new("readelf");
    let listed = text(&succeed(readelf.args([table, "--wide"]).arg(file)));
    let words = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let global = words.filter(|words| {
        words.len() == 8 && matches!(words[4], "GLOBAL" | "WEAK" | "UNIQUE") && words[6] != "UND"
    });
    let mut found: Vec<_> =
        global.map(|words| (words[7].to_owned(), words[5].to_owned())).collect();
    found.sort();
    found
}

#[test]
fn its_only_symbols_are_those_of_the_header_and_hidden() {
    let library = install("symbols").join("lib/libradam.a");
    let listed = read("tests/abi/symbols.txt");
    let expected: Vec<_> =
        listed.lines().map(|name| (name.to_owned(), "HIDDEN".to_owned())).collect();
    assert_eq!(symbols("--syms", &library), expected);
    let size = fs::metadata(&library).unwrap().len();
    assert!(size < 5_000_000, "{size} bytes: debug information or bitcode is in it");
}

/// Each of the other libraries has a standard library that is compiled anew (fat LTO), so it shares none with radam.
#[test]
fn another_rust_library_links_into_the_same_program() {
    let prefix = install("two_libraries");
    let dir = new_dir("two_libraries_programs");
    let radam = prefix.join("lib/libradam.a");
    for panic in ["unwind", "abort"] {
        let other = dir.join(format!("libother_{panic}.a"));
        let panic_setting = format!("-Cpanic={panic}");
        let flags = ["--crate-type=staticlib", "-Clto=fat", &panic_setting];
        rust_library(&other, "other.rs", "other", &flags);
        for (name, libraries) in [("first", [&radam, &other]), ("last", [&other, &radam])] {
            let program = dir.join(format!("{panic}_radam_{name}"));
            let mut link = compile(&prefix, "two.c");
            succeed(link.args(libraries).args(SYSTEM_LIBRARIES).arg("-o").arg(&program));
            succeed(&mut Command::new(program));
        }
    }
}

/// So two plugins with different versions of radam can be in one process, or a plugin and a program.
#[test]
fn a_plugin_gives_nothing_of_radam_away_and_takes_nothing_from_its_host() {
    let prefix = install("plugin");
    let dir = new_dir("plugin_programs");
    let (plugin, host) = (dir.join("plugin.so"), dir.join("host"));
    let mut link = compile(&prefix, "plugin.c");
    link.args(["-shared", "-fPIC"]).arg(prefix.join("lib/libradam.a")).args(SYSTEM_LIBRARIES);
    succeed(link.arg("-o").arg(&plugin));
    let given = symbols("--dyn-syms", &plugin);
    assert_eq!(given, [("plugin_radam_version".to_owned(), "DEFAULT".to_owned())]);
    succeed(compile(&prefix, "host.c").args(["-rdynamic", "-ldl", "-o"]).arg(&host));
    assert_eq!(text(&succeed(Command::new(host).arg(&plugin))), "7 2000\n");
}

/// The C programs that provoke errors, with all linkers that are here, and without what they do not use.
#[test]
fn programs_that_drop_unused_sections_get_every_error() {
    let prefix = install("sections");
    let dir = new_dir("sections_programs");
    for linker in ["bfd", "gold", "lld"] {
        if !has_program(&format!("ld.{linker}")) {
            continue;
        }
        for name in [
            "misuse",
            "misuse_step",
            "misuse_given",
            "misuse_tensors",
            "misuse_checkpoint",
            "no_surprises",
        ] {
            let program = dir.join(format!("{name}_{linker}"));
            let mut link = Compiler::c().command();
            link.args(["-std=c11", "-O1", "-pthread", "-I"]).arg(prefix.join("include"));
            link.arg(format!("tests/c/{name}.c")).arg(prefix.join("lib/libradam.a"));
            link.args([&format!("-fuse-ld={linker}"), "-Wl,--gc-sections"]).args(SYSTEM_LIBRARIES);
            succeed(link.arg("-o").arg(&program));
            let output = text(&succeed(Command::new(program).current_dir(&dir)));
            assert_eq!(output, "", "{name} with {linker}");
        }
    }
}

#[test]
fn what_a_program_does_not_use_can_be_dropped() {
    let prefix = install("dropped");
    let dir = new_dir("dropped_programs");
    let size = |name: &str, further: &[&str]| {
        let plugin = dir.join(name);
        let mut link = compile(&prefix, "plugin.c");
        link.args(["-shared", "-fPIC", "-s"]).arg(prefix.join("lib/libradam.a")).args(further);
        succeed(link.args(SYSTEM_LIBRARIES).arg("-o").arg(&plugin));
        fs::metadata(plugin).unwrap().len()
    };
    let (whole, dropped) = (size("whole.so", &[]), size("dropped.so", &["-Wl,--gc-sections"]));
    assert!(dropped * 4 < whole, "{dropped} of {whole} bytes are left");
}

#[test]
fn panics_are_caught_in_what_the_recipe_makes() {
    let built = new_dir("panics");
    for (name, flags) in [
        ("libradam.rlib", &["--crate-type=rlib"][..]),
        ("libradam.a", &["--crate-type=staticlib", "-Clto=fat"]),
    ] {
        rust_library(&built.join(name), "panics.rs", "radam", flags);
    }
    std::os::unix::fs::symlink("libradam.so", built.join("libradam.so.0.0")).unwrap();
    succeed(building(repository().join("packaging/prepare.sh")).arg(&built));
    let main = built.join("main.c");
    fs::write(
        &main,
        "unsigned radam_panics(void);\nint main(void) { return (int)radam_panics(); }\n",
    )
    .unwrap();
    for further in [&["-Wl,--gc-sections"][..], &["-static"], &[]] {
        let mut link = Compiler::c().command();
        link.arg(&main).arg(built.join("package/libradam.a")).args(further).args(SYSTEM_LIBRARIES);
        succeed(link.arg("-o").arg(built.join("main")));
        let status = Command::new(built.join("main")).status().unwrap();
        assert_eq!(status.code(), Some(8), "{further:?}");
    }
}
