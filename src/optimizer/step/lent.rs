//! Steps in arrays that callers lend for the time of a call. Their parameters have no arrays otherwise, and the arrays
//! are known to be apart, so nothing has to be looked up among those of others.

use super::options::{StepOptions, StepReport};
use crate::error::{Result, ensure};
use crate::math::ExactSum;
use crate::optimizer::Optimizer;
use crate::optimizer::arrays::{CallerArray, CallerSlice};
use crate::optimizer::param::Param;

/// The arrays of a parameter, lent for a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lent {
    pub id: u32,
    pub data: CallerSlice,
    pub grad: CallerSlice,
    /// Whether the gradient may be written, so as to zero it.
    has_mut_grad: bool,
}

impl Lent {
    /// With a gradient that is only read.
    ///
    /// # Safety
    /// The arrays are aligned, and have as many elements of their dtypes as they say. Until the call that gets this
    /// returns, they are valid, nobody else writes them nor, unless they are a gradient, reads them; and of what is lent
    /// to the same call, only gradients overlap gradients.
    pub unsafe fn new(id: u32, data: CallerSlice, grad: CallerSlice) -> Self {
        Self { id, data, grad, has_mut_grad: false }
    }

    /// With a gradient that may be zeroed.
    ///
    /// # Safety
    /// The gradient may be written, overlaps no other, and nobody else reads it until the call returns.
    pub unsafe fn with_mut_grad(self) -> Self {
        Self { has_mut_grad: true, ..self }
    }
}

impl Optimizer {
    /// Steps in these arrays.
    pub fn step_lent(
        &mut self,
        lent: &mut dyn Iterator<Item = Lent>,
        options: &StepOptions,
    ) -> Result<StepReport> {
        Loan::of(self, lent, options.zero_grad)?.0.step(options)
    }

    /// Measures the gradients among these arrays as a step would.
    pub fn measure_lent(&mut self, lent: &mut dyn Iterator<Item = Lent>) -> Result<ExactSum> {
        Loan::of(self, lent, false)?.0.measure()
    }

    /// Steps one parameter of a group with gradient release in arrays of the call.
    pub fn step_one_lent(&self, lent: &Lent, options: &StepOptions) -> Result<StepReport> {
        check(lent, self.param(lent.id)?, options.zero_grad)?;
        self.step_tensor(lent.id, lent.data.array, lent.grad.array, options)
    }
}

/// An optimizer whose parameters have lent arrays until this is dropped, by a panic too.
struct Loan<'a>(&'a mut Optimizer);

impl<'a> Loan<'a> {
    fn of(
        optimizer: &'a mut Optimizer,
        lent: &mut dyn Iterator<Item = Lent>,
        zero_grad: bool,
    ) -> Result<Self> {
        optimizer.stepping_mut().forget_counts();
        let loan = Self(optimizer);
        for lent in lent {
            loan.0.lend(&lent, zero_grad)?;
        }
        Ok(loan)
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        for param in &mut self.0.params {
            (param.data, param.grad) = (CallerArray::NONE, CallerArray::NONE);
        }
    }
}

impl Optimizer {
    fn lend(&mut self, lent: &Lent, zero_grad: bool) -> Result<()> {
        let id = lent.id;
        let param = self.param(id)?;
        check(lent, param, zero_grad)?;
        ensure!(
            param.data.is_none(),
            InvalidArgument,
            "the parameter \"{}\" (id {id}) is given twice; a step takes each parameter once",
            param.name(id)
        );
        ensure!(
            !self.group(param.group)?.gradient_release.or(false),
            InvalidState,
            "gradient_release is on for group {} of the parameter \"{}\"; its parameters are stepped one by one, with \
             step_tensor",
            param.group,
            param.name(id)
        );
        let param = &mut self.params[id as usize];
        (param.data, param.grad) = (lent.data.array, lent.grad.array);
        Ok(())
    }
}

/// Refuses arrays that are not of the parameter's dtypes and length.
fn check(lent: &Lent, param: &Param, zero_grad: bool) -> Result<()> {
    let id = lent.id;
    for (what, slice, dtype) in
        [("data", lent.data, param.dtype), ("gradient", lent.grad, param.grad_dtype)]
    {
        ensure!(
            slice.dtype == dtype,
            InvalidArgument,
            "the {what} of the parameter \"{}\" (id {id}) is {}; it was added with {dtype}",
            param.name(id),
            slice.dtype
        );
        ensure!(
            slice.len == param.len(),
            InvalidArgument,
            "the {what} of the parameter \"{}\" (id {id}) has {} elements; it was added with {}",
            param.name(id),
            slice.len,
            param.len()
        );
    }
    ensure!(
        !zero_grad || lent.has_mut_grad,
        InvalidArgument,
        "zero_grad is on, but the gradient of the parameter \"{}\" (id {id}) is borrowed as &; it must be borrowed as \
         &mut to be zeroed",
        param.name(id)
    );
    Ok(())
}
