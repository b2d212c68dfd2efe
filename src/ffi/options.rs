//! The options of a whole optimizer.

use super::call::without_handle;
use super::versioned::{Versioned, init, read_or_defaults};
use super::{RADAM_DEVICE_CPU, RADAM_DEVICE_CUDA, radam_device, radam_status};
use crate::error::{Result, ensure, error};
use crate::optimizer::{Cuda, Options};
use crate::system::{Allocator, Executor};
use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr;

/// The caller's allocator for the optimizer's state.
///
/// The functions are called on the calling thread, from radam_add_param_group, radam_add_params,
/// radam_add_param, radam_remove_param, radam_set_group_options and radam_free. They must return
/// normally (no exception, no longjmp) and must not call the library for the same optimizer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_allocator {
    /// Returns size bytes aligned to alignment, or NULL if there is no memory: then the call returns
    /// RADAM_ERROR_OUT_OF_MEMORY. alignment is a power of two and size a multiple of it, as
    /// aligned_alloc requires. The memory need not be zeroed. If the pointer is not aligned, it is
    /// released again and the call returns RADAM_ERROR_INVALID_ARGUMENT. NULL, the default: the
    /// system's allocator.
    pub allocate:
        Option<unsafe extern "C" fn(size: u64, alignment: u64, user: *mut c_void) -> *mut c_void>,
    /// Frees memory that allocate returned, given the same size and alignment; pointer is never NULL.
    /// Must be set if and only if allocate is.
    pub release: Option<
        unsafe extern "C" fn(pointer: *mut c_void, size: u64, alignment: u64, user: *mut c_void),
    >,
    /// Passed to both functions; the library never dereferences it.
    pub user: *mut c_void,
}

/// The caller's threads, as a parallel loop that runs on them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_executor {
    /// Calls body(index, body_data) once for each index from 0 to count - 1, on any threads and in any
    /// order, and returns when all these calls have returned. NULL, the default: the library runs
    /// threads of its own.
    ///
    /// Each index stands for one piece of work, about 10 microseconds or more, and for the same piece
    /// in every step. A static schedule, which gives each thread the same indices every time,
    /// therefore finds its data in the caches and memory near that thread, and is usually fastest.
    ///
    /// It is called on the thread that called the stepping or measuring function, if the work is large
    /// enough (radam_options.parallel_from). It must return normally (no exception, no longjmp).
    /// Indices that it leaves out are done on the calling thread afterwards. Calling an index twice,
    /// or after parallel_for has returned, does nothing; but no such call may be in progress when
    /// radam_free is called, or begin later.
    pub parallel_for: Option<
        unsafe extern "C" fn(
            count: u64,
            body: unsafe extern "C" fn(index: u64, body_data: *mut c_void),
            body_data: *mut c_void,
            user: *mut c_void,
        ),
    >,
    /// Passed to parallel_for; the library never dereferences it.
    pub user: *mut c_void,
}

/// Options of an optimizer. Call radam_options_init first.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_options {
    /// sizeof(radam_options); set by radam_options_init.
    pub struct_size: u32,
    /// The maximum number of threads that work on a step, including the calling one; at most 1024. The
    /// library's threads start with the first step that is large enough to gain from them. 0, the
    /// default: one per available core. 1: the library never starts a thread, and everything runs on
    /// the calling one.
    pub num_threads: u32,
    /// Allocates the optimizer's state. Default: the system's allocator.
    pub allocator: radam_allocator,
    /// Runs parallel work on the caller's threads. With it, the library never starts a thread, and the
    /// executor decides how many take part; num_threads 1 still keeps all work on the calling thread.
    /// Default: the library's own threads.
    pub executor: radam_executor,
    /// The number of elements from which a step runs on several threads; of measuring gradients it takes
    /// 4 times as many, since it is less work. 0, the default: chosen by the library, for threads that
    /// sleep between steps and have to be woken up. With an executor whose threads are already awake
    /// when a step begins, about 65536 pays off.
    pub parallel_from: u64,
    /// Where the optimizer is: one of the RADAM_DEVICE_... constants. With RADAM_DEVICE_CUDA, data, grad,
    /// copy and state arrays are device pointers, an allocator returns device memory, and calls enqueue
    /// their work on a stream; docs/gpu.md describes it. num_threads, executor, parallel_from and steps in
    /// slices are for the CPU. Default: the CPU.
    pub device: radam_device,
    /// The number of the GPU, whose primary context is used, as the CUDA runtime does. 0, the default, on
    /// the CPU.
    pub cuda_device: i32,
    /// The CUstream or cudaStream_t that work is enqueued on; radam_set_stream changes it. It must exist
    /// until the optimizer is freed or has moved to another stream. NULL, the default: the legacy default
    /// stream, or none on the CPU.
    pub cuda_stream: *mut c_void,
}

