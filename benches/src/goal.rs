//! How a ratio is reported, and what it should be.

/// Which number a case reports, each made from the time of the library over that of the reference.
#[derive(Clone, Copy)]
pub enum Quantity {
    /// The share of the reference's speed.
    Share,
    /// How many times the reference's time it takes.
    Times,
    /// How many times as fast as the reference.
    Speedup,
    /// Nanoseconds per element on a core of 3.6 GHz. The reference takes a cycle for each element; so do a square root and a
    /// division on Zen 4, with 16 lanes in 16 cycles.
    NanosecondsAt3600MHz,
    /// Nanoseconds that each of so many tensors adds to the reference's time.
    NanosecondsPerTensor(usize),
    /// The microseconds of a call.
    Microseconds,
}

/// Where the quantity should be.
#[derive(Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// No goal; for information.
    None,
}

impl Quantity {
    /// The number that a ratio of times stands for, the reference taking `reference` seconds.
    pub fn of(self, ratio: f64, reference: f64) -> f64 {
        match self {
            Self::Share | Self::Speedup => 1.0 / ratio,
            Self::Times => ratio,
            Self::NanosecondsAt3600MHz => ratio / 3.6,
            Self::NanosecondsPerTensor(tensors) => (ratio - 1.0) * reference * 1e9 / tensors as f64,
            Self::Microseconds => ratio * reference * 1e6,
        }
    }

    pub fn format(self, value: f64) -> String {
        match self {
            Self::Share => format!("{value:.3}"),
            Self::Times | Self::Speedup => format!("{value:.2}×"),
            Self::NanosecondsAt3600MHz => format!("{value:.3} ns"),
            Self::NanosecondsPerTensor(_) => format!("{value:.1} ns"),
            Self::Microseconds => format!("{value:.2} µs"),
        }
    }
}

impl Goal {
    pub fn is_met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(least) => Some(value >= least),
            Self::AtMost(most) => Some(value <= most),
            Self::None => None,
        }
    }

    pub fn format(self, quantity: Quantity) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {}", quantity.format(least)),
            Self::AtMost(most) => format!("≤ {}", quantity.format(most)),
            Self::None => "–".to_owned(),
        }
    }
}
