//! Sums of squares over raw arrays, for norms.
//!
//! The shape of a sum is fixed: [`PARTS`] interleaved partial sums in f64, which are then added in pairs. So
//! the bits do not depend on how many elements an instruction set adds at once.

use super::convert::convert_array;
use super::detect::{InstructionSet, compiled_loop};
use super::dtype::{Dtype, with_element};
use super::element::{Element, Real};
use crate::math::ExactSum;

const PARTS: usize = 32;

/// How many arrays `add_squares` reads side by side. Four are read from memory 1.4 to 1.6 times as fast as one (Zen 3), and
/// eight no faster.
pub(crate) const STREAMS: usize = 4;

/// How many elements of each array to add in turn: few enough that the streams stay side by side, enough that the parts,
/// for which there is no room in registers, are rarely moved.
const TURN: usize = 128;

compiled_loop! {
    /// Adds the squares of `len` elements to partial sums.
    ///
    /// # Safety
    /// The array has `len` elements of the dtype and is aligned for them, and nothing writes it meanwhile.
    fn add_to_parts(dtype: Dtype, array: *const u8, len: usize, parts: &mut Parts) {
        // SAFETY: `add` asks for elements below `len`.
        with_element!(dtype, E => parts.add(len, |i| unsafe { element::<E>(array, i) }));
    }
}

compiled_loop! {
    /// Adds the squares of the differences of `len` elements from those in another array to partial sums.
    ///
    /// # Safety
    /// As for [`add_to_parts`], of both arrays.
    fn add_differences_to_parts(
        dtype: Dtype,
        array: *const u8,
        other: *const u8,
        len: usize,
        parts: &mut Parts,
    ) {
        with_element!(dtype, E => {
            // SAFETY: `add` asks for elements below `len`.
            parts.add(len, |i| unsafe { element::<E>(array, i) - element::<E>(other, i) });
        });
    }
}

/// The sum of the squares of `len` elements.
///
/// # Safety
/// As for [`add_to_parts`].
pub(super) unsafe fn sum_of_squares(
    instruction_set: InstructionSet,
    dtype: Dtype,
    array: *const u8,
    len: usize,
) -> f64 {
    let mut parts = Parts::ZERO;
    // SAFETY: the preconditions are the same.
    unsafe { add_to_parts(instruction_set, dtype, array, len, &mut parts) };
    parts.total()
}

/// The sum of the squares of the differences of `len` elements from those in another array.
///
/// # Safety
/// As for [`add_to_parts`], of both arrays.
pub(super) unsafe fn sum_of_squared_differences(
    instruction_set: InstructionSet,
    dtype: Dtype,
    array: *const u8,
    other: *const u8,
    len: usize,
) -> f64 {
    let mut parts = Parts::ZERO;
    // SAFETY: as above.
    unsafe { add_differences_to_parts(instruction_set, dtype, array, other, len, &mut parts) };
    parts.total()
}

/// The sums of the squares of several arrays of `len` elements each. It reads them side by side: from memory, a core can
/// read several streams at once faster than one.
///
/// # Safety
/// As for [`add_to_parts`], of each of the arrays.
unsafe fn sums_of_squares(
    instruction_set: InstructionSet,
    dtype: Dtype,
    arrays: &[*const u8; STREAMS],
    len: usize,
) -> [f64; STREAMS] {
    let mut sums = [Parts::ZERO; STREAMS];
    for start in (0..len).step_by(TURN) {
        let len = TURN.min(len - start);
        for (parts, array) in sums.iter_mut().zip(arrays) {
            let elements = array.wrapping_add(start * dtype.size());
            // SAFETY: a part of an array is as valid as the array.
            unsafe { add_to_parts(instruction_set, dtype, elements, len, parts) };
        }
    }
    let [a, b, c, d] = sums;
    [a.total(), b.total(), c.total(), d.total()]
}

/// Adds the sums of the squares of arrays of `len` elements each to an exact sum. For one that is not finite, it counts the
/// infinite and NaN elements instead or, if there are none, an overflow. [`STREAMS`] arrays are read side by side.
///
/// # Safety
/// As for [`add_to_parts`], of each of the arrays.
pub(crate) unsafe fn add_squares(
    instruction_set: InstructionSet,
    dtype: Dtype,
    arrays: &[*const u8],
    len: usize,
    sum: &mut ExactSum,
) {
    // SAFETY: the preconditions are the same.
    unsafe {
        if let Ok(arrays) = arrays.try_into() {
            let squares = sums_of_squares(instruction_set, dtype, arrays, len);
            for (array, squares) in arrays.iter().zip(squares) {
                add_sum(instruction_set, dtype, *array, len, squares, sum);
            }
        } else {
            for array in arrays {
                let squares = sum_of_squares(instruction_set, dtype, *array, len);
                add_sum(instruction_set, dtype, *array, len, squares, sum);
            }
        }
    }
}

