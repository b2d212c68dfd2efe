//! A sum of f64 that does not depend on the order of its terms.

/// The exact sum of non-negative numbers, and counts of those that were not finite.
///
/// Threads and processes sum their own shares and then add one another's sums, in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExactSum {
    /// 32 bits each, least significant first, in units of the smallest denormal f64.
    digits: [u64; DIGITS],
    /// Elements that are infinite, and that are NaN.
    infinities: u64,
    nans: u64,
    /// Partial sums that overflowed although every element was finite.
    overflows: u64,
}

impl Default for ExactSum {
    fn default() -> Self {
        Self::ZERO
    }
}

/// Finite f64 span 2098 bits, and a sum of 2^64 of them has 64 more.
const DIGITS: usize = (2098 + 64usize).div_ceil(32);
const DIGIT_BITS: u32 = 32;
const DIGIT: u64 = u32::MAX as u64;

/// A sum as plain integers: the digits, then the counts of infinities, NaNs and overflows, then a 0.
///
/// Sums are added by adding their words. A digit has 32 bits, so the words of up to 2^31 sums can be added
/// before [`ExactSum::from_words`] has to propagate carries.
pub(crate) type Words = [i64; WORDS];
pub(crate) const WORDS: usize = DIGITS + 4;

impl ExactSum {
    pub const ZERO: Self = Self { digits: [0; DIGITS], infinities: 0, nans: 0, overflows: 0 };

    /// Adds a partial sum. An infinite one counts as overflowed; infinite elements are to be counted by
    /// [`Self::add_nonfinite`] instead.
    pub fn add(&mut self, value: f64) {
        debug_assert!(value.is_nan() || value >= 0.0);
        if value.is_nan() {
            self.nans += 1;
            return;
        }
        if value.is_infinite() {
            self.overflows += 1;
            return;
        }
        let (exponent, fraction) =
            (value.to_bits() >> 52 & 0x7ff, value.to_bits() & ((1 << 52) - 1));
        // Denormals have the exponent of the smallest normal number, and no implicit leading one.
        let significand = if exponent == 0 { fraction } else { fraction | 1 << 52 };
        let shift = exponent.saturating_sub(1) as u32;
        let first = (shift / DIGIT_BITS) as usize;
        let shifted = (significand as u128) << (shift % DIGIT_BITS);
        self.carry(first, shifted as u64 & DIGIT);
        self.carry(first + 1, (shifted >> 32) as u64 & DIGIT);
        self.carry(first + 2, (shifted >> 64) as u64);
    }

    /// Counts infinite and NaN elements, in place of adding their partial sum.
    pub fn add_nonfinite(&mut self, infinities: u64, nans: u64) {
        self.infinities += infinities;
        self.nans += nans;
    }

    pub fn add_sum(&mut self, other: &Self) {
        // Counts that callers bring may be anything.
        self.infinities = self.infinities.saturating_add(other.infinities);
        self.nans = self.nans.saturating_add(other.nans);
        self.overflows = self.overflows.saturating_add(other.overflows);
        for (index, digit) in other.digits.iter().enumerate() {
            self.carry(index, *digit);
        }
    }

    /// Adds to a digit and propagates the carry.
    fn carry(&mut self, mut index: usize, mut digit: u64) {
        while digit > 0 {
            let sum = self.digits[index] + digit;
            self.digits[index] = sum & DIGIT;
            digit = sum >> DIGIT_BITS;
            index += 1;
        }
    }

    /// Elements that are infinite or NaN.
    pub fn nonfinite(&self) -> u64 {
        self.infinities.saturating_add(self.nans)
    }

    /// The sum, rounded to nearest even; NaN or infinite if any term was.
    pub fn value(&self) -> f64 {
        if self.nans > 0 {
            return f64::NAN;
        }
        if self.infinities > 0 || self.overflows > 0 {
            return f64::INFINITY;
        }
        let Some(last) = self.digits.iter().rposition(|digit| *digit != 0) else {
            return 0.0;
        };
        // The leading digit is not 0, so three digits have at least 65 significant bits.
        let first = last.saturating_sub(2);
        let top = self.digits[first..=last]
            .iter()
            .rev()
            .fold(0u128, |top, digit| top << DIGIT_BITS | *digit as u128);
        let below = self.digits[..first].iter().any(|digit| *digit != 0);
        // The digits below only break ties: a sticky bit stands for them.
        let rounded = (top << 1 | below as u128) as f64;
        // In two factors, since the whole power may be too small for an f64.
        let exponent = (first as i32) * DIGIT_BITS as i32 - 1074 - 1;
        let half = exponent / 2;
        rounded * power_of_two(half) * power_of_two(exponent - half)
    }

    pub fn words(&self) -> Words {
        let mut words = [0; WORDS];
        let counts = [self.infinities, self.nans, self.overflows];
        for (word, value) in words.iter_mut().zip(self.digits.iter().chain(&counts)) {
            *word = i64::try_from(*value).unwrap_or(i64::MAX);
        }
        words
    }

