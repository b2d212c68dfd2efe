//! The formula and nothing else: the scalars of a step, the update rule of one element, on state of 8 bits too, exact sums.

mod exact_sum;
pub(crate) mod q8;
mod rectify;
mod rule;

pub(crate) use exact_sum::{ExactSum, WORDS, Words};
pub(crate) use rectify::BetaPower;
pub(crate) use rule::{
    Arithmetic, Clipping, Coefficients, Decay, Hyperparameters, Rule, Scalars, Step,
    compensated_change, lost_change,
};
