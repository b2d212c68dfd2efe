//! Device memory, for running tests on a GPU, or on what stands for one: with RADAM_TEST_DEVICE=cuda in the environment,
//! tensors are there, and so are optimizers.

use std::env;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::{Mutex, OnceLock};

use radam::ffi::*;

use super::{filled, outcome};

type Code = c_int;

/// The functions of the driver that tests need.
struct Driver {
    allocate: unsafe extern "C" fn(*mut u64, usize) -> Code,
    free: unsafe extern "C" fn(u64) -> Code,
    to_device: unsafe extern "C" fn(u64, *const c_void, usize) -> Code,
    to_host: unsafe extern "C" fn(*mut c_void, u64, usize) -> Code,
    push: unsafe extern "C" fn(*mut c_void) -> Code,
    pop: unsafe extern "C" fn(*mut *mut c_void) -> Code,
    context: usize,
}

#[cfg(unix)]
unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

#[cfg(not(unix))]
unsafe fn dlopen(_: *const c_char, _: c_int) -> *mut c_void {
    ptr::null_mut()
}

#[cfg(not(unix))]
unsafe fn dlsym(_: *mut c_void, _: *const c_char) -> *mut c_void {
    ptr::null_mut()
}

impl Driver {
    /// The first GPU, or `None` if tests run on the CPU.
    fn get() -> Option<&'static Self> {
        static DRIVER: OnceLock<Option<Driver>> = OnceLock::new();
        let wanted = || env::var("RADAM_TEST_DEVICE").is_ok_and(|device| device == "cuda");
        let open = || {
            let driver = Self::open();
            keep_kernels();
            driver
        };
        DRIVER.get_or_init(|| wanted().then(open)).as_ref()
    }

    fn open() -> Self {
        const NOW: c_int = 2;
        // SAFETY: loading the driver runs nothing but its own initialization.
        let library = unsafe { dlopen(c"libcuda.so.1".as_ptr(), NOW) };
        assert!(!library.is_null(), "there is no libcuda.so.1");
        let find = |name: &CStr| {
            // SAFETY: the library is loaded.
            let function = unsafe { dlsym(library, name.as_ptr()) };
            assert!(!function.is_null(), "the driver has no {name:?}");
            function
        };
        /// The function at an address.
        unsafe fn of<F: Copy>(address: *mut c_void) -> F {
            assert_eq!(size_of::<F>(), size_of::<*mut c_void>());
            // SAFETY: a function of this type is there, as the caller promises.
            unsafe { ptr::from_ref(&address).cast::<F>().read() }
        }
        let (mut device, mut context) = (0, ptr::null_mut());
        // SAFETY: the functions have these types in every version of CUDA 12 and 13.
        unsafe {
            let init: unsafe extern "C" fn(u32) -> Code = of(find(c"cuInit"));
            let get: unsafe extern "C" fn(*mut c_int, c_int) -> Code = of(find(c"cuDeviceGet"));
            let retain: unsafe extern "C" fn(*mut *mut c_void, c_int) -> Code =
                of(find(c"cuDevicePrimaryCtxRetain"));
            assert_eq!(init(0), 0);
            assert_eq!(get(&mut device, 0), 0);
            assert_eq!(retain(&mut context, device), 0);
            Self {
                allocate: of(find(c"cuMemAlloc_v2")),
                free: of(find(c"cuMemFree_v2")),
                to_device: of(find(c"cuMemcpyHtoD_v2")),
                to_host: of(find(c"cuMemcpyDtoH_v2")),
                push: of(find(c"cuCtxPushCurrent_v2")),
                pop: of(find(c"cuCtxPopCurrent_v2")),
                context: context.expose_provenance(),
            }
        }
    }

    /// Calls the driver in its context.
    fn call(&self, function: impl FnOnce(&Self) -> Code) {
        let mut context = ptr::null_mut();
        // SAFETY: the context is retained.
        unsafe {
            assert_eq!((self.push)(ptr::with_exposed_provenance_mut(self.context)), 0);
            assert_eq!(function(self), 0);
            assert_eq!((self.pop)(&mut context), 0);
        }
    }
}

