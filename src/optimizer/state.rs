//! What the library keeps of one parameter: `exp_avg`, `exp_avg_sq` and, with Kahan summation,
//! `kahan_comp`, all of one dtype and in one allocation.

use super::param::byte_size;
use crate::dtype::Dtype;
use crate::error::{Error, Result, error};
use crate::kernel::convert_array;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr;

/// The system zeroes large allocations page by page when they are first touched, so that the thread
/// that updates a part of one is the thread that its pages are placed near.
#[derive(Debug)]
pub(crate) struct State {
    pub dtype: Dtype,
    pub kahan_sum: bool,
    /// Where the arrays begin in the allocation.
    offset: u8,
    /// Bytes from the beginning of one array to that of the next. 0 where there are no elements.
    stride: usize,
    /// Owned; null where there are no elements.
    allocation: *mut u8,
}

// SAFETY: the state owns its memory.
unsafe impl Send for State {}
// SAFETY: shared references only hand out addresses.
unsafe impl Sync for State {}

/// What every allocator gives without asking, and zeroes lazily.
const ALIGNMENT: usize = 16;
/// What every dtype needs.
const ARRAY_ALIGNMENT: usize = 8;
/// From so many bytes on, an array is worth the bytes that it takes to begin at a cache line.
const LARGE: usize = 16 * 1024;
const LINE: usize = 64;
const PAGE: usize = 4096;
const COMPETING: usize = 16 << 20;

impl State {
    /// No memory at all.
    pub fn none(dtype: Dtype) -> Self {
        Self { dtype, kahan_sum: false, offset: 0, stride: 0, allocation: ptr::null_mut() }
    }

    /// The state before the first step, for a parameter at `data`.
    pub fn zeroed(dtype: Dtype, kahan_sum: bool, len: usize, data: *const u8) -> Result<Self> {
        let mut state = Self { kahan_sum, ..Self::none(dtype) };
        if len == 0 {
            return Ok(state);
        }
        let no_memory = || no_memory(dtype, len);
        let bytes = byte_size(dtype, len as u64).ok_or_else(no_memory)?;
        state.stride = stride(bytes).ok_or_else(no_memory)?;
        let layout = state.layout().ok_or_else(no_memory)?;
        // SAFETY: the layout is not of 0 bytes.
        state.allocation = unsafe { alloc_zeroed(layout) };
        if state.allocation.is_null() {
            return Err(no_memory());
        }
        state.offset = state.best_offset(data);
        advise_huge_pages(state.allocation, layout.size());
        Ok(state)
    }

    /// The same state in another dtype, rounded to nearest even; a compensation that was not there
    /// is 0. `len` and `data` are the parameter's.
    pub fn converted(
        &self,
        dtype: Dtype,
        kahan_sum: bool,
        len: usize,
        data: *const u8,
    ) -> Result<Self> {
        let new = Self::zeroed(dtype, kahan_sum, len, data)?;
        let convert = |from: *const u8, to: *mut u8| {
            // SAFETY: both have `len` elements of their dtype, and the new one is ours alone.
            unsafe { convert_array(self.dtype, from, dtype, to, len) }
        };
        if len > 0 {
            convert(self.exp_avg(), new.exp_avg());
            convert(self.exp_avg_sq(), new.exp_avg_sq());
            if self.kahan_sum && kahan_sum {
                convert(self.kahan_comp(), new.kahan_comp());
            }
        }
        Ok(new)
    }

    pub fn exp_avg(&self) -> *mut u8 {
        self.array(0)
    }

    pub fn exp_avg_sq(&self) -> *mut u8 {
        self.array(1)
    }

    /// Null without Kahan summation.
    pub fn kahan_comp(&self) -> *mut u8 {
        if self.kahan_sum { self.array(2) } else { ptr::null_mut() }
    }

    /// The array of this number; null where there are no elements.
    fn array(&self, number: usize) -> *mut u8 {
        self.allocation.wrapping_add(self.offset as usize + number * self.stride)
    }

    fn layout(&self) -> Option<Layout> {
        let arrays = if self.kahan_sum { 3 } else { 2 };
        let room_to_align = if self.stride >= LARGE { LINE - ALIGNMENT } else { 0 };
        let bytes = self.stride.checked_mul(arrays)?.checked_add(room_to_align)?;
        Layout::from_size_align(bytes, ALIGNMENT).ok()
    }

