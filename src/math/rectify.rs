//! The scalars of one step, in f64.
//!
//! Liu et al. 2019, "On the Variance of the Adaptive Learning Rate and Beyond" (arXiv 1908.03265),
//! algorithm 2, with the bias correction folded into β as the Python library optimi does it.

/// Powers of β below this are taken as 0: they are less than half a unit in the last place of 1, and t times
/// them of ρ∞.
const NEGLIGIBLE: f64 = 1e-40;

/// Up to this β, the scalars are computed by their defining formulas in f64, and their bits are pinned. Above
/// it, cancellation in 1 − β^t and in ρ would show (it put r off by 5 % at β2 = 1 − 1e-8), so they are
/// computed from [`Sums`] instead.
const NEAR_ONE: f64 = 0.999;

/// The scalars that depend on a β and on the step number t.
#[derive(Clone, Copy)]
pub(crate) struct BetaPower {
    beta: f64,
    /// β̂ = (β^t − β) / (β^t − 1), the debiased β: moments averaged with it need no bias correction.
    pub beta_hat: f64,
    /// 1 − β̂.
    pub beta_hat_comp: f64,
    /// ρ, the length of the approximated simple moving average, for β2.
    pub rho: f64,
    complement: f64,
}

impl BetaPower {
    pub fn of(beta: f64, t: u64) -> Self {
        if beta > NEAR_ONE {
            let Sums { weights, lengths } = Sums::of(beta, t);
            let mean_length = lengths.over(weights);
            return Self {
                beta,
                beta_hat: weights.plus(Exact(-1.0, 0.0)).over(weights).0,
                beta_hat_comp: Exact(1.0, 0.0).over(weights).0,
                rho: mean_length.plus(mean_length).plus(Exact(-1.0, 0.0)).0,
                complement: (1.0 - beta) * weights.0,
            };
        }
        let beta_t = power(beta, t);
        let beta_hat = (beta_t - beta) / (beta_t - 1.0);
        Self {
            beta,
            beta_hat,
            beta_hat_comp: 1.0 - beta_hat,
            rho: rho_inf(beta) - 2.0 * t as f64 * beta_t / (1.0 - beta_t),
            complement: 1.0 - beta_t,
        }
    }

    /// 1 − β^t, the bias correction: a moving average that starts at zero has to be divided by it.
    pub fn complement(self) -> f64 {
        self.complement
    }

    /// ρ∞, the limit of ρ, for β2.
    pub fn rho_inf(self) -> f64 {
        rho_inf(self.beta)
    }

    /// The rectification term r, for β2; `None` while ρ ≤ `threshold`, where the variance of the adaptive
    /// learning rate is taken to be intractable. r is real only for ρ > 4, so the threshold is at least 4.
    pub fn rectification(self, threshold: f64) -> Option<f64> {
        debug_assert!(threshold >= 4.0);
        let (rho, rho_inf) = (self.rho, self.rho_inf());
        (rho > threshold).then(|| {
            let numerator = (rho - 4.0) * (rho - 2.0) * rho_inf;
            let denominator = (rho_inf - 4.0) * (rho_inf - 2.0) * rho;
            (numerator / denominator).sqrt()
        })
    }
}

fn rho_inf(beta: f64) -> f64 {
    2.0 / (1.0 - beta) - 1.0
}

/// Sums of positive terms from which the scalars follow without cancellation:
///
/// ```text
/// S_t = Σ β^i, i from 0 to t − 1         = (1 − β^t) / (1 − β)
/// W_t = Σ β^(t − k) S_k, k from 1 to t   = (S_t − t β^t) / (1 − β)
///
/// 1 − β^t = (1 − β) S_t    β̂ = (S_t − 1) / S_t    1 − β̂ = 1 / S_t    ρ = 2 W_t / S_t − 1
/// ```
struct Sums {
    /// S_t.
    weights: Exact,
    /// W_t.
    lengths: Exact,
}

