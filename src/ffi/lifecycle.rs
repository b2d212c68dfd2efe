//! Creating and freeing optimizers.

use super::arguments::not_null;
use super::call::{with, without_handle, work};
use super::registry;
use super::{radam_options, radam_status};
use crate::error::ensure;
use crate::optimizer::Optimizer;
use std::ffi::c_void;

/// An optimizer. A pointer to it is a handle: a token that is never dereferenced.
pub struct radam_optimizer {
    _private: (),
}

/// Creates an optimizer without parameters.
///
/// options may be NULL for the defaults. *opt receives the handle, which the caller frees with
/// radam_free.
///
/// Errors: RADAM_ERROR_NULL_POINTER if opt is NULL, or only one of the two functions of
/// options->allocator is set; RADAM_ERROR_INVALID_ARGUMENT if num_threads is out of range,
/// struct_size is wrong, or the environment variable RADAM_ISA named an instruction set that this
/// machine lacks when the library was loaded (the variable is for tests; results are the same with
/// all of them); RADAM_ERROR_OUT_OF_MEMORY, also if there are 65536 optimizers (on 32-bit machines
/// 4096), which is as many as can exist at a time. With options->device RADAM_DEVICE_CUDA:
/// RADAM_ERROR_DEVICE if there is no GPU or no driver; RADAM_ERROR_INVALID_ARGUMENT if cuda_device is
/// not the number of one; RADAM_ERROR_INVALID_STATE if an option is set that is for the CPU only. With
/// RADAM_DEVICE_CPU: RADAM_ERROR_INVALID_ARGUMENT if cuda_device or cuda_stream is set.
///
/// Threads: may be called at any time.
///
/// # Safety
/// options is NULL or points to as many bytes as its struct_size says; opt is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_create(
    options: *const radam_options,
    opt: *mut *mut radam_optimizer,
) -> radam_status {
    without_handle(|| {
        not_null("opt", opt, "the variable that receives the handle")?;
        // SAFETY: `options` is NULL or as long as its struct_size says, and so is what it points to.
        let options = unsafe { super::options::options(options) }?;
        let handle = registry::insert(Optimizer::new(options)?)?;
        // SAFETY: `opt` was checked, and is writable.
        unsafe { opt.write_unaligned(handle) };
        Ok(())
    })
}

/// Frees an optimizer and its state, and joins the library's threads. Parameters, gradients and
/// other arrays of the caller are left as they are.
///
/// The handle becomes invalid at once. If other threads are inside calls on the optimizer,
/// radam_free returns without waiting, those calls finish, and the last one frees the optimizer.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE, also for NULL and a handle that has already been freed.
///
/// Threads: may be called at any time. On Windows, not from DllMain or a destructor of a global
/// object in a DLL, since threads cannot end before it returns.
#[unsafe(no_mangle)]
pub extern "C" fn radam_free(opt: *mut radam_optimizer) -> radam_status {
    with(opt, &mut |inside| {
        ensure!(
            inside.free(),
            InvalidHandle,
            "opt is {opt:p}, which another thread is freeing; a handle must be freed only once"
        );
        Ok(())
    })
}

/// Enqueues the work of an optimizer on another CUDA stream from now on.
///
/// stream is a CUstream or cudaStream_t of the optimizer's device; NULL is the legacy default stream. It
/// must exist until the optimizer is freed or has moved on. Work that is enqueued already is done first:
/// the new stream waits for it, unless one of the two is being captured into a graph, which cannot.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_STATE if the optimizer is on the CPU;
/// RADAM_ERROR_DEVICE; RADAM_ERROR_BUSY.
///
/// # Safety
/// stream is NULL or a stream that exists, and so does the stream before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_set_stream(
    opt: *mut radam_optimizer,
    stream: *mut c_void,
) -> radam_status {
    work(opt, |optimizer| optimizer.set_stream(stream))
}
