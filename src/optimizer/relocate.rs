//! Telling where the arrays of parameters are from now on.

use super::arrays::{ArrayKind, CallerArray};
use super::index::{Described, Moved, grad_of};
use super::param::{Place, Standing};
use super::spans::Array;
use super::{Known, Optimizer, Param};
use crate::error::{Result, ensure, error, reserve};
use crate::kernel::Dtype;

impl Optimizer {
    /// Tells where the gradient of a parameter is from now on, or that it has none.
    pub fn set_grad(&mut self, id: u32, grad: CallerArray) -> Result<()> {
        let dtype = self.param(id)?.grad_dtype;
        self.relocate(grad_of(id), dtype, grad, |param| &mut param.grad)
    }

    /// Tells where the elements of a parameter are from now on, or that they have no place.
    pub fn set_data(&mut self, id: u32, data: CallerArray) -> Result<()> {
        let dtype = self.param(id)?.dtype;
        self.relocate(Array { id, kind: ArrayKind::Data }, dtype, data, |param| &mut param.data)
    }

    /// Replaces the pointer to an array of a parameter, which is in `field`.
    fn relocate(
        &mut self,
        array: Array,
        dtype: Dtype,
        new: CallerArray,
        field: fn(&mut Param) -> &mut CallerArray,
    ) -> Result<()> {
        let id = array.id as usize;
        let param = &mut self.params[id];
        let (len, old_range, old) = (param.len(), param.range_of(array.kind), *field(param));
        let (name, known) = (array.kind.name(), &mut Known::default());
        self.check_array(Place(None), &name, new, dtype, len as u64, known)?;
        if old == new {
            return Ok(());
        }
        let range = new.range(len * dtype.size());
        self.index.check_is_apart(&self.params, Place(None), array, &range)?;
        *field(&mut self.params[id]) = new;
        if let Err(error) = self.index.add_array(&self.params, array) {
            *field(&mut self.params[id]) = old;
            return Err(error);
        }
        self.index.remove_array(array, old_range);
        self.moved(array.id..array.id + 1);
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
        let params = self.params.len();
        ensure!(
            (first as u64).checked_add(count).is_some_and(|end| end <= params as u64),
            InvalidArgument,
            "first_param is {first} and count is {count}, but the optimizer has {params} parameters; the ids must \
             be those of parameters"
        );
        let ids = first as usize..first as usize + count as usize;
        let mut known = Known::default();
        for (index, param) in self.params[ids.clone()].iter().enumerate() {
            let (place, len) = (Place(None), param.len() as u64);
            ensure!(
                param.standing != Standing::Removed,
                InvalidArgument,
                "first_param is {first} and count is {count}, but param {} was removed; ids are not given twice",
                ids.start + index
            );
            if let Some(data) = data {
                self.check_array(
                    place,
                    &format_args!("data[{index}]"),
                    data[index],
                    param.dtype,
                    len,
                    &mut known,
                )?;
            }
            if let Some(grads) = grads {
                self.check_array(
                    place,
                    &format_args!("grads[{index}]"),
                    grads[index],
                    param.grad_dtype,
                    len,
                    &mut known,
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
        self.moved(first..first + count as u32);
        outcome
    }

    /// Brings the index up to date, and refuses arrays that overlap: then `undo` puts the old pointers back.
    fn reindex(&mut self, moved: Moved, undo: impl FnOnce(&mut [Param])) -> Result<()> {
        let replaced = match self.index.moved(&self.params, moved) {
            Ok(new) => new.map(|new| self.index.replace_arrays(new)),
            Err(error) => {
                undo(&mut self.params);
                return Err(error);
            }
        };
        let Some((array, other)) = self.index.find_overlap(&self.params) else { return Ok(()) };
        let described = |array| Described { params: &self.params, array };
        let error = error!(
            InvalidArgument,
            "data and grads are such that {} would overlap {}; each array needs memory of its own",
            described(array),
            described(other)
        );
        undo(&mut self.params);
        match replaced {
            Some(old) => drop(self.index.replace_arrays(old)),
            None => self.index.update(&self.params, moved),
        }
        Err(error)
    }
}
