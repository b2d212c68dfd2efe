//! Advice on settings that are allowed but known to make training fail.

use super::call::get_text;
use super::radam_optimizer;
use super::status::text_buffer;
use crate::optimizer::Optimizer;
use std::ffi::c_char;

/// Copies advice on settings that are allowed but known to make training fail: one sentence per
/// line, with the number in question and a remedy. Empty if there is nothing to report.
///
/// It checks the options of all groups and the dtypes of their parameters and state. Examples: f16
/// exp_avg_sq, which overflows with gradients of about 256 and more; bf16 exp_avg_sq with beta2 so
/// close to 1 that it never decays.
///
/// buf receives up to cap bytes of UTF-8, always ending in NUL unless cap is 0. A longer text is cut
/// at a character boundary. buf may be NULL to query the size.
///
/// Returns the size of the whole text in bytes, including the NUL: 1 if there is none. It also
/// returns 1 if opt is not a valid handle or there is no memory for the text; radam_last_error(NULL,
/// ...) then has the message.
///
/// Threads: a getter; may be called at any time.
///
/// # Safety
/// buf is NULL or has cap writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_advice(
    opt: *const radam_optimizer,
    buf: *mut c_char,
    cap: u64,
) -> u64 {
    // SAFETY: `buf` has `cap` writable bytes.
    let buffer = unsafe { text_buffer(buf, cap) };
    get_text(opt, buffer, Optimizer::advice)
}
