//! A step of all parameters as waves of independent chunks: measuring the gradients, if anything
//! depends on that, then updating the parameters, then zeroing what could not be zeroed on the way.
//!
//! Here a step goes through its waves at once; in `sliced.rs`, it waits for its caller.

use super::options::{StepOptions, StepReport};
use super::pieces::{Stepper, zero_chunk};
use super::plan::{CHUNK, Plan};
use super::sums::Sums;
use crate::math::Clipping;
use crate::optimizer::Optimizer;
use crate::system::Pieces;
use crate::system::Pool;
use std::ops::Range;
use std::sync::PoisonError;

/// A step that has begun.
#[derive(Clone, Debug)]
pub(in crate::optimizer) struct OpenStep {
    options: StepOptions,
    /// Some gradients share memory, so that all must be done with before any is zeroed.
    zero_last: bool,
    /// Of the tensors that step.
    elements: usize,
    /// What is known when the gradients are measured.
    grad_norm: f64,
    clip_coefficient: f64,
    nonfinite: u64,
    skipped: bool,
    /// The number of the present wave, once there was one, and the wave, until there is none left.
    number: Option<usize>,
    pub wave: Option<Wave>,
}

/// Chunks that may be worked on in any order and at once.
#[derive(Clone, Debug)]
pub(in crate::optimizer) struct Wave {
    pub work: Work,
    /// The plan's.
    chunks: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::optimizer) enum Work {
    Measure,
    Update,
    Zero,
}

impl Work {
    /// How many of the plan's chunks make one of the wave's, so that all take about the same time.
    fn at_once(self) -> usize {
        match self {
            Self::Measure => 4,
            Self::Update => 1,
            Self::Zero => 8,
        }
    }
}

impl Wave {
    fn new(work: Work, chunks: Range<usize>) -> Self {
        Self { work, chunks }
    }

    pub fn len(&self) -> usize {
        self.chunks.len().div_ceil(self.work.at_once())
    }

    /// The plan's chunks that one of the wave's consists of.
    fn chunks_of(&self, number: usize) -> Range<usize> {
        let start = self.chunks.start + number * self.work.at_once();
        start..self.chunks.end.min(start + self.work.at_once())
    }
}

impl OpenStep {
    /// The wave of this number, as far as one can know by now.
    fn wave(&self, plan: &Plan, mut number: usize) -> Option<Wave> {
        let all = plan.chunks();
        if all.is_empty() {
            return None;
        }
        if self.options.measures_grads() {
            if number == 0 {
                return Some(Wave::new(Work::Measure, all));
            }
            number -= 1;
        }
        if !self.skipped {
            if let Some(chunks) = plan.wave(number) {
                return Some(Wave::new(Work::Update, chunks));
            }
            number -= plan.wave_count();
        }
        let zeroes = self.options.zero_grad && (self.skipped || self.zero_last);
        (zeroes && number == 0).then(|| Wave::new(Work::Zero, all))
    }

    /// Decides by the measured gradients what becomes of the step.
    fn settle(&mut self, sums: &Sums) {
        self.grad_norm = sums.grads.value().sqrt() * self.options.grad_scale;
        self.nonfinite = sums.grads.nonfinite();
        self.clip_coefficient = self.options.clip_coefficient(self.grad_norm);
        self.skipped = self.options.skip_nonfinite && self.nonfinite > 0;
    }

    /// Whether the present wave adds to the sums.
    pub fn measures(&self) -> bool {
        match self.wave.as_ref().map(|wave| wave.work) {
            Some(Work::Measure) => true,
            Some(Work::Update) => self.options.measure_params,
            Some(Work::Zero) | None => false,
        }
    }

    /// Whether there was a wave, or that there is none.
    pub fn has_waves(&self) -> bool {
        self.number.is_some()
    }

    /// Whether a wave before the present one has changed anything.
    pub fn has_changed_before(&self) -> bool {
        let first_change = usize::from(self.options.measures_grads());
        let zeroes = self.options.zero_grad;
        (!self.skipped || zeroes) && self.number.is_some_and(|number| number > first_change)
    }

    /// How many chunks the waves after the present one have.
    pub fn chunks_after(&self, plan: &Plan) -> usize {
        let next = self.number.map_or(0, |number| number + 1);
        (next..).map_while(|number| self.wave(plan, number)).map(|wave| wave.len()).sum()
    }

    fn clipping(&self) -> Clipping {
        self.options.clipping(self.clip_coefficient)
    }
}

/// Elements that make it worth to wake a thread for them, and to let one that is awake share in the
/// work.
const WORTH_WAKING: usize = 8 * CHUNK;
const WORTH_SHARING: usize = 2 * CHUNK;

/// How many threads are worth having for so many elements, the caller's among them.
pub(in crate::optimizer) fn threads_worth(elements: usize, pool: &Pool) -> usize {
    elements / if pool.is_awake() { WORTH_SHARING } else { WORTH_WAKING }
}

