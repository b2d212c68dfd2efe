//! Starting and joining a thread without ever aborting the process: the standard library's threads
//! end it where there is no memory for one.

/// What a thread does. It must not unwind.
pub(crate) trait Work: Sync {
    fn work(&self);
}

/// Plenty for the deepest call of ours, and for the checkers that people run programs under.
const STACK_SIZE: usize = 256 * 1024;

/// A running thread, which must be joined.
pub(crate) struct Thread(imp::Handle);

impl Thread {
    /// Starts a thread that does the `work`, with every signal blocked, so that the caller's
    /// handlers never run on it. `None` where the system has no thread to give.
    ///
    /// # Safety
    /// `work` points to a valid object until the thread is joined.
    pub unsafe fn start<W: Work>(work: *const W) -> Option<Self> {
        debug_assert!(!work.is_null() && work.is_aligned());
        // SAFETY: the caller's promise.
        unsafe { imp::start(work) }.map(Self)
    }

    /// Waits until the work is done.
    pub fn join(self) {
        imp::join(self.0);
    }
}

#[cfg(unix)]
mod imp {
    use super::{STACK_SIZE, Work};
    use std::ffi::c_void;
    use std::mem::MaybeUninit;

    pub(super) type Handle = libc::pthread_t;

    extern "C" fn main<W: Work>(work: *mut c_void) -> *mut c_void {
        #[cfg(target_os = "linux")]
        // SAFETY: a thread may name itself; the name ends in NUL and is short enough.
        unsafe {
            libc::pthread_setname_np(libc::pthread_self(), c"radam".as_ptr());
        }
        // SAFETY: `start` was promised that it stays valid.
        unsafe { (*work.cast_const().cast::<W>()).work() };
        std::ptr::null_mut()
    }

    /// # Safety
    /// As for `Thread::start`.
    pub(super) unsafe fn start<W: Work>(work: *const W) -> Option<Handle> {
        let mut handle = MaybeUninit::<Handle>::uninit();
        let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
        let mut all_signals = MaybeUninit::<libc::sigset_t>::uninit();
        let mut signals_before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: every object is initialized by the first function that it is given to; the
        // attributes are destroyed, and the thread's mask of signals is put back.
        unsafe {
            if libc::pthread_attr_init(attributes.as_mut_ptr()) != 0 {
                return None;
            }
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK_SIZE);
            libc::sigfillset(all_signals.as_mut_ptr());
            libc::pthread_sigmask(
                libc::SIG_SETMASK,
                all_signals.as_ptr(),
                signals_before.as_mut_ptr(),
            );
            let status = libc::pthread_create(
                handle.as_mut_ptr(),
                attributes.as_ptr(),
                main::<W>,
                work.cast_mut().cast(),
            );
            libc::pthread_sigmask(libc::SIG_SETMASK, signals_before.as_ptr(), std::ptr::null_mut());
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            (status == 0).then(|| handle.assume_init())
        }
    }

    pub(super) fn join(handle: Handle) {
        // SAFETY: `Thread` owns the handle, and joins it once.
        unsafe { libc::pthread_join(handle, std::ptr::null_mut()) };
    }
}

#[cfg(windows)]
mod imp {
    use super::{STACK_SIZE, Work};
    use std::ffi::c_void;
    use std::os::windows::io::{AsHandle, BorrowedHandle, HandleOrNull, OwnedHandle};
    use std::ptr;

    pub(super) type Handle = OwnedHandle;

    const STACK_SIZE_PARAM_IS_A_RESERVATION: u32 = 0x10000;
    const INFINITE: u32 = u32::MAX;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn CreateThread(
            attributes: *const c_void,
            stack_size: usize,
            main: unsafe extern "system" fn(*mut c_void) -> u32,
            work: *mut c_void,
            flags: u32,
            id: *mut u32,
        ) -> HandleOrNull;
        fn GetCurrentThread() -> BorrowedHandle<'static>;
        fn SetThreadDescription(thread: BorrowedHandle, name: *const u16) -> i32;
        fn WaitForSingleObject(handle: BorrowedHandle, milliseconds: u32) -> u32;
    }

    unsafe extern "system" fn main<W: Work>(work: *mut c_void) -> u32 {
        let name = b"radam\0".map(u16::from);
        // SAFETY: a thread may name itself; the name ends in NUL, and is copied.
        unsafe { SetThreadDescription(GetCurrentThread(), name.as_ptr()) };
        // SAFETY: `start` was promised that it stays valid.
        unsafe { (*work.cast_const().cast::<W>()).work() };
        0
    }

    /// # Safety
    /// As for `Thread::start`.
    pub(super) unsafe fn start<W: Work>(work: *const W) -> Option<Handle> {
        let (work, flags) = (work.cast_mut().cast(), STACK_SIZE_PARAM_IS_A_RESERVATION);
        // SAFETY: attributes and id may be null; what `main` does with the work is promised.
        let handle = unsafe {
            CreateThread(ptr::null(), STACK_SIZE, main::<W>, work, flags, ptr::null_mut())
        };
        handle.try_into().ok()
    }

    pub(super) fn join(handle: Handle) {
        // SAFETY: the handle is that of a thread.
        unsafe { WaitForSingleObject(handle.as_handle(), INFINITE) };
    }
}

#[cfg(not(any(unix, windows)))]
mod imp {
    use super::{STACK_SIZE, Work};

    pub(super) type Handle = std::thread::JoinHandle<()>;

    /// # Safety
    /// As for `Thread::start`.
    pub(super) unsafe fn start<W: Work>(work: *const W) -> Option<Handle> {
        let work = work.expose_provenance();
        std::thread::Builder::new()
            .name("radam".to_owned())
            .stack_size(STACK_SIZE)
            // SAFETY: `start` was promised that it stays valid.
            .spawn(move || unsafe { (*std::ptr::with_exposed_provenance::<W>(work)).work() })
            .ok()
    }

    pub(super) fn join(handle: Handle) {
        let _ = handle.join();
    }
}
