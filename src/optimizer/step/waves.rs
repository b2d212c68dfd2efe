//! A step of all parameters as waves of independent chunks: measuring the gradients, if anything
//! depends on that, then updating the parameters, then zeroing what could not be zeroed on the way.
//!
//! Here a step goes through its waves at once; in `sliced.rs`, it waits for its caller.

use super::Stepping;
use super::device::sum_from_device;
use super::options::{StepOptions, StepReport};
use super::pieces::{GradPiece, Stepper, measure_pieces, zero_grad};
use super::plan::Plan;
use super::sums::{Measured, SharedSums, Sums};
use crate::error::{Result, error};
use crate::kernel::STREAMS;
use crate::math::{Clipping, ExactSum};
use crate::optimizer::Optimizer;
use crate::optimizer::grid::CHUNK;
use crate::system::Pieces;
use std::ops::Range;
use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};

/// A step that has begun.
#[derive(Clone, Debug)]
pub(in crate::optimizer) struct OpenStep {
    options: StepOptions,
    /// Some gradients share memory, so that all must be read before any is zeroed.
    pub zero_last: bool,
    /// Of the tensors that are stepped.
    elements: usize,
    /// What is known so far of what becomes of the step.
    pub report: StepReport,
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
    pub(super) fn at_once(self) -> usize {
        match self {
            Self::Measure => STREAMS, // so that even who steps chunk by chunk reads them side by side
            Self::Update => 1,
            Self::Zero => 8,
        }
    }
}

impl Wave {
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
                return Some(Wave { work: Work::Measure, chunks: all });
            }
            number -= 1;
        }
        if !self.report.skipped {
            if let Some(chunks) = plan.wave(number) {
                return Some(Wave { work: Work::Update, chunks });
            }
            number -= plan.wave_count();
        }
        let zeroes = self.options.zero_grad && (self.report.skipped || self.zero_last);
        (zeroes && number == 0).then_some(Wave { work: Work::Zero, chunks: all })
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
        (!self.report.skipped || zeroes) && self.number.is_some_and(|number| number > first_change)
    }

    /// How many chunks the waves after the present one have.
    pub fn chunks_after(&self, plan: &Plan) -> usize {
        let next = self.number.map_or(0, |number| number + 1);
        (next..).map_while(|number| self.wave(plan, number)).map(|wave| wave.len()).sum()
    }
}

impl Stepping {
    /// Goes on to the next wave of a step, if there is one. The present one is done.
    pub fn next_wave(&mut self, open: &mut OpenStep) -> bool {
        if open.wave.as_ref().is_some_and(|wave| wave.work == Work::Measure) {
            open.report = open.options.settle(Some(Measured::of(&self.sums.total().grads)));
        }
        let number = open.number.map_or(0, |number| number + 1);
        open.wave = open.wave(&self.plan, number);
        open.number = Some(number);
        open.wave.is_some()
    }
}

impl Optimizer {
    /// What steps need besides, for one call that steps or for several that step chunks.
    pub(super) fn stepping(&self) -> RwLockReadGuard<'_, Stepping> {
        self.stepping.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, for the only call that steps.
    pub(super) fn stepping_alone(&self) -> RwLockWriteGuard<'_, Stepping> {
        self.stepping.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Steps every parameter that has a gradient, those of groups with gradient release excepted.
    pub fn step(&self, options: &StepOptions) -> Result<StepReport> {
        let stepping = &mut *self.stepping_alone();
        if let Some(device) = self.device() {
            return self.step_on_device(device, stepping, options);
        }
        let mut open = self.begin(stepping, options)?;
        let mut threads = 1;
        while stepping.next_wave(&mut open) {
            threads = threads.max(self.run_wave(stepping, &open));
        }
        Ok(StepReport { threads, ..self.finish(stepping, &open) })
    }

