//! State that becomes state of another kind, in memory or from a file.

use super::Status;
use super::checkpoint::{Entry, File, GroupEntry, arrays, find};
use super::contents::{Array, Contents};
use super::number::Dtype;
use super::optimizer::Param;
use super::options::{Compensation, Kind};
use super::q8::{BLOCK, Block, Codes, Scale};
use super::scalars::debiased;
use radam::ffi::*;
use std::ops::Range;

type State = [Option<Array>; 4];

/// `exp_avg` and `exp_avg_sq` of some elements.
pub fn moments(
    contents: &Contents,
    state: &State,
    elements: Range<usize>,
    eps: f64,
) -> Vec<[f64; 2]> {
    let of_element = |index: usize| match (Codes::of(state), state) {
        (Some(codes), _) => {
            let block = codes.read(contents, index / BLOCK * BLOCK..index + 1);
            Scale::of(block.word).moments(block.codes[index % BLOCK], eps as f32).map(f64::from)
        }
        (None, [Some(exp_avg), Some(exp_avg_sq), ..]) => {
            [*exp_avg, *exp_avg_sq].map(|array| contents.get(array, index))
        }
        _ => unreachable!("a state without moments"),
    };
    elements.map(of_element).collect()
}

/// Sets them, from the first on.
pub fn set_moments(
    contents: &mut Contents,
    state: &State,
    first: usize,
    moments: &[[f64; 2]],
    eps: f64,
) {
    if let Some(codes) = Codes::of(state) {
        for (number, moments) in moments.chunks(BLOCK).enumerate() {
            let moments: Vec<_> =
                moments.iter().map(|pair| pair.map(|number| number as f32)).collect();
            let block = Block::of_moments(&moments, eps as f32);
            codes.write(contents, first + number * BLOCK, &block);
        }
    } else {
        for (index, pair) in (first..).zip(moments) {
            for (array, number) in state.iter().flatten().zip(pair) {
                contents.set(*array, index, *number);
            }
        }
    }
}

/// A piece of a file and the elements of a parameter that are in it.
struct Taken<'a> {
    file: &'a File,
    entry: &'a Entry,
    param: &'a Param,
    /// In the whole tensor.
    elements: Range<u64>,
}

const MISMATCH: Status = RADAM_ERROR_MISMATCH;

fn fits(condition: bool) -> Result<(), Status> {
    if condition { Ok(()) } else { Err(MISMATCH) }
}

/// Takes over what pieces have of a parameter. `eps` is that of the parameter from now on, if state is converted. Where
/// pieces overlap, those count that need no conversion, and among these the last.
pub fn take(
    pieces: &[(&File, &Entry)],
    param: &Param,
    eps: impl Fn(&GroupEntry) -> Option<f64>,
    contents: &mut Contents,
) -> Result<(), Status> {
    let mut exact = Vec::new();
    for (file, entry) in pieces {
        let first = param.offset().max(entry.offset);
        let end = (param.offset() + param.len as u64).min(entry.offset + entry.len);
        let taken = Taken { file, entry, param, elements: first..end };
        if first >= end {
            continue;
        }
        taken.check_bias()?;
        match (eps(taken.group()), taken.kind().filter(|there| differ(*there, param.kind))) {
            (Some(eps), Some(there)) => taken.convert(there, eps, contents)?,
            _ => exact.push(taken),
        }
    }
    exact.iter().try_for_each(|taken| taken.copy(contents))
}

/// Whether state of one kind has to be converted to be of the other.
fn differ(one: Kind, other: Kind) -> bool {
    let has_dtype = |kind: Kind| !kind.coded || kind.compensation == Compensation::Kahan;
    one.coded != other.coded || has_dtype(one) && one.dtype != other.dtype
}

