//! Saving checkpoints.

use super::failed::failed;
use super::files::Replacement;
use super::header::{self, FileDtype, TensorEntry};
use super::manifest::Manifest;
use super::order::order_of;
use super::{BLOCK, Callback, Progress, push, zeros};
use crate::error::{Result, ensure};
use crate::optimizer::{NamedArray, Optimizer, State};
use std::cmp::Reverse;
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::path::Path;

/// Where a checkpoint is written.
trait Sink: Write + Seek {}
impl<T: Write + Seek> Sink for T {}

/// Saves to a file, which is replaced once everything has been written.
pub(crate) fn save_to_file(
    optimizer: &Optimizer,
    path: &Path,
    callback: Option<Callback<'_>>,
) -> Result<()> {
    let checkpoint = Checkpoint::of(optimizer)?;
    let header = checkpoint.header()?;
    let mut replacement = Replacement::new(path)?;
    let (file, path) = replacement.unfinished();
    checkpoint.write(&header, file, path, callback)?;
    replacement.finish()
}

/// Saves to a buffer, if there is one, and returns the size of the checkpoint.
pub(crate) fn save_to_buffer(optimizer: &Optimizer, buffer: Option<&mut [u8]>) -> Result<u64> {
    let checkpoint = Checkpoint::of(optimizer)?;
    let header = checkpoint.header()?;
    let size = checkpoint.size(&header);
    let Some(bytes) = buffer else { return Ok(size) };
    ensure!(
        bytes.len() as u64 >= size,
        InvalidArgument,
        "capacity is {}; it must be at least the {size} bytes of the checkpoint",
        bytes.len()
    );
    checkpoint.write(&header, &mut Cursor::new(bytes), Path::new("the buffer"), None)?;
    Ok(size)
}

/// Saves to a buffer of the library's.
pub(crate) fn save_to_vec(optimizer: &Optimizer) -> Result<Vec<u8>> {
    let checkpoint = Checkpoint::of(optimizer)?;
    let header = checkpoint.header()?;
    let mut bytes = zeros(usize::try_from(checkpoint.size(&header)).unwrap_or(usize::MAX))?;
    checkpoint.write(&header, &mut Cursor::new(&mut bytes[..]), Path::new("the buffer"), None)?;
    Ok(bytes)
}

/// What there is to save.
struct Checkpoint<'a> {
    manifest: Manifest<'a>,
    tensors: Vec<Tensor<'a>>,
    /// The numbers of the tensors as they are in the file.
    order: Vec<u32>,
}

/// An array of the state of a parameter, which is this one in the manifest.
struct Tensor<'a> {
    param: usize,
    state: &'a State,
    array: NamedArray,
    dtype: FileDtype,
}

impl<'a> Checkpoint<'a> {
    fn of(optimizer: &'a Optimizer) -> Result<Self> {
        optimizer.refresh_steps()?;
        let mut tensors = Vec::new();
        for (number, (_, param)) in optimizer.params().enumerate() {
            let state = &param.state;
            for array in state.named_arrays() {
                let dtype = FileDtype::of(array.element);
                push(&mut tensors, Tensor { param: number, state, array, dtype })?;
            }
        }
        // The largest elements first, so that every tensor is aligned, as readers expect.
        let place =
            |tensor: &Tensor| (Reverse(tensor.dtype.size()), tensor.param, tensor.array.array);
        let order = order_of(&tensors, |one, other| place(one).cmp(&place(other)))?;
        Ok(Self { manifest: Manifest::of(optimizer)?, tensors, order })
    }

    fn header(&self) -> Result<Vec<u8>> {
        let (mut tensors, mut end) = (Vec::new(), 0);
        for number in &self.order {
            let Tensor { param, array, dtype, .. } = &self.tensors[*number as usize];
            let bytes = array.bytes as u64;
            let entry = TensorEntry::of(*dtype, end, bytes);
            end += bytes;
            push(&mut tensors, (self.manifest.params.items[*param].name(), array.name, entry))?;
        }
        header::write(&self.manifest, &tensors)
    }

    /// Of the whole file, in bytes.
    fn size(&self, header: &[u8]) -> u64 {
        let data = self.tensors.iter().map(|tensor| tensor.array.bytes as u64).sum::<u64>();
        header.len() as u64 + data
    }

    /// Writes the header and the data, and then the header again, with the checksums of the data. `path` is for
    /// error messages.
    fn write(
        mut self,
        header: &[u8],
        sink: &mut dyn Sink,
        path: &Path,
        callback: Option<Callback<'_>>,
    ) -> Result<()> {
        let failed = |error| failed("write", path, &error);
        let mut progress = Progress::new(callback, self.size(header));
        let largest = self.tensors.iter().map(|tensor| tensor.array.bytes).max();
        let mut block = zeros(BLOCK.min(largest.unwrap_or(0)))?;
        sink.write_all(header).map_err(failed)?;
        for number in &self.order {
            let Tensor { param, state, array, .. } = &self.tensors[*number as usize];
            let mut checksum = crc32fast::Hasher::new();
            for start in (0..array.bytes).step_by(BLOCK) {
                let block = &mut block[..BLOCK.min(array.bytes - start)];
                state.read(array.array, start, block)?;
                checksum.update(block);
                sink.write_all(block).map_err(failed)?;
                progress.advance(block.len())?;
            }
            self.manifest.params.items[*param].checksums.set(array.name, checksum.finalize());
        }
        let len = header.len();
        let header = self.header()?;
        ensure!(header.len() == len, InvalidState, "the length of the header has changed");
        sink.seek(SeekFrom::Start(0)).map_err(failed)?;
        sink.write_all(&header).map_err(failed)?;
        progress.advance(len)
    }
}
