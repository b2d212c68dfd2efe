//! Saving and loading.

use crate::draw::{Draw, Random};
use crate::file::{mutate, reader};
use crate::model::checkpoint::{File, Saved};
use crate::model::options::ensure;
use crate::model::{Contents, Optimizer};
use crate::world::World;
use radam::ffi::*;
use std::ffi::{CString, c_void};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process, ptr};

/// So many checkpoints are kept.
const KEPT: usize = 6;

fn keep(world: &mut World, subject: usize, bytes: Vec<u8>, path: Option<CString>) {
    let mut found = match reader::read(&bytes) {
        Ok(file) => file,
        Err(status) => world.fail(&format!("what was saved cannot be read: {status}")),
    };
    let mut expected = world.subjects[subject].model.file(&world.memory.contents);
    for file in [&mut found, &mut expected] {
        file.tensors.sort_by(|one, other| one.name.cmp(&other.name));
    }
    if found != expected {
        world.fail(&format!("the checkpoint has {found:?}; the model has {expected:?}"));
    }
    if world.saved.len() == KEPT {
        world.saved.remove(0);
    }
    world.saved.push(Saved { bytes, path });
}

pub fn save_to_buffer(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let text = format!("radam_save_to_buffer({subject})");
    let mut size = 0;
    let nothing = |_: &mut Optimizer, _: &mut Contents| Ok(());
    // SAFETY: the buffer is NULL or has as many bytes, and the size is writable, here and below.
    let call = |handle| unsafe { radam_save_to_buffer(handle, ptr::null_mut(), 0, &mut size) };
    if world.attempt(subject, (draw, text.clone()), nothing, call).is_none() {
        return world.require(size == 0, "the output of a failed call was written");
    }
    let is_short = draw.chance(6);
    let mut bytes = vec![0; size as usize - usize::from(is_short)];
    let mut again = 0;
    let apply = |_: &mut Optimizer, _: &mut Contents| ensure(!is_short);
    // SAFETY: as above.
    let call = |handle| unsafe {
        radam_save_to_buffer(handle, bytes.as_mut_ptr().cast(), bytes.len() as u64, &mut again)
    };
    let outcome = world.attempt(subject, (draw, text), apply, call);
    world.require(again == if outcome.is_some() { size } else { 0 }, "another size");
    if outcome.is_some() {
        keep(world, subject, bytes, None);
    }
}

/// Progress, which may cancel the call after some calls.
struct Progress {
    left: u64,
    /// What was done when it cancelled the call, of how much.
    cancelled: Option<(u64, u64)>,
    last: u64,
    is_sound: bool,
}

impl Progress {
    fn draw(draw: &mut Draw) -> Self {
        let left = if draw.chance(3) { 1 + draw.below(8) as u64 } else { u64::MAX };
        Self { left, cancelled: None, last: 0, is_sound: true }
    }

    fn user(&mut self) -> *mut c_void {
        ptr::from_mut(self).cast()
    }
}

unsafe extern "C" fn progress(done: u64, total: u64, user: *mut c_void) -> i32 {
    // SAFETY: `user` is what the options have.
    let progress = unsafe { &mut *user.cast::<Progress>() };
    progress.is_sound &= progress.last < done && done <= total;
    (progress.last, progress.left) = (done, progress.left - 1);
    let cancels = progress.left == 0;
    if cancels {
        progress.left = u64::MAX;
        progress.cancelled.get_or_insert((done, total));
    }
    cancels.into()
}

/// A path of its own for each file.
fn new_path() -> CString {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = env::temp_dir().join(format!("radam-fuzz-{}-{number}", process::id()));
    CString::new(path.into_os_string().into_encoded_bytes()).unwrap()
}

