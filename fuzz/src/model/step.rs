//! Steps: of all parameters, of one, and of a tensor without an optimizer.

use super::Status;
use super::contents::{Array, Contents};
use super::element::{Element, Rule};
use super::exact::{Sums, sum_of_squares};
use super::number::Dtype;
use super::optimizer::Optimizer;
use super::options::Compensation;
use super::rounding::{Noise, halves, master};
use radam::ffi::*;
use std::ops::Range;

/// Elements of the pieces that are measured one by one, and of the blocks in which updates are.
const PIECE: u64 = 16384;
const BLOCK: usize = 1024;

#[derive(Clone)]
pub struct StepOptions {
    pub grad_scale: f64,
    pub max_grad_norm: f64,
    pub max_grad_value: f64,
    pub skip_nonfinite: bool,
    pub zero_grad: bool,
    pub report_norms: bool,
    pub measured: Option<Sums>,
    /// Whether gradients are measured although nothing depends on it.
    pub wants_grads: bool,
}

impl StepOptions {
    pub const PLAIN: Self = Self {
        grad_scale: 1.0,
        max_grad_norm: 0.0,
        max_grad_value: 0.0,
        skip_nonfinite: false,
        zero_grad: false,
        report_norms: false,
        measured: None,
        wants_grads: false,
    };

    pub fn measures(&self) -> bool {
        let wants = self.wants_grads || self.skip_nonfinite || self.max_grad_norm > 0.0;
        wants && self.measured.is_none()
    }

    fn clip_coefficient(&self, norm: f64) -> f64 {
        let coefficient = self.max_grad_norm / (norm + 1e-6);
        if self.max_grad_norm == 0.0 || coefficient > 1.0 { 1.0 } else { coefficient }
    }

    /// What becomes of a step with such gradients.
    fn settle(&self, sums: Option<&Sums>) -> Report {
        let grad_norm = sums.map_or(f64::NAN, |sums| sums.norm() * self.grad_scale);
        let nonfinite = sums.map_or(0, Sums::nonfinite);
        Report {
            skipped: self.skip_nonfinite && nonfinite > 0,
            nonfinite,
            grad_norm,
            clip_coefficient: sums.map_or(1.0, |_| self.clip_coefficient(grad_norm)),
            update_norm: f64::NAN,
            param_norm: f64::NAN,
            params_stepped: 0,
        }
    }
}

/// `radam_step_report` without the number of threads.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    pub skipped: bool,
    pub nonfinite: u64,
    pub grad_norm: f64,
    pub clip_coefficient: f64,
    pub update_norm: f64,
    pub param_norm: f64,
    pub params_stepped: u64,
}

/// The sums of squares of the changes and of the new values.
#[derive(Default)]
struct Norms {
    updates: Sums,
    params: Sums,
}

/// The elements of the pieces of a slice, which end at multiples of PIECE in the whole tensor.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let end = len.min(start + (PIECE - (offset + start as u64) % PIECE) as usize);
        let piece = start..end;
        start = end;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Adds a gradient that begins at this element of its tensor.
pub fn measure(contents: &Contents, grad: Array, offset: u64, sums: &mut Sums) {
    for piece in pieces(offset, grad.len) {
        sums.add_squares(contents.numbers(grad, piece));
    }
}

impl Optimizer {
    /// The parameters that `radam_step` steps, and those whose gradients it zeroes.
    fn plan(&self) -> Result<(Vec<usize>, Vec<usize>), Status> {
        let all = || self.living().filter(|(_, param)| !self.is_released(param));
        if all().any(|(_, param)| param.wants_step() && !param.has_place()) {
            return Err(RADAM_ERROR_INVALID_STATE);
        }
        let stepped = all().filter(|(_, param)| param.wants_step()).map(|(id, _)| id);
        Ok((stepped.collect(), all().map(|(id, _)| id).collect()))
    }

    pub fn measure(&self, contents: &Contents) -> Result<Sums, Status> {
        let mut sums = Sums::default();
        for param in self.plan()?.0.iter().map(|id| &self.params[*id]) {
            if let Some(grad) = param.grad {
                measure(contents, grad, param.offset(), &mut sums);
            }
        }
        Ok(sums)
    }

    /// Steps all parameters. Their counts are in `counts`, for steps that are counted later.
    pub fn step(
        &self,
        contents: &mut Contents,
        options: &StepOptions,
    ) -> Result<(Report, Vec<usize>), Status> {
        let (mut stepped, zeroed) = self.plan()?;
        let now = options.measures().then(|| self.measure(contents)).transpose()?;
        let mut report = options.settle(options.measured.as_ref().or(now.as_ref()));
        if report.skipped {
            stepped.clear();
        }
        let mut norms = Norms::default();
        for id in &stepped {
            let param = &self.params[*id];
            self.update(*id, param.data, param.grad, contents, options, &report, &mut norms);
        }
        if options.zero_grad {
            for grad in zeroed.iter().filter_map(|id| self.params[*id].grad) {
                contents.bytes_mut(grad).fill(0);
            }
        }
        report.params_stepped = stepped.len() as u64;
        report.add(options, &norms);
        Ok((report, stepped))
    }

    pub fn count_steps(&mut self, stepped: &[usize]) {
        for id in stepped {
            self.params[*id].steps = self.params[*id].steps.saturating_add(1);
        }
    }

