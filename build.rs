//! Generates the C header from `src/ffi` and gives the shared library the name by which programs load it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-changed=src");

    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    generate_header(&out_dir);
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => set_soname(&out_dir),
        // Programs look for it in their run path. By default, they would look in the folder where cargo has built it.
        Ok("macos") => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libradam.dylib")
        }
        _ => {}
    }
}

/// Writes the header to OUT_DIR, since a build must not change the source tree. `make header` copies it to
/// `include/radam.h`, and a test compares the two.
fn generate_header(out_dir: &Path) {
    let crate_dir = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let mut config = cbindgen::Config::from_root_or_default(&crate_dir);
    config.after_includes = Some(version());
    let mut generated = Vec::new();
    cbindgen::generate_with_config(crate_dir, config)
        .expect("cbindgen reads src/ffi")
        .write(&mut generated);
    let generated = String::from_utf8(generated).expect("the source is UTF-8");
    let header = out_dir.join("radam.h");
    fs::write(&header, in_c_terms(&generated)).expect("OUT_DIR can be written");
    println!("cargo:rustc-env=RADAM_GENERATED_HEADER={}", header.display());
}

/// The version as enumerators. A Rust enum cannot have them, since some may have the same value.
fn version() -> String {
    let number = |text: &str| text.parse::<u32>().expect("a version has three numbers");
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

/// Sets the name by which programs load the library. Before 1.0 it has the minor version, which may break
/// compatibility. A link of this name is put beside the `libradam.so` that cargo writes, so that programs linked in
/// the target folder also run there.
fn set_soname(out_dir: &Path) {
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    let soname = format!("libradam.so.{major}.{minor}");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{soname}");

    // OUT_DIR is <target>/<profile>/build/radam-<hash>/out.
    #[cfg(unix)]
    if let Some(profile_dir) = out_dir.ancestors().nth(3) {
        let _ = std::os::unix::fs::symlink("libradam.so", profile_dir.join(soname));
    }
    #[cfg(not(unix))]
    let _ = out_dir;
}
