//! Groups and parameters, and what changes them.

use super::contents::{Array, Contents};
use super::number::Dtype;
use super::options::{Kind, checked, ensure, state_kind};
use super::{Status, conversion, scalars};
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
    /// `exp_avg`, `exp_avg_sq`, `kahan_comp` or `master_remainder`, and `state_scale`.
    pub state: [Option<Array>; 4],
    /// Which of them are the caller's.
    pub given: [bool; 4],
    pub kind: Kind,
    pub name: Option<String>,
    pub given_slice: Option<(u64, u64)>,
    pub steps: u64,
    pub frozen: bool,
    pub removed: bool,
}

impl Param {
    pub fn offset(&self) -> u64 {
        self.given_slice.map_or(0, |(offset, _)| offset)
    }

    pub fn total_len(&self) -> u64 {
        self.given_slice.map_or(self.len as u64, |(_, total)| total)
    }

    /// The offset and the length of the whole tensor.
    pub fn slice(&self) -> (u64, u64) {
        (self.offset(), self.total_len())
    }

    pub fn has_place(&self) -> bool {
        self.data.is_some() || self.len == 0
    }

    pub fn wants_step(&self) -> bool {
        self.grad.is_some() && !self.frozen && !self.removed
    }

    /// The dtypes and lengths of the arrays of its state.
    pub fn state_arrays(&self) -> [Option<(Dtype, u64)>; 4] {
        self.kind.arrays(self.len as u64).map(|array| array.filter(|_| self.len > 0))
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
                let kind = state_kind(&options, param.dtype, param.slice())?;
                let stays = [true, true, kind.compensation == param.kind.compensation, true];
                let is_given = param.given.iter().zip(stays).any(|(given, stays)| *given && stays);
                let recodes = (kind.dtype, kind.coded) != (param.kind.dtype, param.kind.coded);
                if recodes && is_given {
                    return Err(RADAM_ERROR_INVALID_STATE);
                }
            }
            for param in self.params.iter_mut().filter(of_group) {
                let kind = state_kind(&options, param.dtype, param.slice())?;
                convert(param, kind, before.eps, contents, new_block);
            }
        }
        self.groups[group as usize] = options;
        Ok(())
    }

    pub fn remove(&mut self, id: u32) -> Result<(), Status> {
        let param = self.param_mut(id)?;
        param.removed = true;
        (param.data, param.grad, param.copy, param.state) = (None, None, None, [None; 4]);
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

/// Brings the state of a parameter into another kind. `eps` is that of its group before.
fn convert(
    param: &mut Param,
    kind: Kind,
    eps: f64,
    contents: &mut Contents,
    new_block: &mut dyn FnMut(&mut Contents, Dtype, usize) -> Array,
) {
    let (before, state) = (param.kind, param.state);
    if kind == before {
        return;
    }
    param.kind = kind;
    let keeps_third = kind.compensation == before.compensation;
    for (index, array) in param.state_arrays().into_iter().enumerate() {
        let is_kept = if index == 2 { keeps_third } else { kind.coded == before.coded };
        let old = state[index].filter(|_| is_kept);
        if param.given[index] && old.is_some() {
            continue; // the caller's array stays in use
        }
        param.given[index] = false;
        param.state[index] = array.map(|(dtype, len)| {
            let new = new_block(contents, dtype, len as usize);
            if let Some(old) = old {
                for element in 0..new.len {
                    let number = contents.get(old, element);
                    contents.set(new, element, number);
                }
            }
            new
        });
    }
    if kind.coded != before.coded {
        let moments = conversion::moments(contents, &state, 0..param.len, eps);
        conversion::set_moments(contents, &param.state, 0, &moments, eps);
    }
}
