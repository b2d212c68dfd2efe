//! Which files are installed, where, and what is left of them.

use crate::common::{scratch_dir, succeed, text};
use crate::pkg_config::{self, assert_serves};
use crate::prefix::{files_under, install, make, new_dir, new_project};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const FILES: &[&str] = &[
    "include/radam.h",
    "include/radam.hpp",
    "include/radam/checks.hpp",
    "include/radam/elements.hpp",
    "include/radam/errors.hpp",
    "include/radam/optimizer.hpp",
    "include/radam/options.hpp",
    "include/radam/steps.hpp",
    "include/radam_ens.hpp",
    "include/radam_ggml.hpp",
    "include/radam_torch.hpp",
    "lib/cmake/radam/radamConfig.cmake",
    "lib/cmake/radam/radamConfigVersion.cmake",
    "lib/cmake/radam/radamTargets.cmake",
    "lib/libradam.a",
    "lib/libradam.so",
    "lib/libradam.so.0.2",
    "lib/libradam.so.0.2.0",
    "lib/pkgconfig/radam.pc",
    "share/doc/radam/CHANGELOG.md",
    "share/doc/radam/LICENSE-APACHE",
    "share/doc/radam/LICENSE-MIT",
    "share/doc/radam/README.md",
    "share/doc/radam/docs/README.md",
    "share/doc/radam/docs/checkpoint.md",
    "share/doc/radam/docs/determinism.md",
    "share/doc/radam/docs/engines.md",
    "share/doc/radam/docs/faq.md",
    "share/doc/radam/docs/ffi.md",
    "share/doc/radam/docs/gpu.md",
    "share/doc/radam/docs/migration.md",
    "share/doc/radam/docs/numerics.md",
    "share/doc/radam/docs/q8.md",
    "share/doc/radam/docs/rectification.md",
    "share/doc/radam/docs/scaling.md",
    "share/doc/radam/docs/speed.md",
    "share/doc/radam/docs/tour.md",
];

#[test]
fn every_file_is_in_its_place_and_readable() {
    let prefix = install("places");
    assert_eq!(files_under(&prefix), FILES);
    let lib = prefix.join("lib");
    assert_eq!(fs::read_link(lib.join("libradam.so")).unwrap().to_str(), Some("libradam.so.0.2"));
    assert_eq!(
        fs::read_link(lib.join("libradam.so.0.2")).unwrap().to_str(),
        Some("libradam.so.0.2.0")
    );
    for file in FILES {
        let mode = fs::metadata(prefix.join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if file.contains(".so") { 0o755 } else { 0o644 }, "{file}");
    }
}

#[test]
fn uninstall_removes_the_files_of_install_and_no_other() {
    let prefix = install("uninstalled");
    fs::write(prefix.join("lib/libother.a"), "").unwrap();
    succeed(&mut make("uninstall", &[format!("PREFIX={}", prefix.display())]));
    assert_eq!(files_under(&prefix), ["lib/libother.a"]);
    for folder in ["lib/cmake/radam", "include/radam", "share/doc/radam"] {
        assert!(!prefix.join(folder).exists(), "{folder}");
    }
}

#[test]
fn installing_again_replaces_and_leaves_one_installation() {
    let prefix = install("twice");
    fs::write(prefix.join("include/radam.h"), "older").unwrap();
    succeed(&mut make("install", &[format!("PREFIX={}", prefix.display())]));
    assert_eq!(files_under(&prefix), FILES);
    assert!(fs::read_to_string(prefix.join("include/radam.h")).unwrap().len() > 10_000);
}

#[test]
fn destdir_is_where_files_go_and_not_what_they_say() {
    let destdir = new_dir("destdir");
    let settings = [
        "PREFIX=/opt/radam".to_owned(),
        "LIBDIR=/opt/radam/lib/x86_64-linux-gnu".to_owned(),
        "INCLUDEDIR=/opt/include".to_owned(),
        format!("DESTDIR={}", destdir.display()),
    ];
    succeed(&mut make("install", &settings));
    let libdir = destdir.join("opt/radam/lib/x86_64-linux-gnu");
    assert!(libdir.join("libradam.so.0.2").exists());
    assert!(destdir.join("opt/include/radam.h").exists());
    assert!(destdir.join("opt/radam/share/doc/radam/LICENSE-MIT").exists());
    let pc = fs::read_to_string(libdir.join("pkgconfig/radam.pc")).unwrap();
    for line in [
        "prefix=${pcfiledir}/../../..",
        "libdir=${prefix}/lib/x86_64-linux-gnu",
        "includedir=/opt/include",
    ] {
        assert!(pc.lines().any(|of_pc| of_pc == line), "{line} is not in\n{pc}");
    }
    succeed(&mut make("uninstall", &settings));
    assert_eq!(files_under(&destdir), [""; 0]);
}

#[test]
fn a_relative_prefix_is_refused() {
    let output = make("install", &["PREFIX=installed".to_owned()]).output().unwrap();
    assert!(!output.status.success());
    assert!(text(&output).contains("they must be absolute"), "{}", text(&output));
}

#[test]
fn a_moved_installation_still_serves() {
    if pkg_config::is_missing("a moved installation") {
        return;
    }
    let prefix = install("before_the_move");
    let moved = scratch_dir("install").join("after the move");
    let _ = fs::remove_dir_all(&moved);
    fs::rename(prefix, &moved).unwrap();
    crate::cmake::assert_finds(&moved, "moved");
    let without_spaces = new_dir("after_the_move");
    fs::rename(&moved, &without_spaces).unwrap();
    assert_serves(&without_spaces, &new_project("moved_project"));
}
