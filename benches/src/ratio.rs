//! The measurement that criterion samples: the time of the library divided by that of a reference.
//!
//! On a shared machine, absolute times drift by more than the differences of interest. Two things that take turns in one
//! process drift together, so their ratio is stable.

use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter};

/// A measurement whose value is made by `Bencher::iter_custom`, and is a ratio for each iteration.
pub struct Ratio;

impl Measurement for Ratio {
    type Intermediate = ();
    type Value = f64;

    fn start(&self) {
        unreachable!("ratios are measured by iter_custom");
    }

    fn end(&self, (): ()) -> f64 {
        unreachable!("ratios are measured by iter_custom");
    }

    fn add(&self, a: &f64, b: &f64) -> f64 {
        a + b
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &Times
    }
}

/// Writes a ratio as "1.03 ×".
struct Times;

impl ValueFormatter for Times {
    fn scale_values(&self, _typical: f64, _values: &mut [f64]) -> &'static str {
        "×"
    }

    fn scale_throughputs(&self, _: f64, _: &Throughput, _: &mut [f64]) -> &'static str {
        "×"
    }

    fn scale_for_machines(&self, _values: &mut [f64]) -> &'static str {
        "ratio"
    }
}
