//! An optimizer whose parameters are in the memory of a device: what the device is asked, and what becomes of the answers.
//!
//! The device counts steps, since it decides whether a step is skipped. What the host knows of the counts is what it asked
//! last.

use super::arrays::CallerArray;
use super::param::{Param, Place, check_array};
use super::{ElementType, Group, Optimizer, Restored, StepOptions};
use crate::device::Device;
use crate::error::{Result, error};
use std::ffi::c_void;
use std::fmt::Display;
use std::iter::once;
use std::ops::Range;

/// The groups and parameters of an optimizer.
#[derive(Clone, Copy)]
pub(crate) struct Contents<'a> {
    pub groups: &'a [Group],
    pub params: &'a [Param],
}

/// Memory of the device that a call has come across: arrays that are there need not be looked up one by one.
pub(crate) type Known = Range<usize>;

/// A parameter that is stepped alone, in arrays of the call.
#[derive(Clone, Copy)]
pub(crate) struct OfCall {
    pub id: u32,
    pub data: CallerArray,
    pub grad: CallerArray,
}

/// A step, as the caller wants it.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub options: &'a StepOptions,
    pub accumulate: bool,
    /// Whether gradients are zeroed by a launch of its own: if some share memory, all must be read before any is zeroed.
    pub zero_last: bool,
    /// Whether gradients have to be measured.
    pub measures: bool,
    /// Only this parameter.
    pub of_call: Option<OfCall>,
}

impl Optimizer {
    /// The device that parameters and state are on, if it is not the CPU.
    pub(super) fn device(&self) -> Option<&Device> {
        self.memory.as_ref()?.device.as_ref()
    }

    pub(super) fn contents(&self) -> Contents<'_> {
        Contents { groups: &self.groups, params: &self.params }
    }

    /// Notes that there are other parameters, or that they are stepped in another way.
    pub(super) fn changed(&mut self) {
        self.stepping_mut().invalidate();
        if let Some(device) = self.device() {
            device.invalidate();
        }
    }

    /// Notes that arrays of these parameters have moved, or that other ones of them take part in steps.
    pub(super) fn moved(&mut self, ids: Range<u32>) {
        self.stepping_mut().forget_counts();
        if let Some(device) = self.device() {
            device.describe(self.contents(), ids);
        }
    }

    /// Enqueues work on another stream of the device from now on.
    pub fn set_stream(&self, stream: *mut c_void) -> Result<()> {
        let Some(device) = self.device() else {
            return Err(error!(
                InvalidState,
                "stream is {stream:p}, but the optimizer is on the CPU; radam_options.device must be \
                 RADAM_DEVICE_CUDA to step on a stream"
            ));
        };
        device.set_stream(stream)
    }

    /// Refuses what only steps on the CPU can do. `what` needs the caller's threads.
    pub fn check_is_on_cpu(&self, what: &str) -> Result<()> {
        match self.device() {
            None => Ok(()),
            Some(_) => Err(error!(
                InvalidState,
                "opt is on a GPU, and {what} is for steps on the CPU; use radam_step or radam_step_with"
            )),
        }
    }

    /// How many steps a parameter has made. On a device, waits for them.
    pub fn steps(&self, id: u32) -> Result<u64> {
        let param = self.param(id)?;
        if let Some(device) = self.device() {
            device.steps(id, &mut once(param))?;
        }
        Ok(param.steps())
    }

    /// Asks the device how many steps all parameters have made.
    pub fn refresh_steps(&self) -> Result<()> {
        match self.device() {
            Some(device) => device.steps(0, &mut self.params.iter()),
            None => Ok(()),
        }
    }

    /// Sets how many steps a parameter has made.
    pub(super) fn set_steps(&self, id: u32, steps: u64) -> Result<()> {
        if let Some(device) = self.device() {
            device.set_steps(id, steps)?;
        }
        self.params[id as usize].set_steps(steps);
        Ok(())
    }

    /// Tells the device what `restore` will take over.
    pub fn announce(&self, restored: &Restored) -> Result<()> {
        let Some(device) = self.device() else { return Ok(()) };
        for (id, group) in (0..).zip(&restored.groups) {
            device.set_group(id, group)?;
        }
        restored.params.iter().try_for_each(|(id, steps, _)| device.set_steps(*id, *steps))
    }

    /// Refuses an array that cannot exist where the caller says it is, or that is in other memory than the optimizer's.
    pub(super) fn check_array(
        &self,
        place: Place,
        name: &dyn Display,
        array: CallerArray,
        element: impl Into<ElementType>,
        len: u64,
        known: &mut Known,
    ) -> Result<()> {
        let element = element.into();
        check_array(place, name, array, element, len)?;
        match (self.device(), element.byte_size(len)) {
            (Some(device), Some(bytes)) => {
                device.check_array(&format_args!("{place}{name}"), array.pointer(), bytes, known)
            }
            _ => Ok(()),
        }
    }
}
