//! Damaged files are rejected, and change nothing.

use std::fs;

use radam::ffi::*;

use crate::driver::optimizer::Optimizer;
use crate::file::{File, Random, crc32, quoted};
use crate::folder;
use crate::picture::Picture;
use crate::training::{Spec, group_options};

/// Small, so that there are few bits.
fn optimizer() -> Optimizer {
    let specs = [Spec::new("w", RADAM_DTYPE_BF16, 3), Spec::new("b", RADAM_DTYPE_F32, 1)];
    let mut optimizer = Optimizer::of(&group_options(), &specs);
    optimizer.steps(1..4);
    optimizer
}

/// Refused with a message, and nothing changed.
fn check_refused(optimizer: &mut Optimizer, bytes: &[u8], before: &Picture, what: &str) {
    let refusal = optimizer.load(bytes).expect_err(what);
    let is_right = [RADAM_ERROR_CORRUPT, RADAM_ERROR_MISMATCH].contains(&refusal.status);
    assert!(is_right, "{what}: {refusal:?}");
    assert!(refusal.message.len() > 30, "{what}: {refusal:?}");
    assert!(optimizer.picture() == *before, "{what}: something changed; {refusal:?}");
}

/// A checkpoint, and an optimizer that has gone on since.
fn saved() -> (Vec<u8>, Optimizer, Picture) {
    let mut optimizer = optimizer();
    let bytes = optimizer.save();
    optimizer.steps(4..6);
    let picture = optimizer.picture();
    (bytes, optimizer, picture)
}

#[test]
fn every_truncation_is_refused() {
    let (bytes, mut optimizer, before) = saved();
    let path = folder("truncations").join("cut");
    for len in 0..bytes.len() {
        check_refused(&mut optimizer, &bytes[..len], &before, &format!("{len} bytes"));
        if len % 37 == 0 {
            fs::write(&path, &bytes[..len]).unwrap();
            let refusal = optimizer.load_from(&[&path]).unwrap_err();
            assert_eq!(refusal.status, RADAM_ERROR_CORRUPT, "{}", refusal.message);
        }
    }
    assert!(optimizer.picture() == before);
    optimizer.load(&bytes).unwrap();
}

