//! What the optimizer keeps of one parameter: `exp_avg`, `exp_avg_sq` and, with Kahan summation or as
//! masters, what compensates for the rounding of the parameter. What the caller does not bring of it
//! is in one allocation.

use super::arrays::{CallerArray, Given, StateArray};
use crate::error::{Error, Result, ensure, error};
use crate::kernel::Dtype;
use crate::kernel::{InstructionSet, convert_array};
use crate::system::{Allocator, allocate_zeroed, release, try_box};
use std::alloc::Layout;
use std::ptr;

/// What is kept of the rounding of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compensation {
    None,
    /// What rounding has lost so far, in the dtype of the state.
    Kahan,
    /// The lower half of the f32 whose upper half the parameter is, as a signed 16-bit number.
    Remainder,
}

/// What a state is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateKind {
    pub dtype: Dtype,
    pub compensation: Compensation,
}

/// An array of a state, as checkpoints see it.
#[derive(Clone, Copy)]
pub(crate) struct NamedArray {
    /// For `State::read` and `State::write`.
    pub number: usize,
    pub name: &'static str,
    /// `None`: signed 16-bit numbers.
    pub dtype: Option<Dtype>,
    pub bytes: usize,
}

#[derive(Debug)]
pub(crate) struct State {
    pub kind: StateKind,
    /// Where the arrays begin in the allocation.
    offset: u8,
    /// Of the parameter.
    len: usize,
    /// Bytes from the beginning of one array to that of the next. 0 where there are no elements.
    stride: usize,
    /// Owned; null where nothing needs to be.
    allocation: *mut u8,
    given: Option<Box<Given>>,
    /// The optimizer's, which outlives its parameters; null: the program's.
    allocator: *const Allocator,
}

