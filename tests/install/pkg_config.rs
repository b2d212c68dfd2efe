//! pkg-config with the installed files.

use crate::common::{Link, NATIVE_LIBRARIES, has_program, skip, succeed, text};
use crate::prefix::{Language, assert_trains, install, loads_radam, new_project};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What pkg-config says about the radam that is installed in `prefix`.
pub fn pkg_config(prefix: &Path, question: &[&str]) -> Vec<String> {
    let mut pkg_config = Command::new("pkg-config");
    pkg_config.args(question).arg("radam").env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    text(&succeed(&mut pkg_config)).split_whitespace().map(str::to_owned).collect()
}

/// Skips the test that calls this, if it must.
pub fn is_missing(test: &str) -> bool {
    let missing = !has_program("pkg-config");
    if missing {
        skip(&format!("{test} with pkg-config, which is not installed"));
    }
    missing
}

/// Compiles the program with what pkg-config says.
fn build(prefix: &Path, project: &Path, language: Language, link: Link) -> PathBuf {
    let mut compile = language.compile(project);
    match link {
        Link::Shared => {
            let libdir = &pkg_config(prefix, &["--variable=libdir"])[0];
            compile.args(pkg_config(prefix, &["--cflags", "--libs"]));
            compile.arg(format!("-Wl,-rpath,{libdir}"));
        }
        Link::Static => {
            compile.arg("-static").args(pkg_config(prefix, &["--static", "--cflags", "--libs"]));
        }
    }
    let program = project.join("program");
    succeed(compile.arg("-o").arg(&program));
    program
}

/// In C and in C++, with shared libraries and without any.
pub fn assert_serves(prefix: &Path, project: &Path) {
    for language in Language::ALL {
        for link in [Link::Shared, Link::Static] {
            let program = build(prefix, project, language, link);
            assert_eq!(loads_radam(&program), matches!(link, Link::Shared));
            assert_trains(&program);
        }
    }
}

#[test]
fn pkg_config_serves_c_and_cpp_shared_and_static() {
    if is_missing("programs") {
        return;
    }
    assert_serves(&install("pkg_config"), &new_project("pkg_config_project"));
}

/// Only radam is linked statically: what most programs want.
#[test]
fn the_file_of_the_static_library_needs_what_pkg_config_says() {
    if is_missing("the static library") {
        return;
    }
    let prefix = install("static_file");
    let pc = fs::read_to_string(prefix.join("lib/pkgconfig/radam.pc")).unwrap();
    let private = pc.lines().find_map(|line| line.strip_prefix("Libs.private: ")).unwrap();
    assert_eq!(format!("-lgcc_s {private}"), NATIVE_LIBRARIES);
    let project = new_project("static_file_project");
    for language in Language::ALL {
        let mut compile = language.compile(&project);
        compile.args(pkg_config(&prefix, &["--cflags"])).args(["-o", "program"]);
        compile.arg(prefix.join("lib/libradam.a")).args(private.split(' '));
        succeed(&mut compile);
        assert!(!loads_radam(&project.join("program")));
        assert_trains(&project.join("program"));
    }
}

#[test]
fn pkg_config_knows_the_version() {
    if is_missing("versions") {
        return;
    }
    let prefix = install("pkg_config_version");
    assert_eq!(pkg_config(&prefix, &["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    for (wanted, is_there) in [("radam >= 0.2", true), ("radam >= 0.3", false)] {
        let mut exists = Command::new("pkg-config");
        exists.args(["--exists", wanted]).env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
        assert_eq!(exists.status().unwrap().success(), is_there, "{wanted}");
    }
}
