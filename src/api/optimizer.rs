//! An optimizer: its groups, parameters and their state.

use super::{
    Element, Error, GroupId, GroupOptions, GroupReport, Options, ParamId, ParamOptions, Q8State,
    State, in_default_mode,
};
use crate::optimizer::{self, Compensation, StateArray};
use std::fmt;
use std::slice;

/// Rectified Adam, and the state that it keeps for every parameter: two values per element, three with Kahan summation.
///
/// Parameters and gradients stay where they are and belong to the caller, who lends them to each step. Between calls the
/// optimizer keeps no pointer to them.
///
/// ```
/// use radam::{GroupOptions, Optimizer};
///
/// let mut weight = vec![0.0f32; 3];
/// let mut opt = Optimizer::new()?;
/// let group = opt.add_group(GroupOptions::new(0.05))?;
/// let w = opt.add_param::<f32>(group, weight.len(), "weight")?;
/// for _ in 0..200 {
///     let grad: Vec<f32> =
///         weight.iter().zip([1.0, -2.0, 3.0]).map(|(weight, target)| 2.0 * (weight - target)).collect();
///     opt.step(&mut [(w, &mut weight, &grad)])?;
/// }
/// assert!((weight[2] - 3.0).abs() < 0.01);
/// # Ok::<(), radam::Error>(())
/// ```
///
/// # Threads
///
/// An optimizer is [`Send`] and [`Sync`]. [`step_tensor`](Self::step_tensor) and the getters take `&self` and may run on
/// several threads at once; everything else takes `&mut self`, also what only reads the state, since `step_tensor` may
/// be writing it. Behind an [`RwLock`](std::sync::RwLock), `step_tensor` needs the read lock.
///
/// # Results
///
/// They have the same bits on every machine, for any number of threads and order of parameters, and whatever the
/// floating-point mode of the calling thread.
pub struct Optimizer(pub(super) optimizer::Optimizer);

impl Optimizer {
    /// An optimizer without parameters, with the default options.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::InvalidArgument`] if the environment variable `RADAM_ISA`, which is for tests,
    /// names an instruction set that this machine lacks.
    pub fn new() -> Result<Self, Error> {
        Self::with_options(Options::default())
    }

    /// An optimizer without parameters.
    ///
    /// # Errors
    /// As [`new`](Self::new); and [`Error::InvalidArgument`] for an option out of range.
    pub fn with_options(options: Options) -> Result<Self, Error> {
        Ok(Self(optimizer::Optimizer::new(options.into())?))
    }

    /// Adds a group, whose options its parameters share.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an option out of range; [`Error::OutOfMemory`].
    pub fn add_group(&mut self, options: GroupOptions) -> Result<GroupId, Error> {
        Ok(GroupId(self.0.add_group((&options).into(), &[])?))
    }

    /// Adds a parameter of `len` elements, whose gradients have the same dtype.
    ///
    /// `name` is unique within the optimizer; checkpoints identify parameters by name.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown group, a name that is empty or taken, or a dtype that the group's
    /// options do not allow; [`Error::OutOfMemory`].
    pub fn add_param<T: Element>(
        &mut self,
        group: GroupId,
        len: usize,
        name: &str,
    ) -> Result<ParamId, Error> {
        self.add_param_with(group, &ParamOptions::new::<T>(len, name))
    }

    /// Adds a parameter that has gradients of another dtype, or is a shard of a tensor.
    ///
    /// # Errors
    /// As [`add_param`](Self::add_param); and [`Error::InvalidArgument`] if the shard does not lie within its tensor.
    pub fn add_param_with(
        &mut self,
        group: GroupId,
        options: &ParamOptions,
    ) -> Result<ParamId, Error> {
        Ok(ParamId(self.0.add_to_group(group.0, &[options.into()])?))
    }

    /// The options that a parameter was added with, and its group.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown parameter.
    pub fn param_options(&self, param: ParamId) -> Result<(GroupId, ParamOptions<'_>), Error> {
        let param = self.0.param(param.0)?;
        let (tensor_offset, tensor_len) = param.state.given().slice.unwrap_or((0, 0));
        let options = ParamOptions {
            dtype: param.dtype,
            len: param.len(),
            name: param.given_name.as_deref().unwrap_or_default(),
            grad_dtype: Some(param.grad_dtype),
            tensor_offset,
            tensor_len,
        };
        Ok((GroupId(param.group), options))
    }

    /// The options of a group. A `max_lr` that was never set is the `lr` that the group was added with.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown group.
    pub fn group_options(&self, group: GroupId) -> Result<GroupOptions, Error> {
        Ok(self.0.group(group.0)?.into())
    }

