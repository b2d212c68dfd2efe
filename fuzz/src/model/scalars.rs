//! The scalars of a step, by their defining formulas in integers of many bits.

use super::exact::nearest;
use num_bigint::BigUint;
use radam::ffi::*;
use std::cell::RefCell;
use std::collections::HashMap;

/// What depends on a β and the number t of a step.
#[derive(Clone, Copy, Debug)]
pub struct Debiased {
    /// (β^t − β) / (β^t − 1), and 1 minus that.
    pub hat: f64,
    pub comp: f64,
    /// ρ, if this is β2.
    pub rho: f64,
    /// 1 − β^t.
    pub bias: f64,
}

/// Bits behind the point.
const BITS: u64 = 640;

/// Up to this β, the formulas are evaluated in f64 from the nearest f64 to β^t.
const NEAR_ONE: f64 = 0.999;

pub fn debiased(beta: f64, t: u64) -> Debiased {
    thread_local!(static KNOWN: RefCell<HashMap<(u64, u64), Debiased>> = RefCell::default());
    let key = (beta.to_bits(), t);
    if let Some(known) = KNOWN.with_borrow(|known| known.get(&key).copied()) {
        return known;
    }
    let new = compute(beta, t);
    KNOWN.with_borrow_mut(|known| known.insert(key, new));
    new
}

fn compute(beta: f64, t: u64) -> Debiased {
    let one = BigUint::from(1u32) << BITS;
    let b = fixed(beta);
    let bt = power(&b, t);
    if beta <= NEAR_ONE {
        let bt = nearest(&bt, &one, 0);
        let hat = (bt - beta) / (bt - 1.0);
        let rho = rho_inf(beta) - 2.0 * t as f64 * bt / (1.0 - bt);
        return Debiased { hat, comp: 1.0 - hat, rho, bias: 1.0 - bt };
    }
    let (rest, rest_t) = (&one - &b, &one - &bt);
    let rho = (&one + &b) * &rest_t - BigUint::from(t) * 2u32 * &bt * &rest;
    Debiased {
        hat: nearest(&(&b - &bt), &rest_t, 0),
        comp: nearest(&rest, &rest_t, 0),
        rho: nearest(&rho, &(&rest * &rest_t), 0),
        bias: (1.0 - beta) * nearest(&rest_t, &rest, 0),
    }
}

pub fn rho_inf(beta: f64) -> f64 {
    2.0 / (1.0 - beta) - 1.0
}

/// A number of [0, 1) that is a multiple of 2^-BITS.
fn fixed(number: f64) -> BigUint {
    let exponent = (number.to_bits() >> 52) as i64 - 1075;
    if number == 0.0 {
        return BigUint::ZERO;
    }
    let significand = BigUint::from(number.to_bits() & ((1 << 52) - 1) | 1 << 52);
    significand << (BITS as i64 + exponent)
}

fn power(base: &BigUint, mut exponent: u64) -> BigUint {
    let (mut result, mut square) = (BigUint::from(1u32) << BITS, base.clone());
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = (&result * &square) >> BITS;
        }
        square = (&square * &square) >> BITS;
        exponent >>= 1;
    }
    result
}

/// r of step t, if it is rectified.
pub fn rectification(options: &radam_group_options, t: u64) -> Option<f64> {
    if options.rectify == RADAM_OFF {
        return Some(1.0);
    }
    let (rho, rho_inf) = (debiased(options.beta2, t).rho, rho_inf(options.beta2));
    (rho > options.rectify_threshold).then(|| {
        let numerator = (rho - 4.0) * (rho - 2.0) * rho_inf;
        let denominator = (rho_inf - 4.0) * (rho_inf - 2.0) * rho;
        (numerator / denominator).sqrt()
    })
}

/// What decoupled decay subtracts of θ, as a share; `None` without it.
pub fn decoupled_decay(options: &radam_group_options) -> Option<f64> {
    let radam_group_options { lr, max_lr, weight_decay, .. } = *options;
    if weight_decay == 0.0 {
        None
    } else if options.decouple_lr == RADAM_ON {
        Some(lr / max_lr * weight_decay)
    } else if options.decouple_wd == RADAM_ON {
        Some(lr * weight_decay)
    } else {
        None
    }
}

/// What `radam_get_group_report` gives of step t.
pub fn report(options: &radam_group_options, t: u64) -> radam_group_report {
    let (one, two) = (debiased(options.beta1, t), debiased(options.beta2, t));
    let r = rectification(options, t);
    let moves = r.is_some() || options.unrectified != RADAM_OFF;
    let decay = decoupled_decay(options).filter(|_| moves).unwrap_or(0.0);
    radam_group_report {
        struct_size: size_of::<radam_group_report>() as u32,
        rectified: r.is_some().into(),
        step: t,
        rho: two.rho,
        rho_inf: rho_inf(options.beta2),
        r: r.unwrap_or(0.0),
        effective_lr: if moves { options.lr * r.unwrap_or(1.0) } else { 0.0 },
        beta1_hat: one.hat,
        beta2_hat: two.hat,
        decay_factor: 1.0 - decay,
    }
}
