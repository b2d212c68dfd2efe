//! Adding groups and parameters: everything is checked and allocated first, and then all of it is
//! added, or nothing.

use super::param::{Param, ParamSpec, Place, check_array};
use super::state::State;
use super::{Group, Optimizer};
use crate::error::{Result, ensure, error, reserve};
use std::ops::Range;

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

    /// Adds a parameter to a group, and returns its id.
    pub fn add_param(&mut self, group: u32, spec: &ParamSpec) -> Result<u32> {
        self.group(group)?;
        self.add_params(group, std::slice::from_ref(spec))?;
        Ok(self.params.len() as u32 - 1)
    }

    fn add_params(&mut self, group: u32, specs: &[ParamSpec]) -> Result<()> {
        let first = self.params.len();
        let outcome = self.try_add_params(group, specs);
        if outcome.is_err() {
            self.params.truncate(first);
            self.index.truncate(first);
        }
        self.plan.invalidate();
        outcome
    }

    /// After an error, the parameters that were appended have to be taken away again.
    fn try_add_params(&mut self, group_id: u32, specs: &[ParamSpec]) -> Result<()> {
        let first = self.params.len();
        ensure!(
            u32::try_from(first + specs.len()).is_ok(),
            InvalidArgument,
            "count is {}, but an optimizer can have no more than {} parameters",
            specs.len(),
            u32::MAX
        );
        specs.iter().try_for_each(check_spec)?;
        reserve(&mut self.params, specs.len(), "parameters")?;
        let named = specs.iter().filter(|spec| spec.name.is_some()).count();
        self.index.reserve(specs.len(), named)?;
        for spec in specs {
            self.params.push(Param::new(spec, group_id)?);
        }
        self.index.extend(&self.params, first);
        self.check_new_params(first, specs)?;
        self.plan.reserve(self.params.len())?;
        for param in &mut self.params[first..] {
            let group = &self.groups[group_id as usize];
            let dtype = group.state_dtype_for(param.dtype)?;
            let kahan_sum = group.kahan_sum_for(param.dtype);
            param.state = State::zeroed(dtype, kahan_sum, param.len, param.data)?;
        }
        Ok(())
    }

    /// Refuses new parameters that clash with others, old or new.
    fn check_new_params(&self, first: usize, specs: &[ParamSpec]) -> Result<()> {
        for (id, spec) in (first as u32..).zip(specs) {
            let name = self.params[id as usize].name(id);
            ensure!(
                !self.index.has_name_of(&self.params, id),
                InvalidArgument,
                "{}name is \"{name}\", as that of another parameter; each needs a name of its own, \
                 since checkpoints find parameters by name",
                spec.place
            );
            self.check_data_is_apart(id, spec.place)?;
        }
        for (id, spec) in (first as u32..).zip(specs) {
            self.check_grad_is_apart(id, spec.grad, spec.place)?;
        }
        let new = first as u32..self.params.len() as u32;
        self.check_grads_are_apart(new, |id| {
            specs.get(id as usize - first).map_or(Place(None), |spec| spec.place)
        })
    }

    /// Refuses a parameter that shares bytes with another.
    pub(super) fn check_data_is_apart(&self, id: u32, place: Place) -> Result<()> {
        let param = &self.params[id as usize];
        let range = param.data_range();
        match self.index.overlapping(&self.params, &range, Some(id)) {
            None => Ok(()),
            Some(id) => {
                let other = &self.params[id as usize];
                Err(error!(
                    InvalidArgument,
                    "{place}data is {:p}, and its {} bytes overlap those of the parameter \"{}\" \
                     at {:p}; each parameter needs memory of its own",
                    param.data,
                    range.len(),
                    other.name(id),
                    other.data
                ))
            }
        }
    }

    /// Refuses parameters that share bytes with the gradient of any. `place` tells where each stands.
    pub(super) fn check_grads_are_apart(
        &self,
        new: Range<u32>,
        place: impl Fn(u32) -> Place,
    ) -> Result<()> {
        // Nearly all gradients lie outside of the span of the new parameters, and are done with at
        // one comparison.
        let ranges = || new.clone().map(|id| self.params[id as usize].data_range());
        let start = ranges().map(|range| range.start).min().unwrap_or(0);
        let end = ranges().map(|range| range.end).max().unwrap_or(0);
        for (owner_id, owner) in (0..).zip(&self.params) {
            let grad = owner.range_of_grad(owner.grad);
            if grad.start >= end || grad.end <= start {
                continue;
            }
            if let Some(id) = self.index.overlapping(&self.params, &grad, None) {
                let param = &self.params[id as usize];
                return Err(error!(
                    InvalidArgument,
                    "{}data is {:p}, and its {} bytes overlap those of the gradient of the \
                     parameter \"{}\" at {:p}; a parameter needs memory of its own",
                    place(id),
                    param.data,
                    param.data_range().len(),
                    owner.name(owner_id),
                    owner.grad
                ));
            }
        }
        Ok(())
    }
}

/// Refuses a tensor that would be refused by itself.
fn check_spec(spec: &ParamSpec) -> Result<()> {
    let place = spec.place;
    ensure!(
        !spec.data.is_null() || spec.len == 0,
        NullPointer,
        "{place}data is NULL; it must point to the {} elements of the parameter (len may be 0)",
        spec.len
    );
    ensure!(
        spec.name != Some(""),
        InvalidArgument,
        "{place}name is empty; it must be a name that no other parameter has, or NULL for \
         \"param.<id>\""
    );
    check_array(place, "data", spec.data, spec.dtype, spec.len)?;
    check_array(place, "grad", spec.grad, spec.grad_dtype, spec.len)
}
