//! NaN must show where it is, and nowhere else, whatever its bits.

use super::*;

/// The bits of a NaN of the dtype: quiet or signalling, of either sign, with any payload.
fn nan(dtype: Dtype, i: usize) -> u64 {
    const PAYLOADS: [u64; 6] = [0, 1, 0x8000, 0x7fff, !0, 0x5555_5555_5555_5555];
    let (payload, sign, quiet) = (PAYLOADS[i % 6], i / 6 % 2, i / 12 % 2);
    let (bits, fraction) = match dtype {
        Dtype::F32 => (32, 23),
        Dtype::F64 => (64, 52),
        Dtype::F16 => (16, 10),
        Dtype::Bf16 => (16, 7),
    };
    let exponent = (1 << (bits - 1)) - (1 << fraction);
    let payload = payload & ((1 << (fraction - 1)) - 1);
    let quiet = if payload == 0 { 1 } else { quiet as u64 };
    (sign as u64) << (bits - 1) | exponent | quiet << (fraction - 1) | payload
}

/// Which elements of the parameter, `exp_avg`, `exp_avg_sq` and `kahan_comp` are NaN after a step, where
/// those of one array were, and the others are numbers of ordinary size.
fn nan_after(step: &Step, kahan_sum: bool, through: usize) -> [bool; 4] {
    let was = |array| array == through;
    let moves = step.rule != Rule::Accumulate;
    let scaled = step.clips && step.coefficients.grad_scale.is_nan();
    let grad = was(GRAD) || scaled || moves && step.decay == Decay::L2 && was(PARAM);
    let (m, v) = (grad || was(EXP_AVG), grad || was(EXP_AVG_SQ));
    let root = step.rule == Rule::Rectified && v;
    let param = was(PARAM) || moves && (m || root || kahan_sum && was(KAHAN_COMP));
    [param, m, v, if moves && kahan_sum { param } else { was(KAHAN_COMP) }]
}

fn check(layout: Layout, kahan_sum: bool) {
    const LEN: usize = 101;
    let mut steps = steps();
    // What a norm comes to whose gradients had such a NaN.
    for bits in (0..24).map(|i| nan(Dtype::F32, i) as u32) {
        let mut step = Step { clips: true, ..steps[0] };
        step.coefficients.grad_scale = f32::from_bits(bits).into();
        steps.extend([Rule::Rectified, Rule::Accumulate].map(|rule| Step { rule, ..step }));
    }
    const NOWHERE: usize = ARRAYS;
    for (through, step) in
        (PARAM..=MASTER_REMAINDER).flat_map(|t| steps.iter().map(move |s| (t, s)))
    {
        let is_nan = |i: usize| i % 4 == 1;
        let tensor = TestTensor::new(layout, LEN, kahan_sum, |dtype, array, i| match array {
            MASTER_REMAINDER => i as u64, // of whatever NaN it may be the lower half
            _ if array == through && is_nan(i) => nan(dtype, i / 4),
            _ => bits(dtype, 0.25 + (i % 8) as f64 / 8.0),
        });
        let [with, without] = [through, NOWHERE].map(|through| nan_after(step, kahan_sum, through));
        for set in InstructionSet::available() {
            let found = tensor.clone().stepped_by(set, step);
            let arrays = [PARAM, EXP_AVG, EXP_AVG_SQ, KAHAN_COMP];
            for (number, array) in arrays.into_iter().enumerate() {
                for (i, bits) in found.bits_of(array).enumerate() {
                    let expected = if is_nan(i) { with[number] } else { without[number] };
                    let value = f64::from_bits(bits);
                    assert!(
                        value.is_nan() == expected && (expected || value.abs() < 100.0),
                        "{set:?} {layout:?} {kahan_sum} NaN in {through} {step:?}: {array}[{i}] is {value}"
                    );
                }
            }
        }
    }
}

#[test]
fn nan_of_any_bits_shows_where_it_must_and_nowhere_else() {
    for layout in layouts() {
        for kahan_sum in [false, true] {
            check(layout, kahan_sum);
        }
    }
}

#[test]
fn nan_of_any_bits_shows_in_bf16_with_masters() {
    for layout in layouts_with_masters() {
        check(layout, false);
    }
}

#[test]
fn nan_of_any_bits_shows_in_copies() {
    for layout in layouts().filter(|layout| matches!(layout.param, Dtype::F32 | Dtype::F64)) {
        for copy in [Dtype::Bf16, Dtype::F16] {
            let layout = Layout { copy: Some(copy), ..layout };
            let tensor = TestTensor::new(layout, 101, false, |dtype, _, i| nan(dtype, i));
            for set in InstructionSet::available() {
                let found = tensor.clone().stepped_by(set, &steps()[0]);
                assert!(
                    found.bits_of(COPY).all(|bits| f64::from_bits(bits).is_nan()),
                    "{set:?} {layout:?}"
                );
            }
        }
    }
}
