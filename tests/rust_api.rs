//! The Rust API: the same bits as the C API, errors that change nothing, and nothing kept of what was lent.

mod driver;

#[path = "rust_api/allocations.rs"]
mod allocations;
#[path = "rust_api/checkpoints.rs"]
mod checkpoints;
#[path = "rust_api/lending.rs"]
mod lending;
#[path = "rust_api/misuse.rs"]
mod misuse;
#[path = "rust_api/same_bits.rs"]
mod same_bits;
#[path = "rust_api/twin.rs"]
mod twin;
