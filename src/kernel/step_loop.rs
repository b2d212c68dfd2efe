//! The update rule over the arrays of a tensor, as a loop over the registers of any instruction set.

use super::lanes::{Lanes, Stored};
use super::tensor_view::{Layout, TensorView, TypedView};
use crate::math::{Coefficients, Rule, Step, compensated_change, lost_change};

/// A loop that makes one step of all elements of a view.
///
/// # Safety
/// The view is valid for the layout, which is that of the choice of the loop.
pub(super) type StepLoop = unsafe fn(&Step, &TensorView, Layout);

/// Steps all elements, a block of V's lanes at a time. The remainder is stepped in a block of copies by `again`,
/// which is this very loop as it was compiled.
///
/// CLIPS, whether the step does, is a constant since a branch would take registers from the coefficients of
/// steps that do not.
///
/// # Safety
/// The view is valid for elements of P, G, S and C. The machine has V's instructions.
#[inline(always)]
pub(super) unsafe fn step<V, P, G, S, C, const CLIPS: bool>(
    step: &Step,
    view: &TensorView,
    layout: Layout,
    again: StepLoop,
) where
    V: Stored<P> + Stored<G> + Stored<S> + Stored<C>,
{
    let arrays = TypedView::<P, G, S, C>::of(view);
    debug_assert!(arrays.is_aligned() && step.clips == CLIPS);
    let blocks = Blocks { step, coefficients: step.coefficients.round::<V>() };
    let rest = view.len % V::COUNT;
    let starts = (0..view.len - rest).step_by(V::COUNT);
    // SAFETY: the view is valid, and `V::COUNT` elements remain from each start on.
    unsafe {
        if step.rule == Rule::Accumulate {
            for start in starts {
                blocks.accumulate::<P, G, S, C, CLIPS>(&arrays, start);
            }
        } else if [size_of::<P>(), size_of::<G>(), size_of::<S>()] == [2; 3] {
            blocks.step_overlapped::<P, G, S, C, CLIPS>(&arrays, starts);
        } else {
            for start in starts {
                // 4K aliasing: load before the stores, since a load has to wait for a store in flight whose
                // address has the same low 12 bits.
                let kahan_comp = arrays.kahan_comp(start);
                let begun = blocks.begin::<P, G, S, C, CLIPS>(&arrays, start);
                finish(&arrays, start, begun, kahan_comp);
            }
        }
    }
    if rest > 0 {
        // SAFETY: the view is valid, and `again` is this loop.
        unsafe { step_rest::<V, P, G, S, C>(step, view, layout, rest, again) };
    }
}

/// Steps blocks of V's lanes. Its branches go the same way for every block, so they are predicted well.
struct Blocks<'a, V> {
    step: &'a Step,
    coefficients: Coefficients<V>,
}

/// A block whose moments have been updated.
#[derive(Clone, Copy)]
struct Begun<V> {
    theta: V,
    /// What is to be subtracted from θ.
    lowered: V,
}

impl<V> Blocks<'_, V> {
    /// Updates the moments, but not θ.
    ///
    /// # Safety
    /// The view is valid, and has `V::COUNT` elements from `start` on.
    #[inline(always)]
    unsafe fn accumulate<P, G, S, C, const CLIPS: bool>(
        &self,
        arrays: &TypedView<P, G, S, C>,
        start: usize,
    ) where
        V: Stored<G> + Stored<S>,
    {
        if size_of::<P>() == 2 {
            arrays.prefetch_moments::<V>(start);
        }
        // SAFETY: the elements are there, and only this loop uses them.
        unsafe {
            let grad = self.grad::<P, G, S, C, CLIPS>(arrays, start);
            let (m, v) = arrays.moments::<V>(start);
            let (m, v) = self.coefficients.moments(grad, m, v);
            let nan = (m + v).any_nan();
            m.store(nan, arrays.exp_avg.add(start));
            v.store(nan, arrays.exp_avg_sq.add(start));
        }
    }

    /// Software pipelining: begins each block before it finishes the previous one. 16-bit elements need so many
    /// instructions after the division that they would otherwise fill the processor's scheduler.
    ///
    /// # Safety
    /// The view is valid, and has `V::COUNT` elements from each start on.
    #[inline(always)]
    unsafe fn step_overlapped<P, G, S, C, const CLIPS: bool>(
        &self,
        arrays: &TypedView<P, G, S, C>,
        mut starts: impl Iterator<Item = usize>,
    ) where
        V: Stored<P> + Stored<G> + Stored<S> + Stored<C>,
    {
        let Some(mut before) = starts.next() else { return };
        // SAFETY: the view is valid, and each block has its elements.
        unsafe {
            let mut begun = self.begin::<P, G, S, C, CLIPS>(arrays, before);
            for start in starts {
                let next = self.begin::<P, G, S, C, CLIPS>(arrays, start);
                finish(arrays, before, begun, arrays.kahan_comp(before));
                (before, begun) = (start, next);
            }
            finish(arrays, before, begun, arrays.kahan_comp(before));
        }
    }

    /// Updates the moments, and computes what is to be subtracted from θ.
    ///
    /// # Safety
    /// As for `accumulate`.
    #[inline(always)]
    unsafe fn begin<P, G, S, C, const CLIPS: bool>(
        &self,
        arrays: &TypedView<P, G, S, C>,
        start: usize,
    ) -> Begun<V>
    where
        V: Stored<P> + Stored<G> + Stored<S>,
    {
        let Self { step: Step { rule, decay, .. }, ref coefficients } = *self;
        arrays.prefetch::<V>(start);
        // SAFETY: the elements are there, and only this loop uses them.
        unsafe {
            let grad = self.grad::<P, G, S, C, CLIPS>(arrays, start);
            let (m, v) = arrays.moments::<V>(start);
            let theta: V = V::load(arrays.param.add(start));
            let (m, v) = coefficients.penalized_moments(*decay, theta, grad, m, v);
            let rectified = *rule == Rule::Rectified;
            // This order hides best the latency of the root, and that of denormal moments.
            let root = Coefficients::root(rectified, v);
            let nan = (m + v).any_nan();
            m.store(nan, arrays.exp_avg.add(start));
            let lowered = coefficients.lowered(rectified, *decay, theta, m, root);
            v.store(nan, arrays.exp_avg_sq.add(start));
            Begun { theta, lowered }
        }
    }

    /// The gradient, clipped if the step does.
    ///
    /// # Safety
    /// As for `accumulate`.
    #[inline(always)]
    unsafe fn grad<P, G, S, C, const CLIPS: bool>(
        &self,
        arrays: &TypedView<P, G, S, C>,
        start: usize,
    ) -> V
    where
        V: Stored<G>,
    {
        // SAFETY: the elements are there.
        let grad = unsafe { V::load(arrays.grad.add(start)) };
        if CLIPS { self.coefficients.clipped(grad) } else { grad }
    }
}

