//! Steps on 8-bit state as plain loops over one block at a time, for any machine; the compiler vectorizes them. They are
//! the reference that the loops over registers must match bit for bit, and step what is left of them: last blocks that are
//! short, and blocks with an infinity or a NaN.

use crate::kernel::dtype::Dtype;
use crate::kernel::element::Element;
use crate::kernel::step_loop::StepLoop;
use crate::kernel::tensor_view::{Layout, Rounding, TensorView};
use crate::math::q8::{
    BLOCK, Encoder, Extremes, Fractions, Least, Q8Coefficients, Scale, are_finite,
};
use crate::math::{Decay, Rule, Step, compensated_change, lost_change};
use half::{bf16, f16};
use std::slice::{from_raw_parts, from_raw_parts_mut};

/// The loop for tensors of this layout, and the layout that it takes: all of f32, which are rounded to the dtype of
/// parameters where Kahan summation compensates for that.
pub(super) fn choose(layout: Layout) -> (StepLoop, Layout) {
    let (real, rounding) = (Dtype::F32, Rounding::Nearest);
    let step_loop = match layout.param {
        Dtype::F16 => step::<f16>,
        Dtype::Bf16 if layout.rounding == rounding => step::<bf16>,
        _ => step::<f32>,
    };
    (step_loop, Layout { param: real, grad: real, state: real, copy: None, rounding, ..layout })
}

/// # Safety
/// The view is valid for parameters, gradients and `kahan_comp` of f32 and 8-bit state.
unsafe fn step<P: Element<Real = f32>>(step: &Step, view: &TensorView, _: Layout) {
    let constants = Constants::of(step);
    for start in (0..view.len).step_by(BLOCK) {
        // SAFETY: a part of a valid view is valid.
        unsafe { Block::of(view, start) }.step::<P>(&constants);
    }
}

/// What blocks have in common.
pub(super) struct Constants {
    rule: Rule,
    decay: Decay,
    clips: bool,
    pub coefficients: Q8Coefficients<f32>,
    pub root_beta2: f32,
}

impl Constants {
    pub fn of(step: &Step) -> Self {
        let coefficients = Q8Coefficients::of(&step.coefficients);
        Self {
            rule: step.rule,
            decay: step.decay,
            clips: step.clips,
            coefficients,
            root_beta2: coefficients.plain.beta2_hat.sqrt().abs(), // that of -0 is 0
        }
    }

    pub fn beta1_comp(&self) -> f32 {
        self.coefficients.plain.beta1_comp
    }
}

/// The arrays of a block.
struct Block<'a> {
    theta: &'a mut [f32],
    grad: &'a [f32],
    kahan_comp: Option<&'a mut [f32]>,
    directions: &'a mut [i8],
    roots: &'a mut [u8],
    word: &'a mut u32,
    fractions: Fractions,
}

impl<'a> Block<'a> {
    /// The block that begins at this element of the view.
    ///
    /// # Safety
    /// As for [`step`], and the view has elements from there on. Nothing else uses them for the lifetime.
    unsafe fn of(view: &TensorView, start: usize) -> Self {
        debug_assert!(start < view.len && start.is_multiple_of(BLOCK));
        debug_assert!(view.first.is_multiple_of(BLOCK as u64));
        let len = BLOCK.min(view.len - start);
        let number = view.first / BLOCK as u64 + (start / BLOCK) as u64;
        // SAFETY: the arrays of a valid view have these elements, and that of the words has one for each block.
        unsafe {
            Self {
                theta: from_raw_parts_mut(view.param.cast::<f32>().add(start), len),
                grad: from_raw_parts(view.grad.cast::<f32>().add(start), len),
                kahan_comp: (!view.kahan_comp.is_null())
                    .then(|| from_raw_parts_mut(view.kahan_comp.cast::<f32>().add(start), len)),
                directions: from_raw_parts_mut(view.exp_avg.cast::<i8>().add(start), len),
                roots: from_raw_parts_mut(view.exp_avg_sq.add(start), len),
                word: &mut *view.state_scale.add(start / BLOCK),
                fractions: view.noise.fractions(number),
            }
        }
    }

