//! The step of one parameter, inside the caller's backward pass.

use super::plan::CHUNK;
use super::waves::threads_worth;
use crate::error::{Result, ensure};
use crate::math::Clipping;
use crate::optimizer::Optimizer;
use crate::system::Pieces;

impl Optimizer {
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
            !grad.is_null() || param.len() == 0,
            NullPointer,
            "grad is NULL; it must point to the {} elements of the gradient of \"{}\"",
            param.len(),
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
        if param.is_frozen() {
            return Ok(());
        }
        let stepper = self.stepper(Clipping::NONE);
        let arrays = param.arrays(grad);
        let job = |pieces: Pieces| {
            let mut stepper = stepper.clone();
            for number in pieces {
                let start = number * CHUNK;
                stepper.step_piece(id, param, &arrays, start..param.len().min(start + CHUNK));
            }
        };
        let chunks = param.len().div_ceil(CHUNK);
        match self.pool.try_lock() {
            Ok(mut pool) => {
                let threads = threads_worth(param.len(), &pool);
                pool.run(threads, chunks, &job);
            }
            Err(_) => job(Pieces::All(0..chunks)), // another thread has the pool
        }
        param.count_step();
        Ok(())
    }
}