#[test]
fn what_is_longer_is_refused() {
    let (bytes, mut optimizer, before) = saved();
    for more in 1..20 {
        let bytes = [bytes.as_slice(), &vec![0; more]].concat();
        check_refused(&mut optimizer, &bytes, &before, "appended zeros");
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let (mut bytes, mut optimizer, before) = saved();
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        check_refused(&mut optimizer, &bytes, &before, &format!("bit {bit} flipped"));
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    optimizer.load(&bytes).unwrap();
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    let (bytes, mut optimizer, before) = saved();
    let mut random = Random(1);
    for _ in 0..2000 {
        let mut noise: Vec<u8> = (0..random.below(200)).map(|_| random.below(256) as u8).collect();
        check_refused(&mut optimizer, &noise, &before, "noise");
        // A length that is right gets it further.
        let len = (noise.len() as u64).to_le_bytes();
        noise.splice(0..0, len);
        check_refused(&mut optimizer, &noise, &before, "noise of a right length");
    }
    let other = File {
        json: "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}".into(),
        data: vec![0; 4],
    };
    optimizer.refuses(&other.bytes(), RADAM_ERROR_CORRUPT, &["not a checkpoint of radam"]);
    optimizer.refuses(&bytes[..0], RADAM_ERROR_CORRUPT, &["0 bytes"]);
}

/// The checksums are those that docs/checkpoint.md describes.
#[test]
fn checksums_are_crc32() {
    let (bytes, mut optimizer, _) = saved();
    let file = File::of(&bytes);
    assert!(file.bytes() == bytes, "the header has another checksum");
    let digits = |array: &[u8]| format!("{:08x}", crc32(array));
    optimizer.load(&bytes).unwrap();
    for (param, which) in [(0, RADAM_STATE_EXP_AVG), (1, RADAM_STATE_EXP_AVG_SQ)] {
        let (array, _) = optimizer.state(param, which);
        assert!(file.json.contains(&digits(&array)), "no {} in {}", digits(&array), file.json);
    }
}

/// One change somewhere in the header: a piece lost, doubled, or exchanged for something that hurts.
fn mutated(json: &str, random: &mut Random) -> String {
    const PIECES: [&str; 24] = [
        "0",
        "1",
        "-1",
        "18446744073709551615",
        "18446744073709551616",
        "2305843009213693953",
        "1e999",
        "1e-999",
        "-0.0",
        "0x10",
        "null",
        "true",
        "[]",
        "{}",
        "\\\"\\\"",
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\\ud800",
        "é",
    ];
    let bytes = json.as_bytes();
    let (mut start, mut end) = (random.below(bytes.len()), 0);
    if random.below(3) > 0 {
        // A whole number or word.
        let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.' || *byte == b'-';
        start += bytes[start..].iter().position(is_inner).unwrap_or(0);
        start -= bytes[..start].iter().rev().take_while(|byte| is_inner(byte)).count();
        end = start + bytes[start..].iter().take_while(|byte| is_inner(byte)).count();
    }
    end = end.max(start + random.below(12)).min(bytes.len());
    let middle = match random.below(4) {
        0 => String::new(),
        1 => json[start..end].repeat(2),
        _ => PIECES[random.below(PIECES.len())].to_owned(),
    };
    [&json[..start], &middle, &json[end..]].concat()
}

/// A parameter of a length that has nothing to do with its memory, for the lengths of a header to fit.
fn slice_of_everything() -> Optimizer {
    let specs =
        [Spec::slice("w", RADAM_DTYPE_BF16, 3, 0, u64::MAX), Spec::new("b", RADAM_DTYPE_F32, 1)];
    Optimizer::of(&group_options(), &specs)
}

#[test]
fn headers_with_right_checksums_never_crash() {
    let mut random = Random(2);
    for mut optimizer in [optimizer(), slice_of_everything()] {
        let file = File::of(&optimizer.save());
        assert!(file.json.is_ascii());
        let mut before = optimizer.picture();
        let mut taken = 0;
        for _ in 0..10_000 {
            let mut json = mutated(&file.json, &mut random);
            for _ in 0..random.below(3) {
                json = if json.is_ascii() { mutated(&json, &mut random) } else { json };
            }
            let bytes = File { json, data: file.data.clone() }.bytes();
            match optimizer.load(&bytes) {
                Ok(()) => {
                    taken += 1;
                    before = optimizer.picture();
                }
                Err(refusal) => {
                    let is_right =
                        [RADAM_ERROR_CORRUPT, RADAM_ERROR_MISMATCH].contains(&refusal.status);
                    assert!(is_right, "{refusal:?} of {}", String::from_utf8_lossy(&bytes));
                    assert!(optimizer.picture() == before, "{refusal:?} changed something");
                }
            }
        }
        assert!(taken > 100, "only {taken} headers were taken: these are not subtle changes");
        optimizer.step_number(7);
    }
}

/// Lengths whose bytes are more than a number can count.
#[test]
fn lengths_that_wrap_are_refused() {
    let mut optimizer = slice_of_everything();
    let file = File::of(&optimizer.save());
    let found = file.json.find("\\\"len\\\":3,").expect("the length");
    for len in [1u64 << 63, (1 << 63) + 3, u64::MAX, (1 << 63) - 1] {
        let mut file = file.clone();
        file.json.replace_range(found..found + 10, &format!("\\\"len\\\":{len},"));
        optimizer.refuses(&file.bytes(), RADAM_ERROR_MISMATCH, &["\"w\"", "elements"]);
    }
    let empty = quoted("{\"format\":1,\"moments\":\"debiased\",\"groups\":[],\"params\":[]}");
    let json =
        format!("{{\"__metadata__\":{{\"radam\":{empty},\"radam.checksum\":\"00000000\"}}}}");
    optimizer.refuses(
        &File { json, data: vec![] }.bytes(),
        RADAM_ERROR_MISMATCH,
        &["\"w\"", "\"b\""],
    );
}

/// Also where it has other types than this version knows.
#[test]
fn a_later_format_is_told() {
    let (bytes, mut optimizer, _) = saved();
    let later = File::of(&bytes).replaced("\\\"format\\\":2,", "\\\"format\\\":3,");
    for file in [&later, &later.replaced("\\\"step\\\":3,", "\\\"step\\\":[3],")] {
        optimizer.refuses(&file.bytes(), RADAM_ERROR_MISMATCH, &["format 3", "formats 1 to 2"]);
    }
    let earlier = later.replaced("\\\"format\\\":3,", "\\\"format\\\":0,");
    optimizer.refuses(&earlier.bytes(), RADAM_ERROR_MISMATCH, &["format 0", "formats 1 to 2"]);
}
