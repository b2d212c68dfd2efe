//! Files on Unix: which are read and replaced, and how a file is replaced atomically, so that at every moment its name
//! leads to the old contents or to the new ones. `files_elsewhere.rs` takes the place of this file on other systems.
//!
//! What takes a path is called directly: the standard library aborts if it has no memory for a long one.

use super::failed::{Reason, being_written, failed, no_file};
use super::no_memory;
use crate::error::{Result, ensure, error};
use libc::{c_int, c_uint};
#[cfg(not(all(target_os = "linux", not(target_env = "musl"))))]
use libc::{fstat, lstat, open, stat};
#[cfg(all(target_os = "linux", not(target_env = "musl")))]
use libc::{fstat64 as fstat, lstat64 as lstat, open64 as open, stat64 as stat};
use std::ffi::{CStr, CString, OsStr};
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const ENDING: &[u8] = b".tmp";
/// As many symbolic links as Linux follows.
const MOST_LINKS: usize = 40;

/// Opens a regular file to read it. Nothing else is even touched: opening it could hang, or do something.
pub(super) fn open_to_read(path: &Path) -> Result<File> {
    let name = c_string(&[path.as_os_str().as_bytes()])?;
    let found = look(&name).map_err(|error| failed("open", path, &error))?;
    check_is_file("load", path, &found)?;
    let file = open_file(&name, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY, 0);
    let file = file.map_err(|error| failed("open", path, &error))?;
    let found = look_at(&file).map_err(|error| failed("read", path, &error))?;
    check_is_file("load", path, &found)?;
    Ok(file)
}

/// The new contents of a file, under a temporary name until they are complete.
pub(super) struct Replacement {
    /// Where the path leads to, through symbolic links.
    target: CString,
    temporary: CString,
    file: File,
    /// What is there already.
    old: Option<stat>,
    /// Of the file; `None` if it cannot be opened, and so not be flushed.
    folder: Option<File>,
    /// Whether the file has its final name, so that there is nothing to remove.
    is_renamed: bool,
}

impl Replacement {
    /// Creates the temporary file beside the file, and locks it. What a killed process left there is removed; a save
    /// that is still writing there is not disturbed.
    pub fn new(path: &Path) -> Result<Self> {
        ensure!(
            path.file_name().is_some(),
            InvalidArgument,
            "path is \"{}\"; it must be the path of a file",
            path.display()
        );
        let name = c_string(&[path.as_os_str().as_bytes()])?;
        let old = match look(&name) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            found => Some(found.map_err(|error| failed("find", path, &error))?),
        };
        if let Some(old) = &old {
            check_is_file("replace", path, old)?;
        }
        let target = followed(name)?;
        let temporary = c_string(&[target.to_bytes(), ENDING])?;
        // Until it is complete, what replaces a file is for nobody whom the file was not for.
        let file = create_locked(&temporary, if old.is_some() { 0o600 } else { 0o666 })?;
        let mut new = Self { target, temporary, file, old, folder: None, is_renamed: false };
        new.folder = open_folder(&new.target)?;
        Ok(new)
    }

    /// The file to be written, and its path for error messages.
    pub fn unfinished(&mut self) -> (&mut File, &Path) {
        (&mut self.file, shown(&self.temporary))
    }

    /// Replaces the old file. The data reach the disk before the name does.
    pub fn finish(mut self) -> Result<()> {
        if let Some(old) = &self.old {
            let kept = keep_owner_and_mode(&self.file, old);
            kept.map_err(|error| failed("set the mode of", shown(&self.temporary), &error))?;
        }
        let flushed = where_supported(self.file.sync_all());
        flushed.map_err(|error| failed("flush", shown(&self.temporary), &error))?;
        let is_there = is_at(&self.file, &self.temporary);
        let is_there = is_there.map_err(|error| failed("find", shown(&self.temporary), &error))?;
        ensure!(
            is_there,
            Io,
            "\"{}\" has been removed or replaced while it was written, perhaps by another save",
            shown(&self.temporary).display()
        );
        // SAFETY: both paths end with a NUL.
        let renamed = unsafe { libc::rename(self.temporary.as_ptr(), self.target.as_ptr()) };
        checked(renamed).map_err(|error| failed("rename to", shown(&self.target), &error))?;
        self.is_renamed = true;
        let Some(folder) = &self.folder else { return Ok(()) };
        where_permitted(folder.sync_all()).map_err(|error| {
            error!(
                Io,
                "the new checkpoint is in place at \"{}\", but its folder cannot be flushed, so a loss of power may \
                 bring the old one back: {}",
                shown(&self.target).display(),
                Reason(&error)
            )
        })
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // While it is still locked: otherwise it might be the file of another save.
        if !self.is_renamed && is_at(&self.file, &self.temporary).is_ok_and(|is_there| is_there) {
            let _ = remove(&self.temporary);
        }
    }
}

