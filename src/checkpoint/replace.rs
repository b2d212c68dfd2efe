//! Writing a file so that at every moment its name leads to the old contents or to the new ones, whole.

use super::no_memory;
use crate::error::{Error, Result, error};
use std::ffi::OsString;
#[cfg(not(windows))]
use std::fs::TryLockError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const ENDING: &str = ".tmp";

/// The new contents of a file, under another name until they are complete.
pub(super) struct Replacement<'a> {
    path: &'a Path,
    temporary: PathBuf,
    file: Option<File>,
}

impl<'a> Replacement<'a> {
    /// In the folder of the file, under its name with an ending. What a process that was killed left there
    /// is overwritten; a process that is writing there now is left alone.
    pub fn new(path: &'a Path) -> Result<Self> {
        let name = path.file_name().ok_or_else(|| {
            error!(InvalidArgument, "path is \"{}\"; it must be that of a file", path.display())
        })?;
        debug_assert!(!name.is_empty());
        let mut temporary = OsString::new();
        let room = path.as_os_str().len() + ENDING.len();
        temporary.try_reserve_exact(room).map_err(|_| no_memory("the name of a file"))?;
        temporary.push(path);
        temporary.push(ENDING);
        let temporary = PathBuf::from(temporary);
        let file = loop {
            let file = open_locked(&temporary)?;
            let is_there = is_at(&file, &temporary);
            if is_there.map_err(|error| failed("find", &temporary, &error))? {
                break file;
            }
        };
        let replacement = Self { path, temporary, file: Some(file) };
        replacement.done("empty", replacement.opened()?.set_len(0))?;
        Ok(replacement)
    }

    fn opened(&self) -> Result<&File> {
        self.file.as_ref().ok_or_else(|| error!(InvalidState, "the file is closed"))
    }

    fn done<T>(&self, what: &str, outcome: io::Result<T>) -> Result<T> {
        outcome.map_err(|error| failed(what, &self.temporary, &error))
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.done("write", self.opened()?.write_all(bytes))
    }

    /// Writes over the first bytes.
    pub fn write_at_start(&mut self, bytes: &[u8]) -> Result<()> {
        let mut file = self.opened()?;
        self.done("go back in", file.seek(SeekFrom::Start(0)))?;
        self.done("write", file.write_all(bytes))
    }

    /// Puts the file in the place of the old one. What is written is on the disk before its name is.
    pub fn finish(mut self) -> Result<()> {
        self.done("flush", self.opened()?.sync_all())?;
        fs::rename(&self.temporary, self.path)
            .map_err(|error| failed("rename to", self.path, &error))?;
        self.file = None; // from now on there is nothing to remove
        flush_folder(self.path)
    }
}

impl Drop for Replacement<'_> {
    fn drop(&mut self) {
        // While it is locked, so that it is not that of another save.
        if let Some(_locked) = self.file.take() {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Opens the file, or makes it, and locks it.
#[cfg(not(windows))]
fn open_locked(path: &Path) -> Result<File> {
    let open = || OpenOptions::new().write(true).create(true).truncate(false).open(path);
    let file = open().map_err(|error| failed("open", path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(being_written(path)),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(failed("lock", path, &error)),
    }
}

/// Opens the file, or makes it, and lets others read and rename it, but not write it. A lock would keep
/// readers out too, also for a moment after the file has its new name.
#[cfg(windows)]
fn open_locked(path: &Path) -> Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    const FILE_SHARE_READ: u32 = 1;
    const FILE_SHARE_DELETE: u32 = 4;
    const ERROR_SHARING_VIOLATION: i32 = 32;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    options.share_mode(FILE_SHARE_READ | FILE_SHARE_DELETE);
    options.open(path).map_err(|error| match error.raw_os_error() {
        Some(ERROR_SHARING_VIOLATION) => being_written(path),
        _ => failed("open", path, &error),
    })
}

fn being_written(path: &Path) -> Error {
    error!(
        Io,
        "\"{}\" is being written by another save; each needs a path of its own",
        path.display()
    )
}

/// Whether the name still leads to the file. Before it was locked, another save may have removed it or put
/// it in the place of the old file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        found => found?,
    };
    let file = file.metadata()?;
    Ok((file.dev(), file.ino()) == (found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Has the disk know of a new name in a folder.
#[cfg(unix)]
fn flush_folder(path: &Path) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let flush = || File::open(folder)?.sync_all();
    flush().map_err(|error| failed("flush the folder", folder, &error))
}

#[cfg(not(unix))]
fn flush_folder(_: &Path) -> Result<()> {
    Ok(())
}

pub(super) fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    error!(Io, "cannot {what} \"{}\": {error}", path.display())
}
