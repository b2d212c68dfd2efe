//! The step of one parameter by itself, for example inside the caller's backward pass.

use super::options::{StepOptions, StepReport};
use super::pieces::{GradPiece, measure_pieces, zero_grad};
use super::sums::{Measured, SharedSums, Sums};
use super::waves::Work;
use crate::error::{Result, ensure};
use crate::optimizer::arrays::{ArrayKind, CallerArray};
use crate::optimizer::index::grad_of;
use crate::optimizer::param::{Param, Place};
use crate::optimizer::spans::Array;
use crate::optimizer::{Known, OfCall, Optimizer};
use crate::system::Pieces;

impl Optimizer {
    /// Steps one parameter of a group with gradient release in these arrays, which it then forgets. Without
    /// `data`, it steps the registered elements.
    pub fn step_tensor(
        &self,
        id: u32,
        data: CallerArray,
        grad: CallerArray,
        options: &StepOptions,
    ) -> Result<StepReport> {
        let param = self.param(id)?;
        ensure!(
            self.group(param.group)?.gradient_release.or(false),
            InvalidState,
            "gradient_release is off for group {} of the parameter \"{}\"; it must be on for parameters that \
             are stepped one by one",
            param.group,
            param.name(id)
        );
        ensure!(
            options.max_grad_norm == 0.0 || options.measured.is_some(),
            InvalidArgument,
            "max_grad_norm is {:?} without grad_sums, but the norm of one tensor is not that of all gradients; \
             grad_sums must tell what was measured of all of them, or max_grad_norm be 0",
            options.max_grad_norm
        );
        let data = self.check_tensor(id, param, data, grad)?;
        let claim = param.claim();
        ensure!(
            claim.is_some(),
            Busy,
            "param is {id}, and another thread is stepping it; each parameter must be stepped by \
             one thread at a time"
        );
        match self.device() {
            Some(device) => self.step_one_on_device(device, &OfCall { id, data, grad }, options),
            None => Ok(self.step_claimed(id, param, data, grad, options)),
        }
    }

    /// Refuses arrays that cannot be stepped in, and returns the elements that are to be stepped.
    fn check_tensor(
        &self,
        id: u32,
        param: &Param,
        data: CallerArray,
        grad: CallerArray,
    ) -> Result<CallerArray> {
        let (params, len, known) = (&self.params, param.len(), &mut Known::default());
        self.check_array(Place(None), &"grad", grad, param.grad_dtype, len as u64, known)?;
        self.check_array(Place(None), &"data", data, param.dtype, len as u64, known)?;
        ensure!(
            !grad.is_none() || len == 0,
            NullPointer,
            "grad is NULL; it must point to the {len} elements of the gradient of \"{}\"",
            param.name(id)
        );
        let grad_range = grad.range(len * param.grad_dtype.size());
        self.index.check_is_apart(params, Place(None), grad_of(id), &grad_range)?;
        if data.is_none() || data == param.data {
            ensure!(
                param.has_place() || param.is_frozen(),
                InvalidState,
                "data is NULL, and the parameter \"{}\" has no elements of its own; data must point to its {len} \
                 elements, or radam_set_data tell where they are",
                param.name(id)
            );
            return Ok(param.data);
        }
        let range = data.range(len * param.dtype.size());
        let array = Array { id, kind: ArrayKind::Data };
        self.index.check_is_apart(params, Place(None), array, &range)?;
        ensure!(
            range.start >= grad_range.end || grad_range.start >= range.end,
            InvalidArgument,
            "data is {:p}, and its {} bytes overlap those of grad at {:p}; each array needs memory of its own",
            data.pointer(),
            range.len(),
            grad.pointer()
        );
        Ok(data)
    }

    fn step_claimed(
        &self,
        id: u32,
        param: &Param,
        data: CallerArray,
        grad: CallerArray,
        options: &StepOptions,
    ) -> StepReport {
        let (mut threads, mut sums) = (1, SharedSums::default());
        if options.measures_grads() && !param.is_frozen() {
            threads = self.run_pieces(param, Work::Measure, &|pieces| {
                let mut found = Sums::default();
                let mut pieces =
                    pieces.map(|number| GradPiece::of(param, grad, param.grid().piece(number)));
                measure_pieces(self.instruction_set, &mut pieces, &mut found.grads);
                sums.add(&found);
            });
        }
        let now_measured = options.measures_grads().then(|| Measured::of(&sums.total().grads));
        let mut report = options.settle(options.measured.or(now_measured));
        let skips = report.skipped || param.is_frozen();
        let stepper = self.stepper(options.clipping(report.clip_coefficient));
        let view = param.view(data, grad);
        if !skips || options.zero_grad {
            let work = if skips { Work::Zero } else { Work::Update };
            threads = threads.max(self.run_pieces(param, work, &|pieces| {
                let mut stepper = stepper.clone();
                let mut found = options.measure_params.then(Sums::default);
                for piece in pieces.map(|number| param.grid().piece(number)) {
                    if !skips {
                        stepper.step_piece(id, param, &view, piece.clone(), found.as_mut());
                    }
                    if options.zero_grad {
                        zero_grad(param, grad, piece);
                    }
                }
                if let Some(found) = found {
                    sums.add(&found);
                }
            }));
        }
        if !skips {
            param.count_step();
            report.params_stepped = 1;
        }
        if options.measure_params {
            report.add_norms(&sums.total());
        }
        report.threads = threads;
        report
    }

    /// Does this work on all pieces of a parameter, and tells how many threads took part.
    fn run_pieces(&self, param: &Param, work: Work, job: &(dyn Fn(Pieces) + Sync)) -> usize {
        let count = param.grid().len();
        match self.threads.try_lock() {
            Ok(mut threads) => threads.run(param.len() / work.at_once(), count, job),
            Err(_) => {
                job(Pieces::All(0..count)); // a step of another parameter has the threads
                1
            }
        }
    }
}
