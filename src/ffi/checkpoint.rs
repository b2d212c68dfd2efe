//! Saving and loading the optimizer's state.

use super::arguments::{not_null, toggle};
use super::call::{without_handle, work, work_and_change};
use super::versioned::{Versioned, init, read};
use super::{RADAM_AUTO, radam_optimizer, radam_status, radam_toggle};
use crate::checkpoint::{Callback, LoadOptions, load, load_files, save_to_buffer, save_to_file};
use crate::error::{Result, ensure, reserve};
use crate::optimizer::Optimizer;
use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::ptr;

/// Options of saving. Fill them by radam_save_options_init first.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_save_options {
    /// sizeof(radam_save_options), as radam_save_options_init leaves it.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Called now and then, on the calling thread, with the bytes that are done and those there are in
    /// all. Returning anything but 0 cancels the call: it gives RADAM_ERROR_IO, and the file stays what it
    /// was. It must not throw, nor call the library for the same optimizer. NULL, the default: it is not called.
    pub progress:
        Option<unsafe extern "C" fn(bytes_done: u64, bytes_total: u64, user: *mut c_void) -> i32>,
    /// Passed to progress, and never dereferenced.
    pub user: *mut c_void,
}

/// Options of loading. Fill them by radam_load_options_init first.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_load_options {
    /// sizeof(radam_load_options), as radam_load_options_init leaves it.
    pub struct_size: u32,
    /// Whether every parameter of the optimizer must be in the checkpoint, and nothing else. OFF: what is
    /// in only one of the two stays as it is; what is in both must fit all the same. AUTO: on.
    pub strict: radam_toggle,
    /// Whether groups get lr, beta1, beta2, weight_decay, eps, max_lr, decouple_wd, decouple_lr, maximize,
    /// rectify, unrectified, rectify_threshold and seed from the checkpoint, parameters whether they are frozen, and the optimizer whether
    /// it accumulates, so that the run goes on exactly. OFF: they keep their own. AUTO: on.
    pub hyperparameters: radam_toggle,
    /// 0.
    pub reserved: u32,
    /// As in radam_save_options. Every byte comes twice, to be checked and to be taken over; during the
    /// second, the call cannot be cancelled any more.
    pub progress:
        Option<unsafe extern "C" fn(bytes_done: u64, bytes_total: u64, user: *mut c_void) -> i32>,
    /// Passed to progress, and never dereferenced.
    pub user: *mut c_void,
}

impl Versioned for radam_save_options {
    const NAME: &str = "radam_save_options";
    const EARLIER_SIZES: &[usize] = &[];

    fn defaults() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            reserved: 0,
            progress: None,
            user: ptr::null_mut(),
        }
    }
}

impl Versioned for radam_load_options {
    const NAME: &str = "radam_load_options";
    const EARLIER_SIZES: &[usize] = &[];

    fn defaults() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            strict: RADAM_AUTO,
            hyperparameters: RADAM_AUTO,
            reserved: 0,
            progress: None,
            user: ptr::null_mut(),
        }
    }
}

/// Fills the options of saving with their defaults.
///
/// struct_size is sizeof(radam_save_options).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
/// had.
///
/// # Safety
/// options is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_save_options_init(
    options: *mut radam_save_options,
    struct_size: u32,
) -> radam_status {
    // SAFETY: the caller's promise.
    without_handle(|| unsafe { init("options", options, struct_size) })
}

/// Fills the options of loading with their defaults.
///
/// struct_size is sizeof(radam_load_options).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
/// had.
///
/// # Safety
/// options is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_load_options_init(
    options: *mut radam_load_options,
    struct_size: u32,
) -> radam_status {
    // SAFETY: the caller's promise.
    without_handle(|| unsafe { init("options", options, struct_size) })
}

