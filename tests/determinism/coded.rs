//! A run with 8-bit state, and its hash.

use std::ffi::CString;
use std::ptr;

use radam::ffi::{radam_group_options as Options, *};

use crate::driver::optimizer::{NO_PARAMS, Optimizer};
use crate::driver::param::Param;
use crate::driver::tensor::Tensor;
use crate::driver::{self, filled};
use crate::samples::{Hash, Samples};
use crate::variation::Variation;

const STEPS: u64 = 16;

/// The smallest that has it, one with a short last block, and one of several chunks.
const LENS: [usize; 3] = [4096, 4097, 40_021];

fn kinds(variation: &Variation) -> [(radam_dtype, radam_dtype, Options); 11] {
    let mut plain = filled(radam_group_options_init);
    plain.state_dtype = RADAM_DTYPE_Q8;
    plain.lr = 0.01;
    plain.seed = 0x5eed;
    plain.for_each = variation.for_each();
    let l2 = Options { weight_decay: 0.01, ..plain };
    let decoupled = Options { weight_decay: 0.1, decouple_wd: RADAM_ON, ..plain };
    let (f32, f16, bf16) = (RADAM_DTYPE_F32, RADAM_DTYPE_F16, RADAM_DTYPE_BF16);
    [
        (f32, f32, plain),
        (f32, bf16, l2),
        (f32, RADAM_DTYPE_F64, decoupled),
        (f32, f32, Options { kahan_sum: RADAM_ON, maximize: RADAM_ON, ..decoupled }),
        (f32, f16, Options { rectify: RADAM_OFF, beta2: 0.999, ..l2 }),
        (bf16, bf16, decoupled),
        (bf16, f32, Options { kahan_sum: RADAM_OFF, unrectified: RADAM_OFF, ..plain }),
        (bf16, bf16, Options { master_remainder: RADAM_ON, ..decoupled }),
        (bf16, f32, Options { stochastic_rounding: RADAM_ON, ..l2 }),
        (f16, f16, plain),
        (f16, bf16, decoupled),
    ]
}

/// A tensor with its gradient, and its id.
struct Parameter {
    id: usize,
    data: Tensor,
    grad: Tensor,
    copy: Option<Tensor>,
}

/// Adds all tensors, each with a name: random numbers depend on it.
fn add(optimizer: &mut Optimizer, variation: &Variation) -> Vec<Parameter> {
    let kinds = kinds(variation);
    let mut order: Vec<_> = (0..kinds.len() * LENS.len()).collect();
    if variation.reversed {
        order.reverse();
    }
    for (_, _, options) in &kinds {
        optimizer.add_group(options, NO_PARAMS);
    }
    let mut parameters: Vec<_> = order.iter().map(|_| None).collect();
    for number in order {
        let (kind, len) = (number / LENS.len(), LENS[number % LENS.len()]);
        let (dtype, grad_dtype, _) = kinds[kind];
        let data = Tensor::at(variation.data_offset, dtype, len);
        let grad = Tensor::at(variation.grad_offset, grad_dtype, len);
        let copy = (kind == 0).then(|| Tensor::at(variation.data_offset, RADAM_DTYPE_BF16, len));
        Samples::parameters().fill(&data, 97 * number as u64);
        let param = Param {
            grad: Some(grad.whole()),
            grad_dtype,
            copy: copy.as_ref().map(Tensor::whole),
            name: Some(CString::new(format!("tensor {number}")).unwrap()),
            ..Param::new(data.whole())
        };
        let id = optimizer.add_param(kind as u32, param);
        parameters[number] = Some(Parameter { id, data, grad, copy });
    }
    parameters.into_iter().flatten().collect()
}

/// The hash of the whole run: of parameters, copies and all arrays of the state.
pub fn hash_of(variation: &Variation) -> u64 {
    let mut optimizer = variation.create();
    let parameters = add(&mut optimizer, variation);
    for step in 1..=STEPS {
        for (number, parameter) in parameters.iter().enumerate() {
            Samples::gradients().fill(&parameter.grad, 131 * number as u64 + 1009 * step);
        }
        optimizer.set_accumulation(step % 10 == 7);
        let mut options = driver::step_options();
        if step % 3 == 1 {
            (options.grad_scale, options.max_grad_value) = (0.7, 0.125);
        }
        options.max_grad_norm = if step % 4 == 2 { 100.0 } else { 0.0 };
        variation.step(&mut optimizer, &options, ptr::null_mut());
    }
    let mut hash = Hash::new();
    for Parameter { id, data, copy, .. } in &parameters {
        hash.take_tensor(data);
        copy.iter().for_each(|copy| hash.take_tensor(copy));
        for array in [
            RADAM_STATE_EXP_AVG,
            RADAM_STATE_EXP_AVG_SQ,
            RADAM_STATE_SCALE,
            RADAM_STATE_KAHAN_COMP,
            RADAM_STATE_MASTER_REMAINDER,
        ] {
            hash.take(optimizer.state(*id, array).0);
        }
    }
    hash.value()
}
