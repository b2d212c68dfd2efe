//! The update rule of one element, written once for every dtype and instruction set.
//!
//! Plain arithmetic in a fixed order: Rust never fuses a multiplication with an addition on its
//! own and never replaces a division by an estimate, so every instruction set gives the same bits.

use crate::number::Real;
use crate::rectify::{debiased_beta, rectification};

/// The hyperparameters of a parameter group that the rule depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hyperparameters {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub weight_decay: f64,
    pub eps: f64,
    pub max_lr: f64,
    pub decouple_wd: bool,
    pub decouple_lr: bool,
    pub maximize: bool,
    pub rectify: bool,
}

/// The constants of one step, the same for every element of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Coefficients<R> {
    /// −1 to maximize, 1 otherwise.
    pub grad_sign: R,
    /// λ where it is an L2 penalty on the gradient, else 0.
    pub l2: R,
    /// The share of θ that a decoupled decay takes: γλ or (γ/γmax)λ, else 0.
    pub decay: R,
    /// The debiased β1 and its complement.
    pub beta1_hat: R,
    pub beta1_comp: R,
    /// The debiased β2 and its complement.
    pub beta2_hat: R,
    pub beta2_comp: R,
    /// γr, or γ while unrectified.
    pub step_size: R,
    pub eps: R,
}

/// Which rule a step follows; every element of a parameter follows the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// θ moves by γ r m / (√v + ε).
    Rectified,
    /// θ moves by γ m: the variance of √v is not tractable yet.
    Unrectified,
    /// Only the moments move.
    Accumulate,
}

/// The rule and the constants of step `t`.
pub(crate) fn coefficients(
    group: &Hyperparameters,
    t: u64,
    accumulate: bool,
) -> (Rule, Coefficients<f64>) {
    let rectification = if group.rectify { rectification(group.beta2, t) } else { Some(1.0) };
    let rule = match rectification {
        _ if accumulate => Rule::Accumulate,
        Some(_) => Rule::Rectified,
        None => Rule::Unrectified,
    };
    let (l2, decay) = if group.decouple_lr {
        (0.0, group.lr / group.max_lr * group.weight_decay)
    } else if group.decouple_wd {
        (0.0, group.lr * group.weight_decay)
    } else {
        (group.weight_decay, 0.0)
    };
    let beta1_hat = debiased_beta(group.beta1, t);
    let beta2_hat = debiased_beta(group.beta2, t);
    let coefficients = Coefficients {
        grad_sign: if group.maximize { -1.0 } else { 1.0 },
        l2,
        decay,
        beta1_hat,
        beta1_comp: 1.0 - beta1_hat,
        beta2_hat,
        beta2_comp: 1.0 - beta2_hat,
        step_size: group.lr * rectification.unwrap_or(1.0),
        eps: group.eps,
    };
    (rule, coefficients)
}

impl Coefficients<f64> {
    /// Whether there is any weight decay.
    pub fn decays(&self) -> bool {
        self.l2 != 0.0 || self.decay != 0.0
    }

    /// The constants, each rounded once to the type that is computed in.
    #[inline(always)]
    pub fn round<R: Real>(&self) -> Coefficients<R> {
        Coefficients {
            grad_sign: R::from_f64(self.grad_sign),
            l2: R::from_f64(self.l2),
            decay: R::from_f64(self.decay),
            beta1_hat: R::from_f64(self.beta1_hat),
            beta1_comp: R::from_f64(self.beta1_comp),
            beta2_hat: R::from_f64(self.beta2_hat),
            beta2_comp: R::from_f64(self.beta2_comp),
            step_size: R::from_f64(self.step_size),
            eps: R::from_f64(self.eps),
        }
    }
}

impl<R: Real> Coefficients<R> {
    /// The gradient as the moments see it: negated to maximize, then with the L2 penalty.
    ///
    /// `DECAY` is false where the weight decay is 0: then θ is not looked at, so an infinite
    /// parameter does not turn the moments into NaN.
    #[inline(always)]
    pub fn gradient<const DECAY: bool>(&self, param: R, grad: R) -> R {
        let grad = self.grad_sign * grad;
        if DECAY { grad + self.l2 * param } else { grad }
    }

    /// The new moments, debiased as they are stored.
    #[inline(always)]
    pub fn moments(&self, grad: R, exp_avg: R, exp_avg_sq: R) -> (R, R) {
        (
            self.beta1_hat * exp_avg + self.beta1_comp * grad,
            self.beta2_hat * exp_avg_sq + self.beta2_comp * grad * grad,
        )
    }

    /// The whole intended change of θ, decay included.
    #[inline(always)]
    pub fn change<const RECTIFIED: bool, const DECAY: bool>(
        &self,
        param: R,
        exp_avg: R,
        exp_avg_sq: R,
    ) -> R {
        let step = if RECTIFIED {
            self.step_size * exp_avg / (exp_avg_sq.sqrt() + self.eps)
        } else {
            self.step_size * exp_avg
        };
        if DECAY { -(self.decay * param) - step } else { -step }
    }
}
