//! What happens to the pieces of parameters in a step: measuring, updating, zeroing.

use super::sums::Sums;
use crate::kernel::{
    Dtype, InstructionSet, Kernel, Layout, NameHash, Noise, Rounding, STREAMS, TensorView,
    add_squares,
};
use crate::math::{Clipping, ExactSum, Step};
use crate::optimizer::Group;
use crate::optimizer::arrays::CallerArray;
use crate::optimizer::grid::CHUNK;
use crate::optimizer::param::Param;
use std::ops::Range;
use std::ptr;

/// Works on pieces of parameters, and remembers the constants of the last one's step, which most of
/// the others share.
#[derive(Clone)]
pub(in crate::optimizer) struct Stepper<'a> {
    pub instruction_set: InstructionSet,
    pub accumulate: bool,
    pub clipping: Clipping,
    /// Whether gradients are zeroed once they are not needed any more.
    pub zero_grad: bool,
    pub groups: &'a [Group],
    pub last: Option<Constants>,
    pub last_kernel: Option<(Layout, Kernel)>,
}

/// The constants of one step of one group.
#[derive(Clone)]
pub(in crate::optimizer) struct Constants {
    group: u32,
    number: u64,
    step: Step,
}

impl Stepper<'_> {
    /// Steps the pieces whose parameters have a gradient. If there are sums, the updates and the new parameters are
    /// added.
    pub fn step_pieces<'p>(
        &mut self,
        pieces: impl Iterator<Item = (u32, &'p Param, Range<usize>)>,
        mut sums: Option<&mut Sums>,
    ) {
        for (id, param, piece) in pieces {
            if param.steps_now() {
                let view = param.view(param.data, param.grad);
                self.step_piece(id, param, &view, piece.clone(), sums.as_deref_mut());
            }
            if self.zero_grad {
                zero_grad(param, param.grad, piece);
            }
        }
    }

    /// Steps some elements of a parameter. If there are sums, the updates and the new values are added.
    pub fn step_piece(
        &mut self,
        id: u32,
        param: &Param,
        view: &TensorView,
        piece: Range<usize>,
        sums: Option<&mut Sums>,
    ) {
        let layout = self.layout(param);
        let part;
        let view = if piece.len() == view.len && !layout.is_noisy() {
            view
        } else {
            part = self.part(id, param, view, piece, layout);
            &part
        };
        let (step, kernel) = self.constants(param, layout);
        // SAFETY: the view is valid: its arrays are the state's and the caller's, which were checked to be aligned
        // and apart, and each piece is stepped by one thread.
        unsafe {
            match sums {
                None => kernel.run(step, view),
                Some(sums) => {
                    let (updates, params) = kernel.run_and_measure(step, view);
                    sums.updates.add(updates);
                    sums.params.add(params);
                }
            }
        }
    }

    /// Some elements, with their random numbers.
    fn part(
        &self,
        id: u32,
        param: &Param,
        view: &TensorView,
        piece: Range<usize>,
        layout: Layout,
    ) -> TensorView {
        let mut part = view.part(piece.start, piece.len(), layout);
        if layout.is_noisy() {
            let seed = self.groups[param.group as usize].seed;
            part.first += param.slice().0;
            part.noise = Noise::new(seed, NameHash::of(param.name(id)), param.next_step());
        }
        part
    }

    fn layout(&self, param: &Param) -> Layout {
        let state = param.state.kind;
        Layout {
            param: param.dtype,
            grad: param.grad_dtype,
            state: state.dtype,
            q8: state.q8,
            copy: param.state.copy().map(|(_, dtype)| dtype),
            rounding: if param.dtype == Dtype::Bf16 {
                self.groups[param.group as usize].rounding(state)
            } else {
                Rounding::Nearest // the only one that groups of other dtypes may ask for
            },
        }
    }

    /// The constants of a step of the parameter, and the loop for its layout.
    #[inline]
    fn constants(&mut self, param: &Param, layout: Layout) -> (&Step, &Kernel) {
        let (group, number) = (param.group, param.next_step());
        let same = |last: &Constants| last.group == group && last.number == number;
        if !self.last.as_ref().is_some_and(same) {
            self.last = None; // moving it out and back would cost as much as a small tensor
        }
        if !self.last_kernel.as_ref().is_some_and(|(known, _)| *known == layout) {
            self.last_kernel = None;
        }
        let constants = self.last.get_or_insert_with(|| {
            let hyperparameters = self.groups[group as usize].hyperparameters();
            let step = Step::of(&hyperparameters, number, self.accumulate, self.clipping);
            Constants { group, number, step }
        });
        let (_, kernel) = self.last_kernel.get_or_insert_with(|| {
            (layout, Kernel::new(self.instruction_set, layout, constants.step.clips))
        });
        (&constants.step, kernel)
    }
}

/// From so many bytes on, a gradient mostly comes from memory.
const LARGE: usize = 4 << 20;

/// A piece of a gradient that is to be measured.
pub(in crate::optimizer) struct GradPiece {
    dtype: Dtype,
    elements: *const u8,
    len: usize,
    /// Whether it is worth reading side by side with others.
    is_large: bool,
}

impl GradPiece {
    pub fn of(param: &Param, grad: CallerArray, piece: Range<usize>) -> Self {
        Self::new(param.grad_dtype, grad, param.len(), piece)
    }

    /// A piece of a gradient of `len` elements.
    pub fn new(dtype: Dtype, grad: CallerArray, len: usize, piece: Range<usize>) -> Self {
        debug_assert!(piece.end <= len);
        let elements = grad.pointer().wrapping_add(piece.start * dtype.size()).cast_const();
        // What f16 costs is converting it.
        let is_large = dtype != Dtype::F16 && len * dtype.size() >= LARGE;
        Self { dtype, elements, len: piece.len(), is_large }
    }
}

/// Adds pieces of gradients to the sum of squares.
pub(in crate::optimizer) fn measure_pieces(
    instruction_set: InstructionSet,
    pieces: &mut dyn Iterator<Item = GradPiece>,
    sum: &mut ExactSum,
) {
    let mut measure = |dtype, arrays: &[*const u8], len| {
        // SAFETY: the arrays are the caller's, and nobody writes them during this call; `InstructionSet::choose` found
        // the instruction set.
        unsafe { add_squares(instruction_set, dtype, arrays, len, sum) };
    };
    // Whole pieces of large gradients wait here until there are enough to read side by side.
    let (mut waiting, mut count, mut dtype) = ([ptr::null(); STREAMS], 0, Dtype::F32);
    for piece in pieces {
        if !piece.is_large || piece.len < CHUNK {
            measure(piece.dtype, &[piece.elements], piece.len);
            continue;
        }
        if piece.dtype != dtype {
            measure(dtype, &waiting[..count], CHUNK);
            count = 0;
        }
        (waiting[count], dtype) = (piece.elements, piece.dtype);
        count += 1;
        if count == STREAMS {
            measure(dtype, &waiting, CHUNK);
            count = 0;
        }
    }
    measure(dtype, &waiting[..count], CHUNK);
}

/// Zeroes some elements of a gradient of a parameter, if it has one.
pub(in crate::optimizer) fn zero_grad(param: &Param, grad: CallerArray, piece: Range<usize>) {
    if !grad.is_none() {
        let size = param.grad_dtype.size();
        let grad = grad.pointer().wrapping_add(piece.start * size);
        // SAFETY: the array is the caller's, who wants it zeroed, and nobody else uses it during this call.
        unsafe { grad.write_bytes(0, piece.len() * size) };
    }
}
