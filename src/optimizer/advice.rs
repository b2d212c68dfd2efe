//! What is set up in a legal way that is known to fail in training.

use super::param::Standing;
use super::state::Compensation;
use super::{Group, Optimizer, Param};
use crate::error::{FallibleWriter, Result, error};
use crate::kernel::Dtype;
use std::fmt::{self, Write};

impl Optimizer {
    /// Sentences on what is known to fail, one a line.
    pub fn advice(&self) -> Result<String> {
        let mut text = FallibleWriter(String::new());
        for (id, group) in (0..).zip(&self.groups) {
            let advice = Advice { id, group, params: &self.params };
            advice.write(&mut text).map_err(|_| {
                error!(OutOfMemory, "there is no memory for what there is to say of group {id}")
            })?;
        }
        Ok(text.0)
    }
}

/// A group, among the parameters of all.
struct Advice<'a> {
    id: u32,
    group: &'a Group,
    params: &'a [Param],
}

impl Advice<'_> {
    fn write(&self, text: &mut FallibleWriter) -> fmt::Result {
        self.eps(text)?;
        self.rectification(text)?;
        self.range_of_exp_avg_sq(text)?;
        self.resolution_of_exp_avg_sq(text)?;
        self.resolution_of_parameters(text)
    }

    fn any(&self, condition: impl Fn(&Param) -> bool) -> bool {
        let is_there =
            |param: &&Param| param.group == self.id && param.standing != Standing::Removed;
        self.params.iter().filter(is_there).any(condition)
    }

    fn eps(&self, text: &mut FallibleWriter) -> fmt::Result {
        if self.group.eps == 0.0 {
            writeln!(
                text,
                "group {}: eps is 0, so that a parameter whose gradients have all been 0 becomes NaN (0 / 0) in the \
                 first rectified step; 1e-6 is the default, and 1e-8 usual.",
                self.id
            )?;
        }
        Ok(())
    }

    fn rectification(&self, text: &mut FallibleWriter) -> fmt::Result {
        let Group { beta2, rectify_threshold: threshold, .. } = *self.group;
        let rho_inf = 2.0 / (1.0 - beta2) - 1.0;
        if !self.group.rectify.or(true) || rho_inf > threshold {
            return Ok(());
        }
        let what_happens = if self.group.unrectified.or(true) {
            "every step goes by lr * exp_avg, which is momentum and not Adam"
        } else {
            "with unrectified off the parameters never move"
        };
        let least = 1.0 - 2.0 / (threshold + 1.0);
        writeln!(
            text,
            "group {}: beta2 is {beta2}, so that rho never exceeds {rho_inf}, and no step is rectified (that takes \
             more than {threshold}): {what_happens}; beta2 must be above {least:.4}, and 0.99 is the default.",
            self.id
        )
    }

    fn range_of_exp_avg_sq(&self, text: &mut FallibleWriter) -> fmt::Result {
        if !self.any(|param| param.state.kind.dtype == Dtype::F16) {
            return Ok(());
        }
        writeln!(
            text,
            "group {}: exp_avg_sq is f16, which is infinite from gradients of 256 on, so that the parameter stops \
             moving, and 0 for gradients below 2.4e-4, so that the parameter moves by lr / eps of them; \
             state_dtype f32 holds both, or loss scaling keeps gradients between (grad_scale must then be 1).",
            self.id
        )
    }

    /// A moment of 16 bits stays as it is where it changes by less than half of its last digit.
    fn resolution_of_exp_avg_sq(&self, text: &mut FallibleWriter) -> fmt::Result {
        let change = 1.0 - self.group.beta2;
        for (dtype, half_digit) in [(Dtype::Bf16, 1.0 / 256.0), (Dtype::F16, 1.0 / 2048.0)] {
            if change >= half_digit || !self.any(|param| param.state.kind.dtype == dtype) {
                continue;
            }
            writeln!(
                text,
                "group {}: exp_avg_sq is {dtype}, whose last digit is up to {half_digit} of a number to either side, \
                 and 1 - beta2 is only {change:.3e}: it does not decay when gradients become smaller, and steps stay \
                 too short; state_dtype f32 decays, or beta2 of {} or less.",
                self.id,
                1.0 - 2.0 * half_digit
            )?;
        }
        Ok(())
    }

    /// What a step changes a parameter of 16 bits by is lost where it is less than half of its last digit.
    fn resolution_of_parameters(&self, text: &mut FallibleWriter) -> fmt::Result {
        let Group { lr, weight_decay, max_lr, .. } = *self.group;
        let kept = |param: &Param| {
            param.state.kind.compensation != Compensation::None
                || self.group.stochastic_rounding.or(false)
        };
        for (dtype, half_digit) in [(Dtype::Bf16, 1.0 / 512.0), (Dtype::F16, 1.0 / 4096.0)] {
            if lr < half_digit && self.any(|param| param.dtype == dtype && !kept(param)) {
                writeln!(
                    text,
                    "group {}: parameters are {dtype} without Kahan summation, and lr is {lr:e}: a step of lr is lost \
                     on every parameter above {:.3}, since it is less than half of the last digit; kahan_sum, \
                     master_remainder or stochastic_rounding keeps it.",
                    self.id,
                    lr / half_digit
                )?;
            }
            let decay = if weight_decay == 0.0 {
                continue;
            } else if self.group.decouple_lr.or(false) {
                lr / max_lr * weight_decay
            } else if self.group.decouple_wd.or(false) {
                lr * weight_decay
            } else {
                continue;
            };
            // A compensation of the same 16 bits loses what is less than half of its own last digit.
            let least = half_digit * half_digit;
            let has_short_compensation = |param: &Param| {
                param.dtype == dtype
                    && param.state.kind.compensation == Compensation::Kahan
                    && param.state.kind.dtype == dtype
            };
            if decay > 0.0 && decay < least && self.any(has_short_compensation) {
                writeln!(
                    text,
                    "group {}: each step decays parameters by {decay:.1e} of themselves, which is less than the {least:.1e} \
                     that a {dtype} kahan_comp can keep, so that they do not decay; state_dtype f32 or master_remainder \
                     keeps it.",
                    self.id
                )?;
            }
        }
        Ok(())
    }
}
