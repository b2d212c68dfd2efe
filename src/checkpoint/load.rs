//! Loading checkpoints: everything is read once and verified first, and only then copied into the state.

use super::failed::failed;
use super::files::open_to_read;
use super::fit::Fit;
use super::header::{self, Header};
use super::json::Shown;
use super::manifest::Manifest;
use super::pieces;
use super::transfer::Transfer;
use super::{BLOCK, Callback, Progress, no_memory, push, zeros};
use crate::error::{Error, Result, Status, ensure, error, reserve};
use crate::kernel::{Dtype, Element, Real, swap_unless_little_endian};
use crate::optimizer::{Optimizer, Restored, State, StateArray};
use half::{bf16, f16};
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
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
    /// Whether state is converted that the optimizer has in another dtype (`GroupOptions::state_dtype`), among them that
    /// of 8 bits. Otherwise it does not fit. Default: false.
    pub convert_state: bool,
    /// Called after about every MiB that has been read and verified, with the number of bytes done and the total.
    /// [`ControlFlow::Break`] cancels the call, which then has changed nothing. Default: `None`.
    ///
    /// [`ControlFlow::Break`]: std::ops::ControlFlow::Break
    pub progress: Option<Callback<'a>>,
}

impl Default for LoadOptions<'_> {
    fn default() -> Self {
        Self { strict: true, hyperparameters: true, convert_state: false, progress: None }
    }
}

impl fmt::Debug for LoadOptions<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("LoadOptions")
            .field("strict", &self.strict)
            .field("hyperparameters", &self.hyperparameters)
            .field("convert_state", &self.convert_state)
            .finish_non_exhaustive()
    }
}

/// An open checkpoint.
struct Source<'a> {
    contents: Contents<'a>,
    /// For error messages.
    path: &'a Path,
}

enum Contents<'a> {
    File(File),
    Buffer(&'a [u8]),
}

impl<'a> Source<'a> {
    fn len(&mut self) -> Result<u64> {
        match &mut self.contents {
            Contents::Buffer(buffer) => Ok(buffer.len() as u64),
            Contents::File(file) => {
                file.seek(SeekFrom::End(0)).map_err(|error| failed("read", self.path, &error))
            }
        }
    }

    /// Reads bytes that exist, unless the file has been truncated in the meantime.
    fn read_at(&mut self, start: u64, into: &mut [u8]) -> Result<()> {
        let file = match &mut self.contents {
            Contents::File(file) => file,
            Contents::Buffer(buffer) => {
                into.copy_from_slice(&buffer[start as usize..][..into.len()]);
                return Ok(());
            }
        };
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(into));
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => failed("read to its end", self.path, &error),
            _ => failed("read", self.path, &error),
        })
    }

    /// Says which file it is that is damaged or of another kind.
    #[cold]
    fn named(&self, error: Error) -> Error {
        let is_named = matches!(self.contents, Contents::Buffer(_))
            || !matches!(error.status, Status::Corrupt | Status::Mismatch);
        if is_named {
            return error;
        }
        Error::new(error.status, format_args!("\"{}\": {}", self.path.display(), error.message))
    }

    /// The bytes of the header, and the length of the file.
    fn header(&mut self) -> Result<(Vec<u8>, u64)> {
        let len = self.len()?;
        ensure!(
            len >= header::LENGTH as u64,
            Corrupt,
            "the file has only {len} bytes; it is not a checkpoint, or it has been truncated"
        );
        let mut first = [0; header::LENGTH];
        self.read_at(0, &mut first)?;
        let mut bytes = zeros(header::LENGTH + header::json_len(first, len)?)?;
        let (length, json) = bytes.split_at_mut(header::LENGTH);
        length.copy_from_slice(&first);
        self.read_at(header::LENGTH as u64, json)?;
        Ok((bytes, len))
    }

    /// Where the bytes go that are to be taken over from here on, so that they never have to be read again. Those of
    /// a buffer stay where they are.
    fn room(&self, start: u64, bytes: usize) -> Result<Cow<'a, [u8]>> {
        if let Contents::Buffer(buffer) = self.contents {
            return Ok(Cow::Borrowed(&buffer[start as usize..][..bytes]));
        }
        let mut room = Vec::new();
        room.try_reserve_exact(bytes)
            .map_err(|_| no_memory("the state in the checkpoint beside that of the optimizer"))?;
        Ok(Cow::Owned(room))
    }
}

/// Loads the state from the checkpoint in a buffer. The rest of it is for `Optimizer::restore`.
pub(crate) fn load(optimizer: &Optimizer, buffer: &[u8], options: LoadOptions) -> Result<Restored> {
    let (contents, path) = (Contents::Buffer(buffer), Path::new("the buffer"));
    load_sources(optimizer, &mut [Source { contents, path }], options)
}

