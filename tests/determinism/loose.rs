//! Tensors that step without an optimizer, or each with one of its own, which must not matter.

use std::ops::Range;
use std::ptr;

use radam::ffi::*;

use crate::driver::optimizer::{NO_PARAMS, Optimizer};
use crate::driver::outcome;
use crate::driver::param::Param;
use crate::driver::tensor::Tensor;
use crate::engine::{Kind, RANDOM, learning_rate};
use crate::samples::{DTYPES, LENS, Samples};
use crate::variation::{Variation, cut};

pub struct Loose {
    seed: u64,
    options: radam_group_options,
    pub data: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    compensation: Option<Tensor>,
    pieces: Vec<Range<usize>>,
    optimizer: Option<Optimizer>,
}

impl Loose {
    /// None of a kind that has copies, which only an optimizer makes.
    pub fn new(number: usize, kind: &Kind, variation: &Variation) -> Option<Loose> {
        if kind.copy_dtype.is_some() {
            return None;
        }
        let len = LENS[3 + number % (LENS.len() - 3)];
        let Variation { data_offset, grad_offset, pieces, .. } = *variation;
        let pieces = if number < RANDOM { 1 } else { pieces };
        let state = |dtype| Tensor::at(data_offset, dtype, len);
        let mut loose = Loose {
            seed: 1000 + number as u64,
            options: kind.options,
            data: Tensor::at(data_offset, kind.dtype, len),
            grad: Tensor::at(grad_offset, DTYPES[number % DTYPES.len()], len),
            exp_avg: state(state_dtype(kind)),
            exp_avg_sq: state(state_dtype(kind)),
            compensation: compensation_dtype(kind).map(state),
            pieces: cut(len, pieces).collect(),
            optimizer: variation.optimizers_of_loose.then(|| variation.create()),
        };
        loose.options.for_each = RADAM_AUTO;
        Samples::parameters().fill(&loose.data, 97 * loose.seed);
        if let Some(optimizer) = &mut loose.optimizer {
            optimizer.add_group(&loose.options, NO_PARAMS);
            let (grad, grad_dtype) = (Some(loose.grad.whole()), loose.grad.dtype);
            let param = Param { grad, grad_dtype, ..Param::new(loose.data.whole()) };
            optimizer.add_param(0, param);
        }
        Some(loose)
    }

    pub fn step(&mut self, step: u64) {
        Samples::gradients().fill(&self.grad, 131 * self.seed + 1009 * step);
        self.options.lr = learning_rate(step);
        if let Some(optimizer) = &mut self.optimizer {
            optimizer.set_lr(0, self.options.lr);
            optimizer.step();
            return;
        }
        for &Range { start, end } in &self.pieces {
            let compensation = self.compensation.as_ref();
            // SAFETY: the arrays have all these elements.
            let status = unsafe {
                radam_update(
                    self.data.dtype,
                    self.grad.dtype,
                    self.exp_avg.dtype,
                    self.data.element(start),
                    self.grad.element(start),
                    self.exp_avg.element(start),
                    self.exp_avg_sq.element(start),
                    compensation.map_or(ptr::null_mut(), |tensor| tensor.element(start)),
                    (end - start) as u64,
                    &self.options,
                    step,
                )
            };
            outcome(status, ptr::null()).unwrap();
        }
    }
}

fn state_dtype(kind: &Kind) -> radam_dtype {
    if kind.options.state_dtype == 0 { kind.dtype } else { kind.options.state_dtype }
}

/// What `kahan_comp` is made of, if it is wanted.
fn compensation_dtype(kind: &Kind) -> Option<radam_dtype> {
    let Kind { dtype, options, .. } = kind;
    let short = matches!(*dtype, RADAM_DTYPE_F16 | RADAM_DTYPE_BF16);
    if options.master_remainder == RADAM_ON {
        Some(RADAM_DTYPE_BF16) // as large
    } else if short && options.stochastic_rounding != RADAM_ON && options.kahan_sum != RADAM_OFF {
        Some(state_dtype(kind))
    } else {
        None
    }
}
