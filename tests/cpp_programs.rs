//! Builds the C++ programs in `tests/cpp` with every compiler and standard that `radam.hpp` is for, and runs them.

mod common;

use common::{Compiler, read, release_dir, repository, scratch_dir, skip, succeed, text};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const WARNINGS: &str = "-Wall -Wextra -Wpedantic -Werror -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast \
                        -Wcast-qual -Wzero-as-null-pointer-constant -Wnon-virtual-dtor";

/// The compilers of this machine: the one that a user's build would take, and clang.
fn compilers() -> Vec<(&'static str, Compiler)> {
    let clang = Compiler::optional("clang++");
    if clang.is_none() {
        skip("the C++ interface with clang, which is not installed");
    }
    [("default", Some(Compiler::cpp())), ("clang", clang)]
        .into_iter()
        .filter_map(|(name, compiler)| Some((name, compiler?)))
        .collect()
}

/// Builds a program with these flags and runs it: it prints only errors.
fn run(name: &str, compiler: (&str, &Compiler), flags: &str) {
    let library = release_dir();
    let (compiler_name, compiler) = compiler;
    let variant = flags.replace([' ', '+'], "_");
    let program = scratch_dir("cpp").join(format!("{name}-{compiler_name}{variant}"));
    let mut build = compiler.command();
    build.args(flags.split(' ')).args(["-O1", "-g", "-pthread"]).args(WARNINGS.split_whitespace());
    build.arg("-Iinclude").arg(format!("tests/cpp/{name}.cpp")).arg("-o").arg(&program);
    build.arg("-L").arg(library).arg("-lradam").arg(format!("-Wl,-rpath,{}", library.display()));
    succeed(&mut build);
    let output = succeed(&mut Command::new(&program));
    assert!(text(&output).is_empty(), "{} printed:\n{}", program.display(), text(&output));
}

macro_rules! programs {
    ($($name:ident: $($flags:literal),+;)*) => {
        $(#[test]
        fn $name() {
            for (name, compiler) in compilers() {
                for flags in [$($flags),+] {
                    run(stringify!($name), (name, &compiler), flags);
                }
            }
        })*
    };
}

programs! {
    structs: "-std=c++17", "-std=c++20";
    elements: "-std=c++17";
    errors: "-std=c++17", "-std=c++20";
    no_exceptions: "-std=c++17 -fno-exceptions -fno-rtti";
    slices: "-std=c++17";
    resources: "-std=c++17", "-std=c++20";
    training: "-std=c++17", "-std=c++20";
    designated: "-std=c++20";
    q8: "-std=c++17", "-std=c++20";
    allocations: "-std=c++17";
}

/// Only gcc comes with an OpenMP of its own.
#[test]
fn resources_with_openmp() {
    run("resources", ("default", &Compiler::cpp()), "-std=c++17 -fopenmp");
}

fn headers() -> Vec<String> {
    let folder = fs::read_dir(repository().join("include/radam")).unwrap();
    let names = folder.map(|entry| format!("radam/{}", entry.unwrap().file_name().display()));
    let mut headers: Vec<_> = names.chain(["radam.hpp".to_owned()]).collect();
    headers.sort();
    headers
}

#[test]
fn each_header_compiles_alone_and_twice() {
    for (_, compiler) in compilers() {
        for standard in ["-std=c++17", "-std=c++20"] {
            for (number, header) in headers().iter().enumerate() {
                let source = format!("#include \"{header}\"\n#include \"{header}\"\n");
                compiler.check_syntax(
                    &[standard, WARNINGS],
                    &format!("alone{number}.cpp"),
                    &source,
                );
            }
        }
    }
}

/// Macros of headers that engines include before ours. The standard headers come first: their words are not ours to
/// choose.
#[test]
fn headers_survive_the_macros_of_others() {
    let words = "min max near far small hyper interface ERROR NO_ERROR IN OUT OPTIONAL CONST VOID BOOL BYTE TRUE FALSE \
                 DELETE IGNORE STRICT None Bool Status True False Always Success Above Below Unsorted foreach forever \
                 signals slots emit linux unix major minor I check verify require nil YES NO";
    let mut source = String::new();
    for line in headers().iter().flat_map(|header| includes(header)) {
        source += &line;
    }
    for word in words.split_whitespace().collect::<BTreeSet<_>>() {
        source += &format!("#undef {word}\n#define {word} ] {word} is not ours to use [\n");
    }
    source += "#include \"radam.hpp\"\n";
    source += "int main() { radam::Optimizer opt; opt.step(); radam::nothrow::Optimizer(nullptr).reset_state().ok(); }\n";
    Compiler::cpp().check_syntax(&["-std=c++17"], "poisoned.cpp", &source);
}

