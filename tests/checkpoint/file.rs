//! Parses and assembles checkpoints independently of the library.

use crate::training::mix;

const KEY: &str = "\"radam.checksum\"";
const DIGITS: usize = 8;

#[derive(Clone)]
pub struct File {
    /// The header, without the spaces that fill it up.
    pub json: String,
    pub data: Vec<u8>,
}

impl File {
    pub fn of(bytes: &[u8]) -> Self {
        let (len, rest) = bytes.split_at(8);
        let (json, data) = rest.split_at(u64::from_le_bytes(len.try_into().unwrap()) as usize);
        let json = str::from_utf8(json).unwrap().trim_end().to_owned();
        File { json, data: data.to_vec() }
    }

    /// A header with this manifest and these tensors, each with its dtype, shape and bytes.
    pub fn new(manifest: &str, tensors: &[(&str, &str, &[u64], &[u8])]) -> Self {
        let mut json =
            format!("{{\"__metadata__\":{{\"radam\":{},{KEY}:\"00000000\"}}", quoted(manifest));
        let mut data = Vec::new();
        for (name, dtype, shape, bytes) in tensors {
            let (start, name) = (data.len(), quoted(name));
            data.extend_from_slice(bytes);
            json += &format!(
                ",{name}:{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{start},{}]}}",
                data.len()
            );
        }
        File { json: json + "}", data }
    }

    /// With one text in the place of another, which must be there.
    pub fn replaced(&self, from: &str, to: &str) -> Self {
        assert!(self.json.contains(from), "no {from} in {}", self.json);
        File { json: self.json.replace(from, to), data: self.data.clone() }
    }

    /// The bytes, with a checksum of the header that is right, if it has room for one.
    pub fn bytes(&self) -> Vec<u8> {
        let mut json = self.json.clone().into_bytes();
        json.resize(json.len().next_multiple_of(8), b' ');
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json);
        if let Some(at) = self.checksum().map(|at| 8 + at)
            && at + DIGITS <= bytes.len()
        {
            bytes[at..at + DIGITS].fill(b'0');
            let checksum = format!("{:08x}", crc32(&bytes));
            bytes[at..at + DIGITS].copy_from_slice(checksum.as_bytes());
        }
        bytes.extend(&self.data);
        bytes
    }

    /// Where the digits of the checksum are in the JSON.
    fn checksum(&self) -> Option<usize> {
        let (_, rest) = self.json.split_once(KEY)?;
        let rest = rest.trim_start().strip_prefix(':')?.trim_start();
        Some(self.json.len() - rest.strip_prefix('"')?.len())
    }
}

/// CRC-32 as zlib has it, bit by bit.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

/// As JSON has a text without control characters.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Numbers that look random and are the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = mix(self.0);
        (self.0 % limit.max(1) as u64) as usize
    }
}
