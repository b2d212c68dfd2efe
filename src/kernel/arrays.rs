//! The update rule over the arrays of a piece of a parameter.

use super::lanes::{Lanes, Stored};
use super::portable;
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
            }
        }
    }
}

/// A way to step a piece of a parameter. Unsafe as [`step`] is.
pub(super) type StepLoop = unsafe fn(&Step, &Arrays, Dtypes);

/// Steps all elements, a block of V's lanes at a time.
///
/// # Safety
/// The arrays hold elements of P, of G and of S, which are these dtypes, and are aligned for them.
/// Nothing else writes them nor, the gradient excepted, reads them, and they do not overlap. The
/// machine has V's instructions.
#[inline(always)]
pub(super) unsafe fn step<V, P, G, S>(step: &Step, arrays: &Arrays, dtypes: Dtypes)
where
    V: Stored<P> + Stored<G> + Stored<S>,
{
    let block = Block::<P, G, S>::first_of(arrays);
    debug_assert!(block.is_aligned());
    let stepper = Stepper { step, coefficients: step.coefficients.round::<V>(), dtypes };
    let rest = arrays.len % V::COUNT;
    for start in (0..arrays.len - rest).step_by(V::COUNT) {
        // SAFETY: the caller's promise; `V::COUNT` elements are left.
        unsafe { stepper.step(block.advanced(start)) };
    }
    if rest > 0 {
        // SAFETY: the caller's promise; `rest` elements are left.
        unsafe { stepper.step_rest(block.advanced(arrays.len - rest), rest) };
    }
}

const fn numbers_only<V: Stored<P> + Stored<S>, P, S>() -> bool {
    <V as Stored<P>>::NUMBERS_ONLY || <V as Stored<S>>::NUMBERS_ONLY
}

/// Where the elements of one block are.
struct Block<P, G, S> {
    param: *mut P,
    grad: *const G,
    exp_avg: *mut S,
    exp_avg_sq: *mut S,
    /// Null without Kahan summation.
    kahan_comp: *mut S,
}

impl<P, G, S> Block<P, G, S> {
    #[inline(always)]
    fn first_of(arrays: &Arrays) -> Self {
        Self {
            param: arrays.param.cast(),
            grad: arrays.grad.cast(),
            exp_avg: arrays.exp_avg.cast(),
            exp_avg_sq: arrays.exp_avg_sq.cast(),
            kahan_comp: arrays.kahan_comp.cast(),
        }
    }

    fn is_aligned(&self) -> bool {
        let state = [self.exp_avg, self.exp_avg_sq, self.kahan_comp];
        self.param.is_aligned() && self.grad.is_aligned() && state.iter().all(|s| s.is_aligned())
    }

    /// # Safety
    /// There are as many elements.
    #[inline(always)]
    unsafe fn advanced(&self, elements: usize) -> Self {
        let kahan_sum = !self.kahan_comp.is_null();
        // SAFETY: the caller's promise.
        unsafe {
            Self {
                param: self.param.add(elements),
                grad: self.grad.add(elements),
                exp_avg: self.exp_avg.add(elements),
                exp_avg_sq: self.exp_avg_sq.add(elements),
                kahan_comp: self.kahan_comp.add(if kahan_sum { elements } else { 0 }),
            }
        }
    }
}

/// Steps blocks of V's lanes. What it decides anew for each of them is the same for all, so the
/// processor foresees it.
struct Stepper<'a, V> {
    step: &'a Step,
    coefficients: Coefficients<V>,
    dtypes: Dtypes,
}

