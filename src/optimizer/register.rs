//! Adding groups and parameters: everything is checked and allocated first, and then all of it is
//! added, or nothing.

use super::given::ArrayKind;
use super::index::Array;
use super::param::{Param, ParamSpec, Place, check_array};
use super::state::{Compensation, StateKind};
use super::step::CHUNK;
use super::{Group, Optimizer};
use crate::error::{Result, ensure, error, reserve};
use crate::kernel::Dtype;
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
        self.invalidate_plan();
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
        let group = &self.groups[group_id as usize];
        for spec in specs {
            check_spec(spec)?;
            check_given(spec, group.state_kind_for(spec.dtype)?)?;
        }
        reserve(&mut self.params, specs.len(), "parameters")?;
        let named = specs.iter().filter(|spec| spec.name.is_some()).count();
        for spec in specs {
            self.params.push(Param::new(spec, group_id, group.state_kind_for(spec.dtype)?)?);
        }
        let given = self.params[first..].iter().flat_map(given_arrays).count();
        self.index.reserve(specs.len(), named, given)?;
        self.index.extend(&self.params, first);
        self.check_new_params(first, specs)?;
        for param in &mut self.params[first..] {
            param.state.allocate(param.data, self.allocator.as_deref())?;
        }
        self.plan.reserve(self.params.len())?;
        let chunks = self.params[first..].iter().map(|param| param.len().div_ceil(CHUNK)).sum();
        self.slices.reserve(chunks)
    }

    /// Refuses new parameters that clash with others, old or new.
    fn check_new_params(&self, first: usize, specs: &[ParamSpec]) -> Result<()> {
        for (id, spec) in (first as u32..).zip(specs) {
            let param = &self.params[id as usize];
            ensure!(
                !self.index.has_name_of(&self.params, id),
                InvalidArgument,
                "{}name is \"{}\", as that of another parameter; each needs a name of its own, since \
                 checkpoints find parameters by name",
                spec.place,
                param.name(id)
            );
            self.check_is_apart(
                Array { id, kind: ArrayKind::Data },
                param.data_range(),
                spec.place,
            )?;
            for kind in given_arrays(param) {
                self.check_is_apart(Array { id, kind }, param.range_of(kind), spec.place)?;
            }
        }
        for (id, spec) in (first as u32..).zip(specs) {
            self.check_grad_is_apart(id, spec.grad, spec.place)?;
        }
        let ranges = || {
            let given = |param| given_arrays(param).map(move |kind| Param::range_of(param, kind));
            self.params[first..].iter().flat_map(move |p| given(p).chain([p.data_range()]))
        };
        let start = ranges().map(|range| range.start).min().unwrap_or(0);
        let end = ranges().map(|range| range.end).max().unwrap_or(0);
        self.check_grads_are_apart(start..end, |id| {
            (id as usize).checked_sub(first).map_or(Place(None), |index| specs[index].place)
        })
    }

    /// Refuses an array that shares bytes with another that steps write.
    pub(super) fn check_is_apart(
        &self,
        array: Array,
        range: Range<usize>,
        place: Place,
    ) -> Result<()> {
        match self.index.overlapping(&self.params, &range, Some(array)) {
            None => Ok(()),
            Some(other) => Err(error!(
                InvalidArgument,
                "{place}{} is {:#x}, and its {} bytes overlap those of {}; each needs memory of its own",
                array.kind.name(),
                range.start,
                range.len(),
                self.describe(other)
            )),
        }
    }

    /// Refuses arrays that share bytes with the gradient of any parameter. All that is new lies within
    /// the addresses; `place` tells where each stands.
    pub(super) fn check_grads_are_apart(
        &self,
        new: Range<usize>,
        place: impl Fn(u32) -> Place,
    ) -> Result<()> {
        // Nearly all gradients lie outside, and are done with at one comparison.
        for (owner_id, owner) in (0..).zip(&self.params) {
            let grad = owner.range_of_grad(owner.grad);
            if grad.start >= new.end || grad.end <= new.start {
                continue;
            }
            if let Some(Array { id, kind }) = self.index.overlapping(&self.params, &grad, None) {
                let param = &self.params[id as usize];
                return Err(error!(
                    InvalidArgument,
                    "{}{} is {:p}, and its bytes overlap those of the gradient of the parameter \"{}\" \
                     at {:p}; each needs memory of its own",
                    place(id),
                    kind.name(),
                    param.array(kind),
                    owner.name(owner_id),
                    owner.grad
                ));
            }
        }
        Ok(())
    }
}

/// Which arrays the caller gave with a parameter, where there are elements.
fn given_arrays(param: &Param) -> impl Iterator<Item = ArrayKind> {
    ArrayKind::GIVEN.into_iter().filter(|kind| !param.range_of(*kind).is_empty())
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

/// Refuses arrays that cannot be those of a parameter with such a state.
fn check_given(spec: &ParamSpec, state: StateKind) -> Result<()> {
    let (place, given, dtype) = (spec.place, &spec.given, spec.dtype);
    if !given.out.is_null() {
        check_out_dtype(place, dtype, given.out_dtype)?;
        check_array(place, "out", given.out, given.out_dtype, spec.len)?;
    }
    ensure!(
        given.state[2].is_null() || state.compensation != Compensation::None,
        InvalidArgument,
        "{place}kahan_comp is {:p}, but the group has neither kahan_sum nor master_remainder on for \
         {dtype}; it must be NULL, or one of them on",
        given.state[2]
    );
    for number in 0..3 {
        let remainder = number == 2 && state.compensation == Compensation::Remainder;
        let dtype = if remainder { Dtype::Bf16 } else { state.dtype };
        let name = ArrayKind::State(number).name();
        check_array(place, name, given.state[number], dtype, spec.len)?;
    }
    Ok(())
}

fn check_out_dtype(place: Place, dtype: Dtype, out_dtype: Dtype) -> Result<()> {
    ensure!(
        !dtype.is_16_bit(),
        InvalidArgument,
        "{place}out is for parameters of f32 and f64, whose rounded values it gets, but the parameter's \
         dtype is {dtype}; it must be NULL"
    );
    ensure!(
        out_dtype != Dtype::F64,
        InvalidArgument,
        "{place}out_dtype is f64; it must be bf16 (the default), f16 or f32"
    );
    Ok(())
}
