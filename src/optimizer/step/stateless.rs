//! A step of one tensor whose state the caller keeps: no optimizer, no threads, nothing remembered.

use crate::error::{Result, ensure, error};
use crate::kernel::{Dtype, InstructionSet, Kernel, Layout, NameHash, Noise, TensorView};
use crate::math::{Clipping, Step};
use crate::optimizer::Group;
use crate::optimizer::param::{Place, check_array};
use crate::optimizer::state::Compensation;
use std::ptr;
use std::sync::OnceLock;

/// The arrays of a tensor, which are the caller's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tensor {
    pub dtype: Dtype,
    pub grad_dtype: Dtype,
    pub len: u64,
    pub param: *mut u8,
    pub grad: *const u8,
    pub exp_avg: *mut u8,
    pub exp_avg_sq: *mut u8,
    /// Looked at only where the options want a compensation.
    pub kahan_comp: *mut u8,
}

/// Makes step number `number` of a tensor.
pub(crate) fn update(group: Group, tensor: &Tensor, number: u64) -> Result<()> {
    let group = group.checked()?;
    ensure!(number > 0, InvalidArgument, "step is 0; it must be at least 1, the first step");
    let kind = group.state_kind_for(tensor.dtype)?;
    let layout = Layout {
        param: tensor.dtype,
        grad: tensor.grad_dtype,
        state: kind.dtype,
        copy: None,
        rounding: group.rounding(kind),
    };
    check_arrays(tensor, layout, kind.compensation)?;
    let instruction_set = instruction_set()?;
    let view = TensorView {
        len: tensor.len as usize,
        first: 0,
        param: tensor.param,
        grad: tensor.grad,
        exp_avg: tensor.exp_avg,
        exp_avg_sq: tensor.exp_avg_sq,
        kahan_comp: match kind.compensation {
            Compensation::Kahan => tensor.kahan_comp,
            Compensation::None | Compensation::Remainder => ptr::null_mut(),
        },
        master_remainder: tensor.kahan_comp.cast(),
        copy: ptr::null_mut(),
        noise: Noise::new(group.seed, NameHash::of("param.0"), number),
    };
    let step = Step::new(&group.hyperparameters(), number, false, Clipping::NONE);
    // SAFETY: the arrays were checked to be aligned and apart, and the caller promises that they are
    // there.
    unsafe { Kernel::new(instruction_set, layout, step.clips).run(&step, &view) };
    Ok(())
}

/// Chosen once, since the environment may only be looked at while nobody changes it.
fn instruction_set() -> Result<InstructionSet> {
    static CHOSEN: OnceLock<InstructionSet> = OnceLock::new();
    match CHOSEN.get() {
        Some(chosen) => Ok(*chosen),
        None => InstructionSet::choose().map(|chosen| *CHOSEN.get_or_init(|| chosen)),
    }
}

fn check_arrays(tensor: &Tensor, layout: Layout, compensation: Compensation) -> Result<()> {
    let Layout { param, grad, state, .. } = layout;
    let compensation = match compensation {
        Compensation::None => None,
        Compensation::Kahan => Some(state),
        Compensation::Remainder => Some(Dtype::Bf16), // as large
    };
    let arrays = [
        Some(("param", tensor.param.cast_const(), param)),
        Some(("grad", tensor.grad, grad)),
        Some(("exp_avg", tensor.exp_avg.cast_const(), state)),
        Some(("exp_avg_sq", tensor.exp_avg_sq.cast_const(), state)),
        compensation.map(|dtype| ("kahan_comp", tensor.kahan_comp.cast_const(), dtype)),
    ];
    let arrays = || arrays.iter().flatten().copied();
    for (name, array, dtype) in arrays() {
        ensure!(
            !array.is_null() || tensor.len == 0,
            NullPointer,
            "{name} is NULL; it must point to {} elements{}",
            tensor.len,
            match name {
                "kahan_comp" => " (kahan_sum or master_remainder is on; RADAM_OFF does without)",
                _ => "",
            }
        );
        check_array(Place(None), name, array, dtype, tensor.len)?;
    }
    for (index, (name, array, dtype)) in arrays().enumerate() {
        for (other_name, other, other_dtype) in arrays().take(index) {
            let (bytes, other_bytes) =
                (tensor.len as usize * dtype.size(), tensor.len as usize * other_dtype.size());
            let (start, other_start) = (array.addr(), other.addr());
            if start < other_start + other_bytes && other_start < start + bytes {
                return Err(error!(
                    InvalidArgument,
                    "{name} is {array:p}, and its {bytes} bytes overlap those of {other_name} at \
                     {other:p}; each needs memory of its own"
                ));
            }
        }
    }
    Ok(())
}
