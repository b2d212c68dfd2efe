//! The C boundary as compilers and linkers see it: the header, what the shared library exports and
//! needs, and the layout that compiled programs rely on.

mod common;
#[path = "abi/compatible.rs"]
mod compatible;
#[path = "abi/header.rs"]
mod header;

use common::{Compiler, read, release_dir, repository, scratch_dir, skip, succeed, text};
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::process::Command;

const C_STANDARDS: [&str; 3] = ["c99", "c11", "c17"];
const CPP_STANDARDS: [&str; 4] = ["c++11", "c++14", "c++17", "c++20"];

const WARNINGS: &str = "-Wall -Wextra -Wpedantic -Werror -Wconversion -Wsign-conversion -Wshadow \
                        -Wundef -Wredundant-decls -Wmissing-declarations -Wcast-qual -Wfloat-equal";
const C_WARNINGS: &str = "-Wstrict-prototypes -Wmissing-prototypes -Wc++-compat";
const CPP_WARNINGS: &str = "-Wold-style-cast -Wzero-as-null-pointer-constant -Wnon-virtual-dtor";

/// Words that are keywords or common macros somewhere that the header is read. (`params`, a keyword
/// in C#, is the name of an argument, which a binding there is free to change.)
const POISONED: &[(&str, &str)] = &[
    ("Qt", "foreach forever signals slots emit"),
    (
        "windows.h",
        "min max near far small hyper interface cdecl pascal ERROR NO_ERROR IN OUT OPTIONAL CONST \
         VOID BOOL BYTE TRUE FALSE DELETE IGNORE STRICT DIFFERENCE MM_MAX_NUMAXES CreateFile",
    ),
    ("X11", "None Bool Status True False Always Success Above Below Unsorted"),
    (
        "system headers",
        "linux unix major minor errno stdin stdout stderr I check verify require nil YES NO",
    ),
    (
        "C++",
        "alignas alignof and and_eq asm bitand bitor bool catch char8_t class compl concept \
         const_cast consteval constexpr constinit co_await co_return co_yield decltype delete \
         dynamic_cast explicit export false friend mutable namespace new noexcept not not_eq nullptr \
         operator or or_eq private protected public reinterpret_cast requires static_assert \
         static_cast template this thread_local throw true try typeid typename using virtual wchar_t \
         xor xor_eq",
    ),
    (
        "C#",
        "abstract as base byte checked decimal delegate event finally fixed foreach implicit in \
         interface internal is lock null object out override readonly ref sbyte sealed stackalloc \
         string uint ulong unchecked unsafe ushort",
    ),
    (
        "C23 and old C",
        "constexpr typeof typeof_unqual nullptr auto register restrict inline fortran",
    ),
];

/// The compilers of this machine: the ones a user's build would take, and clang.
fn compilers(default: Compiler, other: &str) -> Vec<Compiler> {
    let other = Compiler::optional(other);
    if other.is_none() {
        skip("the header with clang, which is not installed");
    }
    [default].into_iter().chain(other).collect()
}

fn check_in_every_standard(name: &str, source: &str) {
    for compiler in compilers(Compiler::c(), "clang") {
        for standard in C_STANDARDS {
            let standard = format!("-std={standard}");
            let flags = [standard.as_str(), WARNINGS, C_WARNINGS];
            compiler.check_syntax(&flags, &format!("{name}.c"), source);
        }
    }
    for compiler in compilers(Compiler::cpp(), "clang++") {
        for standard in CPP_STANDARDS {
            let standard = format!("-std={standard}");
            let flags = [standard.as_str(), WARNINGS, CPP_WARNINGS];
            compiler.check_syntax(&flags, &format!("{name}.cpp"), source);
        }
    }
}

/// `make header` sets RADAM_WRITE_HEADER.
#[test]
fn header_is_the_generated_one() {
    let generated = header::generated();
    if env::var_os("RADAM_WRITE_HEADER").is_some() {
        fs::write(repository().join("include/radam.h"), &generated).unwrap();
    }
    assert!(
        read("include/radam.h") == generated,
        "include/radam.h and src/ffi differ; `make header` writes it anew"
    );
}

