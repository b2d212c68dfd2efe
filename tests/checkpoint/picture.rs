//! Everything that must be the same after saving and loading, and after a load that is rejected.

use radam::ffi::*;

use crate::driver::optimizer::Optimizer;
use crate::driver::{Refusal, STATES};

#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    tensors: Vec<TensorPicture>,
    /// The options, as they are printed.
    groups: Vec<String>,
    accumulation: bool,
}

impl Picture {
    pub fn data(&self) -> Vec<Vec<u8>> {
        self.tensors.iter().map(|tensor| tensor.data.clone()).collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
struct TensorPicture {
    data: Vec<u8>,
    states: [(Vec<u8>, radam_dtype); STATES.len()],
    steps: u64,
    frozen: bool,
}

impl Optimizer {
    /// Everything that a step goes by or changes, apart from the gradients.
    pub fn picture(&self) -> Picture {
        let tensor = |param: usize| TensorPicture {
            data: self.params[param].data.bytes(),
            states: STATES.map(|(which, _)| self.state(param, which)),
            steps: self.step_count(param),
            frozen: self.frozen(param),
        };
        let group = |group| format!("{:?}", self.group_options(group));
        Picture {
            tensors: (0..self.params.len()).map(tensor).collect(),
            groups: (0..self.groups).map(group).collect(),
            accumulation: self.accumulation(),
        }
    }

    /// Loads what must be refused, for this reason and with all of these words, changing nothing.
    pub fn refuses(&mut self, bytes: &[u8], status: radam_status, words: &[&str]) {
        let before = self.picture();
        let outcome = self.load(bytes);
        self.check_refusal(outcome, &before, status, words);
    }

    pub fn check_refusal(
        &self,
        outcome: Result<(), Refusal>,
        before: &Picture,
        status: radam_status,
        words: &[&str],
    ) {
        let refusal = outcome.expect_err("it was taken");
        assert_eq!(refusal.status, status, "{}", refusal.message);
        for word in words {
            assert!(refusal.message.contains(word), "no \"{word}\" in: {}", refusal.message);
        }
        assert!(self.picture() == *before, "a refused load changed something");
    }
}
