//! A step of one tensor, without an optimizer.

use super::element::{exclusive, shared};
use super::{Element, Error, GroupOptions, State, in_default_mode};
use crate::error::{Result, ensure, error};
use crate::optimizer::{self, CallerArray, Compensation, Group, LooseTensor};

/// Performs one step of one tensor whose state the caller keeps.
///
/// `step` is the number of the step, starting at 1. All arrays have the length of `param`; those of `state` must hold
/// zeros before the first step, and its dtype takes precedence over [`GroupOptions::state_dtype`]. `kahan_comp` is needed
/// if Kahan summation is on, which by default it is for f16 and bf16, and `master_remainder` with that option. `for_each`
/// and `gradient_release` have no effect.
///
/// The results have the same bits as those of an [`Optimizer`](crate::Optimizer). With `stochastic_rounding`, the tensor
/// is taken to be a whole one named `"param.0"`, so give each tensor its own seed. All work runs on the calling thread,
/// and nothing is allocated.
///
/// ```
/// use radam::{GroupOptions, State, update};
///
/// let (mut weight, grad) = ([1.0f32, 2.0], [0.5f32, -0.5]);
/// let (mut exp_avg, mut exp_avg_sq) = ([0.0f32; 2], [0.0f32; 2]);
/// let mut state = State {
///     exp_avg: &mut exp_avg,
///     exp_avg_sq: &mut exp_avg_sq,
///     kahan_comp: None,
///     master_remainder: None,
/// };
/// for step in 1..=10 {
///     update(&mut weight, &grad, &mut state, &GroupOptions::new(1e-3), step)?;
/// }
/// assert!(weight[0] < 1.0 && weight[1] > 2.0);
/// # Ok::<(), radam::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidArgument`] for an option out of range, an array that is missing or has another length, or a step of 0.
pub fn update<T: Element, G: Element, S: Element>(
    param: &mut [T],
    grad: &[G],
    state: &mut State<'_, S>,
    options: &GroupOptions,
    step: u64,
) -> Result<(), Error> {
    let group = Group { state_dtype: Some(S::DTYPE.into()), ..options.into() };
    let len = param.len();
    let of_len = |name: &str, found: usize| -> Result<()> {
        ensure!(
            found == len,
            InvalidArgument,
            "{name} has {found} elements; it must have as many as param, which has {len}"
        );
        Ok(())
    };
    of_len("grad", grad.len())?;
    of_len("exp_avg", state.exp_avg.len())?;
    of_len("exp_avg_sq", state.exp_avg_sq.len())?;
    let missing = |name: &str| error!(InvalidArgument, "{name} is None, and the options need it");
    let compensation = match group.state_kind_for(T::DTYPE, (0, len as u64))?.compensation {
        Compensation::None => CallerArray::NONE,
        Compensation::Kahan => {
            let kahan_comp =
                state.kahan_comp.as_deref_mut().ok_or_else(|| missing("kahan_comp"))?;
            of_len("kahan_comp", kahan_comp.len())?;
            // SAFETY: as below.
            unsafe { exclusive(kahan_comp) }
        }
        Compensation::Remainder => {
            let remainder = state.master_remainder.as_deref_mut();
            let remainder = remainder.ok_or_else(|| missing("master_remainder"))?;
            of_len("master_remainder", remainder.len())?;
            // SAFETY: as below.
            unsafe { exclusive(remainder) }
        }
    };
    // SAFETY: all are borrowed until this returns, and the optimizer keeps nothing of them.
    let tensor = unsafe {
        LooseTensor {
            dtype: T::DTYPE,
            grad_dtype: G::DTYPE,
            len: len as u64,
            param: exclusive(param),
            grad: shared(grad),
            exp_avg: exclusive(state.exp_avg),
            exp_avg_sq: exclusive(state.exp_avg_sq),
            state_scale: CallerArray::NONE,
            kahan_comp: compensation,
        }
    };
    in_default_mode(|| Ok(optimizer::update(group, &tensor, step)?))
}
