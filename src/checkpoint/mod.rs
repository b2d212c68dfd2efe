//! The optimizer's state in safetensors files. `docs/checkpoint.md` describes the format.
//!
//! - `header.rs`: the header of a file; `manifest.rs`: what it says about groups and parameters; `checksum.rs`:
//!   checksums as text; `json.rs`: reading and writing all of them with serde_json.
//! - `save.rs`: to a file or a buffer.
//! - `load.rs`: from a file, a buffer, or the files of several shards; `fit.rs`: whether they fit;
//!   `pieces.rs`, `transfer.rs`: what they have of each parameter, and which bytes go where; `convert.rs`: state of
//!   another kind.
//! - `files.rs`: which files are read and replaced, and how; `failed.rs`: what is said of those that cannot be.

mod checksum;
mod convert;
mod failed;
#[cfg(unix)]
mod files;
#[cfg(not(unix))]
#[path = "files_elsewhere.rs"]
mod files;
mod fit;
mod header;
mod json;
mod load;
mod manifest;
mod order;
mod pieces;
mod save;
mod transfer;

pub use load::LoadOptions;
pub(crate) use load::{load, load_files};
pub(crate) use save::{save_to_buffer, save_to_file, save_to_vec};

use crate::error::{Error, Result, ensure, error};
use crate::system::call_out;
use std::ops::ControlFlow;

/// State is read and written in blocks of this size.
const BLOCK: usize = 1 << 20;

/// The caller's function that is told how many bytes are done, of how many, and may cancel the work. It is called on
/// the thread that called the library.
pub(crate) type Callback<'a> = &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>;

/// How far the work has got.
struct Progress<'a> {
    callback: Option<Callback<'a>>,
    done: u64,
    total: u64,
}

impl<'a> Progress<'a> {
    fn new(callback: Option<Callback<'a>>, total: u64) -> Self {
        Self { callback, done: 0, total }
    }

    /// Adds to what is done, and reports it to the caller.
    fn advance(&mut self, bytes: usize) -> Result<()> {
        self.done += bytes as u64;
        let Some(callback) = &mut self.callback else { return Ok(()) };
        let answer = call_out(|| callback(self.done, self.total));
        ensure!(
            answer.is_continue(),
            Io,
            "progress cancelled the call after {} of {} bytes; nothing was changed",
            self.done,
            self.total
        );
        Ok(())
    }
}

fn no_memory(what: &str) -> Error {
    error!(OutOfMemory, "there is not enough memory for {what}; nothing was changed")
}

/// Adds an item, or fails if there is not enough memory.
fn push<T>(items: &mut Vec<T>, item: T) -> Result<()> {
    items.try_reserve(1).map_err(|_| no_memory("the header of the checkpoint"))?;
    items.push(item);
    Ok(())
}

/// A buffer.
fn zeros(len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| no_memory("a buffer for the checkpoint"))?;
    bytes.resize(len, 0);
    Ok(bytes)
}
