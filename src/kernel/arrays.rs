//! The update rule over the arrays of a piece of a parameter.

use super::instruction_set::Compiled;
use super::lanes::{Lanes, Stored};
use crate::dtype::Dtype;
use crate::update::{Coefficients, Rule, Step, compensated_change, lost_change};

/// The arrays of a piece of a parameter, each of `len` elements of its own dtype.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrays {
    pub len: usize,
    pub param: *mut u8,
    pub grad: *const u8,
    pub exp_avg: *mut u8,
    pub exp_avg_sq: *mut u8,
    /// Null without Kahan summation.
    pub kahan_comp: *mut u8,
    /// Where the new values of the parameter are copied to; null: nowhere.
    pub out: *mut u8,
}

// SAFETY: these are addresses; whoever uses them promises that no other thread does.
unsafe impl Send for Arrays {}
// SAFETY: as above.
unsafe impl Sync for Arrays {}

/// The dtypes of the arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dtypes {
    pub param: Dtype,
    pub grad: Dtype,
    /// Of `exp_avg`, `exp_avg_sq` and `kahan_comp`.
    pub state: Dtype,
    /// Of the copy, if there is one.
    pub out: Option<Dtype>,
}

impl Arrays {
    /// The `len` elements from `start` on.
    ///
    /// # Safety
    /// The arrays are of these dtypes, and have at least `start + len` elements.
    pub unsafe fn part(&self, start: usize, len: usize, dtypes: Dtypes) -> Self {
        debug_assert!(start + len <= self.len);
        let state = start * dtypes.state.size();
        let kahan_sum = !self.kahan_comp.is_null();
        // SAFETY: the caller's promise.
        unsafe {
            Self {
                len,
                param: self.param.add(start * dtypes.param.size()),
                grad: self.grad.add(start * dtypes.grad.size()),
                exp_avg: self.exp_avg.add(state),
                exp_avg_sq: self.exp_avg_sq.add(state),
                kahan_comp: self.kahan_comp.add(if kahan_sum { state } else { 0 }),
                out: self.out.add(start * dtypes.out.map_or(0, Dtype::size)),
            }
        }
    }
}

/// Steps all elements, a block of V's lanes at a time. CLIPS is whether the step does: to decide it for
/// each block would take registers from the constants that steps without clipping need.
///
/// # Safety
/// The arrays hold elements of P, of G and of S, and the copy of O, and are aligned for them.
/// Nothing else writes them nor, the gradient excepted, reads them, and they do not overlap. The
/// machine has V's instructions.
#[inline(always)]
pub(super) unsafe fn step<I, V, P, G, S, O, const CLIPS: bool>(step: &Step, arrays: &Arrays)
where
    I: Compiled,
    V: Stored<P> + Stored<G> + Stored<S> + Stored<O>,
{
    let columns = Columns::<P, G, S, O>::of(arrays);
    debug_assert!(columns.are_aligned() && step.clips == CLIPS);
    let stepper = Stepper { step, coefficients: step.coefficients.round::<V>() };
    let rest = arrays.len % V::COUNT;
    for start in (0..arrays.len - rest).step_by(V::COUNT) {
        // SAFETY: the caller's promise; `V::COUNT` elements are left.
        unsafe { stepper.step::<P, G, S, O, CLIPS>(&columns, start) };
    }
    if rest > 0 {
        // SAFETY: the caller's promise; `rest` elements are left.
        unsafe { step_rest::<I, V, P, G, S, O, CLIPS>(step, &columns.at(arrays.len - rest), rest) };
    }
}

/// Where the elements of each array are.
struct Columns<P, G, S, O> {
    param: *mut P,
    grad: *const G,
    exp_avg: *mut S,
    exp_avg_sq: *mut S,
    /// Null without Kahan summation.
    kahan_comp: *mut S,
    out: *mut O,
}

impl<P, G, S, O> Columns<P, G, S, O> {
    #[inline(always)]
    fn of(arrays: &Arrays) -> Self {
        Self {
            param: arrays.param.cast(),
            grad: arrays.grad.cast(),
            exp_avg: arrays.exp_avg.cast(),
            exp_avg_sq: arrays.exp_avg_sq.cast(),
            kahan_comp: arrays.kahan_comp.cast(),
            out: arrays.out.cast(),
        }
    }

    fn are_aligned(&self) -> bool {
        let state = [self.exp_avg, self.exp_avg_sq, self.kahan_comp];
        self.param.is_aligned() && self.grad.is_aligned() && state.iter().all(|s| s.is_aligned())
    }

    #[inline(always)]
    fn kahan_sum(&self) -> bool {
        !self.kahan_comp.is_null()
    }

    /// Asks for what comes some blocks after the one at `start`. Elements of 16 bits take so long to
    /// compute that by itself the processor does not look ahead as far as memory takes to answer.
    #[inline(always)]
    fn prefetch<V: Lanes>(&self, start: usize) {
        prefetch::<V, P>(self.param.wrapping_add(start));
        prefetch::<V, G>(self.grad.wrapping_add(start));
        prefetch::<V, S>(self.exp_avg.wrapping_add(start));
        prefetch::<V, S>(self.exp_avg_sq.wrapping_add(start));
        if self.kahan_sum() {
            prefetch::<V, S>(self.kahan_comp.wrapping_add(start));
        }
    }

