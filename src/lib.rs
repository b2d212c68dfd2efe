//! Rectified Adam (RAdam, Liu et al. 2019, arXiv 1908.03265) behind a C ABI.
//!
//! The C API is the product; `include/radam.h` is generated from [`ffi`] and documents it. Inside
//! there are three layers, and calls go only downwards:
//!
//! - [`ffi`]: the C boundary and nothing else: handles, statuses, struct sizes, panics caught.
//! - `optimizer`: groups, parameters and their state, the chunk plan, and the step over it.
//! - `checkpoint`: the optimizer's state in files, beside the optimizer.
//! - `kernel`: the update rule over arrays, compiled once for each instruction set.
//!
//! The formula itself stands in two places: `rectify.rs` has the scalars of step `t`, `update.rs`
//! has what happens to one element. `pool.rs` runs chunks on threads: `queue.rs` says which thread
//! takes which, `thread.rs` starts threads, `cores.rs` says how many there should be, and
//! `silence.rs` keeps their panics from printing.

mod checkpoint;
mod cores;
mod dtype;
mod error;
mod exact_sum;
mod executor;
pub mod ffi;
mod float_mode;
mod kernel;
mod memory;
mod number;
mod optimizer;
mod pool;
mod queue;
mod rectify;
mod silence;
mod sort;
mod thread;
mod update;
