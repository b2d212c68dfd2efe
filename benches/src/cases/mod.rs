//! The cases, by what limits them.

pub mod cache;
pub mod checkpoint;
pub mod coded;
pub mod curves;
pub mod denormals;
pub mod memory;
pub mod tensors;
pub mod threads;
pub mod training;