/// Saves the optimizer's state, step counts and options to a file: a safetensors file with checksums, which
/// docs/checkpoint.md describes. The parameters themselves are the caller's to save.
///
/// path is UTF-8. The file appears whole or not at all: it is written under its name with ".tmp" at its
/// end, flushed to the disk and then renamed, so that after a crash at any moment the old file or the new
/// one is there. What a killed process left under that name is overwritten. On Windows, a file that a
/// program has open is replaced only if that program lets it be deleted (FILE_SHARE_DELETE, which fopen does
/// not give); otherwise the save fails and the old file stays.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a path
/// that is not one of a file; RADAM_ERROR_IO where the system refuses something, which the sentence names;
/// RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
///
/// # Safety
/// path is NULL or ends in NUL; state of the caller's is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_save(
    opt: *mut radam_optimizer,
    path: *const c_char,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { radam_save_with(opt, path, ptr::null()) }
}

/// Saves as radam_save does, and tells of its progress.
///
/// options may be NULL, for the defaults.
///
/// Errors: those of radam_save; RADAM_ERROR_IO also where progress cancels the call.
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
        // SAFETY: the caller's promise.
        let (path, callback) = unsafe { (self::path("path", path)?, save_callback(options)?) };
        save_to_file(optimizer, path, callback)
    })
}

/// Saves to memory what radam_save saves to a file.
///
/// buffer has capacity bytes. *size receives how many bytes the checkpoint has; buffer may be NULL, to ask
/// for that only.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER for size; RADAM_ERROR_INVALID_ARGUMENT for a
/// capacity that is too small; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
///
/// # Safety
/// buffer is NULL or has capacity writable bytes; size is NULL or writable; state of the caller's is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_save_to_buffer(
    opt: *mut radam_optimizer,
    buffer: *mut c_void,
    capacity: u64,
    size: *mut u64,
) -> radam_status {
    work(opt, |optimizer| {
        not_null("size", size, "where the size of the checkpoint is to be written")?;
        let buffer = if buffer.is_null() {
            None
        } else {
            let capacity = usize::try_from(capacity).unwrap_or(usize::MAX).min(isize::MAX as usize);
            // SAFETY: the caller's promise.
            Some(unsafe { std::slice::from_raw_parts_mut(buffer.cast(), capacity) })
        };
        let needed = save_to_buffer(optimizer, buffer)?;
        // SAFETY: the caller's promise.
        unsafe { size.write_unaligned(needed) };
        Ok(())
    })
}

/// Loads what radam_save has saved, into an optimizer whose groups and parameters are there.
///
/// Parameters are found by their names. All that does not fit (missing, unexpected, of another length or
/// dtype) is told in one sentence. Nothing is changed unless the whole file is sound and fits. Files that
/// other programs have written may have the biased moments of torch; see docs/checkpoint.md.
///
/// The file is read twice, to be checked and to be taken over. If it cannot be read the second time,
/// exp_avg, exp_avg_sq and so on are partly those of the file, as the sentence of the RADAM_ERROR_IO says,
/// and the options and step counts those of before.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_IO where the file cannot be
/// read; RADAM_ERROR_CORRUPT for one that is no checkpoint or is damaged; RADAM_ERROR_MISMATCH for one that
/// does not fit, or of a later version of the format; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
///
/// # Safety
/// path is NULL or ends in NUL; state of the caller's is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_load(
    opt: *mut radam_optimizer,
    path: *const c_char,
) -> radam_status {
    // SAFETY: the caller's promise.
    unsafe { radam_load_with(opt, path, ptr::null()) }
}

/// Loads as radam_load does, with options.
///
/// options may be NULL, for the defaults.
///
/// Errors: those of radam_load; RADAM_ERROR_INVALID_ARGUMENT for a value that is no radam_toggle;
/// RADAM_ERROR_IO also where progress cancels the call.
///
/// # Safety
/// As for radam_load; options is NULL or points to as many bytes as its struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_load_with(
    opt: *mut radam_optimizer,
    path: *const c_char,
    options: *const radam_load_options,
) -> radam_status {
    // SAFETY: the caller's promise; there is one path.
    unsafe { radam_load_shards(opt, &path, 1, options) }
}

