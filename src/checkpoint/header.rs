//! The first bytes of a checkpoint: those of any safetensors file, and a checksum over them.

use super::json::Json;
use super::json_writer::Writer;
use super::manifest::{Manifest, owned, parse_checksum};
use super::push;
use crate::error::{Error, Result, ensure, error, reserve};
use crate::kernel::Dtype;
use crate::sort::order_of;

/// What the metadata have: the manifest, and the CRC-32 of all bytes of the header, its own digits
/// taken as zeros.
const METADATA: &str = "__metadata__";
const MANIFEST: &str = "radam";
const CHECKSUM_KEY: &str = "\"radam.checksum\"";
const CHECKSUM: &str = "radam.checksum";
const ZEROS: &str = "00000000";

/// The most that readers of safetensors accept.
const LARGEST: u64 = 100_000_000;
/// The length of the JSON comes first.
pub(super) const LENGTH: usize = 8;

/// Where the tensors of a file are.
pub(super) struct Header {
    pub manifest: Manifest,
    tensors: Vec<Tensor>,
    /// The numbers of the tensors, in the order of their names.
    by_name: Vec<u32>,
    /// Where the data begin, and how many bytes they are.
    pub size: u64,
    pub data_len: u64,
}

/// A tensor's place behind the header.
#[derive(Debug)]
pub(super) struct Tensor {
    pub name: String,
    /// As `file_dtype` has it.
    pub dtype: String,
    pub start: u64,
    pub end: u64,
}

/// What a safetensors file calls a dtype, and the bytes of an element; `None` stands for the 16 bits that
/// make a master weight.
pub(super) fn file_dtype(dtype: Option<Dtype>) -> (&'static str, usize) {
    match dtype {
        Some(Dtype::F64) => ("F64", 8),
        Some(Dtype::F32) => ("F32", 4),
        Some(Dtype::F16) => ("F16", 2),
        Some(Dtype::Bf16) => ("BF16", 2),
        None => ("I16", 2),
    }
}

fn element_size(name: &str) -> Option<u64> {
    let dtypes = [Some(Dtype::F64), Some(Dtype::F32), Some(Dtype::F16), Some(Dtype::Bf16), None];
    dtypes
        .map(file_dtype)
        .into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, size)| size as u64)
}

/// The bytes of a header, for tensors in the order of their places.
pub(super) fn write(manifest: &Manifest, tensors: &[Tensor]) -> Result<Vec<u8>> {
    let mut writer = Writer::new();
    writer.object(|json| {
        json.object_entry(METADATA, |json| {
            json.text_entry(MANIFEST, &manifest.to_json()?)?;
            json.text_entry(CHECKSUM, ZEROS)
        })?;
        tensors
            .iter()
            .try_for_each(|tensor| json.object_entry(&tensor.name, |json| tensor.write(json)))
    })?;
    let json = writer.finish();
    let padded = json.len().next_multiple_of(8); // so that the data are aligned
    ensure!(
        padded as u64 <= LARGEST,
        InvalidState,
        "the checkpoint would have a header of {padded} bytes, and may have one of {LARGEST} at most; the \
         optimizer has too many parameters for one file"
    );
    let mut header = Vec::new();
    reserve(&mut header, LENGTH + padded, "bytes of a header")?;
    header.extend_from_slice(&(padded as u64).to_le_bytes());
    header.extend_from_slice(json.as_bytes());
    header.resize(LENGTH + padded, b' ');
    let at = find_checksum(&header).ok_or_else(|| damaged("has no place for its checksum"))?;
    let checksum = owned(format_args!("{:08x}", crc32fast::hash(&header)))?;
    header[at..at + ZEROS.len()].copy_from_slice(checksum.as_bytes());
    Ok(header)
}

/// How many bytes the JSON has, by the first bytes of a file of this length, which has as many.
pub(super) fn json_len(first: [u8; LENGTH], file_len: u64) -> Result<usize> {
    let len = u64::from_le_bytes(first);
    ensure!(
        len <= LARGEST && len <= file_len - LENGTH as u64,
        Corrupt,
        "the file says that its header has {len} bytes, which it has not; it is no checkpoint, or it is \
         damaged"
    );
    Ok(len as usize)
}

