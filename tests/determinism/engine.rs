//! A run as a training engine makes it, and its hash: scaled and clipped gradients, skipped steps,
//! masters and their copies, remainders, stochastic rounding, and tensors without an optimizer.

use std::ffi::CString;
use std::ops::Range;

use radam::ffi::{radam_group_options as Options, *};

use crate::driver::optimizer::Optimizer;
use crate::driver::param::Param;
use crate::driver::tensor::Tensor;
use crate::driver::{self, filled, toggle};
use crate::loose::Loose;
use crate::samples::{DTYPES, Hash, LENS, Samples};
use crate::variation::{Variation, cut};

const STEPS: u64 = 16;

/// What all tensors of a group have.
#[derive(Clone, Copy)]
pub struct Kind {
    pub dtype: radam_dtype,
    pub copy_dtype: Option<radam_dtype>,
    pub options: Options,
}

/// Random numbers depend on the parameter's name and the place of the element in it: the first kinds, which
/// have them, have names, and are whole where others are in pieces.
pub const RANDOM: usize = 2;

fn kinds(variation: &Variation) -> [Kind; 15] {
    let mut plain = filled(radam_group_options_init);
    plain.lr = learning_rate(0);
    plain.seed = 0x5eed;
    plain.for_each = variation.for_each();
    let decoupled = Options { weight_decay: 0.1, decouple_wd: RADAM_ON, ..plain };
    let f32_state = Options { state_dtype: RADAM_DTYPE_F32, ..plain };
    let wide = Options { state_dtype: RADAM_DTYPE_F32, ..decoupled };
    let kind = |dtype, options| Kind { dtype, copy_dtype: None, options };
    let decayed = |dtype| kind(dtype, Options { weight_decay: 0.01, ..plain });
    let copied = |dtype, copy_dtype| Kind { copy_dtype: Some(copy_dtype), ..decayed(dtype) };
    let [f32, f64, f16, bf16] = DTYPES;
    [
        kind(bf16, Options { stochastic_rounding: RADAM_ON, ..plain }),
        kind(bf16, Options { stochastic_rounding: RADAM_ON, ..wide }),
        kind(bf16, Options { master_remainder: RADAM_ON, ..plain }),
        kind(bf16, Options { master_remainder: RADAM_ON, ..wide }),
        copied(f32, bf16),
        copied(f32, f16),
        copied(f32, f32),
        copied(f64, bf16),
        copied(f64, f16),
        copied(f64, f32),
        kind(f32, Options { maximize: RADAM_ON, ..plain }),
        decayed(f64),
        kind(f16, decoupled),
        kind(bf16, plain),
        kind(f16, Options { kahan_sum: RADAM_OFF, ..f32_state }),
    ]
}

pub fn learning_rate(step: u64) -> f64 {
    0.01 / (1 + step % 7) as f64
}

/// A tensor with its gradient, and the ids that its pieces have.
struct Parameter {
    seed: u64,
    data: Tensor,
    grad: Tensor,
    copy: Option<Tensor>,
    name: Option<CString>,
    pieces: Vec<(usize, Range<usize>)>,
    /// Whether it has no gradient now.
    pauses: bool,
}

impl Parameter {
    fn new(seed: usize, kind: &Kind, variation: &Variation) -> Parameter {
        let grad_dtype = DTYPES[seed % 7 % DTYPES.len()];
        let len = LENS[seed % LENS.len()];
        let copy = |dtype| Tensor::at(variation.data_offset / 2, dtype, len);
        let data = Tensor::at(variation.data_offset, kind.dtype, len);
        Samples::parameters().fill(&data, 97 * seed as u64);
        Parameter {
            seed: seed as u64,
            data,
            grad: Tensor::at(variation.grad_offset, grad_dtype, len),
            copy: kind.copy_dtype.map(copy),
            name: (seed < RANDOM * TENSORS)
                .then(|| CString::new(format!("tensor {seed}")).unwrap()),
            pieces: Vec::new(),
            pauses: true,
        }
    }

    fn params(&self) -> impl Iterator<Item = Param> {
        self.pieces.iter().map(|(_, range)| Param {
            grad_dtype: self.grad.dtype,
            copy: self.copy.as_ref().map(|copy| copy.part(range.clone())),
            name: self.name.clone(),
            ..Param::new(self.data.part(range.clone()))
        })
    }

