//! Steps tensors by a loop for another layout: block by block, the arrays that differ are converted to what the
//! loop takes, and back afterwards. A staged block stays in the first-level cache.

use super::convert::convert_array;
use super::detect::InstructionSet;
use super::dispatch;
use super::dtype::Dtype;
use super::masters::{join, split};
use super::step_loop::StepLoop;
use super::stochastic::round_at_random;
use super::sums::{sum_of_squared_differences, sum_of_squares};
use super::tensor_view::{Layout, Rounding, TensorView};
use crate::math::{Rule, Step, q8};
use std::mem::MaybeUninit;

/// Steps tensors of one layout.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    instruction_set: InstructionSet,
    layout: Layout,
    step_loop: StepLoop,
    of_loop: Layout,
    /// Whether there is anything to stage.
    staged: bool,
}

/// Scratch space for the staged arrays of a block.
#[repr(C, align(64))]
struct Room([u8; 8 * 1024]);

/// The length of a staged block is a multiple of this, except at the end of a tensor, so that no block of 8-bit state is
/// cut.
const BLOCKS_OF: usize = q8::BLOCK;

/// Elements per block of [`Kernel::run_and_measure`]. The last bit of the sums depends on it.
const MEASURED: usize = 1024;

impl Kernel {
    /// `clips` is whether the steps do.
    pub fn new(instruction_set: InstructionSet, layout: Layout, clips: bool) -> Self {
        let (step_loop, of_loop) = dispatch::choose(instruction_set, layout, clips);
        Self { instruction_set, layout, step_loop, of_loop, staged: of_loop != layout }
    }

    /// Makes one step of all elements.
    ///
    /// # Safety
    /// The view is valid for the kernel's layout.
    pub unsafe fn run(&self, step: &Step, view: &TensorView) {
        // SAFETY: where nothing is staged, the loop is for the same layout.
        unsafe {
            if self.staged {
                self.run_staged(step, view);
            } else {
                (self.step_loop)(step, view, self.of_loop);
            }
        }
    }

    /// As `run`, and returns the sums of the squares of the updates and of the new parameters.
    ///
    /// # Safety
    /// As for `run`.
    #[inline(never)] // keeps its buffer off the stack of other steps
    pub unsafe fn run_and_measure(&self, step: &Step, view: &TensorView) -> (f64, f64) {
        let mut before = [0f64; MEASURED]; // room for as many elements of any dtype
        let before = before.as_mut_ptr().cast::<u8>();
        let (set, dtype) = (self.instruction_set, self.layout.param);
        let (mut updates, mut params) = (0.0, 0.0);
        for start in (0..view.len).step_by(MEASURED) {
            let len = MEASURED.min(view.len - start);
            let block = view.part(start, len, self.layout);
            // SAFETY: a part of a valid view is valid, and the buffer has room for its parameters.
            unsafe {
                before.copy_from_nonoverlapping(block.param, len * dtype.size());
                self.run(step, &block);
                updates += sum_of_squared_differences(set, dtype, block.param, before, len);
                params += sum_of_squares(set, dtype, block.param, len);
            }
        }
        (updates, params)
    }

    /// # Safety
    /// As for `run`.
    #[inline(never)] // keeps the scratch space off the stack of other steps
    unsafe fn run_staged(&self, step: &Step, view: &TensorView) {
        let mut room = MaybeUninit::<Room>::uninit(); // zeroing it would cost more than a small step
        let longest = self.elements_of_block();
        let mut start = 0;
        while start < view.len {
            let first = view.first + start as u64;
            // The keys of random numbers change at multiples of 2^32.
            let same_keys = (1 << 32) - (first as u32 as u64);
            let len = longest.min(view.len - start).min(same_keys.try_into().unwrap_or(longest));
            // SAFETY: a part of a valid view is valid, and the block fits into the scratch space.
            unsafe { self.run_block(step, &view.part(start, len, self.layout), room.as_mut_ptr()) };
            start += len;
        }
    }

    /// How many elements of each staged array fit into the scratch space.
    fn elements_of_block(&self) -> usize {
        let Self { layout, of_loop, .. } = self;
        let bytes = |from: Dtype, to: Dtype| if from == to { 0 } else { to.size() };
        let state_arrays = if layout.q8 { 1 } else { 3 };
        let of_element = bytes(layout.param, of_loop.param)
            + bytes(layout.grad, of_loop.grad)
            + state_arrays * bytes(layout.state, of_loop.state);
        size_of::<Room>() / of_element.max(size_of::<f64>()) / BLOCKS_OF * BLOCKS_OF
    }

