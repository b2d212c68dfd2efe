//! A step of one tensor, without an optimizer.

use super::element::{exclusive, shared};
use super::{Element, Error, GroupOptions, Q8State, State, in_default_mode};
use crate::error::{Result, ensure, error};
use crate::kernel::StateDtype;
use crate::optimizer::{
    self, CallerArray, Compensation, Group, LooseTensor, StateArray, StateKind,
};

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
    let kind = kind_of::<T>(&group)?;
    let of_len = |name, found| check_len(name, found, param.len() as u64);
    of_len("grad", grad.len())?;
    of_len("exp_avg", state.exp_avg.len())?;
    of_len("exp_avg_sq", state.exp_avg_sq.len())?;
    let State { exp_avg, exp_avg_sq, kahan_comp, master_remainder } = state;
    let kahan_comp = compensation(kind, param.len(), kahan_comp, master_remainder)?;
    // SAFETY: all are borrowed until this returns, and the optimizer keeps nothing of them.
    let tensor = unsafe {
        LooseTensor {
            exp_avg: exclusive(exp_avg),
            exp_avg_sq: exclusive(exp_avg_sq),
            kahan_comp,
            ..loose(param, grad)
        }
    };
    in_default_mode(|| Ok(optimizer::update(group, &tensor, step)?))
}

/// Performs one step of one tensor as [`update`] does, with state of 8 bits ([`StateDtype::Q8`]) that the caller keeps.
///
/// It is coded whatever the length of the tensor. `exp_avg` and `exp_avg_sq` have the length of `param`, `state_scale` has
/// a word for each block of 128 elements, the last of which may be shorter, and `kahan_comp` is of the dtype of `param`.
/// Codes are rounded at random, so give each tensor its own [`GroupOptions::seed`]. The results have the same bits as
/// those of an [`Optimizer`](crate::Optimizer) for a tensor named `"param.0"` of at least 4096 elements.
///
/// ```
/// use radam::{GroupOptions, Q8State, update_q8};
///
/// let (mut weight, grad) = ([1.0f32; 200], [0.5f32; 200]);
/// let (mut exp_avg, mut exp_avg_sq, mut state_scale) = ([0i8; 200], [0u8; 200], [0u32; 2]);
/// let mut state = Q8State {
///     exp_avg: &mut exp_avg,
///     exp_avg_sq: &mut exp_avg_sq,
///     state_scale: &mut state_scale,
///     kahan_comp: None,
///     master_remainder: None,
/// };
/// for step in 1..=10 {
///     update_q8(&mut weight, &grad, &mut state, &GroupOptions::new(1e-3), step)?;
/// }
/// assert!(weight[199] < 1.0 && exp_avg[199] != 0);
/// # Ok::<(), radam::Error>(())
/// ```
///
/// # Errors
/// As [`update`]; and [`Error::InvalidArgument`] for f64 parameters.
pub fn update_q8<T: Element, G: Element>(
    param: &mut [T],
    grad: &[G],
    state: &mut Q8State<'_, T>,
    options: &GroupOptions,
    step: u64,
) -> Result<(), Error> {
    let group = Group { state_dtype: Some(StateDtype::Q8), ..options.into() };
    let kind = kind_of::<T>(&group)?;
    let len = param.len() as u64;
    check_len("grad", grad.len(), len)?;
    check_len("exp_avg", state.exp_avg.len(), len)?;
    check_len("exp_avg_sq", state.exp_avg_sq.len(), len)?;
    check_scales(state.state_scale.len(), kind.len_of(StateArray::Scale, len), len)?;
    let Q8State { exp_avg, exp_avg_sq, state_scale, kahan_comp, master_remainder } = state;
    let kahan_comp = compensation(kind, param.len(), kahan_comp, master_remainder)?;
    // SAFETY: as in `update`.
    let tensor = unsafe {
        LooseTensor {
            exp_avg: exclusive(exp_avg),
            exp_avg_sq: exclusive(exp_avg_sq),
            state_scale: exclusive(state_scale),
            kahan_comp,
            ..loose(param, grad)
        }
    };
    in_default_mode(|| Ok(optimizer::update(group, &tensor, step)?))
}

/// The state of parameters of this dtype, of any length: that of a loose tensor does not depend on it.
fn kind_of<T: Element>(group: &Group) -> Result<StateKind> {
    group.state_kind_for(T::DTYPE, (0, u64::MAX))
}

fn check_len(name: &str, found: usize, len: u64) -> Result<()> {
    ensure!(
        found as u64 == len,
        InvalidArgument,
        "{name} has {found} elements; it must have as many as param, which has {len}"
    );
    Ok(())
}

fn check_scales(found: usize, blocks: u64, len: u64) -> Result<()> {
    ensure!(
        found as u64 == blocks,
        InvalidArgument,
        "state_scale has {found} elements; it must have {blocks}, one for each 128 of param, which has {len}"
    );
    Ok(())
}

/// The array that the options need, of those that there are.
fn compensation<S>(
    kind: StateKind,
    len: usize,
    kahan_comp: &mut Option<&mut [S]>,
    master_remainder: &mut Option<&mut [i16]>,
) -> Result<CallerArray> {
    fn checked<E>(name: &str, array: &mut Option<&mut [E]>, len: usize) -> Result<CallerArray> {
        let array = array
            .as_deref_mut()
            .ok_or_else(|| error!(InvalidArgument, "{name} is None, and the options need it"))?;
        check_len(name, array.len(), len as u64)?;
        // SAFETY: it is borrowed for as long as the state, which the caller lends until its call returns.
        Ok(unsafe { exclusive(array) })
    }
    match kind.compensation {
        Compensation::None => Ok(CallerArray::NONE),
        Compensation::Kahan => checked("kahan_comp", kahan_comp, len),
        Compensation::Remainder => checked("master_remainder", master_remainder, len),
    }
}

/// A tensor without its state.
///
/// # Safety
/// The borrows last until the call that gets the tensor returns.
unsafe fn loose<T: Element, G: Element>(param: &mut [T], grad: &[G]) -> LooseTensor {
    // SAFETY: the same contract.
    let (data, grad_data) = unsafe { (exclusive(param), shared(grad)) };
    LooseTensor {
        dtype: T::DTYPE,
        grad_dtype: G::DTYPE,
        len: param.len() as u64,
        param: data,
        grad: grad_data,
        exp_avg: CallerArray::NONE,
        exp_avg_sq: CallerArray::NONE,
        state_scale: CallerArray::NONE,
        kahan_comp: CallerArray::NONE,
    }
}
