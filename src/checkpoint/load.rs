//! Reading checkpoints: everything is checked first, and then all of it is taken over, or nothing.

use super::fit::{Fit, Transfer};
use super::header::{self, Header};
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

    fn header(&mut self) -> Result<Header> {
        let len = self.len()?;
        ensure!(
            len >= header::LENGTH as u64,
            Corrupt,
            "the file has {len} bytes, too few for a checkpoint; it is none, or it was cut off"
        );
        let mut first = [0; header::LENGTH];
        self.read_at(0, &mut first)?;
        let size = header::LENGTH + header::json_len(first, len)?;
        let mut bytes = zeros(size)?;
        self.read_at(0, &mut bytes)?;
        header::read(bytes, len)
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
    let mut headers = Vec::new();
    for source in &mut *sources {
        push(&mut headers, source.header()?)?;
    }
    let fit = Fit::new(optimizer, &headers, options.strict, options.hyperparameters)?;
    let to_check = headers.iter().map(|header| header.data_len).sum::<u64>();
    let to_read: u64 = fit.transfers.iter().map(|transfer| transfer.bytes as u64).sum();
    let mut progress = Progress::new(options.callback, to_check + to_read);
    let mut block = zeros(BLOCK)?;
    for (source, header) in sources.iter_mut().zip(&headers) {
        check_data(source, header, &mut block, &mut progress)?;
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
    block: &mut [u8],
    progress: &mut Progress,
) -> Result<()> {
    let mut checked = 0;
    for param in &header.manifest.params {
        for (array, expected) in &param.checksums {
            let name = &param.name;
            let Some(tensor) = header.tensor(name, array) else {
                return Err(error!(Corrupt, "the checkpoint lacks {array} of \"{name}\""));
            };
            let mut checksum = crc32fast::Hasher::new();
            for at in (tensor.start..tensor.end).step_by(BLOCK) {
                let bytes = &mut block[..BLOCK.min((tensor.end - at) as usize)];
                source.read_at(header.size + at, bytes)?;
                checksum.update(bytes);
                progress.advance(bytes.len())?;
            }
            ensure!(
                *expected == checksum.finalize(),
                Corrupt,
                "{array} of \"{name}\" does not have the checksum that the checkpoint says; the file is damaged"
            );
            checked += tensor.len();
        }
    }
    ensure!(
        checked == header.data_len,
        Corrupt,
        "the checkpoint has tensors that its manifest does not know"
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
