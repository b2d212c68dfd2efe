//! One step of one element, as the header and the papers have it.
//!
//! f32 arithmetic is f64 arithmetic whose every result is rounded to f32, which gives the same bits: an f64 has more
//! than twice the bits of an f32 and two more.

use super::number::Dtype;
use super::q8;
use super::scalars::{debiased, decoupled_decay, rectification};
use radam::ffi::*;

/// What is kept of an element from step to step.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    pub param: f64,
    pub exp_avg: f64,
    pub exp_avg_sq: f64,
    pub kahan_comp: Option<f64>,
}

/// One step of the elements of one parameter.
pub struct Rule {
    /// In which every operation is rounded.
    real: Dtype,
    param: Dtype,
    state: Dtype,
    maximize: bool,
    clip: Option<(f64, f64)>,
    l2: Option<f64>,
    decay: Option<f64>,
    beta1: (f64, f64),
    beta2: (f64, f64),
    /// Whether θ moves, and whether it is divided by the root.
    moves: bool,
    rectified: bool,
    step_size: f64,
    eps: f64,
}

/// By what gradients are multiplied and at what they are cut off: infinity for no limit.
pub type Clip = (f64, f64);

impl Rule {
    /// Of step t. `param` is the dtype that new parameters are rounded to, and not that of 16 bits if they are rounded
    /// in another way.
    pub fn new(
        options: &radam_group_options,
        (param, state): (Dtype, Dtype),
        t: u64,
        accumulates: bool,
        clip: Clip,
    ) -> Self {
        let real = param.real();
        let constant = |number| real.round(number);
        let (one, two) = (debiased(options.beta1, t), debiased(options.beta2, t));
        let r = rectification(options, t);
        let decay = decoupled_decay(options);
        let is_l2 = decay.is_none() && options.weight_decay != 0.0;
        Self {
            real,
            param,
            state,
            maximize: options.maximize == RADAM_ON,
            clip: (clip != (1.0, f64::INFINITY)).then(|| (constant(clip.0), constant(clip.1))),
            l2: is_l2.then(|| constant(options.weight_decay)),
            decay: decay.map(constant),
            beta1: (constant(one.hat), constant(one.comp)),
            beta2: (constant(two.hat), constant(two.comp)),
            moves: !accumulates && (r.is_some() || options.unrectified != RADAM_OFF),
            rectified: r.is_some(),
            step_size: constant(options.lr * r.unwrap_or(1.0)),
            eps: constant(options.eps),
        }
    }

    /// Whether the step moves parameters.
    pub fn moves(&self) -> bool {
        self.moves
    }

    /// The library maximizes by negating what gradients are multiplied by. The numbers are those of negated gradients, but
    /// for the signs of zeros.
    fn direction(&self) -> f64 {
        if self.maximize { -1.0 } else { 1.0 }
    }

    pub fn step(&self, element: Element, grad: f64) -> Element {
        let r = |number: f64| self.real.round(number);
        let stored = |number: f64| self.state.round(number);
        let g = self.grad(element.param, grad);
        let m = r(r(self.beta1.0 * element.exp_avg) + r(self.direction() * self.beta1.1 * g));
        let v = r(r(self.beta2.0 * element.exp_avg_sq) + r(r(self.beta2.1 * g) * g));
        let mut lowered = r(self.step_size * m);
        if self.rectified {
            lowered = r(lowered / r(r(v.sqrt()) + self.eps));
        }
        self.lower(Element { exp_avg: stored(m), exp_avg_sq: stored(v), ..element }, lowered)
    }

    /// A gradient as the averages take it.
    pub fn grad(&self, theta: f64, grad: f64) -> f64 {
        let r = |number: f64| self.real.round(number);
        let g = self.clipped(r(grad));
        match self.l2.filter(|_| self.moves) {
            Some(l2) => r(g + r(self.direction() * l2 * theta)),
            None => g,
        }
    }

    /// Subtracts from the parameter, and decays it.
    pub fn lower(&self, element: Element, mut lowered: f64) -> Element {
        let r = |number: f64| self.real.round(number);
        let theta = element.param;
        if !self.moves {
            return element;
        }
        if let Some(decay) = self.decay {
            lowered = r(r(decay * theta) + lowered);
        }
        let Some(kahan_comp) = element.kahan_comp else {
            return Element { param: self.param.round(r(theta - lowered)), ..element };
        };
        let change = r(kahan_comp - lowered);
        let param = self.param.round(r(theta + change));
        let lost = r(change + r(theta - param));
        Element { param, kahan_comp: Some(self.state.round(lost)), ..element }
    }

    /// What a step on 8-bit state needs.
    pub fn of_codes(&self) -> q8::Scalars {
        let (beta1, beta2) = (self.beta1, self.beta2);
        q8::Scalars {
            beta1: [beta1.0 as f32, (self.direction() * beta1.1) as f32],
            beta2: [beta2.0 as f32, beta2.1 as f32],
            eps: self.eps as f32,
        }
    }

    /// What such a step subtracts from the parameter.
    pub fn lowered_by_codes(&self, moments: &q8::Moments) -> f64 {
        let r = |number: f64| self.real.round(number);
        let size = r(self.step_size * self.direction() * self.beta1.1);
        r(size * f64::from(if self.rectified { moments.direction } else { moments.exp_avg }))
    }

    fn clipped(&self, grad: f64) -> f64 {
        let Some((scale, limit)) = self.clip else { return grad };
        let scaled = self.real.round(scale * grad);
        let below = if scaled > limit { limit } else { scaled };
        if below < -limit { -limit } else { below }
    }
}
