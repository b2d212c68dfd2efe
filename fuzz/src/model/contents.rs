//! What should be in every block of memory that is the caller's or that the library keeps state in.

use super::number::Dtype;

/// Some elements of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Array {
    pub block: usize,
    /// The first element.
    pub first: usize,
    pub len: usize,
    pub dtype: Dtype,
}

#[derive(Clone, Default)]
pub struct Contents(pub Vec<Vec<u8>>);

impl Contents {
    pub fn bits(&self, array: Array, index: usize) -> u64 {
        let size = array.dtype.size();
        let bytes = &self.0[array.block][(array.first + index) * size..][..size];
        bytes.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
    }

    pub fn set_bits(&mut self, array: Array, index: usize, bits: u64) {
        let size = array.dtype.size();
        let bytes = &mut self.0[array.block][(array.first + index) * size..][..size];
        bytes.copy_from_slice(&bits.to_le_bytes()[..size]);
    }

    pub fn get(&self, array: Array, index: usize) -> f64 {
        array.dtype.decode(self.bits(array, index))
    }

    pub fn set(&mut self, array: Array, index: usize, number: f64) {
        self.set_bits(array, index, array.dtype.encode(number));
    }

    /// The numbers of a range of elements.
    pub fn numbers(
        &self,
        array: Array,
        range: std::ops::Range<usize>,
    ) -> impl Iterator<Item = f64> + Clone + '_ {
        range.map(move |index| self.get(array, index))
    }

    pub fn bytes(&self, array: Array) -> &[u8] {
        let size = array.dtype.size();
        &self.0[array.block][array.first * size..][..array.len * size]
    }

    pub fn bytes_mut(&mut self, array: Array) -> &mut [u8] {
        let size = array.dtype.size();
        &mut self.0[array.block][array.first * size..][..array.len * size]
    }
}
