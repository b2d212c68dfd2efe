//! Conversions of arrays: exact where they can be, else to the nearest, ties to even.

use super::super::convert_array;
use super::*;

/// The bits of the number of the dtype that is nearest to a value which is no NaN, ties to even.
fn nearest(dtype: Dtype, value: f64) -> u64 {
    let (precision, least_exponent) = match dtype {
        Dtype::F32 => return (value as f32).to_bits().into(),
        Dtype::F64 => return value.to_bits(),
        Dtype::F16 => (11, -14),
        Dtype::Bf16 => (8, -126),
    };
    // In units of the last place, rounding to an integer is rounding to the nearest; half's conversions only
    // have to store that. What they make of a value too large is infinite.
    let exponent = (value.to_bits() >> 52 & 0x7ff) as i32 - 1023;
    let unit = 2f64.powi(exponent.max(least_exponent) - (precision - 1));
    let rounded = if value.is_finite() { (value / unit).round_ties_even() * unit } else { value };
    match dtype {
        Dtype::F16 => f16::from_f64(rounded).to_bits().into(),
        _ => bf16::from_f64(rounded).to_bits().into(),
    }
}

/// All bits that there are of 16, and of more those around ties and in steps through the rest.
fn bits_to_convert(dtype: Dtype) -> Vec<u64> {
    let upper = 0..=0xffff_u64;
    match dtype {
        Dtype::F16 | Dtype::Bf16 => upper.collect(),
        Dtype::F32 => upper
            .flat_map(|upper| {
                [0, 1, 0x0fff, 0x1000, 0x1001, 0x3000, 0x7fff, 0x8000, 0x8001, 0xffff]
                    .map(|lower| upper << 16 | lower)
            })
            .collect(),
        Dtype::F64 => {
            let near = |bits: u64| {
                let value = f64::from(f32::from_bits(bits as u32)).to_bits();
                [value.wrapping_sub(1), value, value + 1, value + (1 << 28)]
            };
            let strides = (0..1 << 16).map(|i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            bits_to_convert(Dtype::F32).into_iter().flat_map(near).chain(strides).collect()
        }
    }
}

#[test]
fn conversions_are_exact_or_nearest_and_keep_every_bit_between_equal_dtypes() {
    for (from, to) in DTYPES.into_iter().flat_map(|from| DTYPES.map(|to| (from, to))) {
        let sources = bits_to_convert(from);
        let (copy, rounding) = (None, Rounding::Nearest);
        let layout = Layout { param: from, grad: from, state: to, q8: false, copy, rounding };
        let tensor = TestTensor::new(layout, sources.len(), false, |_, array, i| {
            if array == PARAM { sources[i] } else { 0 }
        });
        for set in InstructionSet::available() {
            let mut converted = tensor.clone();
            let TensorView { len, param, exp_avg, .. } = converted.view();
            // SAFETY: both arrays have `len` elements.
            unsafe { convert_array(set, from, param, to, exp_avg, len) };
            for (source, found) in sources.iter().zip(converted.raw_bits_of(EXP_AVG)) {
                let exact = value(from, *source);
                let right = if from == to {
                    found == *source
                } else if exact.is_nan() {
                    value(to, found).is_nan()
                } else {
                    found == nearest(to, exact)
                };
                assert!(right, "{set:?}: {source:#x} of {from:?} is {found:#x} in {to:?}");
            }
        }
    }
}
