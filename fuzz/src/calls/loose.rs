//! Functions without an optimizer, texts, and outputs that are NULL.

use super::describe::group_options;
use super::steps::{compare_sums, spoil};
use crate::draw::Draw;
use crate::model::options::{self, Compensation, Kind, checked, ensure, state_kind};
use crate::model::step::measure;
use crate::model::tensor::Tensor;
use crate::model::{Array, Dtype, Status, Sums};
use crate::world::World;
use radam::ffi::*;
use std::ffi::{CStr, c_void};
use std::ptr;

pub fn update(world: &mut World, draw: &mut Draw) {
    update_with(world, draw, false);
}

pub fn update_q8(world: &mut World, draw: &mut Draw) {
    update_with(world, draw, true);
}

fn update_with(world: &mut World, draw: &mut Draw, coded: bool) {
    let mut options = group_options(draw);
    let dtype = if draw.chance(3) { Dtype::Bf16 } else { draw.pick(&Dtype::ALL) };
    let grad_dtype = if draw.chance(3) { draw.pick(&Dtype::ALL) } else { dtype };
    let state = draw.pick(&[0, 0, 1, dtype.code()]);
    if state != 0 {
        options.state_dtype = state;
    }
    let len = draw.pick(&[5, 1, 0, 16, 33, 100, 1000]);
    let t = draw.pick(&[1, 5, 6, 7, 0, 100, 1000, u64::MAX]);
    let kind = checked(options).and_then(|mut options| {
        match coded {
            true => options.state_dtype = RADAM_DTYPE_Q8,
            false => ensure(options.state_dtype != RADAM_DTYPE_Q8)?,
        }
        Ok((options, state_kind(&options, dtype, (0, u64::MAX))?))
    });
    let none = Kind { dtype, coded, compensation: Compensation::None };
    let arrays = kind.map_or(none, |(_, kind)| kind).arrays(len);
    let mut array = |dtype, len| world.new_array(dtype, len as usize, draw);
    let (data, grad) = (array(dtype, len), array(grad_dtype, len));
    let state = arrays.map(|known| known.map(|(dtype, len)| array(dtype, len)));
    let [exp_avg, exp_avg_sq, third, scale] = state;
    let all = [Some(data), Some(grad), exp_avg, exp_avg_sq, third, scale];
    let mut pointers: [*mut c_void; 6] = all.map(|array| world.memory.pointer(array).cast());
    let known: Vec<_> = (0..6).filter(|index| all[*index].is_some()).collect();
    let mut flawed = Ok(());
    if draw.chance(8) && len > 0 {
        let chosen = draw.below(known.len());
        let (index, next) = (known[chosen], known[(chosen + 1) % known.len()]);
        let has_alignment = all[index].is_some_and(|array| array.dtype.size() > 1);
        (pointers[index], flawed) = match draw.below(3) {
            0 => (ptr::null_mut(), Err(RADAM_ERROR_NULL_POINTER)),
            1 if has_alignment => {
                (pointers[index].wrapping_byte_add(1), Err(RADAM_ERROR_INVALID_ARGUMENT))
            }
            _ => (pointers[next], Err(RADAM_ERROR_INVALID_ARGUMENT)),
        };
    }
    let expected = kind.and_then(|_| ensure(t > 0)).and(flawed);
    let [param, grad_pointer, exp_avg, exp_avg_sq, kahan_comp, scale] = pointers;
    let dtypes = (dtype.code(), grad_dtype.code(), options.state_dtype);
    // SAFETY: the arrays have `len` elements, or one for each block of them, or are refused.
    let call = || unsafe {
        if coded {
            let (exp_avg, exp_avg_sq, scale) = (exp_avg.cast(), exp_avg_sq.cast(), scale.cast());
            radam_update_q8(
                dtypes.0,
                dtypes.1,
                param,
                grad_pointer,
                exp_avg,
                exp_avg_sq,
                scale,
                kahan_comp,
                len,
                &options,
                t,
            )
        } else {
            radam_update(
                dtypes.0,
                dtypes.1,
                dtypes.2,
                param,
                grad_pointer,
                exp_avg,
                exp_avg_sq,
                kahan_comp,
                len,
                &options,
                t,
            )
        }
    };
    let name = if coded { "radam_update_q8" } else { "radam_update" };
    let text = format!("{name}({dtypes:?}, {pointers:?}, {len}, {options:?}, {t})");
    if world.plain(text, expected, call)
        && let Ok((options, kind)) = kind
    {
        let (copy, offset, name) = (None, 0, "param.0");
        let tensor = Tensor { data, grad, state, kind, copy, offset, name };
        tensor.update(&mut world.memory.contents, &options, t);
    }
}

