//! Sums of squares over raw arrays, for norms.
//!
//! The shape of a sum is fixed: [`PARTS`] interleaved partial sums in f64, which are then added in pairs. So
//! the bits do not depend on how many elements an instruction set adds at once.

use super::detect::{InstructionSet, compiled_loop};
use super::dtype::{Dtype, with_element};
use super::element::{Element, Real};
use crate::math::ExactSum;

const PARTS: usize = 32;

compiled_loop! {
    /// The sum of the squares of `len` elements.
    ///
    /// # Safety
    /// The array has `len` elements of the dtype and is aligned for them, and nothing writes it meanwhile.
    fn sum_of_squares(dtype: Dtype, array: *const u8, len: usize) -> f64 {
        // SAFETY: `sum` asks for elements below `len`.
        with_element!(dtype, E => sum(len, |i| unsafe { element::<E>(array, i) }))
    }
}

compiled_loop! {
    /// The sum of the squares of the differences of `len` elements from those in another array.
    ///
    /// # Safety
    /// As for [`sum_of_squares`], of both arrays.
    fn sum_of_squared_differences(
        dtype: Dtype,
        array: *const u8,
        other: *const u8,
        len: usize,
    ) -> f64 {
        with_element!(dtype, E => {
            // SAFETY: `sum` asks for elements below `len`.
            sum(len, |i| unsafe { element::<E>(array, i) - element::<E>(other, i) })
        })
    }
}

/// Adds the sum of the squares of `len` elements to an exact sum. If it is not finite, it counts the infinite
/// and NaN elements instead or, if there are none, an overflow.
///
/// # Safety
/// As for [`sum_of_squares`].
pub(crate) unsafe fn add_squares(
    instruction_set: InstructionSet,
    dtype: Dtype,
    array: *const u8,
    len: usize,
    sum: &mut ExactSum,
) {
    // SAFETY: the preconditions are the same.
    let partial = unsafe { sum_of_squares(instruction_set, dtype, array, len) };
    if partial.is_finite() {
        return sum.add(partial);
    }
    // SAFETY: as above.
    let (infinities, nans) = unsafe { count_nonfinite(dtype, array, len) };
    if infinities + nans > 0 {
        sum.add_nonfinite(infinities, nans);
    } else {
        sum.add(f64::INFINITY);
    }
}

/// How many of `len` elements are infinite, and how many are NaN.
///
/// # Safety
/// As for [`sum_of_squares`].
unsafe fn count_nonfinite(dtype: Dtype, array: *const u8, len: usize) -> (u64, u64) {
    with_element!(dtype, E => {
        (0..len).fold((0, 0), |(infinities, nans), i| {
            // SAFETY: `i` is below `len`.
            let value = unsafe { element::<E>(array, i) };
            (infinities + u64::from(value.is_infinite()), nans + u64::from(value.is_nan()))
        })
    })
}

/// # Safety
/// The array is aligned for elements of E, has an element `i`, and nothing writes it meanwhile.
#[inline(always)]
unsafe fn element<E: Element>(array: *const u8, i: usize) -> f64 {
    let array = array.cast::<E>();
    debug_assert!(array.is_aligned());
    // SAFETY: there is such an element.
    unsafe { *array.add(i) }.load().to_f64()
}