impl Taken<'_> {
    fn group(&self) -> &GroupEntry {
        &self.file.groups[self.entry.group as usize]
    }

    fn lists(&self, array: &str) -> bool {
        self.entry.checksums.iter().any(|(name, _)| *name == array)
    }

    /// What the state is in the file, if it has moments.
    fn kind(&self) -> Option<Kind> {
        let dtype = |array: &str| {
            let tensor = find(self.file, self.entry, array).filter(|_| self.lists(array))?;
            Dtype::ALL.into_iter().find(|dtype| dtype.name() == tensor.dtype)
        };
        let coded = self.lists("state_scale");
        let dtype = if coded { dtype("kahan_comp").or(Some(Dtype::F32)) } else { dtype("exp_avg") };
        let compensation = match () {
            () if self.lists("kahan_comp") => Compensation::Kahan,
            () if self.lists("master_remainder") => Compensation::Remainder,
            () => Compensation::None,
        };
        Some(Kind { dtype: dtype?, coded, compensation })
    }

    /// Biased moments are no codes, and can be divided by what they are biased by.
    fn check_bias(&self) -> Result<(), Status> {
        let betas = &self.group().numbers[1..3];
        let is_right =
            betas.iter().all(|beta| (0.0..1.0).contains(beta)) && !self.lists("state_scale");
        fits(is_right || !self.file.is_biased)
    }

    /// What to divide an array by.
    fn bias(&self, index: usize) -> f64 {
        let steps = self.entry.step;
        if self.file.is_biased && steps > 0 && index < 2 {
            debiased(self.group().numbers[1 + index], steps).bias
        } else {
            1.0
        }
    }

    /// The arrays of the file, as those of a state of this kind in memory of its own.
    fn unpack(&self, kind: Kind) -> Result<(Contents, State), Status> {
        let (mut contents, mut state) = (Contents::default(), [None; 4]);
        let known = arrays(kind);
        let lists_known = |(name, _): &(_, _)| known.iter().any(|(_, known)| known == name);
        fits(self.entry.checksums.iter().all(lists_known))?;
        for (index, name) in known {
            let (dtype, len) = kind.arrays(self.entry.len)[index].ok_or(MISMATCH)?;
            let tensor = find(self.file, self.entry, name).filter(|_| self.lists(name));
            let tensor = tensor.filter(|tensor| tensor.dtype == dtype.name()).ok_or(MISMATCH)?;
            fits(Some(tensor.bytes.len() as u64) == len.checked_mul(dtype.size() as u64))?;
            let block = contents.0.len();
            contents.0.push(tensor.bytes.clone());
            state[index] = Some(Array { block, first: 0, len: len as usize, dtype });
        }
        Ok((contents, state))
    }

    /// The elements in the piece and in the parameter.
    fn ranges(&self) -> [Range<usize>; 2] {
        let Range { start, end } = self.elements;
        [self.entry.offset, self.param.offset()]
            .map(|offset| (start - offset) as usize..(end - offset) as usize)
    }

    /// Takes over state of the parameter's own kind.
    fn copy(&self, contents: &mut Contents) -> Result<(), Status> {
        let kind = self.param.kind;
        let (file, from) = self.unpack(kind)?;
        fits(!kind.coded || self.entry.offset.is_multiple_of(BLOCK as u64))?;
        (0..4).for_each(|index| self.copy_array(index, (&file, from), contents));
        Ok(())
    }

    /// Copies the elements of an array that both have.
    fn copy_array(&self, index: usize, (file, from): (&Contents, State), contents: &mut Contents) {
        let (Some(from), Some(to)) = (from[index], self.param.state[index]) else { return };
        let in_array = |range: Range<usize>| match from.dtype {
            Dtype::U32 => range.start / BLOCK..range.end.div_ceil(BLOCK),
            _ => range,
        };
        let bias = self.bias(index);
        let [there, here] = self.ranges().map(in_array);
        for (there, here) in there.zip(here) {
            if from.dtype == to.dtype && bias == 1.0 {
                contents.set_bits(to, here, file.bits(from, there));
            } else {
                contents.set(to, here, file.get(from, there) / bias);
            }
        }
    }

    /// Takes over state that is of this kind in the file.
    fn convert(&self, there: Kind, eps: f64, contents: &mut Contents) -> Result<(), Status> {
        let here = self.param.kind;
        let eps_there = self.group().numbers[4];
        fits(there.compensation == here.compensation && eps_there >= 0.0)?;
        let is_whole = |place: u64| place.is_multiple_of(BLOCK as u64);
        let (start, end) = (self.elements.start, self.elements.end);
        let is_end = end == self.param.offset() + self.param.len as u64;
        fits(!here.coded && !there.coded || is_whole(start))?;
        fits(!there.coded || is_whole(self.entry.offset))?;
        fits(!here.coded || is_whole(end) || is_end)?;
        let (file, from) = self.unpack(there)?;
        let copied = if here.coded == there.coded { 0..4 } else { 2..3 };
        copied.for_each(|index| self.copy_array(index, (&file, from), contents));
        if here.coded != there.coded {
            let [there, here] = self.ranges();
            let mut moments = moments(&file, &from, there, eps_there);
            for pair in &mut moments {
                *pair = [pair[0] / self.bias(0), pair[1] / self.bias(1)];
            }
            set_moments(contents, &self.param.state, here.start, &moments, eps);
        }
        Ok(())
    }
}
