//! Groups and parameters, and what changes them.

use super::contents::{Array, Contents};
use super::number::Dtype;
use super::options::{Compensation, checked, ensure, state_kind};
use super::{Status, scalars};
use radam::ffi::*;

#[derive(Clone, Debug)]
pub struct Optimizer {
    pub groups: Vec<radam_group_options>,
    pub params: Vec<Param>,
    pub accumulation: radam_toggle,
}

#[derive(Clone, Debug)]
pub struct Param {
    pub group: usize,
    pub dtype: Dtype,
    pub grad_dtype: Dtype,
    pub len: usize,
    pub data: Option<Array>,
    pub grad: Option<Array>,
    pub copy: Option<Array>,
    pub copy_dtype: Dtype,
    /// `exp_avg`, `exp_avg_sq`, and `kahan_comp` or `master_remainder`.
    pub state: [Option<Array>; 3],
    /// Which of them are the caller's.
    pub given: [bool; 3],
    pub kind: (Dtype, Compensation),
    pub name: Option<String>,
    pub slice: Option<(u64, u64)>,
    pub steps: u64,
    pub frozen: bool,
    pub removed: bool,
}

impl Param {
    pub fn offset(&self) -> u64 {
        self.slice.map_or(0, |(offset, _)| offset)
    }

    pub fn total_len(&self) -> u64 {
        self.slice.map_or(self.len as u64, |(_, total)| total)
    }

    pub fn has_place(&self) -> bool {
        self.data.is_some() || self.len == 0
    }

    pub fn wants_step(&self) -> bool {
        self.grad.is_some() && !self.frozen && !self.removed
    }

    /// The dtypes of the arrays of its state.
    pub fn state_dtypes(&self) -> [Option<Dtype>; 3] {
        let (dtype, compensation) = self.kind;
        let third = match compensation {
            Compensation::None => None,
            Compensation::Kahan => Some(dtype),
            Compensation::Remainder => Some(Dtype::I16),
        };
        [Some(dtype), Some(dtype), third]
    }

    pub fn arrays(&self) -> impl Iterator<Item = Array> {
        [self.data, self.grad, self.copy].into_iter().chain(self.state).flatten()
    }
}

/// How a parameter of this id is called.
pub fn name_of(name: &Option<String>, id: usize) -> String {
    name.clone().unwrap_or_else(|| format!("param.{id}"))
}

impl Optimizer {
    pub fn new() -> Self {
        Self { groups: Vec::new(), params: Vec::new(), accumulation: RADAM_OFF }
    }

    pub fn param(&self, id: u32) -> Result<&Param, Status> {
        let param = self.params.get(id as usize).filter(|param| !param.removed);
        param.ok_or(RADAM_ERROR_INVALID_ARGUMENT)
    }

    pub fn param_mut(&mut self, id: u32) -> Result<&mut Param, Status> {
        let param = self.params.get_mut(id as usize).filter(|param| !param.removed);
        param.ok_or(RADAM_ERROR_INVALID_ARGUMENT)
    }

    pub fn group(&self, id: u32) -> Result<&radam_group_options, Status> {
        self.groups.get(id as usize).ok_or(RADAM_ERROR_INVALID_ARGUMENT)
    }

    pub fn living(&self) -> impl Iterator<Item = (usize, &Param)> {
        self.params.iter().enumerate().filter(|(_, param)| !param.removed)
    }

    pub fn name(&self, id: usize) -> String {
        name_of(&self.params[id].name, id)
    }

    pub fn is_released(&self, param: &Param) -> bool {
        self.groups[param.group].gradient_release == RADAM_ON
    }

    pub fn report(&self, group: u32) -> Result<radam_group_report, Status> {
        let options = self.group(group)?;
        let steps = self.params.iter().filter(|param| param.group == group as usize);
        let t = steps.map(|param| param.steps.saturating_add(1)).max().unwrap_or(1);
        Ok(scalars::report(options, t))
    }

    pub fn set_lr(&mut self, group: u32, lr: f64) -> Result<(), Status> {
        self.set_scalar(group, lr, |options| &mut options.lr)
    }

