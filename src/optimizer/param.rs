//! One parameter: the caller's tensor, and the state that the library keeps for it.

use super::state::State;
use crate::dtype::Dtype;
use crate::error::{Result, ensure, error, try_format};
use crate::kernel::Arrays;
use std::fmt;
use std::ops::Range;
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

#[derive(Debug)]
pub(crate) struct Param {
    pub group: u32,
    pub dtype: Dtype,
    pub grad_dtype: Dtype,
    pub len: usize,
    pub data: *mut u8,
    /// Null: the parameter is skipped.
    pub grad: *mut u8,
    /// `None`: the default name, which takes no memory.
    pub given_name: Option<Box<str>>,
    pub state: State,
    /// Changed by exclusive calls, and by the `step_param` that holds `in_use`.
    steps: AtomicU64,
    /// Whether a `step_param` is inside.
    in_use: AtomicBool,
}

// SAFETY: the pointers are the caller's, who promises that they stay valid and that nobody else
// touches what they point to during a call.
unsafe impl Send for Param {}
// SAFETY: as above; what changes behind a shared reference is guarded by `in_use`.
unsafe impl Sync for Param {}

impl Param {
    /// The parameter that a checked `spec` describes, with no memory for its state yet.
    pub fn new(spec: &ParamSpec, group: u32) -> Result<Self> {
        Ok(Self {
            group,
            dtype: spec.dtype,
            grad_dtype: spec.grad_dtype,
            len: spec.len as usize,
            data: spec.data,
            grad: spec.grad,
            given_name: spec.name.map(owned).transpose()?,
            state: State::none(spec.dtype),
            steps: AtomicU64::new(0),
            in_use: AtomicBool::new(false),
        })
    }

    /// The name; `id` is the parameter's.
    pub fn name(&self, id: u32) -> Name<'_> {
        Name { given: self.given_name.as_deref(), id }
    }

    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Counts one step and returns its number, the first being 1.
    pub fn count_step(&self) -> u64 {
        let step = self.steps().saturating_add(1);
        self.steps.store(step, Ordering::Relaxed);
        step
    }

    /// Keeps a second `step_param` out until the claim is dropped.
    pub fn claim(&self) -> Option<Claim<'_>> {
        let free = !self.in_use.swap(true, Ordering::Acquire);
        free.then(|| Claim(&self.in_use))
    }

    /// All of the parameter's arrays, with this gradient.
    pub fn arrays(&self, grad: *const u8) -> Arrays {
        Arrays {
            len: self.len,
            param: self.data,
            grad,
            exp_avg: self.state.exp_avg(),
            exp_avg_sq: self.state.exp_avg_sq(),
            kahan_comp: self.state.kahan_comp(),
        }
    }

    /// The addresses that the parameter takes.
    pub fn data_range(&self) -> Range<usize> {
        range(self.data, self.dtype, self.len)
    }

    /// The addresses that a gradient of this parameter takes.
    pub fn range_of_grad(&self, grad: *const u8) -> Range<usize> {
        if grad.is_null() { 0..0 } else { range(grad, self.grad_dtype, self.len) }
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

/// A name in memory of its own.
fn owned(name: &str) -> Result<Box<str>> {
    match try_format(format_args!("{name}")) {
        Some(name) => Ok(name.into_boxed_str()),
        None => Err(error!(OutOfMemory, "there is no memory for the name of a parameter")),
    }
}

/// The addresses of a tensor whose length was checked.
fn range(data: *const u8, dtype: Dtype, len: usize) -> Range<usize> {
    data.addr()..data.addr() + len * dtype.size()
}

/// The bytes of a tensor, where that many can exist.
pub(super) fn byte_size(dtype: Dtype, len: u64) -> Option<usize> {
    let bytes = usize::try_from(len).ok()?.checked_mul(dtype.size())?;
    isize::try_from(bytes).ok()?;
    Some(bytes)
}

/// Refuses a tensor or gradient that cannot exist where the caller says it is.
pub(crate) fn check_array(
    place: Place,
    name: &str,
    data: *const u8,
    dtype: Dtype,
    len: u64,
) -> Result<()> {
    let bytes = byte_size(dtype, len);
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
