//! A run as a training engine makes it, and its hash: scaled and clipped gradients, skipped steps,
//! masters and their copies, remainders, stochastic rounding, and tensors without an optimizer.

use std::ffi::CString;
use std::mem;
use std::ops::Range;
use std::{ptr, slice};

use radam::ffi::*;

use crate::loose::Loose;
use crate::tensor::{DTYPES, Hash, LENS, Samples, Tensor};
use crate::variation::{Variation, call};

const STEPS: u64 = 16;

/// One group: what all its tensors have.
#[derive(Clone, Copy)]
pub struct Kind {
    pub dtype: radam_dtype,
    pub out_dtype: Option<radam_dtype>,
    state_dtype: radam_dtype,
    kahan_sum: radam_toggle,
    master_remainder: radam_toggle,
    stochastic_rounding: radam_toggle,
    weight_decay: f64,
    decouple_wd: radam_toggle,
    maximize: radam_toggle,
}

const fn plain(dtype: radam_dtype) -> Kind {
    Kind {
        dtype,
        out_dtype: None,
        state_dtype: 0,
        kahan_sum: RADAM_AUTO,
        master_remainder: RADAM_AUTO,
        stochastic_rounding: RADAM_AUTO,
        weight_decay: 0.0,
        decouple_wd: RADAM_AUTO,
        maximize: RADAM_AUTO,
    }
}

const fn copied(dtype: radam_dtype, out_dtype: radam_dtype) -> Kind {
    Kind { out_dtype: Some(out_dtype), weight_decay: 0.01, ..plain(dtype) }
}

const REMAINDER: Kind = Kind { master_remainder: RADAM_ON, ..plain(RADAM_DTYPE_BF16) };
const STOCHASTIC: Kind = Kind { stochastic_rounding: RADAM_ON, ..plain(RADAM_DTYPE_BF16) };

/// Random numbers depend on the parameter's name and the place of the element in it: the first kinds, which
/// have them, have names, and are whole where others are in pieces.
pub const RANDOM: usize = 2;

pub const KINDS: [Kind; 15] = [
    STOCHASTIC,
    Kind { state_dtype: RADAM_DTYPE_F32, weight_decay: 0.1, decouple_wd: RADAM_ON, ..STOCHASTIC },
    REMAINDER,
    Kind { state_dtype: RADAM_DTYPE_F32, weight_decay: 0.1, decouple_wd: RADAM_ON, ..REMAINDER },
    copied(RADAM_DTYPE_F32, RADAM_DTYPE_BF16),
    copied(RADAM_DTYPE_F32, RADAM_DTYPE_F16),
    copied(RADAM_DTYPE_F32, RADAM_DTYPE_F32),
    copied(RADAM_DTYPE_F64, RADAM_DTYPE_BF16),
    copied(RADAM_DTYPE_F64, RADAM_DTYPE_F16),
    copied(RADAM_DTYPE_F64, RADAM_DTYPE_F32),
    Kind { maximize: RADAM_ON, ..plain(RADAM_DTYPE_F32) },
    Kind { weight_decay: 0.01, ..plain(RADAM_DTYPE_F64) },
    Kind { weight_decay: 0.1, decouple_wd: RADAM_ON, ..plain(RADAM_DTYPE_F16) },
    plain(RADAM_DTYPE_BF16),
    Kind { kahan_sum: RADAM_OFF, state_dtype: RADAM_DTYPE_F32, ..plain(RADAM_DTYPE_F16) },
];

impl Kind {
    pub fn options(&self, lr: f64, for_each: bool) -> radam_group_options {
        // SAFETY: the struct is made of numbers, so it may be zeros.
        let mut options: radam_group_options = unsafe { mem::zeroed() };
        call!(radam_group_options_init(&mut options, size_of::<radam_group_options>() as u32));
        options.lr = lr;
        options.state_dtype = self.state_dtype;
        options.kahan_sum = self.kahan_sum;
        options.master_remainder = self.master_remainder;
        options.stochastic_rounding = self.stochastic_rounding;
        options.seed = 0x5eed;
        options.weight_decay = self.weight_decay;
        options.decouple_wd = self.decouple_wd;
        options.maximize = self.maximize;
        options.for_each = if for_each { RADAM_AUTO } else { RADAM_OFF };
        options
    }

