//! What the system and the caller's program give: threads, memory, the floating-point mode.
//!
//! `threads.rs` decides who does the work of a step, and `gate.rs` lets them in: the library's own threads
//! (`crew.rs`, `thread.rs`) or the caller's (`executor.rs`). `claims.rs`: which pieces of it are taken.

mod claims;
mod crew;
mod executor;
mod float_mode;
mod gate;
mod memory;
mod silence;
mod thread;
mod threads;

pub(crate) use claims::Claims;
pub(crate) use executor::Executor;
pub(crate) use float_mode::{DefaultFloatMode, call_out};
pub(crate) use memory::{Allocator, allocate_zeroed, release, try_box};
pub(crate) use silence::Silence;
pub(crate) use threads::{Pieces, Threads};
