//! The NVIDIA driver's library, loaded at run time, so that nothing is linked and machines without it can use the rest.
//!
//! Its functions return integers here. An enum of Rust would be undefined behaviour for a code that a later driver adds.

use crate::error::{Error, Result, Status, error};
use libloading::Library;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;

/// A pointer to device memory.
pub(super) type DevicePointer = u64;
/// A `CUcontext`, `CUmodule`, `CUfunction`, `CUstream` or `CUevent`.
pub(super) type Handle = *mut c_void;

type Code = c_int;
const SUCCESS: Code = 0;
const OUT_OF_MEMORY: Code = 2;

#[cfg(windows)]
const NAMES: [&str; 1] = ["nvcuda.dll"];
#[cfg(not(windows))]
const NAMES: [&str; 2] = ["libcuda.so.1", "libcuda.so"];

/// `functions!`: the functions of the driver that are used, each as a method that turns its code into a result.
macro_rules! functions {
    ($($name:ident = $symbol:literal($($argument:ident: $type:ty),*);)+) => {
        pub(super) struct Driver {
            $($name: unsafe extern "system" fn($($type),*) -> Code,)+
            /// Keeps the functions loaded.
            _library: Library,
        }

        impl Driver {
            /// Loads the library of the installed driver.
            pub fn load() -> Result<Self> {
                let library = open()?;
                // SAFETY: the functions are declared as cuda.h of CUDA 12 does, and these entry points have not changed
                // since.
                unsafe {
                    Ok(Self {
                        $($name: *library.get($symbol).map_err(|_| missing($symbol))?,)+
                        _library: library,
                    })
                }
            }

            $(
                /// # Safety
                /// As the driver documents for the function; a context is current if it needs one.
                #[allow(clippy::too_many_arguments)] // it is the driver's function
                #[allow(dead_code)] // those that describe errors are called without a result
                pub unsafe fn $name(&self, $($argument: $type),*) -> Result<()> {
                    // SAFETY: the caller has promised what the function asks for.
                    let code = unsafe { (self.$name)($($argument),*) };
                    if code == SUCCESS { Ok(()) } else { Err(self.failed($symbol, code)) }
                }
            )+
        }
    };
}

functions! {
    init = c"cuInit"(flags: c_uint);
    device_get_count = c"cuDeviceGetCount"(count: *mut c_int);
    device_get = c"cuDeviceGet"(device: *mut c_int, ordinal: c_int);
    device_get_attribute = c"cuDeviceGetAttribute"(value: *mut c_int, attribute: c_int, device: c_int);
    primary_context_retain = c"cuDevicePrimaryCtxRetain"(context: *mut Handle, device: c_int);
    primary_context_release = c"cuDevicePrimaryCtxRelease_v2"(device: c_int);
    context_push = c"cuCtxPushCurrent_v2"(context: Handle);
    context_pop = c"cuCtxPopCurrent_v2"(context: *mut Handle);
    module_load = c"cuModuleLoadData"(module: *mut Handle, image: *const c_void);
    module_unload = c"cuModuleUnload"(module: Handle);
    module_get_function = c"cuModuleGetFunction"(function: *mut Handle, module: Handle, name: *const c_char);
    launch = c"cuLaunchKernel"(
        function: Handle, grid_x: c_uint, grid_y: c_uint, grid_z: c_uint, block_x: c_uint, block_y: c_uint,
        block_z: c_uint, shared_bytes: c_uint, stream: Handle, arguments: *mut *mut c_void, extra: *mut *mut c_void
    );
    memory_allocate = c"cuMemAlloc_v2"(pointer: *mut DevicePointer, bytes: usize);
    memory_free = c"cuMemFree_v2"(pointer: DevicePointer);
    pinned_allocate = c"cuMemHostAlloc"(pointer: *mut *mut c_void, bytes: usize, flags: c_uint);
    pinned_free = c"cuMemFreeHost"(pointer: *mut c_void);
    copy_to_device = c"cuMemcpyHtoDAsync_v2"(to: DevicePointer, from: *const c_void, bytes: usize, stream: Handle);
    copy_to_host = c"cuMemcpyDtoHAsync_v2"(to: *mut c_void, from: DevicePointer, bytes: usize, stream: Handle);
    copy_on_device = c"cuMemcpyDtoDAsync_v2"(to: DevicePointer, from: DevicePointer, bytes: usize, stream: Handle);
    set_bytes = c"cuMemsetD8Async"(pointer: DevicePointer, value: u8, count: usize, stream: Handle);
    set_words = c"cuMemsetD32Async"(pointer: DevicePointer, value: c_uint, count: usize, stream: Handle);
    stream_create = c"cuStreamCreate"(stream: *mut Handle, flags: c_uint);
    stream_destroy = c"cuStreamDestroy_v2"(stream: Handle);
    stream_synchronize = c"cuStreamSynchronize"(stream: Handle);
    stream_is_capturing = c"cuStreamIsCapturing"(stream: Handle, status: *mut c_int);
    stream_wait_event = c"cuStreamWaitEvent"(stream: Handle, event: Handle, flags: c_uint);
    exchange_capture_mode = c"cuThreadExchangeStreamCaptureMode"(mode: *mut c_int);
    event_create = c"cuEventCreate"(event: *mut Handle, flags: c_uint);
    event_record = c"cuEventRecord"(event: Handle, stream: Handle);
    event_synchronize = c"cuEventSynchronize"(event: Handle);
    event_destroy = c"cuEventDestroy_v2"(event: Handle);
    pointer_get_attributes = c"cuPointerGetAttributes"(
        count: c_uint, attributes: *const c_int, values: *mut *mut c_void, pointer: DevicePointer
    );
    error_name = c"cuGetErrorName"(code: Code, name: *mut *const c_char);
    error_text = c"cuGetErrorString"(code: Code, text: *mut *const c_char);
}

fn open() -> Result<Library> {
    // SAFETY: loading the driver's library runs only the driver's own initialization.
    let found = NAMES.iter().find_map(|name| unsafe { Library::new(*name) }.ok());
    found.ok_or_else(|| {
        error!(
            Device,
            "options.device is RADAM_DEVICE_CUDA, but there is no {} on this machine; it needs an NVIDIA GPU and its \
             driver, of version 525 or later",
            NAMES[0]
        )
    })
}

#[cold]
fn missing(symbol: &CStr) -> Error {
    error!(
        Device,
        "the NVIDIA driver on this machine has no {}; it must be of version 525 or later",
        symbol.to_string_lossy()
    )
}

impl Driver {
    #[cold]
    fn failed(&self, function: &CStr, code: Code) -> Error {
        let text = |get: unsafe extern "system" fn(Code, *mut *const c_char) -> Code| {
            let mut text = ptr::null();
            // SAFETY: `text` is writable, and what the driver puts there is NULL or a static string.
            unsafe {
                get(code, &mut text);
                if text.is_null() { c"unknown" } else { CStr::from_ptr(text) }
            }
        };
        let status = if code == OUT_OF_MEMORY { Status::OutOfMemory } else { Status::Device };
        Error::new(
            status,
            format_args!(
                "the CUDA driver reported {} ({code}) in {}: {}",
                text(self.error_name).to_string_lossy(),
                function.to_string_lossy(),
                text(self.error_text).to_string_lossy()
            ),
        )
    }
}