pub fn measure_tensor(world: &mut World, draw: &mut Draw) {
    let dtype = draw.pick(&Dtype::ALL);
    let len = draw.pick(&[5, 0, 1, 31, 32, 33, 1000, 20_000]);
    let grad: Array = world.new_array(dtype, len, draw);
    let (mut sums, known) = world.sums.clone();
    let (mut code, mut pointer) = (dtype.code(), world.memory.pointer(Some(grad)).cast::<c_void>());
    let mut found = Sums::default();
    measure(&world.memory.contents, grad, 0, &mut found);
    let flawed = match draw.below(24) {
        23 => {
            code = draw.pick(&[0, 7]);
            Err(RADAM_ERROR_INVALID_ARGUMENT)
        }
        22 if len > 0 => {
            pointer = ptr::null_mut();
            Err(RADAM_ERROR_NULL_POINTER)
        }
        21 => {
            pointer = pointer.wrapping_byte_add(1);
            Err(RADAM_ERROR_INVALID_ARGUMENT)
        }
        20 => {
            spoil(&mut sums, draw);
            Err(RADAM_ERROR_INVALID_ARGUMENT)
        }
        _ => Ok(()),
    };
    let before = sums;
    // SAFETY: the array has `len` elements, or is refused.
    let call = || unsafe { radam_measure_tensor(code, pointer, len as u64, &mut sums) };
    let text = format!("radam_measure_tensor({code}, {pointer:?}, {len})");
    let succeeded = world.plain(text, flawed, call);
    compare_sums(world, sums, before, known, succeeded.then_some(found));
}

pub fn grad_sums_value(world: &mut World, draw: &mut Draw) {
    let mut sums = world.sums.0;
    if draw.chance(3) {
        let word = draw.below(71);
        sums.words[word] = draw.pick(&[1, i64::MAX, 1 << 31, 1 << 40]);
    }
    if draw.chance(8) {
        spoil(&mut sums, draw);
    }
    let expected = options::sums(&sums);
    let (mut norm, mut nonfinite) = (-1.0, u64::MAX);
    // SAFETY: the sums are as long as they say, and the outputs are writable.
    let call = || unsafe { radam_grad_sums_value(&sums, &mut norm, &mut nonfinite) };
    let text = format!("radam_grad_sums_value({:?})", sums.words);
    world.plain(text, expected.as_ref().map(|_| ()).map_err(|status| *status), call);
    let expected = expected.map_or((-1.0, u64::MAX), |sums| (sums.norm(), sums.nonfinite()));
    if format!("{:?}", (norm, nonfinite)) != format!("{expected:?}") {
        world.fail(&format!("{:?}; the model has {expected:?}", (norm, nonfinite)));
    }
}

/// Adds the sums to themselves word by word, as ranks do, or starts anew.
pub fn add_sums(world: &mut World, draw: &mut Draw) {
    let (sums, known) = &mut world.sums;
    let doubled = known.clone();
    let is_small = sums.words.iter().all(|word| *word < 1 << 40);
    if is_small && !draw.chance(2) {
        sums.words.iter_mut().for_each(|word| *word *= 2);
        known.add_sums(&doubled);
    } else {
        (sums.words, *known) = ([0; 72], Sums::default());
    }
}

