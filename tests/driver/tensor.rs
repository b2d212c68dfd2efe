//! Tensors: the caller's memory.

use std::cell::Cell;
use std::ffi::c_void;
use std::ops::Range;
use std::rc::Rc;
use std::slice;

use half::{bf16, f16};
use radam::ffi::*;

/// Elements of one dtype. Whoever has a part of a tensor has the same memory, and keeps it alive.
pub struct Tensor {
    pub dtype: radam_dtype,
    pub len: usize,
    memory: Rc<Vec<Cell<Line>>>,
    /// Where the first element is, in bytes.
    start: usize,
}

/// A cache line, in a cell because the library writes it too.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([u64; 8]);

impl Tensor {
    /// Zeros, from the beginning of a cache line on.
    pub fn new(dtype: radam_dtype, len: usize) -> Self {
        Self::at(0, dtype, len)
    }

    /// Zeros, so many elements from the beginning of a cache line.
    pub fn at(offset: usize, dtype: radam_dtype, len: usize) -> Self {
        let size = size_of_dtype(dtype);
        let lines = ((offset + len) * size).div_ceil(size_of::<Line>());
        let memory = Rc::new(vec![Cell::new(Line([0; 8])); lines]);
        Self { dtype, len, memory, start: offset * size }
    }

    /// The numbers, each rounded to the dtype.
    pub fn of(dtype: radam_dtype, numbers: &[f64]) -> Self {
        let tensor = Self::new(dtype, numbers.len());
        tensor.fill(numbers.iter().copied());
        tensor
    }

    /// The elements of a range, in the same memory.
    pub fn part(&self, range: Range<usize>) -> Self {
        assert!(range.end <= self.len);
        Self {
            dtype: self.dtype,
            len: range.len(),
            memory: self.memory.clone(),
            start: self.start + range.start * size_of_dtype(self.dtype),
        }
    }

    pub fn whole(&self) -> Self {
        self.part(0..self.len)
    }

    pub fn element(&self, index: usize) -> *mut c_void {
        assert!(index <= self.len);
        let memory = self.memory.as_ptr().cast_mut().cast::<u8>();
        memory.wrapping_add(self.start + index * size_of_dtype(self.dtype)).cast()
    }

    pub fn pointer(&self) -> *mut c_void {
        self.element(0)
    }

    pub fn get(&self, index: usize) -> f64 {
        assert!(index < self.len);
        let element = self.element(index);
        // SAFETY: the element is there, and the library does not step meanwhile.
        let bits = unsafe {
            match size_of_dtype(self.dtype) {
                8 => *element.cast::<u64>(),
                4 => (*element.cast::<u32>()).into(),
                _ => (*element.cast::<u16>()).into(),
            }
        };
        number(self.dtype, bits)
    }

    pub fn set(&self, index: usize, number: f64) {
        assert!(index < self.len);
        let (element, bits) = (self.element(index), bits(self.dtype, number));
        // SAFETY: as in `get`.
        unsafe {
            match size_of_dtype(self.dtype) {
                8 => *element.cast() = bits,
                4 => *element.cast() = bits as u32,
                _ => *element.cast() = bits as u16,
            }
        }
    }

    pub fn fill(&self, numbers: impl IntoIterator<Item = f64>) {
        (0..self.len).zip(numbers).for_each(|(index, number)| self.set(index, number));
    }

    pub fn values(&self) -> Vec<f64> {
        (0..self.len).map(|index| self.get(index)).collect()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let len = self.len * size_of_dtype(self.dtype);
        // SAFETY: as in `get`.
        unsafe { slice::from_raw_parts(self.pointer().cast::<u8>(), len) }.to_vec()
    }

    /// Copies elements of the same dtype, which go round and begin with one of them.
    pub fn repeat(&self, bytes: &[u8], first: usize) {
        let size = size_of_dtype(self.dtype);
        let elements = bytes.len() / size;
        let (mut from, mut done) = (first % elements.max(1), 0);
        while done < self.len {
            let count = (elements - from).min(self.len - done);
            let source = bytes[from * size..][..count * size].as_ptr();
            // SAFETY: both have `count` elements from there on.
            unsafe { source.copy_to_nonoverlapping(self.element(done).cast(), count * size) };
            (from, done) = (0, done + count);
        }
    }
}

/// 0 stands for the 16 bits that make a master weight.
pub fn size_of_dtype(dtype: radam_dtype) -> usize {
    match dtype {
        RADAM_DTYPE_F64 => 8,
        RADAM_DTYPE_F32 => 4,
        RADAM_DTYPE_Q8 => 1,
        _ => 2,
    }
}

/// The number that has these bits.
pub fn number(dtype: radam_dtype, bits: u64) -> f64 {
    match dtype {
        RADAM_DTYPE_F64 => f64::from_bits(bits),
        RADAM_DTYPE_F32 => f32::from_bits(bits as u32).into(),
        RADAM_DTYPE_F16 => f16::from_bits(bits as u16).into(),
        _ => bf16::from_bits(bits as u16).into(),
    }
}

fn bits(dtype: radam_dtype, number: f64) -> u64 {
    match dtype {
        RADAM_DTYPE_F64 => number.to_bits(),
        RADAM_DTYPE_F32 => (number as f32).to_bits().into(),
        // half rounds an f64 by way of f32 or not, depending on the machine; here it is by way of f32.
        RADAM_DTYPE_F16 => f16::from_f32(number as f32).to_bits().into(),
        _ => bf16::from_f64(number).to_bits().into(),
    }
}
