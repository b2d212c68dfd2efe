//! The state of one parameter: `exp_avg`, `exp_avg_sq`; with Kahan summation or master remainders, what compensates for the
//! rounding of the parameter; and the words of the blocks of 8-bit state.
//!
//! This is the only place that knows how state lies in memory: in one allocation of the library's, or in arrays that the
//! caller brought. `memory.rs` knows in which memory.

use super::arrays::{CallerArray, ElementType, Given, StateArray};
use super::memory::Home;
use super::placement::{ARRAY_ALIGNMENT, advise_huge_pages, best_offset, layout, stride};
use super::state_kind::{Compensation, StateKind};
use crate::error::{Result, ensure, error};
use crate::kernel::q8::{Codes, Moments};
use crate::kernel::{Dtype, InstructionSet};
use crate::system::try_box;
use std::alloc::Layout;
use std::ptr;

/// An array of a state, as checkpoints name it.
#[derive(Clone, Copy)]
pub(crate) struct NamedArray {
    pub array: StateArray,
    pub name: &'static str,
    pub element: ElementType,
    pub bytes: usize,
}

#[derive(Debug)]
pub(crate) struct State {
    pub kind: StateKind,
    /// Of the first array in the allocation.
    offset: u8,
    /// Elements of the parameter.
    len: usize,
    /// Bytes from the start of one array in the allocation to the start of the next; 0 without elements.
    stride: usize,
    /// Null if the caller brought all arrays, or there are no elements.
    allocation: *mut u8,
    given: Option<Box<Given>>,
    /// Where the allocation is.
    home: Home,
}

// SAFETY: the allocation is owned, and callers' arrays are `CallerArray`s. The allocator may be called on any
// thread.
unsafe impl Send for State {}
// SAFETY: shared references hand out addresses; `read`, `write` and `reset` are for exclusive calls.
unsafe impl Sync for State {}

impl State {
    /// The state of a parameter of `len` elements, with no memory but what the caller brought.
    pub fn new(kind: StateKind, len: usize, given: Given) -> Result<Self> {
        Ok(Self {
            kind,
            offset: 0,
            len,
            stride: 0,
            allocation: ptr::null_mut(),
            given: if given.is_nothing() { None } else { Some(try_box(given)?) },
            home: Home::PROGRAM,
        })
    }

    /// Allocates the arrays that the caller did not bring, as zeros. `data` is where the parameter's elements are.
    pub fn allocate(&mut self, data: *const u8, home: Home) -> Result<()> {
        debug_assert!(self.allocation.is_null());
        self.home = home;
        if self.len == 0 {
            return Ok(());
        }
        let (dtype, len) = (self.kind.moments(), self.len);
        let no_memory = || {
            error!(
                OutOfMemory,
                "there is no memory for the optimizer state of {len} elements in {dtype}; nothing was changed"
            )
        };
        let bytes = self.bytes(StateArray::ExpAvg);
        self.stride = stride(bytes).ok_or_else(no_memory)?;
        let Some(layout) = self.layout().ok_or_else(no_memory)? else {
            return Ok(());
        };
        let allocated = home.allocate_zeroed(layout);
        self.allocation =
            allocated.map_err(|error| if home.is_program() { no_memory() } else { error })?;
        if home.is_host() {
            self.offset = best_offset(self.allocation, self.stride, data);
        }
        if home.is_program() {
            advise_huge_pages(self.allocation, layout.size());
        }
        Ok(())
    }

    /// A copy of the state as another kind, rounded to nearest even; `eps` is what its moments were made with. A
    /// compensation that was not there is 0. Arrays of the caller's stay in use, so what is in them cannot change.
    pub fn converted(
        &self,
        kind: StateKind,
        eps: f64,
        data: *const u8,
        instruction_set: InstructionSet,
    ) -> Result<Self> {
        let (before, keeps_compensation) = (self.kind, self.kind.compensation == kind.compensation);
        let mut given = self.given();
        if !keeps_compensation {
            given.state[StateArray::Compensation as usize] = CallerArray::NONE;
        }
        ensure!(
            (before.dtype, before.q8) == (kind.dtype, kind.q8)
                || given.state.iter().all(|array| array.is_none()),
            InvalidState,
            "state_dtype cannot change from {} to {}, because the caller keeps the state of a parameter \
             of the group in arrays of its own",
            before.moments(),
            kind.moments()
        );
        let mut new = Self::new(kind, self.len, given)?;
        new.allocate(data, self.home)?;
        for array in new.arrays_in_use() {
            let is_kept = match array {
                StateArray::Compensation => keeps_compensation,
                _ => before.q8 == kind.q8,
            };
            if is_kept {
                self.copy_array(&new, array, instruction_set)?;
            }
        }
        // SAFETY: the arrays have `len` elements; the new ones are not known to anyone yet, and nobody writes the old ones
        // during an exclusive call. Whole parameters and shards of 8-bit state begin with a block.
        unsafe {
            match (before.q8, kind.q8) {
                (false, true) => self.home.encode(self.moments(), new.codes(), eps, self.len)?,
                (true, false) => self.home.decode(self.codes(), new.moments(), eps, self.len)?,
                _ => {}
            }
        }
        Ok(new)
    }