pub fn save(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let path = new_path();
    let name = path.to_str().unwrap();
    let mut watched = Progress::draw(draw);
    let options = radam_save_options {
        struct_size: size_of::<radam_save_options>() as u32,
        reserved: u32::from(draw.chance(20)),
        progress: Some(progress),
        user: watched.user(),
    };
    // The model cannot know how often progress is called, so a call that it may cancel comes first.
    let handle = world.subjects[subject].handle;
    let is_open = world.subjects[subject].open.is_some();
    // SAFETY: the options are as long as they say.
    let status = world.quietly(|| unsafe { radam_save_with(handle, path.as_ptr(), &options) });
    world.note(&format!("radam_save_with({subject}, {path:?}, {options:?})"), status);
    let expected = match () {
        () if is_open => RADAM_ERROR_BUSY,
        () if options.reserved > 0 => RADAM_ERROR_INVALID_ARGUMENT,
        () if watched.cancelled.is_some() => RADAM_ERROR_IO,
        () => RADAM_OK,
    };
    world.require(status == expected && watched.is_sound, "another status or progress");
    let is_there = fs::exists(name).unwrap();
    world.require(is_there == (status == RADAM_OK), "a failed call left a file");
    if status == RADAM_OK {
        keep(world, subject, fs::read(name).unwrap(), Some(path));
    }
}

/// How checkpoints are loaded.
struct Loading {
    options: radam_load_options,
    has_options: bool,
    watched: Box<Progress>,
}

impl Loading {
    fn draw(draw: &mut Draw) -> Self {
        let mut watched = Box::new(Progress::draw(draw));
        let options = radam_load_options {
            struct_size: size_of::<radam_load_options>() as u32,
            strict: draw.pick(&[RADAM_AUTO, RADAM_OFF, RADAM_ON]),
            hyperparameters: draw.pick(&[RADAM_AUTO, RADAM_OFF, RADAM_ON]),
            convert_state: match draw.below(40) {
                39 => 3,
                5..10 => RADAM_AUTO,
                10..30 => RADAM_ON,
                _ => RADAM_OFF,
            },
            progress: Some(progress),
            user: watched.user(),
        };
        Self { options, has_options: draw.chance(2), watched }
    }

    fn pointer(&self) -> *const radam_load_options {
        if self.has_options { &raw const self.options } else { ptr::null() }
    }

    /// Loads files that the library gets by `call`.
    fn load(
        &self,
        world: &mut World,
        subject: usize,
        text: (&mut Draw, String),
        files: Result<Vec<File>, i32>,
        call: impl FnOnce(*mut radam_optimizer) -> radam_status,
    ) {
        let on = |toggle| !self.has_options || toggle != RADAM_OFF;
        let converts = self.has_options && self.options.convert_state == RADAM_ON;
        let choices = (on(self.options.strict), on(self.options.hyperparameters), converts);
        let watched: *const Progress = &*self.watched; // which the library changes behind it
        let apply = |model: &mut Optimizer, contents: &mut Contents| {
            ensure(!self.has_options || self.options.convert_state != 3)?;
            model.load(&files?, choices, contents)
        };
        if !self.has_options || self.watched.left == u64::MAX {
            world.attempt(subject, text, apply, call);
            return;
        }
        // The model does not know how often progress is called, so the library comes first.
        let handle = world.subjects[subject].handle;
        let status = world.quietly(|| call(handle));
        // SAFETY: the call has ended, and only it has used the pointer.
        let cancelled = unsafe { (*watched).cancelled };
        let must_stop = cancelled.is_some_and(|(done, total)| done <= total / 2);
        if must_stop || cancelled.is_some() && status == RADAM_ERROR_IO {
            world.note(&text.1, status);
            return world.require(status == RADAM_ERROR_IO, "a cancelled call has another status");
        }
        world.attempt(subject, (&mut Draw::new(&[]), text.1), apply, |_| status);
    }
}

/// One of the checkpoints; the latest one is the first.
fn saved(world: &World, draw: &mut Draw) -> Option<usize> {
    let index = draw.below(world.saved.len());
    world.saved.len().checked_sub(1 + index)
}

pub fn load_from_buffer(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let Some(index) = saved(world, draw) else { return };
    let bytes = world.saved[index].bytes.clone();
    let loading = Loading::draw(draw);
    let files = reader::read(&bytes).map(|file| vec![file]);
    let text =
        format!("radam_load_from_buffer({subject}, checkpoint {index}, {:?})", loading.options);
    // SAFETY: the buffer has as many bytes, here and below.
    loading.load(world, subject, (draw, text), files, |handle| unsafe {
        radam_load_from_buffer(handle, bytes.as_ptr().cast(), bytes.len() as u64, loading.pointer())
    });
}