/// Creates the file, which is not there, and locks it. Another save may come between any two of these calls.
fn create_locked(path: &CStr, mode: c_uint) -> Result<File> {
    loop {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
        let file = match open_file(path, flags, mode) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                remove_what_was_left(path)?;
                continue;
            }
            file => file.map_err(|error| failed("create", shown(path), &error))?,
        };
        let give_up = |what| {
            move |error: io::Error| {
                let _ = remove(path);
                failed(what, shown(path), &error)
            }
        };
        ensure_unlocked(path, lock(&file).map_err(give_up("lock"))?)?;
        if is_at(&file, path).map_err(give_up("find"))? {
            return Ok(file);
        }
    }
}

/// Removes the temporary file of a process that was killed. One that was made a link of another file by somebody is not
/// written to, either.
fn remove_what_was_left(path: &CStr) -> Result<()> {
    let failing = |what| move |error: io::Error| failed(what, shown(path), &error);
    let found = match look_at_link(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(failing("find"))?,
    };
    check_is_file("overwrite", shown(path), &found)?;
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    // On NFS, only what is open for writing can be locked.
    let file = match open_file(path, flags | libc::O_WRONLY, 0) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            open_file(path, flags | libc::O_RDONLY, 0)
        }
        file => file,
    };
    let file = file.map_err(failing("open"))?;
    ensure_unlocked(path, lock(&file).map_err(failing("lock"))?)?;
    if is_at(&file, path).map_err(failing("find"))? {
        remove(path).map_err(failing("remove"))?;
    }
    Ok(())
}

/// Whether nobody else has a lock on the file, as far as the file system can tell.
fn lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => where_supported(Err(error)).map(|()| true),
    }
}

fn ensure_unlocked(path: &CStr, is_locked: bool) -> Result<()> {
    if is_locked { Ok(()) } else { Err(being_written(shown(path))) }
}

