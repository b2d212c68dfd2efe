//! The formulas of the design in plain f64, as slow and as literal as can be.

use crate::cases::{CHECKPOINTS, Decay, Dtype, LEN, STEPS, Set, Trajectory};

/// Steps with the set's own learning rate, maximizing and accumulating as it says.
struct Oracle<'a> {
    set: &'a Set,
    decay: Decay,
    /// What is stored from step to step is rounded to this dtype, once.
    dtype: Dtype,
    kahan_sum: bool,
    step: u64,
    params: Vec<f64>,
    exp_avg: Vec<f64>,
    exp_avg_sq: Vec<f64>,
    kahan_comp: Vec<f64>,
}

impl Oracle<'_> {
    fn step(&mut self, grads: &[f64]) {
        self.step += 1;
        let Set { beta1, beta2, eps, rectify, maximize, .. } = *self.set;
        let lr = self.set.lr_at(self.step);
        let weight_decay = self.set.weight_decay(self.decay);
        let rectification = if rectify { rectification(self.set, self.step) } else { Some(1.0) };
        let waits = rectification.is_none() && !self.set.unrectified;
        let updates = self.set.updates_at(self.step) && !waits;
        let beta1_hat = debiased(beta1, self.step);
        let beta2_hat = debiased(beta2, self.step);
        for (i, &grad) in grads.iter().enumerate() {
            let mut g = if maximize { -grad } else { grad };
            if updates && self.decay == Decay::L2 {
                g += weight_decay * self.params[i];
            }
            let m = beta1_hat * self.exp_avg[i] + (1.0 - beta1_hat) * g;
            let v = beta2_hat * self.exp_avg_sq[i] + (1.0 - beta2_hat) * g * g;
            if updates {
                let decayed = decayed(self.set, self.decay, lr);
                let change = match rectification {
                    Some(r) => lr * r * m / (v.sqrt() + eps),
                    None => lr * m,
                };
                self.update(i, decayed, change);
            }
            self.exp_avg[i] = self.dtype.round(m);
            self.exp_avg_sq[i] = self.dtype.round(v);
        }
    }

    fn update(&mut self, i: usize, decayed: f64, change: f64) {
        let theta = self.params[i];
        if self.kahan_sum {
            let compensated = self.kahan_comp[i] + (-decayed * theta - change);
            self.params[i] = self.dtype.round(theta + compensated);
            self.kahan_comp[i] = self.dtype.round(compensated + (theta - self.params[i]));
        } else {
            self.params[i] = self.dtype.round((1.0 - decayed) * theta - change);
        }
    }
}

/// The share of a parameter that a step takes.
pub fn decayed(set: &Set, decay: Decay, lr: f64) -> f64 {
    match decay {
        Decay::None | Decay::L2 => 0.0,
        Decay::Decoupled => lr * set.weight_decay(decay),
        Decay::FullyDecoupled => lr / set.max_lr * set.weight_decay(decay),
    }
}

/// β^t in fixed point. The standard library's `powf` is wrong in the last place on some platforms, and the
/// division by 1 − β^t makes more of that than the tests allow.
fn power(beta: f64, mut step: u64) -> f64 {
    const ONE: u128 = 1 << 63;
    let (mut power, mut square) = (ONE, (beta * ONE as f64) as u128);
    while step > 0 {
        if step % 2 == 1 {
            power = power * square / ONE;
        }
        square = square * square / ONE;
        step /= 2;
    }
    power as f64 / ONE as f64
}

pub fn debiased(beta: f64, step: u64) -> f64 {
    let power = power(beta, step);
    (power - beta) / (power - 1.0)
}

pub fn rho_inf(beta2: f64) -> f64 {
    2.0 / (1.0 - beta2) - 1.0
}

pub fn rho(beta2: f64, step: u64) -> f64 {
    let power = power(beta2, step);
    rho_inf(beta2) - 2.0 * step as f64 * power / (1.0 - power)
}

pub fn rectification(set: &Set, step: u64) -> Option<f64> {
    let (rho, rho_inf) = (rho(set.beta2, step), rho_inf(set.beta2));
    let square = (rho - 4.0) * (rho - 2.0) * rho_inf / ((rho_inf - 4.0) * (rho_inf - 2.0) * rho);
    (rho > set.threshold).then(|| square.sqrt())
}

pub fn trajectory(set: &Set, decay: Decay) -> Trajectory {
    stored_trajectory(set, decay, Dtype::F64, false)
}

/// What comes of it if parameters, moments and compensation are stored in `dtype`, and nothing else
/// is rounded.
pub fn stored_trajectory(set: &Set, decay: Decay, dtype: Dtype, kahan_sum: bool) -> Trajectory {
    let params = set.initial_params();
    let zeros = || vec![0.0; LEN];
    let (exp_avg, exp_avg_sq, kahan_comp) = (zeros(), zeros(), zeros());
    let mut oracle =
        Oracle { set, decay, dtype, kahan_sum, step: 0, params, exp_avg, exp_avg_sq, kahan_comp };
    let mut found = Trajectory::new();
    for step in 1..=STEPS {
        oracle.step(&set.grads(step));
        if CHECKPOINTS.contains(&step) {
            found.insert(step, oracle.params.clone());
        }
    }
    found
}
