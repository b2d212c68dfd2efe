//! Writing a checkpoint.

use super::header::{self, file_dtype};
use super::json::push;
use super::manifest::{Manifest, owned};
use super::replace::Replacement;
use super::{BLOCK, Callback, Progress};
use crate::error::{Result, ensure};
use crate::optimizer::{NamedArray, Optimizer};
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
    let mut file = Replacement::new(path)?;
    checkpoint.write(&mut file, callback)?;
    file.finish()
}

/// Saves to a buffer, if there is one, and returns the bytes that are needed.
pub(crate) fn save_to_buffer(optimizer: &Optimizer, buffer: Option<&mut [u8]>) -> Result<u64> {
    let checkpoint = Checkpoint::of(optimizer)?;
    let size = checkpoint.size()?;
    let Some(bytes) = buffer else { return Ok(size) };
    ensure!(
        bytes.len() as u64 >= size,
        InvalidArgument,
        "capacity is {}, but the checkpoint has {size} bytes; capacity must be at least that",
        bytes.len()
    );
    checkpoint.write(&mut Buffer { bytes, len: 0 }, None)?;
    Ok(size)
}

/// What there is to save.
struct Checkpoint<'a> {
    manifest: Manifest,
    tensors: Vec<Tensor<'a>>,
}

/// An array of a state: which parameter's in the manifest, and what it is called.
struct Tensor<'a> {
    param: usize,
    name: &'static str,
    dtype: &'static str,
    element_size: usize,
    bytes: &'a [u8],
}

impl<'a> Checkpoint<'a> {
    fn of(optimizer: &'a Optimizer) -> Result<Self> {
        let mut tensors = Vec::new();
        for (number, (_, param)) in optimizer.params().enumerate() {
            for NamedArray { name, dtype, pointer, bytes } in param.state.named_arrays() {
                let bytes = if bytes == 0 {
                    &[][..]
                } else {
                    // SAFETY: the array has so many bytes, and nobody writes it while the optimizer is
                    // borrowed; if it is the caller's, the caller promises that.
                    unsafe { std::slice::from_raw_parts(pointer.cast_const(), bytes) }
                };
                let (dtype, element_size) = file_dtype(dtype);
                push(&mut tensors, Tensor { param: number, name, dtype, element_size, bytes })?;
            }
        }
        // The largest first, so that each is aligned for its elements, as readers expect.
        tensors.sort_unstable_by_key(|tensor| {
            (Reverse(tensor.element_size), tensor.param, tensor.name)
        });
        Ok(Self { manifest: Manifest::of(optimizer)?, tensors })
    }

    fn header(&self) -> Result<Vec<u8>> {
        let (mut tensors, mut end) = (Vec::new(), 0);
        for Tensor { param, name, dtype, bytes, .. } in &self.tensors {
            let start = end;
            end += bytes.len() as u64;
            let name = owned(format_args!("{}.{name}", self.manifest.params[*param].name))?;
            push(&mut tensors, header::Tensor { name, dtype: owned(dtype)?, start, end })?;
        }
        header::write(&self.manifest, &tensors)
    }

    fn data_len(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.bytes.len() as u64).sum()
    }

    fn size(&self) -> Result<u64> {
        Ok(self.header()?.len() as u64 + self.data_len())
    }

    /// Writes the data once, and the header again when their checksums are known.
    fn write(mut self, sink: &mut dyn Sink, callback: Option<Callback>) -> Result<()> {
        let header = self.header()?;
        let mut progress = Progress::new(callback, header.len() as u64 + self.data_len());
        sink.write(&header)?;
        for tensor in &self.tensors {
            let mut checksum = crc32fast::Hasher::new();
            for block in tensor.bytes.chunks(BLOCK) {
                checksum.update(block);
                sink.write(block)?;
                progress.advance(block.len())?;
            }
            let checksums = &mut self.manifest.params[tensor.param].checksums;
            if let Some(entry) = checksums.iter_mut().find(|(name, _)| name == tensor.name) {
                entry.1 = checksum.finalize();
            }
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
