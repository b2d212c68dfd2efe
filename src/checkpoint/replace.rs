//! Replacing a file atomically: at every moment its name leads to the old contents or to the new ones.

use super::no_memory;
use crate::error::{Error, Result, error};
use std::ffi::OsString;
use std::fmt;
#[cfg(not(windows))]
use std::fs::TryLockError;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

const ENDING: &str = ".tmp";

/// The new contents of a file, under a temporary name until they are complete.
pub(super) struct Replacement<'a> {
    path: &'a Path,
    pub temporary: PathBuf,
    pub file: File,
    /// Whether the file has its final name, so that there is nothing to remove.
    is_renamed: bool,
}

impl<'a> Replacement<'a> {
    /// Creates the temporary file beside the file, and locks it. What a killed process left there is
    /// overwritten; a save that is still writing there is not disturbed.
    pub fn new(path: &'a Path) -> Result<Self> {
        let name = path.file_name().ok_or_else(|| {
            error!(InvalidArgument, "path is \"{}\"; it must be the path of a file", path.display())
        })?;
        debug_assert!(!name.is_empty());
        let mut temporary = OsString::new();
        let room = path.as_os_str().len() + ENDING.len();
        temporary.try_reserve_exact(room).map_err(|_| no_memory("the path of a file"))?;
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
        let new = Self { path, temporary, file, is_renamed: false };
        new.file.set_len(0).map_err(|error| failed("empty", &new.temporary, &error))?;
        Ok(new)
    }

    /// Replaces the old file. The data reach the disk before the name does.
    pub fn finish(mut self) -> Result<()> {
        self.file.sync_all().map_err(|error| failed("flush", &self.temporary, &error))?;
        fs::rename(&self.temporary, self.path)
            .map_err(|error| failed("rename to", self.path, &error))?;
        self.is_renamed = true;
        flush_folder(self.path)
    }
}

impl Drop for Replacement<'_> {
    fn drop(&mut self) {
        // While it is still locked: otherwise it might be the file of another save.
        if !self.is_renamed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Opens or creates the file, and locks it.
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

/// Opens or creates the file so that others can read and rename it, but not write to it. A lock would keep out
/// readers as well, even shortly after the file has got its new name.
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
        "another save is writing \"{}\"; saves at the same time need different paths",
        path.display()
    )
}

/// Whether the name still leads to the file. Another save may have removed or renamed it before it was locked.
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

/// Flushes the new name of a file to the disk.
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
    error!(Io, "cannot {what} \"{}\": {}", path.display(), Reason(error))
}

/// What the system says, in English whatever the program's locale is: to translate it, the C library would read the
/// environment, which another thread may be changing.
struct Reason<'a>(&'a io::Error);

impl fmt::Display for Reason<'_> {
    #[cfg(unix)]
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        use std::ffi::{CStr, OsStr};
        use std::os::unix::ffi::OsStrExt;
        let Some(code) = self.0.raw_os_error() else { return self.0.fmt(formatter) };
        let mut text = [0u8; 256];
        // SAFETY: the C locale is there for ever and allocates nothing; the thread gets back the locale that it had;
        // and the text is not longer than the buffer.
        unsafe {
            let english = libc::newlocale(libc::LC_ALL_MASK, c"C".as_ptr(), std::ptr::null_mut());
            let before = libc::uselocale(english);
            libc::strerror_r(code, text.as_mut_ptr().cast(), text.len());
            libc::uselocale(before);
        }
        let text = CStr::from_bytes_until_nul(&text).unwrap_or_default();
        write!(formatter, "{} (os error {code})", OsStr::from_bytes(text.to_bytes()).display())
    }

    #[cfg(not(unix))]
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
