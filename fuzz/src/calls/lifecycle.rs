//! Creating and freeing, and handles that are none.

use crate::draw::Draw;
use crate::model::Optimizer;
use crate::world::environment::{Environment, Executor};
use crate::world::{Subject, World};
use radam::ffi::*;
use std::ptr;

/// Whether the machine has the instruction set that RADAM_ISA names.
pub fn can_create() -> bool {
    let mut handle = ptr::null_mut();
    // SAFETY: the output is writable.
    let status = unsafe { radam_create(ptr::null(), &mut handle) };
    radam_free(handle);
    status == RADAM_OK
}

pub fn create(world: &mut World, draw: &mut Draw) {
    if world.subjects.len() == 3 {
        return;
    }
    let environment = Box::<Environment>::default();
    let nothing = radam_allocator { allocate: None, release: None, user: ptr::null_mut() };
    let mut options = radam_options {
        struct_size: size_of::<radam_options>() as u32,
        num_threads: draw.pick(&[1, 1, 1, 2, 0, 4]),
        allocator: nothing,
        executor: radam_executor { parallel_for: None, user: ptr::null_mut() },
        parallel_from: draw.pick(&[0, 1, 100, 20_000, u64::MAX]),
        device: RADAM_DEVICE_CPU,
        cuda_device: 0,
        cuda_stream: ptr::null_mut(),
    };
    if draw.chance(2) {
        options.allocator = environment.allocator();
    }
    if draw.chance(2) {
        options.executor = environment.executor();
        environment.executor.set(draw.pick(&Executor::ALL));
        options.num_threads = draw.pick(&[1, 0, 3]);
    }
    let mut expected = Ok(());
    let mut is_null = false;
    match draw.below(30) {
        29 => (options.num_threads, expected) = (1025, Err(RADAM_ERROR_INVALID_ARGUMENT)),
        28 => (options.struct_size, expected) = (12, Err(RADAM_ERROR_INVALID_ARGUMENT)),
        27 => {
            options.allocator = radam_allocator { release: None, ..environment.allocator() };
            expected = Err(RADAM_ERROR_NULL_POINTER);
        }
        26 => (is_null, expected) = (true, Err(RADAM_ERROR_NULL_POINTER)),
        _ => {}
    }
    let mut handle = ptr::null_mut();
    let output = if is_null { ptr::null_mut() } else { &raw mut handle };
    // SAFETY: the options are as long as they say, and the output is writable.
    let create = || unsafe { radam_create(&options, output) };
    if world.plain(format!("radam_create({options:?})"), expected, create) {
        environment.handle.set(handle);
        let subject = Subject { handle, model: Optimizer::new(), environment, options, open: None };
        world.subjects.push(subject);
    }
    world.require(handle.is_null() == expected.is_err(), "the output of a failed call was written");
}

pub fn free(world: &mut World, draw: &mut Draw) {
    let index = world.subject(draw);
    let subject = world.subjects.remove(index);
    if subject.open.is_some() {
        // It stays as far as it got, and was compared when it got there.
        let arrays = subject.model.living().flat_map(|(_, param)| param.arrays());
        arrays.for_each(|array| world.memory.adopt(array));
    }
    world.plain(format!("radam_free({index})"), Ok(()), || radam_free(subject.handle));
    world.require(subject.environment.is_clean(), "the allocator did not get everything back");
    let again = || radam_free(subject.handle);
    world.plain(format!("radam_free({index})"), Err(RADAM_ERROR_INVALID_HANDLE), again);
    world.stale.push(subject.handle);
}

/// Calls the body of an executor's loop long after it has ended.
pub fn call_late(world: &mut World, draw: &mut Draw) {
    let index = world.subject(draw);
    world.subjects[index].environment.call_late();
}

/// Calls with NULL, a handle that was freed, and one that never was.
pub fn stale(world: &mut World, draw: &mut Draw) {
    let index = world.subject(draw);
    let invented = world.subjects[index].handle.addr() ^ 1 << draw.below(64);
    let invented = ptr::without_provenance_mut(invented);
    let freed = world.stale.get(draw.below(world.stale.len())).copied();
    let handle = draw.pick(&[ptr::null_mut(), freed.unwrap_or(ptr::null_mut()), invented]);
    if world.subjects.iter().any(|subject| subject.handle == handle) {
        return;
    }
    let (null, mut number, mut double) = (ptr::null_mut(), 0u64, 0.0);
    let mut id = 0;
    // SAFETY: nothing is read or written if the handle is not valid.
    let call = || unsafe {
        match draw.below(14) {
            0 => radam_step(handle),
            1 => radam_step_count(handle, 0, &mut number),
            2 => radam_set_lr(handle, 0, 0.1),
            3 => radam_get_lr(handle, 0, &mut double),
            4 => radam_step_chunk(handle, 0),
            5 => radam_step_end(handle, ptr::null_mut()),
            6 => radam_add_param_group(handle, ptr::null(), ptr::null(), 0, &mut id),
            7 => radam_save(handle, c"/nowhere/at/all".as_ptr()),
            8 => radam_load_from_buffer(handle, null, 0, ptr::null()),
            9 => radam_param_state(handle, 0, 1, ptr::null_mut(), ptr::null_mut()),
            10 => radam_free(handle),
            11 => radam_step_tensor(handle, 0, null, null, ptr::null(), ptr::null_mut()),
            12 => radam_set_tensors(handle, 0, 0, ptr::null(), ptr::null()),
            _ => radam_measure(handle, ptr::null_mut()),
        }
    };
    world.plain(
        format!("a call with the handle {handle:?}"),
        Err(RADAM_ERROR_INVALID_HANDLE),
        call,
    );
    world.require((number, double, id) == (0, 0.0, 0), "the output of a failed call was written");
}
