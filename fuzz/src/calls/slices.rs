//! Steps that their caller cuts into slices.

use super::steps::{Chosen, Reported};
use crate::draw::Draw;
use crate::model::{Contents, Optimizer, Status, StepOptions};
use crate::world::{Open, World};
use radam::ffi::*;

pub fn step_begin(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let chosen = Chosen::draw(world, draw);
    let apply = |model: &mut Optimizer, contents: &mut Contents| {
        let options = chosen.checked()?;
        let options = StepOptions { wants_grads: options.report_norms, ..options };
        let mut after = contents.clone();
        let (report, stepped) = model.step(&mut after, &options)?;
        let takes_part = |model: &Optimizer| {
            model.living().any(|(_, param)| !model.is_released(param) && param.len > 0)
        };
        Ok(Open {
            after,
            report,
            stepped,
            measures: options.measures(),
            waves: 0,
            chunks: Vec::new(),
            is_empty: !takes_part(model),
            is_over: false,
            has_changed: false,
            is_known: true,
        })
    };
    // SAFETY: all arrays are valid and stay where they are until the step ends, here and below.
    let call = |handle| unsafe { radam_step_begin(handle, chosen.pointer()) };
    let text = format!("radam_step_begin({subject}, {})", chosen.text());
    if let Some(open) = world.attempt(subject, (draw, text), apply, call) {
        world.subjects[subject].open = Some(open);
    }
}

/// A call that belongs to the open step, and the statuses that it may have.
fn part_of_step(
    world: &mut World,
    subject: usize,
    text: String,
    allowed: &[Status],
    call: impl FnOnce(*mut radam_optimizer) -> radam_status,
) -> Status {
    let handle = world.subjects[subject].handle;
    let status = world.quietly(|| call(handle));
    world.note(&text, status);
    world.require(allowed.contains(&status), "another status");
    status
}

/// What a call may return that depends on chunks of which it is not known whether they are done.
fn depends(is_known: bool, expected: Status) -> Vec<Status> {
    let either = [RADAM_OK, RADAM_ERROR_INVALID_STATE, RADAM_ERROR_INVALID_ARGUMENT];
    if is_known { vec![expected] } else { either.to_vec() }
}

pub fn step_wave(world: &mut World, draw: &mut Draw) {
    let subject = world.open_subject(draw);
    let is_null = draw.chance(40);
    let allowed = match &world.subjects[subject].open {
        _ if is_null => vec![RADAM_ERROR_NULL_POINTER],
        None => vec![RADAM_ERROR_INVALID_STATE],
        Some(open) if open.is_known && open.chunks.contains(&false) => {
            vec![RADAM_ERROR_INVALID_STATE]
        }
        Some(open) => depends(open.is_known, RADAM_OK),
    };
    let mut chunks = u64::MAX;
    let output = if is_null { std::ptr::null_mut() } else { &raw mut chunks };
    // SAFETY: as above.
    let call = |handle| unsafe { radam_step_wave(handle, output) };
    let text = format!("radam_step_wave({subject})");
    let status = part_of_step(world, subject, text, &allowed, call);
    world
        .require((status == RADAM_OK) == (chunks != u64::MAX), "the output was or was not written");
    let Some(open) = world.subjects[subject].open.as_mut().filter(|_| status == RADAM_OK) else {
        return;
    };
    let first_measures = open.is_known && open.measures && open.waves == 0;
    let is_right = if open.is_empty { chunks == 0 } else { !first_measures || chunks > 0 };
    let was_over = open.is_over;
    open.waves += 1;
    open.chunks = vec![false; chunks as usize];
    open.is_over |= chunks == 0;
    world.require(is_right && (!was_over || chunks == 0), "another number of chunks");
}

pub fn step_chunk(world: &mut World, draw: &mut Draw) {
    let subject = world.open_subject(draw);
    let open = world.subjects[subject].open.as_ref();
    let count = open.map_or(0, |open| open.chunks.len());
    let chunk = draw.pick(&[draw.clone().below(count), draw.clone().below(count), count]) as u64;
    let next = open.and_then(|open| open.chunks.iter().position(|done| !done));
    let chunk = next.filter(|_| draw.chance(2)).map_or(chunk, |next| next as u64);
    let allowed = match open {
        None => vec![RADAM_ERROR_INVALID_STATE],
        Some(open) if open.is_known && open.chunks.is_empty() => vec![RADAM_ERROR_INVALID_STATE],
        Some(open) => match open.chunks.get(chunk as usize) {
            Some(false) => depends(open.is_known, RADAM_OK),
            _ => depends(open.is_known, RADAM_ERROR_INVALID_ARGUMENT),
        },
    };
    // SAFETY: as above.
    let call = |handle| unsafe { radam_step_chunk(handle, chunk) };
    let text = format!("radam_step_chunk({subject}, {chunk})");
    let status = part_of_step(world, subject, text, &allowed, call);
    if let Some(open) = world.subjects[subject].open.as_mut().filter(|_| status == RADAM_OK) {
        open.has_changed |= !(open.measures && open.waves == 1);
        if let Some(done) = open.chunks.get_mut(chunk as usize) {
            *done = true;
        }
    }
}

