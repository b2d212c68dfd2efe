//! The update rule over raw arrays, for every combination of dtypes and every instruction set.
//!
//! `arrays.rs` has the loops, written once and generic; `instruction_set.rs` compiles them for each
//! instruction set and detects which there are; this file chooses the compiled loop that fits a
//! parameter.

mod arrays;
mod instruction_set;

pub(crate) use arrays::Arrays;
pub(crate) use instruction_set::InstructionSet;

use crate::dtype::Dtype;
use crate::number::{Bf16, Element, F16};
use crate::update::{Coefficients, Rule};
use instruction_set::{Compiled, ConvertLoop, UpdateLoop};

/// What decides which loop a parameter goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub param: Dtype,
    pub grad: Dtype,
    pub state: Dtype,
    pub kahan_sum: bool,
    /// Whether there is any weight decay.
    pub decay: bool,
    pub rule: Rule,
}

/// The compiled loop for a [`Shape`].
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    shape: Shape,
    update: UpdateLoop,
    /// Where the gradient's dtype is neither the parameter's nor the one that is computed in, it is
    /// converted block by block before `update` sees it: a loop for every combination would make
    /// the library several times as large.
    convert_grad: Option<ConvertLoop>,
}

/// Gradients that are converted at a time: few enough to stay in the first-level cache.
const BLOCK: usize = 512;

impl Kernel {
    pub fn new(instruction_set: InstructionSet, shape: Shape) -> Self {
        match instruction_set {
            InstructionSet::Portable => select::<instruction_set::Portable>(shape),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => select::<instruction_set::Avx2>(shape),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => select::<instruction_set::Avx512>(shape),
        }
    }

    /// Steps one chunk.
    ///
    /// # Safety
    /// The kernel was chosen for an instruction set that the machine has. Each array has
    /// `arrays.len` elements of its dtype in the [`Shape`] and is aligned for them; nothing else
    /// writes it meanwhile nor, the gradient excepted, reads it; and none overlaps another.
    /// `kahan_comp` is there if the shape has it.
    pub unsafe fn run(&self, coefficients: &Coefficients<f64>, arrays: &Arrays) {
        debug_assert_eq!(self.shape.kahan_sum, !arrays.kahan_comp.is_null());
        let Some(convert_grad) = self.convert_grad else {
            // SAFETY: the caller's promise.
            return unsafe { (self.update)(coefficients, arrays) };
        };
        let mut block = [0f64; BLOCK]; // holds as many f32 too
        for start in (0..arrays.len).step_by(BLOCK) {
            let len = BLOCK.min(arrays.len - start);
            // SAFETY: the part lies within the arrays, of which the caller promises the rest, and
            // `block` is large enough and aligned for either type that is computed in.
            unsafe {
                let mut part = arrays.part(start, len, &self.shape);
                convert_grad(part.grad, block.as_mut_ptr().cast(), len);
                part.grad = block.as_ptr().cast();
                (self.update)(coefficients, &part);
            }
        }
    }
}

/// Converts an array, rounding to nearest even.
///
/// # Safety
/// The arrays have `len` elements of their dtypes and are aligned for them. Nothing else writes the
/// source nor reads or writes the target meanwhile, and they do not overlap.
pub(crate) unsafe fn convert_array(
    from: Dtype,
    source: *const u8,
    to: Dtype,
    target: *mut u8,
    len: usize,
) {
    let convert = match to {
        Dtype::F32 => convert_loop::<instruction_set::Portable, f32>(from),
        Dtype::F64 => convert_loop::<instruction_set::Portable, f64>(from),
        Dtype::F16 => convert_loop::<instruction_set::Portable, F16>(from),
        Dtype::Bf16 => convert_loop::<instruction_set::Portable, Bf16>(from),
    };
    // SAFETY: the caller's promise.
    unsafe { convert(source, target, len) };
}

fn convert_loop<I: Compiled, To: Element>(from: Dtype) -> ConvertLoop {
    match from {
        Dtype::F32 => I::convert_array::<f32, To>,
        Dtype::F64 => I::convert_array::<f64, To>,
        Dtype::F16 => I::convert_array::<F16, To>,
        Dtype::Bf16 => I::convert_array::<Bf16, To>,
    }
}

fn select<I: Compiled>(shape: Shape) -> Kernel {
    match (shape.param, shape.state) {
        (Dtype::F64, Dtype::F32) => for_types::<I, f64, f32>(shape),
        (Dtype::F64, _) => for_types::<I, f64, f64>(shape),
        (Dtype::F32, _) => for_types::<I, f32, f32>(shape),
        (Dtype::F16, Dtype::F32) => for_types::<I, F16, f32>(shape),
        (Dtype::F16, _) => for_types::<I, F16, F16>(shape),
        (Dtype::Bf16, Dtype::F32) => for_types::<I, Bf16, f32>(shape),
        (Dtype::Bf16, _) => for_types::<I, Bf16, Bf16>(shape),
    }
}

fn for_types<I: Compiled, P: Element, S: Element>(shape: Shape) -> Kernel {
    debug_assert!(shape.param == P::DTYPE && shape.state == S::DTYPE);
    let computed_in = <P::Real as Element>::DTYPE;
    Kernel {
        shape,
        update: if shape.grad == shape.param {
            for_rule::<I, P, P, S>(shape)
        } else {
            for_rule::<I, P, P::Real, S>(shape)
        },
        convert_grad: (shape.grad != shape.param && shape.grad != computed_in)
            .then(|| convert_loop::<I, P::Real>(shape.grad)),
    }
}

fn for_rule<I: Compiled, P: Element, G: Element, S: Element>(shape: Shape) -> UpdateLoop {
    match shape.rule {
        Rule::Accumulate => I::accumulate::<P::Real, G, S>,
        Rule::Rectified => for_decay_and_kahan::<I, P, G, S, true>(shape),
        Rule::Unrectified => for_decay_and_kahan::<I, P, G, S, false>(shape),
    }
}

fn for_decay_and_kahan<I, P, G, S, const RECTIFIED: bool>(shape: Shape) -> UpdateLoop
where
    I: Compiled,
    P: Element,
    G: Element,
    S: Element,
{
    match (shape.decay, shape.kahan_sum) {
        (false, false) => I::update::<P, G, S, RECTIFIED, false, false>,
        (false, true) => I::update::<P, G, S, RECTIFIED, false, true>,
        (true, false) => I::update::<P, G, S, RECTIFIED, true, false>,
        (true, true) => I::update::<P, G, S, RECTIFIED, true, true>,
    }
}
