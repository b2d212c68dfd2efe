//! The options of a step.

use super::{Error, GradSums};
use crate::optimizer::{self, Measured};

/// What a step does besides updating. The default is a plain update.
///
/// The step applies all of this as it goes: gradients are written only if `zero_grad` is on, and read a second time only
/// if all of them must be known before the first update (`max_grad_norm`, `skip_nonfinite` or `report_norms`, unless
/// `grad_sums` is given).
#[derive(Clone, Copy, Debug)]
pub struct StepOptions<'a> {
    /// Multiplies every gradient before anything else; finite, above 0. With loss scaling, it is 1 / loss scale.
    /// Default: 1.
    pub grad_scale: f64,
    /// Clips gradients by their norm: the maximum L2 norm of all gradients together, after `grad_scale`; finite, at
    /// least 0. If `max_grad_norm` / (norm + 1e-6) is below 1, all gradients are multiplied by it, as
    /// `torch.nn.utils.clip_grad_norm_` does. Default: 0, no limit.
    pub max_grad_norm: f64,
    /// Clips gradients by value, after `grad_scale` and `max_grad_norm`: each element is clamped to
    /// [-`max_grad_value`, `max_grad_value`], and NaN stays NaN; finite, at least 0. Default: 0, no limit.
    pub max_grad_value: f64,
    /// Skips the step if any gradient element is infinite or NaN: parameters, state and step counts stay as they are.
    /// The call still succeeds, and the report says so. Default: false.
    pub skip_nonfinite: bool,
    /// Zeroes each gradient once it is no longer needed, also if the step is skipped. All gradients must be passed as
    /// `&mut`. Default: false.
    pub zero_grad: bool,
    /// Measures the norms for the report, which is about as much work as the update itself. Default: false.
    pub report_norms: bool,
    /// What is already known of all gradients, for example of several processes or of tensors that are stepped one by
    /// one: `max_grad_norm` and `skip_nonfinite` go by these sums, and the step measures no gradients. The sums are of
    /// gradients before `grad_scale`. Default: `None`.
    pub grad_sums: Option<&'a GradSums>,
}

impl Default for StepOptions<'_> {
    fn default() -> Self {
        let plain = optimizer::StepOptions::PLAIN;
        Self {
            grad_scale: plain.grad_scale,
            max_grad_norm: plain.max_grad_norm,
            max_grad_value: plain.max_grad_value,
            skip_nonfinite: plain.skip_nonfinite,
            zero_grad: plain.zero_grad,
            report_norms: plain.measure_params,
            grad_sums: None,
        }
    }
}

impl TryFrom<&StepOptions<'_>> for optimizer::StepOptions {
    type Error = Error;

    fn try_from(options: &StepOptions) -> Result<Self, Error> {
        let options = Self {
            grad_scale: options.grad_scale,
            max_grad_norm: options.max_grad_norm,
            max_grad_value: options.max_grad_value,
            skip_nonfinite: options.skip_nonfinite,
            zero_grad: options.zero_grad,
            measured: options.grad_sums.map(|sums| Measured::of(&sums.0)),
            measure_grads: options.report_norms,
            measure_params: options.report_norms,
        };
        Ok(options.checked()?)
    }
}
