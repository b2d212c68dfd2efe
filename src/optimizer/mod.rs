//! An optimizer: parameter groups, their parameters, and what can be done to them.
//!
//! - `mod.rs`: what an optimizer is made of, and changing its options and pointers.
//! - `register.rs`: adding groups and parameters, all or nothing.
//! - `surgery.rs`: freezing, removing and resetting parameters while training.
//! - `step/`: how a step goes.
//! - `group.rs`, `param.rs`, `state.rs`, `given.rs`: one group, one parameter, the state of one, and what
//!   its caller brings for it.
//! - `index.rs`: finding parameters by name and address.

mod given;
mod group;
mod index;
mod param;
mod register;
mod state;
mod step;
mod surgery;

pub(crate) use given::Given;
pub(crate) use group::{Group, Toggle};
pub(crate) use param::{Param, ParamSpec, Place};
pub(crate) use state::{NamedArray, State};
pub(crate) use step::{StepOptions, StepReport, Tensor, update};

use crate::error::{Result, ensure, error, reserve};
use crate::kernel::InstructionSet;
use crate::math::Scalars;
use crate::system::Executor;
use crate::system::Pool;
use crate::system::{Allocator, try_box};
use given::ArrayKind;
use index::{Array, Index};
use param::{Standing, check_array};
use std::fmt;
use std::sync::Mutex;
use step::{OpenStep, Plan, SharedSums, Slices, zero_grad};

pub(crate) struct Optimizer {
    instruction_set: InstructionSet,
    groups: Vec<Group>,
    params: Vec<Param>,
    index: Index,
    plan: Plan,
    /// How many elements steps update; `None` if that may have changed.
    stepping_elements: Option<usize>,
    /// Only `step_param` has to lock it, since other calls are alone.
    pool: Mutex<Pool>,
    /// Whether steps change only the state, as set.
    accumulation: Toggle,
    /// What the step measures.
    sums: SharedSums,
    /// The step that is open, and how far it is.
    open: Option<OpenStep>,
    slices: Slices,
    /// Where the state comes from, if not from the program's allocator. Parameters point at it, so that
    /// it comes after them and goes after them.
    allocator: Option<Box<Allocator>>,
}

impl Optimizer {
    /// `num_threads` is 0 for one per available core.
    pub fn new(
        num_threads: usize,
        allocator: Option<Allocator>,
        executor: Option<Executor>,
    ) -> Result<Self> {
        Ok(Self {
            instruction_set: InstructionSet::choose()?,
            groups: Vec::new(),
            params: Vec::new(),
            index: Index::default(),
            plan: Plan::default(),
            stepping_elements: None,
            pool: Mutex::new(Pool::new(num_threads, executor)?),
            accumulation: Toggle::Off,
            sums: SharedSums::new(),
            open: None,
            slices: Slices::default(),
            allocator: allocator.map(try_box).transpose()?,
        })
    }

    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// All parameters that were not removed.
    pub fn params(&self) -> impl Iterator<Item = (u32, &Param)> {
        (0..).zip(&self.params).filter(|(_, param)| param.standing != Standing::Removed)
    }

    pub fn group(&self, id: u32) -> Result<&Group> {
        self.groups.get(id as usize).ok_or_else(|| {
            error!(InvalidArgument, "group is {id}; {}", Ids("parameter groups", self.groups.len()))
        })
    }

    pub fn param(&self, id: u32) -> Result<&Param> {
        let param = self.params.get(id as usize).ok_or_else(|| {
            error!(InvalidArgument, "param is {id}; {}", Ids("parameters", self.params.len()))
        })?;
        ensure!(
            param.standing != Standing::Removed,
            InvalidArgument,
            "param is {id}, which was removed; ids are not given twice"
        );
        Ok(param)
    }

    /// Changes options of a group, all of them or, on an error, none.
    pub fn set_options(&mut self, id: u32, change: &mut dyn FnMut(&mut Group)) -> Result<()> {
        let before = self.group(id)?;
        let mut group = before.clone();
        change(&mut group);
        let group = group.checked()?;
        let state = |group: &Group| {
            (group.state_dtype, group.kahan_sum, group.master_remainder, group.stochastic_rounding)
        };
        if state(&group) != state(before) {
            self.convert_state(id, &group)?;
        }
        // A schedule sets lr before every step, and must not have the work cut anew each time.
        let order = |group: &Group| (group.for_each, group.gradient_release);
        let plan_changes = order(&group) != order(&self.groups[id as usize]);
        self.groups[id as usize] = group;
        if plan_changes {
            self.invalidate_plan();
        }
        Ok(())
    }

    /// Notes that tensors or options have changed.
    fn invalidate_plan(&mut self) {
        self.plan.invalidate();
        self.stepping_elements = None;
    }

