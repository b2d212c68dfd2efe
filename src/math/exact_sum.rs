//! A sum of f64 that does not depend on the order of what is added.

/// The exact sum of numbers that are not negative, as a whole number of the smallest f64.
///
/// Threads add up what they work on and then one another's sums, in whatever order they come to it.
#[derive(Clone, Debug)]
pub(crate) struct ExactSum {
    /// 32 bits each, the least significant first.
    digits: [u64; DIGITS],
    /// The sum of what is infinite or NaN.
    not_finite: f64,
}

impl Default for ExactSum {
    fn default() -> Self {
        Self::ZERO
    }
}

/// f64 spans 2098 bits, and sums of 2^64 of them 64 more.
const DIGITS: usize = (2098 + 64usize).div_ceil(32);
const DIGIT_BITS: u32 = 32;
const DIGIT: u64 = u32::MAX as u64;

impl ExactSum {
    pub const ZERO: Self = Self { digits: [0; DIGITS], not_finite: 0.0 };
    pub const DIGITS: usize = DIGITS;

    pub fn words(&self) -> [i64; DIGITS] {
        self.digits.map(|digit| digit as i64)
    }

    pub fn from_words(words: &[i64; DIGITS]) -> Option<Self> {
        let mut sum = Self::ZERO;
        let mut carry = 0;
        for (digit, word) in sum.digits.iter_mut().zip(words) {
            let value = carry + *word as u64;
            *digit = value & DIGIT;
            carry = value >> DIGIT_BITS;
        }
        (carry == 0).then_some(sum)
    }

    pub fn add(&mut self, value: f64) {
        debug_assert!(value.is_nan() || value >= 0.0);
        if !value.is_finite() {
            self.not_finite += value;
            return;
        }
        let (exponent, fraction) = (value.to_bits() >> 52, value.to_bits() & ((1 << 52) - 1));
        // A denormal number has the exponent of the smallest normal one, and no leading one.
        let significand = if exponent == 0 { fraction } else { fraction | 1 << 52 };
        let shift = exponent.saturating_sub(1) as u32;
        let first = (shift / DIGIT_BITS) as usize;
        let shifted = (significand as u128) << (shift % DIGIT_BITS);
        self.carry(first, shifted as u64 & DIGIT);
        self.carry(first + 1, (shifted >> 32) as u64 & DIGIT);
        self.carry(first + 2, (shifted >> 64) as u64);
    }

    pub fn add_sum(&mut self, other: &Self) {
        self.not_finite += other.not_finite;
        for (index, digit) in other.digits.iter().enumerate() {
            self.carry(index, *digit);
        }
    }

    /// Adds to a digit, and what that overflows by to the next ones.
    fn carry(&mut self, mut index: usize, mut digit: u64) {
        while digit > 0 {
            let sum = self.digits[index] + digit;
            self.digits[index] = sum & DIGIT;
            digit = sum >> DIGIT_BITS;
            index += 1;
        }
    }

    /// The sum, which the last digits of an f64 round.
    pub fn value(&self) -> f64 {
        if self.not_finite != 0.0 {
            return self.not_finite;
        }
        let Some(last) = self.digits.iter().rposition(|digit| *digit != 0) else {
            return 0.0;
        };
        // Three digits have 65 bits or more, of which the first is not 0.
        let first = last.saturating_sub(2);
        let top = self.digits[first..=last]
            .iter()
            .rev()
            .fold(0u128, |top, digit| top << DIGIT_BITS | *digit as u128);
        let below = self.digits[..first].iter().any(|digit| *digit != 0);
        // What is below decides only between two numbers that are equally near.
        let rounded = (top << 1 | below as u128) as f64;
        // In two factors, since the second alone may be too small for an f64.
        let exponent = (first as i32) * DIGIT_BITS as i32 - 1074 - 1;
        let half = exponent / 2;
        rounded * power_of_two(half) * power_of_two(exponent - half)
    }
}

fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        let mut sum = ExactSum::ZERO;
        values.iter().for_each(|value| sum.add(*value));
        sum.value()
    }

    #[test]
    fn one_number_is_itself() {
        for value in [0.0, f64::from_bits(1), f64::from_bits(12345), f64::MIN_POSITIVE, 1e-300] {
            assert_eq!(sum(&[value]), value);
        }
        for value in [0.1, 1.0, std::f64::consts::PI, 1e77, 1e300, f64::MAX] {
            assert_eq!(sum(&[value]), value);
        }
    }

    #[test]
    fn what_is_not_finite_shows() {
        assert_eq!(sum(&[1.0, f64::INFINITY]), f64::INFINITY);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NAN, 1.0]).is_nan());
    }

    #[test]
    fn small_numbers_beside_large_ones_are_not_lost() {
        assert_eq!(sum(&[1e16, 1.0, 1.0]), 1e16 + 2.0);
        let mut values = vec![1.0];
        values.extend([f64::EPSILON / 4.0; 8]);
        assert_eq!(sum(&values), 1.0 + 2.0 * f64::EPSILON);
        // Halfway between two numbers, and a little more.
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0]), 1.0);
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0, 1e-200]), 1.0 + f64::EPSILON);
    }

    #[test]
    fn neither_the_order_nor_the_division_into_sums_matters() {
        let hash = |i: u64| {
            i.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17).wrapping_mul(0x2545_f491)
        };
        let values: Vec<f64> =
            (0..4000).map(|i| f64::from_bits(hash(i) >> 2)).filter(|v| v.is_finite()).collect();
        let forwards = sum(&values);
        let backwards = sum(&values.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(forwards.to_bits(), backwards.to_bits());
        for parts in [2, 3, 17] {
            let mut total = ExactSum::ZERO;
            for part in values.chunks(values.len().div_ceil(parts)) {
                let mut partial = ExactSum::ZERO;
                part.iter().for_each(|value| partial.add(*value));
                total.add_sum(&partial);
            }
            assert_eq!(total.value().to_bits(), forwards.to_bits());
        }
    }
}
