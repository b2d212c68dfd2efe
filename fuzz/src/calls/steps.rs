//! Steps at once: of all parameters, and of one.

use super::describe::filled;
use crate::draw::Draw;
use crate::model::options::{self, ensure};
use crate::model::register::{DATA, GRAD, range_of};
use crate::model::{Array, Contents, Optimizer, Report, Status, StepOptions, Sums};
use crate::world::World;
use radam::ffi::*;
use std::ffi::c_void;
use std::ptr;

/// The options of a step as the library gets them: by a pointer, which may be NULL.
pub struct Chosen {
    options: Option<Box<radam_step_options>>,
    sums: Option<Box<radam_grad_sums>>,
}

impl Chosen {
    pub fn draw(world: &World, draw: &mut Draw) -> Self {
        if draw.chance(6) {
            return Self { options: None, sums: None };
        }
        let mut options = filled(radam_step_options_init);
        let toggles = [RADAM_AUTO, RADAM_ON, RADAM_OFF];
        options.skip_nonfinite = draw.pick(&toggles);
        options.zero_grad = draw.pick(&toggles);
        options.report_norms = draw.pick(&toggles);
        options.grad_scale = draw.pick(&[1.0, 1.0, 0.5, 1.0 / 1024.0, 1e-30, 3.0, 1e300]);
        options.max_grad_norm = draw.pick(&[0.0, 1.0, 0.0, 1e-3, 1e3, 1e-300]);
        options.max_grad_value = draw.pick(&[0.0, 0.0, 0.5, 1e-3, 1e-50, 1e300]);
        let mut sums = draw.chance(6).then(|| Box::new(world.sums.0));
        match draw.below(60) {
            59 => options.grad_scale = draw.pick(&[0.0, -1.0, f64::NAN, f64::INFINITY]),
            58 => options.max_grad_norm = draw.pick(&[-1.0, f64::NAN, f64::INFINITY]),
            57 => options.max_grad_value = draw.pick(&[-1.0, f64::NAN, f64::INFINITY]),
            56 => options.skip_nonfinite = 3,
            55 => options.struct_size = 8,
            54 => spoil(sums.get_or_insert_with(|| Box::new(world.sums.0)), draw),
            _ => {}
        }
        options.grad_sums = sums.as_deref().map_or(ptr::null(), ptr::from_ref);
        Self { options: Some(Box::new(options)), sums }
    }

    pub fn pointer(&self) -> *const radam_step_options {
        self.options.as_deref().map_or(ptr::null(), ptr::from_ref)
    }

    pub fn checked(&self) -> Result<StepOptions, Status> {
        match &self.options {
            None => Ok(StepOptions::PLAIN),
            Some(options) => options::step(options, self.sums.as_deref()),
        }
    }

    pub fn text(&self) -> String {
        let sums = self.sums.as_ref().map(|sums| Sums::from_words(&sums.words));
        format!("{:?} {sums:?}", self.options)
    }
}

pub fn spoil(sums: &mut radam_grad_sums, draw: &mut Draw) {
    match draw.below(4) {
        0 => sums.reserved = 1,
        1 => sums.struct_size = 4,
        2 => sums.words[71] = 1,
        _ => sums.words[draw.below(72)] = -1,
    }
}

/// A report as the library gets it, or NULL.
pub struct Reported(Option<Box<radam_step_report>>);

impl Reported {
    pub fn draw(draw: &mut Draw) -> Self {
        let mut report = draw.chance(2).then(|| Box::new(filled(radam_step_report_init)));
        if let Some(report) = report.as_mut().filter(|_| draw.chance(40)) {
            report.struct_size = 16;
        }
        Self(report)
    }

    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }

    pub fn pointer(&mut self) -> *mut radam_step_report {
        self.0.as_deref_mut().map_or(ptr::null_mut(), ptr::from_mut)
    }

    pub fn check(&self) -> Result<(), Status> {
        ensure(self.0.as_ref().is_none_or(|report| report.struct_size > 16))
    }

    /// Compares it with what the model has, or finds it untouched.
    pub fn compare(
        &self,
        world: &mut World,
        expected: Option<&Report>,
        threads: std::ops::RangeInclusive<u32>,
    ) {
        let Some(report) = &self.0 else { return };
        let untouched = filled(radam_step_report_init);
        let expected = match expected {
            None => radam_step_report { struct_size: report.struct_size, ..untouched },
            Some(expected) => {
                world.require(threads.contains(&report.threads), "impossible number of threads");
                radam_step_report {
                    skipped: expected.skipped.into(),
                    nonfinite: expected.nonfinite,
                    grad_norm: expected.grad_norm,
                    clip_coefficient: expected.clip_coefficient,
                    update_norm: expected.update_norm,
                    param_norm: expected.param_norm,
                    params_stepped: expected.params_stepped,
                    threads: report.threads,
                    ..untouched
                }
            }
        };
        // As text, in which NaNs are equal and other numbers are not unless their bits are.
        let (found, expected) = (format!("{report:?}"), format!("{expected:?}"));
        if found != expected {
            world.fail(&format!("the report is {found}; the model has {expected}"));
        }
    }
}

