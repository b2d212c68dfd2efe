//! The sums behind the norms that a step reports.

use crate::math::ExactSum;
use std::sync::{Mutex, PoisonError};

/// Sums of squares over all parameters that step. They are exact, so that it does not matter which
/// thread adds what, and in which order.
#[derive(Clone, Debug)]
pub(in crate::optimizer) struct Sums {
    pub grads: ExactSum,
    pub updates: ExactSum,
    pub params: ExactSum,
}

impl Sums {
    pub const ZERO: Self =
        Self { grads: ExactSum::ZERO, updates: ExactSum::ZERO, params: ExactSum::ZERO };

    fn add(&mut self, other: &Self) {
        self.grads.add_sum(&other.grads);
        self.updates.add_sum(&other.updates);
        self.params.add_sum(&other.params);
    }
}

/// The sums of several threads.
#[derive(Debug)]
pub(in crate::optimizer) struct SharedSums(Mutex<Sums>);

impl SharedSums {
    pub fn new() -> Self {
        Self(Mutex::new(Sums::ZERO))
    }

    pub fn add(&self, sums: &Sums) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(sums);
    }

    pub fn get(&mut self) -> &mut Sums {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}
