//! The header of a checkpoint: that of a safetensors file, with a manifest and a checksum as metadata.

use super::checksum::Checksum;
use super::json::{self, List, Object, Shown, Text, words};
use super::manifest::Manifest;
use super::order::order_of;
use crate::error::{Result, ensure, error, reserve};
use crate::kernel::Dtype;
use crate::optimizer::ElementType;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::marker::PhantomData;
use std::ops::Range;

const METADATA: &str = "__metadata__";
const CHECKSUM_KEY: &[u8] = b"\"radam.checksum\"";
const ZEROS: &str = "00000000";

/// The longest header that readers of safetensors files accept.
const LONGEST: u64 = 100_000_000;
/// The bytes in front of the JSON, which say how long it is.
pub(super) const LENGTH: usize = 8;

/// What the header of a file says.
pub(super) struct Header<'a> {
    /// As JSON.
    pub manifest: Cow<'a, str>,
    pub tensors: Vec<Tensor<'a>>,
    /// The numbers of the tensors, sorted by name.
    by_name: Vec<u32>,
    /// Of the header, with its length, and of the data behind it, in bytes.
    pub size: u64,
    pub data_len: u64,
}

/// A tensor, and where it is in the data, in bytes.
pub(super) struct Tensor<'a> {
    name: Text<'a>,
    pub dtype: FileDtype,
    pub start: u64,
    pub len: u64,
}

/// A tensor as the header has it.
#[derive(Serialize, Deserialize)]
pub(super) struct TensorEntry {
    dtype: FileDtype,
    shape: Shape,
    data_offsets: [u64; 2],
}

/// The number of elements of a tensor of any number of dimensions.
struct Shape(u64);

/// The dtypes of safetensors that checkpoints use; I16 is that of `master_remainder`, and I8, U8 and U32 are those of 8-bit
/// state.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum FileDtype {
    F64,
    F32,
    F16,
    Bf16,
    I16,
    I8,
    U8,
    U32,
}

words!(FileDtype: "F64" = F64, "F32" = F32, "F16" = F16, "BF16" = Bf16, "I16" = I16,
    "I8" = I8, "U8" = U8, "U32" = U32);

impl FileDtype {
    pub fn of(element: ElementType) -> Self {
        match element {
            ElementType::Float(Dtype::F64) => Self::F64,
            ElementType::Float(Dtype::F32) => Self::F32,
            ElementType::Float(Dtype::F16) => Self::F16,
            ElementType::Float(Dtype::Bf16) => Self::Bf16,
            ElementType::I8 => Self::I8,
            ElementType::U8 => Self::U8,
            ElementType::I16 => Self::I16,
            ElementType::U32 => Self::U32,
        }
    }

    /// The dtype of numbers.
    pub fn float(self) -> Option<Dtype> {
        match self {
            Self::F64 => Some(Dtype::F64),
            Self::F32 => Some(Dtype::F32),
            Self::F16 => Some(Dtype::F16),
            Self::Bf16 => Some(Dtype::Bf16),
            Self::I16 | Self::I8 | Self::U8 | Self::U32 => None,
        }
    }

    /// Bytes of an element.
    pub fn size(self) -> u64 {
        match self {
            Self::F64 => 8,
            Self::F32 | Self::U32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 => 1,
        }
    }
}

impl fmt::Display for FileDtype {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// The metadata that belong to checkpoints.
#[derive(Serialize, Deserialize)]
struct Metadata<T, C> {
    /// The manifest.
    radam: T,
    /// The CRC-32 of the length and the JSON, in which its own digits count as zeros.
    #[serde(rename = "radam.checksum")]
    checksum: C,
}

/// The bytes of a header. The tensors, each an array of a parameter, are in the order of their data.
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
        "the header of the checkpoint would have {padded} bytes, but the limit of safetensors files is {LONGEST}; \
         the optimizer has too many parameters for one file"
    );
    let (mut header, size) = (Vec::new(), LENGTH + padded);
    reserve(&mut header, size, "bytes of a header")?;
    header.extend_from_slice(&(padded as u64).to_le_bytes());
    header.extend_from_slice(text.as_bytes());
    header.resize(size, b' ');
    let digits = find_checksum(&header)?;
    let checksum = checksum(&header, &digits);
    let written = write!(&mut header[digits], "{checksum}");
    debug_assert!(written.is_ok(), "there is room for 8 digits");
    Ok(header)
}

