//! Changing options.

use super::describe::{change_options, lr, weight_decay};
use crate::draw::Draw;
use crate::model::options::ensure;
use crate::model::{Contents, Optimizer};
use crate::world::World;
use crate::world::memory::add_library_block;
use radam::ffi::*;

pub fn set_lr(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let (group, lr) = (world.group_id(subject, draw), lr(draw));
    let apply = |model: &mut Optimizer, _: &mut Contents| model.set_lr(group, lr);
    let call = |handle| radam_set_lr(handle, group, lr);
    world.attempt(subject, (draw, format!("radam_set_lr({subject}, {group}, {lr})")), apply, call);
}

pub fn set_weight_decay(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let (group, decay) = (world.group_id(subject, draw), weight_decay(draw));
    let apply = |model: &mut Optimizer, _: &mut Contents| model.set_weight_decay(group, decay);
    let call = |handle| radam_set_weight_decay(handle, group, decay);
    let text = format!("radam_set_weight_decay({subject}, {group}, {decay})");
    world.attempt(subject, (draw, text), apply, call);
}

pub fn set_group_options(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let group = world.group_id(subject, draw);
    let mut options = match world.subjects[subject].model.group(group) {
        Ok(options) => *options,
        Err(_) => super::describe::group_options(draw),
    };
    change_options(&mut options, draw);
    let apply = |model: &mut Optimizer, contents: &mut Contents| {
        model.set_options(group, options, contents, &mut add_library_block)
    };
    // SAFETY: the options are as long as they say, or shorter.
    let call = |handle| unsafe { radam_set_group_options(handle, group, &options) };
    let text = format!("radam_set_group_options({subject}, {group}, {options:?})");
    world.attempt(subject, (draw, text), apply, call);
}

pub fn set_optimizer_accumulation(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let on = draw.pick(&[RADAM_OFF, RADAM_ON, RADAM_AUTO, RADAM_OFF, 3]);
    let apply = |model: &mut Optimizer, _: &mut Contents| {
        ensure(on != 3)?;
        model.accumulation = on;
        Ok(())
    };
    let call = |handle| radam_set_optimizer_accumulation(handle, on);
    let text = format!("radam_set_optimizer_accumulation({subject}, {on})");
    world.attempt(subject, (draw, text), apply, call);
}
