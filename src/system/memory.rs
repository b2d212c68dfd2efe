//! Where the optimizer's state comes from: the program's allocator, or one that the caller brings.

use super::float_mode::call_out;
use crate::error::{Result, ensure, error};
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::hint::black_box;
use std::ptr;

/// The caller's functions, called only from inside calls to the library and on their threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allocator {
    pub allocate: unsafe extern "C" fn(size: u64, alignment: u64, user: *mut c_void) -> *mut c_void,
    pub release:
        unsafe extern "C" fn(pointer: *mut c_void, size: u64, alignment: u64, user: *mut c_void),
    pub user: *mut c_void,
}

// SAFETY: the header requires functions that can be called on any thread. `user` is only passed to them.
unsafe impl Send for Allocator {}
// SAFETY: as above, also at the same time on several threads.
unsafe impl Sync for Allocator {}

/// Allocates zeroed memory, from the caller's allocator or else from the program's. With the latter the
/// operating system zeroes the pages of large allocations at their first touch, and so places each page
/// near the thread that will update it.
pub(crate) fn allocate_zeroed(allocator: Option<&Allocator>, layout: Layout) -> Result<*mut u8> {
    debug_assert!(layout.size() > 0);
    let no_memory =
        || error!(OutOfMemory, "there is no memory for {} bytes of optimizer state", layout.size());
    let Some(allocator) = allocator else {
        // SAFETY: the layout has more than 0 bytes: no caller asks for an empty array.
        let memory = unsafe { alloc_zeroed(layout) };
        return if memory.is_null() { Err(no_memory()) } else { Ok(memory) };
    };
    let memory = allocate(allocator, layout)?;
    // SAFETY: `allocate` promises that what it returns, unless NULL, has `size` bytes.
    unsafe { memory.write_bytes(0, layout.size()) };
    Ok(memory)
}

/// Allocates memory from the caller's allocator, which may be that of a device; what is in it is undefined.
pub(crate) fn allocate(allocator: &Allocator, layout: Layout) -> Result<*mut u8> {
    let (size, alignment) = (layout.size() as u64, layout.align() as u64);
    // SAFETY: whoever set the allocator promised that it can be called like this from any thread that
    // calls the library. What it returns is checked below.
    let memory = call_out(|| unsafe { (allocator.allocate)(size, alignment, allocator.user) });
    let memory = memory.cast::<u8>();
    ensure!(
        !memory.is_null(),
        OutOfMemory,
        "options.allocator.allocate returned NULL for {size} bytes of optimizer state"
    );
    if !memory.addr().is_multiple_of(layout.align()) {
        // SAFETY: the allocator has just given it for this layout, and nothing uses it.
        unsafe { release(Some(allocator), memory, layout) };
        return Err(error!(
            InvalidArgument,
            "options.allocator.allocate returned {memory:p}, which is not aligned; it must be at a \
             multiple of {alignment} bytes, as its argument says"
        ));
    }
    Ok(memory)
}

/// Gives memory back.
///
/// # Safety
/// `allocate_zeroed` returned `memory` for this allocator and this layout, it was not released since, and
/// nothing uses it any more.
pub(crate) unsafe fn release(allocator: Option<&Allocator>, memory: *mut u8, layout: Layout) {
    debug_assert!(!memory.is_null());
    let (size, alignment) = (layout.size() as u64, layout.align() as u64);
    match allocator {
        // SAFETY: without an allocator, `allocate_zeroed` had it from `alloc_zeroed` with this layout.
        None => unsafe { dealloc(memory, layout) },
        // SAFETY: the allocator gets back what it gave, with the same size and alignment, once.
        Some(allocator) => call_out(|| unsafe {
            (allocator.release)(memory.cast(), size, alignment, allocator.user);
        }),
    }
}

/// As `Box::new`, but an error where there is no memory.
pub(crate) fn try_box<T>(value: T) -> Result<Box<T>> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: T is not zero-sized, so neither is its layout. The memory has the layout that the box will
    // free it with, and holds a T before the box is made.
    unsafe {
        let memory = alloc(Layout::new::<T>()).cast::<T>();
        ensure!(!memory.is_null(), OutOfMemory, "there is no memory for {} bytes", size_of::<T>());
        ptr::write(memory, value);
        Ok(Box::from_raw(memory))
    }
}

/// Whether so many bytes can be allocated right now. Where the standard library or rayon would end the process for
/// want of a few bytes, asking first leaves that to memory that runs out at this very moment.
pub(crate) fn has_memory(bytes: usize) -> bool {
    let mut memory = Vec::<u8>::new();
    black_box(&mut memory).try_reserve_exact(bytes).is_ok()
}