impl Sums {
    /// By doubling, from the highest bit of `t` on:
    ///
    /// ```text
    /// S_2n = S_n + β^n S_n        W_2n = W_n + β^n W_n + n β^n S_n
    /// S_(n+1) = 1 + β S_n         W_(n+1) = 1 + β (W_n + S_n)
    /// ```
    fn of(beta: f64, t: u64) -> Self {
        let (one, beta) = (Exact(1.0, 0.0), Exact(beta, 0.0));
        let (mut n, mut power) = (0u64, one);
        let (mut weights, mut lengths) = (Exact(0.0, 0.0), Exact(0.0, 0.0));
        for bit in (0..u64::BITS - t.leading_zeros()).rev() {
            let later = power.times(weights);
            // Rounded only from 2^53 on, where β^n < 1/e and the error is below that of the result.
            let longer = Exact(n as f64, 0.0).times(later);
            lengths = lengths.plus(power.times(lengths)).plus(longer);
            weights = weights.plus(later);
            (n, power) = (2 * n, power.times(power));
            if t >> bit & 1 == 1 {
                lengths = beta.times(lengths.plus(weights)).plus(one);
                weights = beta.times(weights).plus(one);
                (n, power) = (n + 1, power.times(beta));
            }
        }
        Self { weights, lengths }
    }
}

