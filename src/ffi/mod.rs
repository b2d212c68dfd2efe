//! The C API: everything that `include/radam.h` declares, in the same order, and nothing else.
//!
//! It is for other languages; Rust programs use what the root of the crate exports.
//!
//! Each function checks its arguments, converts them to Rust types and calls the optimizer. The modules below
//! `checkpoint` are what they share: `call.rs` looks up the handle (`registry.rs`, `slot.rs`), enters the optimizer
//! (`call_lock.rs`) behind a panic guard (`guard.rs`) and keeps the error message (`last_error.rs`); `arguments.rs`
//! converts arguments; `versioned.rs` reads and writes structs whose size depends on the caller's version.

#![allow(non_camel_case_types)] // C names
#![allow(missing_debug_implementations)] // of types that have no values in Rust

mod status;
mod values;
mod options;
mod group_options;
mod param;
mod grad_sums;
mod step_options;
mod group_report;
mod lifecycle;
mod params;
mod stepping;
mod slicing;
mod surgery;
mod advice;
mod update;
mod checkpoint;

mod arguments;
mod call;
mod call_lock;
mod guard;
mod last_error;
mod registry;
mod slot;
mod versioned;

pub use advice::*;
pub use checkpoint::*;
pub use grad_sums::*;
pub use group_options::*;
pub use group_report::*;
pub use lifecycle::*;
pub use options::*;
pub use param::*;
pub use params::*;
pub use slicing::*;
use status::status_of;
pub use status::*;
pub use step_options::*;
pub use stepping::*;
pub use surgery::*;
pub use update::*;
pub use values::*;
