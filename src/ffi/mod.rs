//! The C boundary and nothing else: what `include/radam.h` declares.
//!
//! Here are statuses and error sentences, structs of several versions, handles that are tokens, and
//! the guard around every call. Each function checks its arguments, turns them into Rust's types
//! and calls the optimizer. The order of the modules is that of the header.

#![allow(non_camel_case_types)] // the names are C's

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
