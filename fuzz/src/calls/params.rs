//! Adding groups and parameters.

use super::describe::group_options;
use crate::draw::Draw;
use crate::model::options::{checked, ensure};
use crate::model::register::{Addresses, Spec};
use crate::model::{Contents, Optimizer, Status};
use crate::world::World;
use crate::world::memory::add_library_block;
use radam::ffi::*;
use std::ffi::{CString, c_void};
use std::ptr;

/// So many parameters are enough.
const MANY: usize = 10;

/// The structs that the library gets, and the names that they point to.
fn structs(specs: &[Spec]) -> (Vec<radam_param>, Vec<Option<CString>>) {
    let named = |spec: &Spec| spec.name.clone().map(|name| CString::new(name).unwrap());
    let names: Vec<_> = specs.iter().map(named).collect();
    let point = |(spec, name): (&Spec, &Option<CString>)| {
        let name = name.as_ref().map_or(ptr::null(), |name| name.as_ptr());
        radam_param { name, ..spec.c }
    };
    (specs.iter().zip(&names).map(point).collect(), names)
}

fn specs(
    world: &mut World,
    subject: usize,
    options: &radam_group_options,
    draw: &mut Draw,
) -> Vec<Spec> {
    let has_many = world.subjects[subject].model.living().count() >= MANY;
    let count = if has_many { 0 } else { draw.pick(&[1, 2, 0, 1, 3]) };
    (0..count).map(|_| world.spec(subject, options, draw)).collect()
}

/// Adds parameters in the model, with state where the caller has brought none.
fn add(
    model: &mut Optimizer,
    contents: &mut Contents,
    group: usize,
    specs: &[Spec],
    addresses: Addresses,
) -> Result<u32, Status> {
    let first = model.params.len();
    model.add(group, specs, addresses)?;
    for param in &mut model.params[first..] {
        for (place, array) in param.state.iter_mut().zip(param.kind.arrays(param.len as u64)) {
            let needs = place.is_none() && param.len > 0;
            if let Some((dtype, len)) = array.filter(|_| needs) {
                *place = Some(add_library_block(contents, dtype, len as usize));
            }
        }
    }
    Ok(first as u32)
}

fn is_null(draw: &mut Draw) -> bool {
    draw.chance(40)
}

pub fn add_param_group(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let options = group_options(draw);
    let specs = specs(world, subject, &options, draw);
    add_group_of(world, subject, options, &specs, draw);
}

pub fn add_group_of(
    world: &mut World,
    subject: usize,
    options: radam_group_options,
    specs: &[Spec],
    draw: &mut Draw,
) {
    let (params, _names) = structs(specs);
    let addresses = world.addresses(subject);
    // One thing at a time is wrong, so that there is one right status.
    let (no_options, no_params) = (is_null(draw), checked(options).is_ok() && is_null(draw));
    let mut id = u32::MAX;
    let apply = |model: &mut Optimizer, contents: &mut Contents| {
        if no_options || no_params && !specs.is_empty() {
            return Err(RADAM_ERROR_NULL_POINTER);
        }
        model.groups.push(checked(options)?);
        let group = model.groups.len() - 1;
        add(model, contents, group, specs, addresses)?;
        Ok(group as u32)
    };
    // SAFETY: all arguments are as long as they say, or NULL.
    let call = |handle| unsafe {
        let options = if no_options { ptr::null() } else { &raw const options };
        let list = if no_params { ptr::null() } else { params.as_ptr() };
        radam_add_param_group(handle, options, list, params.len() as u64, &mut id)
    };
    let text = format!("radam_add_param_group({subject}, {options:?}, {params:?})");
    let expected = world.attempt(subject, (draw, text), apply, call);
    world.require(id == expected.unwrap_or(u32::MAX), "another id of the group");
}

pub fn add_params(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let group = world.group_id(subject, draw);
    let Ok(options) = world.subjects[subject].model.group(group).copied() else { return };
    let specs = specs(world, subject, &options, draw);
    let (params, _names) = structs(&specs);
    let addresses = world.addresses(subject);
    let mut id = u32::MAX;
    let is_unknown = draw.chance(30);
    let group = if is_unknown { 77 } else { group };
    let apply = |model: &mut Optimizer, contents: &mut Contents| {
        ensure(!is_unknown || specs.is_empty())?;
        model.group(group)?;
        add(model, contents, group as usize, &specs, addresses)
    };
    // SAFETY: as above.
    let call = |handle| unsafe {
        radam_add_params(handle, group, params.as_ptr(), params.len() as u64, &mut id)
    };
    let text = format!("radam_add_params({subject}, {group}, {params:?})");
    let expected = world.attempt(subject, (draw, text), apply, call);
    world.require(id == expected.unwrap_or(u32::MAX), "another id of the first parameter");
}

pub fn add_param(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let group = world.group_id(subject, draw);
    let Ok(options) = world.subjects[subject].model.group(group).copied() else { return };
    if world.subjects[subject].model.living().count() >= MANY {
        return;
    }
    let mut spec = world.spec(subject, &options, draw);
    let plain = super::describe::filled(radam_param_init);
    (spec.copy, spec.state) = (None, [None; 4]);
    let radam_param { dtype, grad_dtype, data, grad, len, .. } = spec.c;
    spec.c = radam_param { dtype, grad_dtype, data, grad, len, ..plain };
    let (params, names) = structs(std::slice::from_ref(&spec));
    let name = names[0].as_ref().map_or(ptr::null(), |name| name.as_ptr());
    let addresses = world.addresses(subject);
    let mut id = u32::MAX;
    let apply = |model: &mut Optimizer, contents: &mut Contents| {
        add(model, contents, group as usize, std::slice::from_ref(&spec), addresses)
    };
    // SAFETY: as above.
    let call = |handle| unsafe {
        let (data, grad): (*mut c_void, *mut c_void) = (data, grad);
        radam_add_param(handle, group, dtype, grad_dtype, data, grad, len, name, &mut id)
    };
    let text = format!("radam_add_param({subject}, {group}, {params:?})");
    let expected = world.attempt(subject, (draw, text), apply, call);
    world.require(id == expected.unwrap_or(u32::MAX), "another id of the parameter");
}
