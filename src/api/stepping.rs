//! Steps, in arrays that are lent for the time of a call.

use super::{AsTensor, Error, GradSums, Optimizer, StepOptions, in_default_mode};
use crate::optimizer::{Lent, StepReport};
use crate::system::call_out;

impl Optimizer {
    /// Updates the parameters that are given, each from its gradient, and increments their step counts.
    ///
    /// Parameters without a gradient in this step are left out. Large steps run on several threads ([`Options`]), over
    /// all tensors at once; others run on the calling thread and allocate nothing. See [`AsTensor`] for what can be
    /// passed, and [`Tensor`] for tensors of different types in one call.
    ///
    /// ```
    /// # use radam::{GroupOptions, Optimizer};
    /// # let mut opt = Optimizer::new()?;
    /// # let group = opt.add_group(GroupOptions::new(1e-3))?;
    /// # let (w, b) = (opt.add_param::<f32>(group, 4, "weight")?, opt.add_param::<f32>(group, 2, "bias")?);
    /// # let (mut weight, mut bias) = (vec![0.0f32; 4], vec![0.0f32; 2]);
    /// # let (weight_grad, bias_grad) = (vec![0.1f32; 4], vec![0.1f32; 2]);
    /// let report = opt.step(&mut [(w, &mut weight, &weight_grad), (b, &mut bias, &bias_grad)])?;
    /// assert_eq!(report.params_stepped, 2);
    /// # Ok::<(), radam::Error>(())
    /// ```
    ///
    /// Source: Liu et al. 2019, [arXiv 1908.03265](https://arxiv.org/abs/1908.03265), algorithm 2, with debiased moments
    /// and the options of the Python library optimi.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown parameter, one that is given twice, or an array of another length or
    /// dtype than it was added with; [`Error::InvalidState`] for a parameter of a group with `gradient_release`.
    ///
    /// [`Options`]: crate::Options
    /// [`Tensor`]: crate::Tensor
    pub fn step<T: AsTensor>(&mut self, tensors: &mut [T]) -> Result<StepReport, Error> {
        self.step_with(&StepOptions::default(), tensors)
    }

    /// Updates parameters as [`step`](Self::step) does, with gradient scaling, clipping, skipping and zeroing.
    ///
    /// The norm that `max_grad_norm` limits is that of all gradients of the call, over all groups.
    ///
    /// ```
    /// # use radam::{GroupOptions, Optimizer, StepOptions};
    /// # let mut opt = Optimizer::new()?;
    /// # let group = opt.add_group(GroupOptions::new(1e-3))?;
    /// # let w = opt.add_param::<f32>(group, 4, "weight")?;
    /// # let (mut weight, mut grad) = (vec![0.0f32; 4], vec![f32::INFINITY; 4]);
    /// # let loss_scale = 1024.0;
    /// let options = StepOptions {
    ///     grad_scale: 1.0 / loss_scale, // unscale the gradients,
    ///     skip_nonfinite: true,         // skip the step if any of them overflowed,
    ///     max_grad_norm: 1.0,           // clip them by their norm, as PyTorch does,
    ///     zero_grad: true,              // and zero them for the next backward pass
    ///     ..StepOptions::default()
    /// };
    /// let report = opt.step_with(&options, &mut [(w, &mut weight, &mut grad)])?;
    /// assert!(report.skipped && report.nonfinite == 4 && grad == [0.0; 4]);
    /// # Ok::<(), radam::Error>(())
    /// ```
    ///
    /// Source: clipping as in `torch.nn.utils.clip_grad_norm_`, skipping as in `torch.amp.GradScaler`.
    ///
    /// # Errors
    /// As [`step`](Self::step); and [`Error::InvalidArgument`] for an option out of range, or if `zero_grad` is on and a
    /// gradient is not borrowed as `&mut`.
    pub fn step_with<T: AsTensor>(
        &mut self,
        options: &StepOptions,
        tensors: &mut [T],
    ) -> Result<StepReport, Error> {
        in_default_mode(|| Ok(self.0.step_lent(&mut lent(tensors), &options.try_into()?)?))
    }

    /// Measures the gradients that a step of these tensors would go by, on several threads if they are large.
    ///
    /// With [`StepOptions::grad_sums`], processes that each have a part of the gradients clip or skip alike: each
    /// measures its part, they add up the [`words`](GradSums::words), and all pass the result to their step.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn measure<T: AsTensor>(&mut self, tensors: &mut [T]) -> Result<GradSums, Error> {
        in_default_mode(|| Ok(GradSums(self.0.measure_lent(&mut lent(tensors))?)))
    }

    /// Updates one parameter of a group with `gradient_release`, for example inside the backward pass, after which its
    /// gradient can be freed. It may be called at the same time for different parameters. A frozen parameter is left as
    /// it is.
    ///
    /// ```
    /// use radam::{GroupOptions, Optimizer};
    /// use std::thread;
    ///
    /// let mut opt = Optimizer::new()?;
    /// let group =
    ///     opt.add_group(GroupOptions { gradient_release: true, ..GroupOptions::new(1e-3) })?;
    /// let ids = [opt.add_param::<f32>(group, 4, "first")?, opt.add_param::<f32>(group, 4, "last")?];
    /// let mut weights = [[0.5f32; 4]; 2];
    ///
    /// thread::scope(|scope| {
    ///     for (id, weight) in ids.into_iter().zip(&mut weights) {
    ///         let opt = &opt;
    ///         scope.spawn(move || opt.step_tensor((id, weight, &[0.1f32; 4])).unwrap());
    ///     }
    /// });
    /// assert_eq!(opt.step_count(ids[1])?, 1);
    /// # Ok::<(), radam::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`step`](Self::step); but [`Error::InvalidState`] if `gradient_release` is off; and [`Error::Busy`] if another
    /// thread is stepping the same parameter.
    pub fn step_tensor(&self, tensor: impl AsTensor) -> Result<StepReport, Error> {
        self.step_tensor_with(&StepOptions::default(), tensor)
    }

    /// Updates one parameter as [`step_tensor`](Self::step_tensor) does, with the options of
    /// [`step_with`](Self::step_with).
    ///
    /// `max_grad_norm` needs `grad_sums`, since the norm of one tensor is not that of all: measure all gradients first,
    /// with [`GradSums::measure`].
    ///
    /// # Errors
    /// As [`step_tensor`](Self::step_tensor) and [`step_with`](Self::step_with).
    pub fn step_tensor_with(
        &self,
        options: &StepOptions,
        mut tensor: impl AsTensor,
    ) -> Result<StepReport, Error> {
        let tensor = tensor.as_tensor();
        in_default_mode(|| Ok(self.0.step_one_lent(&tensor.lent, &options.try_into()?)?))
    }
}

/// The arrays of all tensors, at once for as long as these are borrowed: so they are apart.
fn lent<'a, T: AsTensor>(tensors: &'a mut [T]) -> impl Iterator<Item = Lent> + use<'a, T> {
    tensors.iter_mut().map(|tensor: &'a mut T| {
        let tensor: crate::Tensor<'a> = call_out(|| tensor.as_tensor());
        tensor.lent
    })
}
