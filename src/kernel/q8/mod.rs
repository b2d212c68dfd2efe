//! Steps on 8-bit state. `math/q8.rs` has the formula.
//!
//! - `plain.rs`: plain loops over a block.
//! - `pipeline.rs`: the same as a pipeline over registers; `lanes.rs`: what it needs of them; `avx2.rs`, `avx512.rs`;
//!   `rest.rs`: the short block at the end.
//! - `convert.rs`: between 8-bit state and moments of a dtype.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod convert;
#[cfg(target_arch = "x86_64")]
mod lanes;
#[cfg(target_arch = "x86_64")]
mod pipeline;
mod plain;
#[cfg(target_arch = "x86_64")]
mod rest;

pub(crate) use convert::{Codes, Moments, decode, encode};

use super::detect::{InstructionSet, Kind};
use super::dtype::Dtype;
use super::step_loop::StepLoop;
use super::tensor_view::{Layout, Rounding};
#[cfg(target_arch = "x86_64")]
use {
    super::avx2::F32x8,
    super::avx512::F32x16,
    super::lanes::{Pair, Stored},
    super::tensor_view::TensorView,
    crate::math::Step,
    half::{bf16, f16},
    lanes::CodeLanes,
};

/// The loop for tensors of this layout, and the layout that it takes.
pub(super) fn choose(instruction_set: InstructionSet, layout: Layout) -> (StepLoop, Layout) {
    let param = if layout.rounding == Rounding::Nearest { layout.param } else { Dtype::F32 };
    let rounding = Rounding::Nearest;
    match instruction_set.kind() {
        #[cfg(target_arch = "x86_64")]
        kind @ (Kind::Avx2 | Kind::Avx512 | Kind::Avx512Vbmi) => {
            let grad = grad_of_pipeline(param, layout.grad);
            let step_loop = match kind {
                Kind::Avx2 => select::<Avx2>(param, grad),
                Kind::Avx512 => select::<Avx512>(param, grad),
                _ => select::<Avx512Vbmi>(param, grad),
            };
            (step_loop, Layout { param, grad, state: param, copy: None, rounding, ..layout })
        }
        _ => {
            let real = Dtype::F32;
            let of_loop =
                Layout { param: real, grad: real, state: real, copy: None, rounding, ..layout };
            (plain::choose(param), of_loop)
        }
    }
}

/// The dtype of gradients that there is a pipeline for: f32, or bf16 unless parameters are f16.
#[cfg(target_arch = "x86_64")]
fn grad_of_pipeline(param: Dtype, grad: Dtype) -> Dtype {
    match (param, grad) {
        (Dtype::F32 | Dtype::Bf16, Dtype::Bf16) => Dtype::Bf16,
        _ => Dtype::F32,
    }
}

#[cfg(target_arch = "x86_64")]
fn select<I: Compiled>(param: Dtype, grad: Dtype) -> StepLoop {
    match (param, grad) {
        (Dtype::F32, Dtype::Bf16) => I::step::<f32, bf16>,
        (Dtype::Bf16, Dtype::Bf16) => I::step::<bf16, bf16>,
        (Dtype::Bf16, _) => I::step::<bf16, f32>,
        (Dtype::F16, _) => I::step::<f16, f32>,
        _ => I::step::<f32, f32>,
    }
}

/// The pipeline compiled for an instruction set.
#[cfg(target_arch = "x86_64")]
trait Compiled {
    type Lanes: CodeLanes + Stored<f32> + Stored<f16> + Stored<bf16>;

    /// # Safety
    /// The machine has the instruction set, and the view is valid for parameters of P, gradients of G and 8-bit state.
    unsafe fn step<P, G>(step: &Step, view: &TensorView)
    where
        Self::Lanes: Stored<P> + Stored<G>;
}

#[cfg(target_arch = "x86_64")]
macro_rules! compiled {
    ($name:ident, $lanes:ty, $packing:ty, $features:literal) => {
        enum $name {}

        impl Compiled for $name {
            type Lanes = $lanes;

            #[target_feature(enable = $features)]
            unsafe fn step<P, G>(step: &Step, view: &TensorView)
            where
                Self::Lanes: Stored<P> + Stored<G>,
            {
                let again = <Self as Compiled>::step::<P, G>;
                // SAFETY: the preconditions of both functions are the same.
                unsafe { pipeline::step::<$lanes, $packing, P, G>(step, view, again) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
compiled!(Avx2, Pair<F32x8<true>>, avx2::ByShifts, "avx2,f16c");
#[cfg(target_arch = "x86_64")]
compiled!(Avx512, Pair<F32x16<true>>, avx512::ByShifts, "avx512f,avx512bw,avx512dq,avx512vl");
#[cfg(target_arch = "x86_64")]
compiled!(
    Avx512Vbmi,
    Pair<F32x16<true>>,
    avx512::ByBytes,
    "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi"
);
