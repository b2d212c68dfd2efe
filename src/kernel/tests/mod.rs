//! Every instruction set, held equal to the portable loops bit for bit; and all of them held to what is known
//! without them.

mod conversions;
mod equality;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod huge;
mod nan;
mod q8;
mod q8_tracking;

use super::dtype::Dtype;
use super::element::Element;
use super::{
    InstructionSet, Kernel, Layout, NameHash, Noise, Rounding, TensorView,
    swap_unless_little_endian,
};
use crate::math::{Coefficients, Decay, Rule, Step};
use half::{bf16, f16};
use std::ptr;

const DTYPES: [Dtype; 4] = [Dtype::F32, Dtype::F64, Dtype::F16, Dtype::Bf16];

/// Every way to step: with coefficients that make all terms matter.
fn steps() -> Vec<Step> {
    let coefficients = Coefficients {
        l2: 0.011,
        decay: 0.003,
        beta1_hat: 0.87,
        beta1_comp: 0.13,
        beta2_hat: 0.993,
        beta2_comp: 0.007,
        step_size: 0.021,
        eps: 1e-6,
        grad_scale: 0.37,
        max_grad_value: 0.11,
    };
    // So small that the roots of denormal moments show.
    let tiny_eps = Coefficients { eps: 1e-30, ..coefficients };
    let ways = [
        (Rule::Rectified, coefficients),
        (Rule::Rectified, tiny_eps),
        (Rule::Unrectified, coefficients),
        (Rule::Accumulate, coefficients),
    ];
    let decays = [Decay::None, Decay::L2, Decay::Decoupled];
    ways.into_iter()
        .flat_map(|way| decays.map(|decay| (way, decay)))
        .flat_map(|((rule, coefficients), decay)| {
            [false, true].map(|clips| Step { rule, decay, clips, coefficients })
        })
        .collect()
}

/// All dtypes of parameters, gradients and state that there are.
fn layouts() -> impl Iterator<Item = Layout> {
    let rounding = Rounding::Nearest;
    DTYPES.into_iter().flat_map(move |param| {
        DTYPES.into_iter().flat_map(move |grad| {
            [param, Dtype::F32].map(|state| Layout {
                param,
                grad,
                state,
                q8: false,
                copy: None,
                rounding,
            })
        })
    })
}

/// Those of bf16 parameters, with a rounding that needs masters in f32.
fn layouts_with_masters() -> impl Iterator<Item = Layout> {
    layouts().filter(|layout| layout.param == Dtype::Bf16).flat_map(|layout| {
        [Rounding::Remainder, Rounding::Stochastic].map(|rounding| Layout { rounding, ..layout })
    })
}

/// Where each array of a tensor stands among its arrays.
const PARAM: usize = 0;
const GRAD: usize = 1;
const EXP_AVG: usize = 2;
const EXP_AVG_SQ: usize = 3;
const KAHAN_COMP: usize = 4;
const MASTER_REMAINDER: usize = 5;
const COPY: usize = 6;
const ARRAYS: usize = 7;

/// What makes the bits of an element of some dtype, by the number of its array and its own.
type Bits = fn(Dtype, usize, usize) -> u64;

/// The arrays of a tensor, as bytes; those that the layout has not are there too, and stay as they are.
#[derive(Clone)]
struct TestTensor {
    layout: Layout,
    len: usize,
    kahan_sum: bool,
    /// Which element of the whole tensor the first one is.
    first: u64,
    /// Aligned for any dtype.
    arrays: [Vec<u64>; ARRAYS],
}

impl TestTensor {
    fn new(
        layout: Layout,
        len: usize,
        kahan_sum: bool,
        mut bits: impl FnMut(Dtype, usize, usize) -> u64,
    ) -> Self {
        let arrays = std::array::from_fn(|array| {
            let dtype = dtype_of(layout, array);
            let mut words = vec![0; len + 1];
            for i in 0..len {
                let mut bits = bits(dtype, array, i).to_le_bytes();
                swap_unless_little_endian(&mut bits[..dtype.size()], dtype.size());
                let at = words.as_mut_ptr().cast::<u8>().wrapping_add(i * dtype.size());
                // SAFETY: there is a word for each element, and none is larger.
                unsafe { at.copy_from_nonoverlapping(bits.as_ptr(), dtype.size()) };
            }
            words
        });
        Self { layout, len, kahan_sum, first: 0, arrays }
    }

