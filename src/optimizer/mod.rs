//! An optimizer: parameter groups, their parameters, and what can be done to them.
//!
//! - `mod.rs`: what an optimizer is made of, and its options.
//! - `register.rs`: adding groups and parameters, all or nothing. `relocate.rs`: moving their arrays.
//! - `surgery.rs`: freezing, removing and resetting parameters while training.
//! - `step/`: how a step goes.
//! - `group.rs`, `param.rs`, `arrays.rs`: one group, one parameter, and the arrays that its caller brings. `state.rs`,
//!   `state_kind.rs`: the state of a parameter, and what it consists of. `placement.rs`: where in memory state lies. `grid.rs`: the pieces of a parameter.
//! - `memory.rs`: the memory that states are in. `on_device.rs`: what is different where that is a device's.
//! - `index.rs`, `spans.rs`: finding parameters by name, and arrays by address.
//! - `advice.rs`: what is known to fail in training.

mod advice;
mod arrays;
mod grid;
mod group;
mod index;
mod memory;
#[cfg_attr(not(cuda), allow(dead_code))] // what only a device reads
mod on_device;
mod param;
mod placement;
mod register;
mod relocate;
mod spans;
mod state;
mod state_kind;
mod step;
mod surgery;

pub(crate) use arrays::{CallerArray, CallerSlice, ElementType, Given, StateArray};
pub(crate) use group::{Group, Toggle, check_beta, check_not_negative};
pub(crate) use on_device::{Contents, Known, OfCall, Task};
#[cfg(cuda)]
pub(crate) use param::Standing;
pub(crate) use param::{Param, ParamSpec, Place};
pub(crate) use state::{NamedArray, State};
pub(crate) use state_kind::{Compensation, StateKind};
pub use step::StepReport;
pub(crate) use step::{
    Lent, LooseTensor, Measured, StepOptions, measure_tensor, sum_of_words, update,
};

use crate::device::Device;
use crate::error::{Result, ensure, error, reserve};
use crate::kernel::InstructionSet;
use crate::math::Scalars;
use crate::system::{Allocator, Executor, Threads, try_box};
use arrays::ArrayKind;
use index::Index;
use memory::Memory;
#[cfg(not(cuda))]
use param::Standing;
use spans::Array;
use std::ffi::c_void;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError, RwLock};
use step::{Stepping, zero_grad};

pub(crate) struct Optimizer {
    instruction_set: InstructionSet,
    groups: Vec<Group>,
    params: Vec<Param>,
    index: Index,
    /// Only concurrent calls have to lock it, since other calls are alone.
    threads: Mutex<Threads>,
    /// Whether steps change only the state, as set.
    accumulation: Toggle,
    /// What steps need besides, behind a lock of its own, so that they leave the rest to getters.
    stepping: RwLock<Stepping>,
    /// Whether a step is open, for calls that need nothing else behind the lock.
    is_step_open: AtomicBool,
    /// Where the state is, if not in memory of the program's allocator. Parameters point at it, so that it is made before
    /// them and dropped after them.
    memory: Option<Box<Memory>>,
}

/// How an optimizer is to be made.
pub(crate) struct Options {
    /// 0: one per available core.
    pub num_threads: usize,
    pub allocator: Option<Allocator>,
    pub executor: Option<Executor>,
    /// Elements from which on a step runs on several threads; 0: the library's choice.
    pub parallel_from: u64,
    /// The GPU that parameters and state are on.
    pub cuda: Option<Cuda>,
}

/// A GPU.
#[derive(Clone, Copy)]
pub(crate) struct Cuda {
    pub ordinal: i32,
    /// What work is enqueued on.
    pub stream: *mut c_void,
}

/// What a checkpoint says besides the arrays of the state.
pub(crate) struct Restored {
    /// The options of all groups.
    pub groups: Vec<Group>,
    /// Of some parameters the id, the step count, and whether they are frozen.
    pub params: Vec<(u32, u64, bool)>,
    /// Whether steps change only the state.
    pub accumulation: Toggle,
}

