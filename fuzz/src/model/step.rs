//! Steps: of all parameters, and of one.

use super::Status;
use super::contents::{Array, Contents};
use super::exact::Sums;
use super::optimizer::Optimizer;
use super::tensor::{Norms, Tensor, pieces};
use radam::ffi::*;

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
            kind: param.kind,
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
