//! What is set up in a legal way that is known to fail in training.

use super::call::get;
use super::last_error::copy;
use super::status::text_buffer;
use super::{RADAM_OK, radam_optimizer};
use std::ffi::c_char;

/// Tells what is set up in a way that is legal but known to fail in training: sentences, one a line, each with
/// the number that it is about and the cure. Empty where nothing is known.
///
/// It looks at the options of all groups, and at the dtypes of their parameters and state: for example f16
/// exp_avg_sq, which is infinite from gradients of 256 on, or bf16 exp_avg_sq with a beta2 so close to 1 that it
/// never decays.
///
/// buf takes up to cap bytes of it, cut between characters if need be, and always ends in NUL unless cap is 0.
/// It is UTF-8. buf may be NULL, to ask for the size only.
///
/// Returns the bytes that all of it takes, the NUL included: 1 where there is nothing to say, and where opt is
/// no valid handle or there is no memory for the sentences (radam_last_error(NULL, ...) tells).
///
/// Threads: may be called at any time.
///
/// # Safety
/// buf is NULL or has cap writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_advice(
    opt: *const radam_optimizer,
    buf: *mut c_char,
    cap: u64,
) -> u64 {
    // SAFETY: the caller's promise.
    let buffer = unsafe { text_buffer(buf, cap) };
    let mut needed = 1;
    let status = get(opt, |optimizer| {
        needed = copy(optimizer.advice()?.as_bytes(), buffer);
        Ok(())
    });
    if status == RADAM_OK { needed } else { copy(b"", buffer) }
}