/// The length of the JSON, from the first bytes of a file of this length.
pub(super) fn json_len(first: [u8; LENGTH], file_len: u64) -> Result<usize> {
    let len = u64::from_le_bytes(first);
    ensure!(
        len <= LONGEST,
        Corrupt,
        "the file is not a safetensors file, and so not a checkpoint: it would begin with the length of its \
         header, at most {LONGEST}"
    );
    ensure!(
        len <= file_len - LENGTH as u64,
        Corrupt,
        "the file ends within its header: the header should have {len} bytes, and the whole file has {file_len}; \
         it has been truncated, or it is not a checkpoint"
    );
    Ok(len as usize)
}

impl<'a> Header<'a> {
    /// Reads the header of a file of this length.
    pub fn read(header: &'a [u8], file_len: u64) -> Result<Self> {
        let digits = find_checksum(header)?;
        ensure!(
            Checksum::parse(&header[digits.clone()]) == Some(checksum(header, &digits)),
            Corrupt,
            "the checksum of the header is wrong; the file is damaged"
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
            "the checkpoint has {file_len} bytes, but should have {whole} according to its header; it has been \
             truncated, or something has been appended"
        );
        Ok(Self {
            manifest: metadata.radam.0.unwrap_or_default(),
            tensors,
            by_name,
            size,
            data_len,
        })
    }

    /// The number of the tensor that holds this array of a parameter.
    pub fn find(&self, param: &str, array: &str) -> Option<usize> {
        // Its name is the two with a dot between them, which can be compared without being put together.
        let parts = || param.bytes().chain([b'.']).chain(array.bytes());
        let name =
            |number: u32| self.tensors[number as usize].name.0.iter().flat_map(|name| name.bytes());
        let index = self.by_name.partition_point(|number| name(*number).lt(parts()));
        let number = *self.by_name.get(index)?;
        name(number).eq(parts()).then_some(number as usize)
    }
}

impl TensorEntry {
    /// A tensor of one dimension. `start` and `len` are in bytes.
    pub fn of(dtype: FileDtype, start: u64, len: u64) -> Self {
        Self { dtype, shape: Shape(len / dtype.size()), data_offsets: [start, start + len] }
    }
}

/// The entries of a header.
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
            let TensorEntry { dtype, shape, data_offsets: [start, end] } =
                map.next_value_seed(Object(PhantomData))?;
            let len = end
                .checked_sub(start)
                .filter(|len| shape.0.checked_mul(dtype.size()) == Some(*len));
            let contradiction =
                || A::Error::custom("dtype, shape and data_offsets contradict one another");
            self.tensors.push(Tensor { name, dtype, start, len: len.ok_or_else(contradiction)? });
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

/// The length of the data. Each byte must belong to exactly one tensor.
fn data_len(tensors: &[Tensor]) -> Result<u64> {
    let place = |tensor: &Tensor| (tensor.start, tensor.len);
    let order = order_of(tensors, |one, other| place(one).cmp(&place(other)))?;
    order.iter().map(|number| place(&tensors[*number as usize])).try_fold(0, |end, (start, len)| {
        ensure!(
            start == end,
            Corrupt,
            "the tensors of the checkpoint overlap or leave a gap at byte {end} of the data; the file is damaged"
        );
        Ok(end + len)
    })
}

/// Where the digits of the checksum are: behind the first string that is the key, as every reader can find it
/// without JSON. (Within a string, quotes are escaped.)
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

/// The checksum of a header that has the digits of its own checksum here.
fn checksum(header: &[u8], digits: &Range<usize>) -> Checksum {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&header[..digits.start]);
    checksum.update(ZEROS.as_bytes());
    checksum.update(&header[digits.end..]);
    Checksum(checksum.finalize())
}
