//! The options of a parameter group, and the scalars of its next step.

use crate::kernel::StateDtype;
use crate::math::Scalars;
use crate::optimizer::{Group, Toggle};

/// Options of a parameter group, with the names and defaults of the Python library optimi.
///
/// The learning rate has no default, so start from [`GroupOptions::new`]:
///
/// ```
/// use radam::GroupOptions;
///
/// let adamw_like = GroupOptions {
///     weight_decay: 0.1,
///     decouple_wd: true,
///     ..GroupOptions::new(1e-3)
/// };
/// # assert_eq!(adamw_like.beta2, 0.99);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupOptions {
    /// The learning rate; finite, at least 0.
    pub lr: f64,
    /// The decay rate of `exp_avg`, in [0, 1). Default: 0.9.
    pub beta1: f64,
    /// The decay rate of `exp_avg_sq`, in [0, 1). Default: 0.99.
    pub beta2: f64,
    /// The weight decay; finite, at least 0. An L2 penalty added to the gradient, unless `decouple_wd` or `decouple_lr`
    /// is on. Default: 0.
    pub weight_decay: f64,
    /// Added to the square root of `exp_avg_sq` in the denominator; finite, at least 0. Default: 1e-6.
    pub eps: f64,
    /// The highest `lr` of the schedule, by which `decouple_lr` divides; finite, at least 0, and above 0 if
    /// `decouple_lr` is on. Default: `None`, which stands for `lr` in the same options.
    pub max_lr: Option<f64>,
    /// Decoupled weight decay, as in AdamW: each step multiplies the parameter by 1 - `lr` · `weight_decay`. Default:
    /// false.
    pub decouple_wd: bool,
    /// Fully decoupled weight decay: each step multiplies the parameter by 1 - `lr` / `max_lr` · `weight_decay`, so that
    /// the best `weight_decay` does not depend on `lr`. Takes precedence over `decouple_wd`. Default: false.
    pub decouple_lr: bool,
    /// Kahan summation: a compensation array beside each parameter keeps what rounding loses, so 16-bit parameters train
    /// without an f32 copy. Default: `None`, which is on for f16 and bf16 unless `master_remainder` or
    /// `stochastic_rounding` is.
    pub kahan_sum: Option<bool>,
    /// All tensors of the group are stepped in one parallel loop (optimi's `foreach`); otherwise one after another. The
    /// results are the same. Default: true.
    pub for_each: bool,
    /// The group is stepped one parameter at a time with [`Optimizer::step_tensor`](crate::Optimizer::step_tensor), for
    /// example inside the backward pass. Default: false.
    pub gradient_release: bool,
    /// The gradient is negated before anything else. Default: false.
    pub maximize: bool,
    /// Rectification, the R of RAdam. Off, this is Adam, or AdamW with `decouple_wd`. Default: true.
    pub rectify: bool,
    /// A step is rectified if ρ, the length of the approximated simple moving average, exceeds this; finite, at least 4.
    /// Default: 5, as in optimi and PyTorch; the paper has 4.
    pub rectify_threshold: f64,
    /// Whether parameters move by `lr` · `exp_avg` in the first steps, which are not rectified. Otherwise those update
    /// only `exp_avg` and `exp_avg_sq`, as the paper's authors recommend if the first steps diverge. Default: true.
    pub unrectified: bool,
    /// How the state is stored: in the dtype of the parameters, in f32, or in 8 bits ([`StateDtype::Q8`]). Changing it
    /// converts the state. Default: `None`, each parameter's own dtype.
    pub state_dtype: Option<StateDtype>,
    /// Exact f32 master weights at 16 more bits per bf16 parameter, instead of Kahan summation: the bits of the master
    /// are those of the parameter, shifted left by 16, plus the remainder. For groups of bf16 parameters only. Default:
    /// false.
    pub master_remainder: bool,
    /// Stochastic rounding of bf16 parameters, instead of Kahan summation. The random numbers depend on `seed`, the
    /// parameter's name, its step and the element's place in the whole tensor, and so are the same everywhere. For
    /// groups of bf16 parameters only. Default: false.
    pub stochastic_rounding: bool,
    /// The seed of `stochastic_rounding` and of [`StateDtype::Q8`]. Default: 0.
    pub seed: u64,
}

