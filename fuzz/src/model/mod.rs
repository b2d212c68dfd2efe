//! What the library should do, in plain scalar code that shares nothing with it: slow, and simple enough to be right.
//!
//! - `number.rs`, `exact.rs`: dtypes as f64; sums and quotients of big integers.
//! - `scalars.rs`, `element.rs`, `rounding.rs`, `q8.rs`: the formula.
//! - `contents.rs`: arrays. `optimizer.rs`: groups and parameters. `step.rs`, `tensor.rs`: steps of all or one.
//! - `options.rs`, `register.rs`: which arguments are right. `checkpoint.rs`, `conversion.rs`: what loading takes over.

pub mod checkpoint;
pub mod contents;
mod conversion;
pub mod element;
pub mod exact;
pub mod number;
pub mod optimizer;
pub mod options;
mod q8;
pub mod register;
pub mod rounding;
pub mod scalars;
pub mod step;
pub mod tensor;

pub use contents::{Array, Contents};
pub use exact::Sums;
pub use number::Dtype;
pub use optimizer::{Optimizer, Param};
pub use step::{Report, StepOptions};

/// A `radam_status` of a call that fails.
pub type Status = radam::ffi::radam_status;
