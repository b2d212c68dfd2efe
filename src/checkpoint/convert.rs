//! Moments of a file that become state of another kind.

use crate::error::Result;
use crate::kernel::{Dtype, Element, Real};
use crate::math::q8::{self, BLOCK, Scale};
use crate::optimizer::{ElementType, State, StateArray, StateKind};
use half::{bf16, f16};
use std::ops::Range;

/// What has to be known of elements of a parameter whose state is of another kind in the file.
pub(super) struct Conversion {
    pub param: u32,
    /// The first of the elements, and how many there are.
    pub first: usize,
    pub len: usize,
    /// What the state is in the file.
    pub there: StateKind,
    /// Which transfers bring the arrays of the file, by [`StateArray`].
    pub transfers: [Option<usize>; StateArray::ALL.len()],
    /// What the moments have to be divided by.
    pub bias: [f64; 2],
    /// The `eps` that codes of the file were made with, and that of the group from now on.
    pub eps_there: f64,
    pub eps: f64,
}

/// Elements that are converted at once: whole blocks.
const AT_ONCE: usize = 8 * BLOCK;

impl Conversion {
    /// Writes the state of these elements. `bytes` are the arrays of the file.
    pub fn write(&self, bytes: [&[u8]; StateArray::ALL.len()], state: &State) -> Result<()> {
        let [exp_avg, exp_avg_sq, compensation, scale] = bytes;
        let keeps_codes = self.there.q8 && state.kind.q8;
        if keeps_codes {
            // Only the compensation is of another dtype.
            state.write(StateArray::ExpAvg, self.first, exp_avg)?;
            state.write(StateArray::ExpAvgSq, self.first, exp_avg_sq)?;
            state.write(StateArray::Scale, self.first / BLOCK * size_of::<u32>(), scale)?;
        }
        for start in (0..self.len).step_by(AT_ONCE) {
            let elements = start..self.len.min(start + AT_ONCE);
            if !keeps_codes {
                let mut moments = [[0f64; AT_ONCE]; 2];
                let [exp_avg, exp_avg_sq] =
                    moments.each_mut().map(|moment| &mut moment[..elements.len()]);
                self.read_moments(bytes, start, exp_avg, exp_avg_sq);
                self.write_moments(exp_avg, exp_avg_sq, state, self.first + start)?;
            }
            self.write_compensation(compensation, state, elements)?;
        }
        Ok(())
    }

    /// The moments of elements of the file, from `start` on, which begins a block.
    fn read_moments(
        &self,
        [directions, roots, _, words]: [&[u8]; StateArray::ALL.len()],
        start: usize,
        exp_avg: &mut [f64],
        exp_avg_sq: &mut [f64],
    ) {
        for (i, (m, v)) in exp_avg.iter_mut().zip(exp_avg_sq).enumerate() {
            let at = start + i;
            (*m, *v) = if self.there.q8 {
                let word = first_chunk(&words[at / BLOCK * size_of::<u32>()..]);
                let scale = Scale::read(u32::from_le_bytes(word));
                let (m, v) = scale.moments(directions[at] as i8, roots[at], self.eps_there as f32);
                (m.into(), v.into())
            } else {
                let moment = |array, bias| number(self.there.dtype, array, at) / bias;
                (moment(directions, self.bias[0]), moment(roots, self.bias[1]))
            };
        }
    }

    /// Writes the moments of elements, rounded once.
    fn write_moments(
        &self,
        exp_avg: &[f64],
        exp_avg_sq: &[f64],
        state: &State,
        at: usize,
    ) -> Result<()> {
        if state.kind.q8 {
            return self.write_codes(exp_avg, exp_avg_sq, state, at);
        }
        let dtype = state.kind.dtype;
        write_numbers(dtype, exp_avg.iter().copied(), state, StateArray::ExpAvg, at)?;
        write_numbers(dtype, exp_avg_sq.iter().copied(), state, StateArray::ExpAvgSq, at)
    }

