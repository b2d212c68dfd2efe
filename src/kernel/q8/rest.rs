//! Steps the short block at the end of a tensor by the loop for whole ones.

use crate::kernel::step_loop::StepLoop;
use crate::kernel::tensor_view::TensorView;
use crate::math::Step;
use crate::math::q8::BLOCK;

/// Steps the last `rest` elements as the first ones of a block of copies. The others have gradients and codes of 0, and so
/// change nothing that is known of the block.
///
/// # Safety
/// The view is valid for P and G, its last block is that short, and `again` is the loop for such views.
pub(super) unsafe fn step_rest<P, G>(step: &Step, view: &TensorView, rest: usize, again: StepLoop) {
    let start = view.len - rest;
    let mut room = [const { Room([0; BLOCK]) }; 5];
    let [param, grad, kahan_comp, exp_avg, exp_avg_sq] = &mut room;
    // SAFETY: a valid view has `rest` elements from `start` on, the blocks have room for a block of f32, and as arrays of
    // their own they are a valid view too.
    unsafe {
        let kahan_sum = !view.kahan_comp.is_null();
        let copies = TensorView {
            len: BLOCK,
            first: view.first + start as u64,
            param: param.fill(view.param.cast::<P>().add(start), rest).cast(),
            grad: grad.fill(view.grad.cast::<G>().add(start), rest).cast(),
            kahan_comp: if kahan_sum {
                kahan_comp.fill(view.kahan_comp.cast::<P>().add(start), rest).cast()
            } else {
                view.kahan_comp
            },
            exp_avg: exp_avg.fill(view.exp_avg.add(start), rest),
            exp_avg_sq: exp_avg_sq.fill(view.exp_avg_sq.add(start), rest),
            state_scale: view.state_scale.add(start / BLOCK),
            ..*view
        };
        again(step, &copies);
        view.param.cast::<P>().add(start).copy_from_nonoverlapping(copies.param.cast(), rest);
        view.exp_avg.add(start).copy_from_nonoverlapping(copies.exp_avg, rest);
        view.exp_avg_sq.add(start).copy_from_nonoverlapping(copies.exp_avg_sq, rest);
        if kahan_sum {
            let to = view.kahan_comp.cast::<P>().add(start);
            to.copy_from_nonoverlapping(copies.kahan_comp.cast(), rest);
        }
    }
}

/// A block of elements of any dtype of up to 4 bytes.
struct Room([u32; BLOCK]);

impl Room {
    /// Copies elements to the beginning of the block.
    ///
    /// # Safety
    /// There are `len` elements, at most `BLOCK`.
    unsafe fn fill<E>(&mut self, elements: *const E, len: usize) -> *mut E {
        const { assert!(size_of::<E>() <= size_of::<u32>()) };
        let block = self.0.as_mut_ptr().cast::<E>();
        // SAFETY: the elements are there, and the block has room for them.
        unsafe { block.copy_from_nonoverlapping(elements, len) };
        block
    }
}