/// The same from a file, or from the files of several shards.
pub(crate) fn load_files(
    optimizer: &Optimizer,
    paths: &[&Path],
    options: LoadOptions,
) -> Result<Restored> {
    let mut sources = Vec::new();
    for path in paths {
        push(&mut sources, Source { contents: Contents::File(open_to_read(path)?), path })?;
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
        let header = source.header().map_err(|error| source.named(error))?;
        push(&mut bytes, header)?;
    }
    for ((bytes, len), source) in bytes.iter().zip(&*sources) {
        let header = Header::read(bytes, *len).map_err(|error| source.named(error))?;
        push(&mut headers, header)?;
    }
    for (header, source) in headers.iter().zip(&*sources) {
        let manifest = Manifest::parse(&header.manifest).map_err(|error| source.named(error))?;
        push(&mut files, (header, manifest))?;
    }
    let Fit { transfers, conversions, restored } = Fit::of(optimizer, &files, &options)?;
    let total = headers.iter().map(|header| header.data_len).sum::<u64>();
    let mut progress = Progress::new(options.progress, total);
    let largest = headers.iter().flat_map(|header| &header.tensors).map(|tensor| tensor.len).max();
    let mut block = zeros(largest.unwrap_or(0).min(BLOCK as u64) as usize)?;
    let mut verified = Vec::new();
    reserve(&mut verified, transfers.len(), "arrays")?;
    verified.resize(transfers.len(), Cow::Borrowed(&[][..]));
    for (number, (source, file)) in sources.iter_mut().zip(&files).enumerate() {
        let mut reading = Reading { source, block: &mut block, progress: &mut progress };
        let outcome = reading.verify(number, file, &transfers, &mut verified);
        outcome.map_err(|error| source.named(error))?;
    }
    // From here on, nothing can fail but a device that is lost. Each array is given back as soon as it is in the state, whose own memory is often
    // touched now for the first time.
    for conversion in &conversions {
        let state = &optimizer.param(conversion.param)?.state;
        let mut arrays = [&[][..]; StateArray::ALL.len()];
        for (array, number) in arrays.iter_mut().zip(conversion.transfers) {
            *array = number.map_or(&[][..], |number| &verified[number]);
        }
        conversion.write(arrays, state)?;
        for number in conversion.transfers.into_iter().flatten() {
            verified[number] = Cow::Borrowed(&[]);
        }
    }
    for (transfer, bytes) in
        transfers.iter().zip(verified).filter(|(transfer, _)| !transfer.is_converted)
    {
        let state = &optimizer.param(transfer.param)?.state;
        copy(transfer, &bytes, state, &mut block)?;
    }
    optimizer.announce(&restored)?;
    Ok(restored)
}

/// What it takes to read a file.
struct Reading<'r, 'a, 'p> {
    source: &'r mut Source<'a>,
    block: &'r mut [u8],
    progress: &'r mut Progress<'p>,
}

impl<'a> Reading<'_, 'a, '_> {
    /// Reads the data of the file with this number and holds them against their checksums. What the transfers need of
    /// them is kept for each.
    fn verify(
        &mut self,
        number: usize,
        (header, manifest): &pieces::File,
        transfers: &[Transfer],
        verified: &mut [Cow<'a, [u8]>],
    ) -> Result<()> {
        // No tensor goes to two places, since names are unique here and there.
        const NOWHERE: u32 = u32::MAX;
        let mut places = Vec::new();
        reserve(&mut places, header.tensors.len(), "tensors")?;
        places.resize(header.tensors.len(), NOWHERE);
        for (place, transfer) in transfers.iter().enumerate() {
            if transfer.file == number {
                places[transfer.tensor] = place as u32;
            }
        }
        let mut count = 0;
        for param in &manifest.params.items {
            let name = Shown(param.name());
            for (array, expected) in param.checksums.iter() {
                let Some(tensor) = header.find(param.name(), array) else {
                    return Err(error!(Corrupt, "the checkpoint has no {array} of \"{name}\""));
                };
                let place = places[tensor] as usize;
                let wanted = transfers.get(place).zip(verified.get_mut(place));
                let (start, len) =
                    (header.size + header.tensors[tensor].start, header.tensors[tensor].len);
                ensure!(
                    self.checksum(start, len, wanted)? == expected,
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
        Ok(())
    }

    /// Reads a tensor, and keeps what a transfer wants of it.
    fn checksum(
        &mut self,
        start: u64,
        len: u64,
        mut wanted: Option<(&Transfer, &mut Cow<'a, [u8]>)>,
    ) -> Result<u32> {
        if let Some((transfer, kept)) = &mut wanted {
            **kept = self.source.room(start + transfer.from, transfer.bytes)?;
        }
        let mut checksum = crc32fast::Hasher::new();
        for at in (0..len).step_by(BLOCK) {
            let block = &mut self.block[..(BLOCK as u64).min(len - at) as usize];
            self.source.read_at(start + at, block)?;
            checksum.update(block);
            if let Some((transfer, Cow::Owned(kept))) = &mut wanted {
                let within =
                    |offset: u64| offset.saturating_sub(at).min(block.len() as u64) as usize;
                let end = transfer.from + transfer.bytes as u64;
                kept.extend_from_slice(&block[within(transfer.from)..within(end)]); // there is room
            }
            self.progress.advance(block.len())?;
        }
        Ok(checksum.finalize())
    }
}

/// Copies verified bytes into the state of a parameter.
fn copy(transfer: &Transfer, bytes: &[u8], state: &State, block: &mut [u8]) -> Result<()> {
    let Transfer { array, to, debias, .. } = *transfer;
    debug_assert_eq!(bytes.len(), transfer.bytes);
    let Some((bias, dtype)) = debias else { return state.write(array, to, bytes) };
    for (number, part) in bytes.chunks(BLOCK).enumerate() {
        let block = &mut block[..part.len()];
        block.copy_from_slice(part);
        divide(dtype, block, bias);
        state.write(array, to + number * BLOCK, block)?;
    }
    Ok(())
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
