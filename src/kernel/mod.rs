//! The update rule over raw arrays, for every combination of dtypes and every instruction set.
//!
//! - `portable.rs`: plain loops, for any machine, and what the other loops are held equal to.
//! - `arrays.rs`: the loop over the registers of an instruction set, written once; `columns.rs`: its arrays.
//! - `lanes.rs`: what that loop needs of a register. `avx2.rs`, `avx512.rs`, `neon.rs`: the registers.
//! - `instruction_set.rs`: the loop compiled for each instruction set, and which ones there are.
//! - `mod.rs`: choosing the compiled loop that fits a parameter.
//! - `mixed.rs`: bf16 that is computed with as f32. `convert.rs`: changing dtypes. `sums.rs`: norms.

mod arrays;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod columns;
mod convert;
mod dtype;
mod element;
mod instruction_set;
mod lanes;
mod mixed;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod sums;
#[cfg(test)]
mod tests;

pub(crate) use arrays::{Arrays, Dtypes};
pub(crate) use convert::convert_array;
pub(crate) use dtype::Dtype;
pub(crate) use element::{Element, Real};
pub(crate) use instruction_set::InstructionSet;
pub(crate) use mixed::{Mixed, Noise};
pub(crate) use sums::{add_squares, sum_of_squared_differences, sum_of_squares};

use crate::math::{Rule, Step};
use half::{bf16, f16};
use instruction_set::Compiled;
use lanes::{EvenOdd, Nothing};

/// The loop for parameters of some dtypes.
#[derive(Clone, Copy)]
pub(crate) enum Kernel {
    Portable(Dtypes),
    /// A loop over registers. It is unsafe as [`arrays::step`] is.
    Compiled(StepLoop),
    /// The same block by block, for what it does not do itself: a loop for every combination would make
    /// the library larger for dtypes that hardly anyone combines.
    Blockwise(Blockwise),
}

/// What is done before and after the loop.
#[derive(Clone, Copy)]
pub(crate) struct Blockwise {
    step: StepLoop,
    instruction_set: InstructionSet,
    dtypes: Dtypes,
    /// What gradients are converted to, if they are not this already.
    grad: Dtype,
    /// Whether the new values are copied afterwards.
    copies: bool,
}

type StepLoop = unsafe fn(&Step, &Arrays);

/// Elements of a block: few enough to stay in the first-level cache.
const BLOCK: usize = 512;

impl Kernel {
    /// `clips` is whether the steps do.
    pub fn new(instruction_set: InstructionSet, dtypes: Dtypes, clips: bool) -> Self {
        match instruction_set {
            InstructionSet::Portable => Self::Portable(dtypes),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => {
                Self::compiled::<instruction_set::Avx2>(instruction_set, dtypes, clips)
            }
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => {
                Self::compiled::<instruction_set::Avx512>(instruction_set, dtypes, clips)
            }
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => {
                Self::compiled::<instruction_set::Neon>(instruction_set, dtypes, clips)
            }
        }
    }

    fn compiled<I: Compiled>(instruction_set: InstructionSet, dtypes: Dtypes, clips: bool) -> Self {
        let select = if clips { select::<I, true> } else { select::<I, false> };
        let grad = grad_of_loop(dtypes);
        let of_loop = Dtypes { grad, ..dtypes };
        let copies = dtypes.out.is_some() && !copies_itself(of_loop);
        let step = select(of_loop);
        if grad == dtypes.grad && !copies {
            Self::Compiled(step)
        } else {
            Self::Blockwise(Blockwise { step, instruction_set, dtypes, grad, copies })
        }
    }

    /// Makes one step of all elements.
    ///
    /// # Safety
    /// The kernel was chosen for an instruction set that the machine has. Each array has
    /// `arrays.len` elements of its dtype and is aligned for them; nothing else writes it meanwhile
    /// nor, the gradient excepted, reads it; and none overlaps another.
    pub unsafe fn run(&self, step: &Step, arrays: &Arrays) {
        // SAFETY: the caller's promise.
        unsafe {
            match *self {
                Self::Portable(dtypes) => portable::step(step, arrays, dtypes),
                Self::Compiled(step_loop) => step_loop(step, arrays),
                Self::Blockwise(ref blockwise) => blockwise.run(step, arrays),
            }
        }
    }
}

