//! The update rule on any machine: plain loops over f32 or f64, which the compiler vectorizes.
//!
//! Arrays of other dtypes are converted block by block on the way in and out.

use super::arrays::{Arrays, Dtypes};
use super::convert::convert_array;
use super::dtype::Dtype;
use super::element::{Element, Real};
use super::instruction_set::InstructionSet;
use crate::math::{Coefficients, Decay, Rule, Step, compensated_change, lost_change};
use half::{bf16, f16};
use std::mem::MaybeUninit;

/// Elements that are converted at a time: few enough that all arrays of them stay in the
/// first-level cache and on the stack.
const BLOCK: usize = 256;

/// Makes one step of all elements.
///
/// # Safety
/// The arrays are of these dtypes, and are aligned for them. Nothing else writes them nor, the
/// gradient excepted, reads them, and they do not overlap.
#[inline(never)] // or its copies would be on the stack of every step
pub(super) unsafe fn step(step: &Step, arrays: &Arrays, dtypes: Dtypes) {
    let step_as = match dtypes.param {
        Dtype::F64 => step_as::<f64>,
        Dtype::F32 => step_as::<f32>,
        Dtype::F16 => step_as::<f16>,
        Dtype::Bf16 => step_as::<bf16>,
    };
    let mut copies = MaybeUninit::<Copies>::uninit(); // to fill them would cost more than a small step
    for start in (0..arrays.len).step_by(BLOCK) {
        // SAFETY: the caller's promise; the copies have room for a block.
        unsafe {
            let part = arrays.part(start, BLOCK.min(arrays.len - start), dtypes);
            step_as(step, &part, dtypes, copies.as_mut_ptr());
        }
    }
}

/// Room for a block of each array, in f64 or f32.
type Copies = [[f64; BLOCK]; 5];

/// Steps up to a block of elements of a parameter that is stored as P.
///
/// # Safety
/// As for [`step`]; and `copies` may be written.
unsafe fn step_as<P: Element>(step: &Step, arrays: &Arrays, dtypes: Dtypes, copies: *mut Copies) {
    let Arrays { len, param, grad, exp_avg, exp_avg_sq, kahan_comp, out } = *arrays;
    let Dtypes { param: param_dtype, grad: grad_dtype, state, out: out_dtype } = dtypes;
    debug_assert!(len <= BLOCK);
    let copies = copies.cast::<[P::Real; BLOCK]>();
    // SAFETY: the caller's promise; the gradient's row is only read.
    unsafe {
        let row = |dtype, stored, copy| Row::<P::Real>::new(dtype, stored, len, copies.add(copy));
        let theta = row(param_dtype, param, 0);
        let mut grad = row(grad_dtype, grad.cast_mut(), 1);
        if step.clips {
            grad = grad.clipped(&step.coefficients.round(), copies.add(1));
        }
        let m = row(state, exp_avg, 2);
        let v = row(state, exp_avg_sq, 3);
        let comp = (!kahan_comp.is_null()).then(|| row(state, kahan_comp, 4));
        let columns = Columns::<P> {
            coefficients: step.coefficients.round(),
            theta: theta.slice_mut(),
            grad: grad.slice(),
            m: m.slice_mut(),
            v: v.slice_mut(),
            comp: comp.as_ref().map(|comp| comp.slice_mut()),
        };
        columns.step(step);
        if step.rule != Rule::Accumulate {
            theta.write_back();
            if let Some(out_dtype) = out_dtype {
                let set = InstructionSet::Portable;
                convert_array(set, param_dtype, param, out_dtype, out, len);
            }
            comp.inspect(|comp| comp.write_back());
        }
        m.write_back();
        v.write_back();
    }
}

/// An array in the type that is computed in: the array itself, or a copy.
struct Row<R> {
    values: *mut R,
    len: usize,
    dtype: Dtype,
    stored: *mut u8,
}

impl<R: Real> Row<R> {
    /// # Safety
    /// The array has `len` elements of this dtype, and the copy has room for them. Until the row
    /// goes, nobody else uses the copy.
    unsafe fn new(dtype: Dtype, stored: *mut u8, len: usize, copy: *mut [R; BLOCK]) -> Self {
        if dtype == R::DTYPE {
            return Self { values: stored.cast(), len, dtype, stored };
        }
        // SAFETY: the caller's promise.
        unsafe {
            convert_array(InstructionSet::Portable, dtype, stored, R::DTYPE, copy.cast(), len)
        };
        Self { values: copy.cast(), len, dtype, stored }
    }

    /// The row with its values scaled and limited, in the copy, where they may be already.
    ///
    /// # Safety
    /// As for `new`.
    unsafe fn clipped(&self, coefficients: &Coefficients<R>, copy: *mut [R; BLOCK]) -> Self {
        let copy = copy.cast::<R>();
        for i in 0..self.len {
            // SAFETY: the caller's promise.
            unsafe { copy.add(i).write(coefficients.clipped(self.values.add(i).read())) };
        }
        Self { values: copy, ..*self }
    }

    /// # Safety
    /// For the lifetime that is chosen nothing writes the values.
    unsafe fn slice<'a>(&self) -> &'a [R] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(self.values, self.len) }
    }

    /// # Safety
    /// For the lifetime that is chosen nothing else reads or writes the values.
    unsafe fn slice_mut<'a>(&self) -> &'a mut [R] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.values, self.len) }
    }

    /// Stores the values where they came from, rounded to nearest even.
    ///
    /// # Safety
    /// Nothing else reads or writes the array or the values.
    unsafe fn write_back(&self) {
        if self.dtype != R::DTYPE {
            let (set, copy) = (InstructionSet::Portable, self.values.cast());
            // SAFETY: the caller's promise.
            unsafe { convert_array(set, R::DTYPE, copy, self.dtype, self.stored, self.len) };
        }
    }
}

/// The values of up to a block of elements whose parameter is stored as P.
struct Columns<'a, P: Element> {
    coefficients: Coefficients<P::Real>,
    theta: &'a mut [P::Real],
    grad: &'a [P::Real],
    m: &'a mut [P::Real],
    v: &'a mut [P::Real],
    comp: Option<&'a mut [P::Real]>,
}

impl<P: Element> Columns<'_, P> {
    /// Decides once for all elements what would keep the compiler from vectorizing a loop.
    fn step(self, step: &Step) {
        match (step.rule, step.decay) {
            (Rule::Accumulate, _) => self.accumulate(),
            (Rule::Rectified, Decay::None) => self.lower(true, Decay::None),
            (Rule::Rectified, Decay::L2) => self.lower(true, Decay::L2),
            (Rule::Rectified, Decay::Decoupled) => self.lower(true, Decay::Decoupled),
            (Rule::Unrectified, Decay::None) => self.lower(false, Decay::None),
            (Rule::Unrectified, Decay::L2) => self.lower(false, Decay::L2),
            (Rule::Unrectified, Decay::Decoupled) => self.lower(false, Decay::Decoupled),
        }
    }

    fn accumulate(self) {
        let Self { coefficients, grad, m, v, .. } = self;
        for ((grad, m), v) in grad.iter().zip(m).zip(v) {
            (*m, *v) = coefficients.moments(*grad, *m, *v);
        }
    }

    #[inline(always)]
    fn lower(self, rectified: bool, decay: Decay) {
        let Self { coefficients, theta, grad, m, v, comp } = self;
        let elements = theta.iter_mut().zip(grad).zip(m).zip(v);
        let step = |theta, grad, m: &mut P::Real, v: &mut P::Real| {
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
