//! Steps on 8-bit state as a pipeline over registers, so that nothing waits for roots and divisions.
//!
//! A few elements at a time, as many as there are lanes, go through three stages: `begin` decodes the state and takes the
//! roots, `divide` divides, `finish` moves θ. In every turn, some elements are begun, those of the turn before divided, and
//! those before them finished. The new codes of a block depend on its largest root and direction, so it is encoded three
//! blocks later, in the same turns, and how it will be is chosen one block before. Until then, roots and directions are in a
//! ring that stays in the first-level cache.

use super::grads::Grads;
use super::lanes::{Aligned, CodeLanes, EncoderLanes, Packing, prefetch};
use super::params::{Params, store_copy};
use super::plain::{self, Constants};
use super::rest::step_rest;
use crate::kernel::dtype::Dtype;
use crate::kernel::lanes::Stored;
use crate::kernel::step_loop::StepLoop;
use crate::kernel::tensor_view::{Layout, TensorView};
use crate::math::q8::{
    BLOCK, Encoder, Extremes, Fractions, Least, Q8Coefficients, Scale, are_extremes_finite,
};
use crate::math::{Decay, Rule, Step, compensated_change, lost_change};
use std::marker::PhantomData;
use std::slice::from_raw_parts_mut;

/// How many blocks later a block is encoded.
const LAG: usize = 3;
/// Blocks that the ring has room for, a power of two above `LAG`.
const RING: usize = 4;

/// Steps all elements. The last block, if it is short, is stepped in copies by `again`, which is this very loop as it was
/// compiled.
///
/// # Safety
/// The view is valid for the layout, whose parameters are of P and gradients of G. The machine has V's and K's instructions.
#[inline(always)]
pub(super) unsafe fn step<V, K, P, G, const COPIES: bool>(
    step: &Step,
    view: &TensorView,
    layout: Layout,
    again: StepLoop,
) where
    V: CodeLanes + Stored<P::Element>,
    K: Packing<V>,
    P: Params,
    G: Grads,
{
    debug_assert!((layout.copy.is_none() || COPIES) && layout.grad != Dtype::F64);
    debug_assert!(layout.param.size() == size_of::<P::Element>());
    let (blocks, rest) = (view.len / BLOCK, view.len % BLOCK);
    let pipeline = Pipeline::<V, K, P, G, COPIES> {
        step,
        view,
        layout,
        blocks,
        constants: Constants::of(step),
        coefficients: Q8Coefficients::of(&step.coefficients),
        types: PhantomData,
    };
    // SAFETY: the view is valid, and has so many whole blocks.
    unsafe {
        pipeline.run();
        if rest > 0 {
            step_rest(step, view, layout, rest, again);
        }
    }
}

struct Pipeline<'a, V: CodeLanes, K, P, G, const COPIES: bool> {
    step: &'a Step,
    view: &'a TensorView,
    layout: Layout,
    /// Whole ones.
    blocks: usize,
    constants: Constants,
    coefficients: Q8Coefficients<V>,
    types: PhantomData<(K, P, G)>,
}

/// Elements between the stages.
#[derive(Clone, Copy)]
struct InFlight<V> {
    exp_avg: V,
    root: V,
    direction: V,
}

/// The old codes of a block that has been begun.
#[derive(Clone, Copy)]
struct Old {
    scale: Scale,
    least_code_less_1: u8,
    /// The bits of its new roots and directions, known from the first turn of the next block on.
    largest: [u32; 2],
}

/// How a block is decoded, in all lanes.
struct OldLanes<V: CodeLanes> {
    unit: V,
    base: V::Words,
    shift: V::Words,
}

impl<V: CodeLanes> OldLanes<V> {
    #[inline(always)]
    fn of(scale: Scale, keep: f32) -> Self {
        Self {
            unit: V::from_f64((scale.unit * keep).into()),
            base: V::splat(scale.base),
            shift: V::splat(scale.shift % 32), // which the compiler has to know
        }
    }
}

