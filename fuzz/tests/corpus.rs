//! Runs what once failed, and a few sequences that are new.

use radam_fuzz::load_bytes;
use radam_fuzz::sequence::Sequence;
use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn what_once_failed_passes() {
    for file in files("corpus") {
        println!("{}", file.display());
        Sequence::parse(&fs::read_to_string(file).unwrap()).expect("a sequence").run();
    }
}

#[test]
fn random_sequences_pass() {
    (0..300).for_each(|seed| Sequence::random(seed).run());
}

#[test]
fn checkpoints_are_read_as_they_are_described() {
    for file in files("seeds") {
        load_bytes(&fs::read(file).unwrap());
    }
    load_bytes(b"");
}
