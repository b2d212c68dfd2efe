//! A model-based fuzzer of the C API: random sequences of calls are made on the library and on a model of it, and
//! everything that can be seen is compared after each.
//!
//! - `model/`: what the library should do. `world/`: the library and the model side by side.
//! - `calls/`: the calls, with arguments that are drawn from bytes (`draw.rs`).
//! - `file/`: checkpoints, read strictly and damaged.
//! - `sequence.rs`, `shrink.rs`: sequences of calls, and shorter ones that fail alike.
//! - `scarce.rs`: an allocator that runs out of memory.
//!
//! `main.rs` runs sequences of random seeds; `targets/` are for libFuzzer; `corpus/` has sequences that once failed.

mod calls;
mod draw;
mod file;
mod model;
mod scarce;
pub mod sequence;
pub mod shrink;
mod world;

pub use calls::{can_create, load_bytes};