fn threads(world: &World, subject: usize) -> std::ops::RangeInclusive<u32> {
    if world.subjects[subject].options.num_threads == 1 { 1..=1 } else { 1..=1024 }
}

pub fn step(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let apply = |model: &mut Optimizer, contents: &mut Contents| {
        let (_, stepped) = model.step(contents, &StepOptions::PLAIN)?;
        model.count_steps(&stepped);
        Ok(())
    };
    // SAFETY: all registered arrays are valid, here and below.
    let call = |handle| unsafe { radam_step(handle) };
    world.attempt(subject, (draw, format!("radam_step({subject})")), apply, call);
}

pub fn step_with(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let chosen = Chosen::draw(world, draw);
    let mut report = Reported::draw(draw);
    let (checked, wants_grads) = (report.check(), report.is_some());
    let apply = |model: &mut Optimizer, contents: &mut Contents| {
        checked?;
        let options = StepOptions { wants_grads, ..chosen.checked()? };
        let (report, stepped) = model.step(contents, &options)?;
        model.count_steps(&stepped);
        Ok(report)
    };
    let pointer = report.pointer();
    // SAFETY: the options and the report are as long as they say.
    let call = |handle| unsafe { radam_step_with(handle, chosen.pointer(), pointer) };
    let text = format!("radam_step_with({subject}, {}, {pointer:?})", chosen.text());
    let outcome = world.attempt(subject, (draw, text), apply, call);
    report.compare(world, outcome.as_ref(), threads(world, subject));
}

pub fn zero_grad(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let apply = |model: &mut Optimizer, contents: &mut Contents| {
        model.zero_grad(contents);
        Ok(())
    };
    // SAFETY: as above.
    let call = |handle| unsafe { radam_zero_grad(handle) };
    world.attempt(subject, (draw, format!("radam_zero_grad({subject})")), apply, call);
}

/// Adds to the sums that the world keeps.
pub fn measure(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let (mut sums, known) = world.sums.clone();
    if draw.chance(10) {
        spoil(&mut sums, draw);
    }
    let before = sums;
    let apply = |model: &mut Optimizer, contents: &mut Contents| {
        options::sums(&before)?;
        model.measure(contents)
    };
    // SAFETY: as above; the sums are as long as they say.
    let call = |handle| unsafe { radam_measure(handle, &mut sums) };
    let outcome = world.attempt(subject, (draw, format!("radam_measure({subject})")), apply, call);
    compare_sums(world, sums, before, known, outcome);
}

/// Compares sums after a call that was to add `found`.
pub fn compare_sums(
    world: &mut World,
    sums: radam_grad_sums,
    before: radam_grad_sums,
    mut known: Sums,
    found: Option<Sums>,
) {
    let Some(found) = found else {
        let same = sums.words == before.words;
        return world.require(same, "the sums of a failed call were written");
    };
    known.add_sums(&found);
    if sums.words != known.words() {
        world.fail(&format!("the words are {:?}; the model has {:?}", sums.words, known.words()));
    }
    world.sums = (sums, known);
}

pub fn step_param(world: &mut World, draw: &mut Draw) {
    step_one(world, draw, false);
}

pub fn step_tensor(world: &mut World, draw: &mut Draw) {
    step_one(world, draw, true);
}

/// The arrays of a step of one parameter.
struct Lent {
    data: Option<Array>,
    grad: Option<Array>,
    data_pointer: *mut c_void,
    grad_pointer: *mut c_void,
}