    /// Steps a parameter of a group with gradient release, whose arguments were checked.
    pub fn step_tensor(
        &mut self,
        id: usize,
        data: Option<Array>,
        grad: Option<Array>,
        contents: &mut Contents,
        options: &StepOptions,
    ) -> Report {
        let param = &self.params[id];
        let frozen = param.frozen;
        let mut now = Sums::default();
        if let Some(grad) = grad.filter(|_| !frozen) {
            measure(contents, grad, param.offset(), &mut now);
        }
        let now = options.measures().then_some(&now);
        let mut report = options.settle(options.measured.as_ref().or(now));
        let mut norms = Norms::default();
        let steps = !report.skipped && !frozen;
        if steps {
            self.update(id, data, grad, contents, options, &report, &mut norms);
            self.count_steps(&[id]);
            report.params_stepped = 1;
        }
        if let Some(grad) = grad.filter(|_| options.zero_grad) {
            contents.bytes_mut(grad).fill(0);
        }
        report.add(options, &norms);
        report
    }

    #[allow(clippy::too_many_arguments)]
    fn update(
        &self,
        id: usize,
        data: Option<Array>,
        grad: Option<Array>,
        contents: &mut Contents,
        options: &StepOptions,
        report: &Report,
        norms: &mut Norms,
    ) {
        let param = &self.params[id];
        let (Some(data), Some(grad)) = (data, grad) else { return };
        let limit = options.max_grad_value;
        let tensor = Tensor {
            data,
            grad,
            state: param.state,
            compensation: param.kind.1,
            copy: param.copy,
            offset: param.offset(),
            name: &self.name(id),
        };
        let clip = (
            options.grad_scale * report.clip_coefficient,
            if limit > 0.0 { limit } else { f64::INFINITY },
        );
        let (group, t) = (&self.groups[param.group], param.steps.saturating_add(1));
        let measured = options.report_norms.then_some(norms);
        tensor.step(contents, group, t, self.accumulation == RADAM_ON, clip, measured);
    }
}

impl Report {
    fn add(&mut self, options: &StepOptions, norms: &Norms) {
        if options.report_norms {
            self.update_norm = norms.updates.norm();
            self.param_norm = if self.skipped { f64::NAN } else { norms.params.norm() };
        }
    }
}

/// A tensor with all that a step of it needs.
pub struct Tensor<'a> {
    pub data: Array,
    pub grad: Array,
    pub state: [Option<Array>; 3],
    pub compensation: Compensation,
    pub copy: Option<Array>,
    pub offset: u64,
    pub name: &'a str,
}

impl Tensor<'_> {
    fn step(
        &self,
        contents: &mut Contents,
        options: &radam_group_options,
        t: u64,
        accumulates: bool,
        clip: (f64, f64),
        mut norms: Option<&mut Norms>,
    ) {
        let [Some(exp_avg), Some(exp_avg_sq), third] = self.state else { return };
        let stochastic = options.stochastic_rounding == RADAM_ON;
        let in_f32 = stochastic || self.compensation == Compensation::Remainder;
        let rounded_to = if in_f32 { Dtype::F32 } else { self.data.dtype };
        let rule = Rule::new(options, (rounded_to, exp_avg.dtype), t, accumulates, clip);
        let noise = Noise::new(options.seed, self.name, t);
        for piece in pieces(self.offset, self.data.len) {
            let before: Vec<_> = contents.numbers(self.data, piece.clone()).collect();
            for index in piece.clone() {
                let has_remainder = self.compensation == Compensation::Remainder;
                let remainder = third.filter(|_| has_remainder);
                let kahan_comp = third.filter(|_| !has_remainder);
                let element = Element {
                    param: match remainder {
                        None => contents.get(self.data, index),
                        Some(remainder) => {
                            master(contents.bits(self.data, index), contents.bits(remainder, index))
                        }
                    },
                    exp_avg: contents.get(exp_avg, index),
                    exp_avg_sq: contents.get(exp_avg_sq, index),
                    kahan_comp: kahan_comp.map(|array| contents.get(array, index)),
                };
                let new = rule.step(element, contents.get(self.grad, index));
                contents.set(exp_avg, index, new.exp_avg);
                contents.set(exp_avg_sq, index, new.exp_avg_sq);
                if !rule.moves() {
                    continue;
                }
                if let (Some(array), Some(comp)) = (kahan_comp, new.kahan_comp) {
                    contents.set(array, index, comp);
                }
                match remainder {
                    Some(remainder) => {
                        let (upper, lower) = halves(new.param);
                        contents.set_bits(self.data, index, upper);
                        contents.set_bits(remainder, index, lower);
                    }
                    None if stochastic => {
                        let bits = noise.round(new.param, self.offset + index as u64);
                        contents.set_bits(self.data, index, bits);
                    }
                    None => contents.set(self.data, index, new.param),
                }
                if let Some(copy) = self.copy {
                    contents.set(copy, index, new.param);
                }
            }
            if let Some(norms) = &mut norms {
                norms.add(contents, self.data, piece, &before);
            }
        }
    }

    /// The step of `radam_update`.
    pub fn update(&self, contents: &mut Contents, options: &radam_group_options, t: u64) {
        self.step(contents, options, t, false, (1.0, f64::INFINITY), None);
    }
}

impl Norms {
    /// Adds a piece, in blocks.
    fn add(&mut self, contents: &Contents, data: Array, piece: Range<usize>, before: &[f64]) {
        let after: Vec<_> = contents.numbers(data, piece).collect();
        let (mut updates, mut params) = (0.0, 0.0);
        for (after, before) in after.chunks(BLOCK).zip(before.chunks(BLOCK)) {
            let changes = after.iter().zip(before).map(|(a, b)| a - b);
            updates += sum_of_squares(changes);
            params += sum_of_squares(after.iter().copied());
        }
        self.updates.add(updates);
        self.params.add(params);
    }
}