    /// Copies an array of the same kind, though perhaps of another dtype.
    fn copy_array(
        &self,
        new: &Self,
        array: StateArray,
        instruction_set: InstructionSet,
    ) -> Result<()> {
        let (from, to) = (self.array(array), new.array(array));
        if from == to {
            return Ok(()); // an array of the caller's
        }
        // SAFETY: both arrays have `len` elements of their types; the new one is not known to anyone yet, and nobody writes
        // the old one during an exclusive call.
        unsafe {
            match (self.kind.element_of(array), new.kind.element_of(array)) {
                (ElementType::Float(before), ElementType::Float(dtype)) => {
                    self.home.convert(instruction_set, (before, from), (dtype, to), self.len)
                }
                _ => self.home.copy(from, to, self.bytes(array)),
            }
        }
    }

    fn moments(&self) -> Moments {
        let [exp_avg, exp_avg_sq, _] = self.arrays();
        Moments { dtype: self.kind.dtype, exp_avg, exp_avg_sq }
    }

    fn codes(&self) -> Codes {
        let [exp_avg, exp_avg_sq, _] = self.arrays();
        let state_scale = self.state_scale();
        Codes { exp_avg: exp_avg.cast(), exp_avg_sq, state_scale }
    }

    /// Sets all arrays to zeros, as before the first step.
    pub fn reset(&self) -> Result<()> {
        self.arrays_in_use().try_for_each(|array| {
            // SAFETY: the array has so many bytes, and nobody else uses them during an exclusive call.
            unsafe { self.home.zero(self.array(array), self.bytes(array)) }
        })
    }

