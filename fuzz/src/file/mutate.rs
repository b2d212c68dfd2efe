//! Damages checkpoints where it hurts: in the keys, numbers and names of their headers, and then repairs the
//! checksums, so that the damage gets past them.

use super::json::{Text, Value, parse};
use super::reader::{find_checksum, header_checksum};
use crate::draw::Random;

/// A checkpoint in parts.
struct Parts {
    header: Value,
    manifest: Value,
    data: Vec<u8>,
}

/// The checkpoint with so many changes; mostly with right checksums.
pub fn damaged(bytes: &[u8], changes: usize, random: &mut Random) -> Vec<u8> {
    let Some(mut parts) = Parts::of(bytes) else { return bytes.to_vec() };
    for _ in 0..changes {
        match random.below(12) {
            0..5 => change_somewhere(&mut parts.manifest, random),
            5..8 => change_somewhere(&mut parts.header, random),
            8 => parts.change_data(random),
            9 => parts.move_tensors(random),
            10 => parts.change_params(random),
            _ => parts.change_words(random),
        }
    }
    if random.below(8) > 0 {
        parts.repair_arrays();
    }
    let mut text = parts.header_text();
    match random.below(12) {
        0 => change_text(&mut text, random),
        1 => add_space(&mut text, random),
        _ => {}
    }
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(&text);
    if random.below(24) > 0 {
        repair_header(&mut bytes);
    }
    bytes.extend(parts.data);
    match random.below(40) {
        0 => bytes.truncate(random.below(bytes.len())),
        1 => bytes.push(0),
        2 => bytes[random.below(8)] ^= 1 << random.below(8),
        _ => {}
    }
    bytes
}

impl Parts {
    fn of(bytes: &[u8]) -> Option<Self> {
        let len = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?) as usize;
        let header = parse(str::from_utf8(bytes.get(8..8 + len)?).ok()?)?;
        let manifest = member(member(&header, "__metadata__")?, "radam")?;
        let Value::String(text) = manifest else { return None };
        let manifest = parse(&text.decoded()?)?;
        Some(Self { header, manifest, data: bytes[8 + len..].to_vec() })
    }

    /// The header with the manifest in it, padded as the library pads it.
    fn header_text(&self) -> Vec<u8> {
        let mut header = self.header.clone();
        let manifest = Value::String(Text::encode(&self.manifest.text()));
        let metadata = member_mut(&mut header, "__metadata__");
        if let Some(place) = metadata.and_then(|metadata| member_mut(metadata, "radam")) {
            *place = manifest;
        }
        let mut text = header.text().into_bytes();
        text.resize(text.len().next_multiple_of(8), b' ');
        text
    }

    fn change_data(&mut self, random: &mut Random) {
        if !self.data.is_empty() {
            let at = random.below(self.data.len());
            self.data[at] ^= 1 << random.below(8);
        }
    }

    /// Puts the data of the tensors into another order, which is as good as the first.
    fn move_tensors(&mut self, random: &mut Random) {
        let old = std::mem::take(&mut self.data);
        let Value::Object(members) = &mut self.header else { return };
        for index in (1..members.len()).rev() {
            members.swap(index, random.below(index + 1));
        }
        for (_, tensor) in members.iter_mut().filter(|(key, _)| key.raw != "__metadata__") {
            let Some(range) = range_of(tensor) else { continue };
            let start = self.data.len();
            self.data.extend(old.get(range).unwrap_or_default());
            let offsets = [start, self.data.len()].map(|at| Value::Plain(at.to_string()));
            if let Some(place) = member_mut(tensor, "data_offsets") {
                *place = Value::List(offsets.to_vec());
            }
        }
    }

    /// Repeats, takes away or swaps parameters or groups of the manifest.
    fn change_params(&mut self, random: &mut Random) {
        let list = ["params", "groups"][random.below(2)];
        let Some(Value::List(items)) = member_mut(&mut self.manifest, list) else { return };
        if items.is_empty() {
            return;
        }
        let (one, other) = (random.below(items.len()), random.below(items.len()));
        match random.below(3) {
            0 => items.push(items[one].clone()),
            1 => drop(items.remove(one)),
            _ => items.swap(one, other),
        }
    }

    /// Changes words that mean something.
    fn change_words(&mut self, random: &mut Random) {
        let (key, values): (_, &[&str]) = [
            ("moments", &["\"biased\"", "\"debiased\"", "\"Biased\""][..]),
            ("format", &["1", "2", "3", "0", "2.0"]),
            ("optimizer_accumulation", &["true", "false", "0", "null"]),
            ("library", &["{\"a\":[1,{}]}", "\"\\ud800\"", "null"]),
        ][random.below(4)];
        let value = Value::Plain(values[random.below(values.len())].to_owned());
        match member_mut(&mut self.manifest, key) {
            Some(place) => *place = value,
            None => drop(self.manifest.push(key, value)),
        }
    }

    /// Gives every array in the manifest the checksum of its data.
    fn repair_arrays(&mut self) {
        let Some(Value::List(params)) = member_mut(&mut self.manifest, "params") else { return };
        for param in params {
            let name = match member(param, "name") {
                Some(Value::String(name)) => name.decoded().unwrap_or_default(),
                _ => continue,
            };
            let Some(Value::Object(checksums)) = member_mut(param, "checksums") else { continue };
            for (array, checksum) in checksums {
                let tensor = Text::encode(&format!("{name}.{}", array.raw)).raw;
                let range = member(&self.header, &tensor).and_then(range_of);
                if let Some(data) = range.and_then(|range| self.data.get(range)) {
                    let digits = format!("{:08x}", crc32fast::hash(data));
                    *checksum = Value::String(Text::plain(&digits));
                }
            }
        }
    }
}