    /// # Safety
    /// As for `run`, of a view of up to `elements_of_block` elements; and nothing else uses `room`.
    unsafe fn run_block(&self, step: &Step, block: &TensorView, room: *mut Room) {
        let Self { instruction_set: set, layout, of_loop, .. } = *self;
        let TensorView { len, first, noise, master_remainder, .. } = *block;
        // What the loop leaves to do.
        let rounding =
            if layout.rounding == of_loop.rounding { Rounding::Nearest } else { layout.rounding };
        let mut stage = Stage { set, len, room: room.cast() };
        // SAFETY: the arrays of a valid view have `len` elements, and the staged ones fit into the scratch
        // space. Where the rounding is not to nearest, the parameter is bf16 and staged as f32.
        unsafe {
            let param = match rounding {
                Rounding::Remainder => {
                    let masters = stage.take(Dtype::F32);
                    join(set, block.param.cast(), master_remainder, masters.cast(), len);
                    masters
                }
                _ => stage.bring(block.param, layout.param, of_loop.param),
            };
            let mut staged = TensorView {
                param,
                grad: stage.bring(block.grad.cast_mut(), layout.grad, of_loop.grad),
                kahan_comp: stage.bring(block.kahan_comp, layout.state, of_loop.state),
                ..*block
            };
            if !layout.q8 {
                staged.exp_avg = stage.bring(block.exp_avg, layout.state, of_loop.state);
                staged.exp_avg_sq = stage.bring(block.exp_avg_sq, layout.state, of_loop.state);
            }
            (self.step_loop)(step, &staged, of_loop);
            stage.bring_back(staged.exp_avg, of_loop.state, block.exp_avg, layout.state);
            stage.bring_back(staged.exp_avg_sq, of_loop.state, block.exp_avg_sq, layout.state);
            if step.rule == Rule::Accumulate {
                return;
            }
            stage.bring_back(staged.kahan_comp, of_loop.state, block.kahan_comp, layout.state);
            match rounding {
                Rounding::Nearest => {
                    stage.bring_back(param, of_loop.param, block.param, layout.param);
                }
                Rounding::Remainder => {
                    split(set, param.cast(), block.param.cast(), master_remainder, len);
                }
                Rounding::Stochastic => {
                    let keys = noise.keys((first >> 32) as u32);
                    round_at_random(set, param.cast(), block.param.cast(), keys, first as u32, len);
                }
            }
            if let (Some(copy), None) = (layout.copy, of_loop.copy) {
                convert_array(set, layout.param, block.param, copy, block.copy, len);
            }
        }
    }
}

/// Converts the arrays of a block for the loop, and back.
struct Stage {
    set: InstructionSet,
    len: usize,
    /// The scratch space that is still free.
    room: *mut u8,
}

impl Stage {
    /// Scratch space for an array. All staged arrays of a loop have the same dtype, so each is aligned.
    fn take(&mut self, dtype: Dtype) -> *mut u8 {
        let array = self.room;
        self.room = array.wrapping_add(self.len * dtype.size());
        array
    }

    /// The array converted to another dtype; or the array itself, if it has that dtype already or is null.
    ///
    /// # Safety
    /// The array has `len` elements or is null, and as many of the other dtype fit into the free space.
    unsafe fn bring(&mut self, array: *mut u8, from: Dtype, to: Dtype) -> *mut u8 {
        if from == to || array.is_null() {
            return array;
        }
        let staged = self.take(to);
        // SAFETY: both have `len` elements, and nothing else uses the scratch space.
        unsafe { convert_array(self.set, from, array, to, staged, self.len) };
        staged
    }

    /// Converts what `bring` returned back into the array it was made from, rounding to nearest even.
    ///
    /// # Safety
    /// `bring` returned `staged` for this array, and nothing else uses either.
    unsafe fn bring_back(&self, staged: *mut u8, from: Dtype, array: *mut u8, to: Dtype) {
        if staged != array {
            // SAFETY: both have `len` elements.
            unsafe { convert_array(self.set, from, staged, to, array, self.len) };
        }
    }
}
