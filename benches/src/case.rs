//! One comparison and its outcome.

use crate::duel::Round;
use crate::goal::{Goal, Quantity};
use std::time::Duration;

/// What is compared with what.
pub struct Case {
    /// The name by which the command line selects it.
    pub name: String,
    pub title: String,
    /// How many elements a call works on.
    pub elements: usize,
    /// What the quantity says about the library and the reference, in words.
    pub meaning: String,
    pub quantity: Quantity,
    pub goal: Goal,
    pub pause: Option<Duration>,
}

impl Case {
    pub fn new(name: impl Into<String>, title: impl Into<String>, elements: usize) -> Self {
        Self {
            name: name.into(),
            title: title.into(),
            elements,
            meaning: String::new(),
            quantity: Quantity::Times,
            goal: Goal::None,
            pause: None,
        }
    }

    pub fn reports(self, quantity: Quantity, meaning: impl Into<String>) -> Self {
        Self { quantity, meaning: meaning.into(), ..self }
    }

    pub fn with_goal(self, goal: Goal) -> Self {
        Self { goal, ..self }
    }

    /// Lets the calling thread do something else for this long before each call.
    pub fn after_a_pause(self, pause: Duration) -> Self {
        Self { pause: Some(pause), ..self }
    }
}

/// The outcome of a case. The ratio is the library's time divided by the reference's.
#[derive(Clone, Copy)]
pub struct Outcome {
    pub ratio: f64,
    pub quartiles: [f64; 2],
    /// The medians of the seconds that a call took.
    pub median: Round,
}

/// A number of elements as people write it: 64K, 16M.
pub fn size(elements: usize) -> String {
    match elements {
        0..1024 => elements.to_string(),
        1024..1_048_576 => format!("{}K", elements / 1024),
        _ => format!("{}M", elements / (1024 * 1024)),
    }
}

pub fn thread_count(threads: usize) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}
