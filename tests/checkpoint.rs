//! Checkpoints: a saved run continues bit for bit, a file that is damaged or does not fit is rejected and changes
//! nothing, and the files are safetensors files that other programs read and write.

#[path = "checkpoint/biased.rs"]
mod biased;
#[path = "checkpoint/callbacks.rs"]
mod callbacks;
#[path = "checkpoint/conversion.rs"]
mod conversion;
#[path = "checkpoint/damage.rs"]
mod damage;
#[path = "checkpoint/earlier.rs"]
mod earlier;
#[path = "checkpoint/file.rs"]
mod file;
#[path = "checkpoint/fit.rs"]
mod fit;
mod common;
mod driver;
#[path = "checkpoint/header.rs"]
mod header;
#[path = "checkpoint/picture.rs"]
mod picture;
#[path = "checkpoint/reader.rs"]
mod reader;
#[path = "checkpoint/resume.rs"]
mod resume;
#[path = "checkpoint/shards.rs"]
mod shards;
#[path = "checkpoint/training.rs"]
mod training;

use std::fs;
use std::path::{Path, PathBuf};

/// A folder of a test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("checkpoint").join(name);
    let _ = fs::remove_dir_all(&folder); // what an earlier run left
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn on_a_gpu() {
    // One kind of decay is enough, and numbers in a header are none of a GPU's.
    let others = ["with_an_l2_penalty", "with_fully_decoupled_decay", "numbers_are_exact"];
    common::run_on_a_gpu(&others.map(|name| ["--skip", name]).concat());
}
