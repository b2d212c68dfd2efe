//! The update rule of one element, written once for every dtype and instruction set.
//!
//! Plain arithmetic in a fixed order: Rust never fuses a multiplication with an addition on its
//! own and never replaces a division by an estimate, so every instruction set gives the same bits.

use super::rectify::BetaPower;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// What the update rule computes with: one f32 or f64, or several of them side by side.
pub(crate) trait Arithmetic:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The IEEE square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// `value` rounded to nearest even, in every lane.
    fn from_f64(value: f64) -> Self;
    /// Clamped to [−`limit`, `limit`]; NaN stays NaN.
    fn limited_to(self, limit: Self) -> Self;
}

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
    /// Steps with ρ above this are rectified. At least 4.
    pub rectify_threshold: f64,
    /// Whether unrectified steps move θ, by γ m; otherwise they only update the moments.
    pub unrectified: bool,
}

impl Hyperparameters {
    /// r, or `None` if the step is not rectified.
    fn rectification(&self, beta2: BetaPower) -> Option<f64> {
        if self.rectify { beta2.rectification(self.rectify_threshold) } else { Some(1.0) }
    }
}

/// The constants of one step, the same for every element of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Coefficients<R> {
    /// λ of an L2 penalty; negated to maximize.
    pub l2: R,
    /// What decoupled decay subtracts per unit of θ: γλ or (γ/γmax)λ.
    pub decay: R,
    /// β̂1 and 1 − β̂1, the latter negated to maximize.
    pub beta1_hat: R,
    pub beta1_comp: R,
    /// β̂2 and 1 − β̂2.
    pub beta2_hat: R,
    pub beta2_comp: R,
    /// γr, or γ in unrectified steps.
    pub step_size: R,
    pub eps: R,
    /// Gradients are multiplied by the first and then clamped to the second.
    pub grad_scale: R,
    pub max_grad_value: R,
}

/// How a step moves θ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// By γ r m / (√v + ε).
    Rectified,
    /// By γ m, as long as the variance of the adaptive learning rate is intractable.
    Unrectified,
    /// Not at all: only the moments are updated.
    Accumulate,
}

/// How weights decay. `None` is not the same as a factor of 0, by which an infinite parameter would turn the
/// moments into NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decay {
    None,
    L2,
    Decoupled,
}

/// What is done to every gradient first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Clipping {
    pub scale: f64,
    /// Infinite: no limit.
    pub max_value: f64,
}

impl Clipping {
    /// Leaves gradients as they are.
    pub const NONE: Self = Self { scale: 1.0, max_value: f64::INFINITY };
}

/// The scalars of a step, as reports show them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalars {
    pub step: u64,
    pub rho: f64,
    pub rho_inf: f64,
    /// `None`: the step is not rectified.
    pub rectification: Option<f64>,
    /// γr, or γ in unrectified steps; 0 if the step leaves θ alone.
    pub step_size: f64,
    pub beta1_hat: f64,
    pub beta2_hat: f64,
    /// What decoupled decay subtracts per unit of θ.
    pub decay: f64,
}

impl Scalars {
    /// Of step number `t`.
    pub fn of(group: &Hyperparameters, t: u64) -> Self {
        let beta2 = BetaPower::of(group.beta2, t);
        let Step { rule, coefficients, .. } = Step::of(group, t, false, Clipping::NONE);
        let moves = rule != Rule::Accumulate;
        Self {
            step: t,
            rho: beta2.rho,
            rho_inf: beta2.rho_inf(),
            rectification: group.rectification(beta2),
            step_size: if moves { coefficients.step_size } else { 0.0 },
            beta1_hat: coefficients.beta1_hat,
            beta2_hat: coefficients.beta2_hat,
            decay: if moves { coefficients.decay } else { 0.0 },
        }
    }
}

/// One step of one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub rule: Rule,
    pub decay: Decay,
    /// Whether gradients are scaled or clamped.
    pub clips: bool,
    pub coefficients: Coefficients<f64>,
}

