//! What is in the tensors of a run, and the hash of it.

use std::sync::OnceLock;

use radam::ffi::*;

use crate::driver::little_endian;
use crate::driver::tensor::{Tensor, size_of_dtype};

pub const DTYPES: [radam_dtype; 4] =
    [RADAM_DTYPE_F32, RADAM_DTYPE_F64, RADAM_DTYPE_F16, RADAM_DTYPE_BF16];

/// Lengths around those of vectors, blocks and chunks. Together they are work for several threads.
pub const LENS: [usize; 12] = [0, 1, 7, 16, 33, 100, 512, 1031, 4097, 16_383, 20_011, 50_021];

/// Values in each dtype's own bytes, made once because making them takes longer than the run. A prime
/// number of them, so that steps do not fall into step with it.
pub struct Samples {
    of_dtype: [(radam_dtype, Vec<u8>); 4],
}

impl Samples {
    fn new(value: fn(u64) -> f64) -> Samples {
        let values: Vec<f64> = (0..8191).map(value).collect();
        Samples { of_dtype: DTYPES.map(|dtype| (dtype, Tensor::of(dtype, &values).bytes())) }
    }

    /// Fills a tensor with a run of these, which go round.
    pub fn fill(&self, tensor: &Tensor, start: u64) {
        let of_dtype = |(dtype, _): &&(radam_dtype, _)| *dtype == tensor.dtype;
        let (_, bytes) = self.of_dtype.iter().find(of_dtype).unwrap();
        tensor.repeat(bytes, start as usize);
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

    /// Takes a tensor, in which there must be no NaN: which one a machine makes is its own choice.
    pub fn take_tensor(&mut self, tensor: &Tensor) {
        assert!((0..tensor.len).all(|i| tensor.get(i).is_finite()));
        self.take(little_endian(tensor.bytes().to_vec(), size_of_dtype(tensor.dtype)));
    }

    pub fn value(&self) -> u64 {
        self.0
    }
}
