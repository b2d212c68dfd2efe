//! The C boundary and nothing else: what `include/radam.h` declares.
//!
//! Here are statuses and error sentences, structs of several versions, handles that are tokens, and
//! the guard around every call. Each function checks its arguments, turns them into Rust's types
//! and calls the optimizer. The order of the modules is that of the header.

#![allow(non_camel_case_types)] // the names are C's

mod status;
mod structs;
mod lifecycle;
mod params;
mod stepping;
mod group_numbers;
mod group_toggles;

mod arguments;
mod call;
mod group_options;
mod guard;
mod last_error;
mod registry;

pub use group_numbers::*;
pub use group_toggles::*;
pub use lifecycle::*;
pub use params::*;
use status::status_of;
pub use status::*;
pub use stepping::*;
pub use structs::*;
