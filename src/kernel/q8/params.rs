//! How the pipeline reads and writes parameters of each dtype.

use super::lanes::{CodeLanes, prefetch};
use crate::kernel::dtype::Dtype;
use crate::kernel::lanes::Stored;
use crate::kernel::masters::halves;
use crate::kernel::stochastic::{random, rounded_at_random};
use crate::kernel::tensor_view::{Layout, TensorView};
use half::{bf16, f16};

/// How parameters are rounded to elements.
pub(in crate::kernel) trait Params {
    /// What the parameters are of, and with Kahan summation, what rounding lost.
    type Element;

    /// θ.
    ///
    /// # Safety
    /// The view is valid for the layout, whose parameters are of Self, and has `COUNT` elements from `start` on.
    unsafe fn load<V: CodeLanes>(view: &TensorView, start: usize) -> V;

    /// Rounds the new θ, without Kahan summation. `nan` is whether any of them is NaN.
    ///
    /// # Safety
    /// As for `load`, and nothing else uses the elements.
    unsafe fn store<V: CodeLanes>(view: &TensorView, start: usize, new: V, nan: bool);
}

macro_rules! rounded_to_nearest {
    ($element:ty) => {
        impl Params for $element {
            type Element = Self;

            #[inline(always)]
            unsafe fn load<V: CodeLanes>(view: &TensorView, start: usize) -> V {
                // SAFETY: the elements are there.
                unsafe { <V as Stored<Self>>::load(view.param.cast::<Self>().add(start)) }
            }

            #[inline(always)]
            unsafe fn store<V: CodeLanes>(view: &TensorView, start: usize, new: V, nan: bool) {
                let param = view.param.cast::<Self>();
                // SAFETY: the elements are there.
                unsafe { <V as Stored<Self>>::store(new, nan, param.add(start)) };
            }
        }
    };
}
rounded_to_nearest!(f32);
rounded_to_nearest!(f16);
rounded_to_nearest!(bf16);

/// bf16 that are the upper halves of masters.
pub(in crate::kernel) enum WithRemainder {}

impl Params for WithRemainder {
    type Element = bf16;

    #[inline(always)]
    unsafe fn load<V: CodeLanes>(view: &TensorView, start: usize) -> V {
        let remainder = view.master_remainder.wrapping_add(start);
        prefetch::<V>(remainder.cast(), size_of::<i16>());
        // SAFETY: the elements are there.
        unsafe { V::join(view.param.cast::<bf16>().add(start), remainder) }
    }

    #[inline(always)]
    unsafe fn store<V: CodeLanes>(view: &TensorView, start: usize, new: V, nan: bool) {
        // SAFETY: the elements are there, and only this loop uses them.
        unsafe {
            let param = view.param.cast::<bf16>().add(start);
            let remainder = view.master_remainder.add(start);
            if nan {
                split_each(new, param, remainder);
            } else {
                new.split(param, remainder);
            }
        }
    }
}

/// bf16 that are rounded up or down at random.
pub(in crate::kernel) enum AtRandom {}

impl Params for AtRandom {
    type Element = bf16;

    #[inline(always)]
    unsafe fn load<V: CodeLanes>(view: &TensorView, start: usize) -> V {
        // SAFETY: the preconditions are the same.
        unsafe { <bf16 as Params>::load(view, start) }
    }

    #[inline(always)]
    unsafe fn store<V: CodeLanes>(view: &TensorView, start: usize, new: V, nan: bool) {
        let place = view.first + start as u64;
        let (keys, lower) = (view.noise.keys((place >> 32) as u32), place as u32);
        // SAFETY: the elements are there, and only this loop uses them.
        unsafe {
            let param = view.param.cast::<bf16>().add(start);
            if nan {
                round_each_at_random(new, keys, lower, param);
            } else {
                new.round_at_random(keys, lower, param);
            }
        }
    }
}

/// Writes the copy of f32 parameters, if there is one.
///
/// # Safety
/// The view is valid for the layout, which has a copy of 16 bits or none, and has `COUNT` elements from `start` on.
#[inline(always)]
pub(super) unsafe fn store_copy<V: CodeLanes>(
    view: &TensorView,
    layout: Layout,
    start: usize,
    new: V,
    nan: bool,
) {
    // SAFETY: the copy is there, of this dtype, and only this loop uses it.
    unsafe {
        match layout.copy {
            None => {}
            Some(Dtype::F16) => {
                <V as Stored<f16>>::store(new, nan, view.copy.cast::<f16>().add(start));
            }
            Some(_) => <V as Stored<bf16>>::store(new, nan, view.copy.cast::<bf16>().add(start)),
        }
    }
}

/// The most lanes that there are.
const LANES: usize = 32;

#[inline(always)]
fn each<V: CodeLanes>(lanes: V) -> impl Iterator<Item = (usize, f32)> {
    const { assert!(V::COUNT <= LANES) };
    let mut values = [0.0; LANES];
    // SAFETY: there is room for all lanes.
    unsafe { <V as Stored<f32>>::store(lanes, false, values.as_mut_ptr()) };
    values.into_iter().take(V::COUNT).enumerate()
}

/// As `split`, for any values.
///
/// # Safety
/// There is room for `COUNT` elements.
#[cold]
#[inline(never)]
unsafe fn split_each<V: CodeLanes>(lanes: V, param: *mut bf16, remainder: *mut i16) {
    for (i, value) in each(lanes) {
        // SAFETY: there is room.
        unsafe { (*param.add(i), *remainder.add(i)) = halves(value) };
    }
}

/// As `round_at_random`, for any values.
///
/// # Safety
/// There is room for `COUNT` elements.
#[cold]
#[inline(never)]
unsafe fn round_each_at_random<V: CodeLanes>(lanes: V, keys: [u32; 2], lower: u32, to: *mut bf16) {
    for (i, value) in each(lanes) {
        let random = random(keys, lower.wrapping_add(i as u32));
        // SAFETY: there is room.
        unsafe { *to.add(i) = rounded_at_random(value, random >> 16) };
    }
}
