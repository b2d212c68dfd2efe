//! Between 8-bit state and moments of a dtype.

use crate::kernel::convert::convert_array;
use crate::kernel::detect::InstructionSet;
use crate::kernel::dtype::Dtype;
use crate::math::q8::{BLOCK, Scale, encode_moments};
use std::slice::{from_raw_parts, from_raw_parts_mut};

/// Moments as elements of a dtype.
#[derive(Clone, Copy)]
pub(crate) struct Moments {
    pub dtype: Dtype,
    pub exp_avg: *mut u8,
    pub exp_avg_sq: *mut u8,
}

/// Moments as codes of 8 bits.
#[derive(Clone, Copy)]
pub(crate) struct Codes {
    pub exp_avg: *mut i8,
    pub exp_avg_sq: *mut u8,
    pub state_scale: *mut u32,
}

/// Codes moments, rounded to nearest. An element whose moments are not finite starts anew.
///
/// # Safety
/// The arrays have `len` elements, the first of which begins a block, are aligned and do not overlap; nothing else uses
/// them meanwhile.
pub(crate) unsafe fn encode(moments: Moments, codes: Codes, eps: f64, len: usize) {
    for start in (0..len).step_by(BLOCK) {
        let len = BLOCK.min(len - start);
        let (mut exp_avg, mut exp_avg_sq) = ([0f32; BLOCK], [0f32; BLOCK]);
        // SAFETY: the arrays have these elements, and the buffers have room for a block.
        unsafe {
            for (array, buffer) in
                moments.arrays(start).into_iter().zip([&mut exp_avg, &mut exp_avg_sq])
            {
                let buffer = buffer.as_mut_ptr().cast();
                convert_array(
                    InstructionSet::PORTABLE,
                    moments.dtype,
                    array,
                    Dtype::F32,
                    buffer,
                    len,
                );
            }
            *codes.state_scale.add(start / BLOCK) = encode_moments(
                &exp_avg[..len],
                &exp_avg_sq[..len],
                eps as f32,
                from_raw_parts_mut(codes.exp_avg.add(start), len),
                from_raw_parts_mut(codes.exp_avg_sq.add(start), len),
            );
        }
    }
}

/// The moments that codes stand for, rounded to nearest even.
///
/// # Safety
/// As for [`encode`].
pub(crate) unsafe fn decode(codes: Codes, moments: Moments, eps: f64, len: usize) {
    for start in (0..len).step_by(BLOCK) {
        let len = BLOCK.min(len - start);
        let (mut exp_avg, mut exp_avg_sq) = ([0f32; BLOCK], [0f32; BLOCK]);
        // SAFETY: as in `encode`.
        unsafe {
            let scale = Scale::read(*codes.state_scale.add(start / BLOCK));
            let directions = from_raw_parts(codes.exp_avg.add(start), len);
            let roots = from_raw_parts(codes.exp_avg_sq.add(start), len);
            for i in 0..len {
                (exp_avg[i], exp_avg_sq[i]) = scale.moments(directions[i], roots[i], eps as f32);
            }
            for (array, buffer) in moments.arrays(start).into_iter().zip([&exp_avg, &exp_avg_sq]) {
                let buffer = buffer.as_ptr().cast();
                convert_array(
                    InstructionSet::PORTABLE,
                    Dtype::F32,
                    buffer,
                    moments.dtype,
                    array,
                    len,
                );
            }
        }
    }
}

impl Moments {
    /// Both arrays from this element on.
    fn arrays(self, start: usize) -> [*mut u8; 2] {
        [self.exp_avg, self.exp_avg_sq].map(|array| array.wrapping_add(start * self.dtype.size()))
    }
}
