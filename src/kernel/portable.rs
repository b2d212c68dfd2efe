//! The update rule as plain loops over f32 or f64, for any machine; the compiler vectorizes them. They are the
//! reference that the loops over registers must match bit for bit. Arrays of other dtypes have to be staged.

use super::dtype::{Dtype, with_element};
use super::element::Element;
use super::step_loop::StepLoop;
use super::tensor_view::{Layout, Rounding, TensorView};
use crate::math::{Coefficients, Decay, Rule, Step, compensated_change, lost_change};
use std::slice::{from_raw_parts, from_raw_parts_mut};

/// The loop for tensors of this layout, and the layout that it takes.
pub(super) fn choose(layout: Layout, clips: bool) -> (StepLoop, Layout) {
    let rounded_to = if layout.rounding == Rounding::Nearest { layout.param } else { Dtype::F32 };
    let step_loop: StepLoop =
        with_element!(rounded_to, E => if clips { step::<E, true> } else { step::<E, false> });
    let real = if layout.param == Dtype::F64 { Dtype::F64 } else { Dtype::F32 };
    let rounding = Rounding::Nearest;
    (step_loop, Layout { param: real, grad: real, state: real, copy: None, rounding, ..layout })
}

/// Steps parameters that will be rounded to P, for which Kahan summation compensates.
///
/// # Safety
/// The view is valid for arrays of `P::Real`.
unsafe fn step<P: Element, const CLIPS: bool>(step: &Step, view: &TensorView, _: Layout) {
    debug_assert!(step.clips == CLIPS);
    let TensorView { len, param, grad, exp_avg, exp_avg_sq, kahan_comp, .. } = *view;
    if len == 0 {
        return; // arrays without elements may be NULL, but slices may not
    }
    // SAFETY: the arrays of a valid view have `len` elements, and are used only through these slices.
    let rows = unsafe {
        Rows::<P> {
            coefficients: step.coefficients.round(),
            theta: from_raw_parts_mut(param.cast(), len),
            grad: from_raw_parts(grad.cast(), len),
            m: from_raw_parts_mut(exp_avg.cast(), len),
            v: from_raw_parts_mut(exp_avg_sq.cast(), len),
            comp: (!kahan_comp.is_null()).then(|| from_raw_parts_mut(kahan_comp.cast(), len)),
        }
    };
    // Outside of the loops, where these branches would keep the compiler from vectorizing.
    match (step.rule, step.decay) {
        (Rule::Accumulate, _) => rows.accumulate::<CLIPS>(),
        (Rule::Rectified, Decay::None) => rows.lower::<CLIPS>(true, Decay::None),
        (Rule::Rectified, Decay::L2) => rows.lower::<CLIPS>(true, Decay::L2),
        (Rule::Rectified, Decay::Decoupled) => rows.lower::<CLIPS>(true, Decay::Decoupled),
        (Rule::Unrectified, Decay::None) => rows.lower::<CLIPS>(false, Decay::None),
        (Rule::Unrectified, Decay::L2) => rows.lower::<CLIPS>(false, Decay::L2),
        (Rule::Unrectified, Decay::Decoupled) => rows.lower::<CLIPS>(false, Decay::Decoupled),
    }
}

/// The arrays of a tensor in the type that is computed in.
struct Rows<'a, P: Element> {
    coefficients: Coefficients<P::Real>,
    theta: &'a mut [P::Real],
    grad: &'a [P::Real],
    m: &'a mut [P::Real],
    v: &'a mut [P::Real],
    comp: Option<&'a mut [P::Real]>,
}

impl<P: Element> Rows<'_, P> {
    fn accumulate<const CLIPS: bool>(self) {
        let Self { coefficients, grad, m, v, .. } = self;
        for ((grad, m), v) in grad.iter().zip(m).zip(v) {
            let grad = if CLIPS { coefficients.clipped(*grad) } else { *grad };
            (*m, *v) = coefficients.moments(grad, *m, *v);
        }
    }

    #[inline(always)]
    fn lower<const CLIPS: bool>(self, rectified: bool, decay: Decay) {
        let Self { coefficients, theta, grad, m, v, comp } = self;
        let elements = theta.iter_mut().zip(grad).zip(m).zip(v);
        let step = |theta, grad, m: &mut P::Real, v: &mut P::Real| {
            let grad = if CLIPS { coefficients.clipped(grad) } else { grad };
            (*m, *v) = coefficients.penalized_moments(decay, theta, grad, *m, *v);
            let root = Coefficients::root(rectified, *v);
            coefficients.lowered(rectified, decay, theta, *m, root)
        };
        match comp {
            None => {
                for (((theta, grad), m), v) in elements {
                    *theta = *theta - step(*theta, *grad, m, v);
                }
            }
            Some(comp) => {
                for ((((theta, grad), m), v), comp) in elements.zip(comp) {
                    let lowered = step(*theta, *grad, m, v);
                    let change = compensated_change(*comp, lowered);
                    let rounded = P::store(*theta + change).load();
                    *comp = lost_change(change, *theta, rounded);
                    *theta = rounded;
                }
            }
        }
    }
}
