//! What a step does besides updating parameters, and what it reports.

use super::sums::{Measured, Sums};
use crate::error::{Result, ensure};
use crate::math::Clipping;

/// The choices for one step of all parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepOptions {
    /// Every gradient is multiplied by it.
    pub grad_scale: f64,
    /// The largest norm of all gradients together; 0: any.
    pub max_grad_norm: f64,
    /// The largest size of a gradient value; 0: any.
    pub max_grad_value: f64,
    pub skip_nonfinite: bool,
    pub zero_grad: bool,
    /// What is known of all gradients already, so that they need not be measured.
    pub measured: Option<Measured>,
    /// Whether to measure the gradients even if nothing depends on it.
    pub measure_grads: bool,
    /// Whether to measure the parameters and by how much they change.
    pub measure_params: bool,
}

impl StepOptions {
    /// An update and nothing else.
    pub const PLAIN: Self = Self {
        grad_scale: 1.0,
        max_grad_norm: 0.0,
        max_grad_value: 0.0,
        skip_nonfinite: false,
        zero_grad: false,
        measured: None,
        measure_grads: false,
        measure_params: false,
    };

    pub fn checked(self) -> Result<Self> {
        ensure!(
            self.grad_scale > 0.0 && self.grad_scale.is_finite(),
            InvalidArgument,
            "grad_scale is {:?}; it must be finite and above 0 (1, the default, leaves gradients as \
             they are; with loss scaling it is 1 / loss scale)",
            self.grad_scale
        );
        for (name, value) in
            [("max_grad_norm", self.max_grad_norm), ("max_grad_value", self.max_grad_value)]
        {
            ensure!(
                value >= 0.0 && value.is_finite(),
                InvalidArgument,
                "{name} is {value:?}; it must be finite and at least 0, which stands for no limit"
            );
        }
        Ok(self)
    }

    /// Whether all gradients have to be read before the first parameter may change.
    pub fn measures_grads(&self) -> bool {
        let wants = self.measure_grads || self.skip_nonfinite || self.max_grad_norm > 0.0;
        wants && self.measured.is_none()
    }

    /// By what gradients whose norm this is have to be multiplied to be short enough: 1 at most, and as
    /// in `torch.nn.utils.clip_grad_norm_`.
    pub fn clip_coefficient(&self, grad_norm: f64) -> f64 {
        const EPS: f64 = 1e-6;
        let coefficient = self.max_grad_norm / (grad_norm + EPS);
        // NaN stays NaN, so that it shows in every parameter.
        if self.max_grad_norm == 0.0 || coefficient > 1.0 { 1.0 } else { coefficient }
    }

    pub fn clipping(&self, clip_coefficient: f64) -> Clipping {
        Clipping {
            scale: self.grad_scale * clip_coefficient,
            max_value: if self.max_grad_value > 0.0 { self.max_grad_value } else { f64::INFINITY },
        }
    }

    /// What becomes of a step by what was measured of its gradients, if anything was.
    pub fn settle(&self, measured: Option<Measured>) -> StepReport {
        let (grad_norm, nonfinite) = match measured {
            Some(Measured { norm, nonfinite }) => (norm * self.grad_scale, nonfinite),
            None => (f64::NAN, 0),
        };
        StepReport {
            skipped: self.skip_nonfinite && nonfinite > 0,
            nonfinite,
            grad_norm,
            clip_coefficient: measured.map_or(1.0, |_| self.clip_coefficient(grad_norm)),
            update_norm: f64::NAN,
            param_norm: f64::NAN,
            params_stepped: 0,
            threads: 0,
        }
    }
}

/// What became of a step.
///
/// Norms are L2 norms over all parameters that were stepped. They have the same bits on every machine, for any number of
/// threads and any order of parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct StepReport {
    /// Whether nothing was updated, because `skip_nonfinite` was on and a gradient was infinite or NaN.
    pub skipped: bool,
    /// The number of gradient elements that are infinite or NaN; 0 if gradients were not measured.
    pub nonfinite: u64,
    /// The norm of all gradients together, after `grad_scale` and before clipping; NaN if they were not measured.
    pub grad_norm: f64,
    /// What `max_grad_norm` multiplied the gradients by; 1 if they were within the limit.
    pub clip_coefficient: f64,
    /// The norm of the change of the parameters, as stored; 0 if the step was skipped. NaN unless `report_norms` is on.
    pub update_norm: f64,
    /// The norm of the parameters after the step, as stored. NaN if the step was skipped, and unless `report_norms` is
    /// on.
    pub param_norm: f64,
    /// The number of parameters that were stepped.
    pub params_stepped: u64,
    /// The number of threads that worked on the step, including the calling one.
    pub threads: usize, // 0 if a C caller divides the work
}

impl StepReport {
    /// Adds what was measured of the parameters on the way.
    pub(crate) fn add_norms(&mut self, sums: &Sums) {
        self.update_norm = sums.updates.value().sqrt();
        if !self.skipped {
            self.param_norm = sums.params.value().sqrt();
        }
    }
}
