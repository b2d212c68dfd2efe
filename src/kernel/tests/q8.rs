//! 8-bit state: every instruction set equal to the plain loops, and these to an independent implementation.

use super::*;
use crate::math::q8::BLOCK;
use std::ops::Range;

/// A tensor with 8-bit state. Its moments have an array of codes each, and a word for each block.
#[derive(Clone)]
struct CodedTensor {
    tensor: TestTensor,
    exp_avg: Vec<i8>,
    exp_avg_sq: Vec<u8>,
    state_scale: Vec<u32>,
}

impl CodedTensor {
    fn new(layout: Layout, len: usize, kahan_sum: bool, bits: Bits) -> Self {
        Self {
            tensor: TestTensor::new(layout, len, kahan_sum, bits),
            exp_avg: vec![0; len],
            exp_avg_sq: vec![0; len],
            state_scale: vec![0; len.div_ceil(BLOCK)],
        }
    }

    fn view(&mut self, number: u64) -> TensorView {
        TensorView {
            exp_avg: self.exp_avg.as_mut_ptr().cast(),
            exp_avg_sq: self.exp_avg_sq.as_mut_ptr(),
            state_scale: self.state_scale.as_mut_ptr(),
            noise: Noise::new(7, NameHash::of("weight"), number),
            ..self.tensor.view()
        }
    }

    fn step(&mut self, set: InstructionSet, step: &Step, number: u64) {
        let (layout, view) = (self.tensor.layout, self.view(number));
        // SAFETY: the arrays are the tensor's own, and as long as `len` says.
        unsafe { Kernel::new(set, layout, step.clips).run(step, &view) };
    }

    /// Some blocks of it, from this element on.
    fn step_part(&mut self, set: InstructionSet, step: &Step, number: u64, part: Range<usize>) {
        let (layout, view) = (self.tensor.layout, self.view(number));
        let part = view.part(part.start, part.len(), layout);
        // SAFETY: as above.
        unsafe { Kernel::new(set, layout, step.clips).run(step, &part) };
    }

    fn assert_same(&self, other: &Self, what: std::fmt::Arguments) {
        let codes = |tensor: &Self| {
            (tensor.exp_avg.clone(), tensor.exp_avg_sq.clone(), tensor.state_scale.clone())
        };
        assert!(self.tensor.bits().eq(other.tensor.bits()), "{what}");
        assert!(codes(self) == codes(other), "the codes of {what}");
    }
}

/// f32, bf16 and f16 parameters with any gradients, in every rounding, and f32 with copies.
fn coded_layouts() -> impl Iterator<Item = Layout> {
    let copies = layouts().filter(|layout| layout.param == Dtype::F32).flat_map(|layout| {
        [Dtype::F32, Dtype::F16, Dtype::Bf16].map(|copy| Layout { copy: Some(copy), ..layout })
    });
    let all = layouts().chain(layouts_with_masters()).chain(copies);
    all.filter(|layout| layout.param != Dtype::F64 && layout.state == layout.param)
        .map(|layout| Layout { q8: true, ..layout })
}

/// Gradients of all sizes; some elements and some blocks never have one, and in some steps there are infinities and NaN.
fn gradients(dtype: Dtype, len: usize, number: u64) -> Vec<u64> {
    let gradient = |i: usize| {
        let size = hash(i as u64 + 99);
        let size = (2.0f64).powi((size % 17) as i32 - 18);
        let noise = hash(hash(number + 1) ^ i as u64);
        let value = size * ((noise >> 11) as f64 / (1u64 << 52) as f64 - 1.0);
        match (i, i / 64 % 50) {
            _ if i.is_multiple_of(97) => 0.0,
            (_, 7) => 0.0,
            (_, 9) => value * 1e-30,
            (_, 11) => value * 1e12,
            (100, _) if number % 7 == 3 => f64::INFINITY,
            (1000, _) if number % 7 == 3 => f64::NAN,
            (1200, _) if number % 7 == 4 => 3e38,
            _ => value,
        }
    };
    (0..len).map(|i| bits(dtype, gradient(i))).collect()
}