impl GroupOptions {
    /// The defaults, with this learning rate.
    pub fn new(lr: f64) -> Self {
        Self { lr, max_lr: None, ..Self::from(&Group::DEFAULTS) }
    }
}

impl From<&Group> for GroupOptions {
    fn from(group: &Group) -> Self {
        Self {
            lr: group.lr,
            beta1: group.beta1,
            beta2: group.beta2,
            weight_decay: group.weight_decay,
            eps: group.eps,
            max_lr: Some(group.max_lr),
            decouple_wd: group.decouple_wd.or(false),
            decouple_lr: group.decouple_lr.or(false),
            kahan_sum: (group.kahan_sum != Toggle::Auto).then(|| group.kahan_sum.or(false)),
            for_each: group.for_each.or(true),
            gradient_release: group.gradient_release.or(false),
            maximize: group.maximize.or(false),
            rectify: group.rectify.or(true),
            rectify_threshold: group.rectify_threshold,
            unrectified: group.unrectified.or(true),
            state_dtype: group.state_dtype,
            master_remainder: group.master_remainder.or(false),
            stochastic_rounding: group.stochastic_rounding.or(false),
            seed: group.seed,
        }
    }
}

impl From<&GroupOptions> for Group {
    fn from(options: &GroupOptions) -> Self {
        Self {
            lr: options.lr,
            beta1: options.beta1,
            beta2: options.beta2,
            weight_decay: options.weight_decay,
            eps: options.eps,
            max_lr: options.max_lr.unwrap_or(f64::NAN),
            decouple_wd: options.decouple_wd.into(),
            decouple_lr: options.decouple_lr.into(),
            kahan_sum: options.kahan_sum.map_or(Toggle::Auto, Toggle::from),
            for_each: options.for_each.into(),
            gradient_release: options.gradient_release.into(),
            maximize: options.maximize.into(),
            rectify: options.rectify.into(),
            master_remainder: options.master_remainder.into(),
            stochastic_rounding: options.stochastic_rounding.into(),
            unrectified: options.unrectified.into(),
            rectify_threshold: options.rectify_threshold,
            seed: options.seed,
            state_dtype: options.state_dtype,
        }
    }
}

/// The scalars of a group's next step, for training loops that log them.
///
/// Source: Liu et al. 2019, [arXiv 1908.03265](https://arxiv.org/abs/1908.03265), with bias correction as in optimi.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct GroupReport {
    /// The number t of the step, starting at 1, of the parameter that has made the most steps.
    pub step: u64,
    /// Whether the step will be rectified: always, with `rectify` off.
    pub rectified: bool,
    /// The length of the approximated simple moving average. A step is rectified if it exceeds `rectify_threshold`.
    pub rho: f64,
    /// The limit of `rho`: 2 / (1 - β2) - 1.
    pub rho_inf: f64,
    /// The rectification term, in [0, 1]; 0 in unrectified steps, 1 with `rectify` off.
    pub r: f64,
    /// The factor of `exp_avg`: `lr` · `r` in rectified steps; otherwise `lr`, or 0 with `unrectified` off.
    pub effective_lr: f64,
    /// The debiased β1: (β1ᵗ - β1) / (β1ᵗ - 1).
    pub beta1_hat: f64,
    /// The debiased β2: (β2ᵗ - β2) / (β2ᵗ - 1).
    pub beta2_hat: f64,
    /// The factor by which decoupled weight decay multiplies each parameter; 1 without it.
    pub decay_factor: f64,
}

impl From<Scalars> for GroupReport {
    fn from(scalars: Scalars) -> Self {
        Self {
            step: scalars.step,
            rectified: scalars.rectification.is_some(),
            rho: scalars.rho,
            rho_inf: scalars.rho_inf,
            r: scalars.rectification.unwrap_or(0.0),
            effective_lr: scalars.step_size,
            beta1_hat: scalars.beta1_hat,
            beta2_hat: scalars.beta2_hat,
            decay_factor: 1.0 - scalars.decay,
        }
    }
}
