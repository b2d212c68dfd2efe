//! Files on systems other than Unix (`files.rs`): Windows, and WebAssembly without any.

use super::failed::{being_written, failed, no_file};
use super::no_memory;
use crate::error::{Result, error};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

const ENDING: &str = ".tmp";
/// As many symbolic links as Windows follows.
const MOST_LINKS: usize = 63;

/// Opens a regular file to read it.
pub(super) fn open_to_read(path: &Path) -> Result<File> {
    let found = fs::metadata(path).map_err(|error| failed("open", path, &error))?;
    check_is_file("load", path, &found)?;
    File::open(path).map_err(|error| failed("open", path, &error))
}

/// The new contents of a file, under a temporary name until they are complete.
pub(super) struct Replacement {
    /// Where the path leads to, through symbolic links.
    target: PathBuf,
    temporary: PathBuf,
    file: File,
    /// Whether the file has its final name, so that there is nothing to remove.
    is_renamed: bool,
}

impl Replacement {
    /// Creates the temporary file beside the file. What a killed process left there is overwritten; a save that is
    /// still writing there is not disturbed.
    pub fn new(path: &Path) -> Result<Self> {
        if path.file_name().is_none() {
            let path = path.display();
            return Err(error!(
                InvalidArgument,
                "path is \"{path}\"; it must be the path of a file"
            ));
        }
        match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            found => {
                let found = found.map_err(|error| failed("find", path, &error))?;
                check_is_file("replace", path, &found)?;
            }
        }
        let target = followed(path)?;
        let temporary = PathBuf::from(joined(&target, ENDING)?);
        match fs::symlink_metadata(&temporary) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            found => {
                let found = found.map_err(|error| failed("find", &temporary, &error))?;
                check_is_file("overwrite", &temporary, &found)?;
            }
        }
        let file = create(&temporary)?;
        let new = Self { target, temporary, file, is_renamed: false };
        new.file.set_len(0).map_err(|error| failed("empty", &new.temporary, &error))?;
        Ok(new)
    }

    /// The file to be written, and its path for error messages.
    pub fn unfinished(&mut self) -> (&mut File, &Path) {
        (&mut self.file, &self.temporary)
    }

    /// Replaces the old file. The data reach the disk before the name does.
    pub fn finish(mut self) -> Result<()> {
        self.file.sync_all().map_err(|error| failed("flush", &self.temporary, &error))?;
        fs::rename(&self.temporary, &self.target)
            .map_err(|error| failed("rename to", &self.target, &error))?;
        self.is_renamed = true;
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.is_renamed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Opens or creates the file so that others can read and rename it, but not write to it. A lock would keep out
/// readers as well, even shortly after the file has got its new name.
fn create(path: &Path) -> Result<File> {
    #[cfg(windows)]
    use std::os::windows::fs::OpenOptionsExt;
    const FILE_SHARE_READ: u32 = 1;
    const FILE_SHARE_DELETE: u32 = 4;
    const ERROR_SHARING_VIOLATION: i32 = 32;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(windows)]
    options.share_mode(FILE_SHARE_READ | FILE_SHARE_DELETE);
    options.open(path).map_err(|error| match error.raw_os_error() {
        Some(ERROR_SHARING_VIOLATION) => being_written(path),
        _ => failed("open", path, &error),
    })
}

/// Where a path leads to, if its last part is a symbolic link.
fn followed(path: &Path) -> Result<PathBuf> {
    let mut path = PathBuf::from(joined(path, "")?);
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            // A link that is relative begins at its own folder.
            Ok(link) => path = path.parent().unwrap_or(Path::new("")).join(link),
            Err(_) => return Ok(path), // no link, or nothing at all
        }
    }
    let error = io::Error::from(ErrorKind::InvalidFilename);
    Err(failed("follow", &path, &error))
}

fn joined(path: &Path, ending: &str) -> Result<OsString> {
    let mut joined = OsString::new();
    let room = path.as_os_str().len() + ending.len();
    joined.try_reserve_exact(room).map_err(|_| no_memory("the path of a file"))?;
    joined.push(path);
    joined.push(ending);
    Ok(joined)
}

fn check_is_file(what: &str, path: &Path, found: &fs::Metadata) -> Result<()> {
    if found.is_file() {
        return Ok(());
    }
    let is_folder = found.is_dir();
    Err(no_file(what, path, if is_folder { "a folder" } else { "a link or a device" }))
}