// SAFETY: the state owns its memory, or has it from the caller, who promises the same as of the
// parameter. The allocator may be called on any thread.
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
    /// Of a parameter of `len` elements, with no memory but what is given.
    pub fn new(kind: StateKind, len: usize, given: Given) -> Result<Self> {
        Ok(Self {
            kind,
            offset: 0,
            len,
            stride: 0,
            allocation: ptr::null_mut(),
            given: if given.is_nothing() { None } else { Some(try_box(given)?) },
            allocator: ptr::null(),
        })
    }

    /// Allocates what was not given, as it is before the first step. `data` is where the parameter is.
    pub fn allocate(&mut self, data: *const u8, allocator: Option<&Allocator>) -> Result<()> {
        debug_assert!(self.allocation.is_null());
        if self.len == 0 {
            return Ok(());
        }
        let (dtype, len) = (self.kind.dtype, self.len);
        let no_memory = || no_memory(dtype, len);
        let bytes = dtype.byte_size(len as u64).ok_or_else(no_memory)?;
        self.stride = stride(bytes).ok_or_else(no_memory)?;
        self.allocator = allocator.map_or(ptr::null(), ptr::from_ref);
        let Some(layout) = self.layout().ok_or_else(no_memory)? else {
            return Ok(());
        };
        self.allocation = allocate_zeroed(allocator, layout).map_err(|error| match allocator {
            None => no_memory(),
            Some(_) => error,
        })?;
        self.offset = self.best_offset(data);
        if allocator.is_none() {
            advise_huge_pages(self.allocation, layout.size());
        }
        Ok(())
    }

    /// The same state as another kind, rounded to nearest even; a compensation that was not there is
    /// 0. `data` is the parameter's. What the caller gave stays in use, and so cannot change its dtype.
    pub fn converted(
        &self,
        kind: StateKind,
        data: *const u8,
        instruction_set: InstructionSet,
    ) -> Result<Self> {
        let mut given = self.given();
        if self.kind.compensation != kind.compensation {
            given.state[StateArray::Compensation as usize] = CallerArray::NONE;
        }
        ensure!(
            self.kind.dtype == kind.dtype || given.state.iter().all(|array| array.is_none()),
            InvalidState,
            "state_dtype cannot change from {} to {}, because the caller keeps the state of a parameter \
             of the group in arrays of its own",
            self.kind.dtype,
            kind.dtype
        );
        let mut new = Self::new(kind, self.len, given)?;
        new.allocate(data, self.allocator())?;
        for number in 0..new.count() {
            let (from, to) = (self.array(number), new.array(number));
            if number == 2 && self.kind.compensation != kind.compensation || from == to {
                continue;
            }
            let dtypes = if number == 2 && kind.compensation == Compensation::Remainder {
                (Dtype::Bf16, Dtype::Bf16) // as bits
            } else {
                (self.kind.dtype, kind.dtype)
            };
            // SAFETY: both have `len` elements of their dtype, and the new one is ours alone.
            unsafe { convert_array(instruction_set, dtypes.0, from, dtypes.1, to, self.len) };
        }
        Ok(new)
    }

    /// Makes the state what it was before the first step.
    pub fn reset(&self) {
        for number in 0..self.count() {
            // SAFETY: the array is as long, and ours or promised by the caller.
            unsafe { self.array(number).write_bytes(0, self.bytes(number)) };
        }
    }

    /// Of the parameter.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn given(&self) -> Given {
        self.given.as_deref().copied().unwrap_or(Given::NOTHING)
    }

    /// Which part of a larger tensor the parameter is, if it is one: from which element on, and of how many.
    pub fn slice(&self) -> Option<(u64, u64)> {
        self.given.as_ref()?.slice
    }

    /// Where to copy the parameter to, if the caller wants that.
    pub fn copy(&self) -> Option<(*mut u8, Dtype)> {
        let given = self.given.as_ref().filter(|given| !given.copy.is_none())?;
        Some((given.copy.pointer(), given.copy_dtype))
    }

    /// Bytes of an element of an array.
    pub fn element_size(&self, array: StateArray) -> usize {
        let is_remainder =
            array == StateArray::Compensation && self.kind.compensation == Compensation::Remainder;
        if is_remainder { size_of::<i16>() } else { self.kind.dtype.size() }
    }

    fn allocator(&self) -> Option<&Allocator> {
        // SAFETY: the optimizer keeps it for as long as it has parameters.
        unsafe { self.allocator.as_ref() }
    }

    /// `exp_avg`, `exp_avg_sq` and `kahan_comp`, null without Kahan summation.
    pub fn arrays(&self) -> [*mut u8; 3] {
        if self.given.is_some() {
            return [self.exp_avg(), self.exp_avg_sq(), self.kahan_comp()];
        }
        // Every small tensor of every step comes here.
        let first = self.allocation.wrapping_add(self.offset as usize);
        let second = first.wrapping_add(self.stride);
        let kahan_sum = self.kind.compensation == Compensation::Kahan;
        [first, second, if kahan_sum { second.wrapping_add(self.stride) } else { ptr::null_mut() }]
    }

    pub fn exp_avg(&self) -> *mut u8 {
        self.array(0)
    }

    pub fn exp_avg_sq(&self) -> *mut u8 {
        self.array(1)
    }

    /// Null without Kahan summation.
    pub fn kahan_comp(&self) -> *mut u8 {
        self.compensation(Compensation::Kahan)
    }

    /// Null without masters.
    pub fn master_remainder(&self) -> *mut i16 {
        self.compensation(Compensation::Remainder).cast()
    }

    fn compensation(&self, kind: Compensation) -> *mut u8 {
        if self.kind.compensation == kind { self.array(2) } else { ptr::null_mut() }
    }

    /// All arrays, in a fixed order.
    pub fn named_arrays(&self) -> impl Iterator<Item = NamedArray> {
        (0..self.count()).map(|number| {
            let remainder = number == 2 && self.kind.compensation == Compensation::Remainder;
            let name = match number {
                0 => "exp_avg",
                1 => "exp_avg_sq",
                _ if remainder => "master_remainder",
                _ => "kahan_comp",
            };
            NamedArray {
                number,
                name,
                dtype: (!remainder).then_some(self.kind.dtype),
                bytes: self.bytes(number),
            }
        })
    }

    /// Copies bytes of an array, from this one on. Checkpoints see state only through this and `write`, so
    /// that they need not know in which memory it is.
    pub fn read(&self, array: usize, offset: usize, into: &mut [u8]) -> Result<()> {
        let from = self.place(array, offset, into.len());
        // SAFETY: `place` has checked that the array has these bytes; they are ours, or the caller's, who has
        // promised that they are valid and that nobody writes them during a call.
        unsafe { ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len()) };
        Ok(())
    }

    /// Replaces bytes of an array, from this one on.
    pub fn write(&self, array: usize, offset: usize, from: &[u8]) -> Result<()> {
        let to = self.place(array, offset, from.len());
        // SAFETY: as in `read`, and the caller has promised that nobody else uses them during a call.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
        Ok(())
    }

    /// Where so many bytes of an array are.
    fn place(&self, array: usize, offset: usize, len: usize) -> *mut u8 {
        assert!(array < self.count());
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.bytes(array)));
        self.array(array).wrapping_add(offset)
    }

    /// How many arrays there are.
    pub fn count(&self) -> usize {
        match self.kind.compensation {
            _ if self.len == 0 => 0,
            Compensation::None => 2,
            Compensation::Kahan | Compensation::Remainder => 3,
        }
    }

    /// The array of this number; null where there are no elements.
    fn array(&self, number: usize) -> *mut u8 {
        let mut before = number;
        if let Some(given) = &self.given {
            if self.len == 0 {
                return ptr::null_mut();
            }
            if !given.state[number].is_none() {
                return given.state[number].pointer();
            }
            before = given.state[..number].iter().filter(|array| array.is_none()).count();
        }
        self.allocation.wrapping_add(self.offset as usize + before * self.stride)
    }

    /// The size of the array of this number.
    fn bytes(&self, number: usize) -> usize {
        let remainder = number == 2 && self.kind.compensation == Compensation::Remainder;
        self.len * if remainder { size_of::<i16>() } else { self.kind.dtype.size() }
    }

    /// Of what has to be allocated: nothing, if the caller gave it all. `None` where that is too much.
    fn layout(&self) -> Option<Option<Layout>> {
        let given = self.given();
        let mut bytes = 0usize;
        for number in (0..self.count()).filter(|number| given.state[*number].is_none()) {
            let last = number == 2 && self.kind.compensation == Compensation::Remainder;
            bytes = bytes.checked_add(if last { self.bytes(number) } else { self.stride })?;
        }
        if bytes == 0 {
            return Some(None);
        }
        let room_to_align = if self.stride >= LARGE { LINE - ALIGNMENT } else { 0 };
        let bytes = bytes.checked_add(room_to_align)?;
        Some(Some(Layout::from_size_align(bytes, ALIGNMENT).ok()?))
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
        if let (false, Some(Some(layout))) = (self.allocation.is_null(), self.layout()) {
            // SAFETY: `new` allocated it with this layout.
            unsafe { release(self.allocator(), self.allocation, layout) };
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
                    let kind = StateKind { dtype, compensation: Compensation::Kahan };
                    let mut state = State::new(kind, len, Given::NOTHING).unwrap();
                    state.allocate(data, None).unwrap();
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
        let kind = StateKind { dtype: Dtype::F32, compensation: Compensation::Kahan };
        let mut state = State::new(kind, 0, Given::NOTHING).unwrap();
        state.allocate(ptr::null(), None).unwrap();
        assert_eq!(addresses(&state), [0; 3]);
    }

    /// Wherever the allocator put the state, it is a cache line away from the parameter's place in
    /// its page or more, or exactly there.
    #[test]
    fn a_large_state_keeps_out_of_its_parameters_way() {
        let kind = StateKind { dtype: Dtype::F32, compensation: Compensation::None };
        let mut state = State::new(kind, 1 << 16, Given::NOTHING).unwrap();
        state.allocate(ptr::null(), None).unwrap();
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
