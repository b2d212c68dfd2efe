//! An optimizer: parameter groups, their parameters, and what can be done to them.
//!
//! - `mod.rs`: what an optimizer is made of, and changing its options and pointers.
//! - `register.rs`: adding groups and parameters, all or nothing.
//! - `step.rs`: the step, whole or of one parameter, and zeroing the gradients.
//! - `group.rs`, `param.rs`, `state.rs`: one group, one parameter, the state of one.
//! - `index.rs`: finding parameters by name and address. `plan.rs`: the work cut into chunks.

mod group;
mod index;
mod param;
mod plan;
mod register;
mod state;
mod step;

pub(crate) use group::{Group, Toggle};
pub(crate) use param::{ParamSpec, Place};

use crate::error::{Result, ensure, error, reserve};
use crate::kernel::InstructionSet;
use crate::pool::Pool;
use index::Index;
use param::{Param, check_array};
use plan::Plan;
use std::fmt;
use std::sync::Mutex;

pub(crate) struct Optimizer {
    instruction_set: InstructionSet,
    groups: Vec<Group>,
    params: Vec<Param>,
    index: Index,
    plan: Plan,
    /// Only `step_param` has to lock it, since other calls are alone.
    pool: Mutex<Pool>,
    /// Whether steps change only the state, as set.
    accumulation: Toggle,
}

impl Optimizer {
    /// `num_threads` is 0 for one per available core.
    pub fn new(num_threads: usize) -> Result<Self> {
        Ok(Self {
            instruction_set: InstructionSet::choose()?,
            groups: Vec::new(),
            params: Vec::new(),
            index: Index::default(),
            plan: Plan::default(),
            pool: Mutex::new(Pool::new(num_threads)),
            accumulation: Toggle::Off,
        })
    }

    pub fn group(&self, id: u32) -> Result<&Group> {
        self.groups.get(id as usize).ok_or_else(|| {
            error!(InvalidArgument, "group is {id}; {}", Ids("parameter groups", self.groups.len()))
        })
    }

    pub fn param(&self, id: u32) -> Result<&Param> {
        self.params.get(id as usize).ok_or_else(|| {
            error!(InvalidArgument, "param is {id}; {}", Ids("parameters", self.params.len()))
        })
    }

    /// Changes options of a group, all of them or, on an error, none.
    pub fn set_options(&mut self, id: u32, change: impl FnOnce(&mut Group)) -> Result<()> {
        let before = self.group(id)?;
        let mut group = before.clone();
        change(&mut group);
        let group = group.checked()?;
        let state_changes =
            group.state_dtype != before.state_dtype || group.kahan_sum != before.kahan_sum;
        if state_changes {
            self.convert_state(id, &group)?;
        }
        self.groups[id as usize] = group;
        self.plan.invalidate();
        Ok(())
    }

    /// Brings the state of a group's parameters into the dtype and kind of its new options.
    fn convert_state(&mut self, id: u32, group: &Group) -> Result<()> {
        let of_group = |param: &&Param| param.group == id;
        let mut states = Vec::new();
        reserve(&mut states, self.params.iter().filter(of_group).count(), "parameters")?;
        for param in self.params.iter().filter(of_group) {
            let dtype = group.state_dtype_for(param.dtype)?;
            let kahan_sum = group.kahan_sum_for(param.dtype);
            let same = param.state.dtype == dtype && param.state.kahan_sum == kahan_sum;
            states.push(if same {
                None
            } else {
                Some(param.state.converted(dtype, kahan_sum, param.len, param.data)?)
            });
        }
        let params = self.params.iter_mut().filter(|param| param.group == id);
        for (param, state) in params.zip(states) {
            if let Some(state) = state {
                param.state = state;
            }
        }
        Ok(())
    }

    /// Tells where the gradient of a parameter is from now on; null: it has none.
    pub fn set_grad(&mut self, id: u32, grad: *mut u8) -> Result<()> {
        self.check_grad(id, grad)?;
        self.params[id as usize].grad = grad;
        Ok(())
    }

    /// Refuses a gradient that cannot be there or that shares bytes with a parameter.
    fn check_grad(&self, id: u32, grad: *const u8) -> Result<()> {
        let param = self.param(id)?;
        check_array(Place(None), "grad", grad, param.grad_dtype, param.len as u64)?;
        self.check_grad_is_apart(id, grad, Place(None))
    }

    fn check_grad_is_apart(&self, id: u32, grad: *const u8, place: Place) -> Result<()> {
        let range = self.params[id as usize].range_of_grad(grad);
        match self.index.overlapping(&self.params, &range, None) {
            None => Ok(()),
            Some(id) => {
                let other = &self.params[id as usize];
                Err(error!(
                    InvalidArgument,
                    "{place}grad is {grad:p}, and its {} bytes overlap those of the parameter \
                     \"{}\" at {:p}; a gradient needs memory of its own",
                    range.len(),
                    other.name(id),
                    other.data
                ))
            }
        }
    }

    /// Tells where the elements of a parameter are from now on.
    pub fn set_data(&mut self, id: u32, data: *mut u8) -> Result<()> {
        let param = self.param(id)?;
        let (dtype, len, before) = (param.dtype, param.len as u64, param.data);
        ensure!(
            !data.is_null() || len == 0,
            NullPointer,
            "data is NULL; it must point to the {len} elements of the parameter \"{}\"",
            param.name(id)
        );
        check_array(Place(None), "data", data, dtype, len)?;
        self.params[id as usize].data = data;
        self.index.moved(&self.params);
        let outcome = self
            .check_data_is_apart(id, Place(None))
            .and_then(|()| self.check_grads_are_apart(id..id + 1, |_| Place(None)));
        if outcome.is_err() {
            self.params[id as usize].data = before;
            self.index.moved(&self.params);
        }
        outcome
    }

    pub fn accumulation(&self) -> Toggle {
        self.accumulation
    }

    pub fn set_accumulation(&mut self, accumulation: Toggle) {
        self.accumulation = accumulation;
    }
}

/// Says which ids there are.
struct Ids(&'static str, usize);

impl fmt::Display for Ids {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let Self(what, count) = *self;
        match count {
            0 => write!(formatter, "the optimizer has no {what} yet"),
            1 => write!(formatter, "the only one of the optimizer's {what} is 0"),
            _ => write!(formatter, "the optimizer's {what} are 0 to {}", count - 1),
        }
    }
}