/// What waits for its block to be encoded. Apart from [`Flight`], since what is in an array with a variable index cannot
/// be in registers.
struct Ring {
    root: [Aligned<f32>; RING],
    direction: [Aligned<f32>; RING],
    old: [Old; RING],
}

impl Ring {
    const NEW: Self = {
        let scale = Scale { unit: 0.0, shift: 0, base: 0 };
        Self {
            root: [Aligned([0.0; BLOCK]); RING],
            direction: [Aligned([0.0; BLOCK]); RING],
            old: [Old { scale, least_code_less_1: 0, largest: [0; 2] }; RING],
        }
    };

    /// The roots and the directions of the elements from this one on.
    #[inline(always)]
    fn places(&mut self, start: usize) -> [*mut f32; 2] {
        let index = start % (RING * BLOCK);
        [&mut self.root, &mut self.direction]
            .map(|ring| ring.as_mut_ptr().cast::<f32>().wrapping_add(index))
    }
}

/// The elements in the first two stages.
struct Flight<V: CodeLanes> {
    begun: InFlight<V>,
    divided: InFlight<V>,
    /// The largest so far of the block in each.
    largest_root: V::Words,
    largest_direction: V::Words,
}

impl<V, K, P, G, const COPIES: bool> Pipeline<'_, V, K, P, G, COPIES>
where
    V: CodeLanes + Stored<P::Element>,
    K: Packing<V>,
    P: Params,
    G: Grads,
{
    /// # Safety
    /// The view is valid, and has `blocks` whole blocks. So below.
    #[inline(always)]
    unsafe fn run(&self) {
        let zero = V::from_f64(0.0);
        let nothing = InFlight { exp_avg: zero, root: zero, direction: zero };
        let mut flight = Flight {
            begun: nothing,
            divided: nothing,
            largest_root: V::splat(0),
            largest_direction: V::splat(0),
        };
        let mut ring = Ring::NEW;
        let last = if self.blocks == 0 { 0 } else { self.blocks + LAG };
        let mut encoder = None;
        for number in 0..last {
            let exists = |number: usize| number < self.blocks;
            // SAFETY: the blocks exist that are begun, and those that are encoded have been finished.
            unsafe {
                let next = number.checked_sub(LAG - 1).filter(|number| exists(*number));
                let next = next.and_then(|number| self.encoder(&mut ring, number));
                if exists(number) {
                    ring.old[number % RING] = self.old(number);
                }
                match encoder.as_ref().map(EncoderLanes::of) {
                    Some(lanes) if exists(number) => {
                        self.turns::<true>(&mut ring, &mut flight, number, Some(lanes));
                    }
                    lanes => self.turns::<false>(&mut ring, &mut flight, number, lanes),
                }
                encoder = next;
            }
        }
    }

    /// What there is to know of the old codes of a block.
    ///
    /// # Safety
    /// The block exists.
    #[inline(always)]
    unsafe fn old(&self, number: usize) -> Old {
        // SAFETY: the block has a word, and its codes.
        unsafe {
            let codes = self.view.exp_avg_sq.add(number * BLOCK);
            Old {
                scale: Scale::read(*self.view.state_scale.add(number)),
                least_code_less_1: V::least_code_less_1(codes),
                largest: [0; 2],
            }
        }
    }

    /// Chooses how a block is encoded. One with an infinity or a NaN is encoded here.
    ///
    /// # Safety
    /// The block has been finished.
    #[inline(always)]
    unsafe fn encoder(&self, ring: &mut Ring, number: usize) -> Option<(Encoder, Fractions)> {
        let (view, constants, index) = (self.view, &self.constants, number % RING);
        let Old { scale, least_code_less_1, largest: [root, direction] } = ring.old[index];
        let least = Least::OldCode { code_less_1: least_code_less_1, old: scale };
        let extremes = Extremes { root, direction, least };
        let fractions = view.noise.fractions(view.first / BLOCK as u64 + number as u64);
        let (word, encoder);
        if are_extremes_finite(extremes, constants.beta1_comp()) {
            let chosen = Encoder::choose(extremes, constants.beta1_comp(), constants.root_beta2);
            (word, encoder) = (chosen.word, Some((chosen, fractions)));
        } else {
            let (roots, directions) = (&mut ring.root[index].0, &mut ring.direction[index].0);
            // SAFETY: the block has its codes, which nothing else uses.
            let (to_directions, to_roots) = unsafe {
                (
                    from_raw_parts_mut(view.exp_avg.cast::<i8>().add(number * BLOCK), BLOCK),
                    from_raw_parts_mut(view.exp_avg_sq.add(number * BLOCK), BLOCK),
                )
            };
            word = plain::encode(
                directions,
                roots,
                least,
                constants,
                fractions,
                to_directions,
                to_roots,
            );
            encoder = None;
        }
        // SAFETY: the block has a word.
        unsafe { *view.state_scale.add(number) = word };
        encoder
    }

    /// The turns in which the elements of a block are begun, and the block `LAG` before it is encoded. FULL: both exist.
    ///
    /// # Safety
    /// As FULL says.
    #[inline(always)]
    unsafe fn turns<const FULL: bool>(
        &self,
        ring: &mut Ring,
        flight: &mut Flight<V>,
        number: usize,
        encoder: Option<EncoderLanes<V>>,
    ) {
        let old =
            OldLanes::<V>::of(ring.old[number % RING].scale, self.constants.coefficients.keep);
        // SAFETY: the preconditions are the same.
        unsafe {
            let mut turns = 0..BLOCK / V::COUNT;
            if FULL {
                // Apart from the others, so that these need not ask whether they are the first.
                self.turn::<FULL>(ring, flight, number, turns.next().unwrap_or(0), &old, &encoder);
                for turn in turns {
                    std::hint::assert_unchecked(turn > 0);
                    self.turn::<FULL>(ring, flight, number, turn, &old, &encoder);
                }
            } else {
                for turn in turns {
                    self.turn::<FULL>(ring, flight, number, turn, &old, &encoder);
                }
            }
        }
    }

    /// One of them. In the first, the last elements of the block before are divided.
    ///
    /// # Safety
    /// As for `turns`.
    #[inline(always)]
    unsafe fn turn<const FULL: bool>(
        &self,
        ring: &mut Ring,
        flight: &mut Flight<V>,
        number: usize,
        turn: usize,
        old: &OldLanes<V>,
        encoder: &Option<EncoderLanes<V>>,
    ) {
        let start = number * BLOCK + turn * V::COUNT;
        let is_there = |start: &usize| FULL || *start < self.blocks * BLOCK;
        let [before, before_that] = [1, 2].map(|turns| start.checked_sub(turns * V::COUNT));
        // SAFETY: the elements exist, and have been through the stages before.
        unsafe {
            if let Some(start) = before_that.filter(is_there) {
                self.finish(ring, flight, start);
            }
            if let Some(start) = before.filter(is_there) {
                self.divide(ring, flight, start);
            }
            if turn == 0 {
                let largest = V::largest(flight.largest_root, flight.largest_direction);
                ring.old[number.wrapping_sub(1) % RING].largest = largest;
                (flight.largest_root, flight.largest_direction) = (V::splat(0), V::splat(0));
            }
            if is_there(&start) {
                flight.begun = self.begin(start, old);
                flight.largest_root = flight.begun.root.max_bits(flight.largest_root);
            }
            if let Some(encoder) = encoder {
                self.encode(ring, start - LAG * BLOCK, turn * V::COUNT, encoder);
            }
        }
    }

    /// # Safety
    /// The elements exist.
    #[inline(always)]
    unsafe fn begin(&self, start: usize, old: &OldLanes<V>) -> InFlight<V> {
        let (view, coefficients) = (self.view, &self.coefficients);
        prefetch::<V>(
            view.param.cast::<P::Element>().wrapping_add(start).cast(),
            size_of::<P::Element>(),
        );
        prefetch::<V>(view.exp_avg.wrapping_add(start).cast(), 1);
        prefetch::<V>(view.exp_avg_sq.wrapping_add(start).cast(), 1);
        // SAFETY: the elements are there.
        unsafe {
            let direction = V::directions(view.exp_avg.cast::<i8>().add(start));
            let root = V::roots(view.exp_avg_sq.add(start), old.base, old.shift);
            let grad = G::load(view, self.layout, start);
            let grad = if self.step.rule != Rule::Accumulate && self.step.decay == Decay::L2 {
                let theta: V = P::load(view, start);
                coefficients.grad(self.step.clips, Decay::L2, theta, grad)
            } else {
                coefficients.grad(self.step.clips, Decay::None, grad, grad)
            };
            let (exp_avg, exp_avg_sq) = coefficients.moments(direction, old.unit, root, grad);
            InFlight { exp_avg, root: exp_avg_sq.sqrt(), direction }
        }
    }

    /// # Safety
    /// The elements have been begun.
    #[inline(always)]
    unsafe fn divide(&self, ring: &mut Ring, flight: &mut Flight<V>, start: usize) {
        let InFlight { exp_avg, root, .. } = flight.begun;
        let direction = self.coefficients.direction(exp_avg, root);
        flight.largest_direction = direction.max_bits_of_abs(flight.largest_direction);
        // SAFETY: the ring has room for a block.
        unsafe { <V as Stored<f32>>::store(root, false, ring.places(start)[0]) };
        flight.divided = InFlight { exp_avg, root, direction };
    }

    /// # Safety
    /// The elements have been divided, and only this loop uses them.
    #[inline(always)]
    unsafe fn finish(&self, ring: &mut Ring, flight: &mut Flight<V>, start: usize) {
        let Step { rule, decay, .. } = *self.step;
        let InFlight { exp_avg, direction, .. } = flight.divided;
        // SAFETY: the ring has room for a block, and the elements are there.
        unsafe {
            <V as Stored<f32>>::store(direction, false, ring.places(start)[1]);
            if rule == Rule::Accumulate {
                return;
            }
            let theta: V = P::load(self.view, start);
            let lowered = self.coefficients.lowered(rule, decay, theta, exp_avg, direction);
            let (new, nan);
            if self.view.kahan_comp.is_null() {
                new = theta - lowered;
                nan = new.any_nan();
                P::store(self.view, start, new, nan);
            } else {
                let param = self.view.param.cast::<P::Element>().add(start);
                let kahan_comp = self.view.kahan_comp.cast::<P::Element>().add(start);
                let change =
                    compensated_change(<V as Stored<P::Element>>::load(kahan_comp), lowered);
                new = theta + change;
                nan = new.any_nan();
                let packed = <V as Stored<P::Element>>::pack_if(new, nan);
                <V as Stored<P::Element>>::write(packed, param);
                let lost = lost_change(change, theta, <V as Stored<P::Element>>::unpack(packed));
                <V as Stored<P::Element>>::store(lost, nan, kahan_comp);
            }
            if COPIES {
                store_copy(self.view, self.layout, start, new, nan);
            }
        }
    }

    /// # Safety
    /// The block of these elements, which are in this place of it, has been finished; only this loop uses their codes.
    #[inline(always)]
    unsafe fn encode(
        &self,
        ring: &mut Ring,
        start: usize,
        index: usize,
        encoder: &EncoderLanes<V>,
    ) {
        // SAFETY: the ring has the block still, and the codes are there.
        unsafe {
            let [root, direction] = ring.places(start);
            let root = <V as Stored<f32>>::load(root);
            let direction: V = <V as Stored<f32>>::load(direction);
            let fractions = V::fractions(encoder.number, index);
            let codes = V::encode(direction * encoder.inverse, root, encoder, fractions);
            let directions = self.view.exp_avg.cast::<i8>().add(start);
            K::store(codes, directions, self.view.exp_avg_sq.add(start));
        }
    }
}