impl CodedTensor {
    /// The FNV-1a hash of the parameters, in which every NaN is the same, and of the codes.
    fn hash(&self) -> u64 {
        let param = self.tensor.raw_bits_of(PARAM).flat_map(|bits| {
            let is_nan = f32::from_bits(bits as u32).is_nan();
            (if is_nan { 0x7fc0_0000 } else { bits as u32 }).to_le_bytes()
        });
        let directions = self.exp_avg.iter().map(|code| *code as u8);
        let words = self.state_scale.iter().flat_map(|word| word.to_le_bytes());
        let bytes = param.chain(directions).chain(self.exp_avg_sq.iter().copied()).chain(words);
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    fn set_gradients(&mut self, number: u64) {
        let dtype = self.tensor.layout.grad;
        let gradients = gradients(dtype, self.tensor.len, number);
        let array = self.tensor.arrays[GRAD].as_mut_ptr().cast::<u8>();
        for (i, bits) in gradients.into_iter().enumerate() {
            let at = array.wrapping_add(i * dtype.size());
            // SAFETY: there is a word for each element, and none is larger.
            unsafe { at.copy_from_nonoverlapping(bits.to_le_bytes().as_ptr(), dtype.size()) };
        }
    }
}

/// As a run has them: rules and coefficients change with the number of the step.
fn step_of_run(number: u64, step: &Step) -> Step {
    let hat = |beta: f64| {
        let power = (0..number).fold(1.0, |power, _| power * beta);
        (power - beta) / (power - 1.0)
    };
    let (beta1_hat, beta2_hat) = (hat(0.9), hat(0.99));
    let coefficients = Coefficients {
        beta1_hat,
        beta1_comp: step.coefficients.beta1_comp.signum() * (1.0 - beta1_hat),
        beta2_hat,
        beta2_comp: 1.0 - beta2_hat,
        ..step.coefficients
    };
    Step { coefficients, ..*step }
}

#[test]
fn every_instruction_set_gives_the_codes_of_the_plain_loops() {
    for layout in coded_layouts() {
        let kahan_sum = layout.rounding == Rounding::Nearest && layout.param != Dtype::F32;
        let tensors = [1, 127, 128, 129, 517, 1801].map(|len| (len, numbers as Bits));
        for (len, bits) in tensors.into_iter().chain([(517, any_bits as Bits)]) {
            for step in steps() {
                let fresh = CodedTensor::new(layout, len, kahan_sum, bits);
                let (mut expected, mut found) = (fresh.clone(), Vec::new());
                found.extend(InstructionSet::available().map(|set| (set, fresh.clone())));
                for number in 1..=6 {
                    let step = step_of_run(number, &step);
                    expected.set_gradients(number);
                    expected.step(InstructionSet::PORTABLE, &step, number);
                    for (set, found) in &mut found {
                        found.set_gradients(number);
                        found.step(*set, &step, number);
                        let what = format_args!("{set:?} {layout:?} {len} {number} {step:?}");
                        expected.assert_same(found, what);
                    }
                }
            }
        }
    }
}

/// The keys of random numbers change at this place of the whole tensor.
#[test]
fn every_instruction_set_gives_the_codes_of_the_plain_loops_beyond_2_to_the_32_elements() {
    for layout in coded_layouts().filter(|layout| layout.rounding == Rounding::Stochastic) {
        let mut expected = CodedTensor::new(layout, 517, false, numbers);
        expected.tensor.first = (1 << 32) - 256;
        expected.set_gradients(3);
        let (fresh, step) = (expected.clone(), step_of_run(3, &steps()[0]));
        expected.step(InstructionSet::PORTABLE, &step, 3);
        for set in InstructionSet::available() {
            let mut found = fresh.clone();
            found.step(set, &step, 3);
            expected.assert_same(&found, format_args!("{set:?} {layout:?}"));
        }
    }
}

/// Whole blocks may be stepped in any parts, and measured.
#[test]
fn parts_give_the_codes_of_the_whole() {
    const LEN: usize = 1801;
    for layout in coded_layouts() {
        let step = steps()[5];
        let fresh = CodedTensor::new(layout, LEN, false, numbers);
        for set in InstructionSet::available() {
            let (mut whole, mut parts, mut measured) =
                (fresh.clone(), fresh.clone(), fresh.clone());
            for number in 1..=3 {
                let step = step_of_run(number, &step);
                for tensor in [&mut whole, &mut parts, &mut measured] {
                    tensor.set_gradients(number);
                }
                whole.step(set, &step, number);
                for part in [1024..LEN, 0..128, 128..1024] {
                    parts.step_part(set, &step, number, part);
                }
                let view = measured.view(number);
                // SAFETY: the arrays are the tensor's own, and as long as `len` says.
                unsafe { Kernel::new(set, layout, step.clips).run_and_measure(&step, &view) };
            }
            parts.assert_same(&whole, format_args!("parts, {set:?} {layout:?}"));
            measured.assert_same(&whole, format_args!("measured, {set:?} {layout:?}"));
        }
    }
}

/// Of 50 steps of 32,037 elements, the last block of which is short. The hash is that of an implementation in C that was made
/// before this one.
#[test]
fn the_codes_are_those_of_an_independent_implementation() {
    const HASH: u64 = 0xf1e1_2beb_6f00_c67c;
    let (dtype, rounding) = (Dtype::F32, Rounding::Nearest);
    let layout = Layout { param: dtype, grad: dtype, state: dtype, q8: true, copy: None, rounding };
    for set in InstructionSet::available() {
        let mut tensor = CodedTensor::new(layout, 32_037, false, numbers);
        for number in 1..=50 {
            let rule = match number {
                1..=4 => Rule::Unrectified,
                _ if number % 10 == 9 => Rule::Accumulate,
                _ => Rule::Rectified,
            };
            let decay = if number % 2 == 1 { Decay::Decoupled } else { Decay::None };
            let direction = if number % 5 == 0 { -1.0 } else { 1.0 };
            let mut step = Step { rule, decay, clips: false, ..steps()[0] };
            step.coefficients.beta1_comp *= direction;
            tensor.set_gradients(number);
            tensor.step(set, &step_of_run(number, &step), number);
        }
        assert_eq!(tensor.hash(), HASH, "{:#x} {set:?}", tensor.hash());
    }
}
