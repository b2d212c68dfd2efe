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

/// The file is read once. What becomes state are the very bytes that had their checksum, whatever the file has now.
#[test]
fn a_file_that_changes_while_it_is_read_is_loaded_as_it_was_or_not_at_all() {
    let path = folder("changes").join("checkpoint");
    let specs = [Spec::new("w", RADAM_DTYPE_F32, LEN)];
    let mut there = Optimizer::of(&group_options(), &specs);
    there.steps(1..3);
    there.save_to(&path);
    let sound = fs::read(&path).unwrap();
    let data = 8 * LEN as u64;
    let header = sound.len() - data as usize;
    for (when, at, is_read) in [
        (BLOCK, header, true),
        (BLOCK, header + BLOCK as usize - 1, true),
        (BLOCK, header + BLOCK as usize, false),
        (4 * LEN as u64, header + 4 * LEN - 1, true),
        (4 * LEN as u64, header + 4 * LEN, false),
        (data, header, true),
        (data, sound.len() - 1, true),
        (data, 0, true),
    ] {
        fs::write(&path, &sound).unwrap();
        let mut here = Optimizer::of(&group_options(), &specs);
        here.step_number(5);
        let before = here.picture();
        let mut change_it = Change { path: path.clone(), when, at, calls: 0 };
        let status = load(&here, &path, change, ptr::from_mut(&mut change_it).cast());
        assert!(change_it.calls > 1);
        assert!(fs::read(&path).unwrap() != sound, "nothing changed after {when}");
        let outcome = outcome(status, here.handle);
        if is_read {
            assert!(outcome.is_ok(), "byte {at} changed after {when}: {outcome:?}");
            for which in [RADAM_STATE_EXP_AVG, RADAM_STATE_EXP_AVG_SQ] {
                assert!(here.state(0, which).0 == there.state(0, which).0, "byte {at}, {when}");
            }
            assert_eq!(here.step_count(0), 2);
        } else {
            assert_eq!(status, RADAM_ERROR_CORRUPT, "byte {at} changed after {when}: {outcome:?}");
            assert!(here.picture() == before, "byte {at} changed after {when}");
        }
    }
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
