//! Tensors: the caller's memory.

use std::cell::Cell;
use std::ffi::c_void;
use std::ops::Range;
use std::rc::Rc;
use std::slice;

use half::{bf16, f16};
use radam::ffi::*;

use super::device::{self, DeviceMemory};

/// Elements of one dtype. Whoever has a part of a tensor has the same memory, and keeps it alive.
pub struct Tensor {
    pub dtype: radam_dtype,
    pub len: usize,
    memory: Rc<Memory>,
    /// Where the first element is, in bytes.
    start: usize,
}

/// What is on a device has a copy here, which is brought up to date whenever it is looked at.
struct Memory {
    host: Vec<Cell<Line>>,
    device: Option<DeviceMemory>,
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
        let host = vec![Cell::new(Line([0; 8])); lines];
        let device = DeviceMemory::new(lines * size_of::<Line>());
        Self { dtype, len, memory: Rc::new(Memory { host, device }), start: offset * size }
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

    /// The address of an element, for the library.
    pub fn element(&self, index: usize) -> *mut c_void {
        let Some(device) = &self.memory.device else { return self.on_host(index) };
        assert!(index <= self.len);
        device.pointer().wrapping_byte_add(self.start + index * size_of_dtype(self.dtype))
    }

    fn on_host(&self, index: usize) -> *mut c_void {
        assert!(index <= self.len);
        let memory = self.memory.host.as_ptr().cast_mut().cast::<u8>();
        memory.wrapping_add(self.start + index * size_of_dtype(self.dtype)).cast()
    }

    /// Brings the elements of a range here from the device.
    fn download(&self, range: Range<usize>) {
        let bytes = range.len() * size_of_dtype(self.dtype);
        if self.memory.device.is_some() && bytes > 0 {
            // SAFETY: both have these elements, and the library does not step meanwhile.
            unsafe {
                let to = slice::from_raw_parts_mut(self.on_host(range.start).cast(), bytes);
                device::read(self.element(range.start), to);
            }
        }
    }

    /// Brings the elements of a range to the device.
    fn upload(&self, range: Range<usize>) {
        let bytes = range.len() * size_of_dtype(self.dtype);
        if self.memory.device.is_some() && bytes > 0 {
            // SAFETY: as in `download`.
            unsafe {
                let from = slice::from_raw_parts(self.on_host(range.start).cast(), bytes);
                device::write(self.element(range.start), from);
            }
        }
    }

    pub fn pointer(&self) -> *mut c_void {
        self.element(0)
    }

    pub fn get(&self, index: usize) -> f64 {
        self.download(index..index + 1);
        self.get_here(index)
    }

    fn get_here(&self, index: usize) -> f64 {
        assert!(index < self.len);
        let element = self.on_host(index);
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
        self.set_here(index, number);
        self.upload(index..index + 1);
    }

    fn set_here(&self, index: usize, number: f64) {
        assert!(index < self.len);
        let (element, bits) = (self.on_host(index), bits(self.dtype, number));
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
        self.download(0..self.len);
        (0..self.len).zip(numbers).for_each(|(index, number)| self.set_here(index, number));
        self.upload(0..self.len);
    }

    pub fn values(&self) -> Vec<f64> {
        self.download(0..self.len);
        (0..self.len).map(|index| self.get_here(index)).collect()
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.download(0..self.len);
        let len = self.len * size_of_dtype(self.dtype);
        // SAFETY: as in `get`.
        unsafe { slice::from_raw_parts(self.on_host(0).cast::<u8>(), len) }.to_vec()
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
            unsafe { source.copy_to_nonoverlapping(self.on_host(done).cast(), count * size) };
            (from, done) = (0, done + count);
        }
        self.upload(0..self.len);
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