/// Loads the kernels, which takes a while, and keeps them: they are unloaded with the last optimizer of a device.
fn keep_kernels() {
    let mut options: radam_options = filled(radam_options_init);
    options.device = RADAM_DEVICE_CUDA;
    let mut never_freed = ptr::null_mut();
    // SAFETY: the options are filled in, and the output is writable.
    outcome(unsafe { radam_create(&options, &mut never_freed) }, ptr::null()).unwrap();
}

/// Whether tests run on a device.
pub fn is_used() -> bool {
    Driver::get().is_some()
}

/// Copies bytes out of device memory; on the CPU, out of any.
///
/// # Safety
/// There are as many bytes.
pub unsafe fn read(from: *const c_void, into: &mut [u8]) {
    let to = into.as_mut_ptr();
    match Driver::get() {
        // SAFETY: the caller has promised it.
        None => unsafe { from.cast::<u8>().copy_to_nonoverlapping(to, into.len()) },
        // SAFETY: as above.
        Some(driver) => driver
            .call(|driver| unsafe { (driver.to_host)(to.cast(), from.addr() as u64, into.len()) }),
    }
}

/// Copies bytes into device memory; on the CPU, into any.
///
/// # Safety
/// There are as many bytes.
pub unsafe fn write(to: *mut c_void, from: &[u8]) {
    match Driver::get() {
        // SAFETY: the caller has promised it.
        None => unsafe { from.as_ptr().copy_to_nonoverlapping(to.cast(), from.len()) },
        // SAFETY: as above.
        Some(driver) => driver.call(|driver| unsafe {
            (driver.to_device)(to.addr() as u64, from.as_ptr().cast(), from.len())
        }),
    }
}

/// Memory of the device.
pub struct DeviceMemory {
    pointer: u64,
    is_pooled: bool,
}

/// Memory for many small tensors, since what stands for a GPU protects each allocation by itself, which takes time.
struct Pool {
    start: u64,
    used: usize,
    /// How many tensors have memory here.
    live: usize,
}

static POOL_OF_TENSORS: Mutex<Pool> = Mutex::new(Pool { start: 0, used: 0, live: 0 });
const POOL: usize = 64 << 20;

impl Pool {
    fn take(&mut self, driver: &Driver, bytes: usize) -> Option<u64> {
        if self.start == 0 {
            self.start = driver.allocated(POOL);
        }
        let used = self.used + bytes.next_multiple_of(256);
        (used <= POOL).then(|| {
            let pointer = self.start + self.used as u64;
            (self.used, self.live) = (used, self.live + 1);
            pointer
        })
    }

    fn give_back(&mut self) {
        self.live -= 1;
        if self.live == 0 {
            self.used = 0;
        }
    }
}

impl Driver {
    fn allocated(&self, bytes: usize) -> u64 {
        let mut pointer = 0;
        // SAFETY: the output is writable.
        self.call(|driver| unsafe { (driver.allocate)(&mut pointer, bytes) });
        pointer
    }
}

impl DeviceMemory {
    /// Zeros, if tests run on a device.
    pub fn new(bytes: usize) -> Option<Self> {
        let driver = Driver::get()?;
        let pooled = POOL_OF_TENSORS.lock().unwrap().take(driver, bytes.max(1));
        let pointer = pooled.unwrap_or_else(|| driver.allocated(bytes.max(1)));
        let memory = Self { pointer, is_pooled: pooled.is_some() };
        // SAFETY: it is as large.
        unsafe { write(memory.pointer(), &vec![0; bytes]) };
        Some(memory)
    }

    pub fn pointer(&self) -> *mut c_void {
        ptr::without_provenance_mut(self.pointer as usize)
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        if self.is_pooled {
            POOL_OF_TENSORS.lock().unwrap().give_back();
        } else if let Some(driver) = Driver::get() {
            // SAFETY: it was allocated, and nobody uses it any more.
            driver.call(|driver| unsafe { (driver.free)(self.pointer) });
        }
    }
}