impl Optimizer {
    pub fn new(options: Options) -> Result<Self> {
        const NUM_THREADS_MAX: usize = 1024;
        let Options { num_threads, allocator, executor, parallel_from, cuda } = options;
        ensure!(
            num_threads <= NUM_THREADS_MAX,
            InvalidArgument,
            "num_threads is {num_threads}; it must be at most {NUM_THREADS_MAX}, or 0 for one per core"
        );
        for (name, value) in [("num_threads", num_threads as u64), ("parallel_from", parallel_from)]
        {
            ensure!(
                cuda.is_none() || value == 0,
                InvalidState,
                "options.{name} is {value}, but it is for threads of the CPU and options.device is RADAM_DEVICE_CUDA; it \
                 must be 0, the default"
            );
        }
        ensure!(
            cuda.is_none() || executor.is_none(),
            InvalidState,
            "options.executor is set, but it is for threads of the CPU and options.device is RADAM_DEVICE_CUDA; its \
             parallel_for must be NULL, the default"
        );
        let device = cuda.map(|cuda| Device::open(cuda.ordinal, cuda.stream)).transpose()?;
        Ok(Self {
            instruction_set: InstructionSet::choose()?,
            groups: Vec::new(),
            params: Vec::new(),
            index: Index::default(),
            threads: Mutex::new(Threads::new(num_threads, parallel_from, executor)?),
            accumulation: Toggle::Off,
            stepping: RwLock::default(),
            is_step_open: AtomicBool::new(false),
            memory: Memory::new(allocator, device).map(try_box).transpose()?,
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

    /// The id of the parameter with this name, which it was given or has by default.
    pub fn param_named(&self, name: &str) -> Result<u32> {
        self.index.named(&self.params, name).ok_or_else(|| {
            error!(
                InvalidArgument,
                "name is \"{name}\", which no parameter has; it must be one that a parameter was added with, or \
                 \"param.<id>\" of one without"
            )
        })
    }

    /// Changes some options of a group.
    pub fn change_options(&mut self, id: u32, change: impl FnOnce(&mut Group)) -> Result<()> {
        let mut options = self.group(id)?.clone();
        change(&mut options);
        self.set_options(id, options)
    }

    /// Gives a group other options, all of them or, on an error, none.
    pub fn set_options(&mut self, id: u32, options: Group) -> Result<()> {
        let before = self.group(id)?;
        let group = options.checked()?;
        let state = |group: &Group| {
            (group.state_dtype, group.kahan_sum, group.master_remainder, group.stochastic_rounding)
        };
        // A schedule sets lr before every step, and must not have the work cut anew each time.
        let order = |group: &Group| (group.for_each, group.gradient_release);
        let plan_changes = order(&group) != order(before);
        let state_changes = state(&group) != state(before);
        let states = if state_changes { self.converted_states(id, &group)? } else { Vec::new() };
        if let Some(device) = self.device() {
            device.set_group(id, &group)?;
        }
        self.replace_states(states);
        self.groups[id as usize] = group;
        if plan_changes || state_changes {
            self.changed();
        }
        Ok(())
    }

    /// The states of a group's parameters that its new options make another kind, each as that.
    fn converted_states(&self, id: u32, group: &Group) -> Result<Vec<(u32, State)>> {
        let of_group = || self.params().filter(|(_, param)| param.group == id);
        let mut states = Vec::new();
        reserve(&mut states, of_group().count(), "parameters")?;
        for (id, param) in of_group() {
            let kind = group.state_kind_for(param.dtype, param.slice())?;
            if param.state.kind != kind {
                let data = param.data.pointer();
                let eps = self.groups[param.group as usize].eps;
                states.push((id, param.state.converted(kind, eps, data, self.instruction_set)?));
            }
        }
        Ok(states)
    }

    fn replace_states(&mut self, states: Vec<(u32, State)>) {
        for (id, state) in states {
            let param = &mut self.params[id as usize];
            let before = ArrayKind::GIVEN.map(|kind| param.range_of(kind));
            param.state = state;
            for (kind, before) in ArrayKind::GIVEN.into_iter().zip(before) {
                if param.range_of(kind).is_empty() {
                    self.index.remove_array(Array { id, kind }, before);
                }
            }
        }
    }

    /// Fills the gradients with zeros, those of groups with gradient release excepted.
    pub fn zero_grad(&self) -> Result<()> {
        if let Some(device) = self.device() {
            return device.zero_grad(self.contents());
        }
        for param in &self.params {
            if !self.groups[param.group as usize].gradient_release.or(false) {
                zero_grad(param, param.grad, 0..param.len());
            }
        }
        Ok(())
    }

    /// Of the next step of a group, by the parameter that has made the most steps.
    pub fn next_scalars(&self, group: u32) -> Result<Scalars> {
        let hyperparameters = self.group(group)?.hyperparameters();
        self.refresh_steps()?;
        let of_group = self.params().filter(|(_, param)| param.group == group);
        let step = of_group.map(|(_, param)| param.next_step()).max().unwrap_or(1);
        Ok(Scalars::of(&hyperparameters, step))
    }

    /// Takes over what a checkpoint says, whose arrays are in place.
    pub fn restore(&mut self, restored: Restored) {
        debug_assert_eq!(restored.groups.len(), self.groups.len());
        self.groups = restored.groups;
        for (id, steps, frozen) in restored.params {
            let param = &mut self.params[id as usize];
            param.set_steps(steps);
            param.set_frozen(frozen);
        }
        self.accumulation = restored.accumulation;
        self.changed();
    }

    pub fn accumulation(&self) -> Toggle {
        self.accumulation
    }

    pub fn set_accumulation(&mut self, accumulation: Toggle) {
        self.accumulation = accumulation;
    }

    /// What steps need besides, while nobody steps.
    fn stepping_mut(&mut self) -> &mut Stepping {
        self.stepping.get_mut().unwrap_or_else(PoisonError::into_inner)
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
