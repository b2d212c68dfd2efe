//! How a step goes.
//!
//! - `plan.rs`: the work cut into chunks, which consist of pieces of parameters (`grid.rs`).
//! - `waves.rs`: the step as waves of independent chunks; `sliced.rs`: the same, cut into slices by its caller.
//! - `pieces.rs`: what happens to a piece of a parameter.
//! - `lent.rs`: the step in arrays of the call; `one.rs`: the step of one parameter; `stateless.rs`: of one tensor
//!   without an optimizer.
//! - `device.rs`: the step on a device.
//! - `options.rs`, `sums.rs`: what a step does besides updating, and what it measures.

mod device;
mod lent;
mod one;
mod options;
mod pieces;
mod plan;
mod sliced;
mod stateless;
mod sums;
mod waves;

pub(crate) use lent::Lent;
pub(crate) use options::StepOptions;
pub use options::StepReport;
pub(super) use pieces::zero_grad;
pub(crate) use stateless::{LooseTensor, measure_tensor, update};
pub(crate) use sums::{Measured, sum_of_words};

use super::group::Group;
use super::param::Param;
use crate::error::Result;
use plan::Plan;
use sliced::Slices;
use sums::SharedSums;
use waves::OpenStep;

/// What steps need besides groups and parameters.
#[derive(Debug, Default)]
pub(super) struct Stepping {
    /// The work, cut into chunks.
    plan: Plan,
    /// What the plan's parameters come to, until any of them changes.
    counts: Option<Counts>,
    /// Whether any two gradients share bytes, until one of them moves.
    grads_overlap: Option<bool>,
    /// What the step measures.
    sums: SharedSums,
    /// The step that is open, and how far it is.
    open: Option<OpenStep>,
    slices: Slices,
}

/// What the parameters that are to be stepped come to.
#[derive(Clone, Copy, Debug)]
struct Counts {
    elements: usize,
    /// A parameter that has a gradient and no place.
    without_place: Option<u32>,
}

impl Stepping {
    /// Makes room for so many parameters, and so many more chunks, so that steps never allocate.
    pub fn reserve(&mut self, params: usize, more_chunks: usize) -> Result<()> {
        self.plan.reserve(params)?;
        self.slices.reserve(more_chunks)
    }

    /// Notes that parameters have come or gone, or that groups are stepped in another way.
    pub fn invalidate(&mut self) {
        self.plan.invalidate();
        self.forget_counts();
    }

    /// Notes that it may have changed which parameters are stepped, or where they are.
    pub fn forget_counts(&mut self) {
        self.counts = None;
        self.grads_overlap = None;
    }

    /// Brings the plan up to date, and tells what it comes to.
    fn counts(&mut self, groups: &[Group], params: &[Param]) -> Counts {
        self.plan.refresh(groups, params);
        let Self { plan, counts, .. } = self;
        *counts.get_or_insert_with(|| {
            let mut counts = Counts { elements: 0, without_place: None };
            for id in plan.ids() {
                let param = &params[*id as usize];
                if param.steps_now() {
                    counts.elements += param.len();
                } else if param.wants_step() {
                    counts.without_place = Some(*id);
                }
            }
            counts
        })
    }
}
