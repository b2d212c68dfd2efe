//! Which arrays and names of new parameters are right.

use super::number::Dtype;
use super::optimizer::{Optimizer, name_of};
use super::options::{Compensation, ensure, state_kind};
use super::{Array, Param, Status};
use radam::ffi::*;
use std::ops::Range;

/// A parameter that the caller wants to add: the struct, and which arrays its pointers stand for.
#[derive(Clone)]
pub struct Spec {
    pub c: radam_param,
    pub name: Option<Vec<u8>>,
    pub data: Option<Array>,
    pub grad: Option<Array>,
    pub copy: Option<Array>,
    pub state: [Option<Array>; 4],
}

/// The addresses of the arrays that an optimizer knows.
#[derive(Clone, Default)]
pub struct Addresses {
    /// Which steps write.
    pub written: Vec<(Key, Range<usize>)>,
    pub grads: Vec<(Key, Range<usize>)>,
}

/// An array of a parameter: 0 the gradient, 1 the elements, and others.
pub type Key = (usize, u8);

pub const GRAD: u8 = 0;
pub const DATA: u8 = 1;

impl Addresses {
    pub fn forget(&mut self, key: Key) {
        self.written.retain(|(other, _)| *other != key);
        self.grads.retain(|(other, _)| *other != key);
    }

    /// Adds an array of new addresses, which no other may have.
    pub fn put(&mut self, key: Key, range: Range<usize>) -> Result<(), Status> {
        let is_grad = key.1 == GRAD;
        self.forget(key);
        let is_apart = |list: &[(Key, Range<usize>)]| {
            list.iter().all(|(_, other)| range.start >= other.end || other.start >= range.end)
        };
        let apart =
            range.is_empty() || is_apart(&self.written) && (is_grad || is_apart(&self.grads));
        ensure(apart)?;
        if !range.is_empty() {
            let list = if is_grad { &mut self.grads } else { &mut self.written };
            list.push((key, range));
        }
        Ok(())
    }
}

/// The addresses of an array; it must be possible that it is there.
pub fn range_of(pointer: usize, dtype: Dtype, len: u64) -> Result<Range<usize>, Status> {
    let bytes = usize::try_from(len).ok().and_then(|len| len.checked_mul(dtype.size()));
    let bytes = bytes.filter(|bytes| *bytes <= isize::MAX as usize);
    let end = bytes.and_then(|bytes| pointer.checked_add(bytes));
    let end = end.ok_or(RADAM_ERROR_INVALID_ARGUMENT)?;
    ensure(pointer.is_multiple_of(dtype.size()))?;
    Ok(if pointer == 0 { 0..0 } else { pointer..end })
}

impl Optimizer {
    /// Adds parameters to a group: all, or none on an error. `addresses` are those of the arrays known before.
    pub fn add(
        &mut self,
        group: usize,
        specs: &[Spec],
        mut addresses: Addresses,
    ) -> Result<(), Status> {
        let mut new = Vec::new();
        for spec in specs {
            new.push(param(spec, group, &self.groups[group])?);
        }
        let mut names: Vec<_> = self.living().map(|(id, _)| self.name(id)).collect();
        for (index, param) in new.iter().enumerate() {
            let name = name_of(&param.name, self.params.len() + index);
            ensure(!names.contains(&name))?;
            names.push(name);
        }
        for is_grad in [false, true] {
            for (index, (spec, param)) in specs.iter().zip(&new).enumerate() {
                let id = self.params.len() + index;
                for (kind, range) in ranges(&spec.c, param)? {
                    if (kind == GRAD) == is_grad {
                        addresses.put((id, kind), range)?;
                    }
                }
            }
        }
        self.params.append(&mut new);
        Ok(())
    }
}

/// The addresses of all arrays of a new parameter.
fn ranges(c: &radam_param, param: &Param) -> Result<Vec<(u8, Range<usize>)>, Status> {
    let own = |dtype| Some((dtype, c.len));
    let [first, second, third, scale] = param.kind.arrays(c.len);
    let arrays = [
        (c.grad, own(param.grad_dtype)),
        (c.data, own(param.dtype)),
        (c.copy, own(param.copy_dtype)),
        (c.exp_avg, first),
        (c.exp_avg_sq, second),
        (c.kahan_comp, third),
        (c.state_scale, scale),
    ];
    let known =
        (0..).zip(arrays).filter_map(|(kind, (pointer, array))| Some((kind, pointer, array?)));
    known
        .map(|(kind, pointer, (dtype, len))| Ok((kind, range_of(pointer.addr(), dtype, len)?)))
        .collect()
}

fn param(spec: &Spec, group: usize, options: &radam_group_options) -> Result<Param, Status> {
    let c = &spec.c;
    ensure(c.struct_size as usize == size_of::<radam_param>())?;
    let dtype = Dtype::of(c.dtype)?;
    let copy_dtype = Dtype::or(c.copy_dtype, Dtype::Bf16)?;
    let name = spec.name.clone().map(String::from_utf8).transpose();
    let name = name.map_err(|_| RADAM_ERROR_INVALID_ARGUMENT)?;
    ensure(name.as_deref() != Some(""))?;
    let slice = (c.tensor_offset, c.tensor_len);
    let slice = (slice != (0, 0)).then_some(slice);
    if let Some((offset, total)) = slice {
        ensure(offset.checked_add(c.len).is_some_and(|end| end <= total))?;
    }
    let kind = state_kind(options, dtype, slice.unwrap_or((0, c.len)))?;
    ensure(c.copy.is_null() || !dtype.is_16_bit() && copy_dtype != Dtype::F64)?;
    ensure(c.kahan_comp.is_null() || kind.compensation != Compensation::None)?;
    ensure(c.state_scale.is_null() || kind.coded)?;
    range_of(0, dtype, c.len)?;
    let param = Param {
        group,
        dtype,
        grad_dtype: Dtype::or(c.grad_dtype, dtype)?,
        len: c.len as usize,
        data: spec.data,
        grad: spec.grad,
        copy: spec.copy,
        copy_dtype,
        state: spec.state,
        given: spec.state.map(|array| array.is_some()),
        kind,
        name,
        given_slice: slice,
        steps: 0,
        frozen: false,
        removed: false,
    };
    ranges(c, &param)?;
    Ok(param)
}
