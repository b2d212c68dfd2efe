//! The loops compiled for each instruction set, and the choice of the one for a layout.
//!
//! To add an instruction set: a file with its registers, a variant of `Kind` in `detect.rs` with its name and
//! its detection, a `compiled!` line with its target features, and an arm in `choose`.

use super::detect::{InstructionSet, Kind};
use super::dtype::Dtype;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::lanes::Pair;
use super::lanes::{Absent, EvenOdd, Stored};
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::portable;
use super::q8;
use super::step_loop::{self, StepLoop};
use super::tensor_view::{Layout, Rounding, TensorView};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::math::Step;
use half::{bf16, f16};

/// The loop for tensors of this layout, and the layout that it takes. Where they differ, blocks have to be
/// staged: loops for all combinations would enlarge the library for dtypes that are rarely combined. `clips`
/// says whether the steps do.
pub(super) fn choose(
    instruction_set: InstructionSet,
    layout: Layout,
    clips: bool,
) -> (StepLoop, Layout) {
    if layout.q8 {
        return q8::choose(instruction_set, layout);
    }
    match instruction_set.kind() {
        Kind::Portable => portable::choose(layout, clips),
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2 => compiled::<Avx2>(layout, clips),
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 | Kind::Avx512Vbmi => compiled::<Avx512>(layout, clips),
        #[cfg(target_arch = "aarch64")]
        Kind::Neon => compiled::<Neon>(layout, clips),
    }
}

fn compiled<I: Compiled>(layout: Layout, clips: bool) -> (StepLoop, Layout) {
    let param = if layout.rounding == Rounding::Nearest { layout.param } else { Dtype::F32 };
    let mut of_loop = Layout { param, rounding: Rounding::Nearest, ..layout };
    of_loop.grad = grad_of_loop(of_loop);
    if !copies_itself(of_loop) {
        of_loop.copy = None;
    }
    (if clips { select::<I, true>(of_loop) } else { select::<I, false>(of_loop) }, of_loop)
}

/// The dtype of gradients that there is a loop for: that of the parameter, or f32; for f32 parameters, mostly
/// any narrower one too.
fn grad_of_loop(layout: Layout) -> Dtype {
    match (layout.param, layout.grad) {
        (Dtype::F64, _) => Dtype::F64,
        (_, Dtype::F64) => Dtype::F32,
        (Dtype::F16, Dtype::Bf16) | (Dtype::Bf16, Dtype::F16) => Dtype::F32,
        (Dtype::F32, Dtype::F16) if layout.state == Dtype::Bf16 => Dtype::F32,
        (_, grad) => grad,
    }
}

/// Whether the loop also writes the copy: it does for f32 masters of 16-bit weights.
fn copies_itself(layout: Layout) -> bool {
    let Layout { param, grad, state, copy, .. } = layout;
    let is_16_bit = matches!(copy, Some(Dtype::F16 | Dtype::Bf16));
    param == Dtype::F32
        && state == Dtype::F32
        && is_16_bit
        && (grad == Dtype::F32 || Some(grad) == copy)
}