    /// What `kahan_comp` is made of, if it is wanted.
    pub fn compensation_dtype(&self) -> Option<radam_dtype> {
        let short = matches!(self.dtype, RADAM_DTYPE_F16 | RADAM_DTYPE_BF16);
        if self.master_remainder == RADAM_ON {
            Some(RADAM_DTYPE_BF16) // as large
        } else if short && self.stochastic_rounding != RADAM_ON && self.kahan_sum != RADAM_OFF {
            Some(self.actual_state_dtype())
        } else {
            None
        }
    }

    pub fn actual_state_dtype(&self) -> radam_dtype {
        if self.state_dtype == 0 { self.dtype } else { self.state_dtype }
    }
}

pub fn learning_rate(step: u64) -> f64 {
    0.01 / (1 + step % 7) as f64
}

/// A tensor with its gradient, and the ids that its pieces have.
struct Parameter {
    seed: u64,
    data: Tensor,
    grad: Tensor,
    out: Option<Tensor>,
    name: Option<CString>,
    pieces: Vec<(u32, Range<usize>)>,
    /// Whether it has no gradient now.
    pauses: bool,
}

impl Parameter {
    fn new(kind: usize, tensor: usize, variation: &Variation) -> Parameter {
        let seed = kind * TENSORS + tensor;
        let grad_dtype = DTYPES[seed % 7 % DTYPES.len()];
        let Kind { dtype, out_dtype, .. } = KINDS[kind];
        let len = LENS[seed % LENS.len()];
        let mut data = Tensor::new(dtype, len, variation.data_offset);
        data.fill(Samples::parameters(), 97 * seed as u64);
        Parameter {
            seed: seed as u64,
            data,
            grad: Tensor::new(grad_dtype, len, variation.grad_offset),
            out: out_dtype.map(|dtype| Tensor::new(dtype, len, variation.data_offset / 2)),
            name: (kind < RANDOM).then(|| CString::new(format!("tensor {seed}")).unwrap()),
            pieces: Vec::new(),
            pauses: true,
        }
    }

    /// What the library is told of the pieces.
    fn describe(&mut self) -> Vec<radam_param> {
        let describe = |(_, range): &(u32, Range<usize>)| {
            // SAFETY: the struct is made of numbers and pointers, so it may be zeros.
            let mut param: radam_param = unsafe { mem::zeroed() };
            call!(radam_param_init(&mut param, size_of::<radam_param>() as u32));
            param.dtype = self.data.dtype;
            param.grad_dtype = self.grad.dtype;
            param.len = range.len() as u64;
            param.data = self.data.element(range.start);
            param.name = self.name.as_ref().map_or(ptr::null(), |name| name.as_ptr());
            if let Some(out) = &mut self.out {
                param.out = out.element(range.start);
                param.out_dtype = out.dtype;
            }
            param
        };
        self.pieces.iter().map(describe).collect()
    }

    /// Makes the gradient of a step, or none: tensors join late and pause.
    fn prepare(&mut self, opt: *mut radam_optimizer, step: u64) {
        self.pauses = step < self.seed % 3 || (step + self.seed).is_multiple_of(11);
        if !self.pauses {
            self.grad.fill(Samples::gradients(), 131 * self.seed + 1009 * step);
            if has_infinity(step) && self.seed % 5 == 2 && self.grad.len > 0 {
                self.grad.set(self.grad.len / 2, f64::NEG_INFINITY);
            }
        }
        for (id, range) in &self.pieces {
            let grad = if self.pauses { ptr::null_mut() } else { self.grad.element(range.start) };
            call!(radam_set_grad(opt, *id, grad));
        }
    }