impl Step {
    /// Step number `t`.
    pub fn of(group: &Hyperparameters, t: u64, accumulate: bool, clipping: Clipping) -> Self {
        let beta1 = BetaPower::of(group.beta1, t);
        let beta2 = BetaPower::of(group.beta2, t);
        let rectification = group.rectification(beta2);
        let rule = match rectification {
            _ if accumulate => Rule::Accumulate,
            Some(_) => Rule::Rectified,
            None if group.unrectified => Rule::Unrectified,
            None => Rule::Accumulate,
        };
        let (decay, l2, share) = if group.weight_decay == 0.0 {
            (Decay::None, 0.0, 0.0)
        } else if group.decouple_lr {
            (Decay::Decoupled, 0.0, group.lr / group.max_lr * group.weight_decay)
        } else if group.decouple_wd {
            (Decay::Decoupled, 0.0, group.lr * group.weight_decay)
        } else {
            (Decay::L2, group.weight_decay, 0.0)
        };
        // Maximizing means to negate the gradients first. Negating their coefficients instead gives the
        // same numbers; only zeros may have the other sign.
        let direction = if group.maximize { -1.0 } else { 1.0 };
        let coefficients = Coefficients {
            l2: direction * l2,
            decay: share,
            beta1_hat: beta1.beta_hat,
            beta1_comp: direction * beta1.beta_hat_comp,
            beta2_hat: beta2.beta_hat,
            beta2_comp: beta2.beta_hat_comp,
            step_size: group.lr * rectification.unwrap_or(1.0),
            eps: group.eps,
            grad_scale: clipping.scale,
            max_grad_value: clipping.max_value,
        };
        Self { rule, decay, clips: clipping != Clipping::NONE, coefficients }
    }
}

impl Coefficients<f64> {
    /// The constants, each rounded once to the type that is computed in.
    #[inline(always)]
    pub fn round<R: Arithmetic>(&self) -> Coefficients<R> {
        // The only coefficient that can be NaN, since the others come from validated options. Its payload is
        // dropped: rounding a NaN to bf16 without a test for it could carry a payload through to zero.
        let grad_scale = if self.grad_scale.is_nan() { f64::NAN } else { self.grad_scale };
        Coefficients {
            l2: R::from_f64(self.l2),
            decay: R::from_f64(self.decay),
            beta1_hat: R::from_f64(self.beta1_hat),
            beta1_comp: R::from_f64(self.beta1_comp),
            beta2_hat: R::from_f64(self.beta2_hat),
            beta2_comp: R::from_f64(self.beta2_comp),
            step_size: R::from_f64(self.step_size),
            eps: R::from_f64(self.eps),
            grad_scale: R::from_f64(grad_scale),
            max_grad_value: R::from_f64(self.max_grad_value),
        }
    }
}

/// The rule itself, for one number or several side by side.
impl<R: Arithmetic> Coefficients<R> {
    /// The gradient scaled, then clamped.
    #[inline(always)]
    pub fn clipped(&self, grad: R) -> R {
        (self.grad_scale * grad).limited_to(self.max_grad_value)
    }

    /// The new moments. They are stored debiased.
    #[inline(always)]
    pub fn moments(&self, grad: R, exp_avg: R, exp_avg_sq: R) -> (R, R) {
        (
            self.beta1_hat * exp_avg + self.beta1_comp * grad,
            self.beta2_hat * exp_avg_sq + self.beta2_comp * grad * grad,
        )
    }

    /// The new moments of a step that moves θ: with the L2 penalty added to the gradient, if there is one.
    #[inline(always)]
    pub fn penalized_moments(
        &self,
        decay: Decay,
        param: R,
        grad: R,
        exp_avg: R,
        exp_avg_sq: R,
    ) -> (R, R) {
        let grad = if decay == Decay::L2 { grad + self.l2 * param } else { grad };
        self.moments(grad, exp_avg, exp_avg_sq)
    }

    /// The argument of `lowered` that depends on the new v: √v, if the step is rectified.
    #[inline(always)]
    pub fn root(rectified: bool, exp_avg_sq: R) -> R {
        if rectified { exp_avg_sq.sqrt() } else { exp_avg_sq }
    }

    /// What is to be subtracted from θ, decoupled decay included. `exp_avg` and `root` are those of the new
    /// moments.
    #[inline(always)]
    pub fn lowered(&self, rectified: bool, decay: Decay, param: R, exp_avg: R, root: R) -> R {
        let step = self.step_size * exp_avg;
        let step = if rectified { step / (root + self.eps) } else { step };
        if decay == Decay::Decoupled { self.decay * param + step } else { step }
    }
}