/// The lines with which a header includes those of the standard, or not, if they are not there.
fn includes(header: &str) -> Vec<String> {
    let text = read(&format!("include/{header}"));
    let is_preprocessing = |line: &&str| {
        line.starts_with("#include <")
            || line.starts_with("#if __has")
            || line.starts_with("#ifdef __cpp_lib")
    };
    let lines =
        text.lines().filter(is_preprocessing).filter_map(|line| line.strip_prefix("#include "));
    lines.map(|name| format!("#if __has_include({name})\n#include {name}\n#endif\n")).collect()
}

/// Types of C++23, where this machine's compilers have none: a stand-in of the same names.
#[test]
fn extended_floating_point_types_have_their_dtypes() {
    let dir = scratch_dir("cpp/stdfloat");
    let source = "#include <cstdint>\nnamespace std {\nstruct bfloat16_t { uint16_t bits; };\n\
                  struct float16_t { uint16_t bits; };\n}\n";
    fs::write(Path::new(&dir).join("stdfloat"), source).unwrap();
    let include = format!("-I{}", dir.display());
    let flags = ["-std=c++17", "-D__STDCPP_BFLOAT16_T__=1", "-D__STDCPP_FLOAT16_T__=1", &include];
    let source = "#include \"radam.hpp\"\n\
                  static_assert(radam::Array(static_cast<std::bfloat16_t*>(nullptr)).dtype == radam::Dtype::bf16);\n\
                  static_assert(radam::Array(static_cast<std::float16_t*>(nullptr)).dtype == radam::Dtype::f16);\n";
    Compiler::cpp().check_syntax(&flags, "stdfloat.cpp", source);
}

/// Everything in the C API can be reached: each of its functions is called somewhere in the headers.
#[test]
fn every_function_of_c_is_called() {
    // Versions are the same in C++, and others are called in the form that can do more.
    let others =
        ["radam_version", "radam_version_string", "radam_add_param", "radam_load", "radam_save"];
    let headers: String =
        headers().iter().map(|header| read(&format!("include/{header}"))).collect();
    let symbols = read("tests/abi/symbols.txt");
    let missing: Vec<_> = symbols
        .lines()
        .filter(|name| !others.contains(name) && !headers.contains(&format!("{name}(")))
        .collect();
    assert!(missing.is_empty(), "not reachable from C++: {missing:?}");
}

#[test]
fn an_older_standard_is_refused_in_a_sentence() {
    let path = scratch_dir("cpp").join("older.cpp");
    fs::write(&path, "#include \"radam.hpp\"\n").unwrap();
    let mut compile = Compiler::cpp().command();
    let output =
        compile.args(["-std=c++14", "-Iinclude", "-fsyntax-only"]).arg(path).output().unwrap();
    let (said, errors) = (text(&output), text(&output).matches("error: ").count());
    assert!(!output.status.success() && said.contains("radam.hpp needs C++17"), "{said}");
    assert_eq!(errors, 1, "{said}");
}

/// A wrong type is refused while compiling, with a sentence.
#[test]
fn wrong_types_do_not_compile() {
    let cases = [
        ("opt.add_param(group, integers, integers);", "radam has no dtype for this type"),
        ("opt.add_param(group, constant, floats);", "elements are not const"),
        ("opt.add_param(group, std::initializer_list<float>{1}, floats);", "contiguous container"),
        ("opt.set_lr(opt.add_param(group, floats, floats), 0.1);", ""),
        ("radam::Optimizer copy = opt;", ""),
        ("radam::nothrow::Optimizer().step();", "nodiscard"),
        ("radam::openmp_executor();", "needs OpenMP: compile with -fopenmp"),
    ];
    for (number, (line, sentence)) in cases.into_iter().enumerate() {
        let source = format!(
            "#include \"radam.hpp\"\nint main() {{\n  radam::Optimizer opt;\n  auto group = opt.add_group({{}});\n  \
             std::vector<int> integers;\n  std::vector<float> floats;\n  const std::vector<float> constant;\n  {line}\n}}\n"
        );
        let path = scratch_dir("cpp").join(format!("wrong{number}.cpp"));
        fs::write(&path, source).unwrap();
        let mut compile = Compiler::cpp().command();
        compile.args(["-std=c++17", "-Werror=unused-result", "-Iinclude", "-fsyntax-only"]);
        let output = compile.arg(path).output().unwrap();
        assert!(!output.status.success(), "{line} compiles");
        assert!(text(&output).contains(sentence), "{line}: {}", text(&output));
    }
}
