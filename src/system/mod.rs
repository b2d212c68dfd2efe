//! What the system and the caller's program give: threads, memory, the floating-point mode.
//!
//! `threads.rs` runs the work of a step on as many threads as it is worth (`pace.rs`): the library's own (`crew.rs`,
//! `thread.rs`) or the caller's (`executor.rs`). `gate.rs` lets them in, and `claims.rs` has which pieces are taken.

mod claims;
mod crew;
mod executor;
mod float_mode;
mod gate;
mod memory;
mod pace;
mod silence;
mod thread;
mod threads;

pub(crate) use claims::Claims;
pub(crate) use executor::Executor;
pub(crate) use float_mode::{DefaultFloatMode, call_out};
pub(crate) use memory::{Allocator, allocate_zeroed, release, try_box};
pub(crate) use silence::Silence;
pub(crate) use threads::{Pieces, Threads};