    fn hash(&mut self, hash: &mut Hash) {
        for tensor in [Some(&mut self.data), self.out.as_mut()].into_iter().flatten() {
            assert!(tensor.is_finite(), "which NaN a machine makes is its own choice");
            hash.take(tensor.bytes());
        }
    }
}

/// Tensors of each kind.
const TENSORS: usize = 4;

/// In some of these steps, infinite values make the step be skipped; in the others they are limited.
fn has_infinity(step: u64) -> bool {
    matches!(step % 6, 4 | 5)
}

/// What a step does to the gradients, without and with norms.
fn step_options(step: u64, norms: bool) -> radam_step_options {
    // SAFETY: the struct is made of numbers, so it may be zeros.
    let mut options: radam_step_options = unsafe { mem::zeroed() };
    call!(radam_step_options_init(&mut options, size_of::<radam_step_options>() as u32));
    let max_grad_norm = if norms { 100.0 } else { 0.0 };
    match step % 6 {
        0 => options.grad_scale = 1.0 / 1024.0,
        1 => options.max_grad_norm = max_grad_norm,
        2 => (options.max_grad_value, options.zero_grad) = (0.25, RADAM_ON),
        3 => {
            options.grad_scale = 0.7;
            options.max_grad_norm = max_grad_norm;
            options.max_grad_value = 0.125;
            options.skip_nonfinite = RADAM_ON;
        }
        4 => (options.skip_nonfinite, options.zero_grad) = (RADAM_ON, RADAM_ON),
        _ => (options.grad_scale, options.max_grad_value) = (3.0, 1.5),
    }
    options.report_norms = if norms { RADAM_ON } else { RADAM_OFF };
    options
}

fn step_with_report(
    opt: *mut radam_optimizer,
    options: &radam_step_options,
    variation: &Variation,
) -> radam_step_report {
    // SAFETY: the struct is made of numbers, so it may be zeros.
    let mut report: radam_step_report = unsafe { mem::zeroed() };
    call!(radam_step_report_init(&mut report, size_of::<radam_step_report>() as u32));
    variation.step(opt, options, &mut report);
    report
}

struct Run<'a> {
    variation: &'a Variation,
    opt: *mut radam_optimizer,
    parameters: Vec<Parameter>,
    loose: Vec<Loose>,
    hash: Hash,
}

