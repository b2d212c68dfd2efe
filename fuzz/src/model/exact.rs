//! Big integers: rounding their quotients, and sums of f64 without rounding.

use num_bigint::BigUint;

/// `numerator / denominator · 2^exponent`, rounded to nearest even. For results that are normal or exact.
pub fn nearest(numerator: &BigUint, denominator: &BigUint, exponent: i32) -> f64 {
    if *numerator == BigUint::ZERO {
        return 0.0;
    }
    // So many more bits that the quotient has 80 or 81.
    let shift = 80 + denominator.bits() as i64 - numerator.bits() as i64;
    let (n, d) = if shift > 0 {
        (numerator << shift as u64, denominator.clone())
    } else {
        (numerator.clone(), denominator << (-shift) as u64)
    };
    let quotient = &n / &d;
    let is_inexact = &quotient * &d != n;
    let top = u128::try_from(quotient).unwrap() << 1 | u128::from(is_inexact);
    scaled(top as f64, exponent as i64 - shift - 1)
}

/// `number · 2^exponent`, where that is exact or infinite.
fn scaled(number: f64, mut exponent: i64) -> f64 {
    let (mut result, step) = (number, if exponent < 0 { 0.5 } else { 2.0 });
    while exponent != 0 && result.is_finite() && result != 0.0 {
        result *= step;
        exponent -= exponent.signum();
    }
    result
}

/// A sum of squares as `radam_grad_sums` has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    /// In units of 2^-1074.
    total: BigUint,
    infinities: u64,
    nans: u64,
    overflows: u64,
}

const DIGITS: usize = 68;

impl Sums {
    pub fn add(&mut self, number: f64) {
        if number.is_nan() {
            self.nans += 1;
        } else if number.is_infinite() {
            self.overflows += 1;
        } else {
            let exponent = (number.to_bits() >> 52).max(1);
            let fraction = number.to_bits() & ((1 << 52) - 1);
            let implicit = if number.to_bits() >> 52 == 0 { 0 } else { 1 << 52 };
            self.total += BigUint::from(fraction | implicit) << (exponent - 1);
        }
    }

    /// Adds the sum of the squares of some elements, or counts those that are not finite.
    pub fn add_squares(&mut self, elements: impl Iterator<Item = f64> + Clone) {
        let partial = sum_of_squares(elements.clone());
        let (infinities, nans) = (
            elements.clone().filter(|x| x.is_infinite()).count() as u64,
            elements.filter(|x| x.is_nan()).count() as u64,
        );
        if infinities + nans == 0 {
            return self.add(partial);
        }
        self.infinities += infinities;
        self.nans += nans;
    }

    pub fn add_sums(&mut self, other: &Self) {
        self.total += &other.total;
        self.infinities = self.infinities.saturating_add(other.infinities);
        self.nans = self.nans.saturating_add(other.nans);
        self.overflows = self.overflows.saturating_add(other.overflows);
    }

    pub fn nonfinite(&self) -> u64 {
        self.infinities.saturating_add(self.nans)
    }

    /// The square root of the sum.
    pub fn norm(&self) -> f64 {
        if self.nans > 0 {
            f64::NAN
        } else if self.infinities + self.overflows > 0 {
            f64::INFINITY
        } else {
            nearest_sum(&self.total).sqrt()
        }
    }

    pub fn words(&self) -> [i64; 72] {
        let mut words = [0; 72];
        for (word, digit) in words.iter_mut().zip(self.total.iter_u32_digits()) {
            *word = digit.into();
        }
        for (word, count) in words[DIGITS..].iter_mut().zip(self.counts()) {
            *word = i64::try_from(count).unwrap_or(i64::MAX);
        }
        words
    }

    fn counts(&self) -> [u64; 3] {
        [self.infinities, self.nans, self.overflows]
    }

    /// `None`: not the words of sums.
    pub fn from_words(words: &[i64; 72]) -> Option<Self> {
        let words = words.map(u64::try_from);
        let mut total = BigUint::ZERO;
        for digit in words[..DIGITS].iter().rev() {
            total = (total << 32u64) + digit.ok()?;
        }
        // 2^64 numbers below 2^1024.
        let fits = total.bits() <= 1074 + 1024 + 64;
        let [infinities, nans, overflows, last] = [68, 69, 70, 71].map(|index| words[index]);
        let sums = Self {
            total,
            infinities: infinities.ok()?,
            nans: nans.ok()?,
            overflows: overflows.ok()?,
        };
        (fits && last == Ok(0)).then_some(sums)
    }
}

fn nearest_sum(total: &BigUint) -> f64 {
    nearest(total, &BigUint::from(1u32), -1074)
}

/// The squares are added up in 32 interleaved parts, which are then added in pairs.
pub fn sum_of_squares(elements: impl Iterator<Item = f64>) -> f64 {
    let mut parts = vec![0.0; 32];
    for (index, element) in elements.enumerate() {
        parts[index % 32] += element * element;
    }
    while parts.len() > 1 {
        let (low, high) = parts.split_at(parts.len() / 2);
        parts = low.iter().zip(high).map(|(a, b)| a + b).collect();
    }
    parts[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_is_itself() {
        for number in [0.0, 5e-324, 1e-310, 1e-300, 0.1, 1.0, 1e300, f64::MAX] {
            let mut sums = Sums::default();
            sums.add(number);
            assert_eq!(nearest_sum(&sums.total), number);
            assert_eq!(Sums::from_words(&sums.words()), Some(sums));
        }
    }

    #[test]
    fn quotients_are_rounded_to_the_nearest() {
        for (n, d) in [(1u64, 3u64), (2, 3), (1, 10), (22, 7), (u64::MAX, 3), (1, u64::MAX)] {
            assert_eq!(nearest(&n.into(), &d.into(), 0), n as f64 / d as f64);
        }
    }
}
