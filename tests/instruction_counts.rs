//! How many instructions a step takes per element. Unlike times, these do not depend on how busy the machine is, so a
//! change that makes a kernel worse shows here first.
//!
//! Callgrind does not support AVX-512. The counts are in `instruction_counts.txt`;
//! `RADAM_UPDATE_COUNTS=1 cargo test --test instruction_counts` updates it.

mod common;

use common::{
    Compiler, Link, build_c, has_program, read, release_dir, repository, scratch_dir, skip,
    succeed, text,
};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// Elements that the program steps between two counts, in 4 steps.
fn elements(kind: &str) -> f64 {
    4.0 * if kind.ends_with("of 8 elements") { 8.0 } else { 4096.0 }
}

/// The tolerance for other versions of the compiler.
const TOLERANCE: f64 = 1.05;

/// Instructions per element, by instruction set and kind of tensor.
type Counts = BTreeMap<String, f64>;

fn count(instruction_set: &str, counts: &mut Counts) {
    let dumps = scratch_dir("instruction_counts").join(instruction_set);
    let _ = fs::remove_dir_all(&dumps);
    fs::create_dir_all(&dumps).unwrap();
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet"]).env("RADAM_ISA", instruction_set);
    valgrind.arg(format!("--callgrind-out-file={}", dumps.join("dump").display()));
    succeed(valgrind.arg(build_c("tests/c/instruction_counts.c", Link::Shared)));
    for dump in fs::read_dir(&dumps).unwrap() {
        let dump = fs::read_to_string(dump.unwrap().path()).unwrap();
        let line = |start: &str| dump.lines().find_map(|line| line.strip_prefix(start));
        if let Some(kind) = line("desc: Trigger: Client Request: ") {
            let instructions: f64 = line("summary: ").unwrap().trim().parse().unwrap();
            counts.insert(format!("{instruction_set}: {kind}"), instructions / elements(kind));
        }
    }
}

fn committed() -> Counts {
    let text = read("tests/instruction_counts.txt");
    let parse = |line: &str| {
        let (kind, count) = line.rsplit_once(' ').unwrap();
        (kind.trim_end().to_owned(), count.parse().unwrap())
    };
    text.lines().map(parse).collect()
}

fn has_callgrind_header() -> bool {
    let mut compile = Compiler::c().command();
    compile.args(["-fsyntax-only", "-include", "valgrind/callgrind.h", "-x", "c", "/dev/null"]);
    compile.output().is_ok_and(|output| output.status.success())
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

#[test]
fn no_kernel_takes_more_instructions_than_it_did() {
    if !has_program("valgrind") || !has_callgrind_header() {
        return skip("instruction counts: valgrind is not installed, or not its header");
    }
    if !has_avx2() {
        return skip("instruction counts: the committed ones are of AVX2");
    }
    let mut counts = Counts::new();
    count("avx2", &mut counts);
    count("portable", &mut counts);
    if std::env::var_os("RADAM_UPDATE_COUNTS").is_some() {
        let line = |(kind, count): (&String, &f64)| format!("{kind:<32} {count:.3}\n");
        let text: String = counts.iter().map(line).collect();
        return fs::write(repository().join("tests/instruction_counts.txt"), text).unwrap();
    }
    let committed = committed();
    assert!(committed.keys().eq(counts.keys()), "{committed:?} and {counts:?}");
    for (kind, count) in counts {
        let before = committed[&kind];
        assert!(
            count <= before * TOLERANCE,
            "{kind}: {count:.3} instructions per element, where it took {before:.3}"
        );
    }
}

/// A closure that the compiler makes a function of its own, also that of an array's `map`, does not have the instructions
/// of the kernel, and gets its registers in memory: a step has taken 2.4 times as long. Where AVX-512 is, nothing counts
/// instructions.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn no_kernel_has_a_part_outside_of_itself() {
    let mut nm = Command::new("nm");
    nm.args(["--demangle", "--defined-only"]).arg(release_dir().join("libradam.so"));
    let symbols = text(&succeed(&mut nm));
    let is_outside = |symbol: &&str| {
        symbol.contains("radam::kernel::") && symbol.contains("{{closure}}")
            || symbol.contains("core::array::") && symbol.contains("map")
    };
    assert!(
        symbols.contains("kernel::q8::compiled::Avx512Vbmi"),
        "the symbols are not those of kernels"
    );
    let outside: Vec<&str> = symbols.lines().filter(is_outside).collect();
    assert!(outside.is_empty(), "{outside:#?}");
}
