//! Where in memory the arrays of a state lie, so that steps over them run at the speed of memory.

use std::alloc::Layout;

/// What every allocator guarantees without extra work, and zeroes lazily.
const ALIGNMENT: usize = 16;
/// What every dtype needs.
pub(super) const ARRAY_ALIGNMENT: usize = 8;
/// Arrays of this size and more start at a cache line, which is worth the padding.
const LARGE: usize = 16 * 1024;
const LINE: usize = 64;
const PAGE: usize = 4096;
/// Distances between arrays that are multiples of this make them compete for the same memory banks.
const BANKS: usize = 16 << 20;

/// The bytes from the start of one array of `bytes` bytes to the start of the next, if that many can exist.
pub(super) fn stride(bytes: usize) -> Option<usize> {
    let stride = bytes.checked_next_multiple_of(ARRAY_ALIGNMENT)?;
    // One more page, which is nothing beside arrays of this size, avoids the bank conflicts.
    if stride.is_multiple_of(BANKS) { stride.checked_add(PAGE) } else { Some(stride) }
}

/// The layout of an allocation for arrays of `bytes` bytes in all, with room to align the first. Its size is a multiple
/// of its alignment, as C11's aligned_alloc wants it, which callers' allocators may pass it to.
pub(super) fn layout(bytes: usize, stride: usize) -> Option<Layout> {
    let padding = if stride >= LARGE { LINE - ALIGNMENT } else { 0 };
    let layout = Layout::from_size_align(bytes.checked_add(padding)?, ALIGNMENT).ok()?;
    Some(layout.pad_to_align())
}

/// The offset in an allocation at which the arrays start. Small arrays start at 0.
///
/// Large ones start at a cache line, unless that avoids 4K aliasing with the parameter's elements at `data`:
/// processors compare only the lower 12 bits of addresses when they look for stores that a load depends on, so
/// a load slightly above a recent store, modulo 4096, waits for it in vain. Exactly the same place is fine.
pub(super) fn best_offset(allocation: *const u8, stride: usize, data: *const u8) -> u8 {
    if stride < LARGE {
        return 0;
    }
    const STORES_IN_FLIGHT: usize = 256;
    let aligned = (LINE - allocation.addr() % LINE) % LINE; // the layout has room for it
    let distance = |offset| data.addr().wrapping_sub(allocation.addr() + offset) % PAGE;
    let aliases = (1..STORES_IN_FLIGHT).contains(&distance(aligned))
        || distance(aligned) > PAGE - STORES_IN_FLIGHT;
    let same_place = (0..LINE).step_by(ALIGNMENT).find(|offset| distance(*offset) == 0);
    match same_place {
        Some(offset) if aliases => offset as u8,
        _ => aligned as u8,
    }
}

/// Asks for huge pages where an allocation has many pages: without them, steps over more memory than the TLB
/// covers spend their time on page walks.
#[cfg(target_os = "linux")]
pub(super) fn advise_huge_pages(allocation: *mut u8, bytes: usize) {
    const WORTH_IT: usize = 4 << 20;
    if bytes >= WORTH_IT {
        let start = allocation.wrapping_add(PAGE - 1).map_addr(|address| address & !(PAGE - 1));
        let whole_pages = (bytes - (start.addr() - allocation.addr())) & !(PAGE - 1);
        // SAFETY: the pages lie within the allocation, and the advice changes nothing that can be observed. It
        // may be refused.
        unsafe { libc::madvise(start.cast(), whole_pages, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn advise_huge_pages(_: *mut u8, _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;

    /// Wherever the allocator put the state, it starts at a cache line that does not alias with the parameter, or
    /// in exactly the same place of a page, if that can be reached.
    #[test]
    fn large_arrays_do_not_alias_with_their_parameter() {
        for allocation in (1 << 20..(1 << 20) + 4096).step_by(16) {
            for data in (0..4096usize).step_by(16) {
                let at = |address: usize| ptr::without_provenance(address);
                let offset = best_offset(at(allocation), LARGE, at(1 << 21 | data)) as usize;
                let place = (allocation + offset) % 4096;
                let reachable = (0..64).step_by(16).any(|o| (allocation + o) % 4096 == data);
                assert!(place.is_multiple_of(64) || place == data);
                if reachable {
                    let distance = data.abs_diff(place);
                    let is_apart = (256..=4096 - 256).contains(&distance);
                    assert!(distance == 0 || is_apart, "{data} {place}");
                }
            }
        }
    }
}