    /// Sets all options of a group: all of them or, on error, none. They apply from the next step on; changes of
    /// `state_dtype`, `kahan_sum`, `master_remainder` and `stochastic_rounding` convert the state at once.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown group or an option out of range; [`Error::OutOfMemory`].
    pub fn set_group_options(
        &mut self,
        group: GroupId,
        options: GroupOptions,
    ) -> Result<(), Error> {
        in_default_mode(|| Ok(self.0.set_options(group.0, (&options).into())?))
    }

    /// The learning rate of a group.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown group.
    pub fn lr(&self, group: GroupId) -> Result<f64, Error> {
        Ok(self.0.group(group.0)?.lr)
    }

    /// Sets the learning rate of a group, as a schedule does before each step. `max_lr` does not change.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown group or an `lr` out of range.
    pub fn set_lr(&mut self, group: GroupId, lr: f64) -> Result<(), Error> {
        Ok(self.0.change_options(group.0, |options| options.lr = lr)?)
    }

    /// Sets the weight decay of a group. `decouple_wd` and `decouple_lr` decide how it is applied.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown group or a `weight_decay` out of range.
    pub fn set_weight_decay(&mut self, group: GroupId, weight_decay: f64) -> Result<(), Error> {
        Ok(self.0.change_options(group.0, |options| options.weight_decay = weight_decay)?)
    }

    /// The scalars of a group's next step.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown group.
    pub fn group_report(&self, group: GroupId) -> Result<GroupReport, Error> {
        in_default_mode(|| Ok(self.0.next_scalars(group.0)?.into()))
    }

    /// Optimizer accumulation, as optimi has it: while it is on, steps update only the state and the step counts, and
    /// parameters keep their values. Off by default.
    pub fn set_optimizer_accumulation(&mut self, on: bool) {
        self.0.set_accumulation(on.into());
    }

    /// Whether optimizer accumulation is on.
    pub fn optimizer_accumulation(&self) -> bool {
        self.0.accumulation().or(false)
    }

    /// The parameter with this name.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if no parameter has it.
    pub fn param_id(&self, name: &str) -> Result<ParamId, Error> {
        Ok(ParamId(self.0.param_named(name)?))
    }

    /// The number of steps that a parameter has made.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown parameter.
    pub fn step_count(&self, param: ParamId) -> Result<u64, Error> {
        Ok(self.0.steps(param.0)?)
    }

    /// Sets the number of steps that a parameter has made, for callers who restore its [`state`](Self::state)
    /// themselves.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown parameter.
    pub fn set_step_count(&mut self, param: ParamId, steps: u64) -> Result<(), Error> {
        Ok(self.0.set_step_count(param.0, steps)?)
    }

    /// Whether a parameter is frozen.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown parameter.
    pub fn is_frozen(&self, param: ParamId) -> Result<bool, Error> {
        Ok(self.0.is_frozen(param.0)?)
    }

    /// Freezes or unfreezes a parameter. Steps leave a frozen parameter as it is, and its step count too.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown parameter.
    pub fn set_frozen(&mut self, param: ParamId, frozen: bool) -> Result<(), Error> {
        Ok(self.0.set_frozen(param.0, frozen)?)
    }

    /// Removes a parameter and frees its state. Its name can be used again; its id is not.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown parameter.
    pub fn remove_param(&mut self, param: ParamId) -> Result<(), Error> {
        Ok(self.0.remove_param(param.0)?)
    }

    /// Resets the state of a parameter to that before the first step: zeros, and a step count of 0.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown parameter.
    pub fn reset_state(&mut self, param: ParamId) -> Result<(), Error> {
        Ok(self.0.reset_state(Some(param.0))?)
    }

