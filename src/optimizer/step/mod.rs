//! How a step goes.
//!
//! - `plan.rs`: the work cut into chunks. `waves.rs`: the step as waves of chunks; `sliced.rs`: the same, cut
//!   into slices by its caller.
//! - `pieces.rs`: what happens to a piece of a parameter.
//! - `one.rs`: the step of one parameter; `stateless.rs`: of one tensor without an optimizer.
//! - `options.rs`, `sums.rs`: what a step does besides updating, and what it measures.

mod one;
mod options;
mod pieces;
mod plan;
mod sliced;
mod stateless;
mod sums;
mod waves;

pub(crate) use options::{StepOptions, StepReport};
pub(super) use pieces::zero_grad;
pub(super) use plan::{CHUNK, Plan};
pub(super) use sliced::Slices;
pub(crate) use stateless::{Tensor, update};
pub(super) use sums::SharedSums;
pub(super) use waves::OpenStep;
