//! The first bytes of a checkpoint: those of any safetensors file, and a checksum over them.

use super::json::{self, List, Object, Shown, Text, words};
use super::manifest::{Manifest, owned};
use crate::error::{Result, ensure, error, reserve};
use crate::kernel::Dtype;
use crate::sort::order_of;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

const METADATA: &str = "__metadata__";
const CHECKSUM_KEY: &[u8] = b"\"radam.checksum\"";
const ZEROS: &str = "00000000";

/// The longest header that readers of safetensors accept.
const LONGEST: u64 = 100_000_000;
/// The length of the JSON comes first.
pub(super) const LENGTH: usize = 8;

/// Where the tensors of a file are.
pub(super) struct Header<'a> {
    /// As JSON.
    pub manifest: Cow<'a, str>,
    pub tensors: Vec<Tensor<'a>>,
    /// The numbers of the tensors, in the order of their names.
    by_name: Vec<u32>,
    /// Where the data begin, and how many bytes they are.
    pub size: u64,
    pub data_len: u64,
}

/// A tensor's place behind the header.
pub(super) struct Tensor<'a> {
    name: Text<'a>,
    pub entry: TensorEntry,
}

/// As the header has it.
#[derive(Serialize, Deserialize)]
pub(super) struct TensorEntry {
    pub dtype: FileDtype,
    shape: Shape,
    data_offsets: [u64; 2],
}

/// The elements of a tensor, of however many dimensions.
struct Shape(u64);

/// What a safetensors file calls a dtype. I16 are the halves of master weights.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum FileDtype {
    F64,
    F32,
    F16,
    Bf16,
    I16,
}

words!(FileDtype: "F64" = F64, "F32" = F32, "F16" = F16, "BF16" = Bf16, "I16" = I16);

impl FileDtype {
    pub fn of(dtype: Option<Dtype>) -> Self {
        match dtype {
            Some(Dtype::F64) => Self::F64,
            Some(Dtype::F32) => Self::F32,
            Some(Dtype::F16) => Self::F16,
            Some(Dtype::Bf16) => Self::Bf16,
            None => Self::I16,
        }
    }

    /// Bytes of an element.
    pub fn size(self) -> u64 {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            _ => 2,
        }
    }
}

impl fmt::Display for FileDtype {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// The metadata, which are strings.
#[derive(Serialize, Deserialize)]
struct Metadata<T, C> {
    /// The manifest.
    radam: T,
    /// The CRC-32 of all bytes of the header, its own digits taken as zeros.
    #[serde(rename = "radam.checksum")]
    checksum: C,
}

/// The bytes of a header, with its length and checksum. Each tensor is an array of a parameter; they are in
/// the order of their places.
pub(super) fn write(
    manifest: &Manifest,
    tensors: &[(&str, &'static str, TensorEntry)],
) -> Result<Vec<u8>> {
    let manifest = json::write(|json| manifest.serialize(json))?;
    let text = json::write(|json| {
        let mut map = json.serialize_map(None)?;
        map.serialize_entry(METADATA, &Metadata { radam: &manifest, checksum: ZEROS })?;
        for (param, array, entry) in tensors {
            map.serialize_entry(&format_args!("{param}.{array}"), entry)?;
        }
        map.end()
    })?;
    let padded = text.len().next_multiple_of(8); // so that the data are aligned
    ensure!(
        padded as u64 <= LONGEST,
        InvalidState,
        "the checkpoint would have a header of {padded} bytes, and readers of safetensors accept {LONGEST} at \
         most; the optimizer has too many parameters for one file"
    );
    let mut header = Vec::new();
    reserve(&mut header, LENGTH + padded, "bytes of a header")?;
    header.extend_from_slice(&(padded as u64).to_le_bytes());
    header.extend_from_slice(text.as_bytes());
    header.resize(LENGTH + padded, b' ');
    let digits = find_checksum(&header)?;
    let checksum = owned(format_args!("{:08x}", checksum(&header, &digits)))?;
    header[digits].copy_from_slice(checksum.as_bytes());
    Ok(header)
}

/// How many bytes the JSON has, by the first bytes of a file of this length, which has as many.
pub(super) fn json_len(first: [u8; LENGTH], file_len: u64) -> Result<usize> {
    let len = u64::from_le_bytes(first);
    ensure!(
        len <= LONGEST,
        Corrupt,
        "the file is not a checkpoint: a safetensors file begins with the length of its header, which is at \
         most {LONGEST}"
    );
    ensure!(
        len <= file_len - LENGTH as u64,
        Corrupt,
        "the file ends within its header: it has {file_len} bytes, and the first of them say that the header \
         has {len}; it was cut off, or it is not a checkpoint"
    );
    Ok(len as usize)
}

impl<'a> Header<'a> {
    /// Reads a header, all of whose bytes are there, of a file of this length.
    pub fn read(header: &'a [u8], file_len: u64) -> Result<Self> {
        let digits = find_checksum(header)?;
        ensure!(
            parse_checksum(&header[digits.clone()]) == Some(checksum(header, &digits)),
            Corrupt,
            "the header of the checkpoint does not have its checksum; the file is damaged"
        );
        let text = str::from_utf8(&header[LENGTH..]).map_err(|error| {
            error!(Corrupt, "the header of the checkpoint is not UTF-8: {error}")
        })?;
        let Entries { metadata, tensors } = json::read(text, "the header of the checkpoint")?;
        let metadata = metadata
            .filter(|found| {
                found.checksum.get().as_ptr().addr() + 1 == header[digits].as_ptr().addr()
            })
            .ok_or_else(|| {
                error!(
                    Corrupt,
                    "the header of the checkpoint has no \"radam.checksum\" in its metadata"
                )
            })?;
        tensors.check()?;
        let tensors = tensors.items;
        tensors.iter().try_for_each(|tensor| tensor.name.check())?;
        metadata.radam.check()?;
        let name = |number: u32| tensors[number as usize].name.0.as_deref();
        let by_name = order_of(&tensors, |one, other| one.name.0.cmp(&other.name.0))?;
        if let Some(pair) = by_name.windows(2).find(|pair| name(pair[0]) == name(pair[1])) {
            let name = Shown(name(pair[0]).unwrap_or_default());
            return Err(error!(Corrupt, "the header of the checkpoint has \"{name}\" twice"));
        }
        let data_len = data_len(&tensors)?;
        let size = header.len() as u64;
        let whole = size.saturating_add(data_len);
        ensure!(
            whole == file_len,
            Corrupt,
            "the checkpoint has {file_len} bytes, and by its header it should have {whole}; it was cut off, or \
             something was appended"
        );
        Ok(Self {
            manifest: metadata.radam.0.unwrap_or_default(),
            tensors,
            by_name,
            size,
            data_len,
        })
    }

    /// The number of the tensor that is this array of a parameter.
    pub fn find(&self, param: &str, array: &str) -> Option<usize> {
        // The name is the two with a dot between, which need not be put together to be compared.
        let parts = || param.bytes().chain([b'.']).chain(array.bytes());
        let name =
            |number: u32| self.tensors[number as usize].name.0.iter().flat_map(|name| name.bytes());
        let index = self.by_name.partition_point(|number| name(*number).lt(parts()));
        let number = *self.by_name.get(index)?;
        name(number).eq(parts()).then_some(number as usize)
    }
}

impl Tensor<'_> {
    /// Where it begins, counted from the first byte of the data.
    pub fn start(&self) -> u64 {
        self.entry.data_offsets[0]
    }

    pub fn len(&self) -> u64 {
        self.entry.data_offsets[1] - self.start()
    }
}

impl TensorEntry {
    /// So many bytes from this one on, as a list of elements.
    pub fn new(dtype: FileDtype, start: u64, len: u64) -> Self {
        Self { dtype, shape: Shape(len / dtype.size()), data_offsets: [start, start + len] }
    }
}

/// All entries of the header.
struct Entries<'a> {
    metadata: Option<Metadata<Text<'a>, &'a RawValue>>,
    tensors: List<Tensor<'a>>,
}

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(Entries { metadata: None, tensors: List::new() })
    }
}

