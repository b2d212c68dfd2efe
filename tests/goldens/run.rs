//! How the library is made to run a set.

use radam::ffi::*;

use crate::cases::{CHECKPOINTS, Decay, Dtype, STEPS, Set, Trajectory};
use crate::driver::optimizer::Optimizer;
use crate::driver::param::Param;
use crate::driver::tensor::Tensor;
use crate::driver::{filled, toggle};

/// What copies are before the library writes them; exact in every dtype.
pub const UNWRITTEN: f64 = -96.0;

/// How a set is to be run.
#[derive(Clone)]
pub struct Run<'a> {
    pub set: &'a Set,
    pub decay: Decay,
    pub weight_decay: f64,
    pub dtype: Dtype,
    pub grad_dtype: Dtype,
    pub state_dtype: radam_dtype,
    pub kahan_sum: radam_toggle,
    pub master_remainder: bool,
    pub stochastic_rounding: bool,
    pub gradient_release: bool,
    /// What each parameter is copied to.
    pub copy: Option<Dtype>,
}

impl<'a> Run<'a> {
    /// With every default of the library.
    pub fn new(set: &'a Set, decay: Decay, dtype: Dtype) -> Self {
        Run {
            set,
            decay,
            weight_decay: set.weight_decay(decay),
            dtype,
            grad_dtype: dtype,
            state_dtype: 0,
            kahan_sum: RADAM_AUTO,
            master_remainder: false,
            stochastic_rounding: false,
            gradient_release: false,
            copy: None,
        }
    }

    pub fn group_options(&self) -> radam_group_options {
        let mut options = filled(radam_group_options_init);
        options.lr = self.set.lr_at(1);
        options.beta1 = self.set.beta1;
        options.beta2 = self.set.beta2;
        options.eps = self.set.eps;
        options.weight_decay = self.weight_decay;
        options.decouple_wd = toggle(self.decay == Decay::Decoupled);
        options.decouple_lr = toggle(self.decay == Decay::FullyDecoupled);
        if self.set.scheduled {
            options.max_lr = self.set.max_lr; // otherwise its default, lr, is put to the test
        }
        options.kahan_sum = self.kahan_sum;
        options.master_remainder = toggle(self.master_remainder);
        options.stochastic_rounding = toggle(self.stochastic_rounding);
        options.state_dtype = self.state_dtype;
        options.rectify = toggle(self.set.rectify);
        options.maximize = toggle(self.set.maximize);
        options.rectify_threshold = self.set.threshold;
        options.unrectified = toggle(self.set.unrectified);
        options.gradient_release = toggle(self.gradient_release);
        options
    }

    /// A parameter that has no gradient yet.
    pub fn param(&self, values: &[f64]) -> Param {
        let unwritten = vec![UNWRITTEN; values.len()];
        Param {
            grad_dtype: self.grad_dtype.constant(),
            copy: self.copy.map(|dtype| Tensor::of(dtype.constant(), &unwritten)),
            ..Param::new(Tensor::of(self.dtype.constant(), values))
        }
    }

    /// An optimizer with one group, of parameters that have no gradients yet.
    pub fn optimizer_of(&self, tensors: &[&[f64]]) -> Optimizer {
        Optimizer::of(&self.group_options(), tensors.iter().map(|values| self.param(values)))
    }

    /// The same without parameters.
    pub fn optimizer(&self) -> Optimizer {
        self.optimizer_of(&[])
    }

    /// The parameters at the checkpoints, every step with the set's gradients.
    pub fn trajectory(&self) -> Trajectory {
        let mut optimizer = self.optimizer();
        let param = optimizer.add_param(0, self.param(&self.set.initial_params()));
        let mut found = Trajectory::new();
        for step in 1..=STEPS {
            if self.set.scheduled {
                optimizer.set_lr(0, self.set.lr_at(step));
            }
            if self.set.accumulate > 1 {
                optimizer.set_accumulation(!self.set.updates_at(step));
            }
            let grads = self.set.grads(step);
            if self.gradient_release {
                optimizer.step_param(param, &Tensor::of(self.grad_dtype.constant(), &grads));
                optimizer.step(); // must skip the group
            } else {
                optimizer.set_grads(param, &grads);
                optimizer.step();
            }
            if CHECKPOINTS.contains(&step) {
                found.insert(step, optimizer.values(param));
            }
        }
        found
    }
}

impl Optimizer {
    pub fn set_grads(&mut self, param: usize, values: &[f64]) {
        let dtype = self.params[param].grad_dtype;
        self.set_grad(param, Some(Tensor::of(dtype, values)));
    }

    pub fn values(&self, param: usize) -> Vec<f64> {
        self.params[param].data.values()
    }

    pub fn grads(&self, param: usize) -> Vec<f64> {
        self.params[param].grad.as_ref().unwrap().values()
    }

    pub fn copy(&self, param: usize) -> Vec<f64> {
        self.params[param].copy.as_ref().unwrap().values()
    }
}