pub fn step_for(world: &mut World, draw: &mut Draw) {
    let subject = world.open_subject(draw);
    let budget = draw.pick(&[u64::MAX, 0, 1, 50_000, u64::MAX]);
    let mut left = u64::MAX;
    let expected =
        if world.subjects[subject].open.is_some() { RADAM_OK } else { RADAM_ERROR_INVALID_STATE };
    // SAFETY: as above.
    let call = |handle| unsafe { radam_step_for(handle, budget, &mut left) };
    let text = format!("radam_step_for({subject}, {budget})");
    let status = part_of_step(world, subject, text, &[expected], call);
    world.require((status == RADAM_OK) == (left != u64::MAX), "the output was or was not written");
    let Some(open) = world.subjects[subject].open.as_mut().filter(|_| status == RADAM_OK) else {
        return;
    };
    if budget > 0 {
        (open.is_known, open.chunks) = (false, Vec::new());
    }
    open.is_over |= left == 0;
    let is_right = budget != u64::MAX || left == 0;
    world.require(is_right, "chunks are left after all the time that there is");
}

pub fn step_end(world: &mut World, draw: &mut Draw) {
    let subject = world.open_subject(draw);
    let mut report = Reported::draw(draw);
    let checked = report.check();
    let allowed = match &world.subjects[subject].open {
        _ if checked.is_err() => vec![RADAM_ERROR_INVALID_ARGUMENT],
        None => vec![RADAM_ERROR_INVALID_STATE],
        Some(open) if open.is_over || open.is_empty => vec![RADAM_OK],
        // There may be no further wave, although it was not asked for; the comparison will tell.
        Some(open) if open.is_known && !open.chunks.contains(&false) => {
            vec![RADAM_OK, RADAM_ERROR_INVALID_STATE]
        }
        Some(open) => depends(open.is_known, RADAM_ERROR_INVALID_STATE),
    };
    let pointer = report.pointer();
    // SAFETY: the report is as long as it says.
    let call = |handle| unsafe { radam_step_end(handle, pointer) };
    let status = part_of_step(world, subject, format!("radam_step_end({subject})"), &allowed, call);
    if status != RADAM_OK {
        return report.compare(world, None, 0..=0);
    }
    let Some(open) = world.subjects[subject].open.take() else { return };
    let model = &mut world.subjects[subject].model;
    model.count_steps(&open.stepped);
    let all = model.living().filter(|(_, param)| !model.is_released(param));
    for array in all.flat_map(|(_, param)| param.arrays()) {
        let bytes = open.after.bytes(array).to_vec();
        world.memory.contents.bytes_mut(array).copy_from_slice(&bytes);
    }
    report.compare(world, Some(&open.report), 0..=0);
}

pub fn step_abort(world: &mut World, draw: &mut Draw) {
    let subject = world.open_subject(draw);
    let allowed = match &world.subjects[subject].open {
        None => vec![RADAM_ERROR_INVALID_STATE],
        Some(open) if open.has_changed => vec![RADAM_ERROR_INVALID_STATE],
        Some(open) => depends(open.is_known, RADAM_OK),
    };
    let call = |handle| radam_step_abort(handle);
    let text = format!("radam_step_abort({subject})");
    if part_of_step(world, subject, text, &allowed, call) == RADAM_OK {
        world.subjects[subject].open = None;
    }
}

/// Goes through all of a step, so that one is often seen from end to end.
pub fn whole_sliced_step(world: &mut World, draw: &mut Draw) {
    let first = draw.clone().byte();
    step_begin(world, draw);
    for _ in 0..40 {
        step_wave(world, &mut Draw::new(&[first]));
        let subject = world.open_subject(&mut Draw::new(&[first]));
        let open = world.subjects[subject].open.as_ref();
        let count = open.map_or(0, |open| open.chunks.len());
        if count == 0 {
            break;
        }
        (0..count).for_each(|_| step_chunk(world, &mut Draw::new(&[first, 0, 1])));
    }
    step_end(world, &mut Draw::new(&[first, 1]));
}
