//! Saving and loading, against writing and copying as many bytes by hand on the same disk.

use crate::bench::Bench;
use crate::case::{Case, size};
use crate::goal::{Goal, Quantity};
use crate::setup::Setup;
use radam::ffi::*;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const ELEMENTS: usize = 32 * 1024 * 1024;
const BLOCK: usize = 1 << 20;

pub fn run(bench: &mut Bench) {
    saving(bench);
    loading(bench);
}

fn saving(bench: &mut Bench) {
    let title = format!("f32, {}, radam_save", size(ELEMENTS));
    let case = Case::new("checkpoint-save", title, ELEMENTS)
        .reports(Quantity::Share, "share of the speed of write + fsync")
        .with_goal(Goal::AtLeast(0.8));
    bench.compare(&case, |measure| {
        let (by_hand, ours) = (Scratch::new("written"), Scratch::new("saved"));
        let bytes = vec![1u8; state_bytes()];
        let optimizer = Setup::new(RADAM_DTYPE_F32, ELEMENTS).optimizer();
        measure(&mut || write(&bytes, &by_hand.0).expect("the file can be written"), &mut || {
            optimizer.save_to(&ours.0)
        });
    });
}

fn loading(bench: &mut Bench) {
    let title = format!("f32, {}, radam_load", size(ELEMENTS));
    let case = Case::new("checkpoint-load", title, ELEMENTS)
        .reports(Quantity::Share, "share of the speed of a copy to another file")
        .with_goal(Goal::AtLeast(0.8));
    bench.compare(&case, |measure| {
        let (saved, copied) = (Scratch::new("loaded"), Scratch::new("copied"));
        let mut optimizer = Setup::new(RADAM_DTYPE_F32, ELEMENTS).optimizer();
        optimizer.save_to(&saved.0);
        measure(&mut || copy(&saved.0, &copied.0).expect("the file can be copied"), &mut || {
            optimizer.load_file(&saved.0).unwrap()
        });
    });
}

/// `exp_avg` and `exp_avg_sq`.
fn state_bytes() -> usize {
    2 * ELEMENTS * size_of::<f32>()
}

/// What `dd conv=fsync` does.
fn write(bytes: &[u8], path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    bytes.chunks(BLOCK).try_for_each(|block| file.write_all(block))?;
    file.sync_all()
}

/// What `cp` does, where it has to do it itself.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let (mut source, mut target) = (File::open(from)?, File::create(to)?);
    let mut block = vec![0; BLOCK];
    loop {
        match source.read(&mut block)? {
            0 => return Ok(()),
            count => target.write_all(&block[..count])?,
        }
    }
}

/// A file that goes when it is not needed any more, beside this program.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let program = std::env::current_exe().expect("the path of this program");
        Self(program.with_extension(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