/// Arbitrary bytes, in which the checksum of the header is right if there is one.
pub fn with_right_checksum(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some((length, _)) = bytes.split_first_chunk() {
        let end = u64::from_le_bytes(*length).saturating_add(8).min(bytes.len() as u64);
        repair_header(&mut bytes[..end as usize]);
    }
    bytes
}

fn repair_header(header: &mut [u8]) {
    if let Some(digits) = find_checksum(header) {
        let checksum = header_checksum(header, &digits);
        header[digits].copy_from_slice(checksum.as_bytes());
    }
}

fn range_of(tensor: &Value) -> Option<std::ops::Range<usize>> {
    let Value::List(offsets) = member(tensor, "data_offsets")? else { return None };
    let mut offsets = offsets.iter().map(|offset| offset.text().parse().ok());
    Some(offsets.next()??..offsets.next()??)
}

fn member<'a>(object: &'a Value, key: &str) -> Option<&'a Value> {
    let Value::Object(members) = object else { return None };
    members.iter().find(|(known, _)| known.raw == key).map(|(_, value)| value)
}

fn member_mut<'a>(object: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    let Value::Object(members) = object else { return None };
    members.iter_mut().find(|(known, _)| known.raw == key).map(|(_, value)| value)
}

impl Value {
    fn push(&mut self, key: &str, value: Self) -> Option<()> {
        let Self::Object(members) = self else { return None };
        members.push((Text::plain(key), value));
        Some(())
    }

    /// How many values there are, this and those in it.
    fn count(&self) -> usize {
        1 + match self {
            Self::List(items) => items.iter().map(Self::count).sum(),
            Self::Object(members) => members.iter().map(|(_, value)| value.count()).sum(),
            _ => 0,
        }
    }

    /// The value of a number below `count`.
    fn nth(&mut self, mut number: usize) -> Option<&mut Self> {
        if number == 0 {
            return Some(self);
        }
        number -= 1;
        let inner: Vec<&mut Self> = match self {
            Self::List(items) => items.iter_mut().collect(),
            Self::Object(members) => members.iter_mut().map(|(_, value)| value).collect(),
            _ => return None,
        };
        for value in inner {
            let count = value.count();
            if number < count {
                return value.nth(number);
            }
            number -= count;
        }
        None
    }
}

const STRANGE: [&str; 28] = [
    "null",
    "true",
    "false",
    "0",
    "-1",
    "-0",
    "1.0",
    "0.5",
    "1e2",
    "1e400",
    "1e-400",
    "4",
    "5",
    "100",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "0.1000000000000000055511151231257827",
    "\"\"",
    "\"on\"",
    "\"off\"",
    "\"x\\u0000\"",
    "\"\\ud834\\udd1e\"",
    "[]",
    "{}",
    "[[1]]",
    "1.5",
    "\"F32\"",
];

fn change_somewhere(root: &mut Value, random: &mut Random) {
    let number = random.below(root.count());
    let Some(value) = root.nth(number) else { return };
    match value {
        Value::Object(members) if !members.is_empty() => {
            let (index, other) = (random.below(members.len()), random.below(members.len()));
            match random.below(7) {
                0 => drop(members.remove(index)),
                1 => members.insert(other, members[index].clone()),
                2 => members[index].0 = members[other].0.clone(),
                3 => members.swap(index, other),
                4 => members[index].0 = escaped(&members[index].0),
                5 => members.push((Text::plain("unknown"), strange(random))),
                _ => members[index].1 = members[other].1.clone(),
            }
        }
        Value::List(items) if !items.is_empty() => {
            let index = random.below(items.len());
            match random.below(3) {
                0 => drop(items.remove(index)),
                1 => items.push(items[index].clone()),
                _ => items.push(strange(random)),
            }
        }
        Value::String(text) if random.below(3) == 0 => *text = escaped(text),
        Value::Plain(word) if random.below(2) == 0 => {
            if let Ok(number) = word.parse::<u64>() {
                *word = (number.wrapping_add([1, u64::MAX, number][random.below(3)])).to_string();
            }
        }
        value => *value = strange(random),
    }
}

fn strange(random: &mut Random) -> Value {
    Value::Plain(STRANGE[random.below(STRANGE.len())].to_owned())
}

/// The same text with an escape in it.
fn escaped(text: &Text) -> Text {
    let mut chars = text.raw.chars();
    match chars.next() {
        Some(c) if c.is_ascii_alphanumeric() || c == '_' => {
            Text::plain(&format!("\\u{:04x}{}", c as u32, chars.as_str()))
        }
        _ => text.clone(),
    }
}

/// Makes it something that is no JSON, or other JSON.
fn change_text(text: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(text.len());
    match random.below(4) {
        0 => drop(text.remove(at)),
        1 => text.insert(at, b",]}0\"\\\n\x00\xff "[random.below(10)]),
        2 => text[at] = b"{}[]:,\"x1-"[random.below(10)],
        _ => text.truncate(at),
    }
}

/// Puts space behind a comma or a colon, where it means nothing unless it is in a string.
fn add_space(text: &mut Vec<u8>, random: &mut Random) {
    let start = random.below(text.len());
    if let Some(at) = text[start..].iter().position(|byte| b":,".contains(byte)) {
        text.insert(start + at + 1, b" \t\n\r\x0c"[random.below(5)]);
    }
}
