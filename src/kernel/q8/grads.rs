//! How the pipeline reads gradients.

use super::lanes::{CodeLanes, prefetch};
use crate::kernel::dtype::Dtype;
use crate::kernel::lanes::Stored;
use crate::kernel::tensor_view::{Layout, TensorView};
use half::{bf16, f16};

/// What gradients are of.
pub(in crate::kernel) trait Grads {
    /// # Safety
    /// The view is valid for the layout, whose gradients are of Self, and has `COUNT` elements from `start` on.
    unsafe fn load<V: CodeLanes>(view: &TensorView, layout: Layout, start: usize) -> V;
}

macro_rules! grads_of {
    ($element:ty) => {
        impl Grads for $element {
            #[inline(always)]
            unsafe fn load<V: CodeLanes>(view: &TensorView, _: Layout, start: usize) -> V {
                let grad = view.grad.cast::<$element>().wrapping_add(start);
                prefetch::<V>(grad.cast(), size_of::<$element>());
                // SAFETY: the elements are there.
                unsafe { <V as Stored<$element>>::load(grad) }
            }
        }
    };
}
grads_of!(f32);
grads_of!(bf16);
grads_of!(f16);

/// f32, bf16 or f16: one loop for what is rarely combined, although asking in every turn takes a little time.
pub(in crate::kernel) enum Any {}

impl Grads for Any {
    #[inline(always)]
    unsafe fn load<V: CodeLanes>(view: &TensorView, layout: Layout, start: usize) -> V {
        // SAFETY: the preconditions are the same.
        unsafe {
            match layout.grad {
                Dtype::F32 => <f32 as Grads>::load(view, layout, start),
                Dtype::Bf16 => <bf16 as Grads>::load(view, layout, start),
                Dtype::F16 | Dtype::F64 => <f16 as Grads>::load(view, layout, start), // those of f64 are staged
            }
        }
    }
}
