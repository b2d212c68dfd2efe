//! The archive that `make dist` packs.

use crate::common::{has_program, read, rustc, skip, succeed, target_dir, text};
use crate::pkg_config::{self, assert_serves};
use crate::prefix::{files_under, install, make, new_dir, new_project};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packs, and returns the archive and its checksum.
fn pack(target: &str) -> (PathBuf, String) {
    succeed(&mut make("dist", &[]));
    let name = format!("radam-{}-{target}.tar.gz", env!("CARGO_PKG_VERSION"));
    let dist = target_dir().join("dist");
    let mut check = Command::new("sha256sum");
    succeed(check.arg("--check").arg(format!("{name}.sha256")).current_dir(&dist));
    (dist.join(&name), fs::read_to_string(dist.join(name + ".sha256")).unwrap())
}

fn this_machine() -> String {
    let version = text(&succeed(Command::new(rustc()).arg("-vV")));
    version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

#[test]
fn the_archive_has_all_files_licences_and_checksums_and_serves_from_any_folder() {
    for program in ["python3", "sha256sum", "tar"] {
        if !has_program(program) {
            return skip(&format!("make dist: {program} is not installed"));
        }
    }
    let target = this_machine();
    let (archive, checksum) = pack(&target);
    assert_eq!(pack(&target).1, checksum, "packing the same files gives another archive");

    let dir = new_dir("dist");
    succeed(Command::new("tar").arg("--extract").arg("--file").arg(&archive).current_dir(&dir));
    let unpacked = dir.join(format!("radam-{}-{target}", env!("CARGO_PKG_VERSION")));
    succeed(Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(&unpacked));
    assert_has_what_is_installed(&unpacked);
    assert_names_every_crate(&unpacked.join("share/doc/radam/THIRD-PARTY-NOTICES"));
    if !pkg_config::is_missing("the unpacked archive") {
        assert_serves(&unpacked, &new_project("dist_project"));
    }
}

fn assert_has_what_is_installed(unpacked: &Path) {
    let installed = files_under(&install("for_dist"));
    let packed = files_under(unpacked).into_iter().collect::<BTreeSet<_>>();
    assert!(installed.iter().all(|file| packed.contains(file)), "{packed:?}");
    let sums = fs::read_to_string(unpacked.join("SHA256SUMS")).unwrap();
    for file in packed {
        let is_link = unpacked.join(&file).is_symlink();
        assert!(is_link || file == "SHA256SUMS" || sums.contains(&format!("  {file}\n")), "{file}");
    }
}

/// The crates are those that the manifest names, and what they use; those that only build the library are not in it.
fn assert_names_every_crate(notices: &Path) {
    let notices = fs::read_to_string(notices).unwrap();
    let (crates, licences) = notices.split_once("\n\n----").unwrap();
    let manifest = read("Cargo.toml");
    let (_, dependencies) = manifest.split_once("[dependencies]\n").unwrap();
    let (dependencies, _) = dependencies.split_once("\n\n").unwrap();
    let direct = dependencies.lines().map(|line| line.split(' ').next().unwrap());
    for name in direct.chain(["libc", "rayon-core", "memchr"]) {
        assert!(crates.contains(&format!("\n    {name} ")), "{name} is not in\n{crates}");
        assert!(licences.contains(&format!("{name} ")), "{name} has no text");
    }
    for name in ["cbindgen", "syn", "serde_derive", "safetensors"] {
        assert!(!crates.contains(&format!("\n    {name} ")), "{name} is not in the library");
    }
    assert!(licences.contains("Permission is hereby granted, free of charge"));
}
