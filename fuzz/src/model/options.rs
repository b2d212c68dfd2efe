//! Which options are right.

use super::number::Dtype;
use super::{Status, exact::Sums, q8};
use radam::ffi::*;

const WRONG: Status = RADAM_ERROR_INVALID_ARGUMENT;

pub fn ensure(condition: bool) -> Result<(), Status> {
    if condition { Ok(()) } else { Err(WRONG) }
}

fn is_toggle(value: radam_toggle) -> bool {
    [RADAM_OFF, RADAM_ON, RADAM_AUTO].contains(&value)
}

fn is_not_negative(value: f64) -> bool {
    value >= 0.0 && value.is_finite()
}

/// The options of a group with `max_lr` settled.
pub fn checked(mut options: radam_group_options) -> Result<radam_group_options, Status> {
    ensure(options.struct_size as usize == size_of::<radam_group_options>())?;
    ensure([options.beta1, options.beta2, options.eps] != [0.0; 3])?;
    ensure(toggles(&options).iter().all(|toggle| is_toggle(*toggle)))?;
    ensure(
        options.state_dtype == RADAM_DTYPE_Q8
            || options.state_dtype == 0
            || Dtype::of(options.state_dtype).is_ok(),
    )?;
    if options.max_lr.is_nan() {
        options.max_lr = options.lr;
    }
    let radam_group_options { lr, max_lr, weight_decay, eps, .. } = options;
    ensure([lr, max_lr, weight_decay, eps].into_iter().all(is_not_negative))?;
    ensure([options.beta1, options.beta2].iter().all(|beta| (0.0..1.0).contains(beta)))?;
    ensure(options.rectify_threshold >= 4.0 && options.rectify_threshold.is_finite())?;
    ensure(options.decouple_lr != RADAM_ON || max_lr > 0.0)?;
    let ways = [options.kahan_sum, options.master_remainder, options.stochastic_rounding];
    ensure(ways.iter().filter(|toggle| **toggle == RADAM_ON).count() <= 1)?;
    Ok(options)
}

pub fn toggles(options: &radam_group_options) -> [radam_toggle; 10] {
    [
        options.decouple_wd,
        options.decouple_lr,
        options.kahan_sum,
        options.for_each,
        options.gradient_release,
        options.maximize,
        options.rectify,
        options.master_remainder,
        options.stochastic_rounding,
        options.unrectified,
    ]
}

/// How what rounding loses is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Compensation {
    None,
    Kahan,
    Remainder,
}

/// What the state of a parameter is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind {
    /// Of `kahan_comp` and, if they are no codes, of `exp_avg` and `exp_avg_sq`.
    pub dtype: Dtype,
    /// Whether it is 8-bit state.
    pub coded: bool,
    pub compensation: Compensation,
}

impl Kind {
    /// The dtypes of `exp_avg`, `exp_avg_sq`, `kahan_comp` or `master_remainder`, and `state_scale`, where there are any.
    pub fn dtypes(self) -> [Option<Dtype>; 4] {
        let [exp_avg, exp_avg_sq] =
            if self.coded { [Dtype::I8, Dtype::U8] } else { [self.dtype; 2] };
        let third = match self.compensation {
            Compensation::None => None,
            Compensation::Kahan => Some(self.dtype),
            Compensation::Remainder => Some(Dtype::I16),
        };
        [Some(exp_avg), Some(exp_avg_sq), third, self.coded.then_some(Dtype::U32)]
    }

    /// The same with the numbers of elements, for a parameter that has so many.
    pub fn arrays(self, len: u64) -> [Option<(Dtype, u64)>; 4] {
        let of_dtype =
            |dtype| (dtype, if dtype == Dtype::U32 { len.div_ceil(q8::BLOCK as u64) } else { len });
        self.dtypes().map(|dtype| dtype.map(of_dtype))
    }
}

/// Elements of a whole tensor from which on its state is coded.
const CODED_FROM: u64 = 4096;

/// What a group with such options keeps of a parameter, whose first element is at `offset` in a tensor of `total_len`.
pub fn state_kind(
    options: &radam_group_options,
    dtype: Dtype,
    (offset, total_len): (u64, u64),
) -> Result<Kind, Status> {
    let is_q8 = options.state_dtype == RADAM_DTYPE_Q8;
    let coded = is_q8 && total_len >= CODED_FROM;
    ensure(!is_q8 || dtype != Dtype::F64)?;
    ensure(!coded || offset.is_multiple_of(q8::BLOCK as u64))?;
    let state = match options.state_dtype {
        RADAM_DTYPE_Q8 if coded => dtype,
        RADAM_DTYPE_Q8 => Dtype::F32,
        code => Dtype::or(code, dtype)?,
    };
    ensure(state == dtype || state == Dtype::F32)?;
    let remainder = options.master_remainder == RADAM_ON;
    let stochastic = options.stochastic_rounding == RADAM_ON;
    ensure(dtype == Dtype::Bf16 || !remainder && !stochastic)?;
    let kahan = match options.kahan_sum {
        RADAM_AUTO => dtype.is_16_bit() && !stochastic,
        toggle => toggle == RADAM_ON,
    };
    let compensation = match () {
        () if remainder => Compensation::Remainder,
        () if kahan => Compensation::Kahan,
        () => Compensation::None,
    };
    Ok(Kind { dtype: state, coded, compensation })
}

/// Sums of the caller's.
pub fn sums(sums: &radam_grad_sums) -> Result<Sums, Status> {
    ensure(sums.struct_size as usize == size_of::<radam_grad_sums>() && sums.reserved == 0)?;
    Sums::from_words(&sums.words).ok_or(WRONG)
}

/// Options of a step; `sums` are those that they point to.
pub fn step(
    options: &radam_step_options,
    given: Option<&radam_grad_sums>,
) -> Result<super::StepOptions, Status> {
    ensure(options.struct_size as usize == size_of::<radam_step_options>())?;
    let toggles = [options.skip_nonfinite, options.zero_grad, options.report_norms];
    ensure(toggles.iter().all(|toggle| is_toggle(*toggle)))?;
    let radam_step_options { grad_scale, max_grad_norm, max_grad_value, .. } = *options;
    ensure(grad_scale > 0.0 && grad_scale.is_finite())?;
    ensure(is_not_negative(max_grad_norm) && is_not_negative(max_grad_value))?;
    Ok(super::StepOptions {
        grad_scale,
        max_grad_norm,
        max_grad_value,
        skip_nonfinite: options.skip_nonfinite == RADAM_ON,
        zero_grad: options.zero_grad == RADAM_ON,
        report_norms: options.report_norms == RADAM_ON,
        measured: given.map(sums).transpose()?,
        wants_grads: false,
    })
}
