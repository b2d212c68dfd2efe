//! Saving and loading the optimizer's state.

use super::arguments::{not_null, toggle};
use super::call::{without_handle, work, work_and_change};
use super::versioned::{Versioned, init, read_or_defaults};
use super::{RADAM_AUTO, radam_optimizer, radam_status, radam_toggle};
use crate::checkpoint::{Callback, LoadOptions, load, load_files, save_to_buffer, save_to_file};
use crate::error::{Result, ensure, error, reserve};
use crate::optimizer::{Optimizer, Restored};
use std::ffi::{CStr, c_char, c_void};
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::ptr;

/// Options of saving. Call radam_save_options_init first.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_save_options {
    /// sizeof(radam_save_options); set by radam_save_options_init.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Called on the calling thread after about every MiB, with the number of bytes done and the
    /// total. If it returns anything but 0, the call is cancelled: it returns RADAM_ERROR_IO, and the
    /// file stays as it was. It must return normally (no exception, no longjmp) and must not call the
    /// library for the same optimizer. NULL, the default: no progress is reported.
    pub progress:
        Option<unsafe extern "C" fn(bytes_done: u64, bytes_total: u64, user: *mut c_void) -> i32>,
    /// Passed to progress; the library never dereferences it.
    pub user: *mut c_void,
}

/// Options of loading. Call radam_load_options_init first.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_load_options {
    /// sizeof(radam_load_options); set by radam_load_options_init.
    pub struct_size: u32,
    /// Requires that the checkpoint has exactly the parameters of the optimizer. OFF: parameters that
    /// are only in one of the two are left alone; those in both must still match. AUTO: on.
    pub strict: radam_toggle,
    /// Restores options from the checkpoint too, so that the run continues exactly: lr, beta1, beta2,
    /// weight_decay, eps, max_lr, decouple_wd, decouple_lr, maximize, rectify, unrectified,
    /// rectify_threshold and seed of each group, whether each parameter is frozen, and whether
    /// optimizer accumulation is on. OFF: the optimizer keeps its own. AUTO: on.
    pub hyperparameters: radam_toggle,
    /// Converts state that the optimizer has in another state_dtype, among them RADAM_DTYPE_Q8. For
    /// conversions to and from 8-bit state, the shards in the files must be cut at multiples of 128
    /// elements. OFF and AUTO: such state does not fit.
    pub convert_state: radam_toggle,
    /// As in radam_save_options, of the bytes that have been read and verified. A call that is
    /// cancelled changes nothing.
    pub progress:
        Option<unsafe extern "C" fn(bytes_done: u64, bytes_total: u64, user: *mut c_void) -> i32>,
    /// Passed to progress; the library never dereferences it.
    pub user: *mut c_void,
}

impl Versioned for radam_save_options {
    const NAME: &str = "radam_save_options";
    const DEFAULTS: Self = Self {
        struct_size: size_of::<Self>() as u32,
        reserved: 0,
        progress: None,
        user: ptr::null_mut(),
    };
}

impl Versioned for radam_load_options {
    const NAME: &str = "radam_load_options";
    const DEFAULTS: Self = Self {
        struct_size: size_of::<Self>() as u32,
        strict: RADAM_AUTO,
        hyperparameters: RADAM_AUTO,
        convert_state: RADAM_AUTO,
        progress: None,
        user: ptr::null_mut(),
    };
}

/// Fills options with the default values.
///
/// struct_size is sizeof(radam_save_options).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
///
/// # Safety
/// options is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_save_options_init(
    options: *mut radam_save_options,
    struct_size: u32,
) -> radam_status {
    // SAFETY: `options` is NULL or has `struct_size` writable bytes.
    without_handle(|| unsafe { init("options", options, struct_size) })
}

/// Fills options with the default values.
///
/// struct_size is sizeof(radam_load_options).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
///
/// # Safety
/// options is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_load_options_init(
    options: *mut radam_load_options,
    struct_size: u32,
) -> radam_status {
    // SAFETY: `options` is NULL or has `struct_size` writable bytes.
    without_handle(|| unsafe { init("options", options, struct_size) })
}

/// Saves the state, step counts and options of the optimizer to a file. The parameters themselves
/// are the caller's to save. docs/checkpoint.md describes the format, a safetensors file with
/// checksums.
///
/// path is a UTF-8 string; except on Windows, its bytes go to the system as they are. The file
/// appears whole or not at all: it is written under its name with ".tmp" appended, flushed to disk
/// and renamed, so after a crash at any moment there is the old file or the new one. A ".tmp" file
/// that a killed process left behind is removed.
///
/// Only a regular file is replaced, never a device, a FIFO, a socket or a folder. If path is a
/// symbolic link, the file that it leads to is replaced, in its own folder. The new file has the mode
/// of the old one, and its owner and group if the process may set them. On Windows, a file that a
/// program has open can be replaced only if it was opened with FILE_SHARE_DELETE, which fopen does
/// not do; otherwise saving fails and the old file stays.
///
/// A call that fails leaves the old file in place, with one exception, of which the message says
/// "the new checkpoint is in place": the disk has failed when the folder was flushed, after the
/// renaming. Then a loss of power may bring the old file back.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT if
/// path cannot be that of a file; RADAM_ERROR_IO if the system reports an error, which the message
/// names, or something else than a regular file is in the way; RADAM_ERROR_OUT_OF_MEMORY;
/// RADAM_ERROR_BUSY.
///
/// # Safety
/// path is NULL or a NUL-terminated string; state arrays of the caller are valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_save(
    opt: *mut radam_optimizer,
    path: *const c_char,
) -> radam_status {
    // SAFETY: this function has the same contract, with NULL for the options.
    unsafe { radam_save_with(opt, path, ptr::null()) }
}

