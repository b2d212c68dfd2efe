//! Moments of a file that become state of another kind.

use crate::kernel::{Dtype, Element, Real};
use crate::math::q8::{self, BLOCK, Scale};
use crate::optimizer::{ElementType, State, StateArray, StateKind};
use half::{bf16, f16};

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

impl Conversion {
    /// Writes the state of these elements. `bytes` are the arrays of the file.
    pub fn write(&self, bytes: [&[u8]; StateArray::ALL.len()], state: &State) {
        let [exp_avg, exp_avg_sq, compensation, scale] = bytes;
        if self.there.q8 && state.kind.q8 {
            // Only the compensation is of another dtype.
            state.write(StateArray::ExpAvg, self.first, exp_avg);
            state.write(StateArray::ExpAvgSq, self.first, exp_avg_sq);
            state.write(StateArray::Scale, self.first / BLOCK * size_of::<u32>(), scale);
            return self.write_compensation(compensation, state, 0..self.len);
        }
        for start in (0..self.len).step_by(BLOCK) {
            let len = BLOCK.min(self.len - start);
            let mut moments = [[0f64; BLOCK]; 2];
            if self.there.q8 {
                let word = first_chunk(&scale[start / BLOCK * size_of::<u32>()..]);
                let scale = Scale::read(u32::from_le_bytes(word));
                for i in 0..len {
                    let codes = (exp_avg[start + i] as i8, exp_avg_sq[start + i]);
                    let (exp_avg, exp_avg_sq) =
                        scale.moments(codes.0, codes.1, self.eps_there as f32);
                    (moments[0][i], moments[1][i]) = (exp_avg.into(), exp_avg_sq.into());
                }
            } else {
                for ((moment, array), bias) in
                    moments.iter_mut().zip([exp_avg, exp_avg_sq]).zip(self.bias)
                {
                    for (i, moment) in moment[..len].iter_mut().enumerate() {
                        *moment = number(self.there.dtype, array, start + i) / bias;
                    }
                }
            }
            let [exp_avg, exp_avg_sq] = moments.each_ref().map(|moment| &moment[..len]);
            self.write_moments(exp_avg, exp_avg_sq, state, self.first + start);
            self.write_compensation(compensation, state, start..start + len);
        }
    }

    /// Writes the moments of elements, at most of a block, rounded once.
    fn write_moments(&self, exp_avg: &[f64], exp_avg_sq: &[f64], state: &State, at: usize) {
        if state.kind.q8 {
            let len = exp_avg.len();
            let mut moments = [[0f32; BLOCK]; 2];
            for (rounded, moment) in moments.iter_mut().zip([exp_avg, exp_avg_sq]) {
                rounded.iter_mut().zip(moment).for_each(|(to, number)| *to = *number as f32);
            }
            let [exp_avg, exp_avg_sq] = moments.each_ref().map(|moment| &moment[..len]);
            let (mut directions, mut roots) = ([0i8; BLOCK], [0u8; BLOCK]);
            let codes = (&mut directions[..len], &mut roots[..len]);
            let word = q8::encode_moments(exp_avg, exp_avg_sq, self.eps as f32, codes.0, codes.1);
            let directions = directions.map(|code| code as u8);
            state.write(StateArray::ExpAvg, at, &directions[..len]);
            state.write(StateArray::ExpAvgSq, at, &roots[..len]);
            let words = at / BLOCK * size_of::<u32>();
            state.write(StateArray::Scale, words, &word.to_le_bytes());
        } else {
            let dtype = state.kind.dtype;
            for (array, moments) in
                [(StateArray::ExpAvg, exp_avg), (StateArray::ExpAvgSq, exp_avg_sq)]
            {
                for (i, moment) in moments.iter().enumerate() {
                    write_number(dtype, *moment, state, array, at + i);
                }
            }
        }
    }

    /// Of a compensation that both have; one that is new stays as it is.
    fn write_compensation(&self, bytes: &[u8], state: &State, elements: std::ops::Range<usize>) {
        const ARRAY: StateArray = StateArray::Compensation;
        if !self.there.has(ARRAY) {
            return;
        }
        match (self.there.element_of(ARRAY), state.kind.element_of(ARRAY)) {
            (ElementType::Float(there), ElementType::Float(here)) => {
                for i in elements {
                    let number = number(there, bytes, i);
                    write_number(here, number, state, ARRAY, self.first + i);
                }
            }
            (_, element) => {
                let size = element.size();
                let range = elements.start * size..elements.end * size;
                state.write(ARRAY, (self.first + elements.start) * size, &bytes[range]);
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

/// Writes element `index` of an array of a state, rounded to nearest even.
fn write_number(dtype: Dtype, number: f64, state: &State, array: StateArray, index: usize) {
    let at = index * dtype.size();
    match dtype {
        Dtype::F32 => state.write(array, at, &f32::store_any(number).to_le_bytes()),
        Dtype::F64 => state.write(array, at, &number.to_le_bytes()),
        Dtype::F16 => state.write(array, at, &f16::store_any(number).to_le_bytes()),
        Dtype::Bf16 => state.write(array, at, &bf16::store_any(number).to_le_bytes()),
    }
}
