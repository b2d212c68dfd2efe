//! The sums behind the norms that a step reports or clips by.

use crate::math::ExactSum;
use std::sync::{Mutex, PoisonError};

/// What is known of many gradients. It is exact, so that it does not matter which thread, or which process, adds
/// what and in which order.
#[derive(Clone, Debug, Default)]
pub(crate) struct GradSums {
    squares: ExactSum,
    /// Gradients that are infinite, and those that are NaN.
    infinities: u64,
    nans: u64,
    /// Partial sums of finite gradients that overflowed.
    overflows: u64,
}

/// What sums of gradients come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// The L2 norm.
    pub norm: f64,
    /// Values that are infinite or NaN.
    pub nonfinite: u64,
}

/// How many words the digits of the exact sum take, before the counts.
const DIGITS: usize = ExactSum::DIGITS;

impl GradSums {
    /// Adds the sum of the squares of some gradients. `count_nonfinite` counts the infinities and the NaN among
    /// them.
    pub fn add_squares(&mut self, squares: f64, count_nonfinite: impl FnOnce() -> (u64, u64)) {
        if squares.is_finite() {
            self.squares.add(squares);
            return;
        }
        let (infinities, nans) = count_nonfinite();
        self.infinities += infinities;
        self.nans += nans;
        self.overflows += u64::from(infinities == 0 && nans == 0);
    }

    pub fn add(&mut self, other: &Self) {
        self.squares.add_sum(&other.squares);
        self.infinities = self.infinities.saturating_add(other.infinities);
        self.nans = self.nans.saturating_add(other.nans);
        self.overflows = self.overflows.saturating_add(other.overflows);
    }

    pub fn measured(&self) -> Measured {
        let norm = if self.nans > 0 {
            f64::NAN
        } else if self.infinities > 0 || self.overflows > 0 {
            f64::INFINITY
        } else {
            self.squares.value().sqrt()
        };
        Measured { norm, nonfinite: self.infinities.saturating_add(self.nans) }
    }

    /// As `radam_grad_sums` has them.
    pub fn words(&self) -> [i64; DIGITS + 4] {
        let mut words = [0; DIGITS + 4];
        words[..DIGITS].copy_from_slice(&self.squares.words());
        for (word, count) in
            words[DIGITS..].iter_mut().zip([self.infinities, self.nans, self.overflows])
        {
            *word = i64::try_from(count).unwrap_or(i64::MAX);
        }
        words
    }

    /// Of words that are not negative.
    pub fn from_words(words: &[i64; DIGITS + 4]) -> Self {
        let count = |number: usize| u64::try_from(words[DIGITS + number]).unwrap_or(0);
        let (digits, _) = words.split_first_chunk::<DIGITS>().unwrap_or((&[0; DIGITS], &[]));
        match ExactSum::from_words(digits) {
            Some(squares) => {
                Self { squares, infinities: count(0), nans: count(1), overflows: count(2) }
            }
            None => Self {
                squares: ExactSum::ZERO,
                infinities: count(0),
                nans: count(1),
                overflows: count(2).max(1),
            },
        }
    }
}

/// What a step measures, over all parameters that are stepped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    pub grads: GradSums,
    pub updates: ExactSum,
    pub params: ExactSum,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.grads.add(&other.grads);
        self.updates.add_sum(&other.updates);
        self.params.add_sum(&other.params);
    }
}

/// The sums of several threads.
#[derive(Debug, Default)]
pub(in crate::optimizer) struct SharedSums(Mutex<Sums>);

impl SharedSums {
    pub fn add(&self, sums: &Sums) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(sums);
    }

    pub fn get(&mut self) -> &mut Sums {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn into_inner(self) -> Sums {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