/// Saves as radam_save does, and reports progress.
///
/// options may be NULL for the defaults.
///
/// Errors: as radam_save; RADAM_ERROR_INVALID_ARGUMENT if options->reserved is not 0, or for a wrong
/// struct_size; RADAM_ERROR_IO if progress cancels the call.
///
/// # Safety
/// As for radam_save; options is NULL or points to as many bytes as its struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_save_with(
    opt: *mut radam_optimizer,
    path: *const c_char,
    options: *const radam_save_options,
) -> radam_status {
    work(opt, |optimizer| {
        // SAFETY: `path` is NULL or ends with a NUL; `options` is NULL or as long as its struct_size says.
        let (path, options) =
            unsafe { (self::path(format_args!("path"), path)?, read_or_defaults(options)?) };
        check_reserved(options.reserved)?;
        let mut progress = callback(options.progress, options.user);
        save_to_file(optimizer, path, progress.as_mut().map(|progress| progress as Callback))
    })
}

/// Saves to memory what radam_save saves to a file.
///
/// buffer has capacity bytes; it may be NULL to query the size. *size receives the size of the
/// checkpoint in bytes.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER if size is NULL;
/// RADAM_ERROR_INVALID_ARGUMENT if capacity is too small; RADAM_ERROR_OUT_OF_MEMORY;
/// RADAM_ERROR_BUSY.
///
/// # Safety
/// buffer is NULL or has capacity writable bytes; size is NULL or writable; state arrays of the
/// caller are valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_save_to_buffer(
    opt: *mut radam_optimizer,
    buffer: *mut c_void,
    capacity: u64,
    size: *mut u64,
) -> radam_status {
    work(opt, |optimizer| {
        not_null("size", size, "the variable that receives the size of the checkpoint")?;
        let buffer = if buffer.is_null() {
            None
        } else {
            let capacity = usize::try_from(capacity).unwrap_or(usize::MAX).min(isize::MAX as usize);
            // SAFETY: `buffer` has `capacity` bytes, which nothing else changes during the call.
            Some(unsafe { std::slice::from_raw_parts_mut(buffer.cast(), capacity) })
        };
        let needed = save_to_buffer(optimizer, buffer)?;
        // SAFETY: `size` was checked, and is writable.
        unsafe { size.write_unaligned(needed) };
        Ok(())
    })
}

/// Loads a checkpoint into an optimizer that already has its groups and parameters.
///
/// path is as for radam_save. Parameters are identified by name. If anything does not match (missing
/// or unexpected parameters, lengths, dtypes), one message lists it all. Files written by other
/// programs may have biased moments, as PyTorch has them; see docs/checkpoint.md.
///
/// The file is read once and verified as a whole before anything changes. Until then, the state in
/// it takes memory beside that of the optimizer, which is freed array by array while they are copied.
/// Only a regular file is read, through symbolic links; nothing else is opened.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_IO if the file cannot
/// be read; RADAM_ERROR_CORRUPT if it is damaged or not a checkpoint; RADAM_ERROR_MISMATCH if it
/// does not match the optimizer, or has a format of a later version; RADAM_ERROR_OUT_OF_MEMORY;
/// RADAM_ERROR_BUSY.
///
/// # Safety
/// path is NULL or a NUL-terminated string; state arrays of the caller are valid and not used by
/// anyone else during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_load(
    opt: *mut radam_optimizer,
    path: *const c_char,
) -> radam_status {
    // SAFETY: this function has the same contract, with NULL for the options.
    unsafe { radam_load_with(opt, path, ptr::null()) }
}

/// Loads as radam_load does, with options.
///
/// options may be NULL for the defaults.
///
/// Errors: as radam_load; RADAM_ERROR_INVALID_ARGUMENT if an option is not a radam_toggle, or for a
/// wrong struct_size; RADAM_ERROR_IO if progress cancels the call.
///
/// # Safety
/// As for radam_load; options is NULL or points to as many bytes as its struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_load_with(
    opt: *mut radam_optimizer,
    path: *const c_char,
    options: *const radam_load_options,
) -> radam_status {
    // SAFETY: `path` and `options` are as radam_load_shards wants them; there is one path.
    unsafe { radam_load_shards(opt, &path, 1, options) }
}