impl Blockwise {
    /// # Safety
    /// As for [`Kernel::run`].
    #[inline(never)] // or its block would be on the stack of every step
    unsafe fn run(&self, step: &Step, arrays: &Arrays) {
        let Self { instruction_set, dtypes, grad, .. } = *self;
        let mut block = [0f64; BLOCK]; // holds as many of any dtype
        for start in (0..arrays.len).step_by(BLOCK) {
            let len = BLOCK.min(arrays.len - start);
            // SAFETY: the part lies within the arrays, of which the caller promises the rest, and
            // `block` is large enough and aligned for any dtype.
            unsafe {
                let mut part = arrays.part(start, len, dtypes);
                if grad != dtypes.grad {
                    let converted = block.as_mut_ptr().cast();
                    convert_array(instruction_set, dtypes.grad, part.grad, grad, converted, len);
                    part.grad = block.as_ptr().cast();
                }
                (self.step)(step, &part);
                if let (Some(out), true) =
                    (dtypes.out, self.copies && step.rule != Rule::Accumulate)
                {
                    convert_array(instruction_set, dtypes.param, part.param, out, part.out, len);
                }
            }
        }
    }
}

/// Whether the loop for these dtypes writes the copy by itself: what trains in mixed precision.
fn copies_itself(dtypes: Dtypes) -> bool {
    let Dtypes { param, grad, state, out } = dtypes;
    let is_16_bit = matches!(out, Some(Dtype::F16 | Dtype::Bf16));
    param == Dtype::F32
        && state == Dtype::F32
        && is_16_bit
        && (grad == Dtype::F32 || Some(grad) == out)
}

/// What the gradients of parameters have to be for there to be a loop: the dtype itself, or f32; for f32
/// parameters, anything of fewer bits.
fn grad_of_loop(dtypes: Dtypes) -> Dtype {
    let Dtypes { param, grad, state, .. } = dtypes;
    match (param, grad) {
        (Dtype::F64, _) => Dtype::F64,
        (_, Dtype::F64) => Dtype::F32,
        (Dtype::F16, Dtype::Bf16) | (Dtype::Bf16, Dtype::F16) => Dtype::F32,
        (Dtype::F32, Dtype::F16) if state == Dtype::Bf16 => Dtype::F32,
        _ => grad,
    }
}

/// The loop for dtypes whose gradients need not be converted before.
fn select<I: Compiled, const CLIPS: bool>(dtypes: Dtypes) -> StepLoop {
    use Dtype::{Bf16 as BF16, F16, F32, F64};
    match (dtypes.param, dtypes.state, dtypes.grad) {
        (F64, F32, _) => I::step::<I::F64, f64, f64, f32, Nothing, CLIPS>,
        (F64, _, _) => I::step::<I::F64, f64, f64, f64, Nothing, CLIPS>,
        // The masters of bf16 parameters whose state is bf16 too.
        (F32, BF16, BF16) => I::step::<I::F32, f32, bf16, bf16, Nothing, CLIPS>,
        (F32, BF16, _) => I::step::<I::F32, f32, f32, bf16, Nothing, CLIPS>,
        (F32, _, grad) if copies_itself(dtypes) => match (dtypes.out, grad) {
            (Some(F16), F16) => I::step::<I::CarefulF32, f32, f16, f32, f16, CLIPS>,
            (Some(F16), _) => I::step::<I::CarefulF32, f32, f32, f32, f16, CLIPS>,
            (_, BF16) => I::step::<I::CarefulF32, f32, bf16, f32, bf16, CLIPS>,
            _ => I::step::<I::CarefulF32, f32, f32, f32, bf16, CLIPS>,
        },
        (F32, _, F16) => I::step::<I::CarefulF32, f32, f16, f32, Nothing, CLIPS>,
        (F32, _, BF16) => I::step::<I::CarefulF32, f32, bf16, f32, Nothing, CLIPS>,
        (F32, _, _) => I::step::<I::CarefulF32, f32, f32, f32, Nothing, CLIPS>,
        (F16, F32, F16) => I::step::<I::CarefulF32, f16, f16, f32, Nothing, CLIPS>,
        (F16, F32, _) => I::step::<I::CarefulF32, f16, f32, f32, Nothing, CLIPS>,
        (F16, _, F16) => I::step::<I::F32, f16, f16, f16, Nothing, CLIPS>,
        (F16, _, _) => I::step::<I::F32, f16, f32, f16, Nothing, CLIPS>,
        (BF16, F32, BF16) => I::step::<I::CarefulF32, bf16, bf16, f32, Nothing, CLIPS>,
        (BF16, F32, _) => I::step::<I::CarefulF32, bf16, f32, f32, Nothing, CLIPS>,
        (BF16, _, BF16) => I::step::<I::F32, EvenOdd, EvenOdd, EvenOdd, Nothing, CLIPS>,
        (BF16, _, _) => I::step::<I::F32, bf16, f32, bf16, Nothing, CLIPS>,
    }
}
