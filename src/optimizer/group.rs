//! The options of a parameter group, checked, and what they come to for one parameter.

use super::state_kind::{Compensation, Q8_FROM, StateKind};
use crate::error::{Result, ensure, error};
use crate::kernel::{Dtype, Rounding, StateDtype};
use crate::math::{Hyperparameters, q8};

/// A choice that the caller may leave to the library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Toggle {
    #[default]
    Auto,
    On,
    Off,
}

impl From<bool> for Toggle {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

impl Toggle {
    /// The choice, or what AUTO means for this option.
    pub fn or(self, auto: bool) -> bool {
        match self {
            Toggle::Auto => auto,
            Toggle::On => true,
            Toggle::Off => false,
        }
    }
}

/// The options of a parameter group as the caller set them.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub weight_decay: f64,
    pub eps: f64,
    /// NaN becomes `lr` when the options are checked.
    pub max_lr: f64,
    pub decouple_wd: Toggle,
    pub decouple_lr: Toggle,
    pub kahan_sum: Toggle,
    pub for_each: Toggle,
    pub gradient_release: Toggle,
    pub maximize: Toggle,
    pub rectify: Toggle,
    pub master_remainder: Toggle,
    pub stochastic_rounding: Toggle,
    /// Whether parameters move in steps that are not rectified.
    pub unrectified: Toggle,
    /// What ρ must exceed for a step to be rectified.
    pub rectify_threshold: f64,
    /// Of the random numbers of `stochastic_rounding`.
    pub seed: u64,
    /// `None`: each parameter's own.
    pub state_dtype: Option<StateDtype>,
}

impl Group {
    /// Every option's default but that of `lr`, which has none.
    pub const DEFAULTS: Self = Self {
        lr: f64::NAN,
        beta1: 0.9,
        beta2: 0.99,
        weight_decay: 0.0,
        eps: 1e-6,
        max_lr: f64::NAN,
        decouple_wd: Toggle::Auto,
        decouple_lr: Toggle::Auto,
        kahan_sum: Toggle::Auto,
        for_each: Toggle::Auto,
        gradient_release: Toggle::Auto,
        maximize: Toggle::Auto,
        rectify: Toggle::Auto,
        master_remainder: Toggle::Auto,
        stochastic_rounding: Toggle::Auto,
        unrectified: Toggle::Auto,
        rectify_threshold: 5.0,
        seed: 0,
        state_dtype: None,
    };

    /// The options if all are in range, with `max_lr` settled.
    pub fn checked(mut self) -> Result<Self> {
        check_not_negative("lr", self.lr)?;
        check_beta("beta1", self.beta1)?;
        check_beta("beta2", self.beta2)?;
        check_not_negative("weight_decay", self.weight_decay)?;
        check_not_negative("eps", self.eps)?;
        if self.max_lr.is_nan() {
            self.max_lr = self.lr;
        }
        check_not_negative("max_lr", self.max_lr)?;
        ensure!(
            self.rectify_threshold >= 4.0 && self.rectify_threshold.is_finite(),
            InvalidArgument,
            "rectify_threshold is {:?}; it must be finite and at least 4, below which there is no r (5 is the \
             default)",
            self.rectify_threshold
        );
        ensure!(
            self.max_lr > 0.0 || !self.decouple_lr.or(false),
            InvalidArgument,
            "decouple_lr is on and max_lr is 0, but fully decoupled weight decay divides by \
             max_lr; it must be above 0, the highest lr of the schedule (by default lr, here {:?})",
            self.lr
        );
        let ways = [
            ("kahan_sum", self.kahan_sum.or(false)),
            ("master_remainder", self.master_remainder.or(false)),
            ("stochastic_rounding", self.stochastic_rounding.or(false)),
        ];
        let mut chosen = ways.iter().filter(|(_, on)| *on).map(|(name, _)| name);
        if let (Some(first), Some(second)) = (chosen.next(), chosen.next()) {
            return Err(error!(
                InvalidArgument,
                "{second} is on, and so is {first}; they are different ways to keep or replace what \
                 rounding loses, and at most one of kahan_sum, master_remainder and \
                 stochastic_rounding may be on"
            ));
        }
        Ok(self)
    }

