//! Making and freeing optimizers.

use super::arguments::not_null;
use super::call::{with, without_handle};
use super::registry;
use super::{radam_options, radam_status};
use crate::error::error;
use crate::optimizer::Optimizer;

/// An optimizer. A pointer to one is a handle: a token that points at nothing.
pub struct radam_optimizer {
    _private: (),
}

/// Makes an optimizer without any parameters.
///
/// options may be NULL, for the defaults. On success *opt is the handle, for the caller to free by
/// radam_free.
///
/// Errors: RADAM_ERROR_NULL_POINTER, also for an allocator that lacks one of its functions; RADAM_ERROR_INVALID_ARGUMENT for a
/// struct_size that no version had, for too many threads, and where the environment variable RADAM_ISA
/// names an instruction set that this machine lacks (it is for tests; the results are the same on all);
/// RADAM_ERROR_OUT_OF_MEMORY. The sentence is at radam_last_error(NULL, ...).
///
/// Threads: may be called from any.
///
/// # Safety
/// options is NULL or points to as many bytes as its struct_size says; opt is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_create(
    options: *const radam_options,
    opt: *mut *mut radam_optimizer,
) -> radam_status {
    without_handle(|| {
        not_null("opt", opt, "where the new handle is to be written")?;
        // SAFETY: the caller's promise.
        let options = unsafe { super::options::options(options) }?;
        let handle = registry::insert(Optimizer::new(options)?)?;
        // SAFETY: the caller's promise.
        unsafe { opt.write_unaligned(handle) };
        Ok(())
    })
}

/// Frees an optimizer with its state, and joins its threads. Parameters and gradients are the
/// caller's and stay.
///
/// From then on the handle is invalid. Where other threads are inside the optimizer, they finish
/// their calls first, and the last of them does the work.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE, also for NULL and for a handle that was freed.
///
/// Threads: may be called from any, at any time; but on Windows not inside of DllMain, where the
/// destructors of a DLL's global objects run too, since no thread can end until that returns.
#[unsafe(no_mangle)]
pub extern "C" fn radam_free(opt: *mut radam_optimizer) -> radam_status {
    with(opt, &mut |inside| {
        if inside.free() {
            Ok(())
        } else {
            Err(error!(InvalidHandle, "opt is {opt:p}, and another thread is freeing it"))
        }
    })
}
