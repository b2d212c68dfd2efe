//! The options of an optimizer.

use crate::optimizer;

/// Options of an [`Optimizer`](crate::Optimizer).
///
/// The library has threads of its own, which start with the first step that is large enough to gain from them, sleep
/// between steps, and end when the optimizer is dropped. Results do not depend on how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The maximum number of threads that work on a step, including the calling one; at most 1024. 0, the default: one
    /// per available core. 1: no thread is ever started.
    pub num_threads: usize,
    /// The number of elements from which a step runs on several threads; of measuring gradients it takes 4 times as
    /// many. 0, the default: chosen by the library.
    pub parallel_from: u64,
}

impl From<Options> for optimizer::Options {
    fn from(Options { num_threads, parallel_from }: Options) -> Self {
        Self { num_threads, allocator: None, executor: None, parallel_from, cuda: None }
    }
}
