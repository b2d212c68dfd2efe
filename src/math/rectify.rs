//! The scalars of one step, in f64.
//!
//! Liu et al. 2019, "On the Variance of the Adaptive Learning Rate and Beyond" (arXiv 1908.03265),
//! algorithm 2, with the bias correction folded into β as the Python library optimi does it.

/// The largest power of β that cannot matter: beside 1, and t-fold beside ρ∞, it is less than half
/// a unit in the last place.
const NEGLIGIBLE: f64 = 1e-40;

/// `base^exponent` by repeated squaring, written out because the precision of the standard
/// library's `powi` differs between platforms; or 0 where that is negligible.
///
/// Every product carries its rounding error along: squaring doubles a relative error each time, and
/// 1 − β^t, which the formulas divide by, would make of it what shows in the results.
fn power(base: f64, mut exponent: u64) -> f64 {
    let (mut result, mut square) = (Exact(1.0, 0.0), Exact(base, 0.0));
    while exponent > 0 {
        if square.0 < NEGLIGIBLE {
            return 0.0;
        }
        if exponent & 1 == 1 {
            result = result.times(square);
        }
        square = square.times(square);
        exponent >>= 1;
    }
    result.0
}

/// A number in [0, 1] as a sum: the nearest f64, and what is missing.
#[derive(Clone, Copy)]
struct Exact(f64, f64);

impl Exact {
    fn times(self, other: Self) -> Self {
        // Dekker 1971: products of halves are exact, and so is what the rounded product lacks.
        let (high, low) = halves(self.0);
        let (other_high, other_low) = halves(other.0);
        let product = self.0 * other.0;
        let missing =
            ((high * other_high - product) + high * other_low + low * other_high) + low * other_low;
        let missing = missing + (self.0 * other.1 + self.1 * other.0);
        let sum = product + missing;
        Self(sum, missing - (sum - product))
    }
}

/// The upper and the lower half of a number's bits, whose sum it is.
fn halves(number: f64) -> (f64, f64) {
    let scaled = 134_217_729.0 * number; // 2^27 + 1
    let high = scaled - (scaled - number);
    (high, number - high)
}

/// β^t, from which all scalars of step `t` come.
#[derive(Clone, Copy)]
pub(crate) struct BetaPower {
    beta: f64,
    t: u64,
    beta_t: f64,
}

impl BetaPower {
    pub fn new(beta: f64, t: u64) -> Self {
        Self { beta, t, beta_t: power(beta, t) }
    }

    /// The debiased β: averaging with it gives moments that need no bias correction.
    pub fn debiased_beta(self) -> f64 {
        (self.beta_t - self.beta) / (self.beta_t - 1.0)
    }

    /// 1 − β^t, which an average that is not debiased is too small by.
    pub fn complement(self) -> f64 {
        1.0 - self.beta_t
    }

    /// ρ∞, the limit of ρ, where this is β2.
    pub fn rho_inf(self) -> f64 {
        2.0 / (1.0 - self.beta) - 1.0
    }

    /// ρ, the length of the approximated simple moving average, where this is β2.
    pub fn rho(self) -> f64 {
        self.rho_inf() - 2.0 * self.t as f64 * self.beta_t / (1.0 - self.beta_t)
    }

    /// The rectification term r, where this is β2; or `None` while the variance of the adaptive
    /// learning rate is intractable (ρ ≤ 5) and the step is taken without it.
    pub fn rectification(self) -> Option<f64> {
        let (rho, rho_inf) = (self.rho(), self.rho_inf());
        (rho > 5.0).then(|| {
            let numerator = (rho - 4.0) * (rho - 2.0) * rho_inf;
            let denominator = (rho_inf - 4.0) * (rho_inf - 2.0) * rho;
            (numerator / denominator).sqrt()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debiased_beta(beta: f64, t: u64) -> f64 {
        BetaPower::new(beta, t).debiased_beta()
    }

    fn rectification(beta2: f64, t: u64) -> Option<f64> {
        BetaPower::new(beta2, t).rectification()
    }

    #[test]
    fn power_is_exact_where_the_result_is() {
        assert_eq!(power(0.5, 10), 1.0 / 1024.0);
        assert_eq!(power(0.3, 0), 1.0);
        assert_eq!(power(0.3, 1), 0.3);
        assert_eq!(power(0.0, 1), 0.0);
        assert_eq!(power(0.9, u64::MAX), 0.0);
    }

    /// What the nearest f64 is, by arithmetic with 60 decimal digits.
    #[test]
    fn power_is_the_nearest_number() {
        assert_eq!(power(0.9999, 500), 0.951_227_046_271_580_8);
        assert_eq!(power(0.999, 12_345), 4.324_661_796_025_634e-6);
        assert_eq!(power(0.9, 500), 1.322_070_819_480_823e-23);
        assert_eq!(power(0.9, 1_000), 1.747_871_251_722_694_7e-46);
        assert_eq!(power(0.9, 1_024), 0.0);
        assert_eq!(power(0.999_999, 1_000_000), 0.367_879_257_221_066_46);
    }

    #[test]
    fn the_first_step_takes_the_gradient_whole() {
        assert_eq!(debiased_beta(0.9, 1), 0.0);
        assert_eq!(debiased_beta(0.0, 7), 0.0);
        assert_eq!(debiased_beta(0.99, u64::MAX), 0.99);
    }

    #[test]
    fn rectification_begins_at_step_six_and_tends_to_one() {
        assert_eq!(rectification(0.999, 5), None);
        assert!(rectification(0.999, 6).is_some_and(|r| r < 0.05));
        assert!((rectification(0.999, 1 << 40).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_small_beta2_never_rectifies() {
        for t in 1..100 {
            assert_eq!(rectification(0.5, t), None);
            assert_eq!(rectification(0.0, t), None);
        }
    }
}