/// Adds the sum of the squares of an array.
///
/// # Safety
/// As for [`add_to_parts`].
unsafe fn add_sum(
    instruction_set: InstructionSet,
    dtype: Dtype,
    array: *const u8,
    len: usize,
    squares: f64,
    sum: &mut ExactSum,
) {
    if squares.is_finite() {
        return sum.add(squares);
    }
    // SAFETY: the preconditions are the same.
    match unsafe { count_nonfinite(instruction_set, dtype, array, len) } {
        (0, 0) => sum.add(f64::INFINITY),
        (infinities, nans) => sum.add_nonfinite(infinities, nans),
    }
}

/// How many of `len` elements are infinite, and how many are NaN.
///
/// # Safety
/// As for [`add_to_parts`].
#[cold]
unsafe fn count_nonfinite(
    instruction_set: InstructionSet,
    dtype: Dtype,
    array: *const u8,
    len: usize,
) -> (u64, u64) {
    let (mut infinities, mut nans) = (0, 0);
    for start in (0..len).step_by(TURN) {
        let (mut values, len) = ([0f64; TURN], TURN.min(len - start));
        let elements = array.wrapping_add(start * dtype.size());
        let to = values.as_mut_ptr().cast();
        // SAFETY: the array has these elements, and there is room for as many.
        unsafe { convert_array(instruction_set, dtype, elements, Dtype::F64, to, len) };
        infinities += values.iter().filter(|value| value.is_infinite()).count() as u64;
        nans += values.iter().filter(|value| value.is_nan()).count() as u64;
    }
    (infinities, nans)
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

/// The partial sums of a sum of squares.
#[derive(Clone, Copy)]
struct Parts([f64; PARTS]);

impl Parts {
    const ZERO: Self = Self([0.0; PARTS]);

    /// Adds the squares of `value(0)` to `value(len - 1)`. Only the last call may have another `len` than a multiple of
    /// [`PARTS`].
    #[inline(always)]
    fn add(&mut self, len: usize, value: impl Fn(usize) -> f64) {
        let rest = len % PARTS;
        for start in (0..len - rest).step_by(PARTS) {
            for (i, part) in self.0.iter_mut().enumerate() {
                let value = value(start + i);
                *part += value * value;
            }
        }
        for (i, part) in self.0[..rest].iter_mut().enumerate() {
            let value = value(len - rest + i);
            *part += value * value;
        }
    }

    /// The partial sums added in pairs, as a tree.
    #[inline(never)] // many call it, and unfolded it is long
    fn total(mut self) -> f64 {
        let mut half = PARTS / 2;
        while half > 0 {
            for i in 0..half {
                self.0[i] += self.0[i + half];
            }
            half /= 2;
        }
        self.0[0]
    }
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
                unsafe { add_squares(set, dtype, &[array.as_ptr().cast()], 100, &mut found) };
                assert_eq!(found, expected, "{set:?} {dtype:?}");
            }
        }
    }

    #[test]
    fn arrays_side_by_side_have_the_sums_of_each() {
        for dtype in DTYPES {
            for len in [0, 7, PARTS, 5 * PARTS, 5 * PARTS + 1, 16_384] {
                let mut values = [1, 2, 3, 4].map(|seed| values(len, seed));
                if let Some(last) = values[2].last_mut() {
                    *last = f64::NAN;
                }
                let arrays = values.map(|values| stored(dtype, &values));
                let arrays = arrays.each_ref().map(|array| array.as_ptr().cast());
                for set in InstructionSet::available() {
                    let (mut found, mut expected) = (ExactSum::ZERO, ExactSum::ZERO);
                    // SAFETY: each of the arrays has `len` elements.
                    unsafe {
                        add_squares(set, dtype, &arrays, len, &mut found);
                        for array in arrays {
                            add_squares(set, dtype, &[array], len, &mut expected);
                        }
                    }
                    assert_eq!(found, expected, "{set:?} {dtype:?} {len}");
                    assert_eq!(found.nonfinite(), u64::from(len > 0));
                }
            }
        }
    }

    #[test]
    fn squares_that_are_too_large_are_no_infinities() {
        let (array, mut found) = ([1.0, 1e200], ExactSum::ZERO);
        // SAFETY: the array has two elements.
        unsafe {
            let (set, arrays) = (InstructionSet::PORTABLE, [array.as_ptr().cast()]);
            add_squares(set, Dtype::F64, &arrays, 1, &mut found);
            add_squares(set, Dtype::F64, &arrays, 2, &mut found);
        }
        assert_eq!((found.nonfinite(), found.value()), (0, f64::INFINITY));
    }
}
