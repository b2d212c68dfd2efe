//! Steps on 8-bit state. `math/q8.rs` has the formula.
//!
//! - `plain.rs`: plain loops over a block.
//! - `pipeline.rs`: the same as a pipeline over registers; `params.rs`, `grads.rs`: how it reads and writes parameters,
//!   and reads gradients; `lanes.rs`: what it needs of registers; `avx2.rs`, `avx512.rs`;
//!   `rest.rs`: the short block at the end; `compiled.rs`: the pipelines there are, and which is for a layout.
//! - `convert.rs`: between 8-bit state and moments of a dtype.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod compiled;
mod convert;
#[cfg(target_arch = "x86_64")]
mod grads;
#[cfg(target_arch = "x86_64")]
mod lanes;
#[cfg(target_arch = "x86_64")]
mod params;
#[cfg(target_arch = "x86_64")]
mod pipeline;
mod plain;
#[cfg(target_arch = "x86_64")]
mod rest;

pub(crate) use convert::{Codes, Moments, decode, encode};

use super::detect::InstructionSet;
use super::step_loop::StepLoop;
use super::tensor_view::Layout;

/// The loop for tensors of this layout, and the layout that it takes.
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))] // only for x86-64 there are several
pub(super) fn choose(instruction_set: InstructionSet, layout: Layout) -> (StepLoop, Layout) {
    #[cfg(target_arch = "x86_64")]
    if let Some(chosen) = compiled::choose(instruction_set.kind(), layout) {
        return chosen;
    }
    plain::choose(layout)
}
