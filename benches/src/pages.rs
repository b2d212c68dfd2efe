//! An allocator for the benchmarks, by which every array that fits in a cache begins with a page.
//!
//! Two arrays whose places in a page differ by a cache line or two make a processor wait for stores
//! that have nothing to do with its loads, and a step in cache takes up to twice as long. Where the
//! system's allocator puts arrays depends on what was allocated before, so that two equal optimizers
//! could differ by that much. One case measures what the placement makes of it.

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