impl Versioned for radam_options {
    const NAME: &str = "radam_options";
    const EARLIER_SIZES: &[usize] = &[offset_of!(Self, device)];
    const DEFAULTS: Self = Self {
        struct_size: size_of::<Self>() as u32,
        num_threads: 0,
        allocator: radam_allocator { allocate: None, release: None, user: ptr::null_mut() },
        executor: radam_executor { parallel_for: None, user: ptr::null_mut() },
        parallel_from: 0,
        device: RADAM_DEVICE_CPU,
        cuda_device: 0,
        cuda_stream: ptr::null_mut(),
    };
}

/// Fills options with the default values.
///
/// struct_size is sizeof(radam_options).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
///
/// # Safety
/// options is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_options_init(
    options: *mut radam_options,
    struct_size: u32,
) -> radam_status {
    // SAFETY: `options` is NULL or has `struct_size` writable bytes.
    without_handle(|| unsafe { init("options", options, struct_size) })
}

/// The options of an optimizer; the defaults for NULL.
///
/// # Safety
/// `options` is null or points to as many bytes as the `struct_size` there says.
pub(super) unsafe fn options(options: *const radam_options) -> Result<Options> {
    // SAFETY: `options` is NULL or as long as its struct_size says.
    let options = unsafe { read_or_defaults(options) }?;
    let radam_options { num_threads, allocator, executor, parallel_from, device, .. } = options;
    let cuda = match device {
        RADAM_DEVICE_CPU => {
            let radam_options { cuda_device, cuda_stream, .. } = options;
            ensure!(
                cuda_device == 0,
                InvalidArgument,
                "options.cuda_device is {cuda_device}, but options.device is RADAM_DEVICE_CPU; cuda_device must be 0 unless device \
                 is RADAM_DEVICE_CUDA"
            );
            ensure!(
                cuda_stream.is_null(),
                InvalidArgument,
                "options.cuda_stream is {cuda_stream:p}, but options.device is RADAM_DEVICE_CPU; cuda_stream must be NULL unless \
                 device is RADAM_DEVICE_CUDA"
            );
            None
        }
        RADAM_DEVICE_CUDA => {
            Some(Cuda { ordinal: options.cuda_device, stream: options.cuda_stream })
        }
        _ => {
            return Err(error!(
                InvalidArgument,
                "options.device is {device}; it must be RADAM_DEVICE_CPU ({RADAM_DEVICE_CPU}) or RADAM_DEVICE_CUDA \
                 ({RADAM_DEVICE_CUDA})"
            ));
        }
    };
    Ok(Options {
        num_threads: num_threads as usize,
        allocator: allocator.checked()?,
        executor: executor
            .parallel_for
            .map(|parallel_for| Executor { parallel_for, user: executor.user }),
        parallel_from,
        cuda,
    })
}

impl radam_allocator {
    fn checked(self) -> Result<Option<Allocator>> {
        let half_set = |set: &str, unset: &str| {
            error!(
                NullPointer,
                "allocator.{unset} is NULL, but allocator.{set} is set; set both or neither"
            )
        };
        match (self.allocate, self.release) {
            (None, None) => Ok(None),
            (Some(allocate), Some(release)) => {
                Ok(Some(Allocator { allocate, release, user: self.user }))
            }
            (Some(_), None) => Err(half_set("allocate", "release")),
            (None, Some(_)) => Err(half_set("release", "allocate")),
        }
    }
}