impl<V> Stepper<'_, V> {
    /// # Safety
    /// As for [`step`], of `V::COUNT` elements.
    #[inline(always)]
    unsafe fn step<P, G, S>(&self, block: Block<P, G, S>)
    where
        V: Stored<P> + Stored<G> + Stored<S>,
    {
        let Self { step: Step { rule, decay, .. }, ref coefficients, .. } = *self;
        // SAFETY: the caller's promise.
        unsafe {
            let grad: V = V::load(block.grad);
            let (m, v) = (V::load(block.exp_avg), V::load(block.exp_avg_sq));
            if *rule == Rule::Accumulate {
                let (m, v) = coefficients.moments(grad, m, v);
                if <V as Stored<S>>::NUMBERS_ONLY && (m + v).any_nan() {
                    return self.step_nan(block);
                }
                m.store(block.exp_avg);
                v.store(block.exp_avg_sq);
                return;
            }
            let theta: V = V::load(block.param);
            let rectified = *rule == Rule::Rectified;
            let (m, v, lowered) = coefficients.step(rectified, *decay, theta, grad, m, v);
            let kahan_sum = !block.kahan_comp.is_null();
            let change = if kahan_sum {
                compensated_change(V::load(block.kahan_comp), lowered)
            } else {
                -lowered
            };
            let new = theta + change;
            if numbers_only::<V, P, S>() && (m + v + new).any_nan() {
                return self.step_nan(block);
            }
            let packed = <V as Stored<P>>::pack(new);
            if kahan_sum {
                let lost = lost_change(change, theta, <V as Stored<P>>::unpack(packed));
                lost.store(block.kahan_comp);
            }
            <V as Stored<P>>::write(packed, block.param);
            m.store(block.exp_avg);
            v.store(block.exp_avg_sq);
        }
    }

    /// Steps a block in which some lane is or becomes NaN, where V stores only numbers.
    ///
    /// # Safety
    /// As for [`step`], of `V::COUNT` elements.
    #[cold]
    #[inline(never)]
    unsafe fn step_nan<P, G, S>(&self, block: Block<P, G, S>)
    where
        V: Lanes,
    {
        let arrays = Arrays {
            len: V::COUNT,
            param: block.param.cast(),
            grad: block.grad.cast(),
            exp_avg: block.exp_avg.cast(),
            exp_avg_sq: block.exp_avg_sq.cast(),
            kahan_comp: block.kahan_comp.cast(),
        };
        // SAFETY: the caller's promise.
        unsafe { portable::step(self.step, &arrays, self.dtypes) };
    }

    /// Steps fewer elements than there are lanes, as the first of a block of copies.
    ///
    /// # Safety
    /// As for [`step`], of `len` elements.
    unsafe fn step_rest<P, G, S>(&self, block: Block<P, G, S>, len: usize)
    where
        V: Stored<P> + Stored<G> + Stored<S>,
    {
        debug_assert!(len < V::COUNT);
        let (mut param, mut grad) = (Padded::NEW, Padded::NEW);
        let (mut exp_avg, mut exp_avg_sq, mut kahan_comp) = (Padded::NEW, Padded::NEW, Padded::NEW);
        let kahan_sum = !block.kahan_comp.is_null();
        // SAFETY: the caller's promise; the copies have room for every lane.
        unsafe {
            let copies = Block::<P, G, S> {
                param: param.of::<V, _>(block.param, len),
                grad: grad.of::<V, _>(block.grad, len),
                exp_avg: exp_avg.of::<V, _>(block.exp_avg, len),
                exp_avg_sq: exp_avg_sq.of::<V, _>(block.exp_avg_sq, len),
                kahan_comp: if kahan_sum {
                    kahan_comp.of::<V, _>(block.kahan_comp, len)
                } else {
                    block.kahan_comp
                },
            };
            let Block { param, exp_avg, exp_avg_sq, kahan_comp, .. } = copies;
            self.step(copies);
            block.param.copy_from_nonoverlapping(param, len);
            block.exp_avg.copy_from_nonoverlapping(exp_avg, len);
            block.exp_avg_sq.copy_from_nonoverlapping(exp_avg_sq, len);
            if kahan_sum {
                block.kahan_comp.copy_from_nonoverlapping(kahan_comp, len);
            }
        }
    }
}

/// Room for a block of any dtype.
struct Padded([u64; 16]);

impl Padded {
    const NEW: Self = Self([0; 16]);

    /// A block that begins with `len` elements.
    ///
    /// # Safety
    /// They are there, and fewer than `V::COUNT`.
    unsafe fn of<V: Lanes, E>(&mut self, elements: *const E, len: usize) -> *mut E {
        const { assert!(V::COUNT * size_of::<E>() <= size_of::<Self>()) };
        let copies = self.0.as_mut_ptr().cast::<E>();
        // SAFETY: the caller's promise, and the assertion.
        unsafe { copies.copy_from_nonoverlapping(elements, len) };
        copies
    }
}
