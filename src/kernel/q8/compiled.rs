//! The pipelines compiled for each instruction set, and the choice of the one for a layout.

use super::grads::{Any, Grads};
use super::lanes::CodeLanes;
use super::params::{AtRandom, Params, WithRemainder};
use super::{avx2, avx512, pipeline};
use crate::kernel::avx2::F32x8;
use crate::kernel::avx512::F32x16;
use crate::kernel::detect::Kind;
use crate::kernel::dtype::Dtype;
use crate::kernel::lanes::{Pair, Stored};
use crate::kernel::step_loop::StepLoop;
use crate::kernel::tensor_view::{Layout, Rounding, TensorView};
use crate::math::Step;
use half::{bf16, f16};

/// The pipeline for tensors of this layout, if the instruction set has any, and the layout that it takes.
pub(super) fn choose(kind: Kind, layout: Layout) -> Option<(StepLoop, Layout)> {
    let grad = if layout.grad == Dtype::F64 { Dtype::F32 } else { layout.grad };
    let copy = layout.copy.filter(|copy| matches!(copy, Dtype::F16 | Dtype::Bf16));
    let of_loop = Layout { grad, copy, ..layout };
    let step_loop = match kind {
        Kind::Portable => return None,
        Kind::Avx2 => select::<Avx2>(of_loop),
        Kind::Avx512 => select::<Avx512>(of_loop),
        Kind::Avx512Vbmi => select::<Avx512Vbmi>(of_loop),
    };
    Some((step_loop, of_loop))
}

fn select<I: Compiled>(layout: Layout) -> StepLoop {
    match (layout.param, layout.grad) {
        _ if layout.rounding == Rounding::Remainder => I::step::<WithRemainder, Any, false>,
        _ if layout.rounding == Rounding::Stochastic => I::step::<AtRandom, Any, false>,
        (Dtype::Bf16, Dtype::Bf16) => I::step::<bf16, bf16, false>,
        (Dtype::Bf16, _) => I::step::<bf16, Any, false>,
        (Dtype::F16, _) => I::step::<f16, Any, false>,
        // There is no f64 with 8-bit state.
        (_, Dtype::F32) if layout.copy.is_none() => I::step::<f32, f32, false>,
        (_, Dtype::Bf16) if layout.copy.is_none() => I::step::<f32, bf16, false>,
        _ => I::step::<f32, Any, true>,
    }
}

/// The pipeline compiled for an instruction set.
trait Compiled {
    type Lanes: CodeLanes;

    /// # Safety
    /// The machine has the instruction set, and the view is valid for the layout, whose parameters are of P and gradients of G.
    unsafe fn step<P: Params, G: Grads, const COPIES: bool>(
        step: &Step,
        view: &TensorView,
        layout: Layout,
    ) where
        Self::Lanes: Stored<P::Element>;
}

macro_rules! compiled {
    ($name:ident, $lanes:ty, $packing:ty, $features:literal) => {
        enum $name {}

        impl Compiled for $name {
            type Lanes = $lanes;

            #[target_feature(enable = $features)]
            unsafe fn step<P: Params, G: Grads, const COPIES: bool>(
                step: &Step,
                view: &TensorView,
                layout: Layout,
            ) where
                Self::Lanes: Stored<P::Element>,
            {
                let again = <Self as Compiled>::step::<P, G, COPIES>;
                // SAFETY: the preconditions of both functions are the same.
                unsafe {
                    pipeline::step::<$lanes, $packing, P, G, COPIES>(step, view, layout, again)
                }
            }
        }
    };
}

compiled!(Avx2, Pair<F32x8<true>>, avx2::ByShifts, "avx2,f16c");
compiled!(Avx512, Pair<F32x16<true>>, avx512::ByShifts, "avx512f,avx512bw,avx512dq,avx512vl");
compiled!(
    Avx512Vbmi,
    Pair<F32x16<true>>,
    avx512::ByBytes,
    "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi"
);