fn select<I: Compiled, const CLIPS: bool>(layout: Layout) -> StepLoop {
    use Dtype::{Bf16 as BF16, F16, F32, F64};
    match (layout.param, layout.state, layout.grad) {
        (F64, F32, _) => I::step::<I::F64, f64, f64, f32, Absent, CLIPS>,
        (F64, _, _) => I::step::<I::F64, f64, f64, f64, Absent, CLIPS>,
        // The masters of bf16 parameters whose state is bf16 too.
        (F32, BF16, BF16) => I::step::<I::F32, f32, bf16, bf16, Absent, CLIPS>,
        (F32, BF16, _) => I::step::<I::F32, f32, f32, bf16, Absent, CLIPS>,
        (F32, _, grad) if layout.copy.is_some() => match (layout.copy, grad) {
            (Some(F16), F16) => I::step::<I::CarefulF32, f32, f16, f32, f16, CLIPS>,
            (Some(F16), _) => I::step::<I::CarefulF32, f32, f32, f32, f16, CLIPS>,
            (_, BF16) => I::step::<I::CarefulF32, f32, bf16, f32, bf16, CLIPS>,
            _ => I::step::<I::CarefulF32, f32, f32, f32, bf16, CLIPS>,
        },
        (F32, _, F16) => I::step::<I::CarefulF32, f32, f16, f32, Absent, CLIPS>,
        (F32, _, BF16) => I::step::<I::CarefulF32, f32, bf16, f32, Absent, CLIPS>,
        (F32, _, _) => I::step::<I::CarefulF32, f32, f32, f32, Absent, CLIPS>,
        (F16, F32, F16) => I::step::<I::CarefulF32, f16, f16, f32, Absent, CLIPS>,
        (F16, F32, _) => I::step::<I::CarefulF32, f16, f32, f32, Absent, CLIPS>,
        (F16, _, F16) => I::step::<I::F32, f16, f16, f16, Absent, CLIPS>,
        (F16, _, _) => I::step::<I::F32, f16, f32, f16, Absent, CLIPS>,
        (BF16, F32, BF16) => I::step::<I::CarefulF32, bf16, bf16, f32, Absent, CLIPS>,
        (BF16, F32, _) => I::step::<I::CarefulF32, bf16, f32, f32, Absent, CLIPS>,
        (BF16, _, BF16) => I::step::<I::F32, EvenOdd, EvenOdd, EvenOdd, Absent, CLIPS>,
        (BF16, _, _) => I::step::<I::F32, bf16, f32, bf16, Absent, CLIPS>,
    }
}

/// The registers of an instruction set, and the loop of `step_loop.rs` compiled for it.
trait Compiled {
    /// For 16-bit state, whose values are rarely denormal in f32.
    type F32: Stored<f16> + Stored<bf16> + Stored<EvenOdd> + Stored<f32>;
    /// For f32 state, where tiny gradients lead to denormal moments.
    type CarefulF32: Stored<f32> + Stored<f16> + Stored<bf16>;
    type F64: Stored<f64> + Stored<f32>;

    /// # Safety
    /// The machine has the instruction set, and the view is valid for elements of P, G, S and C.
    unsafe fn step<V, P, G, S, C, const CLIPS: bool>(
        step: &Step,
        view: &TensorView,
        layout: Layout,
    ) where
        V: Stored<P> + Stored<G> + Stored<S> + Stored<C>;
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! compiled {
    ($name:ident, $f32:ty, $careful_f32:ty, $f64:ty, $target_feature:meta) => {
        enum $name {}

        impl Compiled for $name {
            type F32 = $f32;
            type CarefulF32 = $careful_f32;
            type F64 = $f64;

            #[$target_feature]
            unsafe fn step<V, P, G, S, C, const CLIPS: bool>(
                step: &Step,
                view: &TensorView,
                layout: Layout,
            ) where
                V: Stored<P> + Stored<G> + Stored<S> + Stored<C>,
            {
                let again = <Self as Compiled>::step::<V, P, G, S, C, CLIPS>;
                // SAFETY: the preconditions of both functions are the same.
                unsafe { step_loop::step::<V, P, G, S, C, CLIPS>(step, view, layout, again) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
compiled!(
    Avx2,
    Pair<avx2::F32x8<false>>,
    Pair<avx2::F32x8<true>>,
    Pair<avx2::F64x4>,
    target_feature(enable = "avx2,f16c")
);
#[cfg(target_arch = "x86_64")]
compiled!(
    Avx512,
    Pair<avx512::F32x16<false>>,
    Pair<avx512::F32x16<true>>,
    Pair<avx512::F64x8>,
    target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")
);
// Here, square roots of denormal numbers are as fast as others.
#[cfg(target_arch = "aarch64")]
compiled!(
    Neon,
    Pair<Pair<neon::F32x4>>,
    Pair<Pair<neon::F32x4>>,
    Pair<Pair<neon::F64x2>>,
    target_feature(enable = "neon")
);
