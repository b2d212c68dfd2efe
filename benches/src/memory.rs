//! The arrays of the caller.

use bytemuck::{AnyBitPattern, NoUninit, Pod, Zeroable};
use half::{bf16, f16};
use radam::ffi::*;

/// Bytes that begin with a cache line, as those of every tensor library do, so that no vector
/// straddles two lines.
pub struct Memory {
    lines: Vec<CacheLine>,
    /// Lines before the first that is used.
    skipped: usize,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct CacheLine([u8; 64]);

/// How many random values are made; larger arrays repeat them.
const PATTERN: usize = 16 * 1024;

impl Memory {
    /// Random numbers of both signs, of about the size of `scale`.
    pub fn random(dtype: radam_dtype, len: usize, scale: f32, seed: u64) -> Self {
        Self::random_after(0, dtype, len, scale, seed)
    }

    /// The same, `skipped` cache lines after where it would be.
    pub fn random_after(
        skipped: usize,
        dtype: radam_dtype,
        len: usize,
        scale: f32,
        seed: u64,
    ) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut pattern = [0f32; PATTERN];
        for value in &mut pattern {
            let sign = if random.bool() { scale } else { -scale };
            *value = sign * (0.1 + 0.9 * random.f32());
        }
        match dtype {
            RADAM_DTYPE_F32 => Self::repeating(skipped, len, &pattern),
            RADAM_DTYPE_F16 => Self::repeating(skipped, len, &pattern.map(f16::from_f32)),
            RADAM_DTYPE_BF16 => Self::repeating(skipped, len, &pattern.map(bf16::from_f32)),
            _ => panic!("no benchmark uses the dtype {dtype}"),
        }
    }

    fn repeating<T: NoUninit + AnyBitPattern>(skipped: usize, len: usize, pattern: &[T]) -> Self {
        let lines = (len * size_of::<T>()).div_ceil(size_of::<CacheLine>());
        let mut memory = Self { lines: vec![CacheLine::zeroed(); skipped + lines], skipped };
        for part in bytemuck::cast_slice_mut::<_, T>(&mut memory.lines).chunks_mut(pattern.len()) {
            part.copy_from_slice(&pattern[..part.len()]);
        }
        memory
    }

    /// The elements, which are as many as fit.
    pub fn values<T: NoUninit + AnyBitPattern>(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(&mut self.lines[self.skipped..])
    }

    /// The first byte.
    pub fn pointer(&mut self) -> *mut u8 {
        self.lines[self.skipped..].as_mut_ptr().cast()
    }
}
