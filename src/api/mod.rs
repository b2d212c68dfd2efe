//! The Rust API: everything at the root of the crate but `ffi`, and nothing else.
//!
//! As `ffi` does for C, it checks what its callers pass, converts it and calls the optimizer. Borrowed slices take the
//! place of registered pointers: they are lent to the optimizer for one call (`optimizer/step/lent.rs`), so that nobody
//! has to promise anything.
//!
//! - `optimizer.rs`: groups and parameters; `stepping.rs`: steps; `checkpoint.rs`: saving and loading.
//! - `options.rs`, `group.rs`, `param.rs`, `step.rs`, `grad_sums.rs`: what these take and return.
//! - `element.rs`, `tensor.rs`: slices, and the arrays of a parameter. `update.rs`: without an optimizer.

mod checkpoint;
mod element;
mod error;
mod grad_sums;
mod group;
mod optimizer;
mod options;
mod param;
mod step;
mod stepping;
mod tensor;
mod update;

pub use element::{Array, Element};
pub use error::Error;
pub use grad_sums::GradSums;
pub use group::{GroupOptions, GroupReport};
pub use optimizer::Optimizer;
pub use options::Options;
pub use param::{ParamOptions, State};
pub use step::StepOptions;
pub use tensor::{AsTensor, GroupId, ParamId, Tensor};
pub use update::update;

use crate::system::DefaultFloatMode;

/// Runs a call that computes in the default floating-point mode, whatever mode the caller's thread is in.
fn in_default_mode<R>(call: impl FnOnce() -> R) -> R {
    let _mode = DefaultFloatMode::new();
    call()
}
