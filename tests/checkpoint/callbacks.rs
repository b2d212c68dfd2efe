//! Changes made by a progress callback: to the file, or to the floating-point mode.

use std::ffi::{CString, c_void};
use std::path::{Path, PathBuf};
use std::{fs, ptr};

use radam::ffi::*;

use crate::driver::optimizer::Optimizer;
use crate::driver::{filled, outcome};
#[cfg(target_arch = "x86_64")]
use crate::file::{File, crc32};
use crate::folder;
use crate::training::{Spec, group_options};

type Progress = unsafe extern "C" fn(u64, u64, *mut c_void) -> i32;

fn load(optimizer: &Optimizer, path: &Path, progress: Progress, user: *mut c_void) -> radam_status {
    let path = CString::new(path.to_str().unwrap()).unwrap();
    let mut options = filled(radam_load_options_init);
    options.progress = Some(progress);
    options.user = user;
    // SAFETY: the path is a string, and the function may be called with what `user` is.
    unsafe { radam_load_with(optimizer.handle, path.as_ptr(), &options) }
}

/// A file, and when which of its bytes is to become another.
struct Change {
    path: PathBuf,
    /// Bytes that are checked or taken over until then.
    when: u64,
    at: usize,
    calls: u64,
}

unsafe extern "C" fn change(done: u64, _: u64, user: *mut c_void) -> i32 {
    // SAFETY: it is what the test gave.
    let change = unsafe { &mut *user.cast::<Change>() };
    change.calls += 1;
    if done == change.when {
        let mut bytes = fs::read(&change.path).unwrap();
        bytes[change.at] ^= 1;
        fs::write(&change.path, bytes).unwrap();
    }
    0
}

/// Large enough for several blocks, the last of which is not whole.
const LEN: usize = 600_000;
const BLOCK: u64 = 1 << 20;

/// The file is read twice. What the first reading has not checked never becomes state.
#[test]
fn a_file_that_changes_between_the_readings_is_seen() {
    let path = folder("changes").join("checkpoint");
    let specs = [Spec::new("w", RADAM_DTYPE_F32, LEN)];
    let mut there = Optimizer::of(&group_options(), &specs);
    there.steps(1..3);
    there.save_to(&path);
    let sound = fs::read(&path).unwrap();
    let states = |optimizer: &Optimizer| {
        [RADAM_STATE_EXP_AVG, RADAM_STATE_EXP_AVG_SQ].map(|which| optimizer.state(0, which).0)
    };
    let data = 8 * LEN as u64;
    let header = sound.len() - data as usize;
    for (when, at) in [
        (data, header),
        (data, header + 4 * LEN - 1),
        (data, sound.len() - 1),
        (data + BLOCK, header + BLOCK as usize),
        (data + 4 * LEN as u64, header + 4 * LEN),
    ] {
        fs::write(&path, &sound).unwrap();
        let mut here = Optimizer::of(&group_options(), &specs);
        here.step_number(5);
        let before = states(&here);
        let mut change_it = Change { path: path.clone(), when, at, calls: 0 };
        let status = load(&here, &path, change, ptr::from_mut(&mut change_it).cast());
        let message = outcome(status, here.handle).unwrap_err().message;
        assert_eq!(status, RADAM_ERROR_IO, "byte {at} changed after {when}: {message}");
        for word in ["has changed", "partly", path.to_str().unwrap()] {
            assert!(message.contains(word), "no {word} in {message}");
        }
        assert!(change_it.calls > 1);
        assert_eq!(here.step_count(0), 1);
        // Whole blocks are the old ones or those of the sound file.
        for (number, (found, before)) in states(&here).iter().zip(&before).enumerate() {
            let saved = &sound[header + number * 4 * LEN..][..4 * LEN];
            let block = BLOCK as usize;
            for ((found, before), saved) in
                found.chunks(block).zip(before.chunks(block)).zip(saved.chunks(block))
            {
                assert!(found == before || found == saved, "byte {at} changed after {when}");
            }
        }
    }
    fs::write(&path, &sound).unwrap();
    let mut here = Optimizer::of(&group_options(), &specs);
    here.load_from(&[&path]).unwrap();
    assert!(states(&here) == states(&there));
}

/// Flushes what is subnormal to zero, and rounds down.
#[cfg(target_arch = "x86_64")]
unsafe extern "C" fn spoil_mode(_: u64, _: u64, _: *mut c_void) -> i32 {
    let mode = 0x1f80u32 | 0x8040 | 0x2000;
    // SAFETY: loads the register MXCSR with a mode that traps nothing.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &mode, options(nostack, preserves_flags)) };
    0
}

#[test]
#[cfg(target_arch = "x86_64")]
fn moments_are_divided_in_the_mode_of_ieee() {
    let values = [1e-40f32, 3e-45, 0.1, 1.0 / 3.0];
    let array: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let sum = format!("{:08x}", crc32(&array));
    let manifest = format!(
        r#"{{"format":1,"moments":"biased","groups":[{{"lr":0.5,"beta1":0.9,"beta2":0.99,"weight_decay":0,
            "eps":1e-8,"max_lr":0.5}}],"params":[{{"name":"w","group":0,"len":4,"step":3,
            "checksums":{{"exp_avg":"{sum}","exp_avg_sq":"{sum}"}}}}]}}"#
    )
    .replace('\n', "");
    let tensors =
        [("w.exp_avg", "F32", &[4][..], &array[..]), ("w.exp_avg_sq", "F32", &[4], &array)];
    let path = folder("spoilt_mode").join("checkpoint");
    let bytes = File::new(&manifest, &tensors).bytes();
    fs::write(&path, &bytes).unwrap();
    let fresh = || Optimizer::of(&group_options(), &[Spec::new("w", RADAM_DTYPE_F32, 4)]);
    let (spoilt, mut plain) = (fresh(), fresh());
    assert_eq!(load(&spoilt, &path, spoil_mode, ptr::null_mut()), RADAM_OK);
    plain.load(&bytes).unwrap();
    assert!(spoilt.picture() == plain.picture(), "the mode that a callback left behind was used");
}
