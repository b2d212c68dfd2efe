//! One parameter: the caller's tensor, and the state that the library keeps for it.

use super::given::{ArrayKind, Given};
use super::state::{Compensation, State, StateKind};
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
    pub data: *mut u8,
    pub grad: *mut u8,
    /// `None`: the default name.
    pub name: Option<&'a str>,
    pub given: Given,
    pub place: Place,
}

/// Where an argument stands, for error sentences: alone, or in an array of tensors.
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
    /// Whether a `step_param` is inside.
    in_use: AtomicBool,
    pub data: *mut u8,
    /// Null: the parameter is skipped.
    pub grad: *mut u8,
    /// `None`: the default name, which takes no memory.
    pub given_name: Option<Box<str>>,
    pub state: State,
    /// Changed by exclusive calls, and by the `step_param` that holds `in_use`.
    steps: AtomicU64,
}

// SAFETY: the pointers are the caller's, who promises that they stay valid and that nobody else
// touches what they point to during a call.
unsafe impl Send for Param {}
// SAFETY: as above; what changes behind a shared reference is guarded by `in_use`.
unsafe impl Sync for Param {}

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
        self.state.given().slice.unwrap_or((0, self.len() as u64))
    }

    /// Of a parameter that was not removed.
    pub fn set_frozen(&mut self, frozen: bool) {
        self.standing = if frozen { Standing::Frozen } else { Standing::Active };
    }

    pub fn is_frozen(&self) -> bool {
        self.standing == Standing::Frozen
    }

    /// Whether there is a gradient to step by.
    pub fn steps_now(&self) -> bool {
        !self.grad.is_null() && self.standing == Standing::Active
    }

    /// Keeps a second `step_param` out until the claim is dropped.
    pub fn claim(&self) -> Option<Claim<'_>> {
        let free = !self.in_use.swap(true, Ordering::Acquire);
        free.then(|| Claim(&self.in_use))
    }

    /// All of the parameter's arrays, with this gradient; without random numbers.
    pub fn arrays(&self, grad: *const u8) -> TensorView {
        let [exp_avg, exp_avg_sq, kahan_comp] = self.state.arrays();
        TensorView {
            len: self.len(),
            first: 0,
            param: self.data,
            grad,
            exp_avg,
            exp_avg_sq,
            kahan_comp,
            master_remainder: self.state.master_remainder(),
            copy: self.state.out().map_or(ptr::null_mut(), |(out, _)| out),
            noise: Noise::NONE,
        }
    }

    /// The addresses that the parameter takes.
    pub fn data_range(&self) -> Range<usize> {
        range(self.data, self.dtype, self.len())
    }

    /// Where an array is; null if it was not given.
    pub fn array(&self, kind: ArrayKind) -> *mut u8 {
        if kind == ArrayKind::Data { self.data } else { self.state.given().array(kind) }
    }

    /// The addresses of an array that was given with the parameter; nowhere if it was not.
    pub fn range_of(&self, kind: ArrayKind) -> Range<usize> {
        let start = self.array(kind);
        if start.is_null() {
            return 0..0;
        }
        start.addr()..start.addr() + self.len() * self.element_size(kind)
    }

    fn element_size(&self, kind: ArrayKind) -> usize {
        let state = self.state.kind;
        match kind {
            ArrayKind::Data => self.dtype.size(),
            ArrayKind::Out => self.state.given().out_dtype.size(),
            ArrayKind::State(2) if state.compensation == Compensation::Remainder => 2,
            ArrayKind::State(_) => state.dtype.size(),
        }
    }

    /// The addresses that a gradient of this parameter takes.
    pub fn range_of_grad(&self, grad: *const u8) -> Range<usize> {
        if grad.is_null() { 0..0 } else { range(grad, self.grad_dtype, self.len()) }
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

/// The addresses of a tensor whose length was checked.
fn range(data: *const u8, dtype: Dtype, len: usize) -> Range<usize> {
    data.addr()..data.addr() + len * dtype.size()
}

/// Refuses a tensor or gradient that cannot exist where the caller says it is.
pub(crate) fn check_array(
    place: Place,
    name: &str,
    data: *const u8,
    dtype: Dtype,
    len: u64,
) -> Result<()> {
    let bytes = dtype.byte_size(len);
    ensure!(
        bytes.is_some_and(|bytes| data.addr().checked_add(bytes).is_some()),
        InvalidArgument,
        "{place}len is {len}, but {len} elements of {dtype} do not fit in the address space behind \
         {name} {data:p}; len must be the number of elements, not of bytes, of the tensor"
    );
    ensure!(
        data.addr().is_multiple_of(dtype.size()),
        InvalidArgument,
        "{place}{name} is {data:p}, which is not aligned; an array of {dtype} must be at a \
         multiple of {} bytes",
        dtype.size()
    );
    Ok(())
}
