//! Checkpoints as files: a strict reader that shares nothing with the library's, and damage that repairs checksums.

pub mod json;
pub mod mutate;
pub mod reader;
