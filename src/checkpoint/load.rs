//! Loading checkpoints: everything is verified first, and only then copied into the state.

use super::fit::{self, Fit, Transfer};
use super::header::{self, Header};
use super::json::Shown;
use super::manifest::Manifest;
use super::replace::failed;
use super::{BLOCK, Callback, Progress, push, zeros};
use crate::error::{Error, Result, ensure, error, reserve};
use crate::kernel::{Dtype, Element, Real, swap_unless_little_endian};
use crate::optimizer::{Optimizer, Restored, State};
use half::{bf16, f16};
use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

/// Options of loading.
pub struct LoadOptions<'a> {
    /// Whether the checkpoint must have exactly the parameters of the optimizer. Otherwise parameters that only one of
    /// the two has are left alone; those in both must still match. Default: true.
    pub strict: bool,
    /// Whether options are restored too, so that the run continues exactly: `lr`, `beta1`, `beta2`, `weight_decay`,
    /// `eps`, `max_lr`, `decouple_wd`, `decouple_lr`, `maximize`, `rectify`, `unrectified`, `rectify_threshold` and
    /// `seed` of each group, whether each parameter is frozen, and whether optimizer accumulation is on. Default: true.
    pub hyperparameters: bool,
    /// Called after about every MiB with the number of bytes done and the total, in which every byte counts twice, once
    /// when it is verified and once when it is copied. [`ControlFlow::Break`] cancels the call, unless it is already
    /// copying; if it panics then, the state comes partly from the checkpoint. Default: `None`.
    ///
    /// [`ControlFlow::Break`]: std::ops::ControlFlow::Break
    pub progress: Option<Callback<'a>>,
}

impl Default for LoadOptions<'_> {
    fn default() -> Self {
        Self { strict: true, hyperparameters: true, progress: None }
    }
}

impl fmt::Debug for LoadOptions<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("LoadOptions")
            .field("strict", &self.strict)
            .field("hyperparameters", &self.hyperparameters)
            .finish_non_exhaustive()
    }
}

/// What a checkpoint is read from.
trait Contents: Read + Seek {}
impl<T: Read + Seek> Contents for T {}

/// An open checkpoint.
struct Source<'a> {
    contents: &'a mut dyn Contents,
    /// For error messages.
    path: &'a Path,
}

impl Source<'_> {
    /// Reads bytes that exist, unless the file has been truncated in the meantime.
    fn read_at(&mut self, start: u64, into: &mut [u8]) -> Result<()> {
        let Self { contents, path } = self;
        let read = contents.seek(SeekFrom::Start(start)).and_then(|_| contents.read_exact(into));
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => failed("read to its end", path, &error),
            _ => failed("read", path, &error),
        })
    }

    /// The bytes of the header, and the length of the file.
    fn header(&mut self) -> Result<(Vec<u8>, u64)> {
        let len = self.contents.seek(SeekFrom::End(0));
        let len = len.map_err(|error| failed("read", self.path, &error))?;
        ensure!(
            len >= header::LENGTH as u64,
            Corrupt,
            "the file has only {len} bytes; it is not a checkpoint, or it has been truncated"
        );
        let mut first = [0; header::LENGTH];
        self.read_at(0, &mut first)?;
        let size = header::LENGTH + header::json_len(first, len)?;
        let mut bytes = zeros(size)?;
        self.read_at(0, &mut bytes)?;
        Ok((bytes, len))
    }
}

impl Header<'_> {
    /// The block of a tensor that starts at this byte of it.
    fn read_block<'b>(
        &self,
        source: &mut Source,
        tensor: usize,
        start: u64,
        block: &'b mut [u8],
    ) -> Result<&'b mut [u8]> {
        let tensor = &self.tensors[tensor];
        let block = &mut block[..(BLOCK as u64).min(tensor.len - start) as usize];
        source.read_at(self.size + tensor.start + start, block)?;
        Ok(block)
    }
}

/// Loads the state from the checkpoint in a buffer. The rest of it is for `Optimizer::restore`.
pub(crate) fn load(optimizer: &Optimizer, buffer: &[u8], options: LoadOptions) -> Result<Restored> {
    let (contents, path) = (&mut Cursor::new(buffer), Path::new("the buffer"));
    load_sources(optimizer, &mut [Source { contents, path }], options)
}

/// The same from a file, or from the files of several shards.
pub(crate) fn load_files(
    optimizer: &Optimizer,
    paths: &[&Path],
    options: LoadOptions,
) -> Result<Restored> {
    let (mut files, mut sources) = (Vec::new(), Vec::new());
    for path in paths {
        push(&mut files, File::open(path).map_err(|error| failed("open", path, &error))?)?;
    }
    for (contents, path) in files.iter_mut().zip(paths) {
        push(&mut sources, Source { contents, path })?;
    }
    load_sources(optimizer, &mut sources, options)
}