/// Where a path leads to, if its last part is a symbolic link.
fn followed(mut path: CString) -> Result<CString> {
    let mut buffer = [0u8; libc::PATH_MAX as usize];
    for _ in 0..MOST_LINKS {
        // SAFETY: the path ends with a NUL, and no more is written than the buffer holds.
        let len =
            unsafe { libc::readlink(path.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
        let Ok(len) = usize::try_from(len) else {
            let error = io::Error::last_os_error();
            return match error.raw_os_error() {
                Some(libc::EINVAL | libc::ENOENT) => Ok(path), // no link, or nothing at all
                _ => Err(failed("follow", shown(&path), &error)),
            };
        };
        let link = &buffer[..len];
        let folder = if link.starts_with(b"/") { b"" } else { folder_of(&path) };
        path = c_string(&[folder, link])?;
    }
    Err(failed("follow", shown(&path), &io::Error::from_raw_os_error(libc::ELOOP)))
}

/// The folder that a path names, with its slash; nothing for the folder where the process is.
fn folder_of(path: &CStr) -> &[u8] {
    let path = path.to_bytes();
    &path[..path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1)]
}

/// The folder of a file, to be flushed later.
fn open_folder(file: &CStr) -> Result<Option<File>> {
    let folder = match folder_of(file) {
        b"" => c_string(&[b"."])?,
        folder => c_string(&[folder])?,
    };
    let mut opened = None;
    where_permitted(open_file(&folder, libc::O_RDONLY | libc::O_DIRECTORY, 0).map(|folder| {
        opened = Some(folder);
    }))
    .map_err(|error| failed("open the folder", shown(&folder), &error))?;
    Ok(opened)
}

/// Gives a file the owner and the mode of another, as far as this process may.
fn keep_owner_and_mode(file: &File, old: &stat) -> io::Result<()> {
    const SAME: libc::uid_t = libc::uid_t::MAX;
    let number = file.as_raw_fd();
    // SAFETY: these change only what the system has noted of an open file.
    let has_group = [old.st_uid, SAME]
        .into_iter()
        .any(|owner| unsafe { libc::fchown(number, owner, old.st_gid) } == 0);
    let mut mode = old.st_mode & 0o777;
    if !has_group {
        mode &= 0o707 | (mode & 0o007) << 3; // what others may not do, another group may not, either
    }
    // SAFETY: as above.
    where_permitted(checked(unsafe { libc::fchmod(number, mode) }).map(drop))
}

/// Whether the name still leads to the file. Another save may have removed it before it was locked.
fn is_at(file: &File, path: &CStr) -> io::Result<bool> {
    let found = match look_at_link(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        found => found?,
    };
    let file = look_at(file)?;
    Ok((file.st_dev, file.st_ino) == (found.st_dev, found.st_ino))
}

fn check_is_file(what: &str, path: &Path, found: &stat) -> Result<()> {
    let kind = match found.st_mode & libc::S_IFMT {
        libc::S_IFREG => return Ok(()),
        libc::S_IFDIR => "a folder",
        libc::S_IFLNK => "a symbolic link",
        libc::S_IFIFO => "a FIFO",
        libc::S_IFSOCK => "a socket",
        _ => "a device",
    };
    Err(no_file(what, path, kind))
}

/// Lets pass what a file system says that it cannot do at all.
fn where_supported(outcome: io::Result<()>) -> io::Result<()> {
    /// Of Linux inside, which some file systems let out.
    const ENOTSUPP: c_int = 524;
    const UNSUPPORTED: [c_int; 6] =
        [libc::EINVAL, libc::ENOSYS, libc::ENOTSUP, libc::EOPNOTSUPP, libc::ENOLCK, ENOTSUPP];
    let code = outcome.as_ref().err().and_then(io::Error::raw_os_error).unwrap_or(0);
    if UNSUPPORTED.contains(&code) { Ok(()) } else { outcome }
}

/// The same, and what this process may not do.
fn where_permitted(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        outcome => where_supported(outcome),
    }
}

fn open_file(path: &CStr, flags: c_int, mode: c_uint) -> io::Result<File> {
    loop {
        // SAFETY: the path ends with a NUL.
        let file = checked(unsafe { open(path.as_ptr(), flags | libc::O_CLOEXEC, mode) });
        match file {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // SAFETY: it has just been opened, and nobody else has it.
            file => return Ok(unsafe { File::from_raw_fd(file?) }),
        }
    }
}

fn remove(path: &CStr) -> io::Result<()> {
    // SAFETY: the path ends with a NUL.
    checked(unsafe { libc::unlink(path.as_ptr()) }).map(drop)
}

/// What a path leads to.
fn look(path: &CStr) -> io::Result<stat> {
    // SAFETY: the path ends with a NUL.
    looked(|found| unsafe { stat(path.as_ptr(), found) })
}

/// What is at a path, which may be a symbolic link.
fn look_at_link(path: &CStr) -> io::Result<stat> {
    // SAFETY: the path ends with a NUL.
    looked(|found| unsafe { lstat(path.as_ptr(), found) })
}

fn look_at(file: &File) -> io::Result<stat> {
    // SAFETY: the file is open.
    looked(|found| unsafe { fstat(file.as_raw_fd(), found) })
}

/// What a call has found, which returns -1 or fills in all of it.
fn looked(look: impl FnOnce(*mut stat) -> c_int) -> io::Result<stat> {
    let mut found = MaybeUninit::<stat>::zeroed();
    checked(look(found.as_mut_ptr()))?;
    // SAFETY: it has been filled in; and zeros are a `stat`, too.
    Ok(unsafe { found.assume_init() })
}

/// The result of a call to the system that is -1 if it fails.
fn checked(result: c_int) -> io::Result<c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A path from its parts, for the system.
fn c_string(parts: &[&[u8]]) -> Result<CString> {
    let mut path = Vec::new();
    let len = parts.iter().map(|part| part.len()).sum::<usize>() + 1;
    path.try_reserve_exact(len).map_err(|_| no_memory("the path of a file"))?;
    parts.iter().for_each(|part| path.extend_from_slice(part));
    path.push(0);
    CString::from_vec_with_nul(path)
        .map_err(|_| error!(InvalidArgument, "path has a NUL in it; no file has such a path"))
}

fn shown(path: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(path.to_bytes()))
}
