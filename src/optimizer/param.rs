//! One parameter: the caller's tensor, and the state that the library keeps for it.

use super::arrays::{ArrayKind, CallerArray, ElementType, Given};
use super::grid::Grid;
use super::state::State;
use super::state_kind::{Compensation, StateKind};
use crate::error::{Result, ensure, error};
use crate::kernel::{Dtype, Noise, TensorView};
use std::fmt;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A tensor that the caller wants to register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParamSpec<'a> {
    pub dtype: Dtype,
    pub grad_dtype: Dtype,
    pub len: u64,
    pub data: CallerArray,
    pub grad: CallerArray,
    /// `None`: the default name.
    pub name: Option<&'a str>,
    pub given: Given,
    pub place: Place,
}

/// Where an argument is, for error messages: by itself, or in an array of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(pub Option<u64>);

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self.0 {
            Some(index) => write!(formatter, "params[{index}]."),
            None => Ok(()),
        }
    }
}

/// Whether a parameter takes part in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Active,
    Frozen,
    /// Only its id is left, so that it is not given to another.
    Removed,
}

#[derive(Debug)]
pub(crate) struct Param {
    pub group: u32,
    pub dtype: Dtype,
    pub grad_dtype: Dtype,
    pub standing: Standing,
    /// Whether a `step_tensor` is inside.
    in_use: AtomicBool,
    /// None: the parameter has no place, and is skipped.
    pub data: CallerArray,
    /// None: the parameter is skipped.
    pub grad: CallerArray,
    /// `None`: the default name, which takes no memory.
    pub given_name: Option<Box<str>>,
    pub state: State,
    /// Changed by exclusive calls, and by the `step_tensor` that holds `in_use`.
    steps: AtomicU64,
}

impl Param {
    /// The parameter that a checked `spec` describes, with no memory for its state of this kind yet.
    pub fn new(spec: &ParamSpec, group: u32, state: StateKind) -> Result<Self> {
        Ok(Self {
            group,
            dtype: spec.dtype,
            grad_dtype: spec.grad_dtype,
            standing: Standing::Active,
            in_use: AtomicBool::new(false),
            data: spec.data,
            grad: spec.grad,
            given_name: spec.name.map(owned).transpose()?,
            state: State::new(state, spec.len as usize, spec.given)?,
            steps: AtomicU64::new(0),
        })
    }

    /// The name; `id` is the parameter's.
    pub fn name(&self, id: u32) -> Name<'_> {
        Name { given: self.given_name.as_deref(), id }
    }

    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    pub fn set_steps(&self, steps: u64) {
        self.steps.store(steps, Ordering::Relaxed);
    }

    /// The number of the step that comes next, the first being 1.
    pub fn next_step(&self) -> u64 {
        self.steps().saturating_add(1)
    }

    /// Counts one step.
    pub fn count_step(&self) {
        self.set_steps(self.next_step());
    }

    pub fn len(&self) -> usize {
        self.state.len()
    }

    /// Which part of its tensor the parameter is: from which element on, and of how many.
    pub fn slice(&self) -> (u64, u64) {
        self.state.slice().unwrap_or((0, self.len() as u64))
    }

    /// The pieces that the parameter is cut into, on the grid of its whole tensor.
    pub fn grid(&self) -> Grid {
        Grid::new(self.slice().0, self.len())
    }

    /// Of a parameter that was not removed.
    pub fn set_frozen(&mut self, frozen: bool) {
        self.standing = if frozen { Standing::Frozen } else { Standing::Active };
    }

    pub fn is_frozen(&self) -> bool {
        self.standing == Standing::Frozen
    }

    /// Whether a step of all parameters moves this one.
    pub fn steps_now(&self) -> bool {
        self.wants_step() && self.has_place()
    }

    /// Whether there is a gradient to step by.
    pub fn wants_step(&self) -> bool {
        !self.grad.is_none() && self.standing == Standing::Active
    }

    /// Whether it is known where the elements are; no elements need no place.
    pub fn has_place(&self) -> bool {
        !self.data.is_none() || self.len() == 0
    }

    /// Keeps a second `step_tensor` out until the claim is dropped.
    pub fn claim(&self) -> Option<Claim<'_>> {
        let free = !self.in_use.swap(true, Ordering::Acquire);
        free.then(|| Claim(&self.in_use))
    }

    /// The arrays of a step that moves `data` by `grad`, without random numbers.
    pub fn view(&self, data: CallerArray, grad: CallerArray) -> TensorView {
        let [exp_avg, exp_avg_sq, compensation] = self.state.arrays();
        let StateKind { q8, compensation: way, .. } = self.state.kind;
        TensorView {
            len: self.len(),
            whole: self.len(),
            first: 0,
            param: data.pointer(),
            grad: grad.pointer(),
            exp_avg,
            exp_avg_sq,
            kahan_comp: if way == Compensation::Kahan { compensation } else { ptr::null_mut() },
            state_scale: if q8 { self.state.state_scale() } else { ptr::null_mut() },
            master_remainder: compensation.cast(),
            copy: self.state.copy().map_or(ptr::null_mut(), |(copy, _)| copy),
            noise: Noise::NONE,
        }
    }

    /// The addresses of an array; nowhere if the caller brought none.
    pub fn range_of(&self, kind: ArrayKind) -> Range<usize> {
        let given = || self.state.given();
        let (array, bytes) = match kind {
            ArrayKind::Grad => (self.grad, self.len() * self.grad_dtype.size()),
            ArrayKind::Data => (self.data, self.len() * self.dtype.size()),
            ArrayKind::Copy => (given().copy, self.len() * given().copy_dtype.size()),
            ArrayKind::State(array) => (given().state[array as usize], self.state.bytes(array)),
        };
        array.range(bytes)
    }
}

/// The right to step a parameter behind a shared reference.
pub(crate) struct Claim<'a>(&'a AtomicBool);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// What a parameter is called: the name that it was given, or the default one.
#[derive(Clone, Copy)]
pub(crate) struct Name<'a> {
    pub given: Option<&'a str>,
    pub id: u32,
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self.given {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "param.{}", self.id),
        }
    }
}

/// A name in memory of its own, of exactly its size: a box that had to shrink would abort without memory.
fn owned(name: &str) -> Result<Box<str>> {
    let mut owned = String::new();
    owned
        .try_reserve_exact(name.len())
        .map_err(|_| error!(OutOfMemory, "there is no memory for the name of a parameter"))?;
    owned.push_str(name);
    Ok(owned.into_boxed_str())
}

/// Refuses an array that cannot exist where the caller says it is.
pub(crate) fn check_array(
    place: Place,
    name: &dyn fmt::Display,
    array: CallerArray,
    element: impl Into<ElementType>,
    len: u64,
) -> Result<()> {
    let (data, element) = (array.pointer(), element.into());
    let bytes = element.byte_size(len);
    ensure!(
        bytes.is_some_and(|bytes| data.addr().checked_add(bytes).is_some()),
        InvalidArgument,
        "{place}len is {len}, but so many elements of {element} do not fit in the address space; len must be the \
         number of elements, not of bytes, of the tensor"
    );
    ensure!(
        data.addr().is_multiple_of(element.size()),
        InvalidArgument,
        "{place}{name} is {data:p}, which is not aligned; an array of {element} must be at a \
         multiple of {} bytes",
        element.size()
    );
    Ok(())
}
