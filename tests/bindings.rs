//! `bindings/radam_api.json`, from which the struct mirrors of the bindings are generated, says what the header says. The
//! modules run what each language has.

mod common;
#[path = "bindings/csharp.rs"]
mod csharp;
#[path = "bindings/go.rs"]
mod go;
#[path = "bindings/lua.rs"]
mod lua;
#[allow(dead_code)] // tests/install.rs uses all of it
#[path = "install/prefix.rs"]
mod prefix;
#[path = "bindings/python.rs"]
mod python;
#[path = "bindings/julia.rs"]
mod julia;
#[path = "bindings/wasm.rs"]
mod wasm;

use common::{Compiler, has_program, read, repository, scratch_dir, skip, succeed};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::process::Command;

#[test]
fn generated_files_are_those_that_the_header_gives() {
    if !has_program("python3") {
        return skip("that the generated files of bindings/ are current, which needs python3");
    }
    let mut check = Command::new("python3");
    succeed(check.args(["bindings/generate", "--check"]).current_dir(repository()));
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().unwrap().iter()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

/// A C compiler is asked about every size, offset and constant, and about the type of every argument.
#[test]
fn a_c_compiler_agrees_with_every_number_and_type() {
    let api: Value = serde_json::from_str(&read("bindings/radam_api.json")).unwrap();
    let mut source = String::from("#include \"radam.h\"\n#include <stddef.h>\n");
    for value in items(&api, "enums").flat_map(|found| items(found, "values")) {
        let name = text(value, "name");
        writeln!(source, "_Static_assert({name} == {}, \"{name}\");", value["value"]).unwrap();
    }
    for found in items(&api, "structs") {
        let name = text(found, "name");
        writeln!(source, "_Static_assert(sizeof({name}) == {}, \"{name}\");", found["size"])
            .unwrap();
        for field in items(found, "fields") {
            let field_name = text(field, "name");
            let (offset, size) = (&field["offset"], &field["size"]);
            writeln!(
                source,
                "_Static_assert(offsetof({name}, {field_name}) == {offset} && sizeof((({name} *)0)->{field_name}) == \
                 {size}, \"{name}.{field_name}\");"
            )
            .unwrap();
        }
    }
    for function in items(&api, "functions") {
        let arguments: Vec<_> =
            items(function, "args").map(|argument| c_type(&argument["type"])).collect();
        let arguments = if arguments.is_empty() { "void".to_owned() } else { arguments.join(", ") };
        let returns = c_type(&function["returns"]);
        writeln!(source, "{returns} {}({arguments});", text(function, "name")).unwrap();
    }
    let path = scratch_dir("bindings").join("api.c");
    fs::write(&path, source).unwrap();
    let mut compile = Compiler::c().command();
    succeed(compile.args(["-std=c11", "-Werror", "-Iinclude", "-fsyntax-only"]).arg(path));
}

fn c_type(found: &Value) -> String {
    let named = match text(found, "kind") {
        "name" => text(found, "name").to_owned(),
        "pointer" => format!("{} *", c_type(&found["to"])),
        other => panic!("no argument is a {other}"),
    };
    let is_const = found["const"] == true;
    match text(found, "kind") {
        "name" if is_const => format!("const {named}"),
        _ if is_const => format!("{named}const"),
        _ => named,
    }
}

/// Nothing of the API is left out, and everything is described.
#[test]
fn everything_is_listed_and_described() {
    let api: Value = serde_json::from_str(&read("bindings/radam_api.json")).unwrap();
    let mut functions: Vec<_> =
        items(&api, "functions").map(|function| text(function, "name")).collect();
    functions.sort();
    assert_eq!(functions, read("tests/abi/symbols.txt").lines().collect::<Vec<_>>());
    let header = read("include/radam.h");
    for (kind, keyword) in [("structs", "typedef struct radam_"), ("enums", "typedef enum radam_")]
    {
        let with_bodies =
            header.lines().filter(|line| line.starts_with(keyword) && line.ends_with('{'));
        assert_eq!(items(&api, kind).count(), with_bodies.count(), "{kind}");
    }
    let documented =
        items(&api, "functions").chain(items(&api, "structs")).chain(items(&api, "types"));
    let fields = items(&api, "structs").flat_map(|found| items(found, "fields"));
    for found in documented.chain(fields) {
        assert!(text(found, "doc").len() >= 2, "{} has no description", found["name"]);
    }
    assert_eq!(text(&api, "version"), env!("CARGO_PKG_VERSION"));
}
