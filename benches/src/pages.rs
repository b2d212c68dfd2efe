//! An allocator for the benchmarks that places every array which fits into a cache at the start of a page.
//!
//! If the addresses of two arrays differ by a cache line or two modulo the page size, loads wait for unrelated stores (4K
//! aliasing), and a step in cache takes up to twice as long. Where the system's allocator places arrays depends on
//! earlier allocations, so two equal optimizers could differ by that much. One case measures the effect of the placement.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, but for where these arrays begin. The library uses it too.
pub struct Pages;

const PAGE: usize = 4096;
/// Larger arrays are the system's own to place: in the pages that it has anyway, zeroed when they are
/// first touched.
const LARGEST: usize = 8 << 20;

fn placed(layout: Layout) -> Layout {
    let fits = (PAGE..=LARGEST).contains(&layout.size());
    let placed = if fits { layout.align_to(PAGE) } else { Ok(layout) };
    placed.unwrap_or(layout)
}

// SAFETY: the system's allocator does it all, and gets the same layout for each call on an array.
unsafe impl GlobalAlloc for Pages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise; the size is the same.
        unsafe { System.alloc(placed(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(placed(layout)) }
    }

    unsafe fn dealloc(&self, array: *mut u8, layout: Layout) {
        // SAFETY: it was allocated with the layout that this makes.
        unsafe { System.dealloc(array, placed(layout)) }
    }
}
