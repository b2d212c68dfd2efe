//! The step: of all parameters, over the plan's chunks, or of one parameter inside the caller's
//! backward pass.

use super::param::Param;
use super::plan::{CHUNK, Plan};
use super::{Group, Optimizer, Toggle};
use crate::error::{Result, ensure};
use crate::kernel::{Arrays, Dtypes, InstructionSet, Kernel};
use crate::pool::Pool;
use crate::queue::Pieces;
use crate::update::Step;
use std::ops::Range;
use std::sync::PoisonError;

/// Elements that make it worth to wake a thread for them, and to let one that is awake share in the
/// work.
const WORTH_WAKING: usize = 8 * CHUNK;
const WORTH_SHARING: usize = 2 * CHUNK;

/// How many threads are worth having for so many elements, the caller's among them.
fn threads_worth(elements: usize, pool: &Pool) -> usize {
    elements / if pool.is_awake() { WORTH_SHARING } else { WORTH_WAKING }
}

impl Optimizer {
    /// Steps every parameter that has a gradient, those of groups with gradient release excepted.
    pub fn step(&mut self) {
        self.plan.refresh(&self.groups, &self.params);
        let mut elements = 0;
        for param in self.plan.ids().iter().map(|id| &self.params[*id as usize]) {
            if !param.grad.is_null() {
                param.count_step();
                elements += param.len;
            }
        }
        let stepper = Stepper::new(self.instruction_set, self.accumulation, &self.groups);
        let pool = self.pool.get_mut().unwrap_or_else(PoisonError::into_inner);
        for wave in self.plan.waves() {
            let job = |pieces: Pieces| {
                let mut stepper = stepper.clone();
                for number in pieces {
                    stepper.step_chunk(&self.plan, wave.start + number, &self.params);
                }
            };
            let threads = threads_worth(elements.min(wave.len() * CHUNK), pool);
            pool.run(threads, wave.len(), &job);
        }
    }

    /// Steps one parameter of a group with gradient release.
    pub fn step_param(&self, id: u32, grad: *const u8) -> Result<()> {
        let param = self.param(id)?;
        let group = self.group(param.group)?;
        ensure!(
            group.gradient_release.or(false),
            InvalidState,
            "gradient_release is off for group {} of the parameter \"{}\"; it must be on for \
             radam_step_param (radam_step steps the others)",
            param.group,
            param.name(id)
        );
        ensure!(
            !grad.is_null() || param.len == 0,
            NullPointer,
            "grad is NULL; it must point to the {} elements of the gradient of \"{}\"",
            param.len,
            param.name(id)
        );
        self.check_grad(id, grad)?;
        let claim = param.claim();
        ensure!(
            claim.is_some(),
            Busy,
            "param is {id}, and another thread is stepping it; each parameter must be stepped by \
             one thread at a time"
        );
        param.count_step();
        let stepper = Stepper::new(self.instruction_set, self.accumulation, &self.groups);
        let arrays = param.arrays(grad);
        let job = |pieces: Pieces| {
            let mut stepper = stepper.clone();
            for number in pieces {
                let start = number * CHUNK;
                stepper.step_piece(param, &arrays, start..param.len.min(start + CHUNK));
            }
        };
        let chunks = param.len.div_ceil(CHUNK);
        match self.pool.try_lock() {
            Ok(mut pool) => {
                let threads = threads_worth(param.len, &pool);
                pool.run(threads, chunks, &job);
            }
            Err(_) => job(Pieces::All(0..chunks)), // another thread has the pool
        }
        Ok(())
    }

    /// Fills the gradients with zeros, those of groups with gradient release excepted.
    pub fn zero_grad(&mut self) {
        for param in &self.params {
            let release = self.groups[param.group as usize].gradient_release.or(false);
            if !param.grad.is_null() && !release {
                let bytes = param.len * param.grad_dtype.size();
                // SAFETY: the caller keeps the registered gradients alive and to this call.
                unsafe { param.grad.write_bytes(0, bytes) };
            }
        }
    }
}

/// Steps pieces of parameters, and remembers the constants of the last one's step, which most of
/// the others share.
#[derive(Clone)]
struct Stepper<'a> {
    instruction_set: InstructionSet,
    accumulate: bool,
    groups: &'a [Group],
    last: Option<Constants>,
}

/// The constants of one step of one group.
#[derive(Clone)]
struct Constants {
    group: u32,
    number: u64,
    step: Step,
}

impl<'a> Stepper<'a> {
    fn new(instruction_set: InstructionSet, accumulation: Toggle, groups: &'a [Group]) -> Self {
        Self { instruction_set, accumulate: accumulation.or(false), groups, last: None }
    }

    fn step_chunk(&mut self, plan: &Plan, chunk: usize, params: &[Param]) {
        for (param, piece) in plan.pieces(chunk, params) {
            if !param.grad.is_null() {
                self.step_piece(param, &param.arrays(param.grad), piece);
            }
        }
    }

    /// Steps some elements of a parameter whose step was counted.
    fn step_piece(&mut self, param: &Param, arrays: &Arrays, piece: Range<usize>) {
        let dtypes =
            Dtypes { param: param.dtype, grad: param.grad_dtype, state: param.state.dtype };
        let kernel = Kernel::new(self.instruction_set, dtypes);
        let step = &self.constants(param).step;
        // SAFETY: the dtypes are the parameter's, and `InstructionSet::choose` found the
        // instruction set. The caller keeps the arrays alive and to this call; they were checked to
        // be aligned and apart when they were registered, the state is ours, and each piece is
        // stepped by one thread.
        unsafe { kernel.run(step, &arrays.part(piece.start, piece.len(), dtypes)) };
    }

    fn constants(&mut self, param: &Param) -> &Constants {
        let (group, number) = (param.group, param.steps());
        let same = |last: &Constants| last.group == group && last.number == number;
        if !self.last.as_ref().is_some_and(same) {
            self.last = None; // moving it out and back would cost as much as a small tensor
        }
        self.last.get_or_insert_with(|| {
            let hyperparameters = self.groups[group as usize].hyperparameters();
            Constants { group, number, step: Step::new(&hyperparameters, number, self.accumulate) }
        })
    }
}
