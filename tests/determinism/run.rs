//! A long mixed run through the C functions, and its hash.

use std::ops::Range;
use std::ptr;

use radam::ffi::{radam_group_options as Options, *};

use crate::driver::filled;
use crate::driver::optimizer::{NO_PARAMS, Optimizer};
use crate::driver::param::Param;
use crate::driver::tensor::Tensor;
use crate::samples::{DTYPES, Hash, LENS, Samples};
use crate::variation::{Variation, cut};

const STEPS: u64 = 40;

/// Options that the groups of all dtypes share.
fn kinds(variation: &Variation) -> [Options; 8] {
    let mut plain = filled(radam_group_options_init);
    plain.lr = 0.01;
    plain.for_each = variation.for_each();
    let f32_state = Options { state_dtype: RADAM_DTYPE_F32, ..plain };
    [
        plain,
        Options { weight_decay: 0.01, ..plain },
        Options { weight_decay: 0.1, decouple_wd: RADAM_ON, kahan_sum: RADAM_ON, ..plain },
        Options { weight_decay: 1e-3, decouple_lr: RADAM_ON, kahan_sum: RADAM_OFF, ..plain },
        Options { kahan_sum: RADAM_ON, ..f32_state },
        Options { kahan_sum: RADAM_OFF, weight_decay: 0.01, ..f32_state },
        Options { maximize: RADAM_ON, rectify: RADAM_OFF, beta2: 0.999, ..plain },
        Options { gradient_release: RADAM_ON, beta2: 0.5, weight_decay: 0.01, ..plain },
    ]
}

/// One tensor with its gradient, and the ids that its pieces have.
struct Parameter {
    seed: u64,
    group: u32,
    released: bool,
    data: Tensor,
    grad: Tensor,
    pieces: Vec<(usize, Range<usize>)>,
}

struct Run {
    optimizer: Optimizer,
    parameters: Vec<Parameter>,
}

impl Run {
    fn new(variation: &Variation) -> Run {
        let mut run = Run { optimizer: variation.create(), parameters: Vec::new() };
        for options in kinds(variation) {
            run.add_groups(&options, variation);
        }
        if variation.reversed {
            run.parameters.reverse();
        }
        for parameter in &mut run.parameters {
            parameter.register(&mut run.optimizer, variation.pieces);
        }
        run
    }

    /// One for each dtype, since a group may ask for one state dtype only.
    fn add_groups(&mut self, options: &Options, variation: &Variation) {
        for (index, dtype) in DTYPES.into_iter().enumerate() {
            let group = self.optimizer.groups;
            self.optimizer.add_group(options, NO_PARAMS);
            for tensor in 0..3 {
                let seed = group as usize * 3 + tensor;
                let grad_dtype = DTYPES[(index + seed % 5) % DTYPES.len()];
                let len = LENS[seed % LENS.len()];
                let parameter = Parameter {
                    seed: seed as u64,
                    group,
                    released: options.gradient_release == RADAM_ON,
                    data: Tensor::at(variation.data_offset, dtype, len),
                    grad: Tensor::at(variation.grad_offset, grad_dtype, len),
                    pieces: Vec::new(),
                };
                Samples::parameters().fill(&parameter.data, 97 * seed as u64);
                self.parameters.push(parameter);
            }
        }
    }

    fn step(&mut self, step: u64, variation: &Variation) {
        let Run { optimizer, parameters } = self;
        for group in 0..optimizer.groups {
            optimizer.set_lr(group, 0.01 / (1 + step % 7) as f64);
        }
        optimizer.set_accumulation(step % 5 == 3);
        if step == 20 {
            // f16 with f32 state from now on, and bf16 without its compensation
            optimizer.change_group(2, |options| options.state_dtype = RADAM_DTYPE_F32);
            optimizer.change_group(3, |options| options.kahan_sum = RADAM_OFF);
        }
        for parameter in parameters {
            parameter.prepare(optimizer, step);
        }
        variation.step(optimizer, ptr::null(), ptr::null_mut());
    }

    /// Over the parameters and their step counts, in the order of the tensors.
    fn hash(&mut self) -> u64 {
        let mut hash = Hash::new();
        self.parameters.sort_by_key(|parameter| parameter.seed);
        for Parameter { data, pieces, .. } in &self.parameters {
            hash.take_tensor(data);
            hash.take(self.optimizer.step_count(pieces[0].0).to_le_bytes());
        }
        hash.value()
    }
}

impl Parameter {
    fn register(&mut self, optimizer: &mut Optimizer, pieces: usize) {
        for range in cut(self.data.len, pieces) {
            let data = self.data.part(range.clone());
            let param = Param { grad_dtype: self.grad.dtype, ..Param::new(data) };
            self.pieces.push((optimizer.add_param(self.group, param), range));
        }
    }

    /// Makes the gradient of a step, or none: tensors join late and pause.
    fn prepare(&self, optimizer: &mut Optimizer, step: u64) {
        let joins = self.seed % 4;
        let pauses = step < joins || (step + self.seed).is_multiple_of(11);
        if !pauses {
            Samples::gradients().fill(&self.grad, 131 * self.seed + 1009 * step);
        }
        for (id, range) in &self.pieces {
            let grad = (!pauses).then(|| self.grad.part(range.clone()));
            if !self.released {
                optimizer.set_grad(*id, grad);
            } else if let Some(grad) = grad {
                optimizer.step_param(*id, &grad);
            }
        }
    }
}

/// The hash of the whole run.
pub fn hash_of(variation: &Variation) -> u64 {
    let mut run = Run::new(variation);
    for step in 1..=STEPS {
        run.step(step, variation);
    }
    run.hash()
}
