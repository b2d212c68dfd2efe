//! Setups that are legal but known to fail in training.

use super::param::Standing;
use super::state_kind::Compensation;
use super::{Group, Optimizer, Param};
use crate::error::{FallibleWriter, Result, error};
use crate::kernel::Dtype;
use std::fmt::{self, Write};

impl Optimizer {
    /// Sentences on what is known to fail, one per line.
    pub fn advice(&self) -> Result<String> {
        let mut text = FallibleWriter(String::new());
        for (id, group) in (0..).zip(&self.groups) {
            let advice = Advice { id, group, params: &self.params };
            advice.write(&mut text).map_err(|_| {
                error!(OutOfMemory, "there is no memory for the advice on group {id}")
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
        for (dtype, half_ulp) in [(Dtype::Bf16, 1.0 / 512.0), (Dtype::F16, 1.0 / 4096.0)] {
            self.lost_steps(text, dtype, half_ulp)?;
            self.lost_decay(text, dtype, half_ulp)?;
        }
        Ok(())
    }

    fn any(&self, condition: impl Fn(&Param) -> bool) -> bool {
        let is_there =
            |param: &&Param| param.group == self.id && param.standing != Standing::Removed;
        self.params.iter().filter(is_there).any(condition)
    }

    fn eps(&self, text: &mut FallibleWriter) -> fmt::Result {
        let eps = self.group.eps;
        let is_computed_in_f32 = |param: &Param| param.dtype != Dtype::F64;
        if eps != 0.0 && !(eps as f32 == 0.0 && self.any(is_computed_in_f32)) {
            return Ok(());
        }
        writeln!(
            text,
            "group {}: eps is {eps:e}, which counts as 0, so a parameter whose gradients have all been 0 becomes NaN \
             (0 / 0) in its first rectified step; use 1e-6, the default, or 1e-8.",
            self.id
        )
    }

    fn rectification(&self, text: &mut FallibleWriter) -> fmt::Result {
        let Group { beta2, rectify_threshold: threshold, .. } = *self.group;
        let rho_inf = 2.0 / (1.0 - beta2) - 1.0;
        if !self.group.rectify.or(true) || rho_inf > threshold {
            return Ok(());
        }
        let consequence = if self.group.unrectified.or(true) {
            "every step is lr * exp_avg, which is momentum and not Adam"
        } else {
            "with unrectified off the parameters never move"
        };
        let least = 1.0 - 2.0 / (threshold + 1.0);
        writeln!(
            text,
            "group {}: beta2 is {beta2}, so rho never exceeds {rho_inf:.3} and, with a rectify_threshold of \
             {threshold}, no step is rectified: {consequence}; use a beta2 above {least:.4} (0.99 is the default).",
            self.id
        )
    }

    fn range_of_exp_avg_sq(&self, text: &mut FallibleWriter) -> fmt::Result {
        if !self.any(|param| param.state.kind.moments() == Dtype::F16.into()) {
            return Ok(());
        }
        writeln!(
            text,
            "group {}: exp_avg_sq is stored as f16, which overflows for gradients of 256 and more, so that the \
             parameter stops moving, and underflows for gradients below 2.4e-4, so that it moves by lr / eps times \
             the gradient; set state_dtype to f32.",
            self.id
        )
    }

    /// An average of 16 bits stays as it is where it changes by less than half a unit in the last place.
    fn resolution_of_exp_avg_sq(&self, text: &mut FallibleWriter) -> fmt::Result {
        let change = 1.0 - self.group.beta2;
        for (dtype, half_ulp) in [(Dtype::Bf16, 1.0 / 256.0), (Dtype::F16, 1.0 / 2048.0)] {
            let is_stored_so = |param: &Param| param.state.kind.moments() == dtype.into();
            if change >= half_ulp || !self.any(is_stored_so) {
                continue;
            }
            writeln!(
                text,
                "group {}: exp_avg_sq is stored as {dtype}, in which changes of less than {half_ulp:.1e} are rounded \
                 away, but 1 - beta2 is {change:.1e}: it never decays when gradients shrink, so that steps stay too \
                 small; set state_dtype to f32, or use a beta2 of {:.4} or less.",
                self.id,
                1.0 - 2.0 * half_ulp
            )?;
        }
        Ok(())
    }

    /// A change of less than half a unit in the last place is rounded away, unless something keeps it.
    fn lost_steps(&self, text: &mut FallibleWriter, dtype: Dtype, half_ulp: f64) -> fmt::Result {
        let (id, lr) = (self.id, self.group.lr);
        let is_plain = |param: &Param| {
            param.dtype == dtype
                && param.state.kind.compensation == Compensation::None
                && !self.group.stochastic_rounding.or(false)
        };
        if lr == 0.0 || lr >= half_ulp || !self.any(is_plain) {
            return Ok(());
        }
        writeln!(
            text,
            "group {id}: parameters are {dtype} without Kahan summation, and lr is {lr:e}: steps of that size are \
             rounded away on every parameter above {:.1e}; use kahan_sum, master_remainder or stochastic_rounding.",
            lr / half_ulp
        )
    }

    /// A compensation of 16 bits in its turn rounds away what is too small for it.
    fn lost_decay(&self, text: &mut FallibleWriter, dtype: Dtype, half_ulp: f64) -> fmt::Result {
        let id = self.id;
        let Group { lr, weight_decay, max_lr, .. } = *self.group;
        let decay = if self.group.decouple_lr.or(false) {
            lr / max_lr * weight_decay
        } else if self.group.decouple_wd.or(false) {
            lr * weight_decay
        } else {
            0.0
        };
        // Parameters just above a power of two have a unit that is twice as large, compared with them.
        let least = 2.0 * half_ulp * half_ulp;
        let has_short_compensation = |param: &Param| {
            param.dtype == dtype
                && param.state.kind.compensation == Compensation::Kahan
                && param.state.kind.dtype == dtype
        };
        if decay == 0.0 || decay >= least || !self.any(has_short_compensation) {
            return Ok(());
        }
        writeln!(
            text,
            "group {id}: each step decays parameters by {decay:.1e} of their value, but a {dtype} kahan_comp \
             accumulates only changes of {least:.1e} and more, so that they do not decay; set state_dtype to f32, or \
             use master_remainder.",
        )
    }
}
