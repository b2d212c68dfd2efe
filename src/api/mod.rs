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
pub use param::{ParamOptions, Q8State, State};
pub use step::StepOptions;
pub use tensor::{AsTensor, GroupId, ParamId, Tensor};
pub use update::{update, update_q8};

use crate::system::DefaultFloatMode;

/// Runs a call that computes in the default floating-point mode, whatever mode the caller's thread is in.
fn in_default_mode<R>(call: impl FnOnce() -> R) -> R {
    let _mode = DefaultFloatMode::new();
    call()
}

/// What the optimizer relies on borrows for does not compile.
///
/// The same elements twice in one step:
///
/// ```compile_fail,E0499
/// # use radam::{GroupOptions, Optimizer};
/// # let mut opt = Optimizer::new().unwrap();
/// # let group = opt.add_group(GroupOptions::new(1e-3)).unwrap();
/// # let [a, b] = ["a", "b"].map(|name| opt.add_param::<f32>(group, 1, name).unwrap());
/// # let (mut data, grad) = ([0.0f32], [0.0f32]);
/// let _ = opt.step(&mut [(a, &mut data, &grad), (b, &mut data, &grad)]);
/// ```
///
/// A gradient that the step would overwrite:
///
/// ```compile_fail,E0502
/// # use radam::{GroupOptions, Optimizer};
/// # let mut opt = Optimizer::new().unwrap();
/// # let group = opt.add_group(GroupOptions::new(1e-3)).unwrap();
/// # let a = opt.add_param::<f32>(group, 1, "a").unwrap();
/// # let mut data = [0.0f32];
/// let _ = opt.step(&mut [(a, &mut data, &data)]);
/// ```
///
/// State that is borrowed while a step writes it:
///
/// ```compile_fail,E0502
/// # use radam::{GroupOptions, Optimizer};
/// # let mut opt = Optimizer::new().unwrap();
/// # let group = opt.add_group(GroupOptions::new(1e-3)).unwrap();
/// # let a = opt.add_param::<f32>(group, 1, "a").unwrap();
/// # let (mut data, grad) = ([0.0f32], [0.0f32]);
/// let state = opt.state::<f32>(a).unwrap();
/// let _ = opt.step_tensor((a, &mut data, &grad));
/// state.exp_avg[0] = 1.0;
/// ```
#[cfg(doctest)]
struct Borrows;

/// What is written to checkpoints has no traits of serde that users could rely on.
///
/// ```compile_fail,E0277
/// fn check<T: serde::Serialize>() {}
/// check::<radam::Dtype>();
/// ```
#[cfg(doctest)]
struct Serde;
