//! Loads arbitrary bytes as a checkpoint. This must return a status, and change nothing unless it is RADAM_OK.

#![no_main]

#[path = "../../tests/driver/mod.rs"]
mod driver;

use driver::filled;
use driver::optimizer::Optimizer;
use driver::param::Param;
use driver::tensor::Tensor;
use libfuzzer_sys::fuzz_target;
use radam::ffi::*;

/// What comes before the checksum of a header.
const KEY: &[u8] = b"\"radam.checksum\":\"";

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    correct_checksum(&mut bytes);
    let tensor = |dtype, len| Param::new(Tensor::of(dtype, &vec![1.0; len]));
    let mut options = filled(radam_group_options_init);
    options.lr = 0.1;
    let mut optimizer =
        Optimizer::of(&options, [tensor(RADAM_DTYPE_F32, 5), tensor(RADAM_DTYPE_BF16, 3)]);
    let before = optimizer.save();
    if let Err(refusal) = optimizer.load(&bytes) {
        assert_ne!(refusal.status, RADAM_ERROR_PANIC);
        assert!(optimizer.save() == before);
    }
});

/// Corrects the checksum of the header, if there is one.
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
