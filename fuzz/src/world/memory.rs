//! The blocks of memory behind the arrays: the caller's, and the library's for its state.

use crate::model::{Array, Contents, Dtype};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::{ptr, slice};

#[derive(Default)]
pub struct Memory {
    blocks: Vec<Block>,
    /// What should be there.
    pub contents: Contents,
}

struct Block {
    /// Where the first element is; null: not known, or not any more.
    start: *mut u8,
    dtype: Dtype,
    /// If it is the caller's: the allocation, which begins with GUARD bytes and some more, and ends with the last
    /// element, so that AddressSanitizer sees accesses behind it.
    allocation: Option<(*mut u8, Layout)>,
}

const GUARD: usize = 64;
const GUARD_BYTE: u8 = 0xa5;

impl Memory {
    /// An array of zeros of the caller's that begins so many elements behind a cache line.
    pub fn allocate(&mut self, dtype: Dtype, len: usize, offset: usize) -> Array {
        let size = dtype.size();
        let before = GUARD + offset * size;
        let layout = Layout::from_size_align(before + len * size, 64).unwrap();
        // SAFETY: the layout has bytes, all of which are written.
        let start = unsafe {
            let memory = alloc(layout);
            if memory.is_null() {
                handle_alloc_error(layout);
            }
            memory.write_bytes(GUARD_BYTE, before);
            memory.add(before).write_bytes(0, len * size);
            memory.add(before)
        };
        let allocation = Some((start.wrapping_sub(before), layout));
        self.add(Block { start, dtype, allocation }, len)
    }

    fn add(&mut self, block: Block, len: usize) -> Array {
        let dtype = block.dtype;
        self.blocks.push(block);
        add_library_block(&mut self.contents, dtype, len)
    }

    /// What the library has allocated since, `contents` of which were added to.
    pub fn know_library_blocks(&mut self, arrays: impl Iterator<Item = Array>) {
        while self.blocks.len() < self.contents.0.len() {
            self.blocks.push(Block { start: ptr::null_mut(), dtype: Dtype::F32, allocation: None });
        }
        for array in arrays {
            self.blocks[array.block].dtype = array.dtype;
        }
    }

    /// Blocks of the library's are where it says after each call.
    pub fn forget_library_blocks(&mut self) {
        let library = self.blocks.iter_mut().filter(|block| block.allocation.is_none());
        library.for_each(|block| block.start = ptr::null_mut());
    }

    /// Says where a block of the library's is.
    pub fn place(&mut self, array: Array, start: *mut u8) {
        self.blocks[array.block].start = start;
    }

    pub fn is_callers(&self, array: Array) -> bool {
        self.blocks[array.block].allocation.is_some()
    }

    pub fn pointer(&self, array: Option<Array>) -> *mut u8 {
        array.map_or(ptr::null_mut(), |array| {
            self.blocks[array.block].start.wrapping_add(array.first * array.dtype.size())
        })
    }

    /// Writes an element, in reality and in the model.
    pub fn write(&mut self, array: Array, index: usize, bits: u64) {
        self.contents.set_bits(array, index, bits);
        let size = array.dtype.size();
        let element = self.pointer(Some(array)).wrapping_add(index * size);
        // SAFETY: the element is there, and the library is not at work.
        unsafe { ptr::copy_nonoverlapping(bits.to_le_bytes().as_ptr(), element, size) };
    }

    /// Takes what is in an array as right, if it is the caller's.
    pub fn adopt(&mut self, array: Array) {
        if self.is_callers(array) {
            let bytes = self.contents.bytes_mut(array);
            let block = &self.blocks[array.block];
            let start = block.start.wrapping_add(array.first * array.dtype.size());
            // SAFETY: both have so many bytes, and the library is not at work.
            unsafe { ptr::copy_nonoverlapping(start, bytes.as_mut_ptr(), bytes.len()) };
        }
    }

    /// Compares every byte with the model. Where steps are open, an element may already be what it will be `after`
    /// one of them. What NaNs are made of does not matter.
    pub fn compare(&mut self, after: &[&Contents]) -> Result<(), String> {
        for (number, block) in self.blocks.iter().enumerate() {
            if block.start.is_null() {
                continue;
            }
            let model = &mut self.contents.0[number];
            // SAFETY: the block has as many bytes as the model says, and the library is not at work.
            let real = unsafe { slice::from_raw_parts(block.start, model.len()) };
            if real != &model[..] {
                let others: Vec<_> = after.iter().filter_map(|after| after.0.get(number)).collect();
                compare_elements(block.dtype, real, model, &others)
                    .map_err(|difference| format!("block {number}: {difference}"))?;
            }
            block.check_guard().map_err(|problem| format!("block {number}: {problem}"))?;
        }
        Ok(())
    }
}

/// A new array in the model.
pub fn add_library_block(contents: &mut Contents, dtype: Dtype, len: usize) -> Array {
    contents.0.push(vec![0; len * dtype.size()]);
    Array { block: contents.0.len() - 1, first: 0, len, dtype }
}

fn compare_elements(
    dtype: Dtype,
    real: &[u8],
    model: &mut [u8],
    others: &[&Vec<u8>],
) -> Result<(), String> {
    let size = dtype.size();
    let bits = |bytes: &[u8]| bytes.iter().rev().fold(0, |bits, b| bits << 8 | u64::from(*b));
    for index in 0..real.len() / size {
        let range = index * size..(index + 1) * size;
        let (found, expected) = (bits(&real[range.clone()]), bits(&model[range.clone()]));
        let same = |one: u64, other: u64| one == other || dtype.is_nan(one) && dtype.is_nan(other);
        if same(found, expected) {
            model[range.clone()].copy_from_slice(&real[range]);
        } else if !others.iter().any(|other| same(found, bits(&other[range.clone()]))) {
            let [there, here] = [found, expected].map(|bits| dtype.decode(bits));
            return Err(format!(
                "element {index} of {dtype:?} is {there:e} ({found:#x}); the model has {here:e} ({expected:#x})"
            ));
        }
    }
    Ok(())
}

impl Block {
    fn check_guard(&self) -> Result<(), String> {
        let Some((memory, _)) = self.allocation else { return Ok(()) };
        let len = self.start.addr() - memory.addr();
        // SAFETY: the allocation begins with so many bytes, which nobody should write.
        let guard = unsafe { slice::from_raw_parts(memory, len) };
        match guard.iter().all(|byte| *byte == GUARD_BYTE) {
            true => Ok(()),
            false => Err("bytes before the array were written".to_owned()),
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for (memory, layout) in self.blocks.iter().filter_map(|block| block.allocation) {
            // SAFETY: it was allocated with this layout, and nobody uses it any more.
            unsafe { dealloc(memory, layout) };
        }
    }
}