fn load_sources(
    optimizer: &Optimizer,
    sources: &mut [Source],
    options: LoadOptions,
) -> Result<Restored> {
    // Each borrows from the one before it.
    let (mut bytes, mut headers, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for source in &mut *sources {
        push(&mut bytes, source.header()?)?;
    }
    for (bytes, len) in &bytes {
        push(&mut headers, Header::read(bytes, *len)?)?;
    }
    for header in &headers {
        push(&mut files, (header, Manifest::parse(&header.manifest)?))?;
    }
    let fit = Fit::new(optimizer, &files, &options)?;
    let to_verify = headers.iter().map(|header| header.data_len).sum::<u64>();
    let to_copy = fit.transfers.iter().map(|transfer| transfer.bytes as u64).sum::<u64>();
    let mut progress = Progress::new(options.progress, to_verify + to_copy);
    let largest = headers.iter().flat_map(|header| &header.tensors).map(|tensor| tensor.len).max();
    let mut block = zeros(largest.unwrap_or(0).min(BLOCK as u64) as usize)?;
    let mut verified = Vec::new();
    for (source, file) in sources.iter_mut().zip(&files) {
        push(&mut verified, Verified::new(source, file, &mut block, &mut progress)?)?;
    }
    // There may not be enough memory to hold the data beside the state they replace, so they are read again.
    for transfer in &fit.transfers {
        let (source, verified) = (&mut sources[transfer.file], &verified[transfer.file]);
        let state = &optimizer.param(transfer.param)?.state;
        verified.copy(source, transfer, state, &mut block, &mut progress).map_err(halfway)?;
    }
    Ok(fit.restored)
}

/// A file whose data have their checksums, and the checksum of each block, which still has to be the same when
/// the block is read again.
struct Verified<'a> {
    header: &'a Header<'a>,
    blocks: Vec<u32>,
    /// The number of the first block of each tensor.
    first_blocks: Vec<usize>,
}

impl<'a> Verified<'a> {
    fn new(
        source: &mut Source,
        (header, manifest): &fit::File<'a>,
        block: &mut [u8],
        progress: &mut Progress,
    ) -> Result<Self> {
        let (mut blocks, mut first_blocks, mut count) = (Vec::new(), Vec::new(), 0);
        reserve(&mut first_blocks, header.tensors.len(), "tensors")?;
        first_blocks.resize(header.tensors.len(), 0);
        for param in &manifest.params.items {
            let name = Shown(param.name());
            for (array, expected) in param.checksums.iter() {
                let Some(number) = header.find(param.name(), array) else {
                    return Err(error!(Corrupt, "the checkpoint has no {array} of \"{name}\""));
                };
                first_blocks[number] = blocks.len();
                let mut checksum = crc32fast::Hasher::new();
                for start in (0..header.tensors[number].len).step_by(BLOCK) {
                    let block = header.read_block(source, number, start, block)?;
                    let mut of_block = crc32fast::Hasher::new();
                    of_block.update(block);
                    checksum.combine(&of_block);
                    push(&mut blocks, of_block.finalize())?;
                    progress.advance(block.len())?;
                }
                ensure!(
                    expected == checksum.finalize(),
                    Corrupt,
                    "the checksum of {array} of \"{name}\" is wrong; the file is damaged"
                );
                count += 1;
            }
        }
        // Parameters have different names, and so do tensors: none has been counted twice.
        ensure!(
            count == header.tensors.len(),
            Corrupt,
            "the checkpoint has tensors that its manifest does not list"
        );
        Ok(Self { header, blocks, first_blocks })
    }

    /// Copies part of a tensor into the state of a parameter.
    fn copy(
        &self,
        source: &mut Source,
        transfer: &Transfer,
        state: &State,
        block: &mut [u8],
        progress: &mut Progress,
    ) -> Result<()> {
        let Transfer { tensor, from, array, to, bytes, debias, .. } = *transfer;
        let mut done = 0;
        while done < bytes {
            let at = from + done as u64;
            let (number, within) = ((at / BLOCK as u64) as usize, (at % BLOCK as u64) as usize);
            let block = self.header.read_block(source, tensor, at - within as u64, block)?;
            ensure!(
                crc32fast::hash(block) == self.blocks[self.first_blocks[tensor] + number],
                Io,
                "\"{}\" has changed since it was verified",
                source.path.display()
            );
            let end = block.len().min(within + bytes - done);
            let part = &mut block[within..end];
            if let Some((bias, dtype)) = debias {
                divide(dtype, part, bias);
            }
            state.write(array, to + done, part);
            done += part.len();
            let _ = progress.advance(part.len()); // too late to cancel
        }
        Ok(())
    }
}

/// Of data that could be verified, but not read again.
fn halfway(error: Error) -> Error {
    error!(
        Io,
        "{}, when it was read again; the state now comes partly from the checkpoint: load it again, or reset the \
         state",
        error.message
    )
}

/// Divides little-endian elements, rounding once.
fn divide(dtype: Dtype, bytes: &mut [u8], by: f64) {
    fn each<E: Element>(bytes: &mut [u8], by: f64) {
        for bytes in bytes.chunks_exact_mut(size_of::<E>()) {
            let element = bytes.as_mut_ptr().cast::<E>();
            // SAFETY: these are the bytes of one element; every bit pattern is valid, and the access is unaligned.
            unsafe {
                let quotient = element.read_unaligned().load().to_f64() / by;
                element.write_unaligned(E::store_any(quotient));
            }
        }
    }
    swap_unless_little_endian(bytes, dtype.size());
    match dtype {
        Dtype::F32 => each::<f32>(bytes, by),
        Dtype::F64 => each::<f64>(bytes, by),
        Dtype::F16 => each::<f16>(bytes, by),
        Dtype::Bf16 => each::<bf16>(bytes, by),
    }
    swap_unless_little_endian(bytes, dtype.size());
}
