//! Reading checkpoints: everything is checked first, and then all of it is taken over, or nothing.

use super::fit::{self, Fit, Transfer};
use super::header::{self, Header};
use super::json::Shown;
use super::manifest::Manifest;
use super::replace::failed;
use super::{BLOCK, Callback, Progress, push, zeros};
use crate::error::{Error, Result, ensure, error, reserve};
use crate::kernel::{Dtype, Element, Real};
use crate::optimizer::{Optimizer, Restored, State};
use half::{bf16, f16};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

pub(crate) struct LoadOptions {
    /// Whether every parameter must be in the file, and nothing else.
    pub strict: bool,
    /// Whether groups get the options of the file.
    pub hyperparameters: bool,
    pub callback: Option<Callback>,
}

impl LoadOptions {
    pub const DEFAULT: Self = Self { strict: true, hyperparameters: true, callback: None };
}

/// A checkpoint that is open.
enum Source<'a> {
    File(File, &'a Path),
    Buffer(&'a [u8]),
}

impl<'a> Source<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| failed("open", path, &error))?;
        Ok(Self::File(file, path))
    }

    fn path(&self) -> &'a Path {
        match self {
            Self::File(_, path) => path,
            Self::Buffer(_) => Path::new("the buffer"),
        }
    }

    fn len(&mut self) -> Result<u64> {
        match self {
            Self::File(file, path) => {
                file.seek(SeekFrom::End(0)).map_err(|error| failed("read", path, &error))
            }
            Self::Buffer(buffer) => Ok(buffer.len() as u64),
        }
    }

    /// Reads bytes that are there, unless a file has become shorter meanwhile.
    fn read_at(&mut self, start: u64, into: &mut [u8]) -> Result<()> {
        match self {
            Self::File(file, path) => {
                let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(into));
                read.map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => failed("read to its end", path, &error),
                    _ => failed("read", path, &error),
                })
            }
            Self::Buffer(buffer) => {
                into.copy_from_slice(&buffer[start as usize..][..into.len()]);
                Ok(())
            }
        }
    }

    /// The bytes of the header, and the length of the file.
    fn header(&mut self) -> Result<(Vec<u8>, u64)> {
        let len = self.len()?;
        ensure!(
            len >= header::LENGTH as u64,
            Corrupt,
            "the file has {len} bytes, too few for a checkpoint; it is not one, or it was cut off"
        );
        let mut first = [0; header::LENGTH];
        self.read_at(0, &mut first)?;
        let size = header::LENGTH + header::json_len(first, len)?;
        let mut bytes = zeros(size)?;
        self.read_at(0, &mut bytes)?;
        Ok((bytes, len))
    }
}

/// Loads the state in the checkpoint of a buffer. The rest of it is for `Optimizer::restore`.
pub(crate) fn load(optimizer: &Optimizer, buffer: &[u8], options: LoadOptions) -> Result<Restored> {
    load_sources(optimizer, &mut [Source::Buffer(buffer)], options)
}

/// The same of a file, or of files that each have a part of the checkpoint.
pub(crate) fn load_files(
    optimizer: &Optimizer,
    paths: &[&Path],
    options: LoadOptions,
) -> Result<Restored> {
    let mut sources = Vec::new();
    for path in paths {
        push(&mut sources, Source::open(path)?)?;
    }
    load_sources(optimizer, &mut sources, options)
}

fn load_sources(
    optimizer: &Optimizer,
    sources: &mut [Source],
    options: LoadOptions,
) -> Result<Restored> {
    // Each borrows names and the like from the one before.
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
    let fit = Fit::new(optimizer, &files, options.strict, options.hyperparameters)?;
    let to_check = headers.iter().map(|header| header.data_len).sum::<u64>();
    let to_take_over: u64 = fit.transfers.iter().map(|transfer| transfer.bytes as u64).sum();
    let mut progress = Progress::new(options.callback, to_check + to_take_over);
    let mut block = zeros(BLOCK)?;
    let mut checked = Vec::new();
    for (source, file) in sources.iter_mut().zip(&files) {
        push(&mut checked, Checked::of(source, file, &mut block, &mut progress)?)?;
    }
    // All is well. There may be no room for the data beside the state that they replace, and so they are read
    // once more.
    for transfer in &fit.transfers {
        let Transfer { file, param, .. } = *transfer;
        let (state, header) = (&optimizer.param(param)?.state, &headers[file]);
        take_over(
            &mut sources[file],
            header,
            &checked[file],
            transfer,
            state,
            &mut block,
            &mut progress,
        )
        .map_err(halfway)?;
    }
    Ok(fit.restored)
}