    /// The state of a parameter, to be read or written. `S` is its dtype: that of the parameter, unless the group has
    /// another `state_dtype`.
    ///
    /// ```
    /// # use radam::{GroupOptions, Optimizer};
    /// # let mut opt = Optimizer::new()?;
    /// # let group = opt.add_group(GroupOptions::new(1e-3))?;
    /// # let w = opt.add_param::<f32>(group, 3, "weight")?;
    /// opt.step(&mut [(w, &mut [0.0f32; 3], &[1.0f32; 3])])?;
    /// assert_eq!(opt.state::<f32>(w)?.exp_avg, [1.0; 3]);
    /// # Ok::<(), radam::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown parameter, or if its state is of another dtype.
    pub fn state<S: Element>(&mut self, param: ParamId) -> Result<State<'_, S>, Error> {
        let state = &self.0.param(param.0)?.state;
        let (number, moments) = (param.0, state.kind.moments());
        let reader = if state.kind.q8 { ", which state_q8 reads" } else { "" };
        check_read(moments == S::DTYPE.into(), || {
            let read = S::DTYPE;
            format!("the state of param {number} is read as {read}; it is {moments}{reader}")
        })?;
        let len = state.len();
        // SAFETY: each array has `len` elements of this dtype, or i16, and is aligned and apart from the others. They
        // stay there while `self` is borrowed, and nobody else gets at them meanwhile.
        unsafe {
            let (kahan_comp, master_remainder) = compensation(state);
            Ok(State {
                exp_avg: elements(state.exp_avg().cast(), len),
                exp_avg_sq: elements(state.exp_avg_sq().cast(), len),
                kahan_comp,
                master_remainder,
            })
        }
    }

    /// The state of 8 bits of a parameter, to be read or written. `T` is the dtype of the parameter.
    ///
    /// ```
    /// use radam::{GroupOptions, Optimizer, StateDtype};
    ///
    /// let mut opt = Optimizer::new()?;
    /// let options = GroupOptions { state_dtype: Some(StateDtype::Q8), ..GroupOptions::new(1e-3) };
    /// let group = opt.add_group(options)?;
    /// let w = opt.add_param::<f32>(group, 5000, "weight")?; // smaller tensors than 4096 elements keep f32
    /// opt.step(&mut [(w, &mut [0.0f32; 5000], &[1.0f32; 5000])])?;
    ///
    /// let state = opt.state_q8::<f32>(w)?;
    /// assert_eq!((state.exp_avg.len(), state.exp_avg_sq.len(), state.state_scale.len()), (5000, 5000, 40));
    /// assert!(state.exp_avg.iter().all(|code| *code > 0));
    /// # Ok::<(), radam::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown parameter, or if its state is not of 8 bits, or it is of another dtype.
    pub fn state_q8<T: Element>(&mut self, param: ParamId) -> Result<Q8State<'_, T>, Error> {
        let number = param.0;
        let optimizer::Param { state, dtype, .. } = self.0.param(number)?;
        check_read(state.kind.q8, || {
            let moments = state.kind.moments();
            format!("the state of param {number} is read as q8; it is {moments}, which state reads")
        })?;
        check_read(*dtype == T::DTYPE, || {
            format!("param {number} is read as one of {}; it is of {dtype}", T::DTYPE)
        })?;
        let len = state.len();
        let blocks = state.kind.len_of(StateArray::Scale, len as u64) as usize;
        // SAFETY: as in `state`, with the types and lengths of codes; Kahan summation has the dtype of the parameter.
        unsafe {
            let (kahan_comp, master_remainder) = compensation(state);
            Ok(Q8State {
                exp_avg: elements(state.exp_avg().cast(), len),
                exp_avg_sq: elements(state.exp_avg_sq(), len),
                state_scale: elements(state.state_scale(), blocks),
                kahan_comp,
                master_remainder,
            })
        }
    }

    /// Sentences, one a line, on settings that are allowed but known to make training fail, each with its cure. Print
    /// them once before training. Empty if there is nothing to say.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn advice(&self) -> Result<String, Error> {
        in_default_mode(|| Ok(self.0.advice()?))
    }
}

impl fmt::Debug for Optimizer {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Optimizer")
            .field("groups", &self.0.groups().len())
            .field("params", &self.0.params().count())
            .finish_non_exhaustive()
    }
}

/// Refuses to read state as what it is not.
fn check_read(fits: bool, sentence: impl FnOnce() -> String) -> Result<(), Error> {
    if fits { Ok(()) } else { Err(Error::InvalidArgument(sentence())) }
}

/// `kahan_comp` and `master_remainder`, at most one of which there is.
///
/// # Safety
/// `S` is the dtype of `kahan_comp`, and nothing else accesses the arrays during the lifetime `'a`.
unsafe fn compensation<'a, S>(
    state: &optimizer::State,
) -> (Option<&'a mut [S]>, Option<&'a mut [i16]>) {
    let (kind, len) = (state.kind.compensation, state.len());
    // SAFETY: the same contract; both have the length of the parameter.
    unsafe {
        (
            (kind == Compensation::Kahan).then(|| elements(state.kahan_comp().cast(), len)),
            (kind == Compensation::Remainder).then(|| elements(state.master_remainder(), len)),
        )
    }
}

/// An array of a state.
///
/// # Safety
/// `pointer` is that of `len` elements, which nothing else accesses during the lifetime `'a`; without elements, it may
/// be anything.
unsafe fn elements<'a, T>(pointer: *mut T, len: usize) -> &'a mut [T] {
    // SAFETY: the same contract.
    if len == 0 { &mut [] } else { unsafe { slice::from_raw_parts_mut(pointer, len) } }
}
