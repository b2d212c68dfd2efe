//! Adding groups and parameters: everything is checked and allocated first, and then all of it is
//! added, or nothing.

use super::arrays::{ArrayKind, StateArray};
use super::index::{grad_of, written_arrays};
use super::memory::Home;
use super::param::{Param, ParamSpec};
use super::state_kind::{Compensation, Q8_FROM};
use super::{Group, Known, Optimizer};
use crate::error::{Result, ensure, error, reserve};
use crate::kernel::Dtype;
use std::sync::PoisonError;

impl Optimizer {
    /// Adds a group with its first parameters, and returns its id.
    pub fn add_group(&mut self, group: Group, specs: &[ParamSpec]) -> Result<u32> {
        let id = u32::try_from(self.groups.len())
            .map_err(|_| error!(InvalidState, "the optimizer has all the groups it can have"))?;
        reserve(&mut self.groups, 1, "groups")?;
        self.groups.push(group.checked()?);
        let outcome = self.add_params(id, specs);
        if outcome.is_err() {
            self.groups.pop();
        }
        outcome.map(|()| id)
    }

    /// Adds parameters to a group, and returns the id of the first.
    pub fn add_to_group(&mut self, group: u32, specs: &[ParamSpec]) -> Result<u32> {
        self.group(group)?;
        let first = self.params.len() as u32;
        self.add_params(group, specs)?;
        Ok(first)
    }

    fn add_params(&mut self, group: u32, specs: &[ParamSpec]) -> Result<()> {
        let first = self.params.len();
        let outcome = self.try_add_params(group, specs);
        if outcome.is_err() {
            self.params.truncate(first);
            self.index.truncate(first);
        }
        self.changed();
        outcome
    }

    /// After an error, what was appended has to be removed again.
    fn try_add_params(&mut self, group_id: u32, specs: &[ParamSpec]) -> Result<()> {
        let first = self.params.len();
        ensure!(
            u32::try_from(first + specs.len()).is_ok(),
            InvalidArgument,
            "count is {}, but an optimizer can have no more than {} parameters",
            specs.len(),
            u32::MAX
        );
        let group = &self.groups[group_id as usize];
        let mut known = Known::default();
        for spec in specs {
            self.check_spec(spec, group, &mut known)?;
        }
        reserve(&mut self.params, specs.len(), "parameters")?;
        for spec in specs {
            let slice = spec.given.slice.unwrap_or((0, spec.len));
            let kind = group.state_kind_for(spec.dtype, slice)?;
            self.params.push(Param::new(spec, group_id, kind)?);
        }
        self.add_to_index(first, specs)?;
        for param in &mut self.params[first..] {
            param.state.allocate(param.data.pointer(), Home::new(self.memory.as_deref()))?;
        }
        if let Some(device) = self.device() {
            device.reserve(self.groups.len(), first, &self.params[first..])?;
            device.set_group(group_id, &self.groups[group_id as usize])?;
        }
        let chunks = self.params[first..].iter().map(|param| param.grid().len()).sum();
        let params = self.params.len();
        self.threads.get_mut().unwrap_or_else(PoisonError::into_inner).reserve(chunks)?;
        self.stepping_mut().reserve(params, chunks)
    }

    /// Adds the names and arrays of new parameters to the index, and refuses those that clash with others, old or
    /// new.
    fn add_to_index(&mut self, first: usize, specs: &[ParamSpec]) -> Result<()> {
        let Self { params, index, .. } = self;
        let new = || (first as u32..).zip(specs);
        let named = specs.iter().filter(|spec| spec.name.is_some()).count();
        index.reserve_names(params, named)?;
        // First the names that were given, which default names may clash with.
        for is_given in [true, false] {
            for (id, spec) in new().filter(|(_, spec)| spec.name.is_some() == is_given) {
                ensure!(
                    !index.has_name_of(params, id),
                    InvalidArgument,
                    "{}name is \"{}\", as that of another parameter; each needs a name of its own, since \
                     checkpoints find parameters by name",
                    spec.place,
                    params[id as usize].name(id)
                );
                index.add_name(params, id);
            }
        }
        for (id, spec) in new() {
            for array in written_arrays(params, id) {
                let range = params[id as usize].range_of(array.kind);
                index.check_is_apart(params, spec.place, array, &range)?;
                index.add_array(params, array)?;
            }
        }
        for (id, spec) in new() {
            let range = params[id as usize].range_of(ArrayKind::Grad);
            index.check_is_apart(params, spec.place, grad_of(id), &range)?;
            index.add_array(params, grad_of(id))?;
        }
        Ok(())
    }
}

impl Optimizer {
    /// Refuses a parameter that is wrong whatever others there are.
    fn check_spec(&self, spec: &ParamSpec, group: &Group, known: &mut Known) -> Result<()> {
        let (place, given, dtype) = (spec.place, &spec.given, spec.dtype);
        ensure!(
            spec.name != Some(""),
            InvalidArgument,
            "{place}name is empty; it must be a name that no other parameter has (without one, it is \
         \"param.<id>\")"
        );
        if let Some((offset, tensor_len)) = given.slice {
            let len = spec.len;
            ensure!(
                offset.checked_add(len).is_some_and(|end| end <= tensor_len),
                InvalidArgument,
                "{place}tensor_offset is {offset} and len is {len}, but {place}tensor_len is {tensor_len}; tensor_offset + \
             len must be at most tensor_len (or tensor_offset and tensor_len both 0, for a whole tensor)"
            );
        }
        self.check_array(place, &"data", spec.data, dtype, spec.len, known)?;
        self.check_array(place, &"grad", spec.grad, spec.grad_dtype, spec.len, known)?;
        let slice = given.slice.unwrap_or((0, spec.len));
        let state = group.state_kind_for(dtype, slice)?;
        if !given.copy.is_none() {
            ensure!(
                !dtype.is_16_bit(),
                InvalidArgument,
                "{place}copy is for parameters of f32 and f64, whose rounded values it gets, but the parameter's \
             dtype is {dtype}; it must be NULL"
            );
            ensure!(
                given.copy_dtype != Dtype::F64,
                InvalidArgument,
                "{place}copy_dtype is f64; it must be bf16 (the default), f16 or f32"
            );
            self.check_array(place, &"copy", given.copy, given.copy_dtype, spec.len, known)?;
        }
        for array in StateArray::ALL {
            let is_compensation = array == StateArray::Compensation;
            let given = given.state[array as usize];
            ensure!(
                !is_compensation || given.is_none() || state.compensation != Compensation::None,
                InvalidArgument,
                "{place}kahan_comp is {:p}, but the group has neither kahan_sum nor master_remainder on for \
             {dtype}; it must be NULL, or one of them on",
                given.pointer()
            );
            ensure!(
                array != StateArray::Scale || given.is_none() || state.q8,
                InvalidArgument,
                "{place}state_scale is {:p}, but the parameter's state is {}; it must be NULL, or state_dtype q8 and the \
             tensor of at least {Q8_FROM} elements",
                given.pointer(),
                state.moments()
            );
            let (name, len) = (ArrayKind::State(array).name(), state.len_of(array, spec.len));
            self.check_array(place, &name, given, state.element_of(array), len, known)?;
        }
        Ok(())
    }
}
