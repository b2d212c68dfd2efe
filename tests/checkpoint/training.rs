//! Optimizers whose steps depend only on the step number, the tensor and the element.

use std::ffi::CString;
use std::path::Path;

use radam::ffi::*;

use crate::driver::optimizer::Optimizer;
use crate::driver::param::Param;
use crate::driver::tensor::Tensor;
use crate::driver::{Refusal, filled};

/// What a tensor is, or which slice of one.
#[derive(Clone)]
pub struct Spec {
    pub name: String,
    pub dtype: radam_dtype,
    pub len: usize,
    pub offset: u64,
    /// 0: the whole tensor.
    pub total_len: u64,
}

impl Spec {
    pub fn new(name: &str, dtype: radam_dtype, len: usize) -> Self {
        Spec { name: name.into(), dtype, len, offset: 0, total_len: 0 }
    }

    pub fn slice(name: &str, dtype: radam_dtype, len: usize, offset: u64, total_len: u64) -> Self {
        Spec { offset, total_len, ..Spec::new(name, dtype, len) }
    }
}

impl From<&Spec> for Param {
    fn from(spec: &Spec) -> Self {
        let tensor = || Tensor::new(spec.dtype, spec.len);
        let param = Param {
            grad: Some(tensor()),
            name: Some(CString::new(spec.name.as_str()).unwrap()),
            tensor_offset: spec.offset,
            tensor_len: spec.total_len,
            ..Param::new(tensor())
        };
        param.data.fill(values(&param, 0));
        param
    }
}

/// The values of a step, of which 0 stands for those that a tensor begins with: numbers in [-1, 1) that look
/// random, and depend on the step, the tensor and the element only.
fn values(param: &Param, step: u64) -> impl Iterator<Item = f64> {
    let name = param.name.as_ref().unwrap().to_bytes();
    let seed = name.iter().fold(step + 1, |hash, byte| mix(hash ^ u64::from(*byte)));
    (param.tensor_offset + 1..).map(move |element| {
        let random = mix(seed ^ element) >> 40;
        random as f64 / f64::from(1 << 23) - 1.0
    })
}

impl Optimizer {
    pub fn step_number(&mut self, number: u64) {
        for param in &self.params {
            param.grad.as_ref().unwrap().fill(values(param, number));
        }
        self.step();
    }

    pub fn steps(&mut self, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|number| self.step_number(number));
    }

    pub fn load_from(&mut self, files: &[&Path]) -> Result<(), Refusal> {
        self.load_with(files, RADAM_AUTO, RADAM_AUTO)
    }

    pub fn load_with(
        &mut self,
        files: &[&Path],
        strict: radam_toggle,
        hyperparameters: radam_toggle,
    ) -> Result<(), Refusal> {
        let mut options = filled(radam_load_options_init);
        (options.strict, options.hyperparameters) = (strict, hyperparameters);
        self.load_shards(files, &options)
    }

    pub fn all_data(&self) -> Vec<Vec<u8>> {
        self.params.iter().map(|param| param.data.bytes()).collect()
    }

    /// What a caller restores beside the checkpoint.
    pub fn copy_data(&mut self, from: &[Vec<u8>]) {
        for (param, bytes) in self.params.iter().zip(from) {
            assert_eq!(bytes.len(), param.data.bytes().len());
            param.data.repeat(bytes, 0);
        }
    }
}

/// Options that train quickly, with a seed and a decay of their own.
pub fn group_options() -> radam_group_options {
    let mut options = filled(radam_group_options_init);
    options.lr = 0.01;
    options.weight_decay = 0.1;
    options.seed = 7;
    options
}

/// The finalizer of splitmix64.
pub fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
