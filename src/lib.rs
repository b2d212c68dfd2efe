//! Rectified Adam (RAdam, Liu et al. 2019, arXiv 1908.03265) with a C API.
//!
//! The C API is what the crate is for; `include/radam.h` is generated from [`ffi`] and documents it. Calls go only
//! downwards:
//!
//! - [`ffi`]: the C API and nothing else: handles, statuses, struct versions, panic guard.
//! - `checkpoint`: the optimizer's state in files.
//! - `optimizer`: groups, parameters and their state; `optimizer/step`: how a step goes.
//! - `kernel`: the update rule over arrays, compiled once for each instruction set.
//! - `system`: threads, the caller's executor, memory, the floating-point mode.
//! - `math`: the formula and nothing else.
//!
//! `error` serves all of them.

mod checkpoint;
mod error;
pub mod ffi;
mod kernel;
mod math;
mod optimizer;
mod system;
