//! Steps the short block at the end of a tensor by the loop for whole ones.

use crate::kernel::dtype::Dtype;
use crate::kernel::step_loop::StepLoop;
use crate::kernel::tensor_view::{Layout, Rounding, TensorView};
use crate::math::q8::BLOCK;
use crate::math::{Rule, Step};

/// Steps the last `rest` elements as the first ones of a block of copies. The others have gradients and codes of 0, and so
/// change nothing that is known of the block.
///
/// # Safety
/// The view is valid for the layout, its last block is that short, and `again` is the loop for such views.
pub(super) unsafe fn step_rest(
    step: &Step,
    view: &TensorView,
    layout: Layout,
    rest: usize,
    again: StepLoop,
) {
    debug_assert!(rest < BLOCK && layout.q8);
    let end = view.part(view.len - rest, rest, layout);
    let [param, grad, state, copy] =
        [Some(layout.param), Some(layout.grad), Some(layout.state), layout.copy]
            .map(|dtype| rest * dtype.map_or(0, Dtype::size));
    let kahan_comp = if end.kahan_comp.is_null() { 0 } else { state };
    let remainder = if layout.rounding == Rounding::Remainder { 2 * rest } else { 0 };
    let mut room = [const { Room([0; BLOCK]) }; 7];
    let [to_param, to_grad, to_exp_avg, to_exp_avg_sq, to_kahan_comp, to_remainder, to_copy] =
        &mut room;
    // SAFETY: a valid view has the arrays of its layout, so many bytes from there on; the copies have room for a block, and
    // as arrays of their own are a valid view too.
    unsafe {
        let copies = TensorView {
            len: BLOCK,
            param: to_param.fill(end.param, param),
            grad: to_grad.fill(end.grad, grad),
            exp_avg: to_exp_avg.fill(end.exp_avg, rest),
            exp_avg_sq: to_exp_avg_sq.fill(end.exp_avg_sq, rest),
            kahan_comp: if kahan_comp > 0 {
                to_kahan_comp.fill(end.kahan_comp, kahan_comp)
            } else {
                end.kahan_comp
            },
            master_remainder: to_remainder.fill(end.master_remainder.cast(), remainder).cast(),
            copy: to_copy.0.as_mut_ptr().cast(),
            ..end
        };
        again(step, &copies, layout);
        end.exp_avg.copy_from_nonoverlapping(copies.exp_avg, rest);
        end.exp_avg_sq.copy_from_nonoverlapping(copies.exp_avg_sq, rest);
        if step.rule == Rule::Accumulate {
            return;
        }
        end.param.copy_from_nonoverlapping(copies.param, param);
        end.kahan_comp.copy_from_nonoverlapping(copies.kahan_comp, kahan_comp);
        let remainders = end.master_remainder.cast::<u8>();
        remainders.copy_from_nonoverlapping(copies.master_remainder.cast(), remainder);
        end.copy.copy_from_nonoverlapping(copies.copy, copy);
    }
}

/// A block of elements of up to 4 bytes.
struct Room([u32; BLOCK]);

impl Room {
    /// Copies bytes to the beginning.
    ///
    /// # Safety
    /// There are so many, which fit.
    unsafe fn fill(&mut self, from: *const u8, bytes: usize) -> *mut u8 {
        debug_assert!(bytes <= size_of::<Self>());
        let room = self.0.as_mut_ptr().cast::<u8>();
        // SAFETY: the bytes are there, and there is room for them.
        unsafe { room.copy_from_nonoverlapping(from, bytes) };
        room
    }
}
