//! Arbitrary bytes as a checkpoint: whatever they are, loading them gives a status and changes nothing
//! unless it is RADAM_OK.

#![no_main]

use libfuzzer_sys::fuzz_target;
use radam::ffi::*;
use std::ptr;

/// What the checksum of a header stands behind.
const KEY: &[u8] = b"\"radam.checksum\":\"";

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    correct_checksum(&mut bytes);
    let (mut weight, mut bias) = ([1f32; 5], [0x3f80u16; 3]);
    // SAFETY: the arrays outlive the optimizer, and the buffer is as long as it says.
    unsafe {
        let mut opt = ptr::null_mut();
        assert_eq!(radam_create(ptr::null(), &mut opt), RADAM_OK);
        let mut options = std::mem::zeroed();
        let size = size_of::<radam_group_options>() as u32;
        assert_eq!(radam_group_options_init(&mut options, size), RADAM_OK);
        options.lr = 0.1;
        let nothing = ptr::null_mut();
        assert_eq!(radam_add_param_group(opt, &options, ptr::null(), 0, nothing), RADAM_OK);
        for (dtype, data, len) in [
            (RADAM_DTYPE_F32, weight.as_mut_ptr().cast(), 5),
            (RADAM_DTYPE_BF16, bias.as_mut_ptr().cast(), 3),
        ] {
            let (grad, name, id) = (ptr::null_mut(), ptr::null(), ptr::null_mut());
            assert_eq!(radam_add_param(opt, 0, dtype, 0, data, grad, len, name, id), RADAM_OK);
        }
        let before = saved(opt);
        let status = radam_load_from_buffer(opt, bytes.as_ptr().cast(), bytes.len() as u64);
        assert_ne!(status, RADAM_ERROR_PANIC);
        assert!(status == RADAM_OK || saved(opt) == before);
        assert_eq!(radam_free(opt), RADAM_OK);
    }
});

/// # Safety
/// The optimizer is valid.
unsafe fn saved(opt: *mut radam_optimizer) -> Vec<u8> {
    let mut size = 0;
    // SAFETY: the caller's promise; the buffer is as long as it says.
    unsafe {
        assert_eq!(radam_save_to_buffer(opt, ptr::null_mut(), 0, &mut size), RADAM_OK);
        let mut bytes = vec![0u8; size as usize];
        let (buffer, capacity) = (bytes.as_mut_ptr().cast(), bytes.len() as u64);
        assert_eq!(radam_save_to_buffer(opt, buffer, capacity, &mut size), RADAM_OK);
        bytes
    }
}

/// Makes the checksum of the header right, if the header has a place for it.
fn correct_checksum(bytes: &mut [u8]) {
    let Some((length, _)) = bytes.split_first_chunk() else { return };
    let end = u64::from_le_bytes(*length).saturating_add(8).min(bytes.len() as u64) as usize;
    let header = &mut bytes[..end];
    let Some(key) = header.windows(KEY.len()).position(|window| window == KEY) else { return };
    let digits = key + KEY.len()..key + KEY.len() + 8;
    if digits.end < end {
        header[digits.clone()].fill(b'0');
        let checksum = format!("{:08x}", crc32fast::hash(header));
        header[digits].copy_from_slice(checksum.as_bytes());
    }
}
