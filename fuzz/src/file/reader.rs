//! Reads a checkpoint as docs/checkpoint.md describes it, strictly.

use super::json::{Text, Value, parse};
use crate::model::Status;
use crate::model::checkpoint::{Entry, File, GroupEntry, Stored};
use radam::ffi::*;
use std::ops::Range;

const ARRAYS: [&str; 5] =
    ["exp_avg", "exp_avg_sq", "kahan_comp", "master_remainder", "state_scale"];

/// The file, or the status with which it is refused before anything is compared with an optimizer.
pub fn read(bytes: &[u8]) -> Result<File, Status> {
    let (header, data) = split(bytes).ok_or(RADAM_ERROR_CORRUPT)?;
    let (manifest, tensors) = read_header(header, data.len() as u64).ok_or(RADAM_ERROR_CORRUPT)?;
    let manifest = parse(&manifest);
    let format = manifest.as_ref().and_then(|manifest| {
        let fields = fields(manifest, &["format"])?;
        unsigned(fields[0]?)
    });
    if format.is_some_and(|format| !(1..=2).contains(&format)) {
        return Err(RADAM_ERROR_MISMATCH);
    }
    let mut file = manifest.and_then(|it| read_manifest(&it)).ok_or(RADAM_ERROR_CORRUPT)?;
    file.tensors = tensors
        .into_iter()
        .map(|(name, dtype, range)| Stored {
            name,
            dtype,
            bytes: data[range.start as usize..range.end as usize].to_vec(),
        })
        .collect();
    Ok(file)
}

/// The header with its length, and the data.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    let is_possible = len <= 100_000_000 && len <= bytes.len() as u64 - 8;
    is_possible.then(|| bytes.split_at(8 + len as usize))
}

/// Where the digits of the header's checksum are.
pub fn find_checksum(header: &[u8]) -> Option<Range<usize>> {
    const KEY: &[u8] = b"\"radam.checksum\"";
    let mut at = header.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    for byte in [b':', b'"'] {
        while header.get(at)?.is_ascii_whitespace() {
            at += 1;
        }
        if header[at] != byte {
            return None;
        }
        at += 1;
    }
    (header.get(at + 8) == Some(&b'"')).then_some(at..at + 8)
}

/// The digits that a header should have there.
pub fn header_checksum(header: &[u8], digits: &Range<usize>) -> String {
    let mut blank = header.to_vec();
    blank[digits.clone()].fill(b'0');
    format!("{:08x}", crc32fast::hash(&blank))
}

type Tensors = Vec<(String, String, Range<u64>)>;

fn read_header(header: &[u8], data_len: u64) -> Option<(String, Tensors)> {
    let digits = find_checksum(header)?;
    let expected = header_checksum(header, &digits);
    if &header[digits.clone()] != expected.as_bytes() {
        return None;
    }
    let Value::Object(entries) = parse(str::from_utf8(&header[8..]).ok()?)? else { return None };
    let (mut manifest, mut tensors) = (None, Tensors::new());
    for (name, value) in &entries {
        let name = name.decoded()?;
        if name == "__metadata__" {
            let [radam, checksum] = fields(value, &["radam", "radam.checksum"])?[..] else {
                return None;
            };
            let is_the_one = start_of(checksum?) == Some(digits.start - 8);
            if manifest.replace(string(radam?)?).is_some() || !is_the_one {
                return None;
            }
        } else {
            let (dtype, range) = read_tensor(value)?;
            if tensors.iter().any(|(other, ..)| *other == name) {
                return None;
            }
            tensors.push((name, dtype, range));
        }
    }
    let mut ranges: Vec<_> = tensors.iter().map(|(_, _, range)| (range.start, range.end)).collect();
    ranges.sort_by_key(|(start, end)| (*start, end - start));
    let end = ranges.iter().try_fold(0, |at, (start, end)| (*start == at).then_some(*end))?;
    (end == data_len).then_some((manifest?, tensors))
}

fn read_tensor(value: &Value) -> Option<(String, Range<u64>)> {
    let [dtype, shape, offsets] = fields(value, &["dtype", "shape", "data_offsets"])?[..] else {
        return None;
    };
    let dtype = string(dtype?)?;
    let size = match dtype.as_str() {
        "F64" => 8,
        "F32" | "U32" => 4,
        "F16" | "BF16" | "I16" => 2,
        "I8" | "U8" => 1,
        _ => return None,
    };
    let elements = list(shape?)?.iter().try_fold(1u64, |n, d| n.checked_mul(unsigned(d)?))?;
    let [start, end] = list(offsets?)? else { return None };
    let (start, end) = (unsigned(start)?, unsigned(end)?);
    let len = end.checked_sub(start)?;
    (elements.checked_mul(size) == Some(len)).then_some((dtype, start..end))
}