/// Loads from the checkpoints of several processes, each of which has saved its shards: into shards that
/// may be cut otherwise, or into whole parameters.
///
/// paths are count of them. Every element of every parameter must be in one of the files. options may be
/// NULL, for the defaults.
///
/// Errors: those of radam_load_with; RADAM_ERROR_INVALID_ARGUMENT for a count of 0.
///
/// # Safety
/// paths is NULL or points to count strings, each of which is NULL or ends in NUL; state of the caller's is
/// valid; options is NULL or points to as many bytes as its struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_load_shards(
    opt: *mut radam_optimizer,
    paths: *const *const c_char,
    count: u64,
    options: *const radam_load_options,
) -> radam_status {
    let load = |optimizer: &Optimizer| {
        not_null("paths", paths, "count paths")?;
        ensure!(
            count > 0,
            InvalidArgument,
            "count is 0; it must be the number of paths, at least 1"
        );
        let mut list = Vec::new();
        reserve(&mut list, usize::try_from(count).unwrap_or(usize::MAX / 64), "paths")?;
        for number in 0..count as usize {
            // SAFETY: the caller's promise.
            list.push(unsafe { self::path("path", paths.add(number).read_unaligned())? });
        }
        // SAFETY: the caller's promise.
        load_files(optimizer, &list, unsafe { load_options(options) }?)
    };
    work_and_change(opt, load, Optimizer::restore)
}

/// Loads from memory what radam_save_to_buffer or radam_save has saved.
///
/// buffer has size bytes. options may be NULL, for the defaults.
///
/// Errors: those of radam_load_with.
///
/// # Safety
/// buffer is NULL or has size bytes; state of the caller's is valid, and not in the buffer; options is NULL or
/// points to as many bytes as its struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_load_from_buffer(
    opt: *mut radam_optimizer,
    buffer: *const c_void,
    size: u64,
    options: *const radam_load_options,
) -> radam_status {
    let load = |optimizer: &Optimizer| {
        not_null("buffer", buffer, "the bytes of a checkpoint")?;
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(isize::MAX as usize);
        // SAFETY: the caller's promise.
        let bytes = unsafe { std::slice::from_raw_parts(buffer.cast(), size) };
        // SAFETY: the caller's promise.
        load(optimizer, bytes, unsafe { load_options(options) }?)
    };
    work_and_change(opt, load, Optimizer::restore)
}

/// # Safety
/// `options` is null or points to as many bytes as the `struct_size` there says.
unsafe fn save_callback(options: *const radam_save_options) -> Result<Option<Callback>> {
    if options.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let options = unsafe { read("options.", options) }?;
    check_reserved(options.reserved)?;
    Ok(options.progress.map(|function| Callback { function, user: options.user }))
}

/// # Safety
/// `options` is null or points to as many bytes as the `struct_size` there says.
unsafe fn load_options(options: *const radam_load_options) -> Result<LoadOptions> {
    if options.is_null() {
        return Ok(LoadOptions::DEFAULT);
    }
    // SAFETY: the caller's promise.
    let options = unsafe { read("options.", options) }?;
    check_reserved(options.reserved)?;
    Ok(LoadOptions {
        strict: toggle("strict", options.strict)?.or(true),
        hyperparameters: toggle("hyperparameters", options.hyperparameters)?.or(true),
        callback: options.progress.map(|function| Callback { function, user: options.user }),
    })
}

fn check_reserved(reserved: u32) -> Result<()> {
    ensure!(reserved == 0, InvalidArgument, "options.reserved is {reserved}; it must be 0");
    Ok(())
}

/// # Safety
/// The path is null or ends in NUL, and stays as it is for the lifetime that is chosen.
unsafe fn path<'a>(name: &str, path: *const c_char) -> Result<&'a Path> {
    not_null(name, path, "the name of a file")?;
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) };
    ensure!(!path.is_empty(), InvalidArgument, "{name} is empty; it must be the name of a file");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Ok(Path::new(std::ffi::OsStr::from_bytes(path.to_bytes())))
    }
    #[cfg(not(unix))]
    super::arguments::utf8(format_args!("{name}"), path).map(Path::new)
}
