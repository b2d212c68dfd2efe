//! Starting and joining a thread.
//!
//! Not by `std::thread` where there are POSIX threads: that leaves a destructor with the thread that starts one,
//! because of which the library could no longer be unloaded while this thread lives.

/// Plenty for the deepest call of ours, the checkers that people run programs under, and the thread-local
/// variables of the program, which glibc places here too. Only pages that are touched cost memory.
const STACK_SIZE: usize = 512 * 1024;

pub(super) use imp::Thread;

#[cfg(unix)]
mod imp {
    use super::STACK_SIZE;
    use std::ffi::c_void;
    use std::mem::MaybeUninit;
    use std::ptr;

    /// A thread, which is joined when this is dropped.
    pub(in crate::system) struct Thread(libc::pthread_t);

    // SAFETY: any thread may join another one; the handle, a pointer on some systems, is used for nothing else.
    unsafe impl Send for Thread {}
    // SAFETY: a shared reference gives no access to the handle.
    unsafe impl Sync for Thread {}

    extern "C" fn main<F: FnOnce() + Send>(work: *mut c_void) -> *mut c_void {
        #[cfg(target_os = "linux")]
        // SAFETY: a thread may name itself, with up to 15 bytes that end in NUL.
        unsafe {
            libc::pthread_setname_np(libc::pthread_self(), c"radam".as_ptr());
        }
        // SAFETY: `start` made the pointer from a box of an F, for this thread only.
        let work = unsafe { Box::from_raw(work.cast::<F>()) };
        work();
        ptr::null_mut()
    }

    impl Thread {
        /// Starts a thread that does the `work`, with every signal blocked, so that the program's signal
        /// handlers never run on it. `None` if the system refuses. The work must not unwind.
        pub fn start<F: FnOnce() + Send + 'static>(work: F) -> Option<Self> {
            let work = Box::into_raw(Box::new(work));
            let mut handle = MaybeUninit::<libc::pthread_t>::uninit();
            let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
            let mut all_signals = MaybeUninit::<libc::sigset_t>::uninit();
            let mut signals_before = MaybeUninit::<libc::sigset_t>::uninit();
            // SAFETY: each object is initialized by the first function that it is passed to, and the
            // attributes, once they are, are destroyed. This thread's signal mask, which the new one
            // inherits, is put back. `handle` is read only if `pthread_create` has written it, and the work
            // freed here only if it has started no thread that frees it.
            unsafe {
                let mut status = libc::pthread_attr_init(attributes.as_mut_ptr());
                if status == 0 {
                    let (all, before) = (all_signals.as_mut_ptr(), signals_before.as_mut_ptr());
                    libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK_SIZE);
                    libc::sigfillset(all);
                    libc::pthread_sigmask(libc::SIG_SETMASK, all, before);
                    let attributes = attributes.as_mut_ptr();
                    status = libc::pthread_create(
                        handle.as_mut_ptr(),
                        attributes,
                        main::<F>,
                        work.cast(),
                    );
                    libc::pthread_sigmask(libc::SIG_SETMASK, before, ptr::null_mut());
                    libc::pthread_attr_destroy(attributes);
                }
                if status == 0 {
                    Some(Self(handle.assume_init()))
                } else {
                    drop(Box::from_raw(work));
                    None
                }
            }
        }
    }

    impl Drop for Thread {
        fn drop(&mut self) {
            // SAFETY: the handle is that of a thread that was neither joined nor detached.
            unsafe { libc::pthread_join(self.0, ptr::null_mut()) };
        }
    }
}

#[cfg(not(unix))]
mod imp {
    use super::STACK_SIZE;
    use std::thread::{Builder, JoinHandle};

    /// A thread, which is joined when this is dropped.
    pub(in crate::system) struct Thread(Option<JoinHandle<()>>);

    impl Thread {
        /// Starts a thread that does the `work`. `None` if the system refuses. The work must not unwind.
        pub fn start<F: FnOnce() + Send + 'static>(work: F) -> Option<Self> {
            let builder = Builder::new().name("radam".to_owned()).stack_size(STACK_SIZE);
            builder.spawn(work).ok().map(|handle| Self(Some(handle)))
        }
    }

    impl Drop for Thread {
        fn drop(&mut self) {
            let _ = self.0.take().map(JoinHandle::join);
        }
    }
}
