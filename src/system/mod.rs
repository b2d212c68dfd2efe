//! What the system and the caller's program give: threads, memory, the floating-point mode.
//!
//! `threads.rs` runs the work of a step on as many threads as it is worth (`pace.rs`): the library's own (`crew.rs`,
//! `thread.rs`) or the caller's (`executor.rs`). `gate.rs` lets them in, and `claims.rs` has which pieces are taken.
//! `host.rs` and `wasm.rs` are with and without a system.

mod claims;
mod crew;
mod executor;
mod float_mode;
mod gate;
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
mod host;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
#[path = "wasm.rs"]
mod host;
mod memory;
mod pace;
mod silence;
mod thread;
mod threads;

pub(crate) use claims::Claims;
pub(crate) use executor::Executor;
pub(crate) use float_mode::{DefaultFloatMode, call_out};
#[cfg(cuda)]
pub(crate) use host::process_id;
pub(crate) use host::{keeping_errno, now};
pub(crate) use memory::{Allocator, allocate, allocate_zeroed, release, try_box};
pub(crate) use silence::Silence;
pub(crate) use threads::{Pieces, Threads};