/// Updates θ.
///
/// # Safety
/// The view is valid, and has `V::COUNT` elements from `start` on, for which `begun` was computed.
#[inline(always)]
unsafe fn finish<V, P, G, S, C>(
    arrays: &TypedView<P, G, S, C>,
    start: usize,
    begun: Begun<V>,
    kahan_comp: Option<V>,
) where
    V: Stored<P> + Stored<S> + Stored<C>,
{
    let Begun { theta, lowered } = begun;
    let (nan, new);
    // SAFETY: the elements are there, and only this loop uses them.
    unsafe {
        let param = arrays.param.add(start);
        // One branch, although its arms have something in common: two would take more instructions.
        if let Some(kahan_comp) = kahan_comp {
            let change = compensated_change(kahan_comp, lowered);
            new = theta + change;
            nan = new.any_nan();
            let packed = <V as Stored<P>>::pack_if(new, nan);
            <V as Stored<P>>::write(packed, param);
            let lost = lost_change(change, theta, <V as Stored<P>>::unpack(packed));
            lost.store(nan, arrays.kahan_comp.add(start));
        } else {
            new = theta - lowered;
            nan = new.any_nan();
            <V as Stored<P>>::store(new, nan, param);
        }
        <V as Stored<C>>::store(new, nan, arrays.copy.wrapping_add(start));
    }
}

/// Steps the last `rest` elements, fewer than there are lanes, as the first ones of a block of copies.
///
/// # Safety
/// The view is valid for elements of P, G, S and C, and `again` is the loop for such views.
unsafe fn step_rest<V, P, G, S, C>(
    step: &Step,
    view: &TensorView,
    layout: Layout,
    rest: usize,
    again: StepLoop,
) where
    V: Stored<P> + Stored<G> + Stored<S> + Stored<C>,
{
    debug_assert!(rest < V::COUNT);
    let TypedView { param, grad, exp_avg, exp_avg_sq, kahan_comp, copy, .. } =
        TypedView::<P, G, S, C>::of(view);
    let start = view.len - rest;
    let mut blocks = [const { Block([0; 16]) }; 6];
    let [param_block, grad_block, exp_avg_block, exp_avg_sq_block, kahan_comp_block, copy_block] =
        &mut blocks;
    // SAFETY: a valid view has `rest` elements from `start` on, the blocks have room for `V::COUNT`, and as
    // arrays of their own they are a valid view too.
    unsafe {
        let kahan_sum = !kahan_comp.is_null();
        let copies = TensorView {
            len: V::COUNT,
            param: param_block.fill::<V, _>(param.add(start), rest).cast(),
            grad: grad_block.fill::<V, _>(grad.add(start), rest).cast(),
            exp_avg: exp_avg_block.fill::<V, _>(exp_avg.add(start), rest).cast(),
            exp_avg_sq: exp_avg_sq_block.fill::<V, _>(exp_avg_sq.add(start), rest).cast(),
            kahan_comp: if kahan_sum {
                kahan_comp_block.fill::<V, _>(kahan_comp.add(start), rest).cast()
            } else {
                view.kahan_comp
            },
            copy: copy_block.0.as_mut_ptr().cast(),
            ..*view
        };
        again(step, &copies, layout);
        let new = TypedView::<P, G, S, C>::of(&copies);
        param.add(start).copy_from_nonoverlapping(new.param, rest);
        exp_avg.add(start).copy_from_nonoverlapping(new.exp_avg, rest);
        exp_avg_sq.add(start).copy_from_nonoverlapping(new.exp_avg_sq, rest);
        if kahan_sum {
            kahan_comp.add(start).copy_from_nonoverlapping(new.kahan_comp, rest);
        }
        if size_of::<C>() > 0 && step.rule != Rule::Accumulate {
            copy.add(start).copy_from_nonoverlapping(new.copy, rest);
        }
    }
}

/// A block of elements of any dtype.
struct Block([u64; 16]);

impl Block {
    /// Copies elements to the beginning of the block.
    ///
    /// # Safety
    /// There are `len` elements, and fewer than `V::COUNT`.
    unsafe fn fill<V: Lanes, E>(&mut self, elements: *const E, len: usize) -> *mut E {
        const { assert!(V::COUNT * size_of::<E>() <= size_of::<Self>()) };
        let block = self.0.as_mut_ptr().cast::<E>();
        // SAFETY: the elements are there, and the block has room for `V::COUNT`, as just asserted.
        unsafe { block.copy_from_nonoverlapping(elements, len) };
        block
    }
}