    fn view(&mut self) -> TensorView {
        let [param, grad, exp_avg, exp_avg_sq, kahan_comp, master_remainder, copy] =
            self.arrays.each_mut().map(|array| array.as_mut_ptr().cast::<u8>());
        TensorView {
            len: self.len,
            whole: self.len,
            first: self.first,
            param,
            grad,
            exp_avg,
            exp_avg_sq,
            kahan_comp: if self.kahan_sum { kahan_comp } else { ptr::null_mut() },
            state_scale: ptr::null_mut(),
            master_remainder: master_remainder.cast(),
            copy,
            noise: Noise::new(7, NameHash::of("weight"), 9),
        }
    }

    fn stepped_by(mut self, instruction_set: InstructionSet, step: &Step) -> Self {
        let view = self.view();
        // SAFETY: the arrays are the tensor's own, and as long as `len` says.
        unsafe { Kernel::new(instruction_set, self.layout, step.clips).run(step, &view) };
        self
    }

    /// The bits of all elements.
    fn bits(&self) -> impl Iterator<Item = u64> {
        (0..ARRAYS).flat_map(|array| self.bits_of(array))
    }

    /// As f64, those of every NaN being the same: which of two NaN an addition hands on is the compiler's
    /// choice. Remainders are no numbers of any dtype.
    fn bits_of(&self, array: usize) -> impl Iterator<Item = u64> {
        let dtype = dtype_of(self.layout, array);
        self.raw_bits_of(array).map(move |bits| match value(dtype, bits) {
            _ if array == MASTER_REMAINDER => bits,
            value if value.is_nan() => f64::NAN.to_bits(),
            value => value.to_bits(),
        })
    }

    fn raw_bits_of(&self, array: usize) -> impl Iterator<Item = u64> {
        let size = dtype_of(self.layout, array).size();
        (0..self.len).map(move |i| {
            let mut word = [0; 8];
            let at = self.arrays[array].as_ptr().cast::<u8>().wrapping_add(i * size);
            // SAFETY: there is a word for each element, and none is larger.
            unsafe { word.as_mut_ptr().copy_from_nonoverlapping(at, size) };
            swap_unless_little_endian(&mut word[..size], size);
            u64::from_le_bytes(word)
        })
    }
}

/// The dtype of an array; remainders are as large as bf16.
fn dtype_of(layout: Layout, array: usize) -> Dtype {
    match array {
        PARAM => layout.param,
        GRAD => layout.grad,
        EXP_AVG | EXP_AVG_SQ | KAHAN_COMP => layout.state,
        MASTER_REMAINDER => Dtype::Bf16,
        _ => layout.copy.unwrap_or(Dtype::F64),
    }
}

fn hash(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Any bits at all: numbers of every size, infinities and NaN, the second moment negative too.
fn any_bits(_: Dtype, array: usize, i: usize) -> u64 {
    hash(hash(array as u64 + 1).wrapping_add(i as u64))
}

/// Ordinary numbers, some of them denormal or zero, near 1, or huge.
fn numbers(dtype: Dtype, array: usize, i: usize) -> u64 {
    let random = any_bits(dtype, array, i);
    let least = if array == EXP_AVG_SQ { 0.0 } else { 0.5 };
    let unit = (random >> 40) as f64 / (1u64 << 24) as f64 - least;
    let scale = [1.0, 1e-3, 1e-5, 1e-7, 1e-38, 1e-40, 1e4, 1e30, 0.0, -0.0][(random % 10) as usize];
    bits(dtype, unit * scale)
}

/// The bits of a number in the dtype.
fn bits(dtype: Dtype, value: f64) -> u64 {
    match dtype {
        Dtype::F32 => (value as f32).to_bits().into(),
        Dtype::F64 => value.to_bits(),
        Dtype::F16 => f16::store(value as f32).to_bits().into(),
        Dtype::Bf16 => bf16::store(value as f32).to_bits().into(),
    }
}

/// The value of an element with these bits, by an implementation that is not ours.
fn value(dtype: Dtype, bits: u64) -> f64 {
    match dtype {
        Dtype::F32 => f32::from_bits(bits as u32).into(),
        Dtype::F64 => f64::from_bits(bits),
        Dtype::F16 => f16::from_bits(bits as u16).to_f64(),
        Dtype::Bf16 => bf16::from_bits(bits as u16).to_f64(),
    }
}
