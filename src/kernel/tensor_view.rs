//! Views of the arrays of a tensor, untyped and typed.

use super::dtype::Dtype;
use super::lanes::{Lanes, Stored};
use super::stochastic::Noise;
use crate::math::q8;

/// The dtypes of a tensor's arrays, and how its parameter is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub param: Dtype,
    pub grad: Dtype,
    /// Of `kahan_comp` and, unless they are coded, of `exp_avg` and `exp_avg_sq`.
    pub state: Dtype,
    /// Whether `exp_avg` and `exp_avg_sq` are codes of 8 bits.
    pub q8: bool,
    /// Of the copy, if there is one.
    pub copy: Option<Dtype>,
    pub rounding: Rounding,
}

impl Layout {
    /// Whether steps take random numbers.
    pub fn is_noisy(self) -> bool {
        self.rounding == Rounding::Stochastic || self.q8
    }
}

/// How new values are rounded to the dtype of the parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// To nearest even; with Kahan summation if the view has a `kahan_comp`.
    Nearest,
    /// bf16 parameters are the upper halves of f32 masters, whose lower halves are in `master_remainder`.
    Remainder,
    /// bf16 parameters are rounded up or down at random, so that the expected value is exact.
    Stochastic,
}

/// The arrays of a tensor or of a part of it, each of `len` elements of its own dtype.
///
/// A view is *valid* for a layout if the layout's arrays exist and are aligned for their dtypes, none overlaps
/// another, and while the view is in use nothing else writes them or, except for the gradient, reads them. One with 8-bit
/// state begins with a block: `first` is a multiple of [`q8::BLOCK`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TensorView {
    pub len: usize,
    /// The elements of the tensor that these are a part of.
    pub whole: usize,
    /// The place of the first element in the whole tensor.
    pub first: u64,
    pub param: *mut u8,
    pub grad: *const u8,
    pub exp_avg: *mut u8,
    pub exp_avg_sq: *mut u8,
    /// Null without Kahan summation.
    pub kahan_comp: *mut u8,
    /// A word for each block of 8-bit state; used only by its layouts.
    pub state_scale: *mut u32,
    /// Used only by layouts with [`Rounding::Remainder`].
    pub master_remainder: *mut i16,
    /// Receives the new parameters, if the layout has a copy.
    pub copy: *mut u8,
    /// Used only by layouts with [`Rounding::Stochastic`], and by those with 8-bit state.
    pub noise: Noise,
}

// SAFETY: a view is only a set of addresses. The unsafe functions that dereference them require it to be valid,
// which includes that no other thread uses the same elements.
unsafe impl Send for TensorView {}
// SAFETY: as above.
unsafe impl Sync for TensorView {}

impl TensorView {
    /// The `len` elements from `start` on. A part of a view that is valid for the layout is valid too.
    pub fn part(&self, start: usize, len: usize, layout: Layout) -> Self {
        debug_assert!(start + len <= self.len);
        debug_assert!(!layout.q8 || start.is_multiple_of(q8::BLOCK));
        let moments = start * if layout.q8 { 1 } else { layout.state.size() };
        let kahan_comp = if self.kahan_comp.is_null() { 0 } else { start * layout.state.size() };
        Self {
            len,
            whole: self.whole,
            first: self.first + start as u64,
            param: self.param.wrapping_add(start * layout.param.size()),
            grad: self.grad.wrapping_add(start * layout.grad.size()),
            exp_avg: self.exp_avg.wrapping_add(moments),
            exp_avg_sq: self.exp_avg_sq.wrapping_add(moments),
            kahan_comp: self.kahan_comp.wrapping_add(kahan_comp),
            state_scale: self.state_scale.wrapping_add(if layout.q8 {
                start / q8::BLOCK
            } else {
                0
            }),
            master_remainder: self.master_remainder.wrapping_add(start),
            copy: self.copy.wrapping_add(start * layout.copy.map_or(0, Dtype::size)),
            noise: self.noise,
        }
    }
}

