//! Tensors of the caller's, what is in them, and the hash of it.

use std::ffi::c_void;
use std::sync::OnceLock;

use half::{bf16, f16};
use radam::ffi::*;

pub const DTYPES: [radam_dtype; 4] =
    [RADAM_DTYPE_F32, RADAM_DTYPE_F64, RADAM_DTYPE_F16, RADAM_DTYPE_BF16];

/// Lengths around those of vectors, blocks and chunks. Together they are work for several threads.
pub const LENS: [usize; 12] = [0, 1, 7, 16, 33, 100, 512, 1031, 4097, 16_383, 20_011, 50_021];

/// A tensor of the caller's, at an offset from a cache line.
pub struct Tensor {
    pub dtype: radam_dtype,
    memory: Vec<u64>,
    /// In bytes.
    offset: usize,
    pub len: usize,
}

pub fn size_of_dtype(dtype: radam_dtype) -> usize {
    match dtype {
        RADAM_DTYPE_F64 => 8,
        RADAM_DTYPE_F32 => 4,
        _ => 2,
    }
}

impl Tensor {
    pub fn new(dtype: radam_dtype, len: usize, offset: usize) -> Tensor {
        let size = size_of_dtype(dtype);
        let memory = vec![0u64; (len * size + 64 + offset * size) / 8 + 1];
        let line = memory.as_ptr().addr().next_multiple_of(64) - memory.as_ptr().addr();
        Tensor { dtype, memory, offset: line + offset * size, len }
    }

    pub fn element(&mut self, index: usize) -> *mut c_void {
        let bytes = self.memory.as_mut_ptr().cast::<u8>();
        bytes.wrapping_add(self.offset + index * size_of_dtype(self.dtype)).cast()
    }

    /// Copies a run of the dtype's sample values, which go round.
    pub fn fill(&mut self, samples: &Samples, start: u64) {
        let size = size_of_dtype(self.dtype);
        let samples = &samples.of_dtype[self.dtype as usize - 1];
        let mut from = start as usize % SAMPLES;
        let mut done = 0;
        while done < self.len {
            let count = (SAMPLES - from).min(self.len - done);
            let source = samples[from * size..][..count * size].as_ptr();
            // SAFETY: both have `count` elements from there on.
            unsafe { source.copy_to_nonoverlapping(self.element(done).cast(), count * size) };
            done += count;
            from = 0;
        }
    }

    pub fn set(&mut self, index: usize, value: f64) {
        assert!(index < self.len);
        let bytes = element_bytes(self.dtype, value);
        // SAFETY: the element is there, and as long as its bytes.
        unsafe { bytes.as_ptr().copy_to_nonoverlapping(self.element(index).cast(), bytes.len()) };
    }

    pub fn is_finite(&mut self) -> bool {
        (0..self.len).all(|i| {
            let at = self.element(i);
            // SAFETY: the memory has `len` elements of its dtype from the offset on.
            unsafe {
                match self.dtype {
                    RADAM_DTYPE_F64 => at.cast::<f64>().read().is_finite(),
                    RADAM_DTYPE_F32 => at.cast::<f32>().read().is_finite(),
                    RADAM_DTYPE_F16 => at.cast::<f16>().read().is_finite(),
                    _ => at.cast::<bf16>().read().is_finite(),
                }
            }
        })
    }

    pub fn bytes(&self) -> impl Iterator<Item = u8> {
        let all = self.memory.iter().flat_map(|word| word.to_ne_bytes());
        all.skip(self.offset).take(self.len * size_of_dtype(self.dtype))
    }
}

/// How many different values there are: a prime, so that steps do not fall into step with it.
const SAMPLES: usize = 8191;

/// Values in each dtype's own bytes, made once because making them takes longer than the run.
pub struct Samples {
    of_dtype: [Vec<u8>; 4],
}

impl Samples {
    fn new(value: fn(u64) -> f64) -> Samples {
        let bytes =
            |dtype| (0..SAMPLES as u64).flat_map(move |i| element_bytes(dtype, value(i))).collect();
        Samples { of_dtype: [1, 2, 3, 4].map(bytes) }
    }

    pub fn parameters() -> &'static Samples {
        static SAMPLES: OnceLock<Samples> = OnceLock::new();
        SAMPLES.get_or_init(|| Samples::new(|i| unit([i, 0])))
    }

    pub fn gradients() -> &'static Samples {
        static SAMPLES: OnceLock<Samples> = OnceLock::new();
        SAMPLES.get_or_init(|| Samples::new(gradient))
    }
}

/// A number in the bytes of a dtype. Of f64, half makes f16 by way of f32 or not, depending on the machine and
/// on its features: here it is always by way of f32, so that what goes in is the same everywhere.
pub fn element_bytes(dtype: radam_dtype, value: f64) -> Vec<u8> {
    match dtype {
        RADAM_DTYPE_F64 => value.to_ne_bytes().to_vec(),
        RADAM_DTYPE_F32 => (value as f32).to_ne_bytes().to_vec(),
        RADAM_DTYPE_F16 => f16::from_f32(value as f32).to_ne_bytes().to_vec(),
        _ => bf16::from_f64(value).to_ne_bytes().to_vec(),
    }
}

/// A number from the hash of a position.
fn draw(position: [u64; 2]) -> u64 {
    position.into_iter().fold(0x9e37_79b9_7f4a_7c15, |x, part| {
        let x = (x ^ part).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (x ^ (x >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ (x >> 32)
    })
}

/// In [-1, 1), exact in f32.
fn unit(position: [u64; 2]) -> f64 {
    ((draw(position) >> 40) as f64) / 8_388_608.0 - 1.0
}

/// Mostly near 1, sometimes zero, denormal in some dtype, or large; all finite in every dtype.
fn gradient(index: u64) -> f64 {
    let value = unit([index, 1]);
    match draw([index, 2]) % 32 {
        0 => 0.0,
        1 => -0.0,
        2 => value * 1e-5,
        3 => value * 1e-7,
        4 => value * 1e-39,
        5 => value * 1e-42,
        6 => value * 100.0,
        _ => value,
    }
}

/// FNV-1a.
pub struct Hash(u64);

impl Hash {
    pub fn new() -> Hash {
        Hash(0xcbf2_9ce4_8422_2325)
    }

    pub fn take(&mut self, bytes: impl IntoIterator<Item = u8>) {
        for byte in bytes {
            self.0 = (self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub fn value(&self) -> u64 {
        self.0
    }
}