/// Reads a header, all of whose bytes are there, of a file of this length.
pub(super) fn read(mut header: Vec<u8>, file_len: u64) -> Result<Header> {
    let at =
        find_checksum(&header).ok_or_else(|| damaged("has no \"radam.checksum\" of 8 digits"))?;
    let digits = at..at + ZEROS.len();
    let expected = parse_checksum(&header[digits.clone()]);
    header[digits].copy_from_slice(ZEROS.as_bytes());
    ensure!(
        expected == Some(crc32fast::hash(&header)),
        Corrupt,
        "the header of the checkpoint does not have the checksum that it says; the file is damaged"
    );
    let text = str::from_utf8(&header[LENGTH..]).map_err(|_| damaged("is not UTF-8"))?;
    let json = Json::parse(text)?;
    let manifest = json.get(METADATA).and_then(|metadata| metadata.get(MANIFEST)?.text());
    let manifest = Manifest::parse(manifest.ok_or_else(|| damaged("has no manifest"))?)?;
    let tensors = read_tensors(&json)?;
    let size = header.len() as u64;
    let by_name = order_of(&tensors, |one, other| one.name.cmp(&other.name))?;
    let data_len = data_len(&tensors)?;
    let whole = size.checked_add(data_len);
    ensure!(
        whole == Some(file_len),
        Corrupt,
        "the checkpoint has {file_len} bytes, and by its header it should have {}; it was cut off, or \
         something was appended",
        whole.unwrap_or(u64::MAX)
    );
    Ok(Header { manifest, tensors, by_name, size, data_len })
}

fn read_tensors(json: &Json) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::new();
    for (name, json) in json.entries().ok_or_else(|| damaged("is not an object"))? {
        if name != METADATA {
            let tensor = Tensor::read(name, json)?;
            let tensor = tensor.ok_or_else(|| {
                error!(
                    Corrupt,
                    "the header of the checkpoint has no such tensor as it says of \"{name}\""
                )
            })?;
            push(&mut tensors, tensor)?;
        }
    }
    Ok(tensors)
}

impl Tensor {
    fn write(&self, json: &mut Writer) -> Result<()> {
        let size = element_size(&self.dtype).unwrap_or(1);
        json.text_entry("dtype", &self.dtype)?;
        json.list_entry("shape", |json| json.integer((self.end - self.start) / size))?;
        json.list_entry("data_offsets", |json| {
            json.integer(self.start)?;
            json.integer(self.end)
        })
    }

    /// `None` if there can be no such tensor.
    fn read(name: &str, json: &Json) -> Result<Option<Self>> {
        let read = || {
            let dtype = json.get("dtype")?.text()?;
            let size = element_size(dtype)?;
            let shape = json.get("shape")?.items()?;
            let elements = shape.iter().try_fold(1u64, |n, dim| n.checked_mul(dim.integer()?))?;
            let [start, end] = json.get("data_offsets")?.items()? else { return None };
            let (start, end) = (start.integer()?, end.integer()?);
            (elements.checked_mul(size) == end.checked_sub(start)).then_some((dtype, start, end))
        };
        let Some((dtype, start, end)) = read() else { return Ok(None) };
        Ok(Some(Self { name: owned(name)?, dtype: owned(dtype)?, start, end }))
    }

    pub fn len(&self) -> u64 {
        self.end - self.start
    }
}

impl Header {
    pub fn tensor(&self, param: &str, array: &str) -> Option<&Tensor> {
        // The name is the two with a dot between, which need not be put together to be compared.
        let parts = || param.bytes().chain([b'.']).chain(array.bytes());
        let tensor = |number: &u32| &self.tensors[*number as usize];
        let index = self.by_name.partition_point(|number| tensor(number).name.bytes().lt(parts()));
        self.by_name.get(index).map(tensor).filter(|tensor| tensor.name.bytes().eq(parts()))
    }
}

/// The bytes behind the header, each of which must belong to one tensor.
fn data_len(tensors: &[Tensor]) -> Result<u64> {
    let place = |tensor: &Tensor| (tensor.start, tensor.end);
    let order = order_of(tensors, |one, other| place(one).cmp(&place(other)))?;
    order.iter().map(|number| place(&tensors[*number as usize])).try_fold(0, |end, (start, next)| {
        ensure!(
            start == end,
            Corrupt,
            "the tensors of the checkpoint overlap, or do not follow one another, at byte {start}"
        );
        Ok(next)
    })
}

/// Where the digits of the header's checksum begin. Inside of a JSON string there are no bare quotes, so
/// no name or value can be taken for it.
fn find_checksum(header: &[u8]) -> Option<usize> {
    let key = CHECKSUM_KEY.as_bytes();
    let after = header.windows(key.len()).position(|window| window == key)? + key.len();
    let skip = |at: usize, byte: u8| {
        let spaces = header[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        (header.get(at + spaces) == Some(&byte)).then_some(at + spaces + 1)
    };
    let digits = skip(skip(after, b':')?, b'"')?;
    (header.get(digits + ZEROS.len()) == Some(&b'"')).then_some(digits)
}

fn damaged(what: &str) -> Error {
    error!(Corrupt, "the header of the file {what}; it is no checkpoint of radam, or it is damaged")
}
