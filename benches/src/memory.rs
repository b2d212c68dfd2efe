//! The contents of the arrays.

use crate::driver::tensor::{Tensor, size_of_dtype};
use radam::ffi::*;

/// How many random values are made; larger arrays repeat them.
const PATTERN: usize = 16 * 1024;

/// Random numbers of both signs, of about the size of `scale`, so many cache lines after the beginning of the
/// memory.
pub fn random(moved: usize, dtype: radam_dtype, len: usize, scale: f32, seed: u64) -> Tensor {
    let mut random = fastrand::Rng::with_seed(seed);
    let pattern: [f64; PATTERN] = std::array::from_fn(|_| {
        let sign = if random.bool() { scale } else { -scale };
        (sign * (0.1 + 0.9 * random.f32())).into()
    });
    let tensor = Tensor::at(moved * 64 / size_of_dtype(dtype), dtype, len);
    tensor.repeat(&Tensor::of(dtype, &pattern).bytes(), 0);
    tensor
}
