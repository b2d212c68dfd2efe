//! What the system and the caller's program give: threads, memory, the floating-point mode.

mod claims;
mod cores;
mod executor;
mod float_mode;
mod memory;
mod pool;
mod queue;
mod silence;
mod thread;

pub(crate) use claims::Claims;
pub(crate) use executor::Executor;
pub(crate) use float_mode::{DefaultFloatMode, call_out};
pub(crate) use memory::{Allocator, allocate_zeroed, release, try_box};
pub(crate) use pool::Pool;
pub(crate) use queue::Pieces;
pub(crate) use silence::Silence;