impl Optimizer {
    /// Steps every parameter that has a gradient, those of groups with gradient release excepted.
    pub fn step(&mut self, options: StepOptions) -> StepReport {
        let mut open = self.begin(options);
        while self.next_wave(&mut open) {
            self.run_wave(&open);
        }
        self.finish(&open)
    }

    /// A step before its first wave.
    pub(in crate::optimizer) fn begin(&mut self, options: StepOptions) -> OpenStep {
        self.plan.refresh(&self.groups, &self.params);
        if options.measures_grads() || options.measure_params {
            *self.sums.get() = Sums::ZERO;
        }
        let Self { params, plan, stepping_elements, .. } = self;
        let elements = *stepping_elements.get_or_insert_with(|| {
            let params = plan.ids().iter().map(|id| &params[*id as usize]);
            params.filter(|param| param.steps_now()).map(|param| param.len()).sum()
        });
        OpenStep {
            options,
            zero_last: options.zero_grad && self.index.grads_overlap(&self.params),
            elements,
            grad_norm: f64::NAN,
            clip_coefficient: 1.0,
            nonfinite: 0,
            skipped: false,
            number: None,
            wave: None,
        }
    }

    /// Goes on to the next wave, if there is one. The present one is done.
    pub(in crate::optimizer) fn next_wave(&mut self, open: &mut OpenStep) -> bool {
        if open.wave.as_ref().is_some_and(|wave| wave.work == Work::Measure) {
            open.settle(self.sums.get());
        }
        let number = open.number.map_or(0, |number| number + 1);
        open.wave = open.wave(&self.plan, number);
        open.number = Some(number);
        open.wave.is_some()
    }

    fn run_wave(&mut self, open: &OpenStep) {
        let Some(wave) = &open.wave else { return };
        let job = |pieces: Pieces| self.run_chunks(open, pieces);
        let elements = open.elements.min(wave.chunks.len() * CHUNK) / wave.work.at_once();
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = threads_worth(elements, &pool);
        pool.run(threads, wave.len(), &job);
    }

    /// Works on chunks of the present wave.
    pub(in crate::optimizer) fn run_chunks(
        &self,
        open: &OpenStep,
        chunks: impl Iterator<Item = usize>,
    ) {
        let mut stepper = self.stepper(open.clipping());
        stepper.zero_grad = open.options.zero_grad && !open.zero_last;
        if open.measures() {
            let mut sums = Sums::ZERO;
            chunks.for_each(|chunk| self.run_chunk(open, chunk, &mut stepper, Some(&mut sums)));
            self.sums.add(&sums);
        } else {
            chunks.for_each(|chunk| self.run_chunk(open, chunk, &mut stepper, None));
        }
    }

    fn run_chunk(
        &self,
        open: &OpenStep,
        number: usize,
        stepper: &mut Stepper,
        mut sums: Option<&mut Sums>,
    ) {
        let Some(wave) = &open.wave else { return };
        for chunk in wave.chunks_of(number) {
            let sums = sums.as_deref_mut();
            match (wave.work, sums) {
                (Work::Measure, Some(sums)) => {
                    stepper.measure_chunk(&self.plan, chunk, &self.params, sums);
                }
                (Work::Measure, None) => {}
                (Work::Update, sums) => {
                    stepper.step_chunk(&self.plan, chunk, &self.params, sums);
                }
                (Work::Zero, _) => zero_chunk(&self.plan, chunk, &self.params),
            }
        }
    }

    /// Counts the step, whose waves are all done, and says what became of it.
    pub(in crate::optimizer) fn finish(&mut self, open: &OpenStep) -> StepReport {
        if !open.skipped {
            for param in self.plan.ids().iter().map(|id| &self.params[*id as usize]) {
                if param.steps_now() {
                    param.count_step();
                }
            }
        }
        let measured = open.options.measure_params && !open.skipped;
        let (updates, params) = if open.options.measure_params {
            let sums = self.sums.get();
            (sums.updates.value().sqrt(), sums.params.value().sqrt())
        } else {
            (f64::NAN, f64::NAN)
        };
        StepReport {
            skipped: open.skipped,
            nonfinite: open.nonfinite,
            grad_norm: open.grad_norm,
            clip_coefficient: open.clip_coefficient,
            update_norm: updates,
            param_norm: if measured { params } else { f64::NAN },
        }
    }

    /// What works on pieces of parameters with such clipping.
    pub(in crate::optimizer) fn stepper(&self, clipping: Clipping) -> Stepper<'_> {
        Stepper {
            instruction_set: self.instruction_set,
            accumulate: self.accumulation.or(false),
            clipping,
            zero_grad: false,
            groups: &self.groups,
            last: None,
            last_kernel: None,
        }
    }
}
