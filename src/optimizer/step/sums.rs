//! The sums behind the norms that a step reports or clips by.

use crate::math::ExactSum;
use std::sync::{Mutex, PoisonError};

/// What is known of many gradients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// The L2 norm.
    pub norm: f64,
    /// Values that are infinite or NaN.
    pub nonfinite: u64,
}

impl Measured {
    /// By the sum of the squares of the gradients.
    pub fn of(squares: &ExactSum) -> Self {
        Self { norm: squares.value().sqrt(), nonfinite: squares.nonfinite() }
    }
}

/// The sums of squares that a step measures, over all parameters that are stepped. They are exact, so that it
/// does not matter which thread adds what, and in which order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    pub grads: ExactSum,
    pub updates: ExactSum,
    pub params: ExactSum,
}

/// The sums of several threads.
#[derive(Debug, Default)]
pub(in crate::optimizer) struct SharedSums(Mutex<Sums>);

impl SharedSums {
    pub fn add(&self, sums: &Sums) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.grads.add_sum(&sums.grads);
        all.updates.add_sum(&sums.updates);
        all.params.add_sum(&sums.params);
    }

    pub fn get(&mut self) -> &mut Sums {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}