#[test]
fn header_compiles_alone_and_twice() {
    check_in_every_standard("alone", "#include \"radam.h\"\n");
    check_in_every_standard("twice", "#include \"radam.h\"\n#include \"radam.h\"\n");
}

#[test]
fn header_survives_the_macros_and_keywords_of_others() {
    for (whose, words) in POISONED {
        // The standard headers that ours includes come first: their words are not ours to choose.
        let mut source = String::from("#include <stdint.h>\n");
        for word in words.split_whitespace().collect::<BTreeSet<_>>() {
            source += &format!("#undef {word}\n#define {word} ] {word} is not ours to use [\n");
        }
        source += "#include \"radam.h\"\n";
        println!("words of {whose}:");
        Compiler::c().check_syntax(&["-std=c11"], "poisoned.c", &source);
    }
}

/// A header without its comments.
fn declarations(header: &str) -> String {
    let (mut code, mut rest) = (String::new(), header);
    while let Some(start) = rest.find("/*") {
        code += &rest[..start];
        rest = &rest[start..][rest[start..].find("*/").unwrap() + 2..];
    }
    code += rest;
    code.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Every word before a parenthesis in the declarations.
fn header_functions() -> BTreeSet<String> {
    let declarations = declarations(&read("include/radam.h"));
    let before_parenthesis = declarations.split('(').map(|text| {
        text.trim_end().rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap()
    });
    before_parenthesis.filter(|word| word.starts_with("radam_")).map(str::to_owned).collect()
}

/// One name a line, with a newline at the end of each.
fn lines<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| format!("{name}\n")).collect()
}

#[test]
fn header_declares_what_is_listed() {
    assert_eq!(lines(&header_functions()), read("tests/abi/symbols.txt"));
}

#[test]
fn shared_library_exports_what_is_listed() {
    let mut nm = Command::new("nm");
    nm.args(["-D", "--defined-only", "--format=posix"]).arg(release_dir().join("libradam.so"));
    let output = text(&succeed(&mut nm));
    let names = output.lines().map(|line| line.split(' ').next().unwrap().to_owned());
    assert_eq!(lines(&names.collect::<BTreeSet<_>>()), read("tests/abi/symbols.txt"));
}

#[test]
fn every_function_and_type_is_documented() {
    let header = read("include/radam.h");
    let all: Vec<&str> = header.lines().collect();
    for (i, line) in all.iter().enumerate() {
        let begins_declaration = line.starts_with("typedef ")
            || line.starts_with("struct ")
            || (line.contains("(") && line.starts_with(|c: char| c.is_ascii_lowercase()))
                && !line.starts_with("extern");
        if begins_declaration {
            let above = all[..i].last().unwrap_or(&"");
            assert!(above.starts_with("//") || above.ends_with("*/"), "no comment above: {line}");
        }
    }
}

/// What C programs are compiled against: it must never change.
#[test]
fn layout_is_pinned() {
    for compiler in compilers(Compiler::c(), "clang") {
        let mut compile = compiler.command();
        compile.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Iinclude"]);
        succeed(compile.args(["-fsyntax-only", "tests/abi/layout.c"]));
    }
}

/// The name that a field of a struct has: of a function pointer, an array or anything else.
fn field_name(field: &str) -> &str {
    let field = field.split_once("(*").map_or(field, |(_, rest)| rest);
    let end = field.find([')', '[']).unwrap_or(field.len());
    field[..end].rsplit([' ', '*']).next().unwrap()
}

