//! The optimizer's state in safetensors files. `docs/checkpoint.md` describes the format.
//!
//! - `header.rs`: the header of a file; `manifest.rs`: what it says about groups and parameters; `checksum.rs`:
//!   checksums as text; `json.rs`: reading and writing all of them with serde_json.
//! - `save.rs`: to a file or a buffer; `replace.rs`: replacing a file atomically.
//! - `load.rs`: from a file, a buffer, or the files of several shards; `fit.rs`: what goes where.

mod checksum;
mod fit;
mod header;
mod json;
mod load;
mod manifest;
mod order;
mod replace;
mod save;

pub(crate) use load::{LoadOptions, load, load_files};
pub(crate) use save::{save_to_buffer, save_to_file};

use crate::error::{Error, Result, error};
use crate::system::call_out;
use std::ffi::c_void;

/// State is read and written in blocks of this size.
const BLOCK: usize = 1 << 20;

/// The caller's progress function, called on the thread that called the library.
#[derive(Clone, Copy)]
pub(crate) struct Callback {
    /// Returns anything but 0 to cancel.
    pub function: unsafe extern "C" fn(done: u64, total: u64, user: *mut c_void) -> i32,
    pub user: *mut c_void,
}

/// How far the work has got.
struct Progress {
    callback: Option<Callback>,
    done: u64,
    total: u64,
}

impl Progress {
    fn new(callback: Option<Callback>, total: u64) -> Self {
        Self { callback, done: 0, total }
    }

    /// Adds to what is done, and reports it to the caller.
    fn advance(&mut self, bytes: usize) -> Result<()> {
        self.done += bytes as u64;
        let Some(Callback { function, user }) = self.callback else { return Ok(()) };
        // SAFETY: the caller's function and what it wants to be called with.
        let answer = call_out(|| unsafe { function(self.done, self.total, user) });
        if answer == 0 {
            return Ok(());
        }
        Err(error!(
            Io,
            "progress returned {answer} after {} of {} bytes, which cancelled the call; nothing was changed",
            self.done,
            self.total
        ))
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