/// Kahan summation, first half: the change of θ, plus what rounding lost in earlier steps.
#[inline(always)]
pub(crate) fn compensated_change<R: Arithmetic>(kahan_comp: R, lowered: R) -> R {
    kahan_comp - lowered
}

/// Kahan summation, second half: what rounding θ + `change` lost, the new `kahan_comp`.
#[inline(always)]
pub(crate) fn lost_change<R: Arithmetic>(change: R, param: R, rounded: R) -> R {
    change + (param - rounded)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const GROUP: Hyperparameters = Hyperparameters {
        lr: 0.5,
        beta1: 0.9,
        beta2: 0.99,
        weight_decay: 0.25,
        eps: 1e-6,
        max_lr: 0.5,
        decouple_wd: true,
        decouple_lr: false,
        maximize: false,
        rectify: true,
        rectify_threshold: 5.0,
        unrectified: true,
    };

    /// An f64 whose arithmetic needs nothing of the kernels.
    #[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
    pub struct Number(pub f64);

    macro_rules! operators {
        ($($operator:ident::$function:ident),*) => {$(
            impl $operator for Number {
                type Output = Self;
                fn $function(self, other: Self) -> Self {
                    Self(self.0.$function(other.0))
                }
            }
        )*};
    }
    operators!(Add::add, Sub::sub, Mul::mul, Div::div);

    impl Neg for Number {
        type Output = Self;
        fn neg(self) -> Self {
            Self(-self.0)
        }
    }

    impl Arithmetic for Number {
        fn sqrt(self) -> Self {
            Self(self.0.sqrt())
        }
        fn from_f64(value: f64) -> Self {
            Self(value)
        }
        fn limited_to(self, limit: Self) -> Self {
            Self(self.0.clamp(-limit.0, limit.0))
        }
    }

    /// θ, m and v after a step, by the formulas as the documentation of the crate has them.
    fn by_the_formulas(group: &Hyperparameters, t: u64, grad: f64, old: [f64; 3]) -> [f64; 3] {
        let [param, m, v] = old;
        let decayed = match (group.decouple_lr, group.decouple_wd) {
            (true, _) => param * (1.0 - group.lr / group.max_lr * group.weight_decay),
            (false, true) => param * (1.0 - group.lr * group.weight_decay),
            (false, false) => param,
        };
        let grad = if group.maximize { -grad } else { grad };
        let is_l2 = !group.decouple_lr && !group.decouple_wd;
        let grad = if is_l2 { grad + group.weight_decay * param } else { grad };
        let debiased = |beta: f64| (beta.powf(t as f64) - beta) / (beta.powf(t as f64) - 1.0);
        let (beta1, beta2) = (debiased(group.beta1), debiased(group.beta2));
        let (m, v) = (beta1 * m + (1.0 - beta1) * grad, beta2 * v + (1.0 - beta2) * grad * grad);
        let param = match Scalars::of(group, t).rectification {
            Some(r) => decayed - group.lr * r * m / (v.sqrt() + group.eps),
            None => decayed - group.lr * m,
        };
        [param, m, v]
    }

    fn by_the_rule(group: &Hyperparameters, t: u64, grad: f64, old: [f64; 3]) -> [f64; 3] {
        let step = Step::of(group, t, false, Clipping::NONE);
        let (constants, rectified) = (step.coefficients.round(), step.rule == Rule::Rectified);
        let [param, m, v] = old.map(Number);
        let (m, v) = constants.penalized_moments(step.decay, param, Number(grad), m, v);
        let root = Coefficients::root(rectified, v);
        let lowered = constants.lowered(rectified, step.decay, param, m, root);
        [param - lowered, m, v].map(|number| number.0)
    }

    #[test]
    fn an_element_moves_by_the_formulas() {
        let bools = [false, true];
        for (weight_decay, maximize) in [0.0, 0.25].into_iter().flat_map(|d| bools.map(|m| (d, m)))
        {
            for (decouple_wd, decouple_lr) in bools.into_iter().flat_map(|w| bools.map(|l| (w, l)))
            {
                for (rectify, t) in [(true, 1), (true, 3), (true, 9), (false, 2)] {
                    let options = Hyperparameters { weight_decay, maximize, rectify, ..GROUP };
                    let max_lr = 2.0;
                    let group = Hyperparameters { decouple_wd, decouple_lr, max_lr, ..options };
                    let old = [1.5, 0.375, 0.75];
                    let found = by_the_rule(&group, t, -0.5, old);
                    for (found, expected) in
                        found.into_iter().zip(by_the_formulas(&group, t, -0.5, old))
                    {
                        assert!(
                            (found - expected).abs() < 1e-12,
                            "{group:?}, {t}: {found}, not {expected}"
                        );
                    }
                    let scalars = Scalars::of(&group, t);
                    let decay = [0.5 * weight_decay, 0.25 * weight_decay][decouple_lr as usize];
                    let decay = if decouple_wd || decouple_lr { decay } else { 0.0 };
                    assert_eq!((scalars.step, scalars.decay), (t, decay));
                    let r = scalars.rectification.unwrap_or(1.0);
                    assert_eq!((scalars.step_size, r == 1.0), (0.5 * r, t < 9));
                }
            }
        }
    }

    #[test]
    fn gradients_are_scaled_and_then_clamped() {
        let step = |scale, max_value| Step::of(&GROUP, 1, false, Clipping { scale, max_value });
        let clipped = |step: Step, grad| step.coefficients.round().clipped(Number(grad)).0;
        assert_eq!([1.0, -4.0, 8.0].map(|grad| clipped(step(0.5, 1.0), grad)), [0.5, -1.0, 1.0]);
        assert!(clipped(step(f64::NAN, 1.0), 1.0).is_nan());
        assert!(step(0.5, f64::INFINITY).clips && step(1.0, 1.0).clips);
        assert!(!step(1.0, f64::INFINITY).clips);
    }

    #[test]
    fn what_rounding_loses_comes_with_the_next_change() {
        let change = compensated_change(Number(0.25), Number(0.5));
        assert_eq!(change, Number(-0.25));
        assert_eq!(lost_change(change, Number(4.0), Number(3.0)), Number(0.75));
    }

    #[test]
    fn accumulation_moves_nothing_but_the_moments() {
        for t in [1, 9] {
            assert_eq!(Step::of(&GROUP, t, true, Clipping::NONE).rule, Rule::Accumulate);
        }
    }

    fn rules(group: &Hyperparameters) -> Vec<Rule> {
        (1..=8).map(|t| Step::of(group, t, false, Clipping::NONE).rule).collect()
    }

    /// ρ is 3.97, 4.96 and 5.94 at the steps 4, 5 and 6.
    #[test]
    fn steps_are_rectified_above_the_threshold() {
        for (rectify_threshold, first) in [(4.0, 5), (4.9, 5), (5.0, 6), (5.95, 7)] {
            let group = Hyperparameters { rectify_threshold, ..GROUP };
            let expected =
                (1..=8).map(|t| if t < first { Rule::Unrectified } else { Rule::Rectified });
            assert_eq!(rules(&group), expected.collect::<Vec<_>>(), "{rectify_threshold}");
            let r = Scalars::of(&group, first).rectification.unwrap();
            assert!(r > 0.0 && r < 0.2, "{rectify_threshold}: {r}");
        }
        let adam = Hyperparameters { rectify: false, rectify_threshold: 1e9, ..GROUP };
        assert_eq!(rules(&adam), [Rule::Rectified; 8]);
    }

    #[test]
    fn steps_without_an_unrectified_rule_move_only_the_moments() {
        let group = Hyperparameters { unrectified: false, ..GROUP };
        for (t, (rule, usual)) in (1..).zip(rules(&group).into_iter().zip(rules(&GROUP))) {
            let (scalars, with) = (Scalars::of(&group, t), Scalars::of(&GROUP, t));
            assert_eq!((scalars.beta1_hat, scalars.beta2_hat), (with.beta1_hat, with.beta2_hat));
            if usual == Rule::Rectified {
                assert_eq!(rule, Rule::Rectified);
                assert_eq!((scalars.step_size, scalars.decay), (with.step_size, with.decay));
            } else {
                assert_eq!((rule, scalars.rectification), (Rule::Accumulate, None));
                assert_eq!((scalars.step_size, scalars.decay), (0.0, 0.0));
                assert_eq!((with.step_size, with.decay), (0.5, 0.125));
            }
        }
    }
}
