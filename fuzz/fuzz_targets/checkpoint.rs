//! Loads arbitrary bytes as a checkpoint. Where this fails, it must change nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use radam::{Error, GroupOptions, LoadOptions, Optimizer, bf16};

/// What comes before the checksum of a header.
const KEY: &[u8] = b"\"radam.checksum\":\"";

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    correct_checksum(&mut bytes);
    load(&bytes).unwrap();
});

fn load(bytes: &[u8]) -> Result<(), Error> {
    let mut opt = Optimizer::new()?;
    let group = opt.add_group(GroupOptions::new(0.1))?;
    opt.add_param::<f32>(group, 5, "param.0")?;
    opt.add_param::<bf16>(group, 3, "param.1")?;
    let before = opt.save_to_vec()?;
    if opt.load_from_slice(bytes, LoadOptions::default()).is_err() {
        assert!(opt.save_to_vec()? == before);
    }
    Ok(())
}

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
