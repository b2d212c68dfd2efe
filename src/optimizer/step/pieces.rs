//! What happens to the pieces of parameters in a step: measuring, updating, zeroing.

use super::plan::Plan;
use super::sums::Sums;
use crate::kernel::Dtype;
use crate::kernel::{
    Arrays, Dtypes, InstructionSet, Kernel, Mixed, add_squares, sum_of_squared_differences,
    sum_of_squares,
};
use crate::math::{Clipping, ExactSum, Step};
use crate::optimizer::Group;
use crate::optimizer::arrays::CallerArray;
use crate::optimizer::param::Param;
use std::ops::Range;

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
    pub last_kernel: Option<(Dtypes, Kernel)>,
}

/// The constants of one step of one group.
#[derive(Clone)]
pub(in crate::optimizer) struct Constants {
    group: u32,
    number: u64,
    step: Step,
}

/// Elements whose values before the step are kept, to see by how much they change.
const BEFORE: usize = 1024;

impl Stepper<'_> {
    /// Adds the gradients of a chunk to the sums.
    pub fn measure_chunk(&self, plan: &Plan, chunk: usize, params: &[Param], sums: &mut Sums) {
        for (_, param, piece) in plan.pieces(chunk, params) {
            if !param.steps_now() {
                continue;
            }
            measure_piece(
                self.instruction_set,
                param.grad_dtype,
                param.grad,
                piece,
                &mut sums.grads,
            );
        }
    }

    /// Steps the parameters of a chunk that have a gradient. If there are sums, the updates and the new
    /// parameters are added.
    pub fn step_chunk(
        &mut self,
        plan: &Plan,
        chunk: usize,
        params: &[Param],
        mut sums: Option<&mut Sums>,
    ) {
        for (id, param, piece) in plan.pieces(chunk, params) {
            if param.steps_now() {
                let arrays = param.arrays(param.data, param.grad);
                self.step_piece(id, param, &arrays, piece.clone(), sums.as_deref_mut());
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
        arrays: &Arrays,
        piece: Range<usize>,
        sums: Option<&mut Sums>,
    ) {
        match sums {
            None => self.update(id, param, arrays, piece),
            Some(sums) => self.update_and_measure(id, param, arrays, piece, sums),
        }
    }

    /// Steps some elements of a parameter.
    fn update(&mut self, id: u32, param: &Param, arrays: &Arrays, piece: Range<usize>) {
        let dtypes = Dtypes {
            param: param.dtype,
            grad: param.grad_dtype,
            state: param.state.kind.dtype,
            out: param.state.copy().map(|(_, dtype)| dtype),
        };
        let mixed = self.mixed(id, param, piece.start);
        let instruction_set = self.instruction_set;
        let (step, kernel) = self.constants(param, dtypes);
        // SAFETY: the dtypes are the parameter's, and `InstructionSet::choose` found the
        // instruction set. The caller keeps the arrays alive and to this call; they were checked to
        // be aligned and apart when they were registered, the state is ours, and each piece is
        // stepped by one thread.
        unsafe {
            let part;
            let arrays = if piece.len() == arrays.len {
                arrays
            } else {
                part = arrays.part(piece.start, piece.len(), dtypes);
                &part
            };
            match mixed {
                None => kernel.run(step, arrays),
                Some(mixed) => mixed.run(instruction_set, step, arrays, dtypes),
            }
        }
    }

    /// How the elements from `start` on are computed with as f32, if they are.
    fn mixed(&self, id: u32, param: &Param, start: usize) -> Option<Mixed> {
        if param.dtype != Dtype::Bf16 {
            return None;
        }
        let remainder = param.state.master_remainder().wrapping_add(start);
        let group = &self.groups[param.group as usize];
        group.mixed(param.state.kind, remainder, start, id, param.next_step())
    }

    /// Steps some elements, and adds what they are then and by how much they changed to the sums.
    #[inline(never)] // or its copies would be on the stack of every step
    fn update_and_measure(
        &mut self,
        id: u32,
        param: &Param,
        arrays: &Arrays,
        piece: Range<usize>,
        sums: &mut Sums,
    ) {
        let mut before = [0f64; BEFORE]; // holds as many of any dtype
        let before = before.as_mut_ptr().cast::<u8>();
        let (dtype, set) = (param.dtype, self.instruction_set);
        let (mut updates, mut params) = (0.0, 0.0);
        for start in piece.clone().step_by(BEFORE) {
            let len = BEFORE.min(piece.end - start);
            let data = arrays.param.wrapping_add(start * dtype.size());
            // SAFETY: the elements are there, as for the step; and there is room for a copy of them.
            unsafe {
                before.copy_from_nonoverlapping(data, len * dtype.size());
                self.update(id, param, arrays, start..start + len);
                updates += sum_of_squared_differences(set, dtype, data, before, len);
                params += sum_of_squares(set, dtype, data, len);
            }
        }
        sums.updates.add(updates);
        sums.params.add(params);
    }

    /// What a step of the parameter needs to know, and the loop for its dtypes.
    #[inline]
    fn constants(&mut self, param: &Param, dtypes: Dtypes) -> (&Step, &Kernel) {
        let (group, number) = (param.group, param.next_step());
        let same = |last: &Constants| last.group == group && last.number == number;
        if !self.last.as_ref().is_some_and(same) {
            self.last = None; // moving it out and back would cost as much as a small tensor
        }
        if !self.last_kernel.as_ref().is_some_and(|(known, _)| *known == dtypes) {
            self.last_kernel = None;
        }
        let constants = self.last.get_or_insert_with(|| {
            let hyperparameters = self.groups[group as usize].hyperparameters();
            let step = Step::new(&hyperparameters, number, self.accumulate, self.clipping);
            Constants { group, number, step }
        });
        let (_, kernel) = self.last_kernel.get_or_insert_with(|| {
            (dtypes, Kernel::new(self.instruction_set, dtypes, constants.step.clips))
        });
        (&constants.step, kernel)
    }
}

/// Adds some elements of a gradient to the sum of squares.
pub(in crate::optimizer) fn measure_piece(
    instruction_set: InstructionSet,
    dtype: Dtype,
    grad: CallerArray,
    piece: Range<usize>,
    sum: &mut ExactSum,
) {
    let grad = grad.pointer().wrapping_add(piece.start * dtype.size()).cast_const();
    // SAFETY: the array is the caller's, and nobody writes it during this call; `InstructionSet::choose` found
    // the instruction set.
    unsafe { add_squares(instruction_set, dtype, grad, piece.len(), sum) };
}

/// Zeroes the gradients of a chunk.
pub(in crate::optimizer) fn zero_chunk(plan: &Plan, chunk: usize, params: &[Param]) {
    for (_, param, piece) in plan.pieces(chunk, params) {
        zero_grad(param, param.grad, piece);
    }
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