pub fn load(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let with_path = world.saved.iter().rev().find(|saved| saved.path.is_some());
    let (path, files) = match with_path {
        Some(Saved { bytes, path: Some(path) }) if !draw.chance(8) => {
            (path.clone(), reader::read(bytes).map(|file| vec![file]))
        }
        _ => (new_path(), Err(RADAM_ERROR_IO)),
    };
    let loading = Loading::draw(draw);
    let text = format!("radam_load_with({subject}, {path:?}, {:?})", loading.options);
    // The standard library aborts if it has no memory to say what the system reports.
    let plenty = &mut Draw::new(&[]);
    let draw = if files.is_err() { plenty } else { draw };
    // SAFETY: the path ends with a NUL.
    loading.load(world, subject, (draw, text), files, |handle| unsafe {
        radam_load_with(handle, path.as_ptr(), loading.pointer())
    });
}

/// Loads two files, or none.
pub fn load_shards(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let with_path: Vec<_> = world.saved.iter().rev().filter(|saved| saved.path.is_some()).collect();
    if with_path.is_empty() && !draw.chance(8) {
        return;
    }
    let chosen: Vec<_> = with_path.into_iter().take(1 + draw.below(2)).collect();
    let paths: Vec<_> = chosen.iter().filter_map(|saved| saved.path.clone()).collect();
    let files: Result<Vec<_>, i32> = match chosen.len() {
        0 => Err(RADAM_ERROR_INVALID_ARGUMENT),
        _ => chosen.iter().map(|saved| reader::read(&saved.bytes)).collect(),
    };
    let loading = Loading::draw(draw);
    let pointers: Vec<_> = paths.iter().map(|path| path.as_ptr()).collect();
    let text = format!("radam_load_shards({subject}, {paths:?}, {:?})", loading.options);
    // SAFETY: the list has as many paths.
    loading.load(world, subject, (draw, text), files, |handle| unsafe {
        let list = pointers.as_ptr();
        radam_load_shards(handle, list, pointers.len() as u64, loading.pointer())
    });
}

/// Loads a checkpoint that was damaged and has right checksums again, mostly.
pub fn load_damaged(world: &mut World, draw: &mut Draw) {
    let subject = world.subject(draw);
    let Some(index) = saved(world, draw) else { return };
    let mut random = Random(draw.word());
    let bytes = mutate::damaged(&world.saved[index].bytes, 1 + draw.below(3), &mut random);
    let loading = Loading::draw(draw);
    let files = reader::read(&bytes).map(|file| vec![file]);
    let header = String::from_utf8_lossy(&bytes[..bytes.len().min(3000)]).into_owned();
    let text = format!("radam_load_from_buffer({subject}, {header:?}, {:?})", loading.options);
    // With all memory: serde_json aborts if it has none to say what is wrong.
    let plenty = &mut Draw::new(&[]);
    // SAFETY: as above.
    loading.load(world, subject, (plenty, text), files, |handle| unsafe {
        radam_load_from_buffer(handle, bytes.as_ptr().cast(), bytes.len() as u64, loading.pointer())
    });
}

/// Loads any bytes as a checkpoint of two parameters, as soon as their header has its checksum.
pub fn load_bytes(bytes: &[u8]) {
    let mut world = World::new();
    let mut draw = Draw::new(&[]);
    let subject = world.subject(&mut draw);
    let options = super::describe::group_options(&mut draw);
    let specs = [(RADAM_DTYPE_F32, 5), (RADAM_DTYPE_BF16, 3)].map(|(dtype, len)| {
        let mut spec = world.spec(subject, &options, &mut draw);
        (spec.data, spec.grad) = (None, None);
        spec.point(|_| ptr::null_mut());
        (spec.c.dtype, spec.c.len) = (dtype, len);
        spec
    });
    super::params::add_group_of(&mut world, subject, options, &specs, &mut draw);
    let bytes = mutate::with_right_checksum(bytes);
    let files = reader::read(&bytes).map(|file| vec![file]);
    let text = "radam_load_from_buffer".to_owned();
    let loading = Loading::draw(&mut draw);
    // SAFETY: the buffer has as many bytes.
    loading.load(&mut world, subject, (&mut draw, text), files, |handle| unsafe {
        radam_load_from_buffer(handle, bytes.as_ptr().cast(), bytes.len() as u64, ptr::null())
    });
    world.compare();
}
