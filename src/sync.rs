//! What threads meet at. A model checker has its own in the place of the standard library's (`tests/loom`).

pub(crate) use std::sync::atomic;
pub(crate) use std::{hint, thread, thread_local};
