//! A long mixed run through the C functions, and its hash.

use std::mem;
use std::ops::Range;
use std::ptr;

use radam::ffi::*;

use crate::tensor::{DTYPES, Hash, LENS, Samples, Tensor};
use crate::variation::{Variation, call};

const STEPS: u64 = 40;
/// One kind of group: options that the groups of all dtypes share.
#[derive(Clone, Copy)]
struct Kind {
    weight_decay: f64,
    decouple_wd: radam_toggle,
    decouple_lr: radam_toggle,
    kahan_sum: radam_toggle,
    maximize: radam_toggle,
    rectify: radam_toggle,
    gradient_release: radam_toggle,
    state_dtype: radam_dtype,
    beta2: f64,
}

const PLAIN: Kind = Kind {
    weight_decay: 0.0,
    decouple_wd: RADAM_AUTO,
    decouple_lr: RADAM_AUTO,
    kahan_sum: RADAM_AUTO,
    maximize: RADAM_AUTO,
    rectify: RADAM_AUTO,
    gradient_release: RADAM_AUTO,
    state_dtype: 0,
    beta2: 0.99,
};

const KINDS: [Kind; 8] = [
    PLAIN,
    Kind { weight_decay: 0.01, ..PLAIN },
    Kind { weight_decay: 0.1, decouple_wd: RADAM_ON, kahan_sum: RADAM_ON, ..PLAIN },
    Kind { weight_decay: 1e-3, decouple_lr: RADAM_ON, kahan_sum: RADAM_OFF, ..PLAIN },
    Kind { state_dtype: RADAM_DTYPE_F32, kahan_sum: RADAM_ON, ..PLAIN },
    Kind { state_dtype: RADAM_DTYPE_F32, kahan_sum: RADAM_OFF, weight_decay: 0.01, ..PLAIN },
    Kind { maximize: RADAM_ON, rectify: RADAM_OFF, beta2: 0.999, ..PLAIN },
    Kind { gradient_release: RADAM_ON, beta2: 0.5, weight_decay: 0.01, ..PLAIN },
];

/// One tensor with its gradient, and the ids that its pieces have.
struct Parameter {
    seed: u64,
    group: u32,
    released: bool,
    data: Tensor,
    grad: Tensor,
    pieces: Vec<(u32, Range<usize>)>,
}

struct Run {
    opt: *mut radam_optimizer,
    parameters: Vec<Parameter>,
}

impl Run {
    fn new(variation: &Variation) -> Run {
        let opt = variation.create();
        let mut run = Run { opt, parameters: Vec::new() };
        for (number, kind) in KINDS.iter().enumerate() {
            run.add_group(number, kind, variation);
        }
        if variation.reversed {
            run.parameters.reverse();
        }
        for parameter in &mut run.parameters {
            parameter.register(opt, variation.pieces);
        }
        run
    }

    fn add_group(&mut self, number: usize, kind: &Kind, variation: &Variation) {
        // SAFETY: the struct is made of numbers, so it may be zeros.
        let mut options: radam_group_options = unsafe { mem::zeroed() };
        // What each group is for is by dtype, since a group may ask for one state dtype only.
        for (index, dtype) in DTYPES.into_iter().enumerate() {
            call!(radam_group_options_init(&mut options, size_of::<radam_group_options>() as u32));
            options.lr = 0.01;
            options.beta2 = kind.beta2;
            options.weight_decay = kind.weight_decay;
            options.decouple_wd = kind.decouple_wd;
            options.decouple_lr = kind.decouple_lr;
            options.kahan_sum = kind.kahan_sum;
            options.maximize = kind.maximize;
            options.rectify = kind.rectify;
            options.gradient_release = kind.gradient_release;
            options.state_dtype = kind.state_dtype;
            options.for_each = if variation.for_each { RADAM_AUTO } else { RADAM_OFF };
            let mut group = 0;
            call!(radam_add_param_group(self.opt, &options, ptr::null(), 0, &mut group));
            for tensor in 0..3 {
                let seed = (number * DTYPES.len() + index) * 3 + tensor;
                let grad_dtype = DTYPES[(index + seed % 5) % DTYPES.len()];
                let len = LENS[seed % LENS.len()];
                self.parameters.push(Parameter::new(
                    seed as u64,
                    group,
                    kind.gradient_release == RADAM_ON,
                    Tensor::new(dtype, len, variation.data_offset),
                    Tensor::new(grad_dtype, len, variation.grad_offset),
                ));
            }
        }
    }

    fn step(&mut self, step: u64, variation: &Variation) {
        let Run { opt, parameters } = self;
        let groups = (KINDS.len() * DTYPES.len()) as u32;
        for group in 0..groups {
            call!(radam_set_lr(*opt, group, 0.01 / (1 + step % 7) as f64));
        }
        let accumulates = if step % 5 == 3 { RADAM_ON } else { RADAM_OFF };
        call!(radam_set_optimizer_accumulation(*opt, accumulates));
        if step == 20 {
            call!(radam_set_state_dtype(*opt, 2, RADAM_DTYPE_F32)); // f16 with f32 state from now on
            call!(radam_set_kahan_sum(*opt, 3, RADAM_OFF)); // and bf16 without its compensation
        }
        for parameter in parameters.iter_mut() {
            parameter.prepare(*opt, step);
        }
        variation.step(*opt, ptr::null(), ptr::null_mut());
    }

    /// Over the parameters and their step counts, in the order of the tensors.
    fn hash(&mut self) -> u64 {
        let mut hash = Hash::new();
        self.parameters.sort_by_key(|parameter| parameter.seed);
        for parameter in &mut self.parameters {
            assert!(parameter.data.is_finite(), "which NaN a machine makes is its own choice");
            hash.take(parameter.data.bytes());
            for (id, _) in parameter.pieces.iter().take(1) {
                let mut steps = 0;
                call!(radam_step_count(self.opt, *id, &mut steps));
                hash.take(steps.to_le_bytes());
            }
        }
        hash.value()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        radam_free(self.opt);
    }
}

impl Parameter {
    fn new(seed: u64, group: u32, released: bool, data: Tensor, grad: Tensor) -> Parameter {
        let mut parameter = Parameter { seed, group, released, data, grad, pieces: Vec::new() };
        parameter.data.fill(Samples::parameters(), 97 * seed);
        parameter
    }

    fn register(&mut self, opt: *mut radam_optimizer, pieces: usize) {
        let (dtype, grad_dtype) = (self.data.dtype, self.grad.dtype);
        for piece in 0..pieces {
            let range = self.data.len * piece / pieces..self.data.len * (piece + 1) / pieces;
            let data = self.data.element(range.start);
            let (len, mut id) = (range.len() as u64, 0);
            let grad = ptr::null_mut();
            let name = ptr::null();
            call!(radam_add_param(
                opt, self.group, dtype, grad_dtype, data, grad, len, name, &mut id
            ));
            self.pieces.push((id, range));
        }
    }

    /// Makes the gradient of a step, or none: tensors join late and pause.
    fn prepare(&mut self, opt: *mut radam_optimizer, step: u64) {
        let joins = self.seed % 4;
        let pauses = step < joins || (step + self.seed).is_multiple_of(11);
        if !pauses {
            self.grad.fill(Samples::gradients(), 131 * self.seed + 1009 * step);
        }
        for (id, range) in &self.pieces {
            let grad = if pauses { ptr::null_mut() } else { self.grad.element(range.start) };
            if !self.released {
                call!(radam_set_grad(opt, *id, grad));
            } else if !pauses {
                call!(radam_step_param(opt, *id, grad));
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