    fn write_codes(
        &self,
        exp_avg: &[f64],
        exp_avg_sq: &[f64],
        state: &State,
        at: usize,
    ) -> Result<()> {
        let (mut directions, mut roots) = ([0i8; AT_ONCE], [0u8; AT_ONCE]);
        let mut words = [[0; size_of::<u32>()]; AT_ONCE / BLOCK];
        let blocks = exp_avg.chunks(BLOCK).zip(exp_avg_sq.chunks(BLOCK));
        let codes = directions.chunks_mut(BLOCK).zip(roots.chunks_mut(BLOCK));
        for (((m, v), (directions, roots)), word) in blocks.zip(codes).zip(&mut words) {
            let mut rounded = [[0f32; BLOCK]; 2];
            for (rounded, moment) in rounded.iter_mut().zip([m, v]) {
                rounded.iter_mut().zip(moment).for_each(|(to, number)| *to = *number as f32);
            }
            let [m, v] = rounded.each_ref().map(|moment| &moment[..m.len()]);
            let (directions, roots) = (&mut directions[..m.len()], &mut roots[..m.len()]);
            *word = q8::encode_moments(m, v, self.eps as f32, directions, roots).to_le_bytes();
        }
        let (len, blocks) = (exp_avg.len(), exp_avg.len().div_ceil(BLOCK));
        let directions = directions.map(|code| code as u8);
        state.write(StateArray::ExpAvg, at, &directions[..len])?;
        state.write(StateArray::ExpAvgSq, at, &roots[..len])?;
        let place = at / BLOCK * size_of::<u32>();
        state.write(StateArray::Scale, place, words[..blocks].as_flattened())
    }

    /// Of a compensation that both have; one that is new stays as it is.
    fn write_compensation(
        &self,
        bytes: &[u8],
        state: &State,
        elements: Range<usize>,
    ) -> Result<()> {
        const ARRAY: StateArray = StateArray::Compensation;
        if !self.there.has(ARRAY) {
            return Ok(());
        }
        let to = self.first + elements.start;
        match (self.there.element_of(ARRAY), state.kind.element_of(ARRAY)) {
            (ElementType::Float(there), ElementType::Float(here)) => {
                let numbers = elements.map(|i| number(there, bytes, i));
                write_numbers(here, numbers, state, ARRAY, to)
            }
            (_, element) => {
                let size = element.size();
                state.write(ARRAY, to * size, &bytes[elements.start * size..elements.end * size])
            }
        }
    }
}

/// Element `index` of an array of a file.
fn number(dtype: Dtype, bytes: &[u8], index: usize) -> f64 {
    let bytes = &bytes[index * dtype.size()..];
    match dtype {
        Dtype::F32 => f32::from_le_bytes(first_chunk(bytes)).into(),
        Dtype::F64 => f64::from_le_bytes(first_chunk(bytes)),
        Dtype::F16 => f16::from_le_bytes(first_chunk(bytes)).load().to_f64(),
        Dtype::Bf16 => bf16::from_le_bytes(first_chunk(bytes)).load().to_f64(),
    }
}

fn first_chunk<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut chunk = [0; N];
    chunk.copy_from_slice(&bytes[..N]);
    chunk
}

/// Writes up to [`AT_ONCE`] elements of an array of a state, each rounded to nearest even.
fn write_numbers(
    dtype: Dtype,
    numbers: impl Iterator<Item = f64>,
    state: &State,
    array: StateArray,
    first: usize,
) -> Result<()> {
    let (mut bytes, size) = ([0; AT_ONCE * size_of::<f64>()], dtype.size());
    let mut end = 0;
    for (number, to) in numbers.zip(bytes.chunks_exact_mut(size)) {
        match dtype {
            Dtype::F32 => to.copy_from_slice(&f32::store_any(number).to_le_bytes()),
            Dtype::F64 => to.copy_from_slice(&number.to_le_bytes()),
            Dtype::F16 => to.copy_from_slice(&f16::store_any(number).to_le_bytes()),
            Dtype::Bf16 => to.copy_from_slice(&bf16::store_any(number).to_le_bytes()),
        }
        end += size;
    }
    state.write(array, first * size, &bytes[..end])
}