/// The arrays as the loops over registers use them: a parameter of P, gradients of G, state of S, a copy of C.
pub(super) struct TypedView<P, G, S, C> {
    pub param: *mut P,
    pub grad: *const G,
    pub exp_avg: *mut S,
    pub exp_avg_sq: *mut S,
    /// Null without Kahan summation.
    pub kahan_comp: *mut S,
    pub copy: *mut C,
    pub is_large: bool,
}

impl<P, G, S, C> TypedView<P, G, S, C> {
    #[inline(always)]
    pub fn of(view: &TensorView) -> Self {
        Self {
            param: view.param.cast(),
            grad: view.grad.cast(),
            exp_avg: view.exp_avg.cast(),
            exp_avg_sq: view.exp_avg_sq.cast(),
            kahan_comp: view.kahan_comp.cast(),
            copy: view.copy.cast(),
            is_large: view.whole >= LARGE,
        }
    }

    pub fn is_aligned(&self) -> bool {
        let state = [self.exp_avg, self.exp_avg_sq, self.kahan_comp];
        self.param.is_aligned()
            && self.grad.is_aligned()
            && state.iter().all(|array| array.is_aligned())
            && self.copy.is_aligned()
    }

    #[inline(always)]
    pub fn kahan_sum(&self) -> bool {
        !self.kahan_comp.is_null()
    }

    /// `exp_avg` and `exp_avg_sq` from `start` on.
    ///
    /// # Safety
    /// The view is valid, and has `V::COUNT` elements from `start` on.
    #[inline(always)]
    pub unsafe fn moments<V: Stored<S>>(&self, start: usize) -> (V, V) {
        // SAFETY: the arrays of a valid view have these elements.
        unsafe { (V::load(self.exp_avg.add(start)), V::load(self.exp_avg_sq.add(start))) }
    }

    /// `kahan_comp` from `start` on, if there is Kahan summation.
    ///
    /// # Safety
    /// As for `moments`.
    #[inline(always)]
    pub unsafe fn kahan_comp<V: Stored<S>>(&self, start: usize) -> Option<V> {
        if self.kahan_sum() {
            // SAFETY: not being null, it is an array of the valid view.
            Some(unsafe { V::load(self.kahan_comp.add(start)) })
        } else {
            None
        }
    }

    /// Prefetches some blocks ahead of `start`. Parameters of 16 bits always need it: their blocks take so many instructions
    /// that out-of-order execution alone does not reach far enough ahead to hide the latency of memory. For f32 it takes a few
    /// percent of the time where everything is in cache already.
    #[inline(always)]
    pub fn prefetch<V: Lanes>(&self, start: usize) {
        if size_of::<P>() == 2 || (size_of::<P>() == 4 && self.is_large) {
            self.prefetch_moments::<V>(start);
            prefetch::<V, P>(self.param.wrapping_add(start));
            if self.kahan_sum() {
                prefetch::<V, S>(self.kahan_comp.wrapping_add(start));
            }
        }
    }

    /// Prefetches gradients and moments alone.
    #[inline(always)]
    pub fn prefetch_moments<V: Lanes>(&self, start: usize) {
        prefetch::<V, G>(self.grad.wrapping_add(start));
        prefetch::<V, S>(self.exp_avg.wrapping_add(start));
        prefetch::<V, S>(self.exp_avg_sq.wrapping_add(start));
    }
}

/// How many bytes to prefetch ahead: enough to hide the latency of memory, few enough to be still in the
/// first-level cache when they are needed.
const AHEAD: usize = 2048;
/// Elements of a tensor that is not in the second-level cache.
const LARGE: usize = 256 << 10;
const LINE: usize = 64;

/// Prefetches the cache lines of the block of V's lanes that is [`AHEAD`] of this one.
#[inline(always)]
fn prefetch<V: Lanes, E>(block: *const E) {
    for line in (0..V::COUNT * size_of::<E>()).step_by(LINE) {
        prefetch_line(block.cast::<i8>().wrapping_add(AHEAD + line));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn prefetch_line(address: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: prefetching is allowed at any address, and every x86-64 has the instruction.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn prefetch_line(_: *const i8) {}
