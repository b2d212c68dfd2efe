//! Rectified Adam (RAdam, Liu et al. 2019, arXiv 1908.03265) behind a C ABI.
//!
//! The C API is the product; `include/radam.h` is generated from [`ffi`] and documents it. Calls go
//! only downwards:
//!
//! - [`ffi`]: the C boundary and nothing else: handles, statuses, struct sizes, panics caught.
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