/// `base^exponent` by repeated squaring, or 0 where that is negligible. Written out because the precision of
/// the standard library's `powi` differs between platforms.
///
/// The products are double-double: every squaring doubles the relative error, which the division by
/// 1 − β^t would then amplify until it shows in the results.
fn power(base: f64, mut exponent: u64) -> f64 {
    // Since β^n < e^(−n (1 − β)), this square would be found negligible below; it saves most of a small step's time.
    let highest = exponent.checked_ilog2().map_or(0, |bit| 1u64 << bit);
    if (1.0 - base) * highest as f64 > 93.0 {
        return 0.0; // e^−93 is 4e-41
    }
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

/// A double-double: the nearest f64, and the rest. About 106 bits of precision.
#[derive(Clone, Copy)]
struct Exact(f64, f64);

impl Exact {
    fn times(self, other: Self) -> Self {
        // Dekker 1971: products of halves are exact, and so is the error of the rounded product.
        let (high, low) = halves(self.0);
        let (other_high, other_low) = halves(other.0);
        let product = self.0 * other.0;
        let missing =
            ((high * other_high - product) + high * other_low + low * other_high) + low * other_low;
        Self::normalized(product, missing + (self.0 * other.1 + self.1 * other.0))
    }

    fn plus(self, other: Self) -> Self {
        // Knuth's two-sum: the error of the rounded sum, exactly, whichever term is larger.
        let sum = self.0 + other.0;
        let added = sum - self.0;
        let missing = (self.0 - (sum - added)) + (other.0 - added);
        Self::normalized(sum, missing + (self.1 + other.1))
    }

    fn over(self, other: Self) -> Self {
        let quotient = self.0 / other.0;
        let rest = self.plus(other.times(Self(-quotient, 0.0)));
        Self::normalized(quotient, rest.0 / other.0)
    }

    /// `missing` must be small compared with `nearest`.
    fn normalized(nearest: f64, missing: f64) -> Self {
        let sum = nearest + missing;
        Self(sum, missing - (sum - nearest))
    }
}

/// Splits a number into two whose significands have half the bits (Veltkamp 1968).
fn halves(number: f64) -> (f64, f64) {
    let scaled = 134_217_729.0 * number; // 2^27 + 1
    let high = scaled - (scaled - number);
    (high, number - high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beta_hat(beta: f64, t: u64) -> f64 {
        BetaPower::of(beta, t).beta_hat
    }

    fn rectification(beta2: f64, t: u64) -> Option<f64> {
        BetaPower::of(beta2, t).rectification(5.0)
    }

    #[test]
    fn power_is_exact_where_the_result_is() {
        assert_eq!(power(0.5, 10), 1.0 / 1024.0);
        assert_eq!(power(0.3, 0), 1.0);
        assert_eq!(power(0.3, 1), 0.3);
        assert_eq!(power(0.0, 1), 0.0);
        assert_eq!(power(0.9, u64::MAX), 0.0);
    }

    /// The expected values were computed with 60 decimal digits.
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
    fn power_is_0_only_where_it_is_negligible() {
        for beta in [0.05, 0.5, 0.9, 0.99, 0.999] {
            for t in (0..20).map(|bit| 1u64 << bit) {
                let negligible = f64::powf(beta, t as f64) < NEGLIGIBLE;
                assert_eq!(power(beta, t) == 0.0, negligible, "{beta}^{t}");
            }
        }
    }

    #[test]
    fn what_is_just_not_negligible_counts() {
        assert_eq!(power(NEGLIGIBLE, 1), NEGLIGIBLE);
    }

    #[test]
    fn the_first_step_takes_the_gradient_whole() {
        assert_eq!(beta_hat(0.9, 1), 0.0);
        assert_eq!(beta_hat(0.0, 7), 0.0);
        assert_eq!(beta_hat(0.99, u64::MAX), 0.99);
    }

    fn relative(x: f64, expected: f64) -> f64 {
        if x == expected { 0.0 } else { ((x - expected) / expected).abs() }
    }

    /// `generate.py` computed these with 120 decimal digits. Up to β = 0.999, where the bits of the plain f64
    /// formulas are pinned, cancellation costs about 1e-16 / (1 − β), relative, and of ρ∞ in ρ.
    #[test]
    fn every_scalar_is_that_of_arithmetic_with_120_digits() {
        let rows = include_str!("../../tests/goldens/rectify.txt");
        let rows = rows.lines().filter(|line| !line.starts_with('#'));
        for row in rows {
            let columns: Vec<_> = row.split(' ').collect();
            let bits = |column: usize| u64::from_str_radix(columns[column], 16).unwrap();
            let expected = |column| f64::from_bits(bits(column));
            let (beta, t) = (expected(0), columns[1].parse().unwrap());
            let found = BetaPower::of(beta, t);
            let exact = beta > NEAR_ONE;
            let limit = if exact { f64::EPSILON } else { 2e-16 / (1.0 - beta) };
            let check = |name, x, column, limit| {
                let error = relative(x, expected(column));
                assert!(error <= limit, "{name} of {beta}, {t}: {x:e} is off by {error:e}");
            };
            check("rho", found.rho, 2, limit * if exact { 1.0 } else { found.rho_inf() });
            check("beta_hat", found.beta_hat, 4, limit);
            check("1 - beta_hat", found.beta_hat_comp, 5, limit);
            check("1 - beta^t", found.complement(), 6, limit);
            match found.rectification(5.0) {
                None => assert_eq!(columns[3], "-", "{beta}, {t}"),
                Some(r) => {
                    check("r", r, 3, 4.0 * limit * if exact { 1.0 } else { found.rho_inf() })
                }
            }
        }
    }

    /// Computed by them in Python. With more digits, ρ is 5.994163751656718.
    #[test]
    fn at_0_999_the_bits_are_those_of_the_plain_formulas() {
        let power = BetaPower::of(0.999, 6);
        assert_eq!(power.rho, 5.994_163_751_655_833);
        assert_eq!(power.complement(), 0.005_985_019_985_006_001_5);
    }

    #[test]
    fn rectification_begins_at_step_six_and_tends_to_one() {
        assert_eq!(rectification(0.999, 5), None);
        assert!(rectification(0.999, 6).is_some_and(|r| r < 0.05));
        assert!((rectification(0.999, 1 << 40).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn at_the_threshold_itself_there_is_no_rectification() {
        let power = BetaPower::of(0.99, 9);
        assert_eq!(power.rectification(power.rho), None);
        assert!(power.rectification(power.rho.next_down()).is_some());
    }

    #[test]
    fn a_small_beta2_never_rectifies() {
        for t in 1..100 {
            assert_eq!(rectification(0.5, t), None);
            assert_eq!(rectification(0.0, t), None);
        }
    }
}