    /// From the element `start` on.
    ///
    /// # Safety
    /// There are as many elements.
    #[inline(always)]
    unsafe fn at(&self, start: usize) -> Self {
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

/// Steps blocks of V's lanes. What it decides anew for each of them is the same for all, so the
/// processor foresees it.
struct Stepper<'a, V> {
    step: &'a Step,
    coefficients: Coefficients<V>,
}

impl<V> Stepper<'_, V> {
    /// # Safety
    /// As for [`step`], of `V::COUNT` elements from `start` on.
    #[inline(always)]
    unsafe fn step<P, G, S, O, const CLIPS: bool>(
        &self,
        columns: &Columns<P, G, S, O>,
        start: usize,
    ) where
        V: Stored<P> + Stored<G> + Stored<S> + Stored<O>,
    {
        let Self { step: Step { rule, decay, .. }, ref coefficients } = *self;
        if size_of::<P>() == 2 {
            columns.prefetch::<V>(start);
        }
        // SAFETY: the caller's promise.
        unsafe {
            let grad: V = V::load(columns.grad.add(start));
            let grad = if CLIPS { coefficients.clipped(grad) } else { grad };
            let (exp_avg, exp_avg_sq) = (columns.exp_avg.add(start), columns.exp_avg_sq.add(start));
            let (m, v) = (V::load(exp_avg), V::load(exp_avg_sq));
            if *rule == Rule::Accumulate {
                let (m, v) = coefficients.moments(grad, m, v);
                let nan = (m + v).any_nan();
                m.store(nan, exp_avg);
                v.store(nan, exp_avg_sq);
                return;
            }
            let param = columns.param.add(start);
            let theta: V = V::load(param);
            let (m, v) = coefficients.penalized_moments(*decay, theta, grad, m, v);
            // Before what takes long, so that it does not have to wait in the processor's queue.
            let packed = (<V as Stored<S>>::pack(m), <V as Stored<S>>::pack(v));
            let moments = m + v;
            let lowered = coefficients.lowered(*rule == Rule::Rectified, *decay, theta, m, v);
            let (nan, new);
            if columns.kahan_sum() {
                let kahan_comp = columns.kahan_comp.add(start);
                let change = compensated_change(V::load(kahan_comp), lowered);
                new = theta + change;
                nan = (moments + new).any_nan();
                let packed = <V as Stored<P>>::pack_if(new, nan);
                <V as Stored<P>>::write(packed, param);
                let lost = lost_change(change, theta, <V as Stored<P>>::unpack(packed));
                lost.store(nan, kahan_comp);
            } else {
                new = theta - lowered;
                nan = (moments + new).any_nan();
                <V as Stored<P>>::store(new, nan, param);
            }
            <V as Stored<O>>::store(new, nan, columns.out.wrapping_add(start));
            m.store_packed(packed.0, nan, exp_avg);
            v.store_packed(packed.1, nan, exp_avg_sq);
        }
    }
}

/// Steps fewer elements than there are lanes, as the first of a block of copies.
///
/// # Safety
/// As for [`step`], of `len` elements.
unsafe fn step_rest<I, V, P, G, S, O, const CLIPS: bool>(
    step: &Step,
    rest: &Columns<P, G, S, O>,
    len: usize,
) where
    I: Compiled,
    V: Stored<P> + Stored<G> + Stored<S> + Stored<O>,
{
    debug_assert!(len < V::COUNT);
    let [mut param, mut grad, mut exp_avg, mut exp_avg_sq, mut kahan_comp] = [Padded::NEW; 5];
    let mut out = Padded::NEW;
    // SAFETY: the caller's promise; the copies have room for every lane, and so has that of the copy.
    unsafe {
        let copies = Arrays {
            len: V::COUNT,
            param: param.copy_of::<V, _>(rest.param, len).cast(),
            grad: grad.copy_of::<V, _>(rest.grad, len).cast(),
            exp_avg: exp_avg.copy_of::<V, _>(rest.exp_avg, len).cast(),
            exp_avg_sq: exp_avg_sq.copy_of::<V, _>(rest.exp_avg_sq, len).cast(),
            kahan_comp: if rest.kahan_sum() {
                kahan_comp.copy_of::<V, _>(rest.kahan_comp, len).cast()
            } else {
                rest.kahan_comp.cast()
            },
            out: out.0.as_mut_ptr().cast(),
        };
        I::step::<V, P, G, S, O, CLIPS>(step, &copies);
        let copies = Columns::<P, G, S, O>::of(&copies);
        rest.param.copy_from_nonoverlapping(copies.param, len);
        rest.exp_avg.copy_from_nonoverlapping(copies.exp_avg, len);
        rest.exp_avg_sq.copy_from_nonoverlapping(copies.exp_avg_sq, len);
        if rest.kahan_sum() {
            rest.kahan_comp.copy_from_nonoverlapping(copies.kahan_comp, len);
        }
        if size_of::<O>() > 0 && step.rule != Rule::Accumulate {
            rest.out.copy_from_nonoverlapping(copies.out, len);
        }
    }
}

/// Room for a block of any dtype.
#[derive(Clone, Copy)]
struct Padded([u64; 16]);

impl Padded {
    const NEW: Self = Self([0; 16]);

    /// A block that begins with `len` elements.
    ///
    /// # Safety
    /// They are there, and fewer than `V::COUNT`.
    unsafe fn copy_of<V: Lanes, E>(&mut self, elements: *const E, len: usize) -> *mut E {
        const { assert!(V::COUNT * size_of::<E>() <= size_of::<Self>()) };
        let copies = self.0.as_mut_ptr().cast::<E>();
        // SAFETY: the caller's promise, and the assertion.
        unsafe { copies.copy_from_nonoverlapping(elements, len) };
        copies
    }
}
