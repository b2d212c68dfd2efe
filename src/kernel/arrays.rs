//! The update rule over the arrays of one chunk: plain loops that the compiler vectorizes once for
//! each instruction set they are inlined into.

use super::Shape;
use crate::number::{Element, Real, convert};
use crate::update::Coefficients;

/// The arrays of one chunk of a parameter, each of `len` elements of its own dtype.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrays {
    pub len: usize,
    pub param: *mut u8,
    pub grad: *const u8,
    pub exp_avg: *mut u8,
    pub exp_avg_sq: *mut u8,
    /// Null without Kahan summation.
    pub kahan_comp: *mut u8,
}

// SAFETY: these are addresses; whoever uses them promises that no other thread does.
unsafe impl Send for Arrays {}
// SAFETY: as above.
unsafe impl Sync for Arrays {}

impl Arrays {
    /// The `len` elements from `start` on.
    ///
    /// # Safety
    /// The arrays are of the `shape`'s dtypes, and have at least `start + len` elements.
    pub unsafe fn part(&self, start: usize, len: usize, shape: &Shape) -> Self {
        debug_assert!(start + len <= self.len);
        let (param, state) = (start * shape.param.size(), start * shape.state.size());
        // SAFETY: all are within arrays of `self.len` elements.
        unsafe {
            Self {
                len,
                param: self.param.add(param),
                grad: self.grad.add(start * shape.grad.size()),
                exp_avg: self.exp_avg.add(state),
                exp_avg_sq: self.exp_avg_sq.add(state),
                kahan_comp: if shape.kahan_sum {
                    self.kahan_comp.add(state)
                } else {
                    self.kahan_comp
                },
            }
        }
    }
}

/// # Safety
/// `pointer` is aligned for `T`, and for the lifetime that is chosen the `len` elements there are
/// alive and nothing else writes them.
#[inline(always)]
pub(super) unsafe fn slice<'a, T>(pointer: *const u8, len: usize) -> &'a [T] {
    debug_assert!(!pointer.is_null() && pointer.cast::<T>().is_aligned());
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(pointer.cast(), len) }
}

/// # Safety
/// `pointer` is aligned for `T`, and for the lifetime that is chosen the `len` elements there are
/// alive and nothing else reads or writes them.
#[inline(always)]
pub(super) unsafe fn slice_mut<'a, T>(pointer: *mut u8, len: usize) -> &'a mut [T] {
    debug_assert!(!pointer.is_null() && pointer.cast::<T>().is_aligned());
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(pointer.cast(), len) }
}

/// One step of θ, m and v.
///
/// # Safety
/// `arrays` are of the types P, G and S as [`slice`] (the gradient) and [`slice_mut`] (the others)
/// need them, and do not overlap. With KAHAN there is a `kahan_comp`.
#[inline(always)]
pub(super) unsafe fn update<P, G, S, const RECTIFIED: bool, const DECAY: bool, const KAHAN: bool>(
    coefficients: &Coefficients<f64>,
    arrays: &Arrays,
) where
    P: Element,
    G: Element,
    S: Element,
{
    let coefficients = coefficients.round::<P::Real>();
    let len = arrays.len;
    // SAFETY: the caller's promise.
    let (param, grad, exp_avg, exp_avg_sq) = unsafe {
        (
            slice_mut::<P>(arrays.param, len),
            slice::<G>(arrays.grad, len),
            slice_mut::<S>(arrays.exp_avg, len),
            slice_mut::<S>(arrays.exp_avg_sq, len),
        )
    };
    let kahan_comp: &mut [S] = if KAHAN {
        // SAFETY: the caller's promise.
        unsafe { slice_mut(arrays.kahan_comp, len) }
    } else {
        &mut []
    };
    for i in 0..len {
        let theta = param[i].load();
        let g = coefficients.gradient::<DECAY>(theta, convert(grad[i].load()));
        let m = convert(exp_avg[i].load());
        let v = convert(exp_avg_sq[i].load());
        let (m, v) = coefficients.moments(g, m, v);
        let change = coefficients.change::<RECTIFIED, DECAY>(theta, m, v);
        exp_avg[i] = S::store(convert(m));
        exp_avg_sq[i] = S::store(convert(v));
        if KAHAN {
            let compensated = convert::<_, P::Real>(kahan_comp[i].load()) + change;
            param[i] = P::store(theta + compensated);
            let lost = compensated + (theta - param[i].load());
            kahan_comp[i] = S::store(convert(lost));
        } else {
            param[i] = P::store(theta + change);
        }
    }
}

/// One step of m and v alone: θ is neither read nor written.
///
/// # Safety
/// As for [`update`], without the parameter and `kahan_comp`.
#[inline(always)]
pub(super) unsafe fn accumulate<R: Real, G: Element, S: Element>(
    coefficients: &Coefficients<f64>,
    arrays: &Arrays,
) {
    let coefficients = coefficients.round::<R>();
    let len = arrays.len;
    // SAFETY: the caller's promise.
    let (grad, exp_avg, exp_avg_sq) = unsafe {
        (
            slice::<G>(arrays.grad, len),
            slice_mut::<S>(arrays.exp_avg, len),
            slice_mut::<S>(arrays.exp_avg_sq, len),
        )
    };
    for i in 0..len {
        let g = coefficients.grad_sign * convert::<_, R>(grad[i].load());
        let m = convert(exp_avg[i].load());
        let v = convert(exp_avg_sq[i].load());
        let (m, v) = coefficients.moments(g, m, v);
        exp_avg[i] = S::store(convert(m));
        exp_avg_sq[i] = S::store(convert(v));
    }
}

/// Converts `len` elements.
///
/// # Safety
/// `source` is as [`slice`] and `target` as [`slice_mut`] needs it, and they do not overlap.
#[inline(always)]
pub(super) unsafe fn convert_array<From: Element, To: Element>(
    source: *const u8,
    target: *mut u8,
    len: usize,
) {
    // SAFETY: the caller's promise.
    let (source, target) = unsafe { (slice::<From>(source, len), slice_mut::<To>(target, len)) };
    for (target, source) in target.iter_mut().zip(source) {
        *target = To::store(convert(source.load()));
    }
}
