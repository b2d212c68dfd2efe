//! Reading checkpoints: everything is checked first, and then all of it is taken over, or nothing.

use super::fit::{Fit, Transfer};
use super::header::{self, Header};
use super::json::Shown;
use super::manifest::Manifest;
use super::replace::failed;
use super::{BLOCK, Callback, Progress, no_memory, push};
use crate::error::{Error, Result, ensure, error};
use crate::kernel::Dtype;
use crate::kernel::{Element, Real};
use crate::optimizer::Optimizer;
use half::{bf16, f16};
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
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
    Buffer(Cursor<&'a [u8]>),
}

trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

impl<'a> Source<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| failed("open", path, &error))?;
        Ok(Self::File(file, path))
    }

    fn reader(&mut self) -> &mut dyn ReadSeek {
        match self {
            Self::File(file, _) => file,
            Self::Buffer(buffer) => buffer,
        }
    }

    fn failed(&self, error: &io::Error) -> Error {
        let what =
            if error.kind() == io::ErrorKind::UnexpectedEof { "read to its end" } else { "read" };
        let path = match self {
            Self::File(_, path) => path,
            Self::Buffer(_) => Path::new("the buffer"),
        };
        failed(what, path, error)
    }

    fn len(&mut self) -> Result<u64> {
        let len = self.reader().seek(SeekFrom::End(0));
        len.map_err(|error| self.failed(&error))
    }

    fn read_at(&mut self, start: u64, into: &mut [u8]) -> Result<()> {
        let mut read = || {
            let reader = self.reader();
            reader.seek(SeekFrom::Start(start))?;
            reader.read_exact(into)
        };
        read().map_err(|error| self.failed(&error))
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

/// Loads the checkpoint in a buffer.
pub(crate) fn load(optimizer: &mut Optimizer, buffer: &[u8], options: LoadOptions) -> Result<()> {
    load_sources(optimizer, &mut [Source::Buffer(Cursor::new(buffer))], options)
}

/// Loads the checkpoint of a file, or of files that each have a part of it.
pub(crate) fn load_files(
    optimizer: &mut Optimizer,
    paths: &[&Path],
    options: LoadOptions,
) -> Result<()> {
    let mut sources = Vec::new();
    for path in paths {
        push(&mut sources, Source::open(path)?)?;
    }
    load_sources(optimizer, &mut sources, options)
}

fn load_sources(
    optimizer: &mut Optimizer,
    sources: &mut [Source],
    options: LoadOptions,
) -> Result<()> {
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
    let to_read: u64 = fit.transfers.iter().map(|transfer| transfer.bytes as u64).sum();
    let mut progress = Progress::new(options.callback, to_check + to_read);
    let mut block = zeros(BLOCK)?;
    for (source, (header, manifest)) in sources.iter_mut().zip(&files) {
        check_data(source, header, manifest, &mut block, &mut progress)?;
    }
    // Everything is well. What was just checked is read once more, since there may be no room for it
    // beside the state that it replaces.
    for transfer in &fit.transfers {
        take_over(&mut sources[transfer.file], transfer, &mut progress).map_err(halfway)?;
    }
    optimizer.restore(fit.groups, &fit.params, fit.accumulation);
    Ok(())
}

/// Refuses a file whose data are not what its checksums say.
fn check_data(
    source: &mut Source,
    header: &Header,
    manifest: &Manifest,
    block: &mut [u8],
    progress: &mut Progress,
) -> Result<()> {
    let mut checked = 0;
    for param in &manifest.params.items {
        let name = Shown(param.name());
        for (array, expected) in param.checksums.iter() {
            let Some(tensor) = header.find(param.name(), array) else {
                return Err(error!(Corrupt, "the checkpoint lacks {array} of \"{name}\""));
            };
            let mut checksum = crc32fast::Hasher::new();
            for at in (0..tensor.len()).step_by(BLOCK) {
                let bytes = &mut block[..BLOCK.min((tensor.len() - at) as usize)];
                source.read_at(header.size + tensor.start() + at, bytes)?;
                checksum.update(bytes);
                progress.advance(bytes.len())?;
            }
            ensure!(
                expected == checksum.finalize(),
                Corrupt,
                "{array} of \"{name}\" does not have its checksum; the file is damaged"
            );
            checked += 1;
        }
    }
    // No two parameters have the same name, nor two tensors, so that none was checked twice.
    ensure!(
        checked == header.tensor_count(),
        Corrupt,
        "the checkpoint has tensors that its manifest does not list"
    );
    Ok(())
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

fn take_over(source: &mut Source, transfer: &Transfer, progress: &mut Progress) -> Result<()> {
    let Transfer { from, to, bytes, debias, .. } = *transfer;
    for start in (0..bytes).step_by(BLOCK) {
        let len = BLOCK.min(bytes - start);
        let to = to.wrapping_add(start);
        // SAFETY: the bytes belong to the state of a parameter, which nobody else uses meanwhile.
        let into = unsafe { std::slice::from_raw_parts_mut(to, len) };
        source.read_at(from + start as u64, into)?;
        if let Some((bias, dtype)) = debias {
            // SAFETY: a block has whole elements, and the array is aligned for them.
            unsafe { divide(dtype, to, len / dtype.size(), bias) };
        }
        let _ = progress.advance(len); // too late to cancel
    }
    Ok(())
}

/// Divides elements, which are rounded once.
///
/// # Safety
/// There are `len` elements of the dtype, aligned, and nobody else uses them.
unsafe fn divide(dtype: Dtype, array: *mut u8, len: usize, by: f64) {
    /// # Safety
    /// As for `divide`.
    unsafe fn each<E: Element>(array: *mut u8, len: usize, by: f64) {
        debug_assert!(array.cast::<E>().is_aligned());
        // SAFETY: the caller's promise.
        for element in unsafe { std::slice::from_raw_parts_mut(array.cast::<E>(), len) } {
            *element = E::store_any(element.load().to_f64() / by);
        }
    }
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::F32 => each::<f32>(array, len, by),
            Dtype::F64 => each::<f64>(array, len, by),
            Dtype::F16 => each::<f16>(array, len, by),
            Dtype::Bf16 => each::<bf16>(array, len, by),
        }
    }
}

fn zeros(len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| no_memory("reading the checkpoint"))?;
    bytes.resize(len, 0);
    Ok(bytes)
}