/// The checksums of the blocks of a file's tensors, with which each is held to what it was when it was
/// checked.
struct Checked {
    blocks: Vec<u32>,
    /// Where those of a tensor begin, by the number of the tensor.
    starts: Vec<usize>,
}

impl Checked {
    /// Refuses a file whose data are not what its checksums say.
    fn of(
        source: &mut Source,
        (header, manifest): &fit::File,
        block: &mut [u8],
        progress: &mut Progress,
    ) -> Result<Self> {
        let (mut blocks, mut starts, mut count) = (Vec::new(), Vec::new(), 0);
        reserve(&mut starts, header.tensors.len(), "tensors")?;
        starts.resize(header.tensors.len(), 0);
        for param in &manifest.params.items {
            let name = Shown(param.name());
            for (array, expected) in param.checksums.iter() {
                let Some(number) = header.find(param.name(), array) else {
                    return Err(error!(Corrupt, "the checkpoint lacks {array} of \"{name}\""));
                };
                let tensor = &header.tensors[number];
                starts[number] = blocks.len();
                let mut checksum = crc32fast::Hasher::new();
                for start in (0..tensor.len()).step_by(BLOCK) {
                    let bytes = &mut block[..BLOCK.min((tensor.len() - start) as usize)];
                    source.read_at(header.size + tensor.start() + start, bytes)?;
                    let mut of_block = crc32fast::Hasher::new();
                    of_block.update(bytes);
                    checksum.combine(&of_block);
                    push(&mut blocks, of_block.finalize())?;
                    progress.advance(bytes.len())?;
                }
                ensure!(
                    expected == checksum.finalize(),
                    Corrupt,
                    "{array} of \"{name}\" does not have its checksum; the file is damaged"
                );
                count += 1;
            }
        }
        // No two parameters have the same name, nor two tensors, so that none was counted twice.
        ensure!(
            count == header.tensors.len(),
            Corrupt,
            "the checkpoint has tensors that its manifest does not list"
        );
        Ok(Self { blocks, starts })
    }
}

/// Of bytes that could be read when they were checked, and not once more.
fn halfway(error: Error) -> Error {
    error!(
        Io,
        "{}, when it was read once more; the state is now partly that of the checkpoint: load it again, or \
         reset it",
        error.sentence
    )
}

/// Copies a part of a tensor into the state of a parameter, block by block, after a look at whether a block
/// is still what was checked.
fn take_over(
    source: &mut Source,
    header: &Header,
    checked: &Checked,
    transfer: &Transfer,
    state: &State,
    block: &mut [u8],
    progress: &mut Progress,
) -> Result<()> {
    let Transfer { tensor: number, from, array, to, bytes, debias, .. } = *transfer;
    let tensor = &header.tensors[number];
    let mut done = 0;
    while done < bytes {
        let (at, skipped) =
            ((from + done as u64) / BLOCK as u64, (from + done as u64) % BLOCK as u64);
        let start = at * BLOCK as u64;
        let block = &mut block[..BLOCK.min((tensor.len() - start) as usize)];
        source.read_at(header.size + tensor.start() + start, block)?;
        ensure!(
            crc32fast::hash(block) == checked.blocks[checked.starts[number] + at as usize],
            Io,
            "\"{}\" has changed since it was checked",
            source.path().display()
        );
        let part = &mut block[skipped as usize..];
        let len = part.len().min(bytes - done);
        let part = &mut part[..len];
        if let Some((bias, dtype)) = debias {
            divide(dtype, part, bias);
        }
        state.write(array, to + done, part)?;
        done += len;
        let _ = progress.advance(len); // too late to cancel
    }
    Ok(())
}

/// Divides elements, which are rounded once.
fn divide(dtype: Dtype, bytes: &mut [u8], by: f64) {
    fn each<E: Element>(bytes: &mut [u8], by: f64) {
        for bytes in bytes.chunks_exact_mut(size_of::<E>()) {
            let element = bytes.as_mut_ptr().cast::<E>();
            // SAFETY: there are the bytes of an element, which may have any value, and need not be aligned.
            unsafe {
                let quotient = element.read_unaligned().load().to_f64() / by;
                element.write_unaligned(E::store_any(quotient));
            }
        }
    }
    match dtype {
        Dtype::F32 => each::<f32>(bytes, by),
        Dtype::F64 => each::<f64>(bytes, by),
        Dtype::F16 => each::<f16>(bytes, by),
        Dtype::Bf16 => each::<bf16>(bytes, by),
    }
}
