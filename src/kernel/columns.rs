//! The arrays of a piece of a parameter as elements of their types.

use super::arrays::Arrays;
use super::lanes::{Lanes, Stored};

/// Where the elements of each array are.
pub(super) struct Columns<P, G, S, O> {
    pub param: *mut P,
    pub grad: *const G,
    pub exp_avg: *mut S,
    pub exp_avg_sq: *mut S,
    /// Null without Kahan summation.
    pub kahan_comp: *mut S,
    pub out: *mut O,
}

impl<P, G, S, O> Columns<P, G, S, O> {
    #[inline(always)]
    pub fn of(arrays: &Arrays) -> Self {
        Self {
            param: arrays.param.cast(),
            grad: arrays.grad.cast(),
            exp_avg: arrays.exp_avg.cast(),
            exp_avg_sq: arrays.exp_avg_sq.cast(),
            kahan_comp: arrays.kahan_comp.cast(),
            out: arrays.out.cast(),
        }
    }

    pub fn are_aligned(&self) -> bool {
        let state = [self.exp_avg, self.exp_avg_sq, self.kahan_comp];
        self.param.is_aligned() && self.grad.is_aligned() && state.iter().all(|s| s.is_aligned())
    }

    #[inline(always)]
    pub fn kahan_sum(&self) -> bool {
        !self.kahan_comp.is_null()
    }

    /// Asks for what comes some blocks after the one at `start`, if the parameter is of 16 bits: these take
    /// so long to compute that by itself the processor does not look ahead as far as memory takes to answer.
    #[inline(always)]
    pub fn prefetch<V: Lanes>(&self, start: usize) {
        if size_of::<P>() != 2 {
            return;
        }
        prefetch::<V, P>(self.param.wrapping_add(start));
        prefetch::<V, G>(self.grad.wrapping_add(start));
        prefetch::<V, S>(self.exp_avg.wrapping_add(start));
        prefetch::<V, S>(self.exp_avg_sq.wrapping_add(start));
        if self.kahan_sum() {
            prefetch::<V, S>(self.kahan_comp.wrapping_add(start));
        }
    }

    /// `exp_avg` and `exp_avg_sq` from `start` on.
    ///
    /// # Safety
    /// There are `V::COUNT` elements, and nobody writes them.
    #[inline(always)]
    pub unsafe fn moments<V: Stored<S>>(&self, start: usize) -> (V, V) {
        // SAFETY: the caller's promise.
        unsafe { (V::load(self.exp_avg.add(start)), V::load(self.exp_avg_sq.add(start))) }
    }

    /// `kahan_comp` from `start` on, with Kahan summation.
    ///
    /// # Safety
    /// As for `moments`.
    #[inline(always)]
    pub unsafe fn kahan_comp<V: Stored<S>>(&self, start: usize) -> Option<V> {
        if self.kahan_sum() {
            // SAFETY: the caller's promise.
            Some(unsafe { V::load(self.kahan_comp.add(start)) })
        } else {
            None
        }
    }

    /// From the element `start` on.
    ///
    /// # Safety
    /// There are as many elements.
    #[inline(always)]
    pub unsafe fn at(&self, start: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            Self {
                param: self.param.add(start),
                grad: self.grad.add(start),
                exp_avg: self.exp_avg.add(start),
                exp_avg_sq: self.exp_avg_sq.add(start),
                kahan_comp: self.kahan_comp.add(if self.kahan_sum() { start } else { 0 }),
                out: self.out.wrapping_add(start),
            }
        }
    }
}

/// Bytes ahead: enough for memory to answer in time, and few enough to be still in the first-level
/// cache then.
const AHEAD: usize = 512;
const LINE: usize = 64;

/// Asks for the cache lines of a block of V's lanes, [`AHEAD`] of these.
#[inline(always)]
fn prefetch<V: Lanes, E>(block: *const E) {
    for line in (0..V::COUNT * size_of::<E>()).step_by(LINE) {
        prefetch_line(block.cast::<i8>().wrapping_add(AHEAD + line));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn prefetch_line(address: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: any address will do.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn prefetch_line(_: *const i8) {}