/// Loads the checkpoints of several processes, each of which saved its own shards, into shards that
/// may be cut differently or into whole parameters.
///
/// paths is an array of count paths. Every element of every parameter must be in one of the files.
/// options may be NULL for the defaults.
///
/// Errors: as radam_load_with; RADAM_ERROR_INVALID_ARGUMENT if count is 0.
///
/// # Safety
/// paths is NULL or has count pointers, each of which is NULL or a NUL-terminated string; state
/// arrays of the caller are valid and not used by anyone else during the call; options is NULL or
/// points to as many bytes as its struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_load_shards(
    opt: *mut radam_optimizer,
    paths: *const *const c_char,
    count: u64,
    options: *const radam_load_options,
) -> radam_status {
    let load = |optimizer: &Optimizer| {
        not_null("paths", paths, "an array of count paths")?;
        ensure!(
            count > 0,
            InvalidArgument,
            "count is 0; it must be the number of paths, which is at least 1"
        );
        let mut list = Vec::new();
        reserve(&mut list, usize::try_from(count).unwrap_or(usize::MAX / 64), "paths")?;
        for number in 0..count as usize {
            // SAFETY: `paths` has `count` strings that end with a NUL.
            let path = unsafe { paths.add(number).read_unaligned() };
            let indexed = format_args!("paths[{number}]");
            let name = if count == 1 { format_args!("path") } else { indexed };
            // SAFETY: as above.
            list.push(unsafe { self::path(name, path) }?);
        }
        // SAFETY: `options` is NULL or as long as its struct_size says.
        unsafe { with_load_options(options, |options| load_files(optimizer, &list, options)) }
    };
    work_and_change(opt, load, Optimizer::restore)
}

/// Loads a checkpoint from memory, as written by radam_save_to_buffer or radam_save.
///
/// buffer has size bytes, which are not copied elsewhere first. options may be NULL for the defaults.
///
/// Errors: as radam_load_with.
///
/// # Safety
/// buffer is NULL or has size bytes, which are not written to during the call; state arrays of the
/// caller are valid, not used by anyone else during the call, and not inside buffer; options is NULL
/// or points to as many bytes as its struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_load_from_buffer(
    opt: *mut radam_optimizer,
    buffer: *const c_void,
    size: u64,
    options: *const radam_load_options,
) -> radam_status {
    let load = |optimizer: &Optimizer| {
        not_null("buffer", buffer, "the bytes of a checkpoint")?;
        let Some(len) = usize::try_from(size).ok().filter(|size| isize::try_from(*size).is_ok())
        else {
            return Err(error!(
                InvalidArgument,
                "size is {size}; it must be the number of bytes in buffer"
            ));
        };
        // SAFETY: `buffer` has `size` bytes, which nothing else changes during the call.
        let bytes = unsafe { std::slice::from_raw_parts(buffer.cast(), len) };
        // SAFETY: `options` is NULL or as long as its struct_size says.
        unsafe { with_load_options(options, |options| load(optimizer, bytes, options)) }
    };
    work_and_change(opt, load, Optimizer::restore)
}

/// Loads with the options of the caller.
///
/// # Safety
/// `options` is null or points to as many bytes as the `struct_size` there says.
unsafe fn with_load_options(
    options: *const radam_load_options,
    load: impl FnOnce(LoadOptions) -> Result<Restored>,
) -> Result<Restored> {
    // SAFETY: `options` is NULL or as long as its struct_size says.
    let options = unsafe { read_or_defaults(options) }?;
    let mut progress = callback(options.progress, options.user);
    load(LoadOptions {
        strict: toggle("strict", options.strict)?.or(true),
        hyperparameters: toggle("hyperparameters", options.hyperparameters)?.or(true),
        convert_state: toggle("convert_state", options.convert_state)?.or(false),
        progress: progress.as_mut().map(|progress| progress as Callback),
    })
}

/// The caller's progress function, which returns anything but 0 to cancel.
fn callback(
    function: Option<unsafe extern "C" fn(u64, u64, *mut c_void) -> i32>,
    user: *mut c_void,
) -> Option<impl FnMut(u64, u64) -> ControlFlow<()>> {
    let function = function?;
    Some(move |done, total| {
        // SAFETY: the caller's function and what it wants to be called with.
        match unsafe { function(done, total, user) } {
            0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    })
}

fn check_reserved(reserved: u32) -> Result<()> {
    ensure!(reserved == 0, InvalidArgument, "options.reserved is {reserved}; it must be 0");
    Ok(())
}

/// # Safety
/// The path is null or a NUL-terminated string that does not change during the lifetime `'a`.
unsafe fn path<'a>(name: fmt::Arguments, path: *const c_char) -> Result<&'a Path> {
    ensure!(!path.is_null(), NullPointer, "{name} is NULL; it must point to the path of a file");
    // SAFETY: `path` is not NULL, so it ends with a NUL and does not change during the call.
    let path = unsafe { CStr::from_ptr(path) };
    ensure!(!path.is_empty(), InvalidArgument, "{name} is empty; it must be the path of a file");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Ok(Path::new(std::ffi::OsStr::from_bytes(path.to_bytes())))
    }
    #[cfg(not(unix))]
    super::arguments::utf8(name, path).map(Path::new)
}
