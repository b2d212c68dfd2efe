//! Tensors that step without an optimizer, or each with one of its own, which must not matter.

use std::ops::Range;
use std::ptr;

use radam::ffi::*;

use crate::engine::{KINDS, Kind, RANDOM, learning_rate};
use crate::tensor::{DTYPES, Hash, LENS, Samples, Tensor};
use crate::variation::{Variation, call};

pub struct Loose {
    seed: u64,
    kind: &'static Kind,
    data: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    compensation: Option<Tensor>,
    pieces: Vec<Range<usize>>,
    /// NULL: none.
    opt: *mut radam_optimizer,
}

impl Loose {
    /// None of a kind that has copies, which only an optimizer makes.
    pub fn new(number: usize, variation: &Variation) -> Option<Loose> {
        let kind = &KINDS[number];
        if kind.out_dtype.is_some() {
            return None;
        }
        let len = LENS[3 + number % (LENS.len() - 3)];
        let Variation { data_offset, grad_offset, .. } = *variation;
        let pieces = if number < RANDOM { 1 } else { variation.pieces };
        let piece = |piece| len * piece / pieces..len * (piece + 1) / pieces;
        let state = |dtype| Tensor::new(dtype, len, data_offset);
        let mut loose = Loose {
            seed: 1000 + number as u64,
            kind,
            data: Tensor::new(kind.dtype, len, data_offset),
            grad: Tensor::new(DTYPES[number % DTYPES.len()], len, grad_offset),
            exp_avg: state(kind.actual_state_dtype()),
            exp_avg_sq: state(kind.actual_state_dtype()),
            compensation: kind.compensation_dtype().map(state),
            pieces: (0..pieces).map(piece).collect(),
            opt: ptr::null_mut(),
        };
        loose.data.fill(Samples::parameters(), 97 * loose.seed);
        if variation.optimizers_of_loose {
            loose.opt = variation.create();
            loose.register();
        }
        Some(loose)
    }

    fn register(&mut self) {
        let options = self.kind.options(learning_rate(0), true);
        call!(radam_add_param_group(self.opt, &options, ptr::null(), 0, ptr::null_mut()));
        let (dtype, grad_dtype) = (self.data.dtype, self.grad.dtype);
        let (data, grad) = (self.data.element(0), self.grad.element(0));
        let (len, name) = (self.data.len as u64, ptr::null());
        let id = ptr::null_mut();
        call!(radam_add_param(self.opt, 0, dtype, grad_dtype, data, grad, len, name, id));
    }

    pub fn step(&mut self, step: u64) {
        self.grad.fill(Samples::gradients(), 131 * self.seed + 1009 * step);
        if !self.opt.is_null() {
            call!(radam_set_lr(self.opt, 0, learning_rate(step)));
            call!(radam_step(self.opt));
            return;
        }
        let options = self.kind.options(learning_rate(step), true);
        for Range { start, end } in self.pieces.clone() {
            let compensation = self.compensation.as_mut();
            call!(radam_update(
                self.data.dtype,
                self.grad.dtype,
                self.exp_avg.dtype,
                self.data.element(start),
                self.grad.element(start),
                self.exp_avg.element(start),
                self.exp_avg_sq.element(start),
                compensation.map_or(ptr::null_mut(), |tensor| tensor.element(start)),
                (end - start) as u64,
                &options,
                step
            ));
        }
    }

    pub fn hash(&mut self, hash: &mut Hash) {
        assert!(self.data.is_finite(), "which NaN a machine makes is its own choice");
        hash.take(self.data.bytes());
    }
}

impl Drop for Loose {
    fn drop(&mut self) {
        if !self.opt.is_null() {
            radam_free(self.opt);
        }
    }
}