/// Every type, field, value and function of the header is among what is pinned.
#[test]
fn layout_pins_everything() {
    let header = read("include/radam.h");
    let (declarations, pinned) = (declarations(&header), read("tests/abi/layout.c"));
    let mut expected: Vec<_> = header_functions().iter().map(|name| format!("{name}(")).collect();
    for typedef in declarations.split("typedef ").skip(1) {
        let Some((kind_and_name, body)) = typedef.split_once(" {") else {
            let name = typedef.split(';').next().unwrap().rsplit(' ').next().unwrap();
            if name != "radam_optimizer" {
                expected.push(format!("TYPE({name}, "));
            }
            continue;
        };
        let (kind, name) = kind_and_name.split_once(' ').unwrap();
        let body = body.split_once('}').unwrap().0.trim();
        if kind == "struct" {
            expected.push(format!("SIZE({name}, "));
            let fields = body.split_terminator(';').map(field_name);
            expected.extend(fields.map(|field| format!("FIELD({name}, {field}, ")));
        } else {
            let values =
                body.split_terminator(',').map(|value| value.trim().split(' ').next().unwrap());
            expected.extend(values.map(|value| format!("VALUE({value}, ")));
        }
    }
    assert!(expected.len() > 150, "only {} things are to be pinned", expected.len());
    for what in expected {
        // The parts of RADAM_VERSION change with each version, and it is held to them.
        let is_part = what.starts_with("VALUE(RADAM_VERSION_");
        assert!(is_part || pinned.contains(&what), "{what} ...) is not pinned");
    }
}

/// No macro comes with the header, and no name that is not the library's.
#[test]
fn header_has_no_names_of_others() {
    let declarations = declarations(&read("include/radam.h"));
    for line in declarations.lines() {
        assert!(!line.starts_with("#define ") || line == "#define RADAM_H", "{line}");
        if let Some(rest) = line.strip_prefix("typedef ") {
            let name = rest.trim_end_matches([';', '{', ' ']).rsplit(' ').next().unwrap();
            assert!(name.starts_with("radam_"), "{line}");
        }
        if let Some((before, _)) = line.split_once('(')
            && !line.starts_with([' ', '#'])
        {
            let name = before.rsplit([' ', '*']).next().unwrap();
            assert!(name.starts_with("radam_"), "{line}");
        }
    }
}

fn readelf(option: &str) -> String {
    let mut readelf = Command::new("readelf");
    readelf.env("LC_ALL", "C").args([option, "--wide"]).arg(release_dir().join("libradam.so"));
    text(&succeed(&mut readelf))
}

/// What stands in brackets in the lines of the dynamic section that have this tag.
fn dynamic_entries(tag: &str) -> Vec<String> {
    let bracketed = |line: &str| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned());
    readelf("--dynamic").lines().filter(|line| line.contains(tag)).filter_map(bracketed).collect()
}

#[test]
fn shared_library_is_named_with_its_version() {
    assert_eq!(dynamic_entries("(SONAME)"), ["libradam.so.0.2"]);
}

#[test]
fn shared_library_needs_only_the_c_runtime() {
    let expected = [
        "libc.so",
        "libm.so",
        "libgcc_s.so",
        "libpthread.so",
        "libdl.so",
        "librt.so",
        "libutil.so",
        "ld-linux",
    ];
    for needed in dynamic_entries("(NEEDED)") {
        assert!(expected.iter().any(|name| needed.starts_with(name)), "it needs {needed}");
    }
    let dynamic = readelf("--dynamic");
    assert!(!dynamic.contains("TEXTREL"), "its code is changed when it is loaded");
    let stack = readelf("--program-headers");
    let stack = stack.lines().find(|line| line.contains("GNU_STACK")).unwrap().to_owned();
    assert!(!stack.contains("RWE"), "it asks for an executable stack");
}

#[test]
fn shared_library_is_small() {
    let stripped = scratch_dir("abi").join("libradam.so");
    let mut strip = Command::new("strip");
    strip.arg("--strip-all").arg("-o").arg(&stripped).arg(release_dir().join("libradam.so"));
    succeed(&mut strip);
    let bytes = fs::metadata(stripped).unwrap().len();
    // A quarter of a megabyte is for GPUs: half of it the kernels.
    assert!(bytes <= 7 << 18, "{bytes} bytes when stripped");
}