impl Lent {
    fn draw(world: &mut World, subject: usize, id: u32, draw: &mut Draw) -> Self {
        let model = &world.subjects[subject].model;
        let Ok(param) = model.param(id).cloned() else {
            let null = ptr::null_mut();
            return Self { data: None, grad: None, data_pointer: null, grad_pointer: null };
        };
        let is_open = world.subjects[subject].open.is_some();
        let registered = param.grad.filter(|_| !is_open && draw.chance(2));
        let grad = registered.unwrap_or_else(|| world.new_array(param.grad_dtype, param.len, draw));
        let lends_data = draw.chance(2);
        let data = lends_data.then(|| world.new_array(param.dtype, param.len, draw));
        let mut lent = Self {
            data,
            grad: Some(grad),
            data_pointer: world.memory.pointer(data).cast(),
            grad_pointer: world.memory.pointer(Some(grad)).cast(),
        };
        match draw.below(24) {
            23 => lent.grad_pointer = ptr::null_mut(),
            22 => lent.grad_pointer = lent.grad_pointer.wrapping_byte_add(1),
            21 if param.len > 0 => lent.data_pointer = lent.grad_pointer,
            20 if param.len > 0 && param.data.is_some() => {
                lent.grad_pointer = world.memory.pointer(param.data).cast();
            }
            _ => {}
        }
        if lent.grad_pointer.is_null() {
            lent.grad = None;
        }
        lent
    }
}

fn step_one(world: &mut World, draw: &mut Draw, has_options: bool) {
    let subject = world.subject(draw);
    let id = world.param_id_with(subject, draw, Optimizer::is_released);
    let mut lent = Lent::draw(world, subject, id, draw);
    let (chosen, mut report) = match has_options {
        true => (Chosen::draw(world, draw), Reported::draw(draw)),
        false => {
            (lent.data, lent.data_pointer) = (None, ptr::null_mut());
            (Chosen { options: None, sums: None }, Reported(None))
        }
    };
    let addresses = world.addresses(subject);
    let registered = world.subjects[subject].model.param(id).ok().and_then(|param| param.data);
    let registered_pointer = world.memory.pointer(registered).cast::<c_void>();
    let (checked, wants_grads) = (report.check(), report.is_some());
    let apply = |model: &mut Optimizer, contents: &mut Contents| {
        checked?;
        let options = StepOptions { wants_grads, ..chosen.checked()? };
        let param = model.param(id)?.clone();
        if !model.is_released(&param) {
            return Err(RADAM_ERROR_INVALID_STATE);
        }
        ensure(options.max_grad_norm == 0.0 || options.measured.is_some())?;
        let len = param.len as u64;
        let grad_range = range_of(lent.grad_pointer.addr(), param.grad_dtype, len)?;
        let data_range = range_of(lent.data_pointer.addr(), param.dtype, len)?;
        if lent.grad_pointer.is_null() && len > 0 {
            return Err(RADAM_ERROR_NULL_POINTER);
        }
        let mut apart = addresses;
        apart.forget((id as usize, GRAD));
        apart.put((usize::MAX, GRAD), grad_range.clone())?;
        let data = if lent.data_pointer.is_null() || lent.data_pointer == registered_pointer {
            if !param.has_place() && !param.frozen {
                return Err(RADAM_ERROR_INVALID_STATE);
            }
            registered
        } else {
            apart.put((id as usize, DATA), data_range)?;
            lent.data
        };
        Ok(model.step_tensor(id as usize, data, lent.grad, contents, &options))
    };
    let pointer = report.pointer();
    let (data, grad) = (lent.data_pointer, lent.grad_pointer);
    // SAFETY: as above; the lent arrays have the parameter's length, or are refused.
    let call = |handle| unsafe {
        match has_options {
            true => radam_step_tensor(handle, id, data, grad, chosen.pointer(), pointer),
            false => radam_step_param(handle, id, grad),
        }
    };
    let name = if has_options { "radam_step_tensor" } else { "radam_step_param" };
    let text =
        format!("{name}({subject}, {id}, {data:?}, {grad:?}, {}, {pointer:?})", chosen.text());
    let outcome = world.attempt_in_step(subject, (draw, text), apply, call);
    report.compare(world, outcome.as_ref(), threads(world, subject));
}
