//! The update rule over the arrays of a piece of a parameter.

use super::columns::Columns;
use super::dtype::Dtype;
use super::instruction_set::Compiled;
use super::lanes::{Lanes, Stored};
use crate::math::{Coefficients, Rule, Step, compensated_change, lost_change};

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
    let starts = (0..arrays.len - rest).step_by(V::COUNT);
    // SAFETY: the caller's promise; `V::COUNT` elements are left from each start on.
    unsafe {
        if step.rule == Rule::Accumulate {
            for start in starts {
                stepper.accumulate::<P, G, S, O, CLIPS>(&columns, start);
            }
        } else if [size_of::<P>(), size_of::<G>(), size_of::<S>()] == [2; 3] {
            stepper.step_overlapped::<P, G, S, O, CLIPS>(&columns, starts);
        } else {
            for start in starts {
                // Before anything is stored: a processor holds back a load whose place in its page is that
                // of a store under way.
                let kahan_comp = columns.kahan_comp(start);
                let begun = stepper.begin::<P, G, S, O, CLIPS>(&columns, start);
                finish(&columns, start, begun, kahan_comp);
            }
        }
    }
    if rest > 0 {
        // SAFETY: the caller's promise; `rest` elements are left.
        unsafe { step_rest::<I, V, P, G, S, O, CLIPS>(step, &columns.at(arrays.len - rest), rest) };
    }
}

/// Steps blocks of V's lanes. What it decides anew for each of them is the same for all, so the
/// processor foresees it.
struct Stepper<'a, V> {
    step: &'a Step,
    coefficients: Coefficients<V>,
}

/// A block whose moments have been moved.
#[derive(Clone, Copy)]
struct Begun<V> {
    theta: V,
    /// By how much θ is to be lowered.
    lowered: V,
}

impl<V> Stepper<'_, V> {
    /// Moves the moments, and not θ.
    ///
    /// # Safety
    /// As for [`step`], of `V::COUNT` elements from `start` on.
    #[inline(always)]
    unsafe fn accumulate<P, G, S, O, const CLIPS: bool>(
        &self,
        columns: &Columns<P, G, S, O>,
        start: usize,
    ) where
        V: Stored<G> + Stored<S>,
    {
        columns.prefetch::<V>(start);
        // SAFETY: the caller's promise.
        unsafe {
            let grad = self.grad::<P, G, S, O, CLIPS>(columns, start);
            let (m, v) = columns.moments::<V>(start);
            let (m, v) = self.coefficients.moments(grad, m, v);
            let nan = (m + v).any_nan();
            m.store(nan, columns.exp_avg.add(start));
            v.store(nan, columns.exp_avg_sq.add(start));
        }
    }

    /// Steps the blocks, each begun before the one before it is finished. Elements of 16 bits have so much
    /// done to them after the division that otherwise a processor runs out of places for what waits.
    ///
    /// # Safety
    /// As for [`step`], of `V::COUNT` elements from each start on.
    #[inline(always)]
    unsafe fn step_overlapped<P, G, S, O, const CLIPS: bool>(
        &self,
        columns: &Columns<P, G, S, O>,
        mut starts: impl Iterator<Item = usize>,
    ) where
        V: Stored<P> + Stored<G> + Stored<S> + Stored<O>,
    {
        let Some(mut before) = starts.next() else { return };
        // SAFETY: the caller's promise.
        unsafe {
            let mut begun = self.begin::<P, G, S, O, CLIPS>(columns, before);
            for start in starts {
                let next = self.begin::<P, G, S, O, CLIPS>(columns, start);
                finish(columns, before, begun, columns.kahan_comp(before));
                (before, begun) = (start, next);
            }
            finish(columns, before, begun, columns.kahan_comp(before));
        }
    }

    /// Moves the moments, and computes by how much θ is to be lowered.
    ///
    /// # Safety
    /// As for [`step`], of `V::COUNT` elements from `start` on.
    #[inline(always)]
    unsafe fn begin<P, G, S, O, const CLIPS: bool>(
        &self,
        columns: &Columns<P, G, S, O>,
        start: usize,
    ) -> Begun<V>
    where
        V: Stored<P> + Stored<G> + Stored<S>,
    {
        let Self { step: Step { rule, decay, .. }, ref coefficients } = *self;
        columns.prefetch::<V>(start);
        // SAFETY: the caller's promise.
        unsafe {
            let grad = self.grad::<P, G, S, O, CLIPS>(columns, start);
            let (m, v) = columns.moments::<V>(start);
            let theta: V = V::load(columns.param.add(start));
            let (m, v) = coefficients.penalized_moments(*decay, theta, grad, m, v);
            let rectified = *rule == Rule::Rectified;
            // In this order, what is under way waits least for the root and for denormal moments.
            let root = Coefficients::root(rectified, v);
            let nan = (m + v).any_nan();
            m.store(nan, columns.exp_avg.add(start));
            let lowered = coefficients.lowered(rectified, *decay, theta, m, root);
            v.store(nan, columns.exp_avg_sq.add(start));
            Begun { theta, lowered }
        }
    }

    /// The gradient as the rule is to see it.
    ///
    /// # Safety
    /// As for `begin`.
    #[inline(always)]
    unsafe fn grad<P, G, S, O, const CLIPS: bool>(
        &self,
        columns: &Columns<P, G, S, O>,
        start: usize,
    ) -> V
    where
        V: Stored<G>,
    {
        // SAFETY: the caller's promise.
        let grad = unsafe { V::load(columns.grad.add(start)) };
        if CLIPS { self.coefficients.clipped(grad) } else { grad }
    }
}

/// Lowers θ.
///
/// # Safety
/// As for [`step`], of `V::COUNT` elements from `start` on, which are those that were begun.
#[inline(always)]
unsafe fn finish<V, P, G, S, O>(
    columns: &Columns<P, G, S, O>,
    start: usize,
    begun: Begun<V>,
    kahan_comp: Option<V>,
) where
    V: Stored<P> + Stored<S> + Stored<O>,
{
    let Begun { theta, lowered } = begun;
    let (nan, new);
    // SAFETY: the caller's promise.
    unsafe {
        let param = columns.param.add(start);
        // Asked once, although it says some things twice: twice would take more instructions.
        if let Some(kahan_comp) = kahan_comp {
            let change = compensated_change(kahan_comp, lowered);
            new = theta + change;
            nan = new.any_nan();
            let packed = <V as Stored<P>>::pack_if(new, nan);
            <V as Stored<P>>::write(packed, param);
            let lost = lost_change(change, theta, <V as Stored<P>>::unpack(packed));
            lost.store(nan, columns.kahan_comp.add(start));
        } else {
            new = theta - lowered;
            nan = new.any_nan();
            <V as Stored<P>>::store(new, nan, param);
        }
        <V as Stored<O>>::store(new, nan, columns.out.wrapping_add(start));
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
