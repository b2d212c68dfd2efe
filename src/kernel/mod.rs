//! The update rule over raw arrays, for every combination of dtypes and every instruction set.
//!
//! Each module uses only those above it:
//!
//! - `dtype`, `element`: the dtypes as values, and as types that are loaded and rounded.
//! - `environment`: the instruction set that the environment asks for; `detect`: which ones this machine has.
//! - `convert`, `sums`, `masters`, `stochastic`: plain loops over whole arrays.
//! - `lanes`: what a loop needs from a register; `avx2`, `avx512`, `neon`: the registers.
//! - `tensor_view`: the arrays of a tensor. `step_loop`: the rule over them, a block of registers at a time;
//!   `portable`: the same as plain loops.
//! - `dispatch`: the loops compiled for each instruction set, and the choice of the one for a layout.
//! - `q8`: the loops for 8-bit state, whose blocks of 128 elements of the whole tensor are never cut.
//! - `staging`: steps a tensor, block by block if the loop is for another layout.

// On other machines there are only the plain loops.
#![cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(unused))]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod convert;
mod detect;
mod dispatch;
mod dtype;
mod element;
mod environment;
mod lanes;
mod masters;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
pub(crate) mod q8;
mod staging;
mod step_loop;
mod stochastic;
mod sums;
mod tensor_view;
#[cfg(test)]
mod tests;

pub(crate) use convert::{convert_array, swap_unless_little_endian};
pub(crate) use detect::InstructionSet;
pub use dtype::{Dtype, StateDtype};
pub(crate) use element::{Element, Real};
pub(crate) use staging::Kernel;
pub(crate) use stochastic::{NameHash, Noise};
pub(crate) use sums::{STREAMS, add_squares};
pub(crate) use tensor_view::{Layout, Rounding, TensorView};
