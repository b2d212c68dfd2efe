//! Telling where the arrays of parameters are from now on.

use super::arrays::{ArrayKind, CallerArray};
use super::index::{Moved, Overlapped};
use super::param::{Place, Standing, check_array};
use super::register::{Described, check_is_apart};
use super::spans::Array;
use super::{Optimizer, Param};
use crate::error::{Error, Result, ensure, error, reserve};
use std::ops::Range;

impl Optimizer {
    /// Tells where the gradient of a parameter is from now on, or that it has none.
    pub fn set_grad(&mut self, id: u32, grad: CallerArray) -> Result<()> {
        let param = self.param(id)?;
        check_array(Place(None), &"grad", grad, param.grad_dtype, param.len() as u64)?;
        let (before, range) = (param.grad, param.range_of_grad(grad));
        if before == grad {
            return Ok(());
        }
        let overlapped = self.index.overlapped_by_grad(&self.params, &range, None);
        check_is_apart(&self.params, &"grad", range, overlapped)?;
        self.params[id as usize].grad = grad;
        if let Err(error) = self.index.add_grad(&self.params, id) {
            self.params[id as usize].grad = before;
            return Err(error);
        }
        let param = &self.params[id as usize];
        self.index.remove_grad(id, param.range_of_grad(before));
        self.stepping_mut().forget_counts();
        Ok(())
    }

    /// Tells where the elements of a parameter are from now on, or that they have no place.
    pub fn set_data(&mut self, id: u32, data: CallerArray) -> Result<()> {
        let param = self.param(id)?;
        check_array(Place(None), &"data", data, param.dtype, param.len() as u64)?;
        let (before, array) = (param.data, Array { id, kind: ArrayKind::Data });
        if before == data {
            return Ok(());
        }
        let range = data.range(param.len() * param.dtype.size());
        let overlapped = self.index.overlapped(&self.params, &range, array);
        check_is_apart(&self.params, &"data", range, overlapped)?;
        let old_range = param.range_of(ArrayKind::Data);
        self.params[id as usize].data = data;
        if let Err(error) = self.index.add_written(&self.params, array) {
            self.params[id as usize].data = before;
            return Err(error);
        }
        self.index.remove_written(array, old_range);
        self.stepping_mut().forget_counts();
        Ok(())
    }

    /// Tells where the elements and gradients of many parameters are from now on, as far as there are such
    /// arrays: all of them or, on an error, none.
    pub fn set_tensors(
        &mut self,
        first: u32,
        count: u64,
        data: Option<&[CallerArray]>,
        grads: Option<&[CallerArray]>,
    ) -> Result<()> {
        let ids = self.known_ids(first, count)?;
        for (index, param) in self.params[ids.clone()].iter().enumerate() {
            let (place, len) = (Place(None), param.len() as u64);
            ensure!(
                param.standing != Standing::Removed,
                InvalidArgument,
                "first_param is {first} and count is {count}, but param {} was removed; ids are not given twice",
                ids.start + index
            );
            if let Some(data) = data {
                check_array(place, &format_args!("data[{index}]"), data[index], param.dtype, len)?;
            }
            if let Some(grads) = grads {
                check_array(
                    place,
                    &format_args!("grads[{index}]"),
                    grads[index],
                    param.grad_dtype,
                    len,
                )?;
            }
        }
        let mut before = Vec::new();
        reserve(&mut before, ids.len(), "pointers")?;
        let mut moved = Moved { data: data.is_some(), grads: grads.is_some(), came_or_went: false };
        for (index, param) in self.params[ids.clone()].iter_mut().enumerate() {
            let (old_data, old_grad) = (param.data, param.grad);
            before.push((old_data, old_grad));
            param.data = data.map_or(old_data, |data| data[index]);
            param.grad = grads.map_or(old_grad, |grads| grads[index]);
            moved.came_or_went |= old_data.is_none() != param.data.is_none();
            moved.came_or_went |= old_grad.is_none() != param.grad.is_none();
        }
        let outcome = self.reindex(moved, |params| {
            for (param, before) in params[ids].iter_mut().zip(before) {
                (param.data, param.grad) = before;
            }
        });
        self.stepping_mut().forget_counts();
        outcome
    }

    /// The parameters of so many ids.
    fn known_ids(&self, first: u32, count: u64) -> Result<Range<usize>> {
        let end = (first as u64).checked_add(count).filter(|end| *end <= self.params.len() as u64);
        let end = end.ok_or_else(|| {
            error!(
                InvalidArgument,
                "first_param is {first} and count is {count}, but the optimizer has {} parameters; the ids must \
                 be those of parameters",
                self.params.len()
            )
        })?;
        Ok(first as usize..end as usize)
    }

    /// Brings the index up to date, and refuses arrays that overlap: then `undo` puts the old pointers back.
    fn reindex(&mut self, moved: Moved, undo: impl FnOnce(&mut [Param])) -> Result<()> {
        let replaced = match self.index.moved(&self.params, moved) {
            Ok(None) => None,
            Ok(Some(new)) => Some(self.index.replace_arrays(new)),
            Err(error) => {
                undo(&mut self.params);
                return Err(error);
            }
        };
        let Some((array, other)) = self.index.find_overlap(&self.params) else { return Ok(()) };
        let error = self.overlap(array, other);
        undo(&mut self.params);
        match replaced {
            Some(old) => drop(self.index.replace_arrays(old)),
            None => self.index.update(&self.params, moved),
        }
        Err(error)
    }

    #[cold]
    fn overlap(&self, array: Array, overlapped: Overlapped) -> Error {
        let described = |overlapped| Described { params: &self.params, overlapped };
        error!(
            InvalidArgument,
            "data and grads are such that {} would overlap {}; each array needs memory of its own",
            described(Overlapped::Written(array)),
            described(overlapped)
        )
    }
}