    /// Brings the state of a group's parameters into the kind of its new options.
    fn convert_state(&mut self, id: u32, group: &Group) -> Result<()> {
        let of_group = |param: &&Param| param.group == id;
        let mut states = Vec::new();
        reserve(&mut states, self.params.iter().filter(of_group).count(), "parameters")?;
        for param in self.params.iter().filter(of_group) {
            let stays = param.standing == Standing::Removed;
            let kind = if stays { param.state.kind } else { group.state_kind_for(param.dtype)? };
            states.push(if param.state.kind == kind {
                None
            } else {
                Some(param.state.converted(kind, param.data, self.instruction_set)?)
            });
        }
        let params = (0..).zip(&mut self.params).filter(|(_, param)| param.group == id);
        for ((id, param), state) in params.zip(states) {
            let Some(state) = state else { continue };
            let dropped = ArrayKind::GIVEN
                .into_iter()
                .filter(|kind| param.state.given().array(*kind) != state.given().array(*kind));
            dropped.for_each(|kind| self.index.remove_given(Array { id, kind }));
            param.state = state;
        }
        Ok(())
    }

    /// Tells where the gradient of a parameter is from now on; null: it has none.
    pub fn set_grad(&mut self, id: u32, grad: *mut u8) -> Result<()> {
        self.check_grad(id, grad)?;
        let param = &mut self.params[id as usize];
        if param.grad.is_null() != grad.is_null() {
            self.stepping_elements = None;
        }
        param.grad = grad;
        self.index.grad_moved();
        Ok(())
    }

    /// Refuses a gradient that cannot be there or that shares bytes with a parameter.
    fn check_grad(&self, id: u32, grad: *const u8) -> Result<()> {
        let param = self.param(id)?;
        check_array(Place(None), "grad", grad, param.grad_dtype, param.len() as u64)?;
        self.check_grad_is_apart(id, grad, Place(None))
    }

    fn check_grad_is_apart(&self, id: u32, grad: *const u8, place: Place) -> Result<()> {
        let range = self.params[id as usize].range_of_grad(grad);
        match self.index.overlapping(&self.params, &range, None) {
            None => Ok(()),
            Some(other) => Err(error!(
                InvalidArgument,
                "{place}grad is {grad:p}, and its {} bytes overlap those of {}; a gradient needs memory \
                 of its own",
                range.len(),
                self.describe(other)
            )),
        }
    }

    /// An array, as error sentences name it.
    fn describe(&self, array: Array) -> Described<'_> {
        Described { array, param: &self.params[array.id as usize] }
    }

    /// Tells where the elements of a parameter are from now on.
    pub fn set_data(&mut self, id: u32, data: *mut u8) -> Result<()> {
        let param = self.param(id)?;
        let (dtype, len, before) = (param.dtype, param.len() as u64, param.data);
        ensure!(
            !data.is_null() || len == 0,
            NullPointer,
            "data is NULL; it must point to the {len} elements of the parameter \"{}\"",
            param.name(id)
        );
        check_array(Place(None), "data", data, dtype, len)?;
        self.params[id as usize].data = data;
        self.index.moved(&self.params);
        let array = Array { id, kind: ArrayKind::Data };
        let range = self.params[id as usize].data_range();
        let outcome = self
            .check_is_apart(array, range.clone(), Place(None))
            .and_then(|()| self.check_grads_are_apart(range, |_| Place(None)));
        if outcome.is_err() {
            self.params[id as usize].data = before;
            self.index.moved(&self.params);
        }
        outcome
    }

    /// Fills the gradients with zeros, those of groups with gradient release excepted.
    pub fn zero_grad(&mut self) {
        for param in &self.params {
            if !self.groups[param.group as usize].gradient_release.or(false) {
                zero_grad(param, 0..param.len());
            }
        }
    }

    /// Of the next step of a group, by the parameter that has made the most steps.
    pub fn next_scalars(&self, group: u32) -> Result<Scalars> {
        let hyperparameters = self.group(group)?.hyperparameters();
        let params = self.params.iter().filter(|param| param.group == group);
        let step = params.map(|param| param.next_step()).max().unwrap_or(1);
        Ok(Scalars::new(&hyperparameters, step))
    }

    /// The state of a parameter.
    pub fn state_mut(&mut self, id: u32) -> &mut State {
        &mut self.params[id as usize].state
    }

    /// Takes over what a checkpoint says, whose arrays are in place: the options of all groups, and of
    /// some parameters the step count and whether they are frozen.
    pub fn restore(
        &mut self,
        groups: Vec<Group>,
        params: &[(u32, u64, bool)],
        accumulation: Toggle,
    ) {
        debug_assert_eq!(groups.len(), self.groups.len());
        self.groups = groups;
        for (id, steps, frozen) in params {
            let param = &mut self.params[*id as usize];
            param.set_steps(*steps);
            param.set_frozen(*frozen);
        }
        self.accumulation = accumulation;
        self.invalidate_plan();
    }

    pub fn accumulation(&self) -> Toggle {
        self.accumulation
    }

    pub fn set_accumulation(&mut self, accumulation: Toggle) {
        self.accumulation = accumulation;
    }
}

struct Described<'a> {
    array: Array,
    param: &'a Param,
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let Self { array: Array { id, kind }, param } = *self;
        if kind != ArrayKind::Data {
            write!(formatter, "{} of ", kind.name())?;
        }
        write!(formatter, "the parameter \"{}\" at {:p}", param.name(id), param.array(kind))
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
