//! Steps of parameters on a device, which are enqueued there.

use super::Stepping;
use super::options::{StepOptions, StepReport};
use super::sums::{Measured, Sums};
use crate::device::Device;
use crate::error::{Result, error};
use crate::math::{ExactSum, Words};
use crate::optimizer::{OfCall, Optimizer, Task};

impl Optimizer {
    /// A step of all parameters. Unless the caller wants a report, the one that is returned says nothing.
    pub(super) fn step_on_device(
        &self,
        device: &Device,
        stepping: &mut Stepping,
        options: &StepOptions,
    ) -> Result<StepReport> {
        let open = self.begin(stepping, options)?;
        let task = Task {
            options,
            accumulate: self.accumulation.or(false),
            zero_last: open.zero_last,
            measures: options.measures_grads(),
            of_call: None,
        };
        let Some(sums) = device.step(self.contents(), &task)? else { return Ok(open.report) };
        let params = stepping.plan.ids().iter().map(|id| &self.params[*id as usize]);
        report(&task, &sums, params.filter(|param| param.steps_now()).count())
    }

    /// A step of one parameter, in arrays of the call.
    pub(super) fn step_one_on_device(
        &self,
        device: &Device,
        of_call: &OfCall,
        options: &StepOptions,
    ) -> Result<StepReport> {
        let is_frozen = self.param(of_call.id)?.is_frozen();
        let task = Task {
            options,
            accumulate: self.accumulation.or(false),
            // A frozen parameter may have no place, and a kernel that is told of none takes the registered gradient.
            zero_last: is_frozen,
            measures: options.measures_grads() && !is_frozen,
            of_call: Some(*of_call),
        };
        match device.step(self.contents(), &task)? {
            Some(sums) => report(&task, &sums, usize::from(!is_frozen)),
            None => Ok(options.settle(options.measured)),
        }
    }
}

/// What became of a step, by the sums of gradients, updates and new parameters.
fn report(task: &Task, sums: &[Words; 3], params: usize) -> Result<StepReport> {
    let options = task.options;
    let [grads, updates, params_sum] = sums;
    let grads = if task.measures { sum_from_device(grads)? } else { ExactSum::ZERO };
    let measured = options.measures_grads().then(|| Measured::of(&grads));
    let mut report = StepReport { threads: 1, ..options.settle(options.measured.or(measured)) };
    if !report.skipped {
        report.params_stepped = params as u64;
    }
    if options.measure_params {
        let (updates, params) = (sum_from_device(updates)?, sum_from_device(params_sum)?);
        report.add_norms(&Sums { grads, updates, params });
    }
    Ok(report)
}

/// A sum that a device has added up.
pub(super) fn sum_from_device(words: &Words) -> Result<ExactSum> {
    ExactSum::from_words(words).ok_or_else(|| error!(Device, "the sums on the device are damaged"))
}
