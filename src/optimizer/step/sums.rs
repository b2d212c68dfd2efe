//! The sums behind the norms that a step reports or clips by.

use crate::error::{Result, ensure, error};
use crate::math::{ExactSum, WORDS, Words};
use std::fmt::Display;
use std::sync::atomic::{AtomicI64, Ordering};

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

/// The sum of squares that these words, or word-wise sums of such words, stand for. `place` comes before their name in
/// messages.
pub(crate) fn sum_of_words(place: impl Display, words: &Words) -> Result<ExactSum> {
    for (index, word) in words.iter().enumerate() {
        let is_right = if index == words.len() - 1 { *word == 0 } else { *word >= 0 };
        ensure!(
            is_right,
            InvalidArgument,
            "{place}words[{index}] is {word}; words must not be negative, and the last one must be 0 (at most 2^31 sums \
             can be added up)"
        );
    }
    ExactSum::from_words(words).ok_or_else(|| {
        error!(
            InvalidArgument,
            "{place}words are not a possible sum of gradients; they must be those of measured \
             gradients, added up word by word"
        )
    })
}

/// The sums of squares that a step measures, over all parameters that are stepped. They are exact, so that it
/// does not matter which thread adds what, and in which order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    pub grads: ExactSum,
    pub updates: ExactSum,
    pub params: ExactSum,
}

/// The sums of several threads, in the same order. Without a lock: a process that forks during a step would leave it
/// locked in the child for ever.
#[derive(Debug)]
pub(in crate::optimizer) struct SharedSums([[AtomicI64; WORDS]; 3]);

impl Default for SharedSums {
    fn default() -> Self {
        Self([const { [const { AtomicI64::new(0) }; WORDS] }; 3])
    }
}

impl SharedSums {
    /// Adds word by word; carries are left for `total`. There are fewer than 2^31 pieces to add.
    #[inline(never)] // keeps the words off the stack of steps that measure nothing
    pub fn add(&self, sums: &Sums) {
        let each = [&sums.grads, &sums.updates, &sums.params];
        for (shared, sum) in self.0.iter().zip(each) {
            for (shared, word) in shared.iter().zip(sum.words()).filter(|(_, word)| *word != 0) {
                // Whoever asks for the total has waited for all threads.
                shared.fetch_add(word, Ordering::Relaxed);
            }
        }
    }

    #[inline(never)] // as above
    pub fn total(&mut self) -> Sums {
        let [grads, updates, params] = self.0.each_mut().map(|shared| {
            let words = shared.each_mut().map(|word| *word.get_mut());
            ExactSum::from_words(&words).expect("counts of elements fit")
        });
        Sums { grads, updates, params }
    }
}