impl<'de> Visitor<'de> for Entries<'de> {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("the header of a safetensors file")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(name) = map.next_key::<Text>()? {
            if name.0.as_deref() == Some(METADATA) {
                let metadata = map.next_value_seed(Object(PhantomData))?;
                if self.metadata.replace(metadata).is_some() {
                    return Err(A::Error::duplicate_field(METADATA));
                }
                continue;
            }
            let entry: TensorEntry = map.next_value_seed(Object(PhantomData))?;
            let [start, end] = entry.data_offsets;
            if entry.shape.0.checked_mul(entry.dtype.size()) != end.checked_sub(start) {
                return Err(A::Error::custom(
                    "dtype, shape and data_offsets contradict one another",
                ));
            }
            self.tensors.push(Tensor { name, entry });
        }
        Ok(self)
    }
}

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        [self.0].serialize(json)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_seq(Shape(1))
    }
}

impl<'de> Visitor<'de> for Shape {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a list of dimensions")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self, A::Error> {
        while let Some(dimension) = list.next_element()? {
            let elements = self.0.checked_mul(dimension);
            self.0 =
                elements.ok_or_else(|| A::Error::custom("a shape of 2^64 elements or more"))?;
        }
        Ok(self)
    }
}

/// The bytes behind the header, each of which must belong to one tensor.
fn data_len(tensors: &[Tensor]) -> Result<u64> {
    let place = |tensor: &Tensor| tensor.entry.data_offsets;
    let order = order_of(tensors, |one, other| place(one).cmp(&place(other)))?;
    order.iter().map(|number| place(&tensors[*number as usize])).try_fold(0, |end, [start, next]| {
        ensure!(
            start == end,
            Corrupt,
            "the tensors of the checkpoint overlap, or there is a gap between them, at byte {start} of the data"
        );
        Ok(next)
    })
}

/// Where the digits of the header's checksum are. Within a JSON string a quote has a backslash before it,
/// so that no part of a longer string can be taken for the key.
fn find_checksum(header: &[u8]) -> Result<Range<usize>> {
    let find = || {
        let key = header.windows(CHECKSUM_KEY.len()).position(|window| window == CHECKSUM_KEY)?;
        let skip = |at: usize, byte: u8| {
            let spaces = header[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            (header.get(at + spaces) == Some(&byte)).then_some(at + spaces + 1)
        };
        let start = skip(skip(key + CHECKSUM_KEY.len(), b':')?, b'"')?;
        let end = start + ZEROS.len();
        (header.get(end) == Some(&b'"')).then_some(start..end)
    };
    find().ok_or_else(|| {
        error!(
            Corrupt,
            "the file is not a checkpoint of radam: its header has no \"radam.checksum\" of 8 digits"
        )
    })
}

/// The checksum of a header, whose own digits are here.
fn checksum(header: &[u8], digits: &Range<usize>) -> u32 {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&header[..digits.start]);
    checksum.update(ZEROS.as_bytes());
    checksum.update(&header[digits.end..]);
    checksum.finalize()
}

/// The value of 8 hexadecimal digits. Capitals are refused: a flipped bit makes them.
pub(super) fn parse_checksum(digits: &[u8]) -> Option<u32> {
    let is_digit = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    let is_plain = digits.len() == ZEROS.len() && digits.iter().all(is_digit);
    is_plain.then(|| u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok())?
}
