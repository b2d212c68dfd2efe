//! What is measured, by what bounds it.

pub mod cache;
pub mod checkpoint;
pub mod curves;
pub mod denormals;
pub mod memory;
pub mod tensors;
pub mod threads;
pub mod training;
