//! The optimizer's state in a file that any safetensors reader opens, and back. `docs/checkpoint.md`
//! describes the format.
//!
//! - `manifest.rs`: what the file says about groups and parameters. `header.rs`: its first bytes.
//!   `json.rs`: the language of both, by serde_json.
//! - `save.rs`: writing to a sink; `replace.rs`: a file that is there whole or not at all.
//! - `load.rs`: from a file, a buffer, or the files of several shards; `fit.rs`: what goes where.

mod fit;
mod header;
mod json;
mod load;
mod manifest;
mod replace;
mod save;

pub(crate) use load::{LoadOptions, load, load_files};
pub(crate) use save::{save_to_buffer, save_to_file};

use crate::error::{Error, Result, error};
use crate::system::call_out;
use std::ffi::c_void;

/// Bytes that are checked, written or read at a time.
const BLOCK: usize = 1 << 20;

/// The caller's function that is told how far a file has come, on the thread that called the library.
#[derive(Clone, Copy)]
pub(crate) struct Callback {
    /// Not 0: the caller wants no more of it.
    pub function: unsafe extern "C" fn(done: u64, total: u64, user: *mut c_void) -> i32,
    pub user: *mut c_void,
}

/// How much of the work is done.
struct Progress {
    callback: Option<Callback>,
    done: u64,
    total: u64,
}

impl Progress {
    fn new(callback: Option<Callback>, total: u64) -> Self {
        Self { callback, done: 0, total }
    }

    /// Tells the caller of so many more bytes.
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
            "progress returned {answer} after {} of {} bytes, which cancels the call; nothing was changed",
            self.done,
            self.total
        ))
    }
}

fn no_memory(what: &str) -> Error {
    error!(OutOfMemory, "there is no memory for {what}")
}

/// Adds an item, and fails where there is no memory.
fn push<T>(items: &mut Vec<T>, item: T) -> Result<()> {
    items.try_reserve(1).map_err(|_| no_memory("the header of the checkpoint"))?;
    items.push(item);
    Ok(())
}

/// So many zeros, for a buffer.
fn zeros(len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| no_memory("a buffer for the checkpoint"))?;
    bytes.resize(len, 0);
    Ok(bytes)
}