    /// Elements of the parameter.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn given(&self) -> Given {
        self.given.as_deref().copied().unwrap_or(Given::NOTHING)
    }

    /// The first element and the length of the whole tensor, if the parameter is a slice of one.
    pub fn slice(&self) -> Option<(u64, u64)> {
        self.given.as_ref()?.slice
    }

    /// Where the parameter is copied to, if the caller wants a copy.
    pub fn copy(&self) -> Option<(*mut u8, Dtype)> {
        let given = self.given.as_ref().filter(|given| !given.copy.is_none())?;
        Some((given.copy.pointer(), given.copy_dtype))
    }

    /// Bytes of an array.
    pub fn bytes(&self, array: StateArray) -> usize {
        let len = self.kind.len_of(array, self.len as u64) as usize;
        len * self.kind.element_of(array).size()
    }

    /// `exp_avg`, `exp_avg_sq`, and `kahan_comp` or `master_remainder`; the third is anything if there is neither.
    pub fn arrays(&self) -> [*mut u8; 3] {
        if self.given.is_some() {
            let arrays = [StateArray::ExpAvg, StateArray::ExpAvgSq, StateArray::Compensation];
            return arrays.map(|array| self.array(array));
        }
        // The hot path: every small tensor of every step comes here.
        let first = self.allocation.wrapping_add(self.offset as usize);
        let second = first.wrapping_add(self.stride);
        [first, second, second.wrapping_add(self.stride)]
    }

    pub fn exp_avg(&self) -> *mut u8 {
        self.array(StateArray::ExpAvg)
    }

    pub fn exp_avg_sq(&self) -> *mut u8 {
        self.array(StateArray::ExpAvgSq)
    }

    /// Null without Kahan summation.
    pub fn kahan_comp(&self) -> *mut u8 {
        self.compensation(Compensation::Kahan)
    }

    /// Null without master remainders.
    pub fn master_remainder(&self) -> *mut i16 {
        self.compensation(Compensation::Remainder).cast()
    }

    /// Null without 8-bit state.
    pub fn state_scale(&self) -> *mut u32 {
        if self.kind.q8 { self.array(StateArray::Scale).cast() } else { ptr::null_mut() }
    }

    fn compensation(&self, kind: Compensation) -> *mut u8 {
        if self.kind.compensation == kind {
            self.array(StateArray::Compensation)
        } else {
            ptr::null_mut()
        }
    }

    /// The arrays that the state has, in a fixed order.
    fn arrays_in_use(&self) -> impl Iterator<Item = StateArray> {
        StateArray::ALL.into_iter().filter(|array| self.len > 0 && self.kind.has(*array))
    }

    /// The same as checkpoints have them.
    pub fn named_arrays(&self) -> impl Iterator<Item = NamedArray> {
        self.arrays_in_use().map(|array| NamedArray {
            array,
            name: self.kind.name_of(array),
            element: self.kind.element_of(array),
            bytes: self.bytes(array),
        })
    }

    /// Copies elements out of an array, from the byte `offset` on, and into little-endian order. Checkpoints access
    /// state only by this and `write`, so they need not know in which memory it lives. For exclusive calls.
    pub fn read(&self, array: StateArray, offset: usize, into: &mut [u8]) -> Result<()> {
        let from = self.place(array, offset, into.len());
        // SAFETY: `place` has checked that the array has these bytes, which nobody writes during an exclusive call.
        unsafe { self.home.read(from, into, self.kind.element_of(array).size()) }
    }

    /// Overwrites elements of an array, from the byte `offset` on, with little-endian ones. For exclusive calls. Only a
    /// device can fail.
    pub fn write(&self, array: StateArray, offset: usize, from: &[u8]) -> Result<()> {
        let to = self.place(array, offset, from.len());
        // SAFETY: as in `read`, and nobody reads them either.
        unsafe { self.home.write(to, from, self.kind.element_of(array).size()) }
    }

    fn place(&self, array: StateArray, offset: usize, len: usize) -> *mut u8 {
        assert!(self.arrays_in_use().any(|known| known == array));
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.bytes(array)));
        self.array(array).wrapping_add(offset)
    }

    /// Where an array starts; null without elements.
    fn array(&self, array: StateArray) -> *mut u8 {
        let given = self.given().state[array as usize];
        if self.len == 0 {
            return ptr::null_mut();
        }
        if !given.is_none() {
            return given.pointer();
        }
        let before = self.allocated_arrays().take_while(|other| *other != array);
        let bytes: usize = before.map(|array| self.room(array)).sum();
        self.allocation.wrapping_add(self.offset as usize + bytes)
    }

    /// The arrays in the allocation.
    fn allocated_arrays(&self) -> impl Iterator<Item = StateArray> {
        let given = self.given().state;
        self.arrays_in_use().filter(move |array| given[*array as usize].is_none())
    }

    /// Bytes of the allocation that an array takes.
    fn room(&self, array: StateArray) -> usize {
        let bytes = self.bytes(array);
        if bytes == self.bytes(StateArray::ExpAvg) {
            self.stride
        } else {
            bytes.next_multiple_of(ARRAY_ALIGNMENT)
        }
    }

    /// The layout of the allocation, or nothing if none is needed. `None` if it would be too large.
    fn layout(&self) -> Option<Option<Layout>> {
        let mut rooms = self.allocated_arrays().map(|array| self.room(array));
        let bytes = rooms.try_fold(0usize, |bytes, room| bytes.checked_add(room))?;
        if bytes == 0 { Some(None) } else { layout(bytes, self.stride).map(Some) }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let (false, Some(Some(layout))) = (self.allocation.is_null(), self.layout()) {
            // SAFETY: `allocate` got it from the same allocator with this layout, which depends on nothing that
            // has changed since.
            unsafe { self.home.release(self.allocation, layout) };
        }
    }
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
                    let kind = StateKind { dtype, q8: false, compensation: Compensation::Kahan };
                    let mut state = State::new(kind, len, Given::NOTHING).unwrap();
                    state.allocate(data, Home::PROGRAM).unwrap();
                    let [exp_avg, exp_avg_sq, kahan_comp] = addresses(&state);
                    assert!(exp_avg + len * size <= exp_avg_sq);
                    assert!(exp_avg_sq + len * size <= kahan_comp);
                    let end = state.allocation.addr() + state.layout().unwrap().unwrap().size();
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
        let kind = StateKind { dtype: Dtype::F32, q8: false, compensation: Compensation::Kahan };
        let mut state = State::new(kind, 0, Given::NOTHING).unwrap();
        state.allocate(ptr::null(), Home::PROGRAM).unwrap();
        assert_eq!(addresses(&state), [0; 3]);
    }
}