/// Texts and their sizes, in buffers of any size.
pub fn texts(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let handle = world.subjects[subject].handle;
    let id = world.param_id(subject, draw);
    let capacity = draw.below(200);
    let mut buffer = vec![0x55u8; capacity + 1];
    let place = if draw.chance(2) { handle } else { ptr::null_mut() };
    let which = draw.below(3);
    // SAFETY: the buffer has as many bytes, or is NULL.
    let text = |buffer: *mut u8, capacity: u64| unsafe {
        match which {
            0 => radam_last_error(place, buffer.cast(), capacity),
            1 => radam_advice(handle, buffer.cast(), capacity),
            _ => radam_param_name(handle, id, buffer.cast(), capacity),
        }
    };
    let size = world.quietly(|| text(ptr::null_mut(), 0)) as usize;
    let same = world.quietly(|| text(buffer.as_mut_ptr(), capacity as u64)) as usize;
    world.trace.push(format!("text {which} of {subject} has {size} bytes"));
    world.require(size == same && size > 0, "another size of a text");
    world.require(buffer[capacity] == 0x55, "a byte behind the buffer was written");
    if capacity > 0 {
        let text = CStr::from_bytes_until_nul(&buffer).map(|text| text.to_str().is_ok());
        world.require(text == Ok(true), "the text is not UTF-8 that ends with a NUL");
    }
    // SAFETY: the strings are static.
    let names =
        [-1, 0, 11, 12].map(|status| unsafe { CStr::from_ptr(radam_status_string(status)) });
    world.require(names[1] == c"RADAM_OK" && names[0] == names[3], "another name of a status");
    let version = world.quietly(|| radam_version());
    world.require(version == 2000, "another version");
}

pub fn init(world: &mut World, draw: &mut Draw) {
    let mut memory = [0x55u8; 1024];
    let size = draw.pick(&[0, 4, 1, 3, 700, 20, u32::MAX]);
    let place = if draw.chance(4) { ptr::null_mut() } else { memory.as_mut_ptr() };
    let expected =
        if place.is_null() { RADAM_ERROR_NULL_POINTER } else { RADAM_ERROR_INVALID_ARGUMENT };
    // SAFETY: nothing is written, since no version had this size.
    let call = || unsafe {
        match draw.below(8) {
            0 => radam_options_init(place.cast(), size),
            1 => radam_group_options_init(place.cast(), size),
            2 => radam_param_init(place.cast(), size),
            3 => radam_grad_sums_init(place.cast(), size),
            4 => radam_step_options_init(place.cast(), size),
            5 => radam_step_report_init(place.cast(), size),
            6 => radam_save_options_init(place.cast(), size),
            _ => radam_load_options_init(place.cast(), size),
        }
    };
    world.plain(format!("an init function with {size}"), Err(expected), call);
    world.require(memory == [0x55; 1024], "a failed init function wrote");
}

/// Getters with NULL, and with ids and names that there are not.
pub fn wrong_outputs(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let handle = world.subjects[subject].handle;
    let model = &world.subjects[subject].model;
    let (params, groups) = (model.params.len() as u32, model.groups.len() as u32);
    let has_first = model.param(0).is_ok();
    let has_group = groups > 0;
    let unless = |is_there: bool| -> Result<(), Status> {
        Err(if is_there { RADAM_ERROR_NULL_POINTER } else { RADAM_ERROR_INVALID_ARGUMENT })
    };
    let wrong = Err(RADAM_ERROR_INVALID_ARGUMENT);
    let (null, mut place) = (ptr::null_mut::<u8>(), ptr::null_mut());
    let mut number = 0;
    let which = draw.below(10);
    let expected = match which {
        0 | 1 => unless(has_first),
        2 | 3 => unless(has_group),
        4 => Err(RADAM_ERROR_NULL_POINTER),
        _ => wrong,
    };
    // SAFETY: the outputs are NULL or writable.
    let call = || unsafe {
        match which {
            0 => radam_step_count(handle, 0, ptr::null_mut()),
            1 => radam_get_param(handle, 0, ptr::null_mut(), ptr::null_mut()),
            2 => radam_get_lr(handle, 0, ptr::null_mut()),
            3 => radam_get_group_report(handle, 0, ptr::null_mut()),
            4 => radam_param_id(handle, ptr::null(), ptr::null_mut()),
            5 => radam_param_id(handle, c"no such name".as_ptr(), &mut number),
            6 => radam_param_state(handle, 0, 9, &mut place, null.cast()),
            7 => radam_param_state(handle, params, 1, &mut place, null.cast()),
            8 => radam_get_weight_decay(handle, groups, null.cast()),
            _ => radam_get_frozen(handle, params, null.cast()),
        }
    };
    world.plain(format!("wrong output {which} of {subject}"), expected, call);
    world.require(place.is_null() && number == 0, "the output of a failed call was written");
}
