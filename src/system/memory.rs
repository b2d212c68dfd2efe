//! Where the optimizer's state comes from: the program's allocator, or one that the caller brings.

use crate::error::{Result, ensure, error};
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::ptr;

/// The caller's functions. They are called on threads that call the library, and only then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allocator {
    pub allocate: unsafe extern "C" fn(size: u64, alignment: u64, user: *mut c_void) -> *mut c_void,
    pub release:
        unsafe extern "C" fn(pointer: *mut c_void, size: u64, alignment: u64, user: *mut c_void),
    pub user: *mut c_void,
}

// SAFETY: the caller promises functions that any thread may call.
unsafe impl Send for Allocator {}
// SAFETY: as above.
unsafe impl Sync for Allocator {}

/// Allocates zeros, by the caller's allocator or, without one, by the program's. The latter has the
/// system zero large allocations page by page when they are first touched, so that the thread that
/// updates a part is the thread that its pages are placed near.
pub(crate) fn allocate_zeroed(allocator: Option<&Allocator>, layout: Layout) -> Result<*mut u8> {
    debug_assert!(layout.size() > 0);
    let no_memory =
        || error!(OutOfMemory, "there is no memory for {} bytes of optimizer state", layout.size());
    let Some(allocator) = allocator else {
        // SAFETY: the layout is not of 0 bytes.
        let memory = unsafe { alloc_zeroed(layout) };
        return if memory.is_null() { Err(no_memory()) } else { Ok(memory) };
    };
    let (size, alignment) = (layout.size() as u64, layout.align() as u64);
    // SAFETY: the caller's function and what it wants to be called with.
    let memory = unsafe { (allocator.allocate)(size, alignment, allocator.user) }.cast::<u8>();
    ensure!(
        !memory.is_null(),
        OutOfMemory,
        "options.allocator.allocate returned NULL for {size} bytes of optimizer state"
    );
    if !memory.addr().is_multiple_of(layout.align()) {
        // SAFETY: it was just allocated.
        unsafe { release(Some(allocator), memory, layout) };
        return Err(error!(
            InvalidArgument,
            "options.allocator.allocate returned {memory:p}, which is not aligned; it must be at a \
             multiple of {alignment} bytes, as its argument says"
        ));
    }
    // SAFETY: the caller's function gave so many bytes.
    unsafe { memory.write_bytes(0, layout.size()) };
    Ok(memory)
}

/// Gives memory back.
///
/// # Safety
/// `allocate_zeroed` gave it, for this layout and by this allocator, and nobody uses it any more.
pub(crate) unsafe fn release(allocator: Option<&Allocator>, memory: *mut u8, layout: Layout) {
    debug_assert!(!memory.is_null());
    let (size, alignment) = (layout.size() as u64, layout.align() as u64);
    // SAFETY: the caller's promise.
    unsafe {
        match allocator {
            None => dealloc(memory, layout),
            Some(allocator) => {
                (allocator.release)(memory.cast(), size, alignment, allocator.user);
            }
        }
    }
}

/// A value in memory of its own; unlike a plain `Box::new`, an error where there is none.
pub(crate) fn try_box<T>(value: T) -> Result<Box<T>> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: the layout is that of a T, which is written before the box is made.
    unsafe {
        let memory = alloc(Layout::new::<T>()).cast::<T>();
        ensure!(!memory.is_null(), OutOfMemory, "there is no memory for {} bytes", size_of::<T>());
        ptr::write(memory, value);
        Ok(Box::from_raw(memory))
    }
}