    fn step<P: Element<Real = f32>>(&mut self, constants: &Constants) {
        let coefficients = &constants.coefficients;
        let mut room = [[0f32; BLOCK]; 3];
        let [grad, exp_avg, root] = room.each_mut().map(|room| &mut room[..self.theta.len()]);
        self.prepare_grad(constants, grad);

        let old = Scale::read(*self.word);
        let unit = old.unit * coefficients.keep;
        let mut least = u8::MAX;
        for i in 0..grad.len() {
            let (direction, code) = (self.directions[i] as f32, self.roots[i]);
            least = least.min(code.wrapping_sub(1));
            let exp_avg_sq;
            (exp_avg[i], exp_avg_sq) =
                coefficients.moments(direction, unit, old.root(code), grad[i]);
            root[i] = exp_avg_sq.sqrt();
        }
        let direction = grad; // which is not needed any more
        for i in 0..direction.len() {
            direction[i] = coefficients.direction(exp_avg[i], root[i]);
        }
        self.update::<P>(constants, exp_avg, direction);
        let least = Least::OldCode { code_less_1: least, old };
        *self.word =
            encode(direction, root, least, constants, self.fractions, self.directions, self.roots);
    }

    /// The gradients as the moments take them.
    fn prepare_grad(&self, constants: &Constants, grad: &mut [f32]) {
        let Constants { rule, decay, clips, coefficients, .. } = constants;
        let decay = if *rule == Rule::Accumulate { Decay::None } else { *decay };
        match (*clips, decay == Decay::L2) {
            (false, false) => grad.copy_from_slice(self.grad),
            (clips, penalizes) => {
                let decay = if penalizes { Decay::L2 } else { Decay::None };
                for ((to, grad), theta) in grad.iter_mut().zip(self.grad).zip(&*self.theta) {
                    *to = coefficients.grad(clips, decay, *theta, *grad);
                }
            }
        }
    }

    /// Moves θ.
    fn update<P: Element<Real = f32>>(
        &mut self,
        constants: &Constants,
        exp_avg: &[f32],
        direction: &[f32],
    ) {
        let Constants { rule, decay, coefficients, .. } = constants;
        if *rule == Rule::Accumulate {
            return;
        }
        let lowered = |i: usize, theta: f32| {
            coefficients.lowered(*rule, *decay, theta, exp_avg[i], direction[i])
        };
        match &mut self.kahan_comp {
            None => {
                for (i, theta) in self.theta.iter_mut().enumerate() {
                    *theta -= lowered(i, *theta);
                }
            }
            Some(kahan_comp) => {
                for (i, (theta, comp)) in self.theta.iter_mut().zip(&mut **kahan_comp).enumerate() {
                    let change = compensated_change(*comp, lowered(i, *theta));
                    let rounded = P::store(*theta + change).load();
                    *comp = lost_change(change, *theta, rounded);
                    *theta = rounded;
                }
            }
        }
    }
}

/// Codes the new directions and roots of a block, and returns its word.
pub(super) fn encode(
    direction: &mut [f32],
    root: &mut [f32],
    least: Least,
    constants: &Constants,
    fractions: Fractions,
    directions: &mut [i8],
    roots: &mut [u8],
) -> u32 {
    let beta1_comp = constants.beta1_comp();
    for (direction, root) in direction.iter_mut().zip(&mut *root) {
        if !are_finite(*root, *direction, beta1_comp) {
            (*direction, *root) = (0.0, 0.0);
        }
    }
    let largest =
        |values: &[f32]| values.iter().fold(0, |largest, value| value.abs().to_bits().max(largest));
    let extremes = Extremes { root: largest(root), direction: largest(direction), least };
    let encoder = Encoder::choose(extremes, beta1_comp, constants.root_beta2);
    for i in 0..direction.len() {
        (directions[i], roots[i]) = encoder.encode(direction[i], root[i], fractions.of(i));
    }
    encoder.word
}