    /// Makes the gradient of a step, or none: tensors join late and pause.
    fn prepare(&mut self, optimizer: &mut Optimizer, step: u64) {
        self.pauses = step < self.seed % 3 || (step + self.seed).is_multiple_of(11);
        if !self.pauses {
            Samples::gradients().fill(&self.grad, 131 * self.seed + 1009 * step);
            if has_infinity(step) && self.seed % 5 == 2 && self.grad.len > 0 {
                self.grad.set(self.grad.len / 2, f64::NEG_INFINITY);
            }
        }
        for (id, range) in &self.pieces {
            optimizer.set_grad(*id, (!self.pauses).then(|| self.grad.part(range.clone())));
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
    let mut options = driver::step_options();
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
    options.report_norms = toggle(norms);
    options
}

fn step_with_report(
    optimizer: &mut Optimizer,
    options: &radam_step_options,
    variation: &Variation,
) -> radam_step_report {
    let mut report = filled(radam_step_report_init);
    variation.step(optimizer, options, &mut report);
    report
}

struct Run<'a> {
    variation: &'a Variation,
    optimizer: Optimizer,
    parameters: Vec<Parameter>,
    loose: Vec<Loose>,
    hash: Hash,
}

impl Run<'_> {
    fn new(variation: &Variation) -> Run<'_> {
        let kinds = kinds(variation);
        let mut order: Vec<usize> = (0..kinds.len()).collect();
        if variation.reversed {
            order.reverse();
        }
        let loose = kinds.iter().enumerate();
        let mut run = Run {
            variation,
            optimizer: variation.create(),
            parameters: Vec::new(),
            loose: loose.filter_map(|(number, kind)| Loose::new(number, kind, variation)).collect(),
            hash: Hash::new(),
        };
        for number in order {
            run.add_group(number, &kinds[number]);
        }
        run
    }

    fn add_group(&mut self, number: usize, kind: &Kind) {
        let seeds = number * TENSORS..(number + 1) * TENSORS;
        let mut parameters: Vec<Parameter> =
            seeds.map(|seed| Parameter::new(seed, kind, self.variation)).collect();
        if self.variation.reversed {
            parameters.reverse();
        }
        let pieces = if number < RANDOM { 1 } else { self.variation.pieces };
        let mut ids = self.optimizer.params.len()..;
        for parameter in &mut parameters {
            let ranges = cut(parameter.data.len, pieces);
            parameter.pieces = ranges.map(|range| (ids.next().unwrap(), range)).collect();
        }
        let params = parameters.iter().flat_map(Parameter::params);
        self.optimizer.add_group(&kind.options, params);
        self.parameters.extend(parameters);
    }

    fn step(&mut self, step: u64) {
        for group in 0..self.optimizer.groups {
            self.optimizer.set_lr(group, learning_rate(step));
        }
        self.optimizer.set_accumulation(step % 10 == 7);
        for parameter in &mut self.parameters {
            parameter.prepare(&mut self.optimizer, step);
        }
        for loose in &mut self.loose {
            loose.step(step);
        }
        let norms = self.variation.norms;
        let options = step_options(step, norms);
        let report = step_with_report(&mut self.optimizer, &options, self.variation);
        assert_eq!(report.skipped == 1, step % 6 == 4, "{step}: {report:?}");
        let clips = options.max_grad_norm > 0.0;
        assert_eq!(report.clip_coefficient < 1.0, clips, "{step}: {report:?}");
        self.hash.take(report.skipped.to_le_bytes());
        for parameter in &self.parameters {
            let is_zero = parameter.grad.bytes().iter().all(|byte| *byte == 0);
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
        for Parameter { data, copy, pieces, .. } in &self.parameters {
            self.hash.take_tensor(data);
            copy.iter().for_each(|copy| self.hash.take_tensor(copy));
            self.hash.take(self.optimizer.step_count(pieces[0].0).to_le_bytes());
            for (id, _) in pieces {
                self.hash.take(self.optimizer.state(*id, RADAM_STATE_MASTER_REMAINDER).0);
            }
        }
        for loose in &self.loose {
            self.hash.take_tensor(&loose.data);
        }
        self.hash.value()
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
    let data = Tensor::at(variation.data_offset, RADAM_DTYPE_BF16, LEN);
    let grad = Tensor::at(variation.grad_offset, RADAM_DTYPE_BF16, LEN);
    Samples::parameters().fill(&data, 0);
    Samples::gradients().fill(&grad, 0);
    let mut optimizer = variation.create();
    let mut options = filled(radam_group_options_init);
    options.lr = learning_rate(0);
    options.for_each = variation.for_each();
    optimizer.add_group(&options, [Param { grad: Some(grad), ..Param::new(data) }]);
    let report = step_with_report(&mut optimizer, &step_options(1, true), variation);
    format!("{:?}", radam_step_report { threads: 0, ..report })
}
