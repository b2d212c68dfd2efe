//! Generates the C header from `src/ffi`, with cbindgen.

use super::common::repository;

/// The header as it should be in `include/radam.h`.
pub fn generated() -> String {
    let crate_dir = repository();
    let mut config = cbindgen::Config::from_file(crate_dir.join("cbindgen.toml")).unwrap();
    config.after_includes = Some(version());
    let mut generated = Vec::new();
    cbindgen::generate_with_config(crate_dir, config).unwrap().write(&mut generated);
    in_c_terms(&String::from_utf8(generated).unwrap())
}

/// The version as enumerators. A Rust enum cannot have them, since some may have the same value.
fn version() -> String {
    let number = |text: &str| text.parse::<u32>().unwrap();
    let major = number(env!("CARGO_PKG_VERSION_MAJOR"));
    let minor = number(env!("CARGO_PKG_VERSION_MINOR"));
    let patch = number(env!("CARGO_PKG_VERSION_PATCH"));
    let whole = major * 1_000_000 + minor * 1_000 + patch;
    format!(
        "
// The version of this header; radam_version() returns that of the loaded library.
typedef enum radam_version_values {{
  RADAM_VERSION_MAJOR = {major},
  RADAM_VERSION_MINOR = {minor},
  RADAM_VERSION_PATCH = {patch},
  // major * 1000000 + minor * 1000 + patch.
  RADAM_VERSION = {whole},
}} radam_version_values;"
    )
}

/// Replaces what is written for Rust's documentation with terms of C.
fn in_c_terms(generated: &str) -> String {
    let mut header = String::new();
    for line in generated.lines() {
        if line.is_empty() && header.ends_with("\n\n") {
            continue; // cbindgen leaves an empty line for each constant that it ignores
        }
        let line = match line {
            "// # Safety" => "// Undefined behaviour unless:".to_owned(),
            _ if line.starts_with("typedef ") => line.to_owned(),
            _ => line.replace("struct radam_", "radam_"), // the typedefs come first
        };
        header += &line;
        header.push('\n');
    }
    header
}