    /// Where in the allocation to begin: at a cache line, unless that is a little before or after
    /// the parameter's place in its page of memory, but not in the same place. Processors compare
    /// the lower 12 bits of addresses, and would take the loads of an array for what was just stored
    /// to the other.
    fn best_offset(&self, data: *const u8) -> u8 {
        if self.stride < LARGE {
            return 0;
        }
        const STORES_UNDER_WAY: usize = 256;
        let misaligned = self.allocation.addr() % LINE;
        let aligned = (LINE - misaligned) % LINE; // the layout has room for it
        let distance = |offset| data.addr().wrapping_sub(self.allocation.addr() + offset) % PAGE;
        let collides = (1..STORES_UNDER_WAY).contains(&distance(aligned))
            || distance(aligned) > PAGE - STORES_UNDER_WAY;
        let same_place = (0..LINE).step_by(ALIGNMENT).find(|offset| distance(*offset) == 0);
        match same_place {
            Some(offset) if collides => offset as u8,
            _ => aligned as u8,
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let (false, Some(layout)) = (self.allocation.is_null(), self.layout()) {
            // SAFETY: `zeroed` allocated it with this layout.
            unsafe { dealloc(self.allocation, layout) };
        }
    }
}

/// Bytes from one array of so many to the next.
fn stride(bytes: usize) -> Option<usize> {
    let stride = bytes.checked_next_multiple_of(ARRAY_ALIGNMENT)?;
    // Arrays whose distance is a multiple of a large power of two compete for the same banks of
    // memory: a page more, which is nothing beside them, keeps them apart.
    if stride.is_multiple_of(COMPETING) { stride.checked_add(PAGE) } else { Some(stride) }
}

/// Asks for large pages where there are many: without, a step over more memory than the processor
/// has addresses at hand spends its time on looking them up.
#[cfg(target_os = "linux")]
fn advise_huge_pages(allocation: *mut u8, bytes: usize) {
    const WORTH_IT: usize = 4 << 20;
    if bytes >= WORTH_IT {
        let start = allocation.wrapping_add(PAGE - 1).map_addr(|address| address & !(PAGE - 1));
        let whole_pages = (bytes - (start.addr() - allocation.addr())) & !(PAGE - 1);
        // SAFETY: the pages lie within the allocation. That the system may not do it is fine.
        unsafe { libc::madvise(start.cast(), whole_pages, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_: *mut u8, _: usize) {}

fn no_memory(dtype: Dtype, len: usize) -> Error {
    error!(
        OutOfMemory,
        "there is no memory for the optimizer state of {len} elements in {dtype}; nothing was changed"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(state: &State) -> [usize; 3] {
        [state.exp_avg(), state.exp_avg_sq(), state.kahan_comp()].map(|array| array.addr())
    }

    #[test]
    fn arrays_are_zero_apart_and_aligned() {
        for (dtype, size) in [(Dtype::F64, 8), (Dtype::F32, 4), (Dtype::F16, 2), (Dtype::Bf16, 2)] {
            for len in [1, 2, 3, 100, 511, 512, 513, 5000, 10_001] {
                for data in [0usize, 16, 32, 48, 64, 4096 - 16] {
                    let data = ptr::without_provenance(data);
                    let state = State::zeroed(dtype, true, len, data).unwrap();
                    let [exp_avg, exp_avg_sq, kahan_comp] = addresses(&state);
                    assert!(exp_avg + len * size <= exp_avg_sq);
                    assert!(exp_avg_sq + len * size <= kahan_comp);
                    let end = state.allocation.addr() + state.layout().unwrap().size();
                    assert!(kahan_comp + len * size <= end);
                    assert!(addresses(&state).iter().all(|address| address % 8 == 0));
                    // SAFETY: there are as many bytes.
                    let bytes = unsafe { std::slice::from_raw_parts(state.exp_avg(), len * size) };
                    assert!(bytes.iter().all(|byte| *byte == 0));
                }
            }
        }
    }

    #[test]
    fn without_elements_there_is_no_memory() {
        let state = State::zeroed(Dtype::F32, true, 0, ptr::null()).unwrap();
        assert_eq!(addresses(&state), [0; 3]);
    }

    /// Wherever the allocator put the state, it is a cache line away from the parameter's place in
    /// its page or more, or exactly there.
    #[test]
    fn a_large_state_keeps_out_of_its_parameters_way() {
        let state = State::zeroed(Dtype::F32, false, 1 << 16, ptr::null()).unwrap();
        for data in (0..4096).step_by(16) {
            let offset = state.best_offset(ptr::without_provenance(1 << 20 | data)) as usize;
            let place = (state.allocation.addr() + offset) % 4096;
            let reachable =
                (0..64).step_by(16).any(|o| (state.allocation.addr() + o) % 4096 == data);
            assert!(place.is_multiple_of(64) || place == data);
            if reachable {
                let distance = data.abs_diff(place);
                assert!(distance == 0 || (256..=4096 - 256).contains(&distance), "{data} {place}");
            }
        }
    }
}
