//! The memory of one state tensor: `exp_avg`, `exp_avg_sq` or `kahan_comp` of a parameter.

use crate::error::{Result, error};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr;

/// Zeroed memory that the library owns.
///
/// The system zeroes large buffers page by page when they are first touched, so that the thread
/// that updates a part of one is the thread that its pages are placed near.
#[derive(Debug)]
pub(crate) struct StateBuffer {
    /// Null where there are no bytes.
    allocation: *mut u8,
    bytes: usize,
}

// SAFETY: the buffer owns its memory.
unsafe impl Send for StateBuffer {}
// SAFETY: shared references only hand out the address.
unsafe impl Sync for StateBuffer {}

/// A cache line, so that vectors do not straddle two.
const LARGE_ALIGNMENT: usize = 64;
/// What every allocator gives without asking, and zeroes lazily.
const SMALL_ALIGNMENT: usize = 16;

impl StateBuffer {
    /// No memory at all.
    pub const NONE: Self = Self { allocation: ptr::null_mut(), bytes: 0 };

    pub fn zeroed(bytes: usize) -> Result<Self> {
        if bytes == 0 {
            return Ok(Self::NONE);
        }
        let allocation = Self::layout(bytes).map_or(ptr::null_mut(), |layout| {
            // SAFETY: the layout is not of 0 bytes.
            unsafe { alloc_zeroed(layout) }
        });
        if allocation.is_null() {
            return Err(error!(
                OutOfMemory,
                "there is no memory for {bytes} bytes of optimizer state; nothing was changed"
            ));
        }
        Ok(Self { allocation, bytes })
    }

    /// The first byte, aligned for every dtype.
    pub fn as_ptr(&self) -> *mut u8 {
        if Self::is_large(self.bytes) {
            let misaligned = self.allocation.addr() % LARGE_ALIGNMENT;
            // The layout has room for this. Memory of 64 bytes or more is no more than 48 away.
            self.allocation.wrapping_add((LARGE_ALIGNMENT - misaligned) % LARGE_ALIGNMENT)
        } else {
            self.allocation
        }
    }

    /// Whether aligning it beyond the allocator's habit is worth the bytes.
    fn is_large(bytes: usize) -> bool {
        bytes >= 1024
    }

    fn layout(bytes: usize) -> Option<Layout> {
        let padding = if Self::is_large(bytes) { LARGE_ALIGNMENT - SMALL_ALIGNMENT } else { 0 };
        Layout::from_size_align(bytes.checked_add(padding)?, SMALL_ALIGNMENT).ok()
    }
}

impl Drop for StateBuffer {
    fn drop(&mut self) {
        if let (false, Some(layout)) = (self.allocation.is_null(), Self::layout(self.bytes)) {
            // SAFETY: `zeroed` allocated it with this layout.
            unsafe { dealloc(self.allocation, layout) };
        }
    }
}