fn read_manifest(manifest: &Value) -> Option<File> {
    let keys = ["format", "moments", "optimizer_accumulation", "groups", "params"];
    let [format, moments, accumulation, groups, params] = fields(manifest, &keys)?[..] else {
        return None;
    };
    unsigned(format?)?;
    let moments = string(moments?)?;
    let groups = list(groups?)?.iter().map(read_group).collect::<Option<Vec<_>>>()?;
    let params = list(params?)?.iter().map(read_param).collect::<Option<Vec<_>>>()?;
    for (index, param) in params.iter().enumerate() {
        let fits = param.offset.checked_add(param.len)? <= param.total_len;
        let is_new = params[..index].iter().all(|other| other.name != param.name);
        if param.group >= groups.len() as u64 || !fits || !is_new {
            return None;
        }
    }
    Some(File {
        is_biased: ["debiased", "biased"].iter().position(|word| *word == moments)? == 1,
        accumulates: accumulation.map_or(Some(false), boolean)?,
        groups,
        params,
        tensors: Vec::new(),
    })
}

fn read_group(group: &Value) -> Option<GroupEntry> {
    let keys = [
        "lr",
        "beta1",
        "beta2",
        "weight_decay",
        "eps",
        "max_lr",
        "rectify_threshold",
        "decouple_wd",
        "decouple_lr",
        "maximize",
        "rectify",
        "unrectified",
        "stochastic_rounding",
        "seed",
    ];
    let fields = fields(group, &keys)?;
    let (mut numbers, mut toggles) = ([0.0; 7], [RADAM_AUTO; 6]);
    for (index, (place, value)) in numbers.iter_mut().zip(&fields).enumerate() {
        *place = match value {
            Some(value) => number(value)?,
            None if index == 6 => 5.0,
            None => return None,
        };
    }
    for (place, value) in toggles.iter_mut().zip(&fields[7..13]) {
        if let Some(value) = value {
            let word = string(value)?;
            let known = ["off", "on", "auto"].iter().position(|known| *known == word)?;
            *place = known as radam_toggle;
        }
    }
    Some(GroupEntry { numbers, toggles, seed: fields[13].map_or(Some(0), unsigned)? })
}

fn read_param(param: &Value) -> Option<Entry> {
    let keys = [
        "name",
        "group",
        "dtype",
        "len",
        "offset",
        "total_len",
        "step",
        "frozen",
        "checksums",
        "state",
    ];
    let fields = fields(param, &keys)?;
    if let Some(dtype) = fields[2] {
        ["f32", "f64", "f16", "bf16"].contains(&string(dtype)?.as_str()).then_some(())?;
    }
    if let Some(state) = fields[9] {
        (string(state)? == "q8").then_some(())?;
    }
    let len = unsigned(fields[3]?)?;
    Some(Entry {
        name: string(fields[0]?)?,
        group: unsigned(fields[1]?).filter(|group| *group <= u32::MAX as u64)?,
        len,
        offset: fields[4].map_or(Some(0), unsigned)?,
        total_len: fields[5].map_or(Some(len), unsigned)?,
        step: unsigned(fields[6]?)?,
        frozen: fields[7].map_or(Some(false), boolean)?,
        coded: fields[9].is_some(),
        checksums: read_checksums(fields[8]?)?,
    })
}

fn read_checksums(value: &Value) -> Option<Vec<(&'static str, u32)>> {
    let Value::Object(members) = value else { return None };
    let mut checksums: Vec<(&'static str, u32)> = Vec::new();
    for (key, value) in members {
        let key = key.decoded()?;
        let array = *ARRAYS.iter().find(|array| **array == key)?;
        let digits = string(value)?;
        let is_plain = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if digits.len() != 8 || !is_plain || checksums.iter().any(|(other, _)| *other == array) {
            return None;
        }
        checksums.push((array, u32::from_str_radix(&digits, 16).ok()?));
    }
    Some(checksums)
}

/// The values of some keys of an object, which must not be there twice. Others are ignored.
fn fields<'a>(value: &'a Value, keys: &[&str]) -> Option<Vec<Option<&'a Value>>> {
    let Value::Object(members) = value else { return None };
    let mut values = vec![None; keys.len()];
    for (key, value) in members {
        let key = key.decoded()?;
        if let Some(index) = keys.iter().position(|known| *known == key)
            && values[index].replace(value).is_some()
        {
            return None;
        }
    }
    Some(values)
}

fn string(value: &Value) -> Option<String> {
    if let Value::String(text) = value { text.decoded() } else { None }
}

fn start_of(value: &Value) -> Option<usize> {
    if let Value::String(Text { start, .. }) = value { Some(*start) } else { None }
}

fn list(value: &Value) -> Option<&[Value]> {
    if let Value::List(items) = value { Some(items) } else { None }
}

fn plain(value: &Value) -> Option<&str> {
    if let Value::Plain(word) = value { Some(word) } else { None }
}

fn unsigned(value: &Value) -> Option<u64> {
    plain(value)?.parse().ok()
}

fn number(value: &Value) -> Option<f64> {
    plain(value)?.parse().ok().filter(|number: &f64| number.is_finite())
}

fn boolean(value: &Value) -> Option<bool> {
    plain(value)?.parse().ok()
}
