//! Freezing, removing and resetting.

use crate::draw::Draw;
use crate::model::options::ensure;
use crate::model::{Contents, Optimizer};
use crate::world::World;
use radam::ffi::*;

pub fn set_frozen(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let id = world.param_id(subject, draw);
    let frozen = draw.pick(&[RADAM_ON, RADAM_OFF, RADAM_OFF, RADAM_AUTO, -1]);
    let apply = |model: &mut Optimizer, _: &mut Contents| {
        let param = model.param_mut(id)?;
        ensure(frozen >= 0)?;
        param.frozen = frozen == RADAM_ON;
        Ok(())
    };
    let call = |handle| radam_set_frozen(handle, id, frozen);
    let text = format!("radam_set_frozen({subject}, {id}, {frozen})");
    world.attempt(subject, (draw, text), apply, call);
}

pub fn remove_param(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let id = world.param_id(subject, draw);
    let apply = |model: &mut Optimizer, _: &mut Contents| model.remove(id);
    let call = |handle| radam_remove_param(handle, id);
    world.attempt(subject, (draw, format!("radam_remove_param({subject}, {id})")), apply, call);
}

pub fn reset_state(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let id = if draw.chance(4) { u32::MAX } else { world.param_id(subject, draw) };
    let apply = |model: &mut Optimizer, contents: &mut Contents| {
        model.reset((id != u32::MAX).then_some(id), contents)
    };
    // SAFETY: arrays of the caller's are valid.
    let call = |handle| unsafe { radam_reset_state(handle, id) };
    world.attempt(subject, (draw, format!("radam_reset_state({subject}, {id})")), apply, call);
}

pub fn set_step_count(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let id = world.param_id(subject, draw);
    let steps =
        draw.pick(&[5, 0, 4, 6, 100, 3, 1000, 100_000, 1 << 40, u64::MAX - 1, u64::MAX, 10, 20]);
    let apply = |model: &mut Optimizer, _: &mut Contents| {
        model.param_mut(id)?.steps = steps;
        Ok(())
    };
    let call = |handle| radam_set_step_count(handle, id, steps);
    let text = format!("radam_set_step_count({subject}, {id}, {steps})");
    world.attempt(subject, (draw, text), apply, call);
}
