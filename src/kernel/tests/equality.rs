//! Loops that must give the same bits, whatever the bits mean.

use super::*;

/// Steps the tensor in every way on every instruction set.
fn check(tensor: &TestTensor) {
    for step in steps() {
        let expected = tensor.clone().stepped_by(InstructionSet::PORTABLE, &step);
        for set in InstructionSet::available() {
            let found = tensor.clone().stepped_by(set, &step);
            let same = found.arrays == expected.arrays || found.bits().eq(expected.bits());
            let TestTensor { layout, len, kahan_sum, .. } = *tensor;
            assert!(same, "{set:?} {layout:?} {len} {kahan_sum} {step:?}");
        }
    }
}

#[test]
fn ordinary_numbers_denormals_and_huge_ones_come_out_the_same() {
    for layout in layouts() {
        for kahan_sum in [false, true] {
            check(&TestTensor::new(layout, 4099, kahan_sum, numbers));
        }
    }
}

#[test]
fn any_bits_come_out_the_same() {
    for layout in layouts() {
        for kahan_sum in [false, true] {
            check(&TestTensor::new(layout, 2053, kahan_sum, any_bits));
        }
    }
}

#[test]
fn every_length_comes_out_the_same() {
    for len in 0..=80 {
        for layout in layouts().filter(|layout| layout.grad == layout.param) {
            check(&TestTensor::new(layout, len, true, numbers));
        }
    }
}

/// Each array in turn goes through all values of its 16 bits, beside ordinary numbers.
#[test]
fn every_16_bit_value_comes_out_the_same_in_every_place() {
    for dtype in [Dtype::F16, Dtype::Bf16] {
        let (copy, rounding) = (None, Rounding::Nearest);
        let layout = Layout { param: dtype, grad: dtype, state: dtype, q8: false, copy, rounding };
        for through in PARAM..=KAHAN_COMP {
            check(&TestTensor::new(layout, 1 << 16, true, |dtype, array, i| {
                if array == through { i as u64 } else { numbers(dtype, array, i) }
            }));
        }
    }
}

#[test]
fn bf16_with_masters_come_out_the_same() {
    for layout in layouts_with_masters() {
        for (len, bits) in [(2053, numbers as Bits), (1031, any_bits)] {
            check(&TestTensor::new(layout, len, false, bits));
        }
    }
}

#[test]
fn copies_come_out_the_same() {
    for layout in layouts().filter(|layout| matches!(layout.param, Dtype::F32 | Dtype::F64)) {
        for copy in [Dtype::Bf16, Dtype::F16, Dtype::F32] {
            for (len, bits) in [(2053, numbers as Bits), (519, any_bits)] {
                let layout = Layout { copy: Some(copy), ..layout };
                check(&TestTensor::new(layout, len, copy == Dtype::F16, bits));
            }
        }
    }
}

/// Places around the multiples of 2^32, from which on the keys of the random numbers are others; stepped as
/// one, in parts, and element by element.
#[test]
fn random_numbers_are_those_of_the_place_in_the_whole_tensor() {
    const LEN: usize = 2500;
    let step = Step { decay: Decay::Decoupled, clips: false, ..steps()[0] };
    for layout in layouts_with_masters().filter(|layout| layout.rounding == Rounding::Stochastic) {
        let random =
            [0, 1, 128, (1 << 32) - 1300, (1 << 32) - 1, 1 << 32, (7 << 32) - 1024, 1 << 62];
        let params = random.map(|first| {
            let tensor = TestTensor { first, ..TestTensor::new(layout, LEN, false, numbers) };
            let whole = tensor.clone().stepped_by(InstructionSet::PORTABLE, &step);
            for set in InstructionSet::available() {
                for part_len in [1, 7, 128, 1000, LEN] {
                    let mut parts = tensor.clone();
                    let (view, kernel) = (parts.view(), Kernel::new(set, layout, false));
                    for start in (0..LEN).step_by(part_len) {
                        let part = view.part(start, part_len.min(LEN - start), layout);
                        // SAFETY: the arrays are the tensor's own, and as long as `LEN`.
                        unsafe { kernel.run(&step, &part) };
                    }
                    assert!(parts.bits().eq(whole.bits()), "{set:?} {layout:?} {first} {part_len}");
                }
            }
            whole.raw_bits_of(PARAM).collect::<Vec<_>>()
        });
        for (i, found) in params.iter().enumerate() {
            assert!(!params[..i].contains(found), "{} has the numbers of another place", random[i]);
        }
    }
}

/// Which blocks a loop is staged in, and whether it measures, makes no difference to what is stepped.
#[test]
fn measured_steps_come_out_the_same() {
    for layout in layouts().chain(layouts_with_masters()) {
        let tensor = TestTensor::new(layout, 2053, layout.rounding == Rounding::Nearest, numbers);
        for (step, set) in
            steps().iter().flat_map(|step| InstructionSet::available().map(move |set| (step, set)))
        {
            let plain = tensor.clone().stepped_by(set, step);
            let mut measured = tensor.clone();
            let view = measured.view();
            let kernel = Kernel::new(set, layout, step.clips);
            // SAFETY: the arrays are the tensor's own, and as long as `len` says.
            let (updates, params) = unsafe { kernel.run_and_measure(step, &view) };
            assert!(measured.bits().eq(plain.bits()), "{set:?} {layout:?} {step:?}");
            let values = |tensor: &TestTensor| {
                let bits = tensor.raw_bits_of(PARAM);
                bits.map(|bits| value(layout.param, bits)).collect::<Vec<_>>()
            };
            let (before, after) = (values(&tensor), values(&plain));
            let updated: f64 = before.iter().zip(&after).map(|(x, y)| (x - y) * (x - y)).sum();
            let squares: f64 = after.iter().map(|x| x * x).sum();
            let near =
                |x: f64, y: f64| x == y || (x / y - 1.0).abs() < 1e-12 || x.is_nan() && y.is_nan();
            assert!(near(updates, updated) && near(params, squares), "{set:?} {layout:?} {step:?}");
        }
    }
}
