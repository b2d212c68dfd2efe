//! Writing a checkpoint.

use super::header::{self, FileDtype, TensorEntry};
use super::manifest::Manifest;
use super::replace::Replacement;
use super::{BLOCK, Callback, Progress, push, zeros};
use crate::error::{Result, ensure};
use crate::optimizer::{NamedArray, Optimizer, State};
use crate::sort::order_of;
use std::cmp::Reverse;
use std::path::Path;

/// Where the bytes of a checkpoint go.
trait Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
    /// Writes over the first bytes.
    fn write_at_start(&mut self, bytes: &[u8]) -> Result<()>;
}

impl Sink for Replacement<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.write(bytes)
    }

    fn write_at_start(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_at_start(bytes)
    }
}

/// A buffer that is large enough.
struct Buffer<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl Sink for Buffer<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(())
    }

    fn write_at_start(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes[..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

/// Saves to a file, which is replaced when all is written.
pub(crate) fn save_to_file(
    optimizer: &Optimizer,
    path: &Path,
    callback: Option<Callback>,
) -> Result<()> {
    let checkpoint = Checkpoint::of(optimizer)?;
    let header = checkpoint.header()?;
    let mut file = Replacement::new(path)?;
    checkpoint.write(&header, &mut file, callback)?;
    file.finish()
}

/// Saves to a buffer, if there is one, and returns the bytes that are needed.
pub(crate) fn save_to_buffer(optimizer: &Optimizer, buffer: Option<&mut [u8]>) -> Result<u64> {
    let checkpoint = Checkpoint::of(optimizer)?;
    let header = checkpoint.header()?;
    let size = checkpoint.size(&header);
    let Some(bytes) = buffer else { return Ok(size) };
    ensure!(
        bytes.len() as u64 >= size,
        InvalidArgument,
        "capacity is {}, but the checkpoint has {size} bytes; capacity must be at least that",
        bytes.len()
    );
    checkpoint.write(&header, &mut Buffer { bytes, len: 0 }, None)?;
    Ok(size)
}

/// What there is to save.
struct Checkpoint<'a> {
    manifest: Manifest<'a>,
    tensors: Vec<Tensor<'a>>,
    order: Vec<u32>,
}

/// An array of the state of a parameter, which has this number in the manifest.
struct Tensor<'a> {
    param: usize,
    state: &'a State,
    array: NamedArray,
    dtype: FileDtype,
}

impl<'a> Checkpoint<'a> {
    fn of(optimizer: &'a Optimizer) -> Result<Self> {
        let mut tensors = Vec::new();
        for (number, (_, param)) in optimizer.params().enumerate() {
            let state = &param.state;
            for array in state.named_arrays() {
                let dtype = FileDtype::of(array.dtype);
                push(&mut tensors, Tensor { param: number, state, array, dtype })?;
            }
        }
        // The largest elements first, so that each is aligned, as readers expect.
        let place =
            |tensor: &Tensor| (Reverse(tensor.dtype.size()), tensor.param, tensor.array.number);
        let order = order_of(&tensors, |one, other| place(one).cmp(&place(other)))?;
        Ok(Self { manifest: Manifest::of(optimizer)?, tensors, order })
    }

    /// The arrays as they follow one another in the file.
    fn in_order(&self) -> impl Iterator<Item = &Tensor<'a>> {
        self.order.iter().map(|number| &self.tensors[*number as usize])
    }

    fn header(&self) -> Result<Vec<u8>> {
        let (mut tensors, mut end) = (Vec::new(), 0);
        for Tensor { param, array, dtype, .. } in self.in_order() {
            let bytes = array.bytes as u64;
            let entry = TensorEntry::new(*dtype, end, bytes);
            end += bytes;
            push(&mut tensors, (self.manifest.params.items[*param].name(), array.name, entry))?;
        }
        header::write(&self.manifest, &tensors)
    }

    fn data_len(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.array.bytes as u64).sum()
    }

    /// Of the whole file.
    fn size(&self, header: &[u8]) -> u64 {
        header.len() as u64 + self.data_len()
    }

    /// Writes the data once, behind the header, which is written again when their checksums are known.
    fn write(
        mut self,
        header: &[u8],
        sink: &mut dyn Sink,
        callback: Option<Callback>,
    ) -> Result<()> {
        let mut progress = Progress::new(callback, self.size(header));
        let mut block = zeros(BLOCK)?;
        sink.write(header)?;
        for number in &self.order {
            let Tensor { param, state, array, .. } = &self.tensors[*number as usize];
            let mut checksum = crc32fast::Hasher::new();
            for start in (0..array.bytes).step_by(BLOCK) {
                let block = &mut block[..BLOCK.min(array.bytes - start)];
                state.read(array.number, start, block)?;
                checksum.update(block);
                sink.write(block)?;
                progress.advance(block.len())?;
            }
            self.manifest.params.items[*param].checksums.set(array.name, checksum.finalize());
        }
        let len = header.len();
        let header = self.header()?;
        ensure!(
            header.len() == len,
            InvalidState,
            "the header of the checkpoint has changed its length"
        );
        sink.write_at_start(&header)?;
        progress.advance(len)
    }
}
