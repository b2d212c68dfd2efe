//! WebAssembly without a system (wasm32-unknown-unknown): no clock, no processes, no errno. Threads and files are those
//! of std, which refuses them.
//!
//! Programs outside of the module see its memory, but have no place of their own in it: here they get some.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr;
use std::time::Instant;

pub(crate) fn now() -> Option<Instant> {
    None
}

pub(super) fn process_id() -> u32 {
    0
}

pub(crate) fn keeping_errno<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// What a vector register is aligned to, and with it every dtype and struct.
const ALIGNMENT: usize = 16;

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes.max(1), ALIGNMENT).ok()
}

/// Allocates so many bytes, which may be none; NULL if there is no memory. May grow the memory.
#[unsafe(no_mangle)]
extern "C" fn radam_wasm_alloc(bytes: usize) -> *mut u8 {
    // SAFETY: the layout has at least one byte.
    layout(bytes).map_or(ptr::null_mut(), |layout| unsafe { alloc(layout) })
}

/// Frees memory.
///
/// # Safety
/// `radam_wasm_alloc` returned `memory` for this number of bytes, it was not freed since, and nothing uses it.
#[unsafe(no_mangle)]
unsafe extern "C" fn radam_wasm_free(memory: *mut u8, bytes: usize) {
    if let Some(layout) = layout(bytes) {
        // SAFETY: the caller promises it, and the layout is the same for the same number of bytes.
        unsafe { dealloc(memory, layout) };
    }
}