impl Run<'_> {
    fn new(variation: &Variation) -> Run<'_> {
        let mut order: Vec<usize> = (0..KINDS.len()).collect();
        if variation.reversed {
            order.reverse();
        }
        let mut run = Run {
            variation,
            opt: variation.create(),
            parameters: Vec::new(),
            loose: (0..KINDS.len()).filter_map(|kind| Loose::new(kind, variation)).collect(),
            hash: Hash::new(),
        };
        for kind in order {
            run.add_group(kind);
        }
        run
    }

    fn add_group(&mut self, kind: usize) {
        let mut parameters: Vec<Parameter> =
            (0..TENSORS).map(|tensor| Parameter::new(kind, tensor, self.variation)).collect();
        if self.variation.reversed {
            parameters.reverse();
        }
        let pieces = if kind < RANDOM { 1 } else { self.variation.pieces };
        let mut next_id =
            self.parameters.iter().map(|parameter| parameter.pieces.len()).sum::<usize>();
        let mut described = Vec::new();
        for parameter in &mut parameters {
            let len = parameter.data.len;
            for piece in 0..pieces {
                let range = len * piece / pieces..len * (piece + 1) / pieces;
                parameter.pieces.push((next_id as u32, range));
                next_id += 1;
            }
            described.extend(parameter.describe());
        }
        let options = KINDS[kind].options(learning_rate(0), self.variation.for_each);
        let (params, count) = (described.as_ptr(), described.len() as u64);
        call!(radam_add_param_group(self.opt, &options, params, count, ptr::null_mut()));
        self.parameters.extend(parameters);
    }

    fn step(&mut self, step: u64) {
        for group in 0..KINDS.len() as u32 {
            call!(radam_set_lr(self.opt, group, learning_rate(step)));
        }
        let accumulates = if step % 10 == 7 { RADAM_ON } else { RADAM_OFF };
        call!(radam_set_optimizer_accumulation(self.opt, accumulates));
        for parameter in &mut self.parameters {
            parameter.prepare(self.opt, step);
        }
        for loose in &mut self.loose {
            loose.step(step);
        }
        let norms = self.variation.norms;
        let options = step_options(step, norms);
        let report = step_with_report(self.opt, &options, self.variation);
        assert_eq!(report.skipped == 1, step % 6 == 4, "{step}: {report:?}");
        let clips = options.max_grad_norm > 0.0;
        assert_eq!(report.clip_coefficient < 1.0, clips, "{step}: {report:?}");
        self.hash.take(report.skipped.to_le_bytes());
        for parameter in &self.parameters {
            let is_zero = parameter.grad.bytes().all(|byte| byte == 0);
            let zeroes = options.zero_grad == RADAM_ON && !parameter.pauses;
            assert!(is_zero || !zeroes, "{step}: the gradients of {} stay", parameter.seed);
        }
        if norms {
            self.hash.take(report.nonfinite.to_le_bytes());
            let radam_step_report { grad_norm, clip_coefficient, update_norm, param_norm, .. } =
                report;
            for value in [grad_norm, clip_coefficient, update_norm, param_norm] {
                self.hash.take(if value.is_nan() { f64::NAN } else { value }.to_le_bytes());
            }
        }
    }

    fn hash(mut self) -> u64 {
        self.parameters.sort_by_key(|parameter| parameter.seed);
        for parameter in &mut self.parameters {
            parameter.hash(&mut self.hash);
            let mut steps = 0;
            call!(radam_step_count(self.opt, parameter.pieces[0].0, &mut steps));
            self.hash.take(steps.to_le_bytes());
            for (id, range) in &parameter.pieces {
                self.hash.take(remainder(self.opt, *id, range.len()));
            }
        }
        for loose in &mut self.loose {
            loose.hash(&mut self.hash);
        }
        self.hash.value()
    }
}

/// The bytes of a parameter's remainder, which do not show in the parameter; none if it has none.
fn remainder(opt: *mut radam_optimizer, id: u32, len: usize) -> Vec<u8> {
    let mut array = ptr::null_mut();
    let which = RADAM_STATE_MASTER_REMAINDER;
    call!(radam_param_state(opt, id, which, &mut array, ptr::null_mut()));
    if array.is_null() {
        return Vec::new();
    }
    // SAFETY: the array is as long as the parameter, and nothing steps meanwhile.
    unsafe { slice::from_raw_parts(array.cast::<u8>(), len * size_of::<i16>()) }.to_vec()
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        radam_free(self.opt);
    }
}

/// The hash of the whole run.
pub fn hash_of(variation: &Variation) -> u64 {
    let mut run = Run::new(variation);
    for step in 1..=STEPS {
        run.step(step);
    }
    run.hash()
}

/// The report of one step of so many parameters that threads which sleep are woken to measure them.
pub fn report_of_many(variation: &Variation) -> String {
    const LEN: usize = 1_200_000;
    let mut data = Tensor::new(RADAM_DTYPE_BF16, LEN, variation.data_offset);
    let mut grad = Tensor::new(RADAM_DTYPE_BF16, LEN, variation.grad_offset);
    data.fill(Samples::parameters(), 0);
    grad.fill(Samples::gradients(), 0);
    let opt = variation.create();
    let options = plain(RADAM_DTYPE_BF16).options(learning_rate(0), variation.for_each);
    call!(radam_add_param_group(opt, &options, ptr::null(), 0, ptr::null_mut()));
    let (dtype, name, id) = (RADAM_DTYPE_BF16, ptr::null(), ptr::null_mut());
    let (data, grad) = (data.element(0), grad.element(0));
    call!(radam_add_param(opt, 0, dtype, dtype, data, grad, LEN as u64, name, id));
    let report = step_with_report(opt, &step_options(1, true), variation);
    call!(radam_free(opt));
    format!("{report:?}")
}