/// The sum of the squares of `value(0)` to `value(len - 1)`.
#[inline(always)]
fn sum(len: usize, value: impl Fn(usize) -> f64) -> f64 {
    let mut parts = [0.0; PARTS];
    let rest = len % PARTS;
    for start in (0..len - rest).step_by(PARTS) {
        for (i, part) in parts.iter_mut().enumerate() {
            let value = value(start + i);
            *part += value * value;
        }
    }
    for (i, part) in parts[..rest].iter_mut().enumerate() {
        let value = value(len - rest + i);
        *part += value * value;
    }
    // A tree of pairs.
    let mut half = PARTS / 2;
    while half > 0 {
        for i in 0..half {
            parts[i] += parts[i + half];
        }
        half /= 2;
    }
    parts[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    const DTYPES: [Dtype; 4] = [Dtype::F32, Dtype::F64, Dtype::F16, Dtype::Bf16];

    fn values(len: usize, seed: u64) -> Vec<f64> {
        let hash = |i: u64| (i + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        (0..len as u64).map(|i| hash(i) as f64 / (1 << 23) as f64 - 1.0).collect()
    }

    fn stored(dtype: Dtype, values: &[f64]) -> Vec<u64> {
        let mut array = vec![0u64; values.len() + 1];
        let (from, to) = (values.as_ptr().cast(), array.as_mut_ptr().cast());
        let set = InstructionSet::PORTABLE;
        // SAFETY: both have as many elements, with a word for each.
        unsafe { super::super::convert_array(set, Dtype::F64, from, dtype, to, values.len()) };
        array
    }

    #[test]
    fn every_instruction_set_gives_the_same_sums() {
        for dtype in DTYPES {
            for len in (0..100).chain([1000, 16_384]) {
                let (array, other) =
                    (stored(dtype, &values(len, 1)), stored(dtype, &values(len, 2)));
                let (array, other) = (array.as_ptr().cast(), other.as_ptr().cast());
                // SAFETY: the arrays have `len` elements.
                let sums = |set| unsafe {
                    let square = sum_of_squares(set, dtype, array, len);
                    let difference = sum_of_squared_differences(set, dtype, array, other, len);
                    (square.to_bits(), difference.to_bits())
                };
                let expected = sums(InstructionSet::PORTABLE);
                for set in InstructionSet::available() {
                    assert_eq!(sums(set), expected, "{set:?} {dtype:?} {len}");
                }
            }
        }
    }

    #[test]
    fn sums_are_those_of_squares() {
        let (values, others) = (values(10_007, 3), values(10_007, 4));
        let (array, other) = (stored(Dtype::F64, &values), stored(Dtype::F64, &others));
        let (array, other, len) = (array.as_ptr().cast(), other.as_ptr().cast(), values.len());
        let square: f64 = values.iter().map(|x| x * x).sum();
        let difference: f64 = values.iter().zip(&others).map(|(x, y)| (x - y) * (x - y)).sum();
        // SAFETY: the arrays have `len` elements.
        let (square_found, difference_found) = unsafe {
            let set = InstructionSet::PORTABLE;
            (
                sum_of_squares(set, Dtype::F64, array, len),
                sum_of_squared_differences(set, Dtype::F64, array, other, len),
            )
        };
        assert!((square_found / square - 1.0).abs() < 1e-12);
        assert!((difference_found / difference - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_not_finite_is_counted() {
        let mut values = values(100, 5);
        (values[3], values[50], values[99]) = (f64::NAN, f64::INFINITY, f64::NEG_INFINITY);
        let mut expected = ExactSum::ZERO;
        expected.add_nonfinite(2, 1);
        for dtype in DTYPES {
            let array = stored(dtype, &values);
            for set in InstructionSet::available() {
                let mut found = ExactSum::ZERO;
                // SAFETY: the array has 100 elements.
                unsafe { add_squares(set, dtype, array.as_ptr().cast(), 100, &mut found) };
                assert_eq!(found, expected, "{set:?} {dtype:?}");
            }
        }
    }

    #[test]
    fn squares_that_are_too_large_are_no_infinities() {
        let (array, mut found) = ([1.0, 1e200], ExactSum::ZERO);
        // SAFETY: the array has two elements.
        unsafe {
            let (set, array) = (InstructionSet::PORTABLE, array.as_ptr().cast());
            add_squares(set, Dtype::F64, array, 1, &mut found);
            add_squares(set, Dtype::F64, array, 2, &mut found);
        }
        assert_eq!((found.nonfinite(), found.value()), (0, f64::INFINITY));
    }
}