    /// What the update rule needs to know.
    pub fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters {
            lr: self.lr,
            beta1: self.beta1,
            beta2: self.beta2,
            weight_decay: self.weight_decay,
            eps: self.eps,
            max_lr: self.max_lr,
            decouple_wd: self.decouple_wd.or(false),
            decouple_lr: self.decouple_lr.or(false),
            maximize: self.maximize.or(false),
            rectify: self.rectify.or(true),
            rectify_threshold: self.rectify_threshold,
            unrectified: self.unrectified.or(true),
        }
    }

    /// What the state of a parameter of this dtype is made of. `slice` is its first element in the whole tensor, and the
    /// length of that.
    pub fn state_kind_for(&self, dtype: Dtype, slice: (u64, u64)) -> Result<StateKind> {
        let compensation = self.compensation_for(dtype)?;
        let (state, q8) = match self.state_dtype {
            None => (dtype, false),
            Some(StateDtype::Elements(state)) => (state, false),
            Some(StateDtype::Q8) => {
                let q8 = is_coded(dtype, slice)?;
                (if q8 { dtype } else { Dtype::F32 }, q8)
            }
        };
        ensure!(
            state == dtype || state == Dtype::F32,
            InvalidArgument,
            "state_dtype is {state}, but the group has a parameter of dtype {dtype}, whose state may \
             only be {dtype}{}; it must be that, or the default, each parameter's own dtype",
            match dtype {
                Dtype::F64 => "",
                Dtype::F32 => " or q8",
                _ => ", f32 or q8",
            }
        );
        Ok(StateKind { dtype: state, q8, compensation })
    }

    /// How parameters are rounded whose state is of this kind.
    pub fn rounding(&self, kind: StateKind) -> Rounding {
        if kind.compensation == Compensation::Remainder {
            Rounding::Remainder
        } else if self.stochastic_rounding.or(false) {
            Rounding::Stochastic
        } else {
            Rounding::Nearest
        }
    }

    fn compensation_for(&self, dtype: Dtype) -> Result<Compensation> {
        let master_remainder = self.master_remainder.or(false);
        let stochastic_rounding = self.stochastic_rounding.or(false);
        let only_bf16 = if master_remainder { "master_remainder" } else { "stochastic_rounding" };
        ensure!(
            dtype == Dtype::Bf16 || !(master_remainder || stochastic_rounding),
            InvalidArgument,
            "{only_bf16} is on, but the group has a parameter of dtype {dtype}; it is for groups of \
             bf16 parameters only"
        );
        Ok(if master_remainder {
            Compensation::Remainder
        } else if !stochastic_rounding && self.kahan_sum.or(dtype.is_16_bit()) {
            Compensation::Kahan
        } else {
            Compensation::None
        })
    }
}

/// Whether a group of 8-bit state keeps the moments of a parameter in codes. It goes by the whole tensor, so that all shards
/// agree.
fn is_coded(dtype: Dtype, (offset, tensor_len): (u64, u64)) -> Result<bool> {
    ensure!(
        dtype != Dtype::F64,
        InvalidArgument,
        "state_dtype is q8, but the group has a parameter of dtype f64, whose state may only be f64; it must be that, or \
         the default, each parameter's own dtype"
    );
    let q8 = tensor_len >= Q8_FROM;
    ensure!(
        !q8 || offset.is_multiple_of(q8::BLOCK as u64),
        InvalidArgument,
        "tensor_offset is {offset}, but state_dtype is q8; it must be a multiple of {}, so that no block of 8-bit state is \
         cut",
        q8::BLOCK
    );
    Ok(q8)
}

pub(crate) fn check_not_negative(name: &str, value: f64) -> Result<()> {
    ensure!(
        value >= 0.0 && value.is_finite(),
        InvalidArgument,
        "{name} is {value:?}; it must be finite and at least 0{}",
        if name == "lr" && value.is_nan() { " (lr has no default)" } else { "" }
    );
    Ok(())
}

pub(crate) fn check_beta(name: &str, value: f64) -> Result<()> {
    ensure!(
        (0.0..1.0).contains(&value),
        InvalidArgument,
        "{name} is {value:?}; it must be at least 0 and below 1"
    );
    Ok(())
}