    /// Measures the gradients that a step would go by.
    pub fn measure(&self) -> Result<ExactSum> {
        let stepping = &mut *self.stepping_alone();
        let mut open =
            self.begin(stepping, &StepOptions { measure_grads: true, ..StepOptions::PLAIN })?;
        if let Some(device) = self.device() {
            return sum_from_device(&device.measure(self.contents())?);
        }
        if stepping.next_wave(&mut open) {
            self.run_wave(stepping, &open);
        }
        Ok(stepping.sums.total().grads)
    }

    /// A step before its first wave.
    pub(super) fn begin(&self, stepping: &mut Stepping, options: &StepOptions) -> Result<OpenStep> {
        let counts = stepping.counts(&self.groups, &self.params);
        if let Some(id) = counts.without_place {
            return Err(error!(
                InvalidState,
                "the parameter \"{}\" has a gradient and no data; radam_set_data must tell where its elements are, or \
                 radam_set_grad that it has no gradient (radam_step_tensor steps it in arrays of the call)",
                self.params[id as usize].name(id)
            ));
        }
        if options.measures_grads() || options.measure_params {
            stepping.sums = SharedSums::default();
        }
        let grads_overlap = &mut stepping.grads_overlap;
        let overlap = || self.index.grads_overlap(&self.params);
        // Where nothing is to be stepped, there is nothing to measure, and the norm is 0.
        let measured = options.measures_grads().then(|| Measured::of(&ExactSum::ZERO));
        Ok(OpenStep {
            options: *options,
            zero_last: options.zero_grad && *grads_overlap.get_or_insert_with(overlap),
            elements: counts.elements,
            report: options.settle(options.measured.or(measured)),
            number: None,
            wave: None,
        })
    }

    fn run_wave(&self, stepping: &Stepping, open: &OpenStep) -> usize {
        let Some(wave) = &open.wave else { return 1 };
        let job = |chunks: Pieces| self.run_chunks(stepping, open, chunks);
        let elements = open.elements.min(wave.chunks.len() * CHUNK) / wave.work.at_once();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.run(elements, wave.len(), &job)
    }

    /// Works on chunks of the present wave.
    pub(super) fn run_chunks(&self, stepping: &Stepping, open: &OpenStep, chunks: Pieces) {
        let Some(wave) = &open.wave else { return };
        let (plan, params) = (&stepping.plan, &self.params);
        let clipping = open.options.clipping(open.report.clip_coefficient);
        let mut stepper = self.stepper(clipping);
        stepper.zero_grad = open.options.zero_grad && !open.zero_last;
        let mut sums = open.measures().then(Sums::default);
        let chunks = chunks.flat_map(|number| wave.chunks_of(number));
        let pieces = |chunk| plan.pieces(chunk, params);
        match wave.work {
            Work::Measure => {
                let Some(sums) = sums.as_mut() else { return };
                let measured = chunks.flat_map(pieces).filter(|(_, param, _)| param.steps_now());
                let mut measured =
                    measured.map(|(_, param, piece)| GradPiece::of(param, param.grad, piece));
                measure_pieces(self.instruction_set, &mut measured, &mut sums.grads);
            }
            Work::Update => {
                for chunk in chunks {
                    stepper.step_pieces(pieces(chunk), sums.as_mut());
                }
            }
            Work::Zero => {
                for chunk in chunks {
                    pieces(chunk).for_each(|(_, param, piece)| zero_grad(param, param.grad, piece));
                }
            }
        }
        if let Some(sums) = sums {
            stepping.sums.add(&sums);
        }
    }

    /// Counts the step, whose waves are all done, and says what became of it.
    pub(super) fn finish(&self, stepping: &mut Stepping, open: &OpenStep) -> StepReport {
        let mut report = open.report;
        if !report.skipped {
            for param in stepping.plan.ids().iter().map(|id| &self.params[*id as usize]) {
                if param.steps_now() {
                    param.count_step();
                    report.params_stepped += 1;
                }
            }
        }
        if open.options.measure_params {
            report.add_norms(&stepping.sums.total());
        }
        report
    }

    /// What works on pieces of parameters with such clipping.
    pub(super) fn stepper(&self, clipping: Clipping) -> Stepper<'_> {
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
