//! Steps on 8-bit state. `math/q8.rs` has the formula.
//!
//! - `plain.rs`: plain loops over a block.
//! - `convert.rs`: between 8-bit state and moments in f32.

mod convert;
mod plain;

pub(crate) use convert::{Codes, Moments, decode, encode};

use super::detect::InstructionSet;
use super::dtype::Dtype;
use super::step_loop::StepLoop;
use super::tensor_view::{Layout, Rounding};

/// The loop for tensors of this layout, and the layout that it takes.
pub(super) fn choose(_: InstructionSet, layout: Layout) -> (StepLoop, Layout) {
    let rounded_to = if layout.rounding == Rounding::Nearest { layout.param } else { Dtype::F32 };
    let real = Dtype::F32;
    let rounding = Rounding::Nearest;
    let of_loop = Layout { param: real, grad: real, state: real, copy: None, rounding, ..layout };
    (plain::choose(rounded_to), of_loop)
}
