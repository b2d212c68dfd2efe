//! A step of one tensor whose state the caller keeps: no optimizer, no threads, nothing remembered.

use super::pieces::{GradPiece, measure_pieces};
use crate::error::{Result, ensure};
use crate::kernel::{Dtype, InstructionSet, Kernel, Layout, NameHash, Noise, TensorView};
use crate::math::{Clipping, ExactSum, Step};
use crate::optimizer::Group;
use crate::optimizer::arrays::{ArrayKind, CallerArray, ElementType, StateArray};
use crate::optimizer::grid::Grid;
use crate::optimizer::param::{Place, check_array};
use crate::optimizer::state_kind::{Compensation, StateKind};
use std::ptr;

/// The arrays of a tensor, which are the caller's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LooseTensor {
    pub dtype: Dtype,
    pub grad_dtype: Dtype,
    pub len: u64,
    pub param: CallerArray,
    /// Only read.
    pub grad: CallerArray,
    pub exp_avg: CallerArray,
    pub exp_avg_sq: CallerArray,
    /// Only used with 8-bit state.
    pub state_scale: CallerArray,
    /// Only used where the options want a compensation.
    pub kahan_comp: CallerArray,
}

/// Makes step number `number` of a tensor.
pub(crate) fn update(group: Group, tensor: &LooseTensor, number: u64) -> Result<()> {
    let group = group.checked()?;
    ensure!(number > 0, InvalidArgument, "step is 0; it must be at least 1, the first step");
    // 8-bit state is coded whatever the length, since the caller has brought the codes.
    let kind = group.state_kind_for(tensor.dtype, (0, u64::MAX))?;
    check_arrays(tensor, kind)?;
    let layout = Layout {
        param: tensor.dtype,
        grad: tensor.grad_dtype,
        state: kind.dtype,
        q8: kind.q8,
        copy: None,
        rounding: group.rounding(kind),
    };
    let instruction_set = InstructionSet::choose()?;
    let view = TensorView {
        len: tensor.len as usize,
        whole: tensor.len as usize,
        first: 0,
        param: tensor.param.pointer(),
        grad: tensor.grad.pointer(),
        exp_avg: tensor.exp_avg.pointer(),
        exp_avg_sq: tensor.exp_avg_sq.pointer(),
        kahan_comp: match kind.compensation {
            Compensation::Kahan => tensor.kahan_comp.pointer(),
            Compensation::None | Compensation::Remainder => ptr::null_mut(),
        },
        state_scale: tensor.state_scale.pointer().cast(),
        master_remainder: tensor.kahan_comp.pointer().cast(),
        copy: ptr::null_mut(),
        noise: Noise::new(group.seed, NameHash::of("param.0"), number),
    };
    let step = Step::of(&group.hyperparameters(), number, false, Clipping::NONE);
    // SAFETY: the arrays were checked to be aligned and apart, and the caller promises that they are
    // there.
    unsafe { Kernel::new(instruction_set, layout, step.clips).run(&step, &view) };
    Ok(())
}

fn check_arrays(tensor: &LooseTensor, kind: StateKind) -> Result<()> {
    let state = |array: StateArray| {
        let given = match array {
            StateArray::ExpAvg => tensor.exp_avg,
            StateArray::ExpAvgSq => tensor.exp_avg_sq,
            StateArray::Compensation => tensor.kahan_comp,
            StateArray::Scale => tensor.state_scale,
        };
        let (name, len) = (ArrayKind::State(array).name(), kind.len_of(array, tensor.len));
        kind.has(array).then_some((name, given, kind.element_of(array), len))
    };
    let [exp_avg, exp_avg_sq, compensation, scale] = StateArray::ALL.map(state);
    let arrays = [
        Some(("param", tensor.param, tensor.dtype.into(), tensor.len)),
        Some(("grad", tensor.grad, tensor.grad_dtype.into(), tensor.len)),
        exp_avg,
        exp_avg_sq,
        scale,
        compensation,
    ];
    let arrays = || arrays.iter().flatten().copied();
    for (name, array, element, len) in arrays() {
        ensure!(
            !array.is_none() || len == 0,
            NullPointer,
            "{name} is NULL; it must point to {len} elements{}",
            match name {
                "kahan_comp" => " (kahan_sum or master_remainder is on; off does without)",
                _ => "",
            }
        );
        check_array(Place(None), &name, array, element, len)?;
    }
    let range = |array: CallerArray, element: ElementType, len: u64| {
        array.range(len as usize * element.size())
    };
    for (index, (name, array, element, len)) in arrays().enumerate() {
        for (other_name, other, other_element, other_len) in arrays().take(index) {
            let bytes = range(array, element, len);
            let other_bytes = range(other, other_element, other_len);
            ensure!(
                bytes.start >= other_bytes.end || other_bytes.start >= bytes.end,
                InvalidArgument,
                "{name} is {:p}, and its {} bytes overlap those of {other_name} at {:p}; each needs memory of \
                 its own",
                array.pointer(),
                bytes.len(),
                other.pointer()
            );
        }
    }
    Ok(())
}

/// Measures the gradient of a whole tensor.
pub(crate) fn measure_tensor(dtype: Dtype, grad: CallerArray, len: u64) -> Result<ExactSum> {
    ensure!(
        !grad.is_none() || len == 0,
        NullPointer,
        "grad is NULL; it must point to the {len} elements of a gradient"
    );
    check_array(Place(None), &"grad", grad, dtype, len)?;
    let (instruction_set, len) = (InstructionSet::choose()?, len as usize);
    let grid = Grid::new(0, len);
    let mut pieces =
        (0..grid.len()).map(|number| GradPiece::new(dtype, grad, len, grid.piece(number)));
    let mut sums = ExactSum::ZERO;
    measure_pieces(instruction_set, &mut pieces, &mut sums);
    Ok(sums)
}
