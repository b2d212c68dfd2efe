//! Moving arrays, and writing into them between calls.

use crate::draw::Draw;
use crate::model::options::ensure;
use crate::model::register::{DATA, GRAD, range_of};
use crate::model::{Array, Contents, Optimizer, Status};
use crate::world::World;
use radam::ffi::*;
use std::ffi::c_void;
use std::ptr;

/// Writes new numbers into an array of a parameter, most often a gradient.
pub fn fill(world: &mut World, draw: &mut Draw) {
    let index = world.subject(draw);
    let subject = &world.subjects[index];
    let id = world.param_id(index, draw);
    if subject.open.is_some() {
        return;
    }
    let Ok(param) = subject.model.param(id) else { return };
    let [exp_avg, exp_avg_sq, third, scale] = param.state;
    let third = if scale.is_some() && draw.clone().byte() >= 128 { scale } else { third };
    let (grad, data) = (param.grad, param.data);
    let array = draw.pick(&[grad, grad, grad, grad, data, exp_avg, exp_avg_sq, third]);
    if let Some(array) = array {
        world.fill(array, draw);
        world.trace.push(format!("fill(parameter {id} of {index}, {array:?})"));
    }
}

/// A new place for an array, or none, or one that is wrong: then the pointer is all that there is of it.
fn new_place(
    world: &mut World,
    subject: usize,
    id: u32,
    (is_grad, may_overlap): (bool, bool),
    draw: &mut Draw,
) -> (Option<Array>, *mut c_void) {
    let params = &world.subjects[subject].model.params;
    let (dtype, len) =
        world.subjects[subject].model.param(id).map_or((crate::model::Dtype::F64, 1), |param| {
            (if is_grad { param.grad_dtype } else { param.dtype }, param.len)
        });
    let others = params.iter().enumerate().filter(|(other, _)| *other != id as usize);
    let mut others = others.filter_map(|(_, param)| param.data).filter(|array| array.len > 0);
    let other = world.memory.pointer(others.next_back().filter(|_| may_overlap));
    let array = match draw.below(12) {
        0..8 if is_grad => Some(world.new_grad(subject, dtype, len, draw)),
        0..8 => Some(world.new_array(dtype, len, draw)),
        8 | 9 => None,
        10 if len > 0 && !other.is_null() => return (None, other.cast()),
        _ => return (None, ptr::without_provenance_mut(0x1001)),
    };
    (array, world.memory.pointer(array).cast())
}

pub fn set_data(world: &mut World, draw: &mut Draw) {
    set_one(world, draw, false);
}

pub fn set_grad(world: &mut World, draw: &mut Draw) {
    set_one(world, draw, true);
}

fn set_one(world: &mut World, draw: &mut Draw, is_grad: bool) {
    let subject = world.subject(draw);
    let id = world.param_id(subject, draw);
    let (array, pointer) = new_place(world, subject, id, (is_grad, true), draw);
    let addresses = world.addresses(subject);
    let own = world.subjects[subject].model.param(id).ok().and_then(|param| param.data);
    let own = world.memory.pointer(own).cast::<c_void>();
    let apply = |model: &mut Optimizer, _: &mut Contents| {
        let param = model.param_mut(id)?;
        if own == pointer && !is_grad {
            return Ok(()); // where it is already
        }
        let dtype = if is_grad { param.grad_dtype } else { param.dtype };
        let kind = if is_grad { GRAD } else { DATA };
        let range = range_of(pointer.addr(), dtype, param.len as u64)?;
        addresses.clone().put((id as usize, kind), range)?;
        *(if is_grad { &mut param.grad } else { &mut param.data }) = array;
        Ok(())
    };
    // SAFETY: the pointer is NULL, wrong, or of an array of the parameter's length.
    let call = |handle| unsafe {
        if is_grad {
            radam_set_grad(handle, id, pointer)
        } else {
            radam_set_data(handle, id, pointer)
        }
    };
    let name = if is_grad { "radam_set_grad" } else { "radam_set_data" };
    world.attempt(subject, (draw, format!("{name}({subject}, {id}, {pointer:?})")), apply, call);
}

type Places = Vec<(Option<Array>, *mut c_void)>;

/// Moves the arrays of several parameters, or swaps them.
pub fn set_tensors(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let first = world.param_id(subject, draw);
    let known = world.subjects[subject].model.params.len();
    let count = draw.below(4).min(known.saturating_sub(first as usize));
    let swaps = draw.chance(3);
    let (moves_data, moves_grads) =
        draw.pick(&[(true, true), (true, false), (false, true), (false, false)]);
    let mut places = |is_grad: bool, draw: &mut Draw| -> Places {
        let mut places: Places = (first..first + count as u32)
            .map(|id| match swaps {
                false => new_place(world, subject, id, (is_grad, false), draw),
                true => {
                    let param = &world.subjects[subject].model.params[id as usize];
                    let array = if is_grad { param.grad } else { param.data };
                    (array, world.memory.pointer(array).cast())
                }
            })
            .collect();
        let kind = |id: usize| {
            let param = &world.subjects[subject].model.params[id];
            (if is_grad { param.grad_dtype } else { param.dtype }, param.len)
        };
        let first = first as usize;
        if swaps && (1..count).all(|index| kind(first + index) == kind(first)) {
            places.reverse();
        }
        places
    };
    let (mut data, grads) = (places(false, draw), places(true, draw));
    let params = world.subjects[subject].model.params.iter().skip(first as usize);
    let has_elements = params.take(2).all(|param| param.len > 0);
    if count > 1 && draw.chance(4) && has_elements && !data[0].1.is_null() {
        data[1] = data[0]; // two parameters in one place
    }
    let more = if draw.chance(20) { known as u64 + 1 } else { 0 };
    let count = count as u64 + more;
    let addresses = world.addresses(subject);
    let apply = |model: &mut Optimizer, _: &mut Contents| {
        ensure((first as u64 + count) <= model.params.len() as u64)?;
        let mut addresses = addresses;
        let ids = first..first + count as u32;
        for kind in [DATA, GRAD] {
            if if kind == DATA { moves_data } else { moves_grads } {
                ids.clone().for_each(|id| addresses.forget((id as usize, kind)));
            }
        }
        for (index, id) in ids.enumerate() {
            let param = model.param_mut(id)?;
            let mut put =
                |kind, place: &(Option<Array>, *mut c_void), dtype| -> Result<_, Status> {
                    let range = range_of(place.1.addr(), dtype, param.len as u64)?;
                    addresses.put((id as usize, kind), range)?;
                    Ok(place.0)
                };
            if moves_data {
                param.data = put(DATA, &data[index], param.dtype)?;
            }
            if moves_grads {
                param.grad = put(GRAD, &grads[index], param.grad_dtype)?;
            }
        }
        Ok(())
    };
    let pointers = |places: &Places, are_there: bool| -> Vec<*mut c_void> {
        let padding = vec![ptr::null_mut(); if are_there { more as usize } else { 0 }];
        places.iter().map(|place| place.1).chain(padding).collect()
    };
    let lists = (pointers(&data, moves_data), pointers(&grads, moves_grads));
    // SAFETY: the lists have as many pointers.
    let call = |handle| unsafe {
        let data = if moves_data { lists.0.as_ptr() } else { ptr::null() };
        let grads = if moves_grads { lists.1.as_ptr() } else { ptr::null() };
        radam_set_tensors(handle, first, count, data, grads)
    };
    let text = format!(
        "radam_set_tensors({subject}, {first}, {count}, {lists:?}, {moves_data}, {moves_grads})"
    );
    world.attempt(subject, (draw, text), apply, call);
}