    /// The sum that these words, or word-wise sums of them, stand for. `None` if a word is negative, the last
    /// one is not 0, or the sum exceeds 2^64 times the largest f64.
    pub fn from_words(words: &Words) -> Option<Self> {
        let mut sum = Self::ZERO;
        let mut carry = 0;
        for (digit, word) in sum.digits.iter_mut().zip(words) {
            let whole = u64::try_from(*word).ok()? + carry;
            *digit = whole & DIGIT;
            carry = whole >> DIGIT_BITS;
        }
        let [infinities, nans, overflows, end] = words[DIGITS..] else { return None };
        sum.infinities = infinities.try_into().ok()?;
        sum.nans = nans.try_into().ok()?;
        sum.overflows = overflows.try_into().ok()?;
        let fits = carry == 0 && sum.digits[DIGITS - 1] >> ((2098 + 64) % DIGIT_BITS) == 0;
        (fits && end == 0).then_some(sum)
    }
}

fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum_of(values: impl IntoIterator<Item = f64>) -> ExactSum {
        let mut sum = ExactSum::ZERO;
        values.into_iter().for_each(|value| sum.add(value));
        sum
    }

    fn sum(values: &[f64]) -> f64 {
        sum_of(values.iter().copied()).value()
    }

    fn hash(i: u64) -> u64 {
        i.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17).wrapping_mul(0x2545_f491)
    }

    /// 2^exponent, from the smallest f64 to the largest power.
    fn power(exponent: i32) -> f64 {
        if exponent < -1022 {
            f64::from_bits(1 << (exponent + 1074))
        } else {
            power_of_two(exponent)
        }
    }

    /// The digits of an integer times 2^exponent.
    fn digits_of(integer: u128, exponent: i32) -> [u64; DIGITS] {
        let mut digits = [0; DIGITS];
        let shift = (exponent + 1074) as usize;
        for bit in (0..128).filter(|bit| integer >> bit & 1 == 1) {
            digits[(shift + bit) / 32] |= 1 << ((shift + bit) % 32);
        }
        digits
    }

    #[test]
    fn one_number_is_itself() {
        for value in [0.0, -0.0, f64::from_bits(1), f64::from_bits(12345), f64::MIN_POSITIVE] {
            assert_eq!(sum(&[value]), value);
        }
        for value in [1e-300, 0.1, 1.0, std::f64::consts::PI, 1e77, 1e300, f64::MAX] {
            assert_eq!(sum(&[value]), value);
        }
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

    /// Terms whose bits span less than a u128, at every alignment to the digits.
    #[test]
    fn sums_are_those_of_integers() {
        for exponent in -1074..=971 - 40 {
            let mut integer = 0u128;
            let mut sum = ExactSum::ZERO;
            for i in 0..100 {
                let random = hash(((exponent + 2000) * 100 + i) as u64);
                let (significand, shift) = (random >> 11, (random % 41) as i32);
                integer += (significand as u128) << shift;
                sum.add(significand as f64 * power(exponent + shift)); // exact
            }
            assert_eq!(sum.digits, digits_of(integer, exponent), "{exponent}");
            let scaled = integer as f64 * power((exponent / 2).max(-1000));
            let expected = scaled * power(exponent - (exponent / 2).max(-1000));
            assert_eq!(sum.value(), expected, "{exponent}");
        }
    }

    /// 2^a + 2^a + 2^(a + 1) + … + 2^(b − 1) = 2^b: the second 2^a ripples through all the others.
    #[test]
    fn carries_go_as_far_as_they_must() {
        for a in (-1074..1000).step_by(7).chain([-1043, -1042, -1041, -50, -1, 0, 1]) {
            for b in (a + 1..1024).step_by(29).chain([a + 31, a + 32, a + 33, a + 64, 1023]) {
                let b = b.min(1023);
                let mut sum = sum_of((a..b).map(power));
                sum.add(power(a));
                assert_eq!((sum.digits, sum.value()), (digits_of(1, b), power(b)), "{a} {b}");
                // The same when that carry comes from adding sums, or words.
                let (low, mut high) = (sum_of([power(a)]), sum_of((a..b).map(power)));
                let (low_words, high_words) = (low.words(), high.words());
                let words = std::array::from_fn(|i| low_words[i] + high_words[i]);
                assert_eq!(ExactSum::from_words(&words), Some(sum.clone()), "{a} {b}");
                high.add_sum(&low);
                assert_eq!(high, sum, "{a} {b}");
            }
        }
    }

    #[test]
    fn many_of_the_largest_numbers_overflow_only_as_f64() {
        const MAX: u128 = (1 << 53) - 1; // times 2^971
        for count in [1, 2, 3, 1000, 12_345] {
            let mut sum = sum_of([f64::MAX; 12_345].into_iter().take(count));
            assert_eq!(sum.digits, digits_of(MAX * count as u128, 971));
            assert_eq!(sum.value(), if count == 1 { f64::MAX } else { f64::INFINITY });
            assert_eq!(sum.nonfinite(), 0);
            // Doubled 40 times.
            for _ in 0..40 {
                sum.add_sum(&sum.clone());
            }
            assert_eq!(sum.digits, digits_of((MAX * count as u128) << 40, 971));
        }
        let halves = sum_of([f64::MAX / 2.0; 2]);
        assert_eq!((halves.value(), halves.digits), (f64::MAX, digits_of(MAX, 971)));
        // MAX plus half a unit in the last place is a tie, which goes to the even 2^1024.
        assert_eq!(sum(&[f64::MAX, power(969)]), f64::MAX);
        assert_eq!(sum(&[f64::MAX, power(970)]), f64::INFINITY);
    }

    #[test]
    fn neither_the_order_nor_the_division_into_sums_matters() {
        let values: Vec<f64> =
            (0..4000).map(|i| f64::from_bits(hash(i) >> 2)).filter(|v| v.is_finite()).collect();
        let forwards = sum_of(values.iter().copied());
        assert_eq!(sum_of(values.iter().rev().copied()), forwards);
        for parts in [2, 3, 17, 1000] {
            let mut total = ExactSum::ZERO;
            let mut words = ExactSum::ZERO.words();
            for part in values.chunks(values.len().div_ceil(parts)) {
                let partial = sum_of(part.iter().copied());
                total.add_sum(&partial);
                words = std::array::from_fn(|i| words[i] + partial.words()[i]);
            }
            assert_eq!(total, forwards);
            assert_eq!(ExactSum::from_words(&words), Some(total));
        }
    }

    #[test]
    fn what_is_not_finite_is_counted_and_shows() {
        assert_eq!(sum(&[1.0, f64::INFINITY]), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NAN, 1.0]).is_nan());
        let mut infinite = sum_of([1.0]);
        infinite.add_nonfinite(1, 0);
        assert_eq!(infinite.value(), f64::INFINITY);
        let mut found = sum_of([1.0, f64::INFINITY]); // a partial sum that overflowed
        assert_eq!((found.nonfinite(), found.value()), (0, f64::INFINITY));
        found.add_nonfinite(3, 0);
        assert_eq!((found.nonfinite(), found.value()), (3, f64::INFINITY));
        found.add_nonfinite(0, 2);
        assert_eq!((found.nonfinite(), found.value().to_bits()), (5, f64::NAN.to_bits()));
        let mut twice = found.clone();
        twice.add_sum(&found);
        let words = found.words();
        assert_eq!(words[DIGITS..], [3, 2, 1, 0]);
        assert_eq!(twice, ExactSum::from_words(&words.map(|word| 2 * word)).unwrap());
        assert_eq!(twice.nonfinite(), 10);
        let negative_nan = f64::from_bits(f64::NAN.to_bits() | 1 << 63 | 12_345);
        assert_eq!(sum_of([negative_nan]).value().to_bits(), f64::NAN.to_bits());
    }

    #[test]
    fn words_may_be_sums_of_words() {
        let sum = sum_of([f64::MAX, 1.0, 3.0 * power(-1070)]);
        let words = sum.words();
        assert_eq!(ExactSum::from_words(&words), Some(sum.clone()));
        // 2^31 times the sum, by words and by sums.
        let mut doubled = sum;
        (0..31).for_each(|_| doubled.add_sum(&doubled.clone()));
        assert_eq!(ExactSum::from_words(&words.map(|word| word << 31)), Some(doubled));
        // Up to 2^64 times the largest f64.
        let mut last = ExactSum::ZERO.words();
        last[DIGITS - 1] = (1 << 18) - 1;
        assert!(ExactSum::from_words(&last).is_some());
        // Two words of the largest value: (2^63 − 1) (1 + 2^32) = 2^95 + 2^63 − 2^32 − 1.
        let mut largest = ExactSum::ZERO.words();
        largest[..2].fill(i64::MAX);
        let expected = (1 << 95) + (1 << 63) - (1 << 32) - 1;
        assert_eq!(ExactSum::from_words(&largest).unwrap().digits, digits_of(expected, -1074));
    }

    #[test]
    fn words_that_are_no_sum_are_refused() {
        for (index, word) in
            [(0, -1), (67, -1), (67, 1 << 18), (67, 1 << 32), (68, -1), (69, -5), (70, i64::MIN)]
        {
            let mut words = ExactSum::ZERO.words();
            words[index] = word;
            assert_eq!(ExactSum::from_words(&words), None, "{index} {word}");
        }
        for word in [1, -1] {
            let mut words = ExactSum::ZERO.words();
            words[71] = word;
            assert_eq!(ExactSum::from_words(&words), None);
        }
    }
}