    pub fn set_weight_decay(&mut self, group: u32, decay: f64) -> Result<(), Status> {
        self.set_scalar(group, decay, |options| &mut options.weight_decay)
    }

    fn set_scalar(
        &mut self,
        group: u32,
        value: f64,
        field: fn(&mut radam_group_options) -> &mut f64,
    ) -> Result<(), Status> {
        self.group(group)?;
        ensure(value >= 0.0 && value.is_finite())?;
        *field(&mut self.groups[group as usize]) = value;
        Ok(())
    }

    /// `new_block` is where an array of the state is from now on that the library allocates.
    pub fn set_options(
        &mut self,
        group: u32,
        options: radam_group_options,
        contents: &mut Contents,
        new_block: &mut dyn FnMut(&mut Contents, Dtype, usize) -> Array,
    ) -> Result<(), Status> {
        let before = *self.group(group)?;
        let options = checked(options)?;
        let of_group = |param: &&mut Param| param.group == group as usize && !param.removed;
        if state_options(&options) != state_options(&before) {
            for param in self.params.iter_mut().filter(of_group) {
                let (dtype, compensation) = state_kind(&options, param.dtype)?;
                let stays = [true, true, compensation == param.kind.1];
                let is_given = param.given.iter().zip(stays).any(|(given, stays)| *given && stays);
                if dtype != param.kind.0 && is_given {
                    return Err(RADAM_ERROR_INVALID_STATE);
                }
            }
            for param in self.params.iter_mut().filter(of_group) {
                let kind = state_kind(&options, param.dtype)?;
                convert(param, kind, contents, new_block);
            }
        }
        self.groups[group as usize] = options;
        Ok(())
    }

    pub fn remove(&mut self, id: u32) -> Result<(), Status> {
        let param = self.param_mut(id)?;
        param.removed = true;
        (param.data, param.grad, param.copy, param.state) = (None, None, None, [None; 3]);
        (param.steps, param.frozen) = (0, false);
        Ok(())
    }

    /// Of all parameters without an id.
    pub fn reset(&mut self, id: Option<u32>, contents: &mut Contents) -> Result<(), Status> {
        if let Some(id) = id {
            self.param(id)?;
        }
        let chosen = |index: usize| id.is_none_or(|id| id as usize == index);
        for (_, param) in self.params.iter_mut().enumerate().filter(|(index, _)| chosen(*index)) {
            param.steps = 0;
            for array in param.state.into_iter().flatten() {
                contents.bytes_mut(array).fill(0);
            }
        }
        Ok(())
    }

    pub fn zero_grad(&self, contents: &mut Contents) {
        for (_, param) in self.living().filter(|(_, param)| !self.is_released(param)) {
            if let Some(grad) = param.grad {
                contents.bytes_mut(grad).fill(0);
            }
        }
    }
}

fn state_options(options: &radam_group_options) -> (radam_dtype, [radam_toggle; 3]) {
    let ways = [options.kahan_sum, options.master_remainder, options.stochastic_rounding];
    (options.state_dtype, ways)
}

/// Brings the state of a parameter into another kind.
fn convert(
    param: &mut Param,
    kind: (Dtype, Compensation),
    contents: &mut Contents,
    new_block: &mut dyn FnMut(&mut Contents, Dtype, usize) -> Array,
) {
    if kind == param.kind {
        return;
    }
    let keeps_third = kind.1 == param.kind.1;
    param.kind = kind;
    for (index, dtype) in param.state_dtypes().into_iter().enumerate() {
        let before = param.state[index].filter(|_| index < 2 || keeps_third);
        if param.given[index] && before.is_some() {
            continue; // the caller's array stays in use
        }
        param.given[index] = false;
        param.state[index] = dtype.filter(|_| param.len > 0).map(|dtype| {
            let new = new_block(contents, dtype, param.len);
            if let Some(before) = before {
                for element in 0..param.len {
                    let number = contents.get(before, element);
                    contents.set(new, element, number);
                }
            }
            new
        });
    }
}
