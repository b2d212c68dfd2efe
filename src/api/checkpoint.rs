//! Saving and loading the optimizer's state.

use super::{Error, Optimizer, in_default_mode};
use crate::checkpoint::{LoadOptions, load, load_files, save_to_file, save_to_vec};
use crate::error::reserve;
use crate::optimizer::{self, Restored};
use std::ops::ControlFlow;
use std::path::Path;

impl Optimizer {
    /// Saves the state, step counts and options to a safetensors file with checksums, whose format `docs/checkpoint.md`
    /// of the crate describes. The parameters themselves are the caller's to save.
    ///
    /// The file appears whole or not at all: it is written under its name with `.tmp` appended, flushed to disk and
    /// renamed. Only a regular file is replaced, in its own folder if `path` is a symbolic link, and its mode is kept.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `path` cannot be that of a file; [`Error::Io`] if the system reports an error, or
    /// something else than a regular file is in the way; [`Error::OutOfMemory`]. The old file stays, unless the message
    /// says that the new one is in place and only its folder could not be flushed.
    pub fn save(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        Ok(save_to_file(&self.0, path.as_ref(), None)?)
    }

    /// Saves as [`save`](Self::save) does, and calls `progress` after about every MiB with the number of bytes done and
    /// the total.
    ///
    /// # Errors
    /// As [`save`](Self::save); and [`Error::Io`] if `progress` cancels the call with [`ControlFlow::Break`]: the file
    /// stays as it was.
    pub fn save_with(
        &mut self,
        path: impl AsRef<Path>,
        mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        Ok(save_to_file(&self.0, path.as_ref(), Some(&mut progress))?)
    }

    /// The bytes that [`save`](Self::save) would write to a file.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn save_to_vec(&mut self) -> Result<Vec<u8>, Error> {
        Ok(save_to_vec(&self.0)?)
    }

    /// Loads a checkpoint into an optimizer that already has its groups and parameters, so that training goes on with
    /// the same bits as if it had never stopped.
    ///
    /// Parameters are identified by name. If anything does not match (missing or unexpected parameters, lengths,
    /// dtypes), one message lists it all.
    ///
    /// The file is read once and verified as a whole before anything changes. Until then, the state in it takes memory
    /// beside that of the optimizer. Only a regular file is read.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Corrupt`] if it is damaged or not a checkpoint;
    /// [`Error::Mismatch`] if it does not match the optimizer, or has a format of a later version;
    /// [`Error::OutOfMemory`].
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.load_shards(&[path], LoadOptions::default())
    }

    /// Loads as [`load`](Self::load) does, with options.
    ///
    /// # Errors
    /// As [`load`](Self::load); and [`Error::Io`] if `progress` cancels the call.
    pub fn load_with(&mut self, path: impl AsRef<Path>, options: LoadOptions) -> Result<(), Error> {
        self.load_shards(&[path], options)
    }

    /// Loads the checkpoints of several processes, each of which saved its own shards, into shards that may be cut
    /// differently or into whole parameters. Every element of every parameter must be in one of the files.
    ///
    /// # Errors
    /// As [`load_with`](Self::load_with).
    pub fn load_shards(
        &mut self,
        paths: &[impl AsRef<Path>],
        options: LoadOptions,
    ) -> Result<(), Error> {
        let mut list = Vec::new();
        reserve(&mut list, paths.len(), "paths")?;
        list.extend(paths.iter().map(AsRef::as_ref));
        self.restore(|optimizer| load_files(optimizer, &list, options))
    }

    /// Loads a checkpoint from memory.
    ///
    /// # Errors
    /// As [`load_with`](Self::load_with).
    pub fn load_from_slice(&mut self, bytes: &[u8], options: LoadOptions) -> Result<(), Error> {
        self.restore(|optimizer| load(optimizer, bytes, options))
    }

    fn restore(
        &mut self,
        load: impl FnOnce(&optimizer::Optimizer) -> crate::error::Result<Restored>,
    ) -> Result<(), Error> {
        let restored = in_default_mode(|| load(&self.0))?;
        self.0.restore(restored);
        Ok(())
    }
}
